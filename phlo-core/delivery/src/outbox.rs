//! The outbox: bounded queues that a worker empties, and what became of everything that was put into them.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use phlo_plugin::{Emitter, Error, InitContext, Result};
use phlo_spec::event::LogLevel;
use phlo_spec::{Code, Correlation, Redactor};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::endpoint::Endpoint;
use crate::spool::Spool;
use crate::worker::Worker;

/// A queue takes no more than this, in bytes of bodies.
const MAX_QUEUE_BYTES: usize = 16 << 20;
/// What the worker may take beyond the drain, to write its files.
const GRACE: Duration = Duration::from_secs(3);

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its id: the same whenever it is sent.
    pub id: String,
    /// The body, JSON.
    pub body: String,
}

impl Message {
    /// A message.
    pub fn new(id: impl Into<String>, body: impl Into<String>) -> Self {
        Self { id: id.into(), body: body.into() }
    }
}

/// The bounds of an outbox, the same for each of its endpoints.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Messages that may wait in memory.
    pub queue: usize,
    /// Bytes that may wait in the spool.
    pub spool_bytes: u64,
    /// How long [`Outbox::close`] lets the worker go on sending.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { queue: 1000, spool_bytes: 10 << 20, drain: Duration::from_secs(5) }
    }
}

/// Where messages are put.
pub struct Outbox {
    shared: Arc<Shared>,
    worker: Mutex<Option<Worker>>,
    drain: Duration,
}

/// What the worker shares with those who put messages in.
pub(crate) struct Shared {
    pub(crate) lanes: Vec<Lane>,
    pub(crate) redactor: Redactor,
    producer: String,
    emitter: Emitter,
    correlation: Mutex<Correlation>,
}

/// An endpoint and what is on its way there.
pub(crate) struct Lane {
    pub(crate) endpoint: Endpoint,
    pub(crate) spool: Spool,
    pub(crate) queue: Mutex<Queue>,
    pub(crate) tally: Mutex<Tally>,
    /// Something came, or a run begins.
    pub(crate) wake: Notify,
    /// One worker at a time: one that is closing ends before the next begins.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
pub(crate) struct Queue {
    messages: VecDeque<Arc<Message>>,
    bytes: usize,
    limit: usize,
    /// A run begins: an endpoint that was given up is tried again.
    pub(crate) again: bool,
}

impl Queue {
    fn push(&mut self, message: Message) -> bool {
        let bytes = self.bytes + message.body.len();
        let fits = self.messages.len() < self.limit && bytes <= MAX_QUEUE_BYTES;
        if fits {
            self.bytes = bytes;
            self.messages.push_back(Arc::new(message));
        }
        fits
    }

    pub(crate) fn front(&self) -> Option<Arc<Message>> {
        self.messages.front().cloned()
    }

    pub(crate) fn pop(&mut self) {
        if let Some(message) = self.messages.pop_front() {
            self.bytes -= message.body.len();
        }
    }

