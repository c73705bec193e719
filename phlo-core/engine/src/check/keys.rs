//! Uniqueness of keys in the pass that other checks share: a hash of each row's key, and no two alike.
//!
//! Keys with different hashes are different, so that a table without two equal hashes is proven unique, with 8 bytes a row and no key
//! kept. Two equal hashes prove nothing: then, and when the engine's memory does not suffice, the keys are grouped, which is exact and
//! spills. Of n unique keys, two share a hash with a probability of about n² / 2⁶⁵ (the birthday problem): one in a million for 6 M rows.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use datafusion::common::DFSchema;
use datafusion::common::hash_utils::{QualityRandomState, create_hashes};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::physical_plan::PhysicalExpr;
use datafusion::prelude::SessionContext;
use phlo_plugin::Result;
use phlo_plugin::quality::Evaluation;

use super::{Check, predicate, simplified};
use crate::error::map_error;

/// Hashes are divided by their highest bits, so that each part is sorted in the processor's caches and by another thread.
const PARTS: usize = 32;
const SHIFT: u32 = u64::BITS - PARTS.trailing_zeros();
/// How much memory is asked for at once.
const STEP: usize = 1 << 20;

/// The key of a uniqueness check, planned.
#[derive(Debug, Clone)]
pub(super) struct KeyRule {
    key: Vec<Expr>,
    pub(super) filter: Option<Expr>,
    /// Whether a null in a key breaks it.
    complete: bool,
}

impl KeyRule {
    /// Plans a check's key; `None` if it is no such check, or equal keys may have different hashes.
    pub(super) fn of(session: &SessionContext, schema: &DFSchema, check: &Check) -> Option<Self> {
        let Evaluation::Unique { key, complete } = &check.plan.evaluation else { return None };
        let plan =
            |sql: &String| predicate(session, schema, sql).and_then(|expr| simplified(session, schema, expr)).ok();
        let key: Vec<Expr> = key.iter().map(|part| plan(&part.expression)).collect::<Option<_>>()?;
        let hashable = |expr: &Expr| expr.get_type(schema).is_ok_and(|data_type| is_hashable(&data_type));
        if key.is_empty() || !key.iter().all(hashable) {
            return None;
        }
        let filter = match &check.filter {
            Some(sql) => Some(plan(sql)?),
            None => None,
        };
        Some(Self { key, filter, complete: *complete })
    }

    pub(super) fn columns(&self) -> BTreeSet<String> {
        let exprs = self.key.iter().chain(&self.filter);
        exprs.flat_map(|expr| expr.column_refs().into_iter().map(|c| c.name.clone()).collect::<Vec<_>>()).collect()
    }

    /// Ready for batches of this schema.
    pub(super) fn watch(&self, session: &SessionContext, schema: &DFSchema) -> Result<KeyWatch> {
        let state = session.state();
        let ready = |expr: &Expr| state.create_physical_expr(expr.clone(), schema).map_err(map_error);
        Ok(KeyWatch {
            key: self.key.iter().map(ready).collect::<Result<_>>()?,
            filter: self.filter.as_ref().map(ready).transpose()?,
            complete: self.complete,
            pool: session.runtime_env().memory_pool.clone(),
        })
    }
}

// Zero has two signs and NaN many bits; nested values hold either.
fn is_hashable(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_hashable(value),
        other => !other.is_floating() && !other.is_nested() && !other.is_null(),
    }
}

/// Looks at the keys of batches.
#[derive(Debug)]
pub(super) struct KeyWatch {
    key: Vec<Arc<dyn PhysicalExpr>>,
    filter: Option<Arc<dyn PhysicalExpr>>,
    complete: bool,
    pool: Arc<dyn MemoryPool>,
}

/// The hashes of one stream's keys.
#[derive(Debug)]
pub(super) struct Hashes {
    /// None if there were too many, or a key could not be computed.
    parts: Option<Vec<Vec<u64>>>,
    held: usize,
    reservation: MemoryReservation,
}

