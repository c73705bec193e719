#![doc = include_str!("../README.md")]

pub mod accepted_values;
pub mod business_rule;
pub mod freshness;
pub mod not_null;
mod params;
pub mod pattern;
pub mod range;
pub mod row_count;
pub mod scalar;
pub mod schema;
pub mod sql;
pub mod unique;

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

check!(accepted_values::AcceptedValues, "accepted_values", "A column holds only these values");
check!(business_rule::BusinessRule, "business_rule", "A rule, written in SQL, holds for every row");
check!(freshness::Freshness, "freshness", "The newest moment in a column is not too old");
check!(not_null::NotNull, "not_null", "Columns hold no nulls");
check!(pattern::Pattern, "pattern", "Texts match a regular expression");
check!(range::Range, "range", "Values lie between bounds");
check!(row_count::RowCount, "row_count", "The table has as many rows as expected");
check!(schema::TableSchema, "schema", "The table has these columns with these types");
check!(sql::Sql, "sql", "A query returns no rows");
check!(unique::Unique, "unique", "No two rows have the same key");