    pub(crate) fn take(&mut self) -> Vec<Arc<Message>> {
        self.bytes = 0;
        self.messages.drain(..).collect()
    }
}

/// What did not arrive, since the last close.
#[derive(Default)]
pub(crate) struct Tally {
    /// Messages that the endpoint refused for good, and what it said first.
    pub(crate) refused: Option<(u64, String)>,
    /// Messages that found the queue full.
    pub(crate) overflowed: u64,
    /// Messages that the spool had no room for.
    pub(crate) unspooled: u64,
    /// Why the spool could not be read or written.
    pub(crate) spool_failed: Option<Error>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Outbox {
    /// An outbox of these endpoints, for the hook of this name: its spools lie in a folder of that name in the state folder, and
    /// its warnings have that producer. Nothing runs and nothing is written before the first message.
    pub fn new(hook: &str, endpoints: Vec<Endpoint>, limits: Limits, context: &InitContext) -> Self {
        let dir = context.state_dir.join(hook);
        let lanes = endpoints.into_iter().map(|endpoint| Lane::new(endpoint, &dir, limits)).collect();
        let shared = Shared {
            lanes,
            redactor: context.redactor.clone(),
            producer: hook.to_owned(),
            emitter: context.emitter.producer(hook),
            correlation: Mutex::default(),
        };
        Self { shared: Arc::new(shared), worker: Mutex::default(), drain: limits.drain }
    }

    /// Puts a message into the queue of the endpoint with this index, and returns. If the queue is full it is lost, counted, and
    /// told by [`Outbox::close`].
    ///
    /// # Errors
    /// If the system gives no thread to send it.
    pub fn push(&self, endpoint: usize, message: Message, run_id: Option<&str>) -> Result<()> {
        let Some(lane) = self.shared.lanes.get(endpoint) else {
            return Err(Error::internal(format!("the outbox has no endpoint {endpoint}")));
        };
        self.of_run(run_id);
        if !lock(&lane.queue).push(message) {
            lock(&lane.tally).overflowed += 1;
            return Ok(());
        }
        lane.wake.notify_one();
        self.work()
    }

    /// A run begins: what waits since an earlier one is sent, and endpoints that were given up are tried again.
    ///
    /// # Errors
    /// If the system gives no thread to send it.
    pub fn begin(&self, run_id: Option<&str>) -> Result<()> {
        self.of_run(run_id);
        for lane in &self.shared.lanes {
            lock(&lane.queue).again = true;
            lane.wake.notify_one();
        }
        if self.shared.lanes.iter().any(|lane| lane.spool.is_there()) { self.work() } else { Ok(()) }
    }

    /// Waits until everything is sent, but not longer than the drain and a little for its files; what is left then waits in the
    /// spool. The outbox can be used again afterwards.
    ///
    /// # Errors
    /// What was lost since the last time.
    pub fn close(&self) -> Result<()> {
        let worker = lock(&self.worker).take();
        let ended = worker.is_none_or(|worker| worker.close(self.drain, GRACE));
        let mut problems: Vec<String> = self.shared.lanes.iter().filter_map(Lane::problems).collect();
        if !ended {
            problems.push("the worker did not end in time, and what it had may be lost".to_owned());
        }
        if problems.is_empty() {
            return Ok(());
        }
        let hint = "an endpoint that is slow or down for long needs a longer `drain` or more room, one that refuses needs another config";
        Err(Error::new(Code::HookFailed, problems.join("; ")).with("hook", &self.shared.producer).hint(hint))
    }

    fn of_run(&self, run_id: Option<&str>) {
        let mut correlation = lock(&self.shared.correlation);
        if correlation.run_id.as_deref() != run_id {
            *correlation = Correlation { run_id: run_id.map(str::to_owned), ..Correlation::default() };
        }
    }

    fn work(&self) -> Result<()> {
        let mut worker = lock(&self.worker);
        if worker.as_ref().is_none_or(Worker::has_ended) {
            *worker = Some(Worker::start(self.shared.clone())?);
        }
        Ok(())
    }
}

impl Shared {
    /// Tells what deserves a look, as an event of the hook.
    pub(crate) fn warn(&self, what: &str) {
        let correlation = lock(&self.correlation).clone();
        self.emitter.correlated(correlation).log(LogLevel::Warn, self.redactor.clean(what));
    }
}

impl Lane {
    fn new(endpoint: Endpoint, dir: &Path, limits: Limits) -> Self {
        let spool = Spool::new(dir, &endpoint.name, limits.spool_bytes);
        Self {
            endpoint,
            spool,
            queue: Mutex::new(Queue { limit: limits.queue, ..Queue::default() }),
            tally: Mutex::default(),
            wake: Notify::new(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// What was lost since the last time, in words.
    fn problems(&self) -> Option<String> {
        let Tally { refused, overflowed, unspooled, spool_failed } = std::mem::take(&mut *lock(&self.tally));
        let mut parts = Vec::new();
        if let Some((count, why)) = refused {
            parts.push(format!("{count} refused ({why})"));
        }
        if overflowed > 0 {
            parts.push(format!("{overflowed} lost because the queue was full"));
        }
        if unspooled > 0 {
            let why = match spool_failed {
                Some(err) => err.chain().join(": "),
                None => format!("{} was full", self.spool.path().display()),
            };
            parts.push(format!("{unspooled} lost because {why}"));
        } else if let Some(err) = spool_failed {
            parts.push(err.chain().join(": "));
        }
        (!parts.is_empty()).then(|| format!("of the messages to `{}`: {}", self.endpoint.name, parts.join(", ")))
    }
}
