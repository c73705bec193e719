#![doc = include_str!("../README.md")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};

use phlo_plugin::kinds::agreed_cron;
use phlo_plugin::prelude::*;
use phlo_spec::Cron;
use phlo_spec::project::ScheduleSpec;
use schemars::JsonSchema;
use serde::Deserialize;

phlo_plugin::package!();
phlo_plugin::register!(
    Orchestrator,
    Crontab,
    name = "crontab",
    summary = "Schedules as a crontab, with time zones and without overlap",
    provides = ["orchestrator:crontab"]
);

/// `plugins.settings.orchestrator.crontab` of `phlo.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The phlo that is run; `phlo` on cron's `PATH` unless set.
    pub program: String,
    /// The project's folder on the machine where cron runs, an absolute path; this one unless set.
    pub project: Option<PathBuf>,
    /// The file below the project that output is added to; cron mails it unless set.
    pub log: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { program: "phlo".to_owned(), project: None, log: None }
    }
}

/// The orchestrator `crontab`.
#[derive(Debug)]
pub struct Crontab {
    settings: Settings,
    project: PathBuf,
}

impl Plugin for Crontab {
    type Settings = Settings;

    fn create(settings: Settings, context: &InitContext) -> Result<Self> {
        let project = settings.project.clone().unwrap_or_else(|| context.root.clone());
        if !project.to_string_lossy().starts_with('/') {
            return Err(Error::new(Code::InvalidValue, "`project` is no absolute path")
                .hint("cron starts in the user's home: write the path from `/`"));
        }
        let inside = |log: &Path| log.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if settings.log.as_deref().is_some_and(|log| !inside(log)) {
            return Err(Error::new(Code::InvalidValue, "`log` is not below the project")
                .hint("write e.g. `log: .phlo/cron.log`"));
        }
        Ok(Self { settings, project })
    }
}

impl Orchestrator for Crontab {
    /// One file, `crontab`.
    ///
    /// # Errors
    /// [`Code::InvalidValue`] for cron fields of which programs for cron disagree, and for texts that fit on no line.
    fn build(&self, definitions: &Definitions) -> Result<OrchestratorOutput> {
        let mut text =
            format!("# Written by `phlo config export`: the schedules of {}.\n", one_line(&definitions.project)?);
        let mut schedules: Vec<_> = definitions.schedules.iter().collect();
        // Lines of one zone stand behind its name; otherwise as in phlo.yaml.
        schedules.sort_by_key(|schedule| schedule.timezone.as_deref().unwrap_or("UTC"));
        let (mut zone, mut taken) = ("", BTreeSet::new());
        for schedule in schedules {
            let own = schedule.timezone.as_deref().unwrap_or("UTC");
            if own != zone {
                let _ = writeln!(text, "CRON_TZ={}", one_line(own)?);
                zone = own;
            }
            let line = self.line(schedule, &mut taken).map_err(|err| err.with("schedule", &schedule.name))?;
            let _ = writeln!(text, "{line}");
        }
        if definitions.schedules.is_empty() {
            text.push_str("# There are none: add `schedules:` to phlo.yaml.\n");
        }
        Ok(OrchestratorOutput::Files(vec![("crontab".to_owned(), text)]))
    }
}

impl Crontab {
    fn line(&self, schedule: &ScheduleSpec, taken: &mut BTreeSet<String>) -> Result<String> {
        let lock = unique(&part(&schedule.name), taken);
        let project = self.project.to_string_lossy();
        let mut command = format!(
            "cd {} && mkdir -p .phlo && flock -n -E 0 .phlo/cron-{lock}.lock {} run --select {} --tag phlo/capability/orchestrator=native",
            shell(one_line(&project)?),
            shell(one_line(&self.settings.program)?),
            shell(one_line(&schedule.select)?),
        );
        if let Some(log) = &self.settings.log {
            let _ = write!(command, " >> {} 2>&1", shell(one_line(&log.to_string_lossy())?));
        }
        // cron itself ends the command at a percent sign.
        Ok(format!("{} {}", fields(&schedule.cron)?, command.replace('%', "\\%")))
    }
}

/// The fields in numbers, which every cron reads.
fn fields(cron: &str) -> Result<String> {
    let fields = agreed_cron(cron)?;
    let set = |set: u64, all: bool| if all { "*".to_owned() } else { Cron::list(set, 1, "-") };
    Ok([
        set(fields.minutes, fields.minutes == (1 << 60) - 1),
        set(fields.hours, fields.hours == (1 << 24) - 1),
        set(fields.days, fields.every_day()),
        set(fields.months, fields.months == 0x1ffe),
        set(fields.weekdays, fields.every_weekday()),
    ]
    .join(" "))
}

fn one_line(text: &str) -> Result<&str> {
    if text.chars().any(char::is_control) {
        return Err(Error::new(Code::InvalidValue, "a line break or a control character, which no crontab holds")
            .hint("write the schedule's texts and the settings of `crontab` without"));
    }
    Ok(text)
}

/// A text as one word of the shell.
fn shell(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A text as a part of a file's name.
fn part(text: &str) -> String {
    let part: String = text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if part.is_empty() { "schedule".to_owned() } else { part }
}

fn unique(name: &str, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|n| format!("{name}_{n}"));
    let free = std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or_default();
    taken.insert(free.clone());
    free
}
