//! The crontab: its lines, run by a real shell, and the fields as numbers.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use phlo_orchestrator_crontab::Crontab;
use phlo_plugin::prelude::*;
use phlo_spec::project::ScheduleSpec;

fn schedule(name: &str, cron: &str, select: &str, timezone: Option<&str>) -> ScheduleSpec {
    ScheduleSpec {
        name: name.to_owned(),
        cron: cron.to_owned(),
        select: select.to_owned(),
        timezone: timezone.map(str::to_owned),
    }
}

fn crontab(settings: &str, root: &str, schedules: Vec<ScheduleSpec>) -> Result<String> {
    let settings = Node::parse(settings, "phlo.yaml", 1).unwrap().read().map_err(Error::from)?;
    let definitions = Definitions { project: "lake".to_owned(), schedules, ..Definitions::default() };
    match Crontab::create(settings, &InitContext::at(root))?.build(&definitions)? {
        OrchestratorOutput::Files(files) => Ok(files.into_iter().map(|(_, text)| text).collect()),
        OrchestratorOutput::Steps(_) => panic!("cron runs the steps"),
    }
}

#[test]
fn each_schedule_is_a_line_behind_its_time_zone() {
    let schedules = vec![
        schedule("a b", "0 2 * * *", "group:gold+", Some("Europe/London")),
        schedule("a_b", "*/20 0-6/3,22 1,15 jan-Mar fri,7", "tag:it's 5%", None),
        schedule("c", "5 4 * * *", "*", Some("Europe/London")),
    ];
    let text = crontab("{program: /opt/phlo, log: .phlo/cron.log}", "/srv/lake", schedules).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let tail = "--tag phlo/capability/orchestrator=native >> '.phlo/cron.log' 2>&1";
    let start = |lock: &str| {
        format!("cd '/srv/lake' && mkdir -p .phlo && flock -n -E 0 .phlo/cron-{lock}.lock '/opt/phlo' run --select")
    };
    assert_eq!(
        lines,
        [
            "# Written by `phlo config export`: the schedules of lake.",
            "CRON_TZ=Europe/London",
            &format!("0 2 * * * {} 'group:gold+' {tail}", start("a_b")),
            &format!("5 4 * * * {} '*' {tail}", start("c")),
            "CRON_TZ=UTC",
            &format!("0,20,40 0,3,6,22 1,15 1-3 0,5 {} 'tag:it'\\''s 5\\%' {tail}", start("a_b_2")),
        ]
    );
    assert!(crontab("{}", "/srv/lake", Vec::new()).unwrap().contains("There are none"));
}

#[test]
fn a_shell_runs_the_line_once_at_a_time_and_nothing_of_the_texts() {
    let dir = phlo_testkit::fixture::Project::new();
    let program = dir.root().join("pro gram");
    // A program that tells its arguments, and what happens to the line while it runs.
    std::fs::write(&program, "#!/bin/sh\nprintf '%s\\n' \"$@\" >> told\n[ -n \"$LINE\" ] && sh -c \"$LINE\" && echo \"$?\" >> told\nexit 0\n").unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let select = "tag:$(touch broken);it's `x` 5%";
    let settings = format!("{{program: \"{}\"}}", program.display());
    let text =
        crontab(&settings, dir.root().to_str().unwrap(), vec![schedule("n", "0 2 * * *", select, None)]).unwrap();
    // As cron gives it to the shell.
    let line = text.lines().last().unwrap().strip_prefix("0 2 * * * ").unwrap().replace("\\%", "%");
    let output = Command::new("sh").args(["-c", &line]).env("LINE", &line).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = dir.read("told");
    assert_eq!(told, format!("run\n--select\n{select}\n--tag\nphlo/capability/orchestrator=native\n0\n"));
    assert!(!dir.root().join("broken").exists());
}

#[test]
fn what_fits_in_no_crontab_is_refused() {
    for (settings, cron, select, says) in [
        ("{}", "0 0 */2 * mon", "a.b", "programs for cron disagree"),
        ("{}", "0 0 30 2 *", "a.b", "no such day ever comes"),
        ("{}", "0 0 * * *", "a\nb", "line break"),
        ("{project: lake}", "0 0 * * *", "a", "`project` is no absolute path"),
        ("{log: ../x}", "0 0 * * *", "a", "`log` is not below the project"),
    ] {
        let err = crontab(settings, "/srv", vec![schedule("n", cron, select, None)]).unwrap_err();
        assert!(err.message().contains(says) && !err.hints().is_empty(), "{err:?}");
    }
}
