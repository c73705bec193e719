//! Every promise that a plugin makes, and the Makefile, whole.

use {{library}}::orchestrator::{{Type}}Orchestrator;
use phlo_plugin::prelude::*;
use phlo_spec::project::ScheduleSpec;
use phlo_testkit::fixture::{asset, key};

phlo_testkit::conformance!({{library}});

fn definitions(upstream: &str) -> Definitions {
    let schedule = ScheduleSpec {
        name: "every night".to_owned(),
        cron: "0 3 * * *".to_owned(),
        select: "tag:it's $5".to_owned(),
        timezone: None,
    };
    let downstream = (asset("gold.b", "select 1"), vec![key(upstream), key(upstream)]);
    let assets = vec![downstream, (asset("bronze.a", "select 1"), Vec::new())];
    Definitions { project: "lake".to_owned(), assets, schedules: vec![schedule], ..Definitions::default() }
}

#[test]
fn each_asset_is_a_target_after_what_it_depends_on() {
    let output = {{Type}}Orchestrator.build(&definitions("bronze.a")).unwrap();
    let OrchestratorOutput::Files(files) = output else { panic!("no files") };
    let expected = r"# The assets of lake. Written by phlo: write it again when assets or schedules have changed.

PHLO ?= phlo

.PHONY: all
all: bronze.a gold.b

.PHONY: bronze.a
bronze.a:
	$(PHLO) materialize --tag phlo/capability/orchestrator=native bronze.a

.PHONY: gold.b
gold.b: bronze.a
	$(PHLO) materialize --tag phlo/capability/orchestrator=native gold.b

# 0 3 * * * UTC
.PHONY: schedule-every-night
schedule-every-night:
	$(PHLO) materialize --tag phlo/capability/orchestrator=native 'tag:it'\''s $$5'
";
    assert_eq!(files, [("Makefile".to_owned(), expected.to_owned())]);
}

#[test]
fn a_dependency_that_is_no_asset_is_refused_with_the_nearest() {
    let err = {{Type}}Orchestrator.build(&definitions("bronze.aa")).unwrap_err();
    assert_eq!(err.message(), "gold.b depends on bronze.aa, which is no asset");
    assert_eq!(err.hints(), ["did you mean `bronze.a`?"]);
}
