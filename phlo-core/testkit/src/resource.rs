//! What resources promise. [`crate::Package`] calls this for each resource of a package.

use std::collections::BTreeSet;

use phlo_plugin::publish::AnyPublishTarget;
use phlo_plugin::registry::guard;
use phlo_plugin::resource::{AlertSink, AnyResource, Provider, RunHistory, SecretStore};
use phlo_plugin::{InitContext, Registration};
use phlo_spec::{AssetKey, CapabilityType, Node};

use crate::findings::Findings;
use crate::package::{unknown_key, with_unknown};

/// It provides exactly what it registered, each behind its capability's trait, and asking a provider changes nothing.
/// `uses` are the configs that the package's example gives it.
pub fn check(
    registration: &Registration,
    plugin: &dyn AnyResource,
    uses: &[Node],
    context: &InitContext,
    findings: &mut Findings,
) {
    let Some(providers) = findings.expect(plugin.providers(), "its providers") else { return };
    let given: BTreeSet<String> = providers.iter().map(|provider| format!("{provider:?}")).collect();
    let stated: BTreeSet<String> = registration.provides.iter().map(|stated| (*stated).to_owned()).collect();
    findings.hold(given == stated, format_args!("it registered {stated:?} and provides {given:?}"));
    findings.hold(given.len() == providers.len(), "it provides something twice");
    for provider in &providers {
        findings
            .within(format_args!("{provider:?}"), |findings| handle(registration, provider, uses, context, findings));
    }
}

/// The traits of `phlo-engine-api` are not known here; the table store's suite is beside it.
fn handle(
    registration: &Registration,
    provider: &Provider,
    uses: &[Node],
    context: &InitContext,
    findings: &mut Findings,
) {
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
        CapabilityType::PublishTarget => match provider.get::<dyn AnyPublishTarget>() {
            Some(target) => publish_target(registration, target.as_ref(), uses, findings),
            None => findings.add("its handle is no `AnyPublishTarget`: use `Provider::publish_target`"),
        },
        _ => {}
    }
}

/// Its config is registered, and read as the example writes it.
fn publish_target(registration: &Registration, target: &dyn AnyPublishTarget, uses: &[Node], findings: &mut Findings) {
    findings.hold(
        registration.config.is_some(),
        "nobody knows the keys of its config: add `config = …` to its registration",
    );
    findings.hold(!uses.is_empty(), "the example has no `target` that names it");
    let parse = |config: &Node| guard(registration.name, "reading its config", || target.parse(config).map(drop));
    for config in uses {
        findings.expect(parse(config), "the config of the example");
        unknown_key(parse(&with_unknown(config)), "config", findings);
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
