//! Blocks on their way from the threads that read to the streams that decode: bounded by bytes, any number of either.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use phlo_plugin::{Error, Result};
use phlo_spec::Code;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::blocks::{BLOCK, LONGEST_RECORD};

/// The bytes of a permit: semaphores count in 32 bits.
const UNIT: usize = 1 << 10;

/// Blocks on their way.
pub(crate) struct Queue<T> {
    waiting: Mutex<Waiting<T>>,
    // One permit for each item that waits; closed when no item will follow.
    items: Semaphore,
    room: Arc<Semaphore>,
    room_units: usize,
    stop: CancellationToken,
}

struct Waiting<T> {
    items: VecDeque<Result<Entry<T>>>,
    writers: usize,
    spare: Vec<Vec<u8>>,
}

/// An item and the room that it takes.
pub(crate) struct Entry<T> {
    pub item: T,
    _room: OwnedSemaphorePermit,
}

impl<T> Queue<T> {
    /// A queue for so many writers and readers, closed by `stop`.
    pub(crate) fn new(writers: usize, readers: usize, stop: CancellationToken) -> Self {
        // A block being decoded by each reader and one waiting for it, one being read by each writer. A block is read before
        // it asks for room, and may hold one long record.
        let bytes = ((2 * readers + writers) * BLOCK).clamp(LONGEST_RECORD / 4, 2 * LONGEST_RECORD);
        Self {
            waiting: Mutex::new(Waiting { items: VecDeque::new(), writers, spare: Vec::new() }),
            items: Semaphore::new(0),
            room: Arc::new(Semaphore::new(bytes / UNIT)),
            room_units: bytes / UNIT,
            stop,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room; false if nobody wants the item any more. Blocks.
    fn push(&self, handle: &Handle, item: T, bytes: usize) -> bool {
        let units = (bytes / UNIT).clamp(1, self.room_units) as u32;
        let room = handle.block_on(async {
            tokio::select! {
                () = self.stop.cancelled() => None,
                room = self.room.clone().acquire_many_owned(units) => room.ok(),
            }
        });
        let Some(room) = room else { return false };
        self.lock().items.push_back(Ok(Entry { item, _room: room }));
        self.items.add_permits(1);
        true
    }

    /// The next item; `None` when all writers have ended and nothing waits.
    pub(crate) async fn pop(&self) -> Option<Result<Entry<T>>> {
        tokio::select! {
            biased;
            permit = self.items.acquire() => {
                if let Ok(permit) = permit {
                    permit.forget();
                }
            }
            // A reader may hang in the file system, which nothing interrupts.
            () = self.stop.cancelled() => return Some(Err(Error::new(Code::Interrupted, "reading was interrupted"))),
        }
        self.lock().items.pop_front()
    }

    /// Gives back a block's memory.
    pub(crate) fn recycle(&self, memory: Vec<u8>) {
        // A buffer that grew for one long record must not stay.
        if memory.len() <= 2 * BLOCK {
            self.lock().spare.push(memory);
        }
    }
}

/// One writer's end of a queue. The queue ends when every writer has finished; a writer that is dropped unfinished fails it.
pub(crate) struct Writer<T> {
    queue: Arc<Queue<T>>,
    handle: Handle,
    finished: bool,
}

impl<T> Writer<T> {
    pub(crate) fn new(queue: Arc<Queue<T>>, handle: Handle) -> Self {
        Self { queue, handle, finished: false }
    }

    /// Memory for a block.
    pub(crate) fn memory(&self) -> Vec<u8> {
        self.queue.lock().spare.pop().unwrap_or_default()
    }

    /// Adds an item of so many bytes; false if nobody wants it any more.
    pub(crate) fn push(&self, item: T, bytes: usize) -> bool {
        self.queue.push(&self.handle, item, bytes)
    }

    /// Ends this writer's part, well or not.
    pub(crate) fn finish(mut self, result: Result<()>) {
        self.end(result);
    }

    fn end(&mut self, result: Result<()>) {
        self.finished = true;
        let mut waiting = self.queue.lock();
        if let Err(err) = result {
            waiting.items.push_back(Err(err));
            self.queue.items.add_permits(1);
        }
        waiting.writers -= 1;
        if waiting.writers == 0 {
            self.queue.items.close();
        }
    }
}

impl<T> Drop for Writer<T> {
    fn drop(&mut self) {
        if !self.finished {
            self.end(Err(Error::internal("a thread that read files panicked")));
        }
    }
}
