//! Semantic models: what plugins name, `phlo sql` reads and `phlo check` types.

use crate::fixture::Project;

fn project(model: &str) -> Project {
    Project::new()
        .write(
            "phlo.yaml",
            &format!(
                "name: test\nplugins:\n  settings:\n    semantic:\n      metrics:\n        models:\n          {model}\n"
            ),
        )
        .write("d.csv", "carrier,delay\nAA,1\nAA,3\nB6,\n")
        .write("assets/raw/flights.yaml", "source: { plugin: files, path: d.csv }\n")
}

const GOOD: &str = "delays: { table: raw.flights, measures: { n: count(*), mean: avg(delay) }, dimensions: [carrier] }";

#[test]
fn a_model_is_read_by_its_name_over_the_tables_as_they_are() {
    let project = project(GOOD);
    let query = ["sql", "select * from semantic.delays order by carrier", "--format", "csv"];
    let said = project.phlo(&query).exits(2);
    assert!(said.all().contains("the table `raw.flights` does not exist yet"), "{}", said.all());
    project.phlo(&["run"]).exits(0);
    assert_eq!(project.phlo(&query).exits(0).stdout, "carrier,mean,n\nAA,2.0,2\nB6,,1\n");
    let shown = project.phlo(&["semantic", "show", "delays", "--json"]).exits(0).json();
    assert_eq!(
        (shown["model"]["plugin"].as_str(), shown["model"]["reads"][0].as_str()),
        (Some("metrics"), Some("raw.flights"))
    );
    let said = project.phlo(&["semantic", "show", "dleays"]).exits(2);
    assert!(said.all().contains("did you mean `delays`?"), "{}", said.all());
}

#[test]
fn a_model_that_is_wrong_is_told_before_anybody_asks() {
    for (model, says) in [
        ("delays: { table: raw.flihgts, measures: { n: count(*) } }", "did you mean `raw.flights`?"),
        ("delays: { table: raw.flights, measures: { n: sum(dleay) } }", "dleay"),
        ("delays: { table: raw.flights, measures: { n: sum( } }", "delays"),
        ("delays: { table: raw.flights, measurs: { n: count(*) } }", "did you mean `measures`?"),
    ] {
        let said = project(model).phlo(&["check"]).exits(2);
        assert!(said.all().contains(says) && said.all().contains("phlo.yaml:"), "{model}: {}", said.all());
    }
    project(GOOD).phlo(&["check"]).exits(0);
}
