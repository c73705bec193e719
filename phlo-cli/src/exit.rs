//! How a command ends: the exit codes, and the failure that carries what is told.

use std::io;

use phlo_plugin::Error;
use phlo_project::Texts;
use phlo_spec::{AssetStatus, Code, Diagnostic, Diagnostics, RunRecord, RunStatus, Severity};

use crate::render::told::Told;

/// What the process answers to whoever started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// An asset failed, or a command's own work did.
    Failed,
    /// The project or the command line is wrong.
    Wrong,
    /// A blocking check failed.
    Blocked,
    /// A service or connection is not there.
    Absent,
    /// Interrupted.
    Interrupted,
    /// What a plugin's command says.
    Plugin(u8),
}

impl Exit {
    /// The number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Wrong => 2,
            Self::Blocked => 3,
            Self::Absent => 4,
            Self::Interrupted => 130,
            Self::Plugin(code) => code,
        }
    }

    /// The exit of a command that failed with these codes.
    pub(crate) fn of_codes(codes: &[Code]) -> Self {
        if codes.contains(&Code::Interrupted) {
            Self::Interrupted
        } else if !codes.is_empty() && codes.iter().all(|c| is_absence(*c)) {
            Self::Absent
        } else if codes.iter().any(|c| is_of_the_work(*c)) {
            Self::Failed
        } else if codes.iter().any(|c| matches!(c, Code::CheckFailed | Code::CheckErrored)) {
            Self::Blocked
        } else {
            Self::Wrong
        }
    }

    /// The exit of a project that was found wrong before anything ran: what is told of data then is the project's mistake too.
    pub(crate) fn before_work(codes: &[Code]) -> Self {
        match Self::of_codes(codes) {
            Self::Failed if !codes.iter().any(|c| is_of_the_work(*c) && !is_of_data(*c)) => Self::Wrong,
            exit => exit,
        }
    }

    /// The exit of a run.
    pub(crate) fn of_run(run: &RunRecord) -> Self {
        match run.status {
            RunStatus::Success | RunStatus::Running => Self::Done,
            RunStatus::Blocked => Self::Blocked,
            RunStatus::Interrupted => Self::Interrupted,
            RunStatus::Failed => {
                let blocked = run.assets.iter().any(|a| a.status == AssetStatus::Blocked);
                let mut failed = run.assets.iter().filter(|a| a.status == AssetStatus::Failed);
                let absent = failed.all(|a| a.error.as_ref().is_some_and(|e| is_absence(e.code)));
                if absent && !blocked { Self::Absent } else { Self::Failed }
            }
        }
    }
}

fn is_absence(code: Code) -> bool {
    matches!(code, Code::ConnectionFailed | Code::AuthFailed | Code::RemoteBusy)
}

// Whether it is about data or the tables that hold it.
fn is_of_data(code: Code) -> bool {
    matches!(&code.as_str()[..2], "P3" | "P4")
}

// Whether a failure happened while working, so that neither the project nor the command line is to blame.
fn is_of_the_work(code: Code) -> bool {
    match code {
        Code::UnknownVersion => false,
        // A plugin that fails while it works is not the project's mistake.
        Code::PluginFailed | Code::PluginPanicked => true,
        _ => is_of_data(code) || matches!(&code.as_str()[..2], "P6" | "P7" | "P9"),
    }
}

fn error_codes(told: &[Told]) -> Vec<Code> {
    told.iter().filter(|t| t.severity == Severity::Error).map(|t| t.code).collect()
}

/// Why a command did not do its work.
pub(crate) enum Failure {
    /// What is wrong.
    Problems {
        /// Each problem.
        told: Vec<Told>,
        /// The files that the problems are about.
        texts: Texts,
        /// The exit, where the codes do not decide it.
        exit: Option<Exit>,
    },
    /// It was told already, in the JSON document on standard output.
    Written(Exit),
    /// Nobody reads standard output any more, which is fine.
    Unread,
}

impl Failure {
    /// Problems found in these files, before anything ran.
    pub(crate) fn in_files(diagnostics: Diagnostics, texts: &Texts) -> Self {
        let told: Vec<Told> = diagnostics.into_iter().map(Told::from).collect();
        let exit = Some(Exit::before_work(&error_codes(&told)));
        Self::Problems { told, texts: texts.clone(), exit }
    }

