#![doc = include_str!("../README.md")]

mod calendar;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use phlo_plugin::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

pub use calendar::on_calendar;

phlo_plugin::package!();
phlo_plugin::register!(
    Orchestrator,
    Systemd,
    name = "systemd",
    summary = "Schedules as systemd timers, each with a hardened service",
    provides = ["orchestrator:systemd"]
);

/// `plugins.settings.orchestrator.systemd` of `phlo.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The phlo that is run, an absolute path.
    pub program: PathBuf,
    /// The project's folder on the machine where the units run, an absolute path; this one unless set.
    pub project: Option<PathBuf>,
    /// The user that runs it; unless set none is written: it is root, or the user of a user manager.
    pub user: Option<String>,
    /// A file with variables of the environment, read if it is there.
    pub environment_file: Option<PathBuf>,
    /// Names of secrets that systemd loads from its credential store; phlo's secret store `files` reads them.
    pub credentials: Vec<String>,
    /// More folders that phlo may write, absolute paths.
    pub writable: Vec<PathBuf>,
    /// Whether a schedule that was due while the machine was off runs once at its start.
    pub catch_up: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            program: "/usr/local/bin/phlo".into(),
            project: None,
            user: None,
            environment_file: None,
            credentials: Vec::new(),
            writable: Vec::new(),
            catch_up: true,
        }
    }
}

/// The orchestrator `systemd`.
#[derive(Debug)]
pub struct Systemd {
    settings: Settings,
    project: PathBuf,
    lake: Option<PathBuf>,
}

impl Plugin for Systemd {
    type Settings = Settings;

    fn create(settings: Settings, context: &InitContext) -> Result<Self> {
        let project = settings.project.clone().unwrap_or_else(|| context.root.clone());
        let paths = [("program", &settings.program), ("project", &project)].into_iter();
        let paths = paths.chain(settings.environment_file.iter().map(|path| ("environment_file", path)));
        for (key, path) in paths.chain(settings.writable.iter().map(|path| ("writable", path))) {
            if !path.to_string_lossy().starts_with('/') {
                return Err(Error::new(Code::InvalidValue, format!("`{key}` is no absolute path: {}", path.display()))
                    .hint("systemd knows no current folder: write the path from `/`"));
            }
            one_line(key, &path.to_string_lossy())?;
        }
        let plain = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        };
        let user = settings.user.iter().map(|user| ("user", user));
        for (key, name) in user.chain(settings.credentials.iter().map(|name| ("credentials", name))) {
            if !plain(name) {
                return Err(Error::new(Code::InvalidValue, format!("`{name}` in `{key}` is no name"))
                    .hint("write letters, digits, `_`, `-` and `.`"));
            }
        }
        // A lake inside the project's folder may be written with it.
        let lake = context.storage.root.to_file_path().ok().filter(|lake| !lake.starts_with(&context.root));
        Ok(Self { settings, project, lake })
    }
}

fn one_line(key: &str, value: &str) -> Result<()> {
    if value.chars().any(char::is_control) {
        return Err(Error::new(Code::InvalidValue, format!("`{key}` holds a line break or a control character"))
            .hint("units are lines of text: write it without"));
    }
    Ok(())
}

impl Orchestrator for Systemd {
    /// A service and a timer for each schedule; without schedules a service for all.
    ///
    /// # Errors
    /// [`Code::InvalidValue`] for cron fields of which programs for cron disagree, and for texts that make no unit.
    fn build(&self, definitions: &Definitions) -> Result<OrchestratorOutput> {
        let project = &definitions.project;
        one_line("name", project)?;
        let mut files = Vec::new();
        let mut taken = BTreeSet::new();
        for schedule in &definitions.schedules {
            let name = &schedule.name;
            one_line("name", name)?;
            one_line("select", &schedule.select)?;
            let calendar =
                on_calendar(&schedule.cron, schedule.timezone.as_deref()).map_err(|err| err.with("schedule", name))?;
            let unit = unique(&format!("phlo-{}-{}", part(project), part(name)), &mut taken);
            let about = format!("phlo: the schedule {name} of {project}");
            files.push((format!("{unit}.service"), self.service(&about, Some(&schedule.select))));
            files.push((format!("{unit}.timer"), self.timer(&about, &calendar)));
        }
        if files.is_empty() {
            let about = format!("phlo: all of {project}");
            files.push((format!("phlo-{}.service", part(project)), self.service(&about, None)));
        }
        Ok(OrchestratorOutput::Files(files))
    }
}

