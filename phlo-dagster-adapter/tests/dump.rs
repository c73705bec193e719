//! The files as Dagster meets them: a manifest in Dagster's terms and Python that compiles.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::process::Command;

use phlo_dagster_adapter::Dagster;
use phlo_plugin::Registry;
use phlo_plugin::prelude::*;
use phlo_spec::asset::{AssetBody, AssetSpec, CheckSpec, FreshnessSpec, PartitionSpec, RetrySpec, SourceSpec, SqlSpec, WriteSpec};
use phlo_spec::project::ScheduleSpec;
use phlo_spec::{CapabilityType, CheckSeverity, NodeKind, PartitionKind};
use serde_json::{Value, json};

fn sql(key: &str) -> AssetSpec {
    let key = AssetKey::new(key).unwrap();
    AssetSpec {
        group: key.group().to_owned(),
        key,
        description: None,
        tags: Vec::new(),
        owner: None,
        body: AssetBody::Sql(SqlSpec { text: String::new(), file: String::new() }),
        transforms: Vec::new(),
        write: WriteSpec::default(),
        checks: Vec::new(),
        columns: BTreeMap::new(),
        partitions: None,
        deps: Vec::new(),
        capability_overrides: BTreeMap::new(),
        freshness: None,
        retry: RetrySpec::default(),
        place: None,
    }
}

fn check(name: &str, severity: CheckSeverity) -> CheckSpec {
    CheckSpec {
        kind: "not_null".to_owned(),
        name: Some(name.to_owned()),
        description: None,
        severity,
        tolerance: 0.0,
        filter: None,
        params: Node::synthetic(NodeKind::Null),
        place: None,
    }
}

fn partitions(kind: PartitionKind, start: Option<&str>) -> Option<PartitionSpec> {
    Some(PartitionSpec { kind, column: "day".to_owned(), start: start.map(str::to_owned), timezone: None, values: vec!["eu".to_owned()] })
}

fn schedule(select: &str) -> ScheduleSpec {
    ScheduleSpec { name: "nightly run".to_owned(), cron: "0 2 * * *".to_owned(), select: select.to_owned(), timezone: None }
}

/// Two layers: an ingested asset with everything, and SQL assets over it.
fn definitions() -> Definitions {
    let mut flights = sql("bronze.flights");
    flights.body = AssetBody::Ingest(SourceSpec { plugin: "files".to_owned(), plugin_place: None, config: Node::synthetic(NodeKind::Null) });
    flights.description = Some("Departures".to_owned());
    flights.tags = vec!["night ly".to_owned()];
    flights.owner = Some("data team".to_owned());
    flights.freshness = Some(FreshnessSpec { max_age_hours: 26.0 });
    flights.partitions = partitions(PartitionKind::Daily, Some("2013-01-01"));
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
fn dump() {
    let mut d = definitions();
    for kind in [PartitionKind::Hourly, PartitionKind::Weekly, PartitionKind::Monthly, PartitionKind::Static] {
        let mut a = sql(&format!("parts.{kind}"));
        a.partitions = partitions(kind, Some("2013-01-01"));
        d.assets.push((a, vec![]));
    }
    std::fs::create_dir_all("/tmp/helper-venv/proj/dagster").unwrap();
    for (name, content) in files(&d).unwrap() { std::fs::write(format!("/tmp/helper-venv/proj/dagster/{name}"), content).unwrap(); }
}