    /// As it is, with the files that its problems are about.
    pub(crate) fn with_texts(self, files: &Texts) -> Self {
        match self {
            Self::Problems { told, exit, .. } => Self::Problems { told, texts: files.clone(), exit },
            other => other,
        }
    }

    /// A command line that asks for something that cannot be.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Error::new(Code::Usage, message).into()
    }

    /// The exit.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Problems { exit: Some(exit), .. } | Self::Written(exit) => *exit,
            Self::Problems { told, .. } => Exit::of_codes(&error_codes(told)),
            Self::Unread => Exit::Done,
        }
    }
}

impl From<Error> for Failure {
    fn from(err: Error) -> Self {
        Self::Problems { told: vec![Told::from(&err)], texts: Texts::default(), exit: None }
    }
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Problems { told: vec![diagnostic.into()], texts: Texts::default(), exit: None }
    }
}

impl From<Diagnostics> for Failure {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::in_files(diagnostics, &Texts::default())
    }
}

/// Of writing to standard output.
impl From<io::Error> for Failure {
    fn from(err: io::Error) -> Self {
        if err.kind() == io::ErrorKind::BrokenPipe {
            return Self::Unread;
        }
        let error = Error::new(Code::UnreadableFile, "standard output cannot be written").because(err);
        Self::Problems { told: vec![Told::from(&error)], texts: Texts::default(), exit: Some(Exit::Failed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_decide_the_exit() {
        for (codes, exit) in [
            (&[Code::UnknownKey][..], Exit::Wrong),
            (&[Code::UnknownPlugin, Code::UnknownAsset], Exit::Wrong),
            (&[Code::UnknownVersion], Exit::Wrong),
            (&[Code::ConnectionFailed], Exit::Absent),
            (&[Code::AuthFailed, Code::RemoteBusy], Exit::Absent),
            (&[Code::ConnectionFailed, Code::StorageFailed], Exit::Failed),
            (&[Code::UnknownKey, Code::ConnectionFailed], Exit::Failed),
            (&[Code::MalformedData], Exit::Failed),
            (&[Code::Internal], Exit::Failed),
            (&[Code::CheckFailed], Exit::Blocked),
            (&[Code::Interrupted, Code::StorageFailed], Exit::Interrupted),
        ] {
            assert_eq!(Exit::of_codes(codes), exit, "{codes:?}");
        }
    }

    #[test]
    fn what_is_found_before_anything_ran_is_the_projects_mistake() {
        for (codes, exit) in [
            (&[Code::SchemaMismatch][..], Exit::Wrong),
            (&[Code::UnknownKey, Code::Unsupported], Exit::Wrong),
            (&[Code::ConnectionFailed], Exit::Absent),
            (&[Code::SchemaMismatch, Code::Internal], Exit::Failed),
            (&[Code::Interrupted], Exit::Interrupted),
        ] {
            assert_eq!(Exit::before_work(codes), exit, "{codes:?}");
        }
    }

    #[test]
    fn a_run_that_failed_for_connections_alone_says_so() {
        let run = |assets: &[(&str, Option<&str>)]| {
            let assets: Vec<_> = assets
                .iter()
                .map(|(status, code)| {
                    let mut asset = serde_json::json!({ "asset": "a.b", "status": status });
                    if let Some(code) = code {
                        asset["error"] = serde_json::json!({ "code": code, "messages": ["m"] });
                    }
                    asset
                })
                .collect();
            let record = serde_json::json!({
                "id": "r", "status": "failed", "started_at": "2026-01-01T00:00:00Z", "selection": "all", "assets": assets
            });
            Exit::of_run(&serde_json::from_value(record).unwrap())
        };
        assert_eq!(run(&[("failed", Some("P3001")), ("skipped", Some("P6002")), ("success", None)]), Exit::Absent);
        assert_eq!(run(&[("failed", Some("P3001")), ("failed", Some("P3004"))]), Exit::Failed);
        assert_eq!(run(&[("failed", Some("P3001")), ("blocked", Some("P5001"))]), Exit::Failed);
    }
}