impl KeyWatch {
    pub(super) fn hashes(&self) -> Hashes {
        let reservation = MemoryConsumer::new("keys of a uniqueness check").register(&self.pool);
        Hashes { parts: Some(vec![Vec::new(); PARTS]), held: 0, reservation }
    }

    /// Looks at one batch.
    pub(super) fn look(&self, batch: &RecordBatch, hashes: &mut Hashes) {
        if hashes.parts.is_some() && self.try_look(batch, hashes).is_none() {
            hashes.parts = None;
            hashes.reservation.free();
        }
    }

    fn try_look(&self, batch: &RecordBatch, hashes: &mut Hashes) -> Option<()> {
        let rows = batch.num_rows();
        hashes.held += rows * size_of::<u64>();
        // A vector that grows holds up to twice what is in it.
        if hashes.held * 2 > hashes.reservation.size() {
            hashes.reservation.try_grow(STEP.max(hashes.held)).ok()?;
        }
        let value = |expr: &Arc<dyn PhysicalExpr>| expr.evaluate(batch).and_then(|value| value.into_array(rows)).ok();
        let key: Vec<ArrayRef> = self.key.iter().map(value).collect::<Option<_>>()?;
        let filter = match &self.filter {
            Some(filter) => Some(value(filter)?),
            None => None,
        };
        // A key with a null equals nothing.
        let mut wanted =
            key.iter().fold(None, |nulls, array| NullBuffer::union(nulls.as_ref(), array.logical_nulls().as_ref()));
        if self.complete && filter.is_none() && wanted.as_ref().is_some_and(|nulls| nulls.null_count() > 0) {
            return None;
        }
        if let Some(filter) = &filter {
            let filter = filter.as_boolean_opt()?;
            let holds = NullBuffer::new(filter.values().clone());
            let looked_at = NullBuffer::union(Some(&holds), filter.nulls());
            let before = looked_at.as_ref().map_or(rows, |looked_at| rows - looked_at.null_count());
            wanted = NullBuffer::union(wanted.as_ref(), looked_at.as_ref());
            let left = wanted.as_ref().map_or(rows, |wanted| rows - wanted.null_count());
            if self.complete && left < before {
                return None;
            }
        }
        let mut buffer = vec![0; rows];
        create_hashes(&key, &QualityRandomState::default(), &mut buffer).ok()?;
        let parts = hashes.parts.as_mut()?;
        let mut put = |hash: u64| parts[(hash >> SHIFT) as usize].push(hash);
        match &wanted {
            Some(wanted) => wanted.valid_indices().for_each(|row| put(buffer[row])),
            None => buffer.into_iter().for_each(put),
        }
        Some(())
    }
}

/// Whether the keys of all streams are proven to be unique.
pub(super) async fn unique(streams: Vec<Hashes>) -> bool {
    let mut reservations = Vec::new();
    let mut parts: Vec<Vec<Vec<u64>>> = vec![Vec::new(); PARTS];
    for stream in streams {
        let Some(of_stream) = stream.parts else { return false };
        reservations.push(stream.reservation);
        parts.iter_mut().zip(of_stream).for_each(|(all, one)| all.push(one));
    }
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut shares: Vec<Vec<Vec<Vec<u64>>>> = vec![Vec::new(); threads];
    for (at, part) in parts.into_iter().enumerate() {
        shares[at % threads].push(part);
    }
    let shares = shares.into_iter().map(|share| {
        tokio::task::spawn_blocking(move || {
            share.into_iter().all(|mut part| {
                let mut all = part.pop().unwrap_or_default();
                part.iter().for_each(|more| all.extend_from_slice(more));
                all.sort_unstable();
                all.windows(2).all(|pair| pair[0] != pair[1])
            })
        })
    });
    let found = futures::future::join_all(shares).await;
    drop(reservations);
    found.into_iter().all(|unique| unique.unwrap_or(false))
}
