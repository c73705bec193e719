//! The files as Dagster meets them: a manifest in Dagster's terms and Python that compiles.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::process::Command;

use phlo_dagster_adapter::Dagster;
use phlo_plugin::prelude::*;
use phlo_spec::asset::{AssetBody, AssetSpec, CheckSpec, FreshnessSpec, PartitionSpec, SourceSpec};
use phlo_spec::project::ScheduleSpec;
use phlo_spec::{CheckSeverity, NodeKind, PartitionKind, Tolerance};
use serde_json::{Value, json};

fn sql(key: &str) -> AssetSpec {
    AssetSpec::of_sql(AssetKey::new(key).unwrap(), "")
}

fn check(name: &str, severity: CheckSeverity) -> CheckSpec {
    CheckSpec {
        kind: "not_null".to_owned(),
        name: Some(name.to_owned()),
        description: None,
        severity,
        tolerance: Tolerance::default(),
        filter: None,
        sample: 100,
        params: Node::synthetic(NodeKind::Null),
        place: None,
    }
}

fn partitions(kind: PartitionKind, start: Option<&str>) -> PartitionSpec {
    PartitionSpec {
        kind,
        column: "day".to_owned(),
        start: start.map(str::to_owned),
        timezone: None,
        values: vec!["eu".to_owned()],
    }
}

fn schedule(select: &str) -> ScheduleSpec {
    ScheduleSpec {
        name: "nightly run".to_owned(),
        cron: "0 2 * * *".to_owned(),
        select: select.to_owned(),
        timezone: None,
    }
}

/// Two layers: an ingested asset with everything, and SQL assets over it.
fn definitions() -> Definitions {
    let mut flights = sql("bronze.flights");
    flights.body = AssetBody::Ingest(SourceSpec {
        plugin: "files".to_owned(),
        plugin_place: None,
        config: Node::synthetic(NodeKind::Null),
    });
    flights.description = Some("Departures".to_owned());
    flights.tags = vec!["night ly".to_owned()];
    flights.owner = Some("data team".to_owned());
    flights.freshness = Some(FreshnessSpec { max_age_hours: 26.0 });
    flights.partitions = Some(partitions(PartitionKind::Daily, Some("2013-01-01")));
    flights.checks = vec![
        check("not_null(carrier, dest)", CheckSeverity::Error),
        check("not_null(carrier) dest", CheckSeverity::Warn),
        check("range(delay, -120..1500)", CheckSeverity::Warn),
    ];
    let mut daily = sql("gold.team_a.daily");
    daily.owner = Some("ada@example.org".to_owned());
    let key = |text: &str| AssetKey::new(text).unwrap();
    Definitions {
        project: "nycflights".to_owned(),
        assets: vec![
            (flights, vec![]),
            (sql("silver.departures"), vec![key("bronze.flights")]),
            (sql("silver.team_a__daily"), vec![]),
            (daily, vec![key("silver.departures")]),
        ],
        schedules: vec![schedule("group:bronze+")],
        ..Definitions::default()
    }
}

fn files(definitions: &Definitions) -> Result<BTreeMap<String, String>> {
    match Dagster.build(definitions)? {
        OrchestratorOutput::Files(files) => Ok(files.into_iter().collect()),
        OrchestratorOutput::Steps(_) => panic!("Dagster runs the steps"),
    }
}

fn manifest(definitions: &Definitions) -> Result<Value> {
    files(definitions).map(|files| serde_json::from_str(&files["definitions.json"]).unwrap())
}

#[test]
fn the_manifest_says_everything_in_names_that_dagster_allows() {
    let manifest = manifest(&definitions()).unwrap();
    assert_eq!((&manifest["version"], &manifest["project"]), (&json!(1), &json!("nycflights")));
    assert_eq!(
        manifest["assets"][0],
        json!({
            "key": ["bronze", "flights"],
            "phlo_key": "bronze.flights",
            "op": "bronze__flights",
            "deps": [],
            "group": "bronze",
            "kinds": ["phlo", "files"],
            "tags": ["night_ly"],
            "owners": ["team:data team"],
            "description": "Departures",
            "max_age_hours": 26.0,
            "partitions": { "kind": "daily", "start": "2013-01-01", "timezone": "UTC" },
            "checks": [
                { "name": "not_null_carrier_dest", "phlo_name": "not_null(carrier, dest)", "kind": "not_null", "blocking": true, "severity": "error" },
                { "name": "not_null_carrier_dest_2", "phlo_name": "not_null(carrier) dest", "kind": "not_null", "blocking": false, "severity": "warn" },
                { "name": "range_delay_120_1500", "phlo_name": "range(delay, -120..1500)", "kind": "not_null", "blocking": false, "severity": "warn" },
            ],
        })
    );
    assert_eq!(manifest["assets"][2]["deps"], json!([["bronze", "flights"]]));
    assert_eq!(manifest["assets"][2]["kinds"], json!(["phlo", "sql"]));
    assert_eq!(manifest["assets"][1]["group"], json!("gold/team_a"));
    assert_eq!(manifest["assets"][1]["owners"], json!(["ada@example.org"]));
    assert_eq!(
        manifest["schedules"],
        json!([{
            "name": "nightly_run",
            "cron": "0 2 * * *",
            "timezone": "UTC",
            "select": "group:bronze+",
            "assets": [["bronze", "flights"], ["gold", "team_a", "daily"], ["silver", "departures"]],
        }])
    );
}

#[test]
fn keys_that_would_share_an_op_get_different_ones() {
    let assets = vec![(sql("a.b__c"), vec![]), (sql("a.b.c"), vec![]), (sql("a__b.c"), vec![])];
    let manifest = manifest(&Definitions { assets, ..Definitions::default() }).unwrap();
    let ops: Vec<_> = manifest["assets"].as_array().unwrap().iter().map(|asset| asset["op"].clone()).collect();
    assert_eq!(ops, ["a__b__c", "a__b__c_2", "a__b__c_3"]);
}

