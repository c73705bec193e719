//! The units as systemd itself reads them, and the calendars against an implementation of cron: croniter from PyPI.
#![allow(clippy::unwrap_used)]
#![expect(clippy::disallowed_methods, reason = "a test asks whether it runs under CI")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use phlo_orchestrator_systemd::{Systemd, on_calendar};
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

fn systemd(settings: &str, root: &str) -> Result<Systemd> {
    let settings = Node::parse(settings, "phlo.yaml", 1).unwrap().read().map_err(Error::from)?;
    Systemd::create(settings, &InitContext::at(root))
}

fn files(plugin: &Systemd, schedules: Vec<ScheduleSpec>) -> Result<BTreeMap<String, String>> {
    let definitions = Definitions { project: "my lake".to_owned(), schedules, ..Definitions::default() };
    match plugin.build(&definitions)? {
        OrchestratorOutput::Files(files) => Ok(files.into_iter().collect()),
        OrchestratorOutput::Steps(_) => panic!("systemd runs the steps"),
    }
}

/// Whether a test can run here; under `CI` it must.
#[expect(clippy::print_stdout, reason = "a test that is not run must say so")]
fn needs(there: bool, what: &str) -> bool {
    assert!(there || std::env::var("CI").is_err(), "{what} is needed by this test");
    if !there {
        println!("not run: {what} is not here");
    }
    there
}

fn works(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).output().is_ok_and(|output| output.status.success())
}

#[test]
fn a_schedule_is_a_timer_and_a_service_that_runs_its_selection() {
    let plugin =
        systemd("{program: /opt/phlo, user: lake, environment_file: /etc/lake.env, credentials: [db]}", "/srv/l%ke")
            .unwrap();
    let files =
        files(&plugin, vec![schedule("night ly", "0 2 * * *", "group:gold+,tag:a\"$x%", Some("Europe/London"))])
            .unwrap();
    assert_eq!(files.keys().collect::<Vec<_>>(), ["phlo-my_lake-night_ly.service", "phlo-my_lake-night_ly.timer"]);
    let service = &files["phlo-my_lake-night_ly.service"];
    for line in [
        "Description=phlo: the schedule night ly of my lake",
        "WorkingDirectory=/srv/l%%ke",
        "ExecStart=\"/opt/phlo\" run --select \"group:gold+,tag:a\\\"$$x%%\" --tag phlo/capability/orchestrator=native",
        "User=lake",
        "EnvironmentFile=-/etc/lake.env",
        "LoadCredential=db",
        "KillSignal=SIGINT",
        "ProtectSystem=strict",
        "ReadWritePaths=\"/srv/l%%ke\"",
    ] {
        assert!(service.lines().any(|one| one == line), "{line}\n{service}");
    }
    assert_eq!(
        files["phlo-my_lake-night_ly.timer"],
        "# Written by `phlo config export`.\n[Unit]\nDescription=phlo: the schedule night ly of my lake\n\n[Timer]\n\
         OnCalendar=*-*-* 02:00:00 Europe/London\nAccuracySec=1s\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n"
    );
}

#[test]
fn without_schedules_it_is_one_service_for_all() {
    let files = files(&systemd("{project: /data/lake}", "/srv/lake").unwrap(), Vec::new()).unwrap();
    assert_eq!(files.keys().collect::<Vec<_>>(), ["phlo-my_lake.service"]);
    let service = &files["phlo-my_lake.service"];
    assert!(service.contains("run --tag") && service.contains("WorkingDirectory=/data/lake\n"), "{service}");
}

#[test]
fn what_makes_no_unit_is_refused() {
    for settings in ["{program: phlo}", "{project: lake}", "{user: 'a b'}", "{credentials: ['a:b']}", "{writable: [x]}"]
    {
        let err = systemd(settings, "/srv").unwrap_err();
        assert!(err.code() == Code::InvalidValue && !err.hints().is_empty(), "{settings}: {err:?}");
    }
    let plugin = systemd("{}", "/srv").unwrap();
    for (cron, select, says) in [
        ("0 0 */2 * mon", "a.b", "programs for cron disagree"),
        ("0 0 30 2 *", "a.b", "no such day ever comes"),
        ("0 0 * * *", "a.b\nExecStart=x", "line break"),
    ] {
        let err = files(&plugin, vec![schedule("n", cron, select, None)]).unwrap_err();
        assert!(err.message().contains(says), "{err:?}");
    }
}

#[test]
fn systemd_itself_finds_nothing_wrong_with_the_units() {
    if !needs(works("systemd-analyze", &["--version"]), "systemd-analyze of the package systemd") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let settings =
        "{program: /usr/bin/env, user: root, environment_file: /etc/x.env, credentials: [db], writable: ['/var/a b%']}";
    let plugin = systemd(settings, dir.path().to_str().unwrap()).unwrap();
    let schedules = vec![
        schedule("nightly", "0 2 * * *", "group:gold+,tag:a\"$x%'\\", Some("Europe/London")),
        schedule("either", "*/20 0-6,22 1,15 * mon-fri", "*", None),
    ];
    let mut command = Command::new("systemd-analyze");
    command.args(["verify", "--recursive-errors=no", "--man=no"]);
    for (name, text) in files(&plugin, schedules).unwrap() {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        command.arg(path);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains(dir.path().to_str().unwrap()), "{said}");
}

