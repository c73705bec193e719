//! What the reference says of every check: null, NaN, empty tables, types, and numbers too big for theirs.

use std::sync::Arc;

use arrow_array::RecordBatch;
use datafusion::catalog::{MemorySchemaProvider, SchemaProvider as _, TableProvider};
use datafusion::datasource::MemTable;
use phlo_engine::{Check, Session, check};
use phlo_plugin::quality::CheckTarget;
use phlo_plugin::{InitContext, Policy, Registry};
use phlo_spec::quality::{CheckOutcome, CheckSeverity};
use phlo_spec::{CheckResult, Node};
use phlo_testkit::fixture::{batch, key};

const COLUMNS: &str = "i:int64 h:int32 f:float64 s:string d:decimal(38,0)";

fn table(rows: &RecordBatch) -> Arc<dyn TableProvider> {
    Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows.clone()]]).unwrap())
}

/// The check as an asset's file would make it, and a session in which `truth.other` is the other rows.
fn made(text: &str, rows: &RecordBatch, other: &RecordBatch) -> (Check, Session) {
    let registry = Registry::linked(&[]).unwrap().activate(Policy::default(), InitContext::at("/nowhere")).unwrap();
    let node = Node::parse(text, "a.yaml", 1).unwrap();
    let (kind, params) = node.entries().unwrap().first().unwrap();
    let kind = kind.as_str().unwrap();
    let target = CheckTarget { asset: key("truth.rows"), schema: Some(rows.schema()) };
    let plan = registry.quality(kind).unwrap().check(params, &target).unwrap();
    let session = Session::new();
    let schema = MemorySchemaProvider::new();
    schema.register_table("other".to_owned(), table(other)).unwrap();
    session.catalog(&session.catalog_names()[0]).unwrap().register_schema("truth", Arc::new(schema)).unwrap();
    (Check { severity: CheckSeverity::Warn, ..Check::new(target.asset, kind, plan) }, session)
}

async fn run(text: &str, filter: Option<&str>, rows: &RecordBatch, other: &RecordBatch) -> CheckResult {
    let (check, session) = made(text, rows, other);
    let check = Check { filter: filter.map(str::to_owned), ..check };
    check.verify(&session, &rows.schema()).await.unwrap_or_else(|err| panic!("{text}: {err:?}"));
    let audit = check::audit(&session, &table(rows), &[check], check::Scope::All, None).await.unwrap();
    audit.results.into_iter().next().unwrap().1
}

async fn violations(text: &str, rows: &[&str]) -> u64 {
    let rows = batch(COLUMNS, rows);
    let result = run(text, None, &rows, &rows).await;
    assert!(result.error.is_none(), "{text}: {result:?}");
    result.violations
}

/// Why it errs. Though it only warns, it blocks.
async fn error(text: &str, rows: &[&str]) -> String {
    let rows = batch(COLUMNS, rows);
    let result = run(text, None, &rows, &rows).await;
    assert!(result.outcome == CheckOutcome::Errored && result.blocks(), "{text}: {result:?}");
    result.error.unwrap()
}

#[tokio::test]
async fn a_rule_that_is_null_is_kept_and_a_row_whose_filter_is_null_is_not_looked_at() {
    assert_eq!(violations("business_rule: i > 5", &["-|1|1|a|1", "6|1|1|a|1", "5|1|1|a|1"]).await, 1);
    let rows = batch(COLUMNS, &["-|1|-1|a|1", "1|1|-1|a|1"]);
    let result = run("business_rule: f > 0", Some("i > 0"), &rows, &rows).await;
    assert_eq!((result.violations, result.total), (1, 1));
}

#[tokio::test]
async fn nan_lies_within_no_bounds_equals_itself_and_is_above_every_number() {
    let one = ["1|1|NaN|a|1"];
    for (check, found) in [
        ("range: { column: f, min: 0 }", 1),
        ("range: { column: f, max: 0 }", 1),
        ("accepted_values: { column: f, values: [1.5] }", 1),
        ("aggregate: { function: max, column: f, min: 0 }", 1),
        ("unique: [f]", 1),
        ("business_rule: f = f", 0),
        ("business_rule: f > 1e300", 0),
        ("business_rule: f < 0", 1),
    ] {
        let rows = if check.starts_with("unique") { one.repeat(2) } else { one.to_vec() };
        assert_eq!(violations(check, &rows).await, found, "{check}");
    }
}