#[test]
fn a_schedule_names_the_assets_that_its_selection_means() {
    for (select, want) in [
        ("bronze.flights", "bronze.flights"),
        ("bronze.flights+", "bronze.flights gold.team_a.daily silver.departures"),
        ("+silver.departures", "bronze.flights silver.departures"),
        ("+silver.departures+", "bronze.flights gold.team_a.daily silver.departures"),
        ("silver.*", "silver.departures silver.team_a__daily"),
        ("*daily", "gold.team_a.daily silver.team_a__daily"),
        ("group:gold.team_a", "gold.team_a.daily"),
        ("kind:ingest, gold.team_a.daily", "bronze.flights gold.team_a.daily"),
        ("kind:sql", "gold.team_a.daily silver.departures silver.team_a__daily"),
        ("*", "bronze.flights gold.team_a.daily silver.departures silver.team_a__daily"),
    ] {
        let manifest = manifest(&Definitions { schedules: vec![schedule(select)], ..definitions() }).unwrap();
        let keys: Vec<_> = manifest["schedules"][0]["assets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key.as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect::<Vec<_>>().join("."))
            .collect();
        assert_eq!(keys.join(" "), want, "{select}");
    }
}

#[test]
fn what_dagster_could_not_load_is_refused() {
    let mut mixed = definitions();
    mixed.assets[1].0.partitions = Some(partitions(PartitionKind::Monthly, Some("2013-01-01")));
    let mut startless = definitions();
    startless.assets[0].0.partitions = Some(partitions(PartitionKind::Daily, None));
    let mut nameless = definitions();
    nameless.assets[0].0.checks[0].name = None;
    let scheduled = |select: &str| Definitions { schedules: vec![schedule(select)], ..definitions() };
    for (definitions, code, message) in [
        (
            mixed,
            Code::BadSelection,
            "the schedule `nightly run` selects bronze.flights and silver.departures, which are partitioned differently",
        ),
        (startless, Code::MissingKey, "the daily partitions of bronze.flights have no `start`, which Dagster needs"),
        (nameless, Code::Internal, "a check `not_null` of bronze.flights has no name"),
        (scheduled("bronze.flihgts"), Code::UnknownAsset, "the selection `bronze.flihgts` matches no asset"),
        (scheduled("groop:bronze"), Code::BadSelection, "there is no selector `groop:`"),
        (scheduled("group:iron"), Code::UnknownAsset, "the selection `group:iron` matches no asset"),
        (scheduled(" "), Code::BadSelection, "the selection is empty"),
    ] {
        let err = manifest(&definitions).unwrap_err();
        assert_eq!((err.code(), err.message()), (code, message));
    }
}

#[test]
fn static_partitions_need_no_start_and_other_partitions_of_one_kind_share_a_schedule() {
    let mut same = definitions();
    same.assets[0].0.partitions = Some(partitions(PartitionKind::Static, None));
    same.assets[1].0.partitions = Some(partitions(PartitionKind::Static, None));
    same.assets[1].0.partitions.as_mut().unwrap().column = "region".to_owned();
    assert_eq!(
        manifest(&same).unwrap()["assets"][2]["partitions"],
        json!({ "kind": "static", "timezone": "UTC", "values": ["eu"] })
    );
}

fn module(name: &str, requirements: &[&str]) -> DagsterModule {
    DagsterModule {
        name: name.to_owned(),
        python: "defs = None\n".to_owned(),
        requirements: requirements.iter().map(|one| (*one).to_owned()).collect(),
    }
}

#[test]
fn modules_of_extensions_are_written_and_named_with_what_they_require() {
    let dagster = vec![
        ("one".to_owned(), module("phlo_one", &["pandas>=2", "dagster>=1.9"])),
        ("two".to_owned(), module("phlo_two", &["pandas>=2"])),
    ];
    let written = files(&Definitions { dagster, ..definitions() }).unwrap();
    assert_eq!(
        written.keys().collect::<Vec<_>>(),
        ["definitions.json", "definitions.py", "phlo_one.py", "phlo_two.py", "requirements.txt"]
    );
    assert_eq!(written["requirements.txt"], "dagster>=1.13\ndagster>=1.9\npandas>=2\n");
    let manifest: Value = serde_json::from_str(&written["definitions.json"]).unwrap();
    assert_eq!(manifest["modules"], json!(["phlo_one", "phlo_two"]));
    for (name, says) in [
        ("definitions", "the Dagster extension `two` gives a module `definitions`, and there is one"),
        ("phlo_one", "the Dagster extension `two` gives a module `phlo_one`, and there is one"),
        ("../x", "the Dagster extension `two` gives a module `../x`, which Python cannot import"),
    ] {
        let dagster = vec![("one".to_owned(), module("phlo_one", &[])), ("two".to_owned(), module(name, &[]))];
        assert_eq!(files(&Definitions { dagster, ..definitions() }).unwrap_err().message(), says);
    }
}

#[test]
fn the_python_file_compiles_and_is_the_same_for_every_project() {
    let (all, none) = (files(&definitions()).unwrap(), files(&Definitions::default()).unwrap());
    assert_eq!(all["definitions.py"], none["definitions.py"]);
    assert_eq!(all.keys().collect::<Vec<_>>(), ["definitions.json", "definitions.py", "requirements.txt"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("definitions.py");
    std::fs::write(&file, &all["definitions.py"]).unwrap();
    let output =
        Command::new("python3").args(["-m", "py_compile"]).arg(&file).output().expect("python3 is needed by this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
