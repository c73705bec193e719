//! The module for each setting. A real Dagster evaluates the sensor in the repository's own tests.
#![allow(clippy::unwrap_used)]

use phlo_dagster_freshness::{Freshness, Settings};
use phlo_plugin::prelude::*;

fn module(settings: Settings) -> Result<DagsterModule> {
    Ok(Freshness::create(settings, &InitContext::at("/srv"))?.modules()?.remove(0))
}

#[test]
fn the_settings_stand_in_the_module() {
    let lines = |settings: Settings| {
        let python = module(settings).unwrap().python;
        let of = |name: &str| python.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        (of("INTERVAL_SECONDS"), of("RUNNING"))
    };
    assert_eq!(lines(Settings::default()), ("INTERVAL_SECONDS = 300".to_owned(), "RUNNING = True".to_owned()));
    let other = Settings { interval_seconds: 30, running: false };
    assert_eq!(lines(other), ("INTERVAL_SECONDS = 30".to_owned(), "RUNNING = False".to_owned()));
    let err = module(Settings { interval_seconds: 29, running: true }).unwrap_err();
    assert_eq!((err.code(), err.message()), (Code::InvalidValue, "`interval_seconds` is below 30"));
}
