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
pub mod table;
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

// Of the table as a whole, and across columns; `all_of` and `any_of` register themselves.
check!(
    table::accepted_combinations::AcceptedCombinations,
    "accepted_combinations",
    "Columns hold only these combinations"
);
check!(table::age::Age, "age", "Moments are not in the future, or as old as they should be");
check!(table::aggregate::Aggregate, "aggregate", "A number that sums up a column lies within bounds");
check!(table::foreign_key::ForeignKey, "foreign_key", "Each key is a key of another table");
check!(table::metric::Metric, "metric", "A number that SQL computes lies within bounds");
check!(
    table::multicolumn_sum::MulticolumnSum,
    "multicolumn_sum",
    "In each row, columns add up to a number or a column"
);
check!(table::no_gaps::NoGaps, "no_gaps", "There is data for every whole number, day, hour or other step");
check!(table::ordered::Ordered, "ordered", "Values increase or decrease in the order of other columns");
