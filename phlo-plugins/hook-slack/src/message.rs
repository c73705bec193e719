//! The message: a line for each thing to be told, in Slack's markup, within its bounds.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use phlo_plugin::prelude::*;
use phlo_spec::event::RunEnd;
use phlo_spec::text::thousands;
use phlo_spec::{AssetStatus, RunStatus};

use crate::memory::Recovered;
use crate::settings::{Occasion, Settings};
use crate::story::{Found, Story};

/// Of a text of somebody else's no more than this is shown, in characters.
const SHOWN: usize = 300;

/// What a run is called.
pub(crate) struct Run<'a> {
    pub(crate) project: &'a str,
    pub(crate) id: &'a str,
    pub(crate) end: &'a RunEnd,
    pub(crate) at: DateTime<Utc>,
}

/// The message about a run; none if there is nothing to tell.
pub(crate) fn message(run: &Run<'_>, story: &Story, recovered: &Recovered, settings: &Settings) -> Option<String> {
    let sections = [
        (Occasion::CheckFailed, "check failed", "checks failed", checks(story, |found| found.blocks)),
        (Occasion::AssetFailed, "asset failed", "assets failed", failed(story)),
        (Occasion::AssetFailed, "failure of no asset", "failures of no asset", of_no_asset(story, run, settings)),
        (Occasion::Late, "asset late", "assets late", late(story)),
        (Occasion::CheckWarned, "check warned", "checks warned", checks(story, |found| !found.blocks)),
        (Occasion::Recovered, "recovered", "recovered", mended(recovered)),
    ];
    let (mut counts, mut lines, mut alarming) = (Vec::new(), Vec::new(), false);
    for (occasion, one, several, found) in sections {
        if settings.on.contains(&occasion) && !found.is_empty() {
            alarming |= occasion != Occasion::Recovered;
            counts.push(format!("{} {}", thousands(found.len() as u64), if found.len() == 1 { one } else { several }));
            lines.extend(found);
        }
    }
    if counts.is_empty() {
        return None;
    }
    let mut head = String::new();
    if let Some(mention) = settings.mention.as_ref().filter(|mention| alarming && !mention.is_empty()) {
        head = format!("{mention} ");
    }
    let _ = write!(
        head,
        "*{}*: run `{}` {} at {}: {}",
        escaped(&cut(run.project)),
        code(run.id),
        ended(run.end.status),
        run.at.format("%Y-%m-%d %H:%M UTC"),
        counts.join(", ")
    );
    Some(bounded(head, &lines, run.id, settings))
}

/// As many lines as fit, and how many do not.
fn bounded(head: String, lines: &[String], run: &str, settings: &Settings) -> String {
    let rest = |left: usize| format!("\n… and {} more: `phlo logs {}`", thousands(left as u64), code(run));
    let length = |text: &str| text.chars().count();
    let reserve = length(&rest(lines.len()));
    let (mut size, mut text, mut shown) = (length(&head), head, 0);
    for line in lines.iter().take(settings.max_rows) {
        let more = length(line) + 1;
        let is_last = shown + 1 == lines.len();
        if size + more + if is_last { 0 } else { reserve } > settings.max_chars {
            break;
        }
        text.push('\n');
        text.push_str(line);
        size += more;
        shown += 1;
    }
    if shown < lines.len() {
        text.push_str(&rest(lines.len() - shown));
    }
    text
}

fn checks(story: &Story, wanted: impl Fn(&Found) -> bool) -> Vec<String> {
    let mut lines = Vec::new();
    for ((asset, partition), chapter) in &story.parts {
        for found in chapter.checks.iter().filter(|found| !found.passed && wanted(found)) {
            let mut line = format!("• {}: check `{}` ", named(asset, partition.as_deref()), code(&found.name));
            if found.errored {
                let why = found.error.as_deref().unwrap_or("no reason was given");
                let _ = write!(line, "could not run: {}", shown(why));
            } else {
                line.push_str(if found.blocks { "failed" } else { "warned" });
                if found.violations > 0 {
                    let _ = write!(line, ": {} of {} violate it", thousands(found.violations), thousands(found.total));
                }
                for (what, text) in [("found", &found.observed), ("expected", &found.expected)] {
                    if let Some(text) = text {
                        let _ = write!(line, "; {what} {}", shown(text));
                    }
                }
            }
            let rows = if found.of_rows { " --rows" } else { "" };
            let _ = write!(line, "; `phlo quality show {asset}{rows}`");
            lines.push(line);
        }
    }
    lines
}

fn failed(story: &Story) -> Vec<String> {
    let mut lines = Vec::new();
    for ((asset, partition), chapter) in &story.parts {
        if chapter.status == Some(AssetStatus::Failed) {
            let mut line = format!("• {} failed", named(asset, partition.as_deref()));
            if let Some(error) = &chapter.error {
                let _ = write!(line, ": {}", shown(&error.messages.join(": ")));
                let _ = write!(line, "; `phlo explain {}`", error.code);
            }
            lines.push(line);
        }
    }
    lines
}

/// A run that failed though no asset says so. Of some assets alone that cannot be told.
fn of_no_asset(story: &Story, run: &Run<'_>, settings: &Settings) -> Vec<String> {
    let is_said = story.parts.values().any(|chapter| chapter.status == Some(AssetStatus::Failed));
    if is_said || run.end.status != RunStatus::Failed || !settings.assets.is_empty() {
        return Vec::new();
    }
    vec![format!("• the run failed, and no asset did; `phlo logs {}`", code(run.id))]
}

fn late(story: &Story) -> Vec<String> {
    let line = |(asset, hours): (&AssetKey, &f64)| {
        format!("• {} is late: {hours:.1} h older than its `freshness:` permits; `phlo status`", named(asset, None))
    };
    story.late.iter().map(line).collect()
}

fn mended(recovered: &Recovered) -> Vec<String> {
    let assets = recovered.assets.iter().map(|asset| format!("• {} ended well again", named(asset, None)));
    let checks = recovered
        .checks
        .iter()
        .map(|(asset, name)| format!("• {}: check `{}` holds again", named(asset, None), code(name)));
    assets.chain(checks).collect()
}

fn named(asset: &AssetKey, partition: Option<&str>) -> String {
    partition.map_or_else(|| format!("*{asset}*"), |partition| format!("*{asset}* ({})", shown(partition)))
}

const fn ended(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Running => "runs",
        RunStatus::Success => "ended well",
        RunStatus::Failed => "failed",
        RunStatus::Blocked => "was blocked by a check",
        RunStatus::Interrupted => "was interrupted",
    }
}

/// A text of somebody else's: on one line, of bounded length, and without meaning to Slack.
fn shown(text: &str) -> String {
    escaped(&cut(text))
}

/// The same within backticks.
fn code(text: &str) -> String {
    shown(text).replace('`', "'")
}

fn cut(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Slack's three signs, and the names that call everybody in Mattermost and Discord.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    ["all", "channel", "everyone", "here"].iter().fold(text, |text, name| {
        // A space without width behind the sign: it looks the same and calls nobody.
        text.replace(&format!("@{name}"), &format!("@\u{200b}{name}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_comes_from_data_means_anything_to_slack() {
        assert_eq!(shown("<!channel> a\n & b"), "&lt;!channel&gt; a &amp; b");
        assert_eq!(shown("ask @here"), "ask @\u{200b}here");
        assert_eq!(code("a`b <c>"), "a'b &lt;c&gt;");
        assert_eq!(shown(&"é".repeat(400)).chars().count(), SHOWN + 1);
    }
}
