//! The worker: a thread with a runtime of its own, on which each endpoint's messages are sent one after the other.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use phlo_plugin::retry::pause;
use phlo_plugin::{Error, Result};
use phlo_spec::Code;
use reqwest::Client;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::outbox::{Lane, Message, Shared, lock};
use crate::send::{Failure, MAX_WAIT, client, send};

/// When the worker must be done, once that is known.
type Deadline = watch::Receiver<Option<Instant>>;

/// A worker thread.
pub(crate) struct Worker {
    thread: JoinHandle<()>,
    deadline: watch::Sender<Option<Instant>>,
    // Never sent to: it is closed when the thread ends.
    ended: mpsc::Receiver<()>,
}

impl Worker {
    pub(crate) fn start(shared: Arc<Shared>) -> Result<Self> {
        let (deadline, receiver) = watch::channel(None);
        let (alive, ended) = mpsc::channel::<()>();
        let work = move || {
            let _alive = alive;
            work(&shared, &receiver);
        };
        let thread = std::thread::Builder::new().name("phlo-delivery".to_owned()).spawn(work);
        let thread = thread.map_err(|err| Error::new(Code::HookFailed, "no thread for the delivery").because(err))?;
        Ok(Self { thread, deadline, ended })
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until it has sent everything or written down what is left. Whether it has.
    pub(crate) fn close(self, drain: Duration, grace: Duration) -> bool {
        self.deadline.send_replace(Some(Instant::now() + drain));
        match self.ended.recv_timeout(drain.saturating_add(grace)) {
            Err(mpsc::RecvTimeoutError::Timeout) => false,
            Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => self.thread.join().is_ok(),
        }
    }
}

fn work(shared: &Arc<Shared>, deadline: &Deadline) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(err) => return shared.warn(&format!("nothing is delivered: no runtime: {err}")),
    };
    runtime.block_on(async {
        let mut lanes = JoinSet::new();
        let ids: HashMap<_, _> = (0..shared.lanes.len())
            .map(|at| (lanes.spawn(run(shared.clone(), at, deadline.clone())).id(), at))
            .collect();
        while let Some(ended) = lanes.join_next().await {
            if let Err(err) = ended
                && let Some(lane) = ids.get(&err.id()).and_then(|at| shared.lanes.get(*at))
            {
                let mut tally = lock(&lane.tally);
                tally.unspooled += lock(&lane.queue).take().len() as u64;
                tally.spool_failed = Some(Error::internal("the delivery broke off").because(err));
            }
        }
    });
    // A name that is still being looked up must not hold the end up.
    runtime.shutdown_background();
}

/// Sends the messages of an endpoint until the deadline is set and nothing is left, or is over.
async fn run(shared: Arc<Shared>, at: usize, deadline: Deadline) {
    let lane = &shared.lanes[at];
    let _turn = tokio::select! {
        // Even without time left, whoever has the turn writes down what there is.
        biased;
        turn = lane.turn.lock() => turn,
        () = over(deadline.clone()) => {
            if lock(&lane.queue).front().is_some() {
                let message = "an earlier delivery has not ended, and what came since may be lost";
                lock(&lane.tally).spool_failed = Some(Error::new(Code::HookFailed, message));
            }
            return;
        }
    };
    let mut sender =
        Sender { shared: &shared, lane, deadline, client: None, backlog: VecDeque::new(), done: HashSet::new() };
    sender.load();
    loop {
        // Before the queue is looked at: what was put in before the end was announced is in it then.
        let closing = sender.until().is_some();
        match sender.next() {
            Some(message) => match sender.deliver(&message).await {
                Outcome::Done => sender.pop(),
                Outcome::Refused(why) => {
                    sender.refused(why);
                    sender.pop();
                }
                Outcome::GivenUp(why) => {
                    sender.park(Some(&why));
                    if !sender.next_run().await {
                        return;
                    }
                    sender.load();
                }
                Outcome::OutOfTime(why) => return sender.park(Some(&why)),
            },
            None => {
                sender.park(None);
                if closing {
                    return;
                }
                sender.woken().await;
            }
        }
    }
}

enum Outcome {
    Done,
    Refused(String),
    GivenUp(String),
    OutOfTime(String),
}

struct Sender<'a> {
    shared: &'a Shared,
    lane: &'a Lane,
    deadline: Deadline,
    client: Option<Client>,
    /// What waited in the spool, and still does until it is done.
    backlog: VecDeque<Arc<Message>>,
    /// What of it is done.
    done: HashSet<String>,
}

