//! What users write under `plugins.settings.hook.slack`.

use std::time::Duration;

use phlo_delivery::{Limits, Retry, Seconds};
use phlo_plugin::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

/// What no message may exceed, in characters: Slack cuts there.
const MOST_CHARS: usize = 40_000;
/// Room for the first line and the count of what is left out.
const LEAST_CHARS: usize = 1000;

/// `plugins.settings.hook.slack` of `phlo.yaml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The incoming webhook: Slack's, Mattermost's, or Discord's with `/slack` at its end. A secret. Unless set, or while it is
    /// empty, nobody is told and nothing runs.
    pub webhook_url: Option<Secret>,
    /// What is told: `check_failed` (a check that blocks, or could not run), `check_warned` (one of severity `warn`),
    /// `asset_failed`, `late` (older than its `freshness:` permits) and `recovered` (a check or asset that failed in its last run and
    /// no longer does). Unless set everything but `check_warned`.
    pub on: Vec<Occasion>,
    /// Only these assets; all unless set.
    pub assets: Vec<AssetKey>,
    /// Put before messages that tell of a failure, as it is: `<!channel>` or `<@U012AB3CD>` in Slack, `@channel` in Mattermost.
    pub mention: Option<String>,
    /// What the project is called in messages; its `name` unless set.
    pub project: Option<String>,
    /// At most so many lines; 50 unless set. The rest is counted.
    pub max_rows: usize,
    /// At most so many characters, 1000 to 40000; 16000 unless set, which Slack and Mattermost take. Discord takes 2000. What is left
    /// out is counted.
    pub max_chars: usize,
    /// How long to wait for an answer; 10 seconds unless set.
    pub timeout: Seconds,
    /// How often a message is tried.
    pub retry: Retry,
    /// How long the end of a run may wait until its message is sent; 5 seconds unless set. What is not sent by then waits in
    /// `.phlo/slack/` for the next run.
    pub drain: Seconds,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            webhook_url: None,
            on: vec![Occasion::CheckFailed, Occasion::AssetFailed, Occasion::Late, Occasion::Recovered],
            assets: Vec::new(),
            mention: None,
            project: None,
            max_rows: 50,
            max_chars: 16_000,
            timeout: Seconds(Duration::from_secs(10)),
            retry: Retry::default(),
            drain: Seconds(Limits::default().drain),
        }
    }
}

impl Settings {
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |message: String| Err(Error::new(Code::InvalidValue, message));
        if self.on.is_empty() {
            return wrong("`on` is empty, so that nothing is told".to_owned());
        }
        if self.max_rows == 0 {
            return wrong("`max_rows` is 0, so that nothing is told".to_owned());
        }
        if !(LEAST_CHARS..=MOST_CHARS).contains(&self.max_chars) {
            return wrong(format!("`max_chars` is {}, not from {LEAST_CHARS} to {MOST_CHARS}", self.max_chars));
        }
        if self.mention.as_ref().is_some_and(|mention| mention.chars().count() > 100) {
            return wrong("`mention` has more than 100 characters".to_owned());
        }
        Ok(())
    }
}

/// What a message may be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// A check that blocks did not hold, or a check could not run.
    CheckFailed,
    /// A check of severity `warn` did not hold.
    CheckWarned,
    /// An asset failed.
    AssetFailed,
    /// An asset is older than its `freshness:` permits.
    Late,
    /// What failed in its last run no longer does.
    Recovered,
}
