//! What resources promise. [`crate::Package`] calls this for each resource of a package.

use std::collections::BTreeSet;

use phlo_plugin::resource::{AlertSink, AnyResource, Provider, RunHistory, SecretStore};
use phlo_plugin::{InitContext, Registration};
use phlo_spec::{AssetKey, CapabilityType};

use crate::findings::Findings;

/// It provides exactly what it registered, each behind its capability's trait, and asking a provider changes nothing.
pub fn check(registration: &Registration, plugin: &dyn AnyResource, context: &InitContext, findings: &mut Findings) {
    let Some(providers) = findings.expect(plugin.providers(), "its providers") else { return };
    let given: BTreeSet<String> = providers.iter().map(|provider| format!("{provider:?}")).collect();
    let stated: BTreeSet<String> = registration.provides.iter().map(|stated| (*stated).to_owned()).collect();
    findings.hold(given == stated, format_args!("it registered {stated:?} and provides {given:?}"));
    findings.hold(given.len() == providers.len(), "it provides something twice");
    for provider in &providers {
        findings.within(format_args!("{provider:?}"), |findings| handle(provider, context, findings));
    }
}

/// The traits of `phlo-engine-api` are not known here; the table store's suite is beside it.
fn handle(provider: &Provider, context: &InitContext, findings: &mut Findings) {
    match provider.capability {
        CapabilityType::RunHistory => match provider.get::<dyn RunHistory>() {
            Some(history) => run_history(history.as_ref(), context, findings),
            None => findings.add("its handle is no `RunHistory`"),
        },
        CapabilityType::SecretStore => match provider.get::<dyn SecretStore>() {
            Some(store) => {
                if let Some(found) =
                    findings.expect(store.secret("phlo_no_such_secret"), "asking for a secret that is not there")
                {
                    findings.hold(found.is_none(), "it knows a secret that is not there");
                }
            }
            None => findings.add("its handle is no `SecretStore`"),
        },
        CapabilityType::AlertSink => {
            findings.hold(provider.get::<dyn AlertSink>().is_some(), "its handle is no `AlertSink`");
        }
        _ => {}
    }
}

/// The history of a project that never ran is empty, and reading it makes no files.
fn run_history(history: &dyn RunHistory, context: &InitContext, findings: &mut Findings) {
    let Ok(asset) = AssetKey::new("bronze.flights") else { return };
    let answers = [
        ("runs", history.runs(10).map(|found| found.is_empty())),
        ("run", history.run("r").map(|found| found.is_none())),
        ("events", history.events("r").map(|found| found.is_empty())),
        ("latest", history.latest().map(|found| found.is_empty())),
        ("checks", history.checks(&asset, 10).map(|found| found.is_empty())),
        ("close_dead", history.close_dead(&|_| false).map(|found| found.is_empty())),
    ];
    for (call, empty) in answers {
        let empty = findings.expect(empty, format_args!("`{call}` of a project that never ran"));
        findings.hold(empty != Some(false), format_args!("`{call}` of a project that never ran is not empty"));
    }
    findings.hold(!context.state_dir.exists(), "reading the history of a project that never ran makes files");
}
