//! The memory of all queries together.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion::common::resources_datafusion_err;
use datafusion::error::Result;
use datafusion::execution::memory_pool::{
    FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation, TrackConsumersPool,
};

/// How many of those who hold memory an error names.
const NAMED: NonZeroUsize = NonZeroUsize::new(5).unwrap();

/// A pool that is fair to those who spill, and tracked: an error names who holds the memory.
///
/// Assets run side by side, and one big sort must not starve the others. `least` is what the merge of a sort is given in any case.
pub(crate) fn pool(bytes: usize, least: usize) -> Arc<dyn MemoryPool> {
    Arc::new(TrackConsumersPool::new(
        MergeShares { pool: FairSpillPool::new(bytes), bytes, least, merges: AtomicUsize::new(0) },
        NAMED,
    ))
}

/// A fair pool in which the merges of sorts that spilled take no more than half of the memory, each its share.
///
/// DataFusion merges as many spilled runs at once as the pool gives it memory for, and gives nothing back until it is done: several
/// sorts of one query then leave nothing for the operator that reads them. With less memory such a merge takes more passes.
#[derive(Debug)]
struct MergeShares {
    pool: FairSpillPool,
    bytes: usize,
    /// What each has in any case.
    least: usize,
    merges: AtomicUsize,
}

/// The merge's name within DataFusion (`ExternalSorter::new` in its physical plans).
fn is_merge(consumer: &MemoryConsumer) -> bool {
    consumer.name().starts_with("ExternalSorterMerge")
}

impl MemoryPool for MergeShares {
    fn name(&self) -> &str {
        self.pool.name()
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.merges.fetch_add(usize::from(is_merge(consumer)), Ordering::Relaxed);
        self.pool.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.merges.fetch_sub(usize::from(is_merge(consumer)), Ordering::Relaxed);
        self.pool.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.pool.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.pool.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        if is_merge(reservation.consumer()) {
            // Every sort registers its merge at once, whether it will spill or not: many small ones must all begin.
            let share = (self.bytes / 2 / self.merges.load(Ordering::Relaxed).max(1)).max(self.least);
            if reservation.size() + additional > share {
                return Err(resources_datafusion_err!("a merge may hold {share} bytes and no {additional} more"));
            }
        }
        self.pool.try_grow(reservation, additional)
    }

    fn reserved(&self) -> usize {
        self.pool.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.pool.memory_limit()
    }
}

impl fmt::Display for MergeShares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pool.fmt(f)
    }
}
