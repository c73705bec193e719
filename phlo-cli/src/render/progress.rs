//! What a run says while it goes on: bars on a terminal, a line for each asset that ended everywhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use phlo_plugin::Error;
use phlo_runtime::Observer;
use phlo_spec::event::LogLevel;
use phlo_spec::{AssetKey, AssetRun, AssetStatus, Event, Payload};

use crate::printer::Printer;
use crate::render::told::Told;
use crate::render::{Tone, asset_status, number, plural};

/// Watches a run and tells of it on standard error.
pub(crate) struct Progress {
    printer: Arc<Printer>,
    bars: Option<MultiProgress>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The longest key's length.
    width: usize,
    running: BTreeMap<AssetKey, ProgressBar>,
}

impl Progress {
    /// Bars, if standard error is a terminal.
    pub(crate) fn new(printer: Arc<Printer>) -> Self {
        let bars = printer.animates().then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)));
        printer.above(bars.clone());
        Self { printer, bars, state: Mutex::default() }
    }

    /// Takes the bars away.
    pub(crate) fn end(&self) {
        if let Some(bars) = &self.bars {
            self.state().running.clear();
            // A terminal that is gone needs no cleaning.
            let _ = bars.clear();
        }
        self.printer.above(None);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, key: &AssetKey) {
        let Some(bars) = &self.bars else { return self.printer.detail(&format!("{key}  begins")) };
        let mut state = self.state();
        let width = state.width;
        let style = ProgressStyle::with_template("{spinner} {prefix}  {human_pos} rows  {elapsed}")
            .expect("the template is valid");
        let bar = state.running.entry(key.clone()).or_insert_with(|| bars.add(ProgressBar::no_length()));
        bar.set_style(style);
        bar.set_prefix(format!("{:width$}", key.as_str()));
        bar.set_position(0);
        bar.enable_steady_tick(Duration::from_millis(120));
    }

    fn ended(&self, run: &AssetRun) {
        let width = {
            let mut state = self.state();
            if let (Some(bar), Some(bars)) = (state.running.remove(&run.asset), &self.bars) {
                bar.finish_and_clear();
                bars.remove(&bar);
            }
            state.width
        };
        self.printer.talk(&line(run, width));
    }
}

/// How an asset ended, on a line.
pub(crate) fn line(run: &AssetRun, width: usize) -> String {
    let (word, tone) = asset_status(run.status);
    let mut line = format!("{:width$}  {}", run.asset.as_str(), tone.paint(word));
    if run.status == AssetStatus::Success {
        let _ = write!(line, "  {}", plural(run.rows_in as usize, "row"));
    }
    if let (AssetStatus::Success | AssetStatus::Unchanged, Some(version)) = (run.status, run.version) {
        let _ = write!(line, "  v{version}");
    }
    if run.attempts > 0 {
        let _ = write!(line, "  {}", number::millis(run.duration_ms));
    }
    if run.attempts > 1 {
        let _ = write!(line, "  {}", Tone::Warn.paint(format!("attempt {}", run.attempts)));
    }
    line
}

impl Observer for Progress {
    fn event(&self, event: &Event) {
        match (&event.payload, &event.correlation.asset) {
            (Payload::RunStart(start), _) => {
                self.state().width = start.assets.iter().map(|k| k.as_str().len()).max().unwrap_or(0);
            }
            (Payload::IngestionStart(_) | Payload::TransformStart(_) | Payload::PublishStart(_), Some(key)) => {
                self.start(key);
            }
            (Payload::IngestionEnd(run) | Payload::TransformEnd(run) | Payload::PublishEnd(run), _) => self.ended(run),
            (Payload::TelemetryLog(log), asset) => {
                let of = asset.as_ref().map(|key| format!("{key}: ")).unwrap_or_default();
                match log.level {
                    LogLevel::Warn => {
                        self.printer.talk(&format!("{}: {of}{}", Tone::Warn.paint("warning"), log.message));
                    }
                    // What failed is told with its asset's end.
                    LogLevel::Error | LogLevel::Info => self.printer.detail(&format!("{of}{}", log.message)),
                    LogLevel::Debug => {}
                }
            }
            _ => {}
        }
    }

    fn progress(&self, asset: &AssetKey, rows: u64) {
        if self.bars.is_some()
            && let Some(bar) = self.state().running.get(asset)
        {
            bar.set_position(rows);
        }
    }

    fn hook_failed(&self, plugin: &str, hook: &str, error: &Error) {
        let what = match (plugin, hook) {
            ("", "") => "a hook plugin did not start".to_owned(),
            ("", hook) => format!("`{hook}` failed"),
            (plugin, hook) => format!("the hook `{hook}` of `{plugin}` failed"),
        };
        let told = Told::from(error).about(&what).warning();
        self.printer.talk(&told.text(None, &|text| self.printer.clean(text)));
    }
}

#[cfg(test)]
mod tests {

    use anstream::adapter::strip_str;
    use serde_json::json;

    #[test]
    fn an_ended_asset_is_one_line() {
        let line =
            |run: serde_json::Value| strip_str(&super::line(&serde_json::from_value(run).unwrap(), 16)).to_string();
        let ok = json!({ "asset": "bronze.flights", "status": "success", "attempts": 1, "rows_in": 27004, "version": 0, "duration_ms": 1234 });
        assert_eq!(line(ok), "bronze.flights    ok  27,004 rows  v0  1.2 s");
        let unchanged =
            json!({ "asset": "bronze.flights", "status": "unchanged", "attempts": 2, "version": 3, "duration_ms": 50 });
        assert_eq!(line(unchanged), "bronze.flights    unchanged  v3  50 ms  attempt 2");
        assert_eq!(line(json!({ "asset": "gold.x", "status": "skipped" })), "gold.x            skipped");
        assert_eq!(
            line(json!({ "asset": "gold.x", "status": "blocked", "attempts": 1, "duration_ms": 5 })),
            "gold.x            blocked  5 ms"
        );
    }
}
