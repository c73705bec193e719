//! `phlo materialize`: a run, watched, and what it came to.

use std::sync::Arc;

use phlo_runtime::{PlanStep, RunOptions};
use phlo_spec::RunRecord;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::args::Materialize;
use crate::exit::{Exit, Failure};
use crate::render::progress::Progress;
use crate::render::table::{Cell, Table};
use crate::render::{Tone, run as render};

pub(crate) fn run(app: &App, args: Materialize) -> Result<Exit, Failure> {
    let open = app.open_to_work()?;
    let options = RunOptions {
        select: args.positional.into_iter().chain(args.select).collect(),
        exclude: args.exclude,
        jobs: args.jobs.map(usize::from),
        full_refresh: args.full_refresh,
        partition: args.partition,
        tags: args.tag.into_iter().collect(),
        cancel: CancellationToken::new(),
    };
    if args.dry_run {
        let steps = app.wait(open.platform.plan(&options)).map_err(|f| f.with_texts(&open.texts))?;
        app.printer.answer(|| json!({ "status": "ok", "steps": steps }), || plan(app, &steps))?;
        return Ok(Exit::Done);
    }

    let runtime = app.runtime()?;
    let progress = Arc::new(Progress::new(app.printer.clone()));
    let (cancel, observer, platform) = (options.cancel.clone(), progress.clone(), open.platform.clone());
    // Threads that parse and compress look up seldom: this one does nothing but listen.
    let outcome = App::listener()?.block_on(async {
        let mut running = JoinSet::new();
        running.spawn_on(async move { platform.run(options, observer).await }, runtime.handle());
        let mut interrupts = Interrupts::listen();
        let mut interrupted = false;
        loop {
            tokio::select! {
                Some(ended) = running.join_next() => return Some(ended),
                () = interrupts.next() => {
                    if interrupted {
                        return None;
                    }
                    interrupted = true;
                    app.printer.talk("interrupted: nothing more will be committed; once more stops at once");
                    cancel.cancel();
                }
            }
        }
    });
    progress.end();
    let record = match outcome {
        Some(Ok(record)) => record.map_err(|problems| Failure::in_files(problems, &open.texts))?,
        // A panic: its hook has told it.
        Some(Err(_)) => return Ok(Exit::Failed),
        None => {
            runtime.shutdown_background();
            return Ok(Exit::Interrupted);
        }
    };
    show(app, &record, false)?;
    Ok(Exit::of_run(&record))
}

/// Ctrl-C and the system's stop signal, as long as this lives.
struct Interrupts {
    #[cfg(unix)]
    signals: Vec<tokio::signal::unix::Signal>,
}

impl Interrupts {
    fn listen() -> Self {
        Self {
            #[cfg(unix)]
            signals: {
                use tokio::signal::unix::{SignalKind, signal};
                // Without a handler a signal ends the process, as ever.
                [SignalKind::interrupt(), SignalKind::terminate()]
                    .into_iter()
                    .filter_map(|kind| signal(kind).ok())
                    .collect()
            },
        }
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        std::future::poll_fn(|cx| {
            let ready = self.signals.iter_mut().any(|signal| signal.poll_recv(cx).is_ready());
            if ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Shows a run. `notes` are left out where they were told while it went on.
///
/// # Errors
/// If standard output cannot be written.
pub(crate) fn show(app: &App, record: &RunRecord, notes: bool) -> Result<(), Failure> {
    app.printer.answer(|| json!(record), || render::summary(&app.printer, record))?;
    if !app.printer.json() {
        let (text, codes) = render::details(&app.printer, record, notes);
        if !text.is_empty() {
            // What failed is told even to those who want quiet.
            if codes.is_empty() { app.printer.talk(&text) } else { app.printer.error(&text) }
        }
        app.explain(codes);
    }
    Ok(())
}

fn plan(app: &App, steps: &[PlanStep]) -> String {
    let mut table = Table::list(&app.printer, &["asset", "kind", "strategy", "table store", "after", "checks"]);
    for step in steps {
        let after: Vec<_> = step.after.iter().map(ToString::to_string).collect();
        table.row([
            Cell::toned((step.asset.as_str(), Tone::Strong)),
            step.kind.as_str().into(),
            step.strategy.as_str().into(),
            step.table_store.as_str().into(),
            Cell::maybe((!after.is_empty()).then(|| after.join(", "))),
            Cell::maybe((!step.checks.is_empty()).then(|| step.checks.join(", "))),
        ]);
    }
    table.text()
}