/// A Python with croniter, installed once into the target folder, or why not.
fn python() -> Option<PathBuf> {
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("croniter-venv");
    let python = venv.join("bin/python");
    let there = || works(python.to_str().unwrap(), &["-c", "import croniter"]);
    let made = there()
        || (works("python3", &["-m", "venv", venv.to_str().unwrap()])
            && works(python.to_str().unwrap(), &["-m", "pip", "install", "--quiet", "croniter==6.0.0", "tzdata"])
            && there());
    needs(made, "python3 with croniter from PyPI").then_some(python)
}

/// Numbers that look like chance and are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(sides)) as u32
    }

    fn field(&mut self, from: u32, to: u32) -> String {
        let any = |dice: &mut Self| from + dice.roll(to - from + 1);
        match self.roll(6) {
            0 | 1 => "*".to_owned(),
            2 => any(self).to_string(),
            3 => format!("*/{}", 1 + self.roll(to - from)),
            4 => {
                // Of a range of one value with a step croniter makes every value.
                let a = from + self.roll(to - from);
                format!("{a}-{}/{}", a + 1 + self.roll(to - a), 1 + self.roll(4))
            }
            _ => format!("{},{},{}", any(self), any(self), any(self)),
        }
    }
}

#[test]
fn timers_elapse_when_cron_would_run() {
    let (Some(python), true) =
        (python(), needs(works("systemd-analyze", &["--version"]), "systemd-analyze of the package systemd"))
    else {
        return;
    };
    // Away from changes of clocks, at which the two differ and croniter counts an hour wrong.
    let fixed = [
        ("0 2 * * *", "Europe/London"),
        ("30 2 * * 1-5", "Asia/Kolkata"),
        ("*/15 0-6,22 1,15 jan-Mar mon-fri", "UTC"),
        ("0 0 29 2 *", "UTC"),
        ("15 12 1 * sun", "America/Bogota"),
        ("0 0 * * 7", "Pacific/Auckland"),
        ("59 23 31 12 *", "Asia/Tokyo"),
        ("0 12 13 * fri", "UTC"),
    ];
    // The day never comes, and either will do; croniter gives up on it.
    assert_eq!(on_calendar("0 0 31 2,4 mon", None).unwrap(), ["Mon *-02,04-* 00:00:00 UTC"]);
    let mut dice = Dice(7);
    let mut crons: Vec<(String, &str)> = fixed.iter().map(|(cron, zone)| ((*cron).to_owned(), *zone)).collect();
    while crons.len() < 250 {
        let fields = [(0, 59), (0, 23), (1, 28), (1, 12), (0, 6)].map(|(from, to)| dice.field(from, to));
        crons.push((fields.join(" "), "UTC"));
    }
    let mut cases = String::new();
    let mut disputed = 0;
    for (cron, zone) in &crons {
        match on_calendar(cron, Some(zone)) {
            Ok(calendar) => cases.push_str(&format!("{cron}|{zone}|{}\n", calendar.join("|"))),
            Err(err) => {
                assert!(err.message().contains("disagree"), "{cron}: {err:?}");
                disputed += 1;
            }
        }
    }
    assert!(disputed < crons.len() / 2, "{disputed} of {} were not compared", crons.len());
    let script = r#"
import os, re, subprocess, sys
from datetime import datetime, timezone
from zoneinfo import ZoneInfo
from croniter import croniter
N, BASE, wrong = 6, datetime(2026, 1, 30, 12, 7, 30, tzinfo=timezone.utc), []
environ = dict(os.environ, TZ="UTC", LC_ALL="C")
for line in sys.stdin:
    cron, zone, *calendars = line.rstrip("\n").split("|")
    run = croniter(cron, BASE.astimezone(ZoneInfo(zone)))
    want = [run.get_next(datetime).astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S") for _ in range(N)]
    said = subprocess.run(["systemd-analyze", "calendar", f"--iterations={N}", "--base-time=2026-01-30 12:07:30 UTC", *calendars],
        env=environ, capture_output=True, text=True)
    moments = re.findall(r"(?:Next elapse|Iter(?:ation|\.) #\d+): \w+ (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", said.stdout)
    got = sorted(set(moments))[:N]
    if got != want:
        wrong.append(f"{cron} ({zone}) as {calendars}: cron {want}, systemd {got} {said.stderr}")
print("\n".join(wrong))
"#;
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("cases");
    std::fs::write(&input, &cases).unwrap();
    let output = Command::new(python).args(["-c", script]).stdin(std::fs::File::open(input).unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let wrong = String::from_utf8_lossy(&output.stdout);
    assert!(wrong.trim().is_empty(), "{wrong}");
}