#[tokio::test]
async fn an_empty_table_passes_unless_a_value_or_a_row_is_wanted() {
    for (check, found) in [
        ("business_rule: f > 0", 0),
        ("sql: select * from this", 0),
        ("foreign_key: { columns: [i], references: truth.other }", 0),
        ("metric: { expression: count(*), max: 0 }", 0),
        ("metric: { expression: sum(i), max: 0 }", 1),
        ("aggregate: { function: mean, column: f, min: 0 }", 1),
        ("at_least_one: [i]", 1),
        ("row_count: 1", 1),
    ] {
        assert_eq!(violations(check, &[]).await, found, "{check}");
    }
}

#[tokio::test]
async fn what_a_check_computes_is_exact_and_what_is_written_in_sql_wraps_as_the_engine_does() {
    let rows = &["9223372036854775807|2147483647|1e308|a|1", "9223372036854775807|1|1|a|1"];
    for (check, found) in [
        ("aggregate: { function: sum, column: i, min: 9223372036854775807 }", 0),
        ("aggregate: { function: sum, expression: i, above: 1.8e19 }", 0),
        ("multicolumn_sum: { columns: [i, h], equal: -9223372036854775808 }", 2),
        ("business_rule: i + 1 < 0", 0),
        ("business_rule: i * 2 = -2", 0),
        ("business_rule: 'CAST(i AS DECIMAL(38, 0)) * 2 > 18446744073709551613'", 0),
        ("business_rule: h * h = 1", 0),
        ("aggregate: { function: max, expression: i * 2, equal: -2 }", 0),
        ("metric: { expression: sum(i), equal: -2 }", 0),
        ("metric: { expression: 'sum(CAST(i AS DECIMAL(38, 0)))', min: 9223372036854775807 }", 0),
        ("business_rule: f * 10 > 1", 0),
    ] {
        assert_eq!(violations(check, rows).await, found, "{check}");
    }
}

#[tokio::test]
async fn what_cannot_be_computed_errs_and_blocks() {
    for (check, row, told) in [
        ("business_rule: 1 / i > 0", "0|1|1|a|1", "ivide by zero"),
        ("business_rule: s > 0", "0|1|1|a|1", "annot cast string 'a'"),
        ("sql: select * from this where s > 0", "0|1|1|a|1", "annot cast string 'a'"),
        ("aggregate: { function: sum, expression: s, min: 0 }", "0|1|1|a|1", "annot cast string 'a'"),
        ("business_rule: CAST(s AS BIGINT) > 0", "0|1|1|a|1", "annot cast string 'a'"),
        ("business_rule: d + d > 0", "0|1|1|a|99999999999999999999999999999999999999", "verflow"),
        ("sql: select * from this where 1 / i > 0", "0|1|1|a|1", "ivide by zero"),
    ] {
        let error = error(check, &[row]).await;
        assert!(error.contains(told), "{check}: {error}");
    }
}

#[tokio::test]
async fn keys_of_types_without_values_in_common_are_refused_before_a_row_is_read() {
    let text = "foreign_key: { columns: [i], references: truth.other }";
    let of = |columns: &str| batch(columns, &[]);
    for (own, other, refused) in [
        ("i:int64", "i:string", true),
        ("i:string", "i:int64", true),
        ("i:int64", "i:date", true),
        ("i:boolean", "i:int64", true),
        ("i:int64", "i:decimal(10,2)", false),
        ("i:date", "i:timestamp", false),
    ] {
        let (own, other) = (of(own), of(other));
        let (check, session) = made(text, &own, &other);
        let verified = check.verify(&session, &own.schema()).await;
        assert_eq!(verified.is_err(), refused, "{:?} {:?}: {verified:?}", own.schema(), other.schema());
        let told = verified.err().is_none_or(|err| err.message().contains("compares `i`, of type"));
        assert!(told, "{:?} {:?}", own.schema(), other.schema());
    }
}
