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

use phlo_plugin::register_check;

phlo_plugin::package!();

register_check!(
    accepted_values::AcceptedValues,
    name = "accepted_values",
    summary = "A column holds only these values"
);
register_check!(
    business_rule::BusinessRule,
    name = "business_rule",
    summary = "A rule, written in SQL, holds for every row"
);
register_check!(
    freshness::Freshness,
    name = "freshness",
    summary = "The newest moment in a column, or in each group of rows, is not too old"
);
register_check!(not_null::NotNull, name = "not_null", summary = "Columns hold no nulls");
register_check!(pattern::Pattern, name = "pattern", summary = "Texts match a regular expression");
register_check!(range::Range, name = "range", summary = "Values lie between bounds");
register_check!(row_count::RowCount, name = "row_count", summary = "The table has as many rows as expected");
register_check!(schema::TableSchema, name = "schema", summary = "The table has these columns with these types");
register_check!(sql::Sql, name = "sql", summary = "A query returns no rows");
register_check!(unique::Unique, name = "unique", summary = "No two rows have the same key");

register_check!(row::cardinality::AtLeastOne, name = "at_least_one", summary = "Columns hold at least one value each");
register_check!(row::cardinality::NotConstant, name = "not_constant", summary = "A column holds more than one value");
register_check!(
    row::compare::Compare,
    name = "compare",
    summary = "A column compares with a value or another column as it should"
);
register_check!(
    row::format::DateFormat,
    name = "date_format",
    summary = "Texts are dates or times, of a format or any"
);
register_check!(
    row::format::Format,
    name = "format",
    summary = "Texts are e-mail addresses, URLs, IBANs or of another well-known format"
);
register_check!(row::format::Json, name = "json", summary = "Texts are JSON documents");
register_check!(
    row::missing::AnyNotNull,
    name = "any_not_null",
    summary = "Each row holds a value in at least one of several columns"
);
register_check!(row::missing::IsNull, name = "is_null", summary = "Columns hold nulls alone");
register_check!(
    row::missing::MissingOnlyAs,
    name = "missing_only_as",
    summary = "Where a text or number is missing, it is so in the ways that are agreed upon"
);
register_check!(
    row::missing::NotMissing,
    name = "not_missing",
    summary = "A column holds neither nulls nor values that stand for one"
);
register_check!(
    row::missing::NullsTogether,
    name = "nulls_together",
    summary = "Columns are null together or not at all"
);
register_check!(row::overlap::DisjointRanges, name = "disjoint_ranges", summary = "No two rows' ranges overlap");
register_check!(
    row::sets::AcceptedCombinations,
    name = "accepted_combinations",
    summary = "Several columns hold only these combinations of values"
);
register_check!(
    row::sets::ContainsValues,
    name = "contains_values",
    summary = "A column holds every one of these values, or these alone"
);
register_check!(
    row::sets::MostCommonIn,
    name = "most_common_in",
    summary = "The most common value of a column is one of these"
);
register_check!(
    row::sets::NotAcceptedValues,
    name = "not_accepted_values",
    summary = "A column holds none of these values"
);
register_check!(row::texts::Length, name = "length", summary = "Texts are as long as they should be");
register_check!(row::texts::Like, name = "like", summary = "Texts match SQL patterns");
register_check!(row::texts::Text, name = "text", summary = "Texts begin, end and are made as they should");
register_check!(
    row::uniqueness::ConsistentCasing,
    name = "consistent_casing",
    summary = "No two values differ by upper and lower case alone"
);
register_check!(row::uniqueness::DuplicateRows, name = "duplicate_rows", summary = "No row is there twice");
register_check!(
    row::uniqueness::PrimaryKey,
    name = "primary_key",
    summary = "A key identifies each row: unique, and without nulls"
);
register_check!(
    row::uniqueness::Uniqueness,
    name = "uniqueness",
    summary = "The fraction of different or unique values lies between bounds"
);
register_check!(
    row::uniqueness::UniqueWithinRow,
    name = "unique_within_row",
    summary = "The values of several columns differ within each row"
);
// Of the table as a whole, and across columns; `all_of` and `any_of` register themselves.
register_check!(table::age::Age, name = "age", summary = "Moments are not in the future, or as old as they should be");
register_check!(
    table::aggregate::Aggregate,
    name = "aggregate",
    summary = "A number that sums up a column lies within bounds"
);
register_check!(table::foreign_key::ForeignKey, name = "foreign_key", summary = "Each key is a key of another table");
register_check!(table::metric::Metric, name = "metric", summary = "A number that SQL computes lies within bounds");
register_check!(
    table::multicolumn_sum::MulticolumnSum,
    name = "multicolumn_sum",
    summary = "In each row, columns add up to a number or a column"
);
register_check!(
    table::no_gaps::NoGaps,
    name = "no_gaps",
    summary = "There is data for every whole number, day, hour or other step"
);
register_check!(
    table::same_schema::SameSchema,
    name = "same_schema",
    summary = "The table has the columns of another table"
);
register_check!(
    table::ordered::Ordered,
    name = "ordered",
    summary = "Values increase or decrease in the order of other columns"
);
