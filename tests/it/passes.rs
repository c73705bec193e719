//! The fewest passes that pay: what statistics answer, what rides on the write, what an append needs to read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::Statistics;
use datafusion::datasource::{MemTable, TableType};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use phlo_engine::check::{self, Scope};
use phlo_engine::{Check, Session};
use phlo_engine_api::QueryEngine;
use phlo_plugin::quality::CheckTarget;
use phlo_plugin::{InitContext, Policy, Registry};
use phlo_spec::{AssetKey, CapabilityType, Node, PluginKind};
use serde_json::Value;

use crate::fixture::Project;

const CHECKS: &str = "
  - not_null: [id, name]
  - range: { column: id, min: 1 }
  - pattern: { column: name, pattern: '[a-z]+' }
  - row_count: { min: 1 }
  - business_rule: { rule: 'amount >= 0', where: 'id > 1' }
  - unique: [id]
";

fn project() -> Project {
    let source = "source: { plugin: files, path: \"in/*.csv\" }\nwrite: { strategy: append }\ncolumns: { id: int64, name: string, amount: float64 }\n";
    Project::new()
        .write("assets/raw/x.yaml", &format!("{source}checks:{CHECKS}"))
        .write("in/1.csv", "id,name,amount\n1,a,1.5\n2,b,2.5\n3,c,0\n")
}

