//! What hooks promise. [`crate::Package`] calls this for each hook of a package.

use std::collections::BTreeSet;

use phlo_plugin::hook::{AnyHook, HookRegistration};
use phlo_plugin::registry::guard;
use phlo_spec::Code;

use crate::findings::Findings;
use crate::fixture::{event, payload};

/// Handlers with names of their own and filters that match something; filter, order and policy the same each time it is asked; and no
/// panic at any event that they ask for, delivered twice. A handler may fail: what it hands events to need not be there.
pub fn check(name: &str, plugin: &dyn AnyHook, findings: &mut Findings) {
    let Some(hooks) = findings.expect(plugin.hooks(), "its hooks") else { return };
    findings.hold(!hooks.is_empty(), "it handles nothing");
    if let Some(again) = findings.expect(plugin.hooks(), "its hooks, asked again") {
        let (first, again) = (told(&hooks), told(&again));
        findings.hold(first == again, format_args!("asked twice, it registers {first:?}, then {again:?}"));
    }
    let mut names = BTreeSet::new();
    for hook in &hooks {
        findings.hold(names.insert(hook.name.clone()), format_args!("two handlers are called `{}`", hook.name));
        findings.hold(!hook.name.trim().is_empty(), "a handler has no name");
        findings.hold(
            !hook.filter.events.is_empty(),
            format_args!("the handler `{}` filters for no event type", hook.name),
        );
        for kind in &hook.filter.events {
            let asset = hook.filter.assets.first().map_or("bronze.flights", |key| key.as_str());
            let mut event = event(payload(*kind, asset), asset);
            event.tags.clone_from(&hook.filter.tags);
            for _ in 0..2 {
                let outcome = guard(name, "handling an event", || (hook.handler)(&event));
                let quiet = outcome.as_ref().err().is_none_or(|err| err.code() != Code::PluginPanicked);
                findings.hold(quiet, format_args!("the handler `{}` at {kind}: {outcome:?}", hook.name));
            }
        }
    }
}

/// What decides when handlers run and what their failure does.
fn told(hooks: &[HookRegistration]) -> Vec<String> {
    let one = |hook: &HookRegistration| {
        let HookRegistration { name, priority, filter, policy, handler: _ } = hook;
        format!("{name}: {priority}, {policy:?}, {filter:?}")
    };
    hooks.iter().map(one).collect()
}
