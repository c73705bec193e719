//! Checks as somebody else writes them, one plugin a file and one of each sort: in an audit with the built-in ones nothing tells them apart.
//! The guide `docs/plugins/quality.md` shows them.
//!
//! They are registered in the binary of these tests alone, which is why tests that look at the bundle leave this package's plugins out.

mod largest_share;
mod multiple_of;
mod replies;
mod sorted_list;
mod spread;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use phlo_bundle as _;
use phlo_engine::{Check, Session, check};
use phlo_plugin::quality::CheckTarget;
use phlo_plugin::{InitContext, Policy, Registry};
use phlo_spec::quality::{CheckOutcome, CheckSeverity, Tolerance};
use phlo_spec::{AssetKey, CheckResult, Node};
use phlo_testkit::checks::{Case, Says, suite};
use phlo_testkit::fixture::batch;
use serde_json::{Value, json};

use crate::passes::Counted;

const PLUGINS: [(&str, &str); 5] = [
    ("multiple_of", include_str!("multiple_of.rs")),
    ("spread", include_str!("spread.rs")),
    ("replies", include_str!("replies.rs")),
    ("largest_share", include_str!("largest_share.rs")),
    ("sorted_list", include_str!("sorted_list.rs")),
];

const COLUMNS: &str = "id:int64 reply:int64 amount:int64 price:float64 tags:string owner:string";
const GOOD: [&str; 4] = ["1|-|10|1.5|a;b|ann", "2|1|20|2.5|a;c;d|bob", "3|1|30|3.5|-|ann", "4|2|-|2|a|cid"];
const BAD: [&str; 6] =
    ["5|9|15|90|b;a|ann", "6|9|25|2|c;a|ann", "7|9|35|2|d;a|ann", "7|1|40|-2|a|ann", "8|1|40|2|a|-", "-|1|40|2|a|bob"];

// Those that can share a pass, then those with a query of their own: the built-in ones of each sort before the authors'.
const SHARED: [&str; 7] = [
    "not_null: [id]",
    "range: { column: price, min: 0 }",
    "unique: [id]",
    "aggregate: { function: range, column: price, max: 5 }",
    "multiple_of: { column: amount, of: 10 }",
    "spread: { column: price, at_most: 5 }",
    "sorted_list: { column: tags, separator: ';' }",
];
const QUERIES: [&str; 3] = [
    "sql: select * from this where price < 0",
    "replies: { reply: reply, to: id }",
    "largest_share: { column: owner, at_most: 0.5 }",
];

fn registry() -> Registry {
    Registry::linked(&[]).unwrap().activate(Policy::default(), InitContext::at("/nowhere")).unwrap()
}

/// What an asset's file would make of it; two failing rows are kept.
fn made(registry: &Registry, text: &str, rows: &RecordBatch) -> Check {
    let target = CheckTarget { asset: AssetKey::new("raw.x").unwrap(), schema: Some(rows.schema()) };
    let node = Node::parse(text, "a.yaml", 1).unwrap();
    let (kind, params) = node.entries().unwrap().first().unwrap();
    let kind = kind.as_str().unwrap();
    let plan = registry.quality(kind).unwrap().check(params, &target).unwrap();
    Check { sample: 2, ..Check::new(target.asset, kind, plan) }
}

fn made_all(texts: &[&str], rows: &RecordBatch) -> Vec<Check> {
    let registry = registry();
    texts.iter().map(|text| made(&registry, text, rows)).collect()
}

/// The results by their kinds, and how often the table was read.
async fn audited(checks: &[Check], rows: &RecordBatch) -> (BTreeMap<String, CheckResult>, usize) {
    let session = Session::new();
    for check in checks {
        check.verify(&session, &rows.schema()).await.unwrap();
    }
    let counted = Arc::new(Counted::new(rows));
    let table: Arc<dyn TableProvider> = counted.clone();
    let audit = check::audit(&session, &table, checks, check::Scope::All, None).await.unwrap();
    (audit.results.into_iter().map(|(_, result)| (result.kind.clone(), result)).collect(), counted.scans())
}

fn good_rows() -> RecordBatch {
    batch(COLUMNS, &GOOD)
}

fn all_rows() -> RecordBatch {
    batch(COLUMNS, &[GOOD.as_slice(), BAD.as_slice()].concat())
}

