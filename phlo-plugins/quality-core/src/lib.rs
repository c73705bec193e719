#![doc = include_str!("../README.md")]

pub mod accepted_values;
pub mod business_rule;
pub mod freshness;
pub mod not_null;
mod params;
pub mod pattern;
pub mod range;
pub mod row;
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
check!(freshness::Freshness, "freshness", "The newest moment in a column, or in each group of rows, is not too old");
check!(not_null::NotNull, "not_null", "Columns hold no nulls");
check!(pattern::Pattern, "pattern", "Texts match a regular expression");
check!(range::Range, "range", "Values lie between bounds");
check!(row_count::RowCount, "row_count", "The table has as many rows as expected");
check!(schema::TableSchema, "schema", "The table has these columns with these types");
check!(sql::Sql, "sql", "A query returns no rows");
check!(unique::Unique, "unique", "No two rows have the same key");

check!(row::cardinality::AtLeastOne, "at_least_one", "Columns hold at least one value each");
check!(row::cardinality::NotConstant, "not_constant", "A column holds more than one value");
check!(row::compare::Compare, "compare", "A column compares with a value or another column as it should");
check!(row::format::DateFormat, "date_format", "Texts are dates or times of a format");
check!(row::format::Format, "format", "Texts are e-mail addresses, URLs, IBANs or of another well-known format");
check!(row::format::Json, "json", "Texts are JSON documents");
check!(row::missing::AnyNotNull, "any_not_null", "Each row holds a value in at least one of several columns");
check!(row::missing::IsNull, "is_null", "Columns hold nulls alone");
check!(
    row::missing::MissingOnlyAs,
    "missing_only_as",
    "Where a text is missing, it is so in the ways that are agreed upon"
);
check!(row::missing::NotMissing, "not_missing", "A column holds neither nulls nor values that stand for one");
check!(row::missing::NullsTogether, "nulls_together", "Columns are null together or not at all");
check!(row::overlap::DisjointRanges, "disjoint_ranges", "No two rows' ranges overlap");
check!(
    row::sets::AcceptedCombinations,
    "accepted_combinations",
    "Several columns hold only these combinations of values"
);
check!(row::sets::ContainsValues, "contains_values", "A column holds every one of these values, or these alone");
check!(row::sets::MostCommonIn, "most_common_in", "The most common value of a column is one of these");
check!(row::sets::NotAcceptedValues, "not_accepted_values", "A column holds none of these values");
check!(row::texts::Length, "length", "Texts are as long as they should be");
check!(row::texts::Like, "like", "Texts match SQL patterns");
check!(row::texts::Text, "text", "Texts begin, end and are made as they should");
check!(row::uniqueness::ConsistentCasing, "consistent_casing", "No two values differ by upper and lower case alone");
check!(row::uniqueness::DuplicateRows, "duplicate_rows", "No row is there twice");
check!(row::uniqueness::PrimaryKey, "primary_key", "A key identifies each row: unique, and without nulls");
check!(row::uniqueness::Uniqueness, "uniqueness", "The fraction of different or unique values lies between bounds");
check!(row::uniqueness::UniqueWithinRow, "unique_within_row", "The values of several columns differ within each row");
// Of the table as a whole, and across columns; `all_of` and `any_of` register themselves.
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
check!(table::same_schema::SameSchema, "same_schema", "The table has the columns of another table");
check!(table::ordered::Ordered, "ordered", "Values increase or decrease in the order of other columns");
