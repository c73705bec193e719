//! `examples/nycflights`, as a newcomer runs it.

use crate::fixture::Project;

#[test]
fn the_example_runs_with_phlo_run_alone_and_takes_february_as_the_next_increment() {
    let project = Project::example("nycflights");
    let record = project.phlo(&["run", "--json"]).exits(0).json();
    let assets = record["assets"].as_array().unwrap();
    assert_eq!(assets.len(), 11);
    assert!(assets.iter().all(|a| a["status"] == "success"), "{record}");
    assert_eq!(project.one("select count(*) from bronze.flights"), 27004);
    // A warning is told and does not block.
    let flights = assets.iter().find(|a| a["asset"] == "bronze.flights").unwrap();
    let warned = flights["checks"].as_array().unwrap().iter().find(|c| c["outcome"] == "failed").unwrap();
    assert_eq!((warned["severity"].as_str(), warned["violations"].as_u64()), (Some("warn"), Some(3)));
    // Nothing was lost or doubled on the way.
    for (asset, check) in [
        ("silver.departures", "reconcile_keys(carrier, flight, origin, sched_dep_time, time_hour; bronze.flights)"),
        ("gold.daily_delays", "reconcile_aggregates(sum(flights) as count(*); by origin; silver.departures)"),
    ] {
        let of = assets.iter().find(|a| a["asset"] == asset).unwrap()["checks"].as_array().unwrap();
        let found = of.iter().find(|c| c["name"] == check).unwrap_or_else(|| panic!("no {check} among {of:#?}"));
        assert_eq!((&found["outcome"], &found["violations"]), (&"passed".into(), &0.into()), "{found:#}");
    }
    // The metric is read by its name, over what was published.
    let metric = "select sum(flights) as flights, count(distinct carrier_name) as carriers from semantic.punctuality";
    let flown = "select count(*) as flights, count(distinct carrier_name) as carriers from silver.departures where not cancelled";
    let (metric, flown) = (project.sql(metric), project.sql(flown));
    assert_eq!(metric, flown);
    assert!(metric[0]["flights"].as_u64() > Some(0), "{metric:?}");

    // Nothing new: nothing is ingested again.
    let record = project.phlo(&["run", "bronze.flights", "--json"]).exits(0).json();
    assert_eq!(record["assets"][0]["status"], "unchanged");

    std::fs::copy(
        project.path().join("data/next/flights-2013-02.csv.gz"),
        project.path().join("data/flights-2013-02.csv.gz"),
    )
    .unwrap();
    let record = project.phlo(&["run", "bronze.flights+", "--json"]).exits(0).json();
    let flights = record["assets"].as_array().unwrap().iter().find(|a| a["asset"] == "bronze.flights").unwrap().clone();
    assert_eq!((flights["rows_inserted"].as_u64(), flights["rows_updated"].as_u64()), (Some(24951), Some(0)));
    assert_eq!(project.one("select count(*) from bronze.flights"), 27004 + 24951);
    assert_eq!(
        project.one("select sum(flights) from gold.daily_delays"),
        project.one("select count(*) from silver.departures")
    );
}

#[test]
fn the_documented_variation_blocks_and_shows_the_rows() {
    let project = Project::example("nycflights");
    project.phlo(&["run", "bronze.flights"]).exits(0);
    let said = project.phlo_with(&[("MAX_DELAY", "600")], &["run", "--full-refresh", "bronze.flights+"]).exits(3);
    assert!(said.all().contains("plausible_delay"), "{}", said.all());
    assert_eq!(project.one("select count(*) from bronze.flights"), 27004, "the published table is the old one");
    let shown = project.phlo(&["quality", "show", "bronze.flights", "--rows", "--json"]).exits(0);
    assert!(shown.stdout.contains("1301"), "{}", shown.stdout);
}

#[test]
fn every_reporting_command_answers_people_and_machines() {
    let project = Project::example("nycflights");
    project.phlo(&["run", "bronze.airlines", "silver.weather_hours", "bronze.weather"]).exits(0);
    for args in [
        &["status"][..],
        &["runs"],
        &["logs"],
        &["table", "list"],
        &["table", "show", "bronze.airlines"],
        &["table", "history", "bronze.airlines"],
        &["table", "preview", "bronze.airlines"],
        &["quality", "show"],
        &["quality", "show", "bronze.airlines"],
        &["quality", "run", "bronze.airlines"],
        &["lineage", "gold.delay_by_weather"],
        &["plugin", "list"],
        &["plugin", "info", "files"],
        &["plugin", "check"],
        &["config", "show"],
        &["explain", "P5001"],
        &["check"],
        &["run", "--dry-run"],
    ] {
        let said = project.phlo(args).exits(0);
        assert!(!said.stdout.trim().is_empty(), "{args:?} says nothing\n{}", said.stderr);
        let mut with_json = args.to_vec();
        with_json.push("--json");
        project.phlo(&with_json).exits(0).json();
    }
    let said = project.phlo(&["completions", "bash"]).exits(0);
    assert!(said.stdout.contains("phlo"));
}

#[test]
fn what_init_makes_runs_and_looking_at_it_leaves_nothing() {
    for template in ["flights", "minimal"] {
        let project = Project::new();
        let made = project.phlo(&["init", "made", "--template", template, "--json"]).exits(0).json();
        assert_eq!(made["problems"], serde_json::json!([]), "{made}");
        assert!(!project.path().join("made/.phlo").exists(), "{template}: opening the project made its state");
        let run = project.phlo(&["run", "--project", "made", "--json"]).exits(0).json();
        assert_eq!(run["status"], "success", "{template}: {run}");
    }
}