#[test]
fn each_sort_of_check_is_a_whole_plugin_in_fewer_than_sixty_lines() {
    for (name, text) in PLUGINS {
        let (head, region) = text.split_once(&format!("// begin: {name}\n")).unwrap();
        let region =
            region.strip_suffix("// end\n").unwrap_or_else(|| panic!("{name}.rs does not end with its region"));
        assert!(
            head.lines().all(|line| line.is_empty() || line.starts_with("//!")),
            "{name}.rs has code beside its region"
        );
        assert!(region.lines().count() < 60, "{name} has {} lines", region.lines().count());
        // Nothing of the platform's but what an author has.
        assert!(region.contains("use phlo_plugin::prelude::*;\n") && !region.contains("crate::"), "{name}");
        assert!(region.contains("\nphlo_plugin::register_check!("), "{name}");
        assert!(registry().quality(name).is_ok(), "{name}");
    }
}

#[tokio::test]
async fn each_keeps_the_promises_that_the_conformance_suite_asks_of_every_check() {
    let rows = |rows: &[&str]| batch(COLUMNS, rows);
    let case = |text: &str, good: &[&str], bad: &[&str]| {
        let (name, params) = text.split_once(": ").unwrap();
        Case::new(name, params, rows(good), rows(bad))
    };
    let (good, bad) = (&GOOD[..2], &BAD[..3]);
    suite(case("multiple_of: { column: amount, of: 10 }", good, bad)).await;
    suite(case("sorted_list: { column: tags, separator: ';' }", good, bad)).await;
    suite(case("replies: { reply: reply, to: id }", good, bad)).await;
    suite(case("spread: { column: price, at_most: 5 }", good, bad).of_the_table()).await;
    let largest = case("largest_share: { column: owner, at_most: 0.5 }", good, bad);
    suite(largest.of_the_table().nulls(Says::Fails)).await;
}

#[tokio::test]
async fn they_share_the_one_pass_of_the_built_in_checks() {
    let rows = good_rows();
    let (results, scans) = audited(&made_all(&SHARED, &rows), &rows).await;
    assert_eq!((results.len(), scans), (SHARED.len(), 1), "{results:#?}");
    assert!(results.values().all(|result| result.passed() && result.rows_scanned == 4), "{results:#?}");

    // Queries read the table for themselves, whoever wrote them: `sql` once, `replies`, which names it twice, twice, `largest_share` once.
    let (results, scans) = audited(&made_all(&[SHARED.as_slice(), &QUERIES].concat(), &rows), &rows).await;
    assert_eq!((results.len(), scans), (SHARED.len() + QUERIES.len(), 1 + 1 + 2 + 1), "{results:#?}");
    assert!(results.values().all(CheckResult::passed), "{results:#?}");

    // Failing rows are kept on the way; only `unique` asks again, for its count and for its keys.
    let rows = all_rows();
    let (results, scans) = audited(&made_all(&SHARED, &rows), &rows).await;
    assert_eq!(scans, 4, "{results:#?}");
    assert!(results.values().all(|result| result.outcome == CheckOutcome::Failed), "{results:#?}");
}

#[tokio::test]
async fn their_results_say_all_that_those_of_the_built_in_checks_say() {
    let rows = all_rows();
    let (results, _) = audited(&made_all(&[SHARED.as_slice(), &QUERIES].concat(), &rows), &rows).await;
    let fields = |kind: &str| -> BTreeSet<String> {
        let json = serde_json::to_value(&results[kind]).unwrap();
        json.as_object().unwrap().keys().cloned().collect()
    };
    for (authors, built_in) in
        [("multiple_of", "range"), ("sorted_list", "range"), ("spread", "aggregate"), ("replies", "sql")]
    {
        assert_eq!(fields(authors), fields(built_in), "{authors} {built_in}");
    }
    // It judges the table, and shows rows nevertheless.
    assert_eq!(fields("largest_share"), &fields("sql") | &["whole".to_owned()].into());

    let told = |kind: &str| {
        let result = &results[kind];
        let [expected, observed] = [&result.expected, &result.observed].map(|text| text.clone().unwrap_or_default());
        (result.violations, result.total, expected, observed, result.of_rows, result.sample.len())
    };
    let says = |violations, expected: &str, observed: &str, of_rows, sample| {
        (violations, 10, expected.to_owned(), observed.to_owned(), of_rows, sample)
    };
    assert_eq!(told("range"), says(1, "price at least 0", "1 of 10 rows", true, 1));
    assert_eq!(told("multiple_of"), says(3, "amount in multiples of 10", "3 of 10 rows", true, 2));
    assert_eq!(told("sorted_list"), says(3, "tags in order", "3 of 10 rows", true, 2));
    assert_eq!(told("replies"), says(3, "each reply is a id", "3 of 10 rows", true, 2));
    assert_eq!(told("spread"), says(1, "price at most 5 apart", "-2 to 90", false, 0));
    assert_eq!(told("largest_share"), says(1, "at most 0.5 of the rows with one owner", "0.6", true, 1));
    assert_eq!(results["largest_share"].sample, [json!({ "owner": "ann", "rows": 6 })]);
}