fn by_name<'a>(checks: &'a Value, name: &str) -> &'a Value {
    let found = checks.as_array().unwrap().iter().find(|c| c["kind"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {checks:#}"))
}

#[test]
fn an_audit_reads_only_what_statistics_do_not_answer() {
    let project = project();
    project.phlo(&["run"]).exits(0);
    let plan = project.phlo(&["quality", "explain", "raw.x", "--json"]).exits(0).json();
    let ways: Vec<_> = plan["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| [&c["kind"], &c["on_write"], &c["on_audit"]].map(|text| text.as_str().unwrap().to_owned()))
        .collect();
    let expected = [
        ["not_null", "write", "statistics"],
        ["range", "write", "statistics"],
        ["pattern", "write", "pass"],
        ["row_count", "statistics", "statistics"],
        ["business_rule", "write", "pass"],
        ["unique", "pass", "pass"],
    ];
    assert_eq!(ways, expected.map(|row| row.map(str::to_owned)));
    assert_eq!(plan["audit_columns"], serde_json::json!(["id", "name", "amount"]));
    assert_eq!(plan["write_columns"], serde_json::json!(["id"]));

    let audited = project.phlo(&["quality", "run", "--json"]).exits(0).json();
    let checks = &audited["assets"][0]["checks"];
    for (kind, scanned, total) in [
        ("not_null", 0, 3),
        ("range", 0, 3),
        ("pattern", 3, 3),
        ("row_count", 0, 3),
        ("business_rule", 3, 2),
        ("unique", 3, 3),
    ] {
        let check = by_name(checks, kind);
        assert_eq!(
            (check["rows_scanned"].as_u64(), check["total"].as_u64()),
            (Some(scanned), Some(total)),
            "{check:#}"
        );
        assert_eq!(check["passed"], true, "{check:#}");
    }
}

#[test]
fn a_check_with_a_query_of_its_own_reads_the_table_whatever_it_counts() {
    let project = project();
    project.phlo(&["run"]).exits(0);
    project.put(
        "assets/raw/x.yaml",
        "source: { plugin: files, path: \"in/*.csv\" }\nwrite: { strategy: append }\ncolumns: { id: int64, name: string, amount: float64 }\nchecks:\n  \
         - sql: { query: 'select * from this where id > 9', where: 'id > 2' }\n  \
         - unique: { columns: [amount], where: 'id > 1', name: filtered }\n  \
         - metric: { expression: 'count(*) - (select count(*) from this)', equal: 0, where: 'id > 1' }\n  \
         - reconcile_keys: { with: raw.y, key: [name] }\n  \
         - reconcile_counts: { with: raw.y, factor: 0.5, compare: at_least }\n  \
         - schema: { columns: { id: int64 } }\n",
    );
    project.put("y.csv", "name\na\nb\nc\na\na\na\n");
    project.put("assets/raw/y.yaml", "source: { plugin: files, path: y.csv }\n");
    project.phlo(&["run", "raw.y"]).exits(0);
    let audited = project.phlo(&["quality", "run", "raw.x", "--json"]).exits(0).json();
    for (kind, scanned) in
        [("sql", 3), ("unique", 3), ("metric", 3), ("reconcile_keys", 3), ("reconcile_counts", 3), ("schema", 0)]
    {
        let check = by_name(&audited["assets"][0]["checks"], kind);
        assert_eq!((check["rows_scanned"].as_u64(), &check["outcome"]), (Some(scanned), &"passed".into()), "{check:#}");
    }
}

#[test]
fn what_statistics_cannot_prove_is_counted_exactly_with_its_rows() {
    let project = project();
    project.phlo(&["run"]).exits(0);
    // Checks that the published table breaks: bounds say that some row does, and not which.
    project.put(
        "assets/raw/x.yaml",
        "source: { plugin: files, path: \"in/*.csv\" }\nwrite: { strategy: append }\ncolumns: { id: int64, name: string, amount: float64 }\nsensitive: [name]\nchecks:\n  \
         - range: { column: id, min: 2, sample: 1 }\n  - range: { column: amount, max: 2 }\n  - accepted_values: { column: name, values: [a, b] }\n",
    );
    let audited = project.phlo(&["quality", "run", "--json"]).exits(3).json();
    let checks = audited["assets"][0]["checks"].as_array().unwrap();
    let found: Vec<_> = checks.iter().map(|c| (c["violations"].as_u64().unwrap(), c["sample"].clone())).collect();
    let row = |id: u64, amount: f64| serde_json::json!({ "id": id, "name": "***", "amount": amount });
    let own = |sample: &Value| {
        let strip = |row: &Value| {
            let own = row.as_object().unwrap().iter().filter(|(key, _)| !key.starts_with("_phlo_"));
            Value::Object(own.map(|(k, v)| (k.clone(), v.clone())).collect())
        };
        sample.as_array().unwrap().iter().map(strip).collect::<Vec<_>>()
    };
    assert_eq!(found.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!(own(&found[0].1), [row(1, 1.5)]);
    assert_eq!(own(&found[1].1), [row(2, 2.5)]);
    assert_eq!(own(&found[2].1), [row(3, 0.0)]);
    // Each result's SQL answers the same, by itself.
    for check in checks {
        let sql = check["sql"].as_str().unwrap();
        let rows = project.phlo(&["sql", sql, "--json"]).exits(0).json();
        assert_eq!(rows["rows"].as_array().map(Vec::len), Some(1), "{sql}: {rows:#}");
    }
}

#[test]
fn an_append_is_audited_by_its_new_rows_wherever_aggregates_can_grow() {
    let project = Project::new()
        .write(
            "assets/raw/x.yaml",
            "source: { plugin: files, path: \"in/*.csv\" }\nwrite: { strategy: append }\ncolumns: { at: timestamp, v: float64 }\nchecks:\n  \
             - freshness: { column: at, max_age_hours: 1, now: '2026-01-01T00:00:00Z', severity: warn }\n  - row_count: { min: 3 }\n",
        )
        .write("in/1.csv", "at,v\n2025-12-31T20:00:00,1\n2025-12-31T20:30:00,2\n2025-12-31T20:10:00,\n");
    let freshness = |project: &Project| {
        let record = project.phlo(&["run", "--json"]).exits(0).json();
        let check = by_name(&record["assets"][0]["checks"], "freshness").clone();
        (
            check["outcome"].clone(),
            check["rows_scanned"].as_u64().unwrap(),
            check["observed"].as_str().unwrap().to_owned(),
        )
    };
    let (outcome, scanned, observed) = freshness(&project);
    assert_eq!((outcome, scanned), ("failed".into(), 3), "{observed}");
    assert!(observed.contains("20:30"), "{observed}");

    // One new row is all that is read, and the verdict is that of all rows.
    project.put("in/2.csv", "at,v\n2025-12-31T19:00:00,3\n");
    let (outcome, scanned, observed) = freshness(&project);
    assert_eq!((outcome, scanned), ("failed".into(), 1), "{observed}");
    assert!(observed.contains("20:30"), "{observed}");
    project.put("in/3.csv", "at,v\n2025-12-31T23:30:00,3\n");
    assert_eq!(freshness(&project).0, "passed");

    // What looks at the clock is counted anew, over all rows.
    let clock = Project::copy_of(&project);
    let asset = std::fs::read_to_string(clock.path().join("assets/raw/x.yaml")).unwrap();
    clock.put(
        "assets/raw/x.yaml",
        &format!("{asset}  - row_count: {{ name: lately, max: 99, where: \"at < now()\" }}\n"),
    );
    for (file, rows) in [("in/5.csv", 6), ("in/6.csv", 7)] {
        clock.put(file, "at,v\n2025-12-31T23:50:00,3\n");
        let record = clock.phlo(&["run", "--json"]).exits(0).json();
        let checks = record["assets"][0]["checks"].as_array().unwrap().clone();
        let lately = checks.iter().find(|check| check["name"] == "lately").unwrap();
        assert_eq!(lately["rows_scanned"], rows, "{lately:#}");
    }

    // A commit of somebody else keeps no aggregates: everything is read again.
    let copy = Project::copy_of(&project);
    let log = find(copy.path(), "_delta_log");
    let last = log.join("00000000000000000002.json");
    let text = std::fs::read_to_string(&last).unwrap();
    assert!(text.contains("phlo.quality"), "{text}");
    std::fs::write(&last, text.replace("phlo.quality", "other.quality")).unwrap();
    copy.put("in/4.csv", "at,v\n2025-12-31T23:40:00,3\n");
    let (_, scanned, observed) = freshness(&copy);
    assert_eq!(scanned, 6, "{observed}");
}

#[test]
fn a_check_of_all_columns_is_asked_again_of_all_rows_once_there_is_another_column() {
    let project = Project::new()
        .write(
            "assets/raw/x.yaml",
            "source: { plugin: files, path: \"in/*.csv\" }\nwrite: { strategy: append }\nchecks: [{ not_null: { severity: warn } }]\n",
        )
        .write("in/1.csv", "id\n1\n2\n");
    let found = |project: &Project| {
        let record = project.phlo(&["run", "--json"]).exits(0).json();
        let check = by_name(&record["assets"][0]["checks"], "not_null").clone();
        (check["violations"].as_u64().unwrap(), check["total"].as_u64().unwrap())
    };
    assert_eq!(found(&project), (0, 2));
    project.put("in/2.csv", "id\n3\n");
    assert_eq!(found(&project), (0, 1), "the new rows alone");
    project.put("in/3.csv", "id,name\n4,d\n");
    assert_eq!(found(&project), (3, 4), "the rows before lack a name");
    project.put("in/4.csv", "id,name\n5,e\n");
    assert_eq!(found(&project), (0, 1), "what warned does not block: the new rows alone");
}

fn find(root: &std::path::Path, name: &str) -> std::path::PathBuf {
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.file_name() == name {
                return entry.path();
            }
            if entry.path().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    panic!("no {name} below {}", root.display())
}

/// Keys of every type, and where equal hashes prove nothing: what is counted is what a GROUP BY counts.
#[test]
fn uniqueness_is_exact_whatever_the_key() {
    let project = Project::new().write(
        "in.csv",
        "a,b,f,d\n1,x,0.0,2026-01-01\n2,x,-0.0,2026-01-01\n,y,1.5,\n,y,1.5,\n2,z,NaN,2026-01-02\n2,x,NaN,2026-01-03\n",
    );
    let checks = [
        ("a", "", 2),
        ("b", "", 3),
        ("a, b", "", 1),
        ("a, b, d", "", 0),
        ("d", "", 1),
        ("f, b", "", 2),
        ("a, b", "d < date '2026-01-03'", 0),
        ("b", "a = 1", 0),
    ];
    let listed = checks.iter().enumerate().map(|(at, (key, filter, _))| {
        let filter = if filter.is_empty() { String::new() } else { format!(", where: \"{filter}\"") };
        format!("  - unique: {{ name: u{at}, severity: warn, columns: [{key}]{filter} }}\n")
    });
    let source = "source: { plugin: files, path: in.csv }\ncolumns: { a: int64, b: string, f: float64, d: date }\n";
    project.put("assets/raw/x.yaml", &format!("{source}checks:\n{}", listed.collect::<String>()));
    let record = project.phlo(&["run", "--json"]).exits(0).json();
    let audited = project.phlo(&["quality", "run", "--json"]).exits(0).json();
    for results in [&record["assets"][0]["checks"], &audited["assets"][0]["checks"]] {
        let found: Vec<_> = results.as_array().unwrap().iter().map(|c| c["violations"].as_u64().unwrap()).collect();
        assert_eq!(found, checks.map(|(_, _, violations)| violations), "{results:#}");
    }
}

/// A table that counts how often it is read, and may know its statistics.
#[derive(Debug)]
pub(crate) struct Counted {
    table: MemTable,
    scans: AtomicUsize,
    statistics: Option<Statistics>,
}

impl Counted {
    pub(crate) fn new(rows: &RecordBatch) -> Self {
        let table = MemTable::try_new(rows.schema(), vec![vec![rows.clone()]]).unwrap();
        Self { table, scans: AtomicUsize::new(0), statistics: None }
    }

    /// With statistics for which it vouches.
    pub(crate) fn knowing(self, statistics: Statistics) -> Self {
        Self { statistics: Some(statistics), ..self }
    }

    pub(crate) fn scans(&self) -> usize {
        self.scans.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl TableProvider for Counted {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn datafusion::catalog::Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        self.scans.fetch_add(1, Ordering::Relaxed);
        self.table.scan(session, projection, filters, limit).await
    }

    fn statistics(&self) -> Option<Statistics> {
        self.statistics.clone()
    }
}

#[tokio::test]
async fn every_sort_of_check_shares_one_scan_and_others_only_find_what_failed() {
    let registry = Registry::linked(&[]).unwrap().activate(Policy::default(), InitContext::at("/nowhere")).unwrap();
    let asset = AssetKey::new("raw.x").unwrap();
    for (ids, scans, broken) in [([1, 2, 3], 1, 0), ([1, 2, 2], 4, 1)] {
        let columns: [(&str, ArrayRef); 2] = [
            ("id", Arc::new(Int64Array::from(ids.to_vec()))),
            ("iban", Arc::new(StringArray::from(vec!["DE89370400440532013000"; 3]))),
        ];
        let rows = RecordBatch::try_from_iter(columns).unwrap();
        let counted = Arc::new(Counted::new(&rows));
        let table: Arc<dyn TableProvider> = counted.clone();
        let target = CheckTarget { asset: asset.clone(), schema: Some(rows.schema()) };
        let checks = [
            "not_null: [id]",
            "range: { column: id, min: 0 }",
            "format: { column: iban, format: iban }",
            "aggregate: { function: mean, column: id, max: 5 }",
            "row_count: 3",
            "unique: [id]",
        ]
        .map(|text| {
            let node = Node::parse(text, "a.yaml", 1).unwrap();
            let (kind, params) = node.entries().unwrap().first().unwrap();
            let plan = registry.quality(kind.as_str().unwrap()).unwrap().check(params, &target).unwrap();
            Check::new(asset.clone(), kind.as_str().unwrap(), plan)
        });
        let audited = check::audit(&Session::new(), &table, &checks, Scope::All, None).await.unwrap();
        let failed = audited.results.iter().filter(|(_, result)| !result.passed()).count();
        assert_eq!((counted.scans(), failed), (scans, broken), "{:#?}", audited.results);
    }
}

/// The hashes of a million keys do not fit into 16 MiB. Then the keys are grouped, which reads the table again and spills.
#[tokio::test(flavor = "multi_thread")]
async fn uniqueness_is_counted_the_same_with_little_memory() {
    const ROWS: i64 = 1_000_000;
    let dir = tempfile::tempdir().unwrap();
    // As a project's `plugins.settings` give it.
    let engine = |memory_mib: u64| {
        let settings = Node::parse(&format!("memory_mib: {memory_mib}"), "phlo.yaml", 1).unwrap();
        let settings = [((PluginKind::Resource, "datafusion".to_owned()), settings)].into();
        let policy = Policy { settings, ..Policy::default() };
        Registry::linked(&[]).unwrap().activate(policy, InitContext::at(dir.path())).unwrap()
    };
    let asset = AssetKey::new("raw.x").unwrap();
    let unique = |row: i64| Some(row);
    // A key in a thousand comes twice, and as many are missing.
    let broken = |row: i64| match row % 1000 {
        1 => Some(row - 1),
        2 => None,
        _ => Some(row),
    };
    let keys: [(&dyn Fn(i64) -> Option<i64>, u64); 2] = [(&unique, 0), (&broken, ROWS as u64 / 1000)];
    for (key, violations) in keys {
        let starts = (0..ROWS).step_by(8192);
        let batches = starts.map(|start| {
            let ids: Int64Array = (start..ROWS.min(start + 8192)).map(key).collect();
            RecordBatch::try_from_iter_with_nullable([("id", Arc::new(ids) as ArrayRef, true)]).unwrap()
        });
        let batches: Vec<_> = batches.collect();
        let schema = batches[0].schema();
        let mut scans = Vec::new();
        for memory_mib in [256, 16] {
            let registry = engine(memory_mib);
            let provider = registry.provider(CapabilityType::QueryEngine, "datafusion").unwrap();
            let session = provider.of_trait::<dyn QueryEngine>().unwrap().session().unwrap();
            let table = MemTable::try_new(schema.clone(), vec![batches.clone()]).unwrap();
            let counted = Arc::new(Counted { table, scans: AtomicUsize::new(0), statistics: None });
            let table: Arc<dyn TableProvider> = counted.clone();
            let target = CheckTarget { asset: asset.clone(), schema: Some(schema.clone()) };
            let params = Node::parse("[id]", "a.yaml", 1).unwrap();
            let plan = registry.quality("unique").unwrap().check(&params, &target).unwrap();
            let checks = [Check::new(asset.clone(), "unique", plan)];
            let audited = check::audit(&session, &table, &checks, Scope::All, None).await.unwrap();
            let result = &audited.results[0].1;
            assert_eq!(
                (result.error.as_deref(), result.violations),
                (None, violations),
                "{memory_mib} MiB: {result:#?}"
            );
            assert_eq!(result.passed(), violations == 0, "{memory_mib} MiB: {result:#?}");
            scans.push(counted.scans.load(Ordering::Relaxed));
        }
        // What breaks the check is grouped whatever the memory; what does not, only where the hashes did not fit.
        assert_eq!(scans[0] == 1, violations == 0, "{scans:?}");
        assert!(scans[1] > 1, "the memory sufficed: {scans:?}");
    }
}
