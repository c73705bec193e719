//! What each check takes and what it refuses, over every Arrow type of the dresses.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow_schema::DataType;
use phlo_engine::Session;
use phlo_plugin::schema::type_name;
use phlo_plugin::{InitContext, Policy, Registry};

use super::{Dress, NAMES, made, register_others, tables};

/// Kinds of types, by letter: `b`oolean, `w`hole, `f`loat, decimal (`n`), `s`tring, `d`ate, timesta`m`p,
/// time of day (`h`), binary (`x`).
fn kind(data_type: &DataType) -> char {
    match data_type {
        DataType::Boolean => 'b',
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => 's',
        DataType::Date32 | DataType::Date64 => 'd',
        DataType::Timestamp(..) => 'm',
        DataType::Time32(_) | DataType::Time64(_) => 'h',
        DataType::Dictionary(_, value) => kind(value),
        whole if whole.is_integer() => 'w',
        float if float.is_floating() => 'f',
        decimal if decimal.is_decimal() => 'n',
        _ => 'x',
    }
}

pub(super) const ALL: &str = "bwfnsdmhx";
const NUMBERS: &str = "wfn";
const MOMENTS: &str = "dm";

/// Each check of the column `C`, and the kinds that it takes. All others are refused before any row is read, by a message that names the
/// column and its type; that is what the checks' documentation says.
pub(super) const TAKEN: &[(&str, &str)] = &[
    // What has no order, or another one than the bound's.
    ("range: { column: C, min: 0 }", NUMBERS),
    ("range: { column: C, max: 0.5, outside: true }", NUMBERS),
    ("range: { column: C, min: 2020-01-01 }", "sdm"),
    ("age: { column: C, min: 0h, now: 2020-01-02T00:00:00Z }", MOMENTS),
    ("freshness: { column: C, max_age: 2d, now: 2020-01-02T00:00:00Z }", MOMENTS),
    ("no_gaps: { column: C, every: 2 }", "w"),
    ("no_gaps: { column: C, every: day }", MOMENTS),
    // Values of another type than the column's.
    ("accepted_values: { column: C, values: [1] }", NUMBERS),
    ("accepted_values: { column: C, values: [true] }", "b"),
    ("accepted_values: { column: C, values: [a] }", "s"),
    ("accepted_values: { column: C, values: [2020-01-01] }", "sdm"),
    ("accepted_values: { column: C, values: ['06:00:00'] }", "sh"),
    ("not_accepted_values: { column: C, values: [1.5] }", NUMBERS),
    ("not_accepted_values: { column: C, values: [a] }", "s"),
    ("accepted_combinations: { columns: [C, k], values: [[1, x]] }", NUMBERS),
    ("contains_values: { column: C, values: [1] }", NUMBERS),
    ("contains_values: { column: C, values: [2020-01-01], only: true }", "sdm"),
    ("most_common_in: { column: C, values: [true] }", "b"),
    ("most_common_in: { column: C, values: [a] }", "s"),
    ("not_missing: { column: C, values: [-999] }", NUMBERS),
    ("not_missing: { column: C, values: [a] }", "s"),
    // What is not text.
    ("pattern: { column: C, pattern: a }", "s"),
    ("like: { column: C, any_of: a }", "s"),
    ("text: { column: C, starts_with: a }", "s"),
    ("length: { column: C, min: 1 }", "s"),
    ("consistent_casing: C", "s"),
    ("format: { column: C, format: email }", "s"),
    ("format: { column: C, format: iban }", "s"),
    ("date_format: { column: C, format: '%Y' }", "s"),
    ("date_format: C", "s"),
    ("json: C", "s"),
    ("missing_only_as: { column: C, values: [a] }", "s"),
    ("missing_only_as: { column: C, values: [-999] }", NUMBERS),
    ("missing_only_as: { column: C }", "wfns"),
    // What cannot be compared with the other side.
    ("compare: { column: C, is: lt, value: 1 }", NUMBERS),
    ("compare: { column: C, is: eq, value: true }", "b"),
    ("compare: { column: C, is: ge, value: 2020-01-01 }", "sdm"),
    ("compare: { column: C, is: ge, value: '06:00:00' }", "sh"),
    ("compare: { column: C, is: lt, other: i }", NUMBERS),
    ("compare: { column: C, is: eq, other: g }", NUMBERS),
    ("compare: { column: C, is: le, other: s }", "s"),
    ("compare: { column: C, is: ne, other: d }", MOMENTS),
    ("compare: { column: C, is: lt, other: o }", "h"),
    ("compare: { column: C, is: eq, other: b }", ""),
    ("unique_within_row: [C, n]", NUMBERS),
    ("unique_within_row: [C, t]", MOMENTS),
    ("unique_within_row: [C, o]", "h"),
    ("unique_within_row: [C, r]", "s"),
    ("disjoint_ranges: { from: C, to: i }", NUMBERS),
    ("disjoint_ranges: { from: C, to: e }", MOMENTS),
    ("disjoint_ranges: { from: C, to: o }", "h"),
    ("disjoint_ranges: { from: C, to: r }", "s"),
    // What is no number.
    ("multicolumn_sum: { columns: [C, i8], equal: 1 }", NUMBERS),
    ("aggregate: { function: mean, column: C, min: 0 }", NUMBERS),
    ("aggregate: { function: sum, column: C, min: 0 }", NUMBERS),
    ("aggregate: { function: median, column: C, min: 0 }", NUMBERS),
    ("aggregate: { function: zeros, column: C, min: 0 }", NUMBERS),
    ("aggregate: { function: stdev, column: C, min: 0 }", NUMBERS),
    ("aggregate: { function: skewness, column: C, min: 0 }", NUMBERS),
    ("aggregate: { function: min, column: C, min: 0 }", NUMBERS),
    ("aggregate: { function: max, column: C, max: 2020-01-01 }", "sdm"),
    ("aggregate: { function: correlation, columns: [C, i8], min: 0 }", NUMBERS),
    ("aggregate: { function: ratio_of_sums, columns: [i8, C], min: 0 }", NUMBERS),
    ("z_score: { column: C }", NUMBERS),
    ("z_score: { column: C, by: [k, b] }", NUMBERS),
    ("chi_square: { column: C, bins: { edges: [0, 1], weights: [1] } }", NUMBERS),
    ("kl_divergence: { column: C, with: truth.other, bins: { edges: [0, 1] }, max: 1 }", NUMBERS),
    ("mean_stdevs: { column: C, mean: 0 }", NUMBERS),
    ("moving_stdevs: { column: C, order_by: [id], previous: 3 }", NUMBERS),
    ("ks_test: { column: C, with: truth.other }", NUMBERS),
    // What is no text and has none.
    ("chi_square: { column: C, with: truth.other }", "bwfnsdmh"),
    ("kl_divergence: { column: C, with: truth.other, max: 1 }", "bwfnsdmh"),
    ("cramers_v: { columns: [C, k], max: 1 }", "bwfnsdmh"),
    // Nothing is refused.
    ("not_null: [C]", ALL),
    ("is_null: [C]", ALL),
    ("any_not_null: [C, k]", ALL),
    ("nulls_together: [C, k]", ALL),
    ("at_least_one: [C]", ALL),
    ("not_constant: C", ALL),
    ("unique: [C]", ALL),
    ("primary_key: [C]", ALL),
    ("uniqueness: { columns: [C], min: 0 }", ALL),
    ("duplicate_rows: { columns: [C] }", ALL),
    ("ordered: { column: C, by: [k] }", ALL),
    ("z_score: { column: i8, by: [C] }", ALL),
    ("moving_stdevs: { column: i8, order_by: [id], previous: 3, by: [C] }", ALL),
    ("foreign_key: { columns: [C], references: truth.other }", ALL),
    ("aggregate: { function: count, column: C, min: 0 }", ALL),
    ("aggregate: { function: null_fraction, column: C, min: 0 }", ALL),
    ("aggregate: { function: distinct, column: C, min: 0 }", ALL),
    ("aggregate: { function: distinct, column: C, approximate: true, min: 0 }", ALL),
    ("aggregate: { function: entropy, column: C, min: 0 }", ALL),
    ("aggregate: { function: mutual_information, columns: [C, k], min: 0 }", ALL),
    ("reconcile_keys: { with: truth.other, key: [C] }", ALL),
    ("reconcile_checksum: { with: truth.other, columns: [C] }", ALL),
    ("reconcile_diff: { with: truth.other, key: C, columns: [k] }", ALL),
    ("reconcile_aggregates: { with: truth.other, aggregate: { count_distinct: C } }", ALL),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_takes_the_types_that_it_says_and_refuses_all_others_before_any_row_is_read() {
    let registry = Registry::linked(&[]).unwrap().activate(Policy::default(), InitContext::at("/nowhere")).unwrap();
    let plain = tables(&[]).remove(0);
    let dresses: Vec<_> = Dress::all().into_iter().map(|dress| plain.dressed(&Arc::new(dress))).collect();
    let mut wrong = String::new();
    let mut tried = BTreeSet::new();
    for rows in std::iter::once(&plain).chain(&dresses) {
        let session = Session::new();
        register_others(&session, rows);
        for (template, taken) in TAKEN {
            let words = |column: &str| template.split(|c: char| !c.is_alphanumeric()).any(|word| word == column);
            for column in NAMES.into_iter().filter(|column| !words(column)) {
                let data_type = rows.dress().of(column);
                // A type on the other side is as good as another.
                if !tried.insert((*template, data_type.to_string())) {
                    continue;
                }
                let check = template.replace('C', column);
                let fits = taken.contains(kind(data_type));
                let result = match made(&registry, &check, 0, rows) {
                    Ok(check) => {
                        check.verify(&session, &rows.schema()).await.map_err(|err| format!("not planned: {err:?}"))
                    }
                    Err(err) => Err(err),
                };
                let name = type_name(data_type);
                let told = |err: &str| {
                    let of = err.contains(&name) || (kind(data_type) == 'm' && err.contains("is not a timestamp"));
                    of && err.contains(&format!("`{column}`"))
                };
                match result {
                    Ok(()) if !fits => writeln!(wrong, "{check} takes {data_type}"),
                    Err(err) if fits => writeln!(wrong, "{check} refuses {data_type}: {err}"),
                    Err(err) if !told(&err) => {
                        writeln!(wrong, "{check} does not say that it refuses {data_type}: {err}")
                    }
                    _ => Ok(()),
                }
                .unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