#[tokio::test]
async fn severity_tolerance_filter_and_masks_are_the_engines_and_hold_for_them_too() {
    let rows = all_rows();
    let sensitive: Arc<BTreeSet<String>> = Arc::new(["tags".to_owned(), "price".to_owned()].into());
    let checks = |tolerance: Tolerance, filter: Option<&str>| -> Vec<Check> {
        let checks = made_all(&[&SHARED[4..], &QUERIES[1..2]].concat(), &rows);
        let set = |check: Check| Check {
            severity: CheckSeverity::Warn,
            tolerance: if registry().quality(&check.kind).unwrap().heeds_tolerance() {
                tolerance
            } else {
                check.tolerance
            },
            filter: filter.map(str::to_owned),
            sensitive: sensitive.clone(),
            ..check
        };
        checks.into_iter().map(set).collect()
    };
    // Three of ten rows break each but `spread`, which has no tolerance.
    for (tolerance, outcome) in [(0.29, CheckOutcome::Failed), (0.3, CheckOutcome::Passed)] {
        let (results, _) = audited(&checks(Tolerance::of(tolerance), None), &rows).await;
        for (kind, result) in &results {
            let outcome = if kind == "spread" { CheckOutcome::Failed } else { outcome };
            assert_eq!((result.outcome, result.severity), (outcome, CheckSeverity::Warn), "{result:#?}");
            for row in &result.sample {
                let shown = [&row["tags"], &row["price"], &row["owner"]];
                assert_eq!(shown, [&json!("***"), &json!("***"), &json!("ann")], "{result:#?}");
            }
        }
        assert_eq!(results["spread"].observed.as_deref(), Some("***"));
        assert_eq!(results["multiple_of"].sample.len(), 2);
    }
    let (results, _) = audited(&checks(Tolerance::default(), Some("id < 6")), &rows).await;
    let found: BTreeMap<&str, _> =
        results.iter().map(|(kind, result)| (kind.as_str(), (result.violations, result.total))).collect();
    let one = |kind| (kind, (1, 5));
    assert_eq!(found, ["multiple_of", "replies", "sorted_list", "spread"].map(one).into());
}

#[tokio::test]
async fn the_sql_of_their_results_finds_what_broke_them() {
    let rows = all_rows();
    let checks = made_all(&[&SHARED[4..], &QUERIES[1..]].concat(), &rows);
    let (results, _) = audited(&checks, &rows).await;
    let session = Session::new();
    let table = MemTable::try_new(rows.schema(), vec![vec![rows.clone()]]).unwrap();
    session.register_table("rows", Arc::new(table)).unwrap();
    check::register_holds(
        &session,
        Arc::new(move |asset, name, _| {
            Ok(checks.iter().find(|check| check.asset.as_str() == asset && check.name == name).unwrap().clone())
        }),
    );
    let ids = json!([{ "id": 5 }, { "id": 6 }, { "id": 7 }]);
    for (kind, select, expected) in [
        ("multiple_of", "id", ids.clone()),
        ("sorted_list", "id", ids.clone()),
        ("replies", "id", ids),
        ("spread", "*", json!([{ "min(price)": -2.0, "max(price)": 90.0 }])),
        ("largest_share", "*", json!([{ "owner": "ann", "rows": 6 }])),
    ] {
        let sql = results[kind].sql.clone().unwrap().replace(check::TABLE, "rows");
        let found = session.sql(&format!("SELECT {select} FROM ({sql}) ORDER BY 1")).await.unwrap().collect().await;
        let found: Vec<Value> = check::to_json(&found.unwrap(), 100);
        // The names of aggregates are the engine's affair.
        let plain = |rows: Vec<Value>| Value::from(rows).to_string().replace("this.", "").replace("rows.", "");
        assert_eq!(plain(found), expected.to_string(), "{sql}");
    }
}
