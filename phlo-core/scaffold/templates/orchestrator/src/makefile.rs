//! The text of the Makefile.

use std::collections::{BTreeMap, BTreeSet};

use phlo_plugin::prelude::*;
use phlo_spec::project::ScheduleSpec;

/// One step of phlo's own: make has decided what runs when.
const RUN: &str = "\t$(PHLO) materialize --tag phlo/capability/orchestrator=native";

pub(crate) fn render(
    project: &str,
    targets: &BTreeMap<&AssetKey, BTreeSet<&AssetKey>>,
    schedules: &[ScheduleSpec],
) -> String {
    let names: Vec<&str> = targets.keys().map(|key| key.as_str()).collect();
    let mut text = format!(
        "# The assets of {}. Written by phlo: write it again when assets or schedules have changed.\n\n\
         PHLO ?= phlo\n\n.PHONY: all\nall: {}\n",
        one_line(project),
        names.join(" ")
    );
    for (key, upstream) in targets {
        let upstream: String = upstream.iter().map(|key| format!(" {key}")).collect();
        // Keys are of lower-case letters, digits, `_` and dots: nothing that make or a shell would read otherwise.
        text.push_str(&format!("\n.PHONY: {key}\n{key}:{upstream}\n{RUN} {key}\n"));
    }
    for schedule in schedules {
        let name: String = schedule.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let zone = schedule.timezone.as_deref().unwrap_or("UTC");
        text.push_str(&format!(
            "\n# {} {}\n.PHONY: schedule-{name}\nschedule-{name}:\n{RUN} {}\n",
            one_line(&schedule.cron),
            one_line(zone),
            argument(&schedule.select)
        ));
    }
    text
}

/// A text as one argument of a shell that make starts.
fn argument(text: &str) -> String {
    format!("'{}'", one_line(text).replace('$', "$$").replace('\'', r"'\''"))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
