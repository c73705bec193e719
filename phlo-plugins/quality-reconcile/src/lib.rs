#![doc = include_str!("../README.md")]

pub mod aggregates;
pub mod checksum;
pub mod counts;
pub mod diff;
pub mod keys;
mod params;
mod text;

use phlo_plugin::register_check;

phlo_plugin::package!();

register_check!(
    aggregates::ReconcileAggregates,
    name = "reconcile_aggregates",
    summary = "An aggregate is what it is in another table, by group"
);
register_check!(
    aggregates::ReconcileMulti,
    name = "reconcile_multi",
    summary = "Several aggregates are what they are in another table, by group"
);
register_check!(
    checksum::ReconcileChecksum,
    name = "reconcile_checksum",
    summary = "Rows have the checksums that they have in another table"
);
register_check!(
    counts::ReconcileCounts,
    name = "reconcile_counts",
    summary = "There are as many rows as in another table"
);
register_check!(
    diff::ReconcileDiff,
    name = "reconcile_diff",
    summary = "No range of keys differs from that of another table"
);
register_check!(keys::ReconcileKeys, name = "reconcile_keys", summary = "The keys are those of another table");