impl Systemd {
    fn service(&self, about: &str, select: Option<&str>) -> String {
        let Settings { program, user, environment_file, credentials, writable, .. } = &self.settings;
        let (about, project) = (specifiers(about), specifiers(&self.project.to_string_lossy()));
        let mut text = format!(
            "# Written by `phlo config export`.\n\
             [Unit]\nDescription={about}\nWants=network-online.target\nAfter=network-online.target\n\n\
             [Service]\nType=oneshot\nWorkingDirectory={project}\nExecStart={} run",
            argument(&program.to_string_lossy())
        );
        if let Some(select) = select {
            let _ = write!(text, " --select {}", argument(select));
        }
        // systemd has decided what runs: for phlo itself this is a run as any.
        text.push_str(" --tag phlo/capability/orchestrator=native\n");
        if let Some(user) = user {
            // Root without its capabilities could not write what is not root's.
            let _ = writeln!(text, "User={user}\nCapabilityBoundingSet=");
        }
        if let Some(file) = environment_file {
            let _ = writeln!(text, "EnvironmentFile=-{}", specifiers(&file.to_string_lossy()));
        }
        for name in credentials {
            let _ = writeln!(text, "LoadCredential={name}");
        }
        text.push_str(
            "# phlo answers SIGINT by leaving nothing half-written.\n\
             KillSignal=SIGINT\nTimeoutStartSec=infinity\nTimeoutStopSec=60\nUMask=0027\n\
             NoNewPrivileges=yes\nProtectSystem=strict\nProtectHome=read-only\nPrivateTmp=yes\nPrivateDevices=yes\n\
             ProtectKernelTunables=yes\nProtectKernelModules=yes\nProtectKernelLogs=yes\nProtectControlGroups=yes\n\
             ProtectClock=yes\nProtectHostname=yes\nRestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\nRestrictNamespaces=yes\n\
             RestrictRealtime=yes\nRestrictSUIDSGID=yes\nLockPersonality=yes\nMemoryDenyWriteExecute=yes\n\
             SystemCallArchitectures=native\nSystemCallFilter=@system-service\n",
        );
        let mut folders = vec![self.project.as_path()];
        folders.extend(self.lake.as_deref().into_iter().chain(writable.iter().map(PathBuf::as_path)));
        for folder in folders {
            let _ = writeln!(text, "ReadWritePaths={}", quoted_path(folder));
        }
        text
    }

    fn timer(&self, about: &str, calendar: &[String]) -> String {
        let mut text =
            format!("# Written by `phlo config export`.\n[Unit]\nDescription={}\n\n[Timer]\n", specifiers(about));
        for one in calendar {
            let _ = writeln!(text, "OnCalendar={one}");
        }
        let _ = writeln!(text, "AccuracySec=1s\nPersistent={}", self.settings.catch_up);
        text + "\n[Install]\nWantedBy=timers.target\n"
    }
}

/// A text as a part of a unit's name.
fn part(text: &str) -> String {
    let part: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.') { c } else { '_' }).collect();
    if part.is_empty() { "project".to_owned() } else { part }
}

fn unique(name: &str, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|n| format!("{name}_{n}"));
    let free = std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or_default();
    taken.insert(free.clone());
    free
}

/// `%` begins what systemd fills in.
fn specifiers(text: &str) -> String {
    text.replace('%', "%%")
}

/// One argument of a command line: in quotes, and nothing in it is filled in.
fn argument(text: &str) -> String {
    format!("\"{}\"", specifiers(text).replace('\\', "\\\\").replace('"', "\\\"").replace('$', "$$"))
}

fn quoted_path(path: &Path) -> String {
    format!("\"{}\"", specifiers(&path.to_string_lossy()).replace('\\', "\\\\").replace('"', "\\\""))
}