impl Sender<'_> {
    fn load(&mut self) {
        match self.lane.spool.load() {
            Ok(messages) => self.backlog = messages.into(),
            Err(err) => lock(&self.lane.tally).spool_failed = Some(err),
        }
    }

    fn next(&self) -> Option<Arc<Message>> {
        self.backlog.front().cloned().or_else(|| lock(&self.lane.queue).front())
    }

    fn pop(&mut self) {
        match self.backlog.pop_front() {
            Some(message) => {
                self.done.insert(message.id.clone());
            }
            None => lock(&self.lane.queue).pop(),
        }
    }

    fn refused(&self, why: String) {
        let first = {
            let mut tally = lock(&self.lane.tally);
            let first = tally.refused.is_none();
            tally.refused.get_or_insert((0, why.clone())).0 += 1;
            first
        };
        if first {
            self.shared.warn(&format!("`{}` refuses a message, which is dropped: {why}", self.lane.endpoint.name));
        }
    }

    /// Tries until it is taken, refused, or there is no use in it.
    async fn deliver(&mut self, message: &Message) -> Outcome {
        // From here on a run that begins is a reason to try once more.
        lock(&self.lane.queue).again = false;
        let endpoint = &self.lane.endpoint;
        let client = match &self.client {
            Some(client) => client.clone(),
            None => match client(endpoint) {
                Ok(client) => self.client.insert(client).clone(),
                Err(err) => return Outcome::GivenUp(err.chain().join(": ")),
            },
        };
        let mut attempt = 1;
        loop {
            let sent = tokio::select! {
                sent = send(&client, endpoint, message, &self.shared.redactor) => sent,
                () = over(self.deadline.clone()) => return Outcome::OutOfTime("no answer before the run ended".to_owned()),
            };
            let (why, wait) = match sent {
                Ok(()) => return Outcome::Done,
                Err(Failure::Refused(why)) => return Outcome::Refused(why),
                Err(Failure::Passing { why, wait }) => (why, wait),
            };
            if attempt >= endpoint.retry.max_attempts.get() || wait.is_some_and(|wait| wait > MAX_WAIT) {
                return Outcome::GivenUp(why);
            }
            if !self.rest(Instant::now() + pause(endpoint.retry.delay.0, attempt, wait)).await {
                return Outcome::OutOfTime(why);
            }
            attempt += 1;
        }
    }

    /// Waits, unless that would go beyond the deadline.
    async fn rest(&mut self, until: Instant) -> bool {
        loop {
            if self.until().is_some_and(|deadline| deadline < until) {
                return false;
            }
            tokio::select! {
                () = sleep_until(until) => return true,
                _ = self.deadline.changed() => {}
            }
        }
    }

    /// Leaves everything that is not done to the spool. With a reason, that is told.
    fn park(&mut self, why: Option<&str>) {
        let queued = why.map(|_| lock(&self.lane.queue).take()).unwrap_or_default();
        self.backlog.clear();
        match self.lane.spool.update(&std::mem::take(&mut self.done), &queued) {
            Ok(kept) => {
                lock(&self.lane.tally).unspooled += kept.lost;
                if let Some(why) = why.filter(|why| !why.is_empty()) {
                    let (name, path) = (&self.lane.endpoint.name, self.lane.spool.path().display());
                    self.shared.warn(&format!(
                        "`{name}` does not take messages ({why}): they wait in {path}, and the next run sends them first"
                    ));
                }
            }
            Err(err) => {
                let mut tally = lock(&self.lane.tally);
                tally.unspooled += queued.len() as u64;
                tally.spool_failed = Some(err);
            }
        }
    }

    /// Lets messages wait until a run begins. False if the worker has to end before.
    async fn next_run(&mut self) -> bool {
        loop {
            let closing = self.until().is_some();
            if lock(&self.lane.queue).again {
                return true;
            }
            self.park(Some(""));
            if closing {
                return false;
            }
            self.woken().await;
        }
    }

    async fn woken(&mut self) {
        tokio::select! {
            () = self.lane.wake.notified() => {}
            _ = self.deadline.changed() => {}
        }
    }

    /// The deadline, once it is set. An outbox that was dropped has none left.
    fn until(&self) -> Option<Instant> {
        if self.deadline.has_changed().is_err() { Some(Instant::now()) } else { *self.deadline.borrow() }
    }
}

/// Returns when the deadline is over.
async fn over(mut deadline: Deadline) {
    loop {
        let until = *deadline.borrow_and_update();
        match until {
            Some(until) => return sleep_until(until).await,
            None if deadline.changed().await.is_err() => return,
            None => {}
        }
    }
}
