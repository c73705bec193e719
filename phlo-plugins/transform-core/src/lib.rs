#![doc = include_str!("../README.md")]

pub mod cast;
mod columns;
pub mod deduplicate;
pub mod derive;
pub mod drop;
pub mod filter;
pub mod rename;
pub mod select;

pub use columns::Ordered;

phlo_plugin::package!();

/// Registers a transform that has no settings.
macro_rules! transform {
    ($ty:ty, $name:literal, $summary:literal) => {
        impl phlo_plugin::context::Plugin for $ty {
            type Settings = phlo_plugin::NoSettings;

            fn create(_: Self::Settings, _: &phlo_plugin::InitContext) -> phlo_plugin::Result<Self> {
                Ok(Self)
            }
        }
        phlo_plugin::register!(Transform, $ty, name = $name, summary = $summary);
    };
}

transform!(cast::Cast, "cast", "Changes the types of columns");
transform!(deduplicate::Deduplicate, "deduplicate", "Keeps one row of each key");
transform!(derive::Derive, "derive", "Computes columns from SQL expressions");
transform!(drop::Drop, "drop", "Leaves columns out");
transform!(filter::Filter, "filter", "Keeps the rows that meet a condition");
transform!(rename::Rename, "rename", "Gives columns other names");
transform!(select::Select, "select", "Keeps only these columns, in this order");
