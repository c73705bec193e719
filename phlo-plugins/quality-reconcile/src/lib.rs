#![doc = include_str!("../README.md")]

pub mod aggregates;
pub mod checksum;
pub mod counts;
pub mod diff;
pub mod keys;
mod params;
mod text;
pub mod with;

phlo_plugin::package!();

/// Registers a check that has no settings.
macro_rules! check {
    ($ty:ty, $name:literal, $summary:literal) => {
        impl phlo_plugin::context::Plugin for $ty {
            type Settings = phlo_plugin::NoSettings;

            fn create(_: Self::Settings, _: &phlo_plugin::InitContext) -> phlo_plugin::Result<Self> {
                Ok(Self)
            }
        }
        phlo_plugin::register!(Quality, $ty, name = $name, summary = $summary);
    };
}

check!(
    aggregates::ReconcileAggregates,
    "reconcile_aggregates",
    "An aggregate is what it is in another table, by group"
);
check!(
    aggregates::ReconcileMulti,
    "reconcile_multi",
    "Several aggregates are what they are in another table, by group"
);
check!(checksum::ReconcileChecksum, "reconcile_checksum", "Rows have the checksums that they have in another table");
check!(counts::ReconcileCounts, "reconcile_counts", "There are as many rows as in another table");
check!(diff::ReconcileDiff, "reconcile_diff", "No range of keys differs from that of another table");
check!(keys::ReconcileKeys, "reconcile_keys", "The keys are those of another table");
