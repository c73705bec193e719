//! What becomes of plugins: order, duplicates, allow and deny, capabilities, failures that stay a plugin's own.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use phlo_plugin::prelude::*;
use phlo_plugin::registration::Instance;
use phlo_plugin::resource::AlertSink;
use phlo_plugin::source::{AnySource, SourceContext};
use phlo_plugin::{KnownPlugin, PackageFacts, PluginState, Policy, Registration, Registry};
use phlo_spec::{CapabilityType, CheckOutcome, CheckResult, CheckSeverity, Payload, PluginKind};
use phlo_testkit::Recorder;
use phlo_testkit::doubles::{self, leak};
use phlo_testkit::fixture::{event, payload};

type Known = &'static [KnownPlugin];

fn try_activate(registrations: Vec<Registration>, known: Known, policy: Policy) -> Result<Registry> {
    let registrations = registrations.into_iter().map(leak).collect();
    Registry::from_registrations(registrations, &[], known)?.activate(policy, InitContext::at("/nowhere"))
}

fn activate(registrations: Vec<Registration>) -> Registry {
    try_activate(registrations, &[], Policy::default()).unwrap()
}

fn source(name: &'static str) -> Registration {
    Registration { name, ..doubles::SOURCE }
}

fn resource(name: &'static str, requires: &'static [&'static str], provides: &'static [&'static str]) -> Registration {
    Registration { name, requires, provides, ..doubles::RESOURCE }
}

/// The code, the message and the hints.
fn told(err: &Error) -> String {
    let hints = err.hints().iter().map(|hint| format!(" [{hint}]")).collect::<String>();
    format!("{}: {}{hints}", err.code(), err.chain().join(": "))
}

/// Each plugin with what became of it.
fn states(registry: &Registry) -> Vec<String> {
    let state = |state: PluginState| match state {
        PluginState::Ready => "ready".to_owned(),
        PluginState::Active => "active".to_owned(),
        PluginState::Denied => "denied".to_owned(),
        PluginState::Refused(why) => told(&why),
    };
    registry
        .entries()
        .map(|entry| format!("{} {}: {}", entry.registration.kind, entry.registration.name, state(entry.state)))
        .collect()
}

#[track_caller]
fn refused<T>(outcome: Result<T>) -> String {
    told(&outcome.err().expect("this is refused"))
}

#[test]
fn plugins_are_sorted_by_kind_and_name_however_they_were_linked() {
    let names = |registrations: Vec<Registration>| {
        let registry = activate(registrations);
        registry
            .entries()
            .map(|entry| format!("{}:{}", entry.registration.kind, entry.registration.name))
            .collect::<Vec<_>>()
    };
    let sorted = ["source:a", "source:b", "quality:double", "hook:a"];
    let hook = || Registration { name: "a", ..doubles::HOOK };
    assert_eq!(names(vec![hook(), source("b"), doubles::QUALITY, source("a")]), sorted);
    assert_eq!(names(vec![source("a"), doubles::QUALITY, source("b"), hook()]), sorted);
}

#[test]
fn two_plugins_of_one_kind_and_name_are_refused_with_both_crates() {
    let twice = |second: Registration| try_activate(vec![source("rest"), second], &[], Policy::default());
    assert_eq!(
        refused(twice(Registration { package: "acme-rest", ..source("rest") })),
        "P2002: the source `rest` is registered by both acme-rest and phlo-testkit [build without one of the two]"
    );
    assert!(twice(Registration { name: "rest", ..doubles::QUALITY }).is_ok(), "a name is unique within its kind only");
}

#[test]
fn two_providers_of_one_capability_and_name_are_refused_unless_one_is_denied() {
    let both = |policy| {
        let second = Registration { package: "acme", ..resource("b", &[], &["table_store:delta"]) };
        try_activate(vec![resource("a", &[], &["table_store:delta"]), second], &[], policy)
    };
    assert_eq!(
        refused(both(Policy::default())),
        "P2002: table_store:delta is provided by both `a` of phlo-testkit and `b` of acme \
         [build without one of the two, or deny one in phlo.yaml]"
    );
    assert!(both(Policy { deny: vec!["b".to_owned()], ..Policy::default() }).is_ok());
}

#[test]
fn allow_and_deny_choose_and_deny_wins() {
    let state = |allow: &[&str], deny: &[&str]| {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let policy = Policy { allow: list(allow), deny: list(deny), ..Policy::default() };
        let all = vec![source("a"), source("b"), Registration { name: "a", ..doubles::HOOK }];
        let registry = try_activate(all, &[], policy).unwrap();
        let denied = registry.entries().filter(|entry| matches!(entry.state, PluginState::Denied));
        denied.map(|entry| format!("{}:{}", entry.registration.kind, entry.registration.name)).collect::<Vec<_>>()
    };
    for (allow, deny, denied) in [
        (&[][..], &[][..], &[][..]),
        (&["a"], &[], &["source:b"]),
        (&["source:a"], &[], &["source:b", "hook:a"]),
        (&[], &["a"], &["source:a", "hook:a"]),
        (&[], &["hook:a"], &["hook:a"]),
        (&["a"], &["hook:a"], &["source:b", "hook:a"]),
    ] {
        assert_eq!(state(allow, deny), denied, "allow {allow:?}, deny {deny:?}");
    }
}

#[test]
fn a_denied_plugin_is_not_used_and_its_settings_are_inert() {
    let deny = Policy { deny: vec!["a".to_owned()], ..Policy::default() };
    let registry = try_activate(vec![source("a")], &[], deny.clone()).unwrap();
    assert_eq!(
        refused(registry.source("a").map(drop)),
        "P2003: the source `a` is not allowed in this project [see `plugins.allow` and `plugins.deny` in phlo.yaml]"
    );
    let settings = Node::parse("x: 1", "phlo.yaml", 3).unwrap();
    let policy = Policy { settings: BTreeMap::from([((PluginKind::Source, "a".to_owned()), settings)]), ..deny };
    let err = try_activate(vec![source("a")], &[], policy).err().unwrap();
    assert_eq!((err.code(), err.place().unwrap().span.line), (Code::InertConfig, 3));
}

#[test]
fn what_is_not_there_is_told_with_the_nearest_name_or_the_feature_that_would_link_it() {
    const KNOWN: Known = &[
        KnownPlugin {
            kind: "source",
            name: "rest_api",
            package: "phlo-source-rest",
            feature: "source-rest",
            summary: "",
            linked: false,
        },
        KnownPlugin {
            kind: "source",
            name: "files",
            package: "phlo-source-files",
            feature: "source-files",
            summary: "",
            linked: true,
        },
    ];
    let registry = try_activate(vec![source("files"), doubles::QUALITY], KNOWN, Policy::default()).unwrap();
    for (name, want) in [
        (
            "rest_api",
            "P2001: the source `rest_api` is not linked into this binary [build with `--features phlo-bundle/source-rest`] \
             [or `phlo build --from phlo.yaml`, which links what the project uses, or `phlo build --features source-rest`]",
        ),
        (
            "rest_apo",
            "P2001: unknown source `rest_apo` [did you mean `rest_api`?] \
             [`rest_api` is not linked: build with `--features phlo-bundle/source-rest`] \
             [or `phlo build --from phlo.yaml`, which links what the project uses, or `phlo build --features source-rest`]",
        ),
        ("fils", "P2001: unknown source `fils` [did you mean `files`?]"),
        ("kafka", "P2001: unknown source `kafka` [available: files, rest_api]"),
        ("double", "P2001: unknown source `double` [available: files, rest_api]"),
    ] {
        assert_eq!(refused(registry.source(name).map(drop)), want);
    }
    let named = |allow: &str, deny: &str| {
        let list = |name: &str| if name.is_empty() { vec![] } else { vec![name.to_owned()] };
        refused(try_activate(
            vec![source("files")],
            KNOWN,
            Policy { allow: list(allow), deny: list(deny), ..Policy::default() },
        ))
    };
    for (allow, deny, what) in [("fils", "", "plugin"), ("", "fils", "plugin"), ("source:fils", "", "source")] {
        assert_eq!(
            named(allow, deny),
            format!(
                "P2001: unknown {what} `fils` [did you mean `files`?] [named in `plugins.allow` or `plugins.deny`]"
            )
        );
    }
    let settings = Node::parse("x: 1", "phlo.yaml", 3).unwrap();
    let policy =
        Policy { settings: BTreeMap::from([((PluginKind::Source, "fils".to_owned()), settings)]), ..Policy::default() };
    let err = try_activate(vec![source("files")], KNOWN, policy).err().unwrap();
    assert_eq!(
        (told(&err).as_str(), err.place().unwrap().span.line),
        ("P2001: unknown source `fils` [did you mean `files`?]", 3)
    );
}

#[test]
fn a_plugin_whose_feature_is_on_and_whose_crate_nobody_names_is_told_with_the_crate() {
    const KNOWN: Known = &[KnownPlugin {
        kind: "source",
        name: "rest_api",
        package: "phlo-source-rest",
        feature: "source-rest",
        summary: "",
        linked: true,
    }];
    let registry = try_activate(vec![source("files")], KNOWN, Policy::default()).unwrap();
    assert_eq!(registry.forgotten().collect::<Vec<_>>(), [&KNOWN[0]]);
    assert_eq!(
        refused(registry.source("rest_api").map(drop)),
        "P2009: the feature `source-rest` is on, and its crate `phlo-source-rest` registers no source `rest_api` \
         [rustc links no crate that nothing names: `use phlo_source_rest as _;` belongs beside the feature]"
    );
    let registry = try_activate(vec![source("rest_api")], KNOWN, Policy::default()).unwrap();
    assert_eq!(registry.forgotten().count(), 0);
}

#[test]
fn the_fingerprint_changes_with_what_a_plugin_is_and_not_with_the_order_of_linking() {
    const FACTS: PackageFacts = PackageFacts {
        name: "phlo-testkit",
        version: "1.0.0",
        description: "",
        authors: "",
        license: "",
        homepage: "",
        repository: "",
        manifest: "",
        readme: "",
        example: "",
    };
    let of = |registrations: Vec<Registration>, version: &'static str| {
        let registrations = registrations.into_iter().map(leak).collect();
        let packages = [PackageFacts { version, ..FACTS }];
        Registry::from_registrations(registrations, &packages, &[]).unwrap().fingerprint()
    };
    let one = of(vec![source("a"), source("b"), doubles::QUALITY], "1.0.0");
    assert_eq!((one.as_str().len(), one.short().len()), (64, 12));
    assert!(one.as_str().starts_with(one.short()));
    assert_eq!(one, of(vec![doubles::QUALITY, source("b"), source("a")], "1.0.0"));
    // What it says of itself and what it requires are no part of it: they change no project.
    assert_eq!(
        one,
        of(vec![Registration { summary: "other words", ..source("a") }, source("b"), doubles::QUALITY], "1.0.0")
    );
    for other in [
        of(vec![source("a"), source("b"), doubles::QUALITY], "1.0.1"),
        of(vec![source("a"), source("c"), doubles::QUALITY], "1.0.0"),
        of(vec![source("a"), source("b")], "1.0.0"),
        of(vec![source("a"), Registration { package: "acme", ..source("b") }, doubles::QUALITY], "1.0.0"),
        of(
            vec![source("a"), Registration { config: doubles::QUALITY.config, ..source("b") }, doubles::QUALITY],
            "1.0.0",
        ),
    ] {
        assert_ne!(one, other);
    }
}

#[test]
fn a_plugin_that_does_not_keep_what_it_registered_fails_its_test() {
    let registry = activate(vec![
        Registration {
            construct: |_, _| Err(Error::new(Code::ConnectionFailed, "nobody answers")),
            ..source("absent")
        },
        source("well"),
        resource("liar", &[], &["catalog:nessie"]),
        doubles::HOOK,
    ]);
    registry.test(PluginKind::Source, "well").unwrap();
    registry.test(PluginKind::Hook, doubles::HOOK.name).unwrap();
    assert_eq!(registry.test(PluginKind::Source, "absent").unwrap_err().code(), Code::ConnectionFailed);
    assert_eq!(
        refused(registry.test(PluginKind::Resource, "liar")),
        "P2009: `liar` registered catalog:nessie and does not provide it"
    );
}

#[test]
fn a_constructor_that_fails_or_panics_disables_its_plugin_alone_and_says_why() {
    let fails = Registration {
        construct: |_, _| Err(Error::new(Code::ConnectionFailed, "nobody answers").hint("start it")),
        ..source("fails")
    };
    let panics = Registration { construct: |_, _| panic!("index out of bounds"), ..source("panics") };
    let other = Registration { construct: doubles::HOOK.construct, ..source("other") };
    let registry = activate(vec![fails, panics, other, source("works")]);
    let usable: Vec<_> =
        registry.instances(PluginKind::Source).0.iter().map(|(registration, _)| registration.name).collect();
    assert_eq!(usable, ["other", "works"]);
    let (_, problems) = registry.instances(PluginKind::Source);
    let codes: Vec<_> = problems.iter().map(Error::code).collect();
    assert_eq!(codes, [Code::ConnectionFailed, Code::PluginPanicked], "what is not there stays what it is");
    assert_eq!(
        states(&registry),
        [
            "source fails: P3001: the source `fails` did not start: nobody answers [start it]",
            "source other: active",
            "source panics: P2005: the plugin `panics` panicked in its constructor: index out of bounds \
             [this is a bug in the plugin; `phlo plugin info panics` says where to report it]",
            "source works: active",
        ]
    );
    let refusals = |name: &str| [refused(registry.source(name).map(drop)), refused(registry.source(name).map(drop))];
    for name in ["fails", "panics"] {
        let [first, second] = refusals(name);
        assert_eq!(first, second, "asked again it says the same");
    }
    assert_eq!(
        refused(registry.source("other").map(drop)),
        "P2009: `other` made a plugin of another kind than it registered"
    );
    assert!(registry.source("works").is_ok());
}

#[test]
fn settings_reach_the_constructor_and_what_is_wrong_with_them_has_its_place() {
    let settings = Node::parse("colour: red", "phlo.yaml", 9).unwrap();
    let policy =
        Policy { settings: BTreeMap::from([((PluginKind::Source, "a".to_owned()), settings)]), ..Policy::default() };
    let registry = try_activate(vec![source("a"), source("b")], &[], policy).unwrap();
    let err = registry.source("a").err().unwrap();
    assert_eq!((err.code(), err.chain()), (Code::UnknownKey, vec!["unknown key `colour`".to_owned()]));
    assert_eq!(err.place().unwrap().to_string(), "phlo.yaml:9:1");
    assert!(registry.source("b").is_ok());
}

#[test]
fn an_unmet_requirement_refuses_its_plugin_and_those_that_count_on_it() {
    let registry = activate(vec![
        resource("catalog", &["table_store"], &["catalog:rest"]),
        resource("mirror", &["catalog:rest"], &["publish_target:mirror"]),
        resource("named", &["secret_store:vault"], &[]),
        resource("secrets", &[], &["secret_store:env"]),
        resource("wants_any", &["secret_store"], &[]),
        Registration { optional: &["alert_sink"], ..source("optional") },
    ]);
    let hint = "[link a plugin that provides it, and see `phlo plugin check`]";
    assert_eq!(
        states(&registry),
        [
            "source optional: ready".to_owned(),
            format!(
                "resource catalog: P2006: the resource `catalog` requires table_store, which nobody provides {hint}"
            ),
            format!(
                "resource mirror: P2006: the resource `mirror` requires catalog:rest, which nobody provides {hint}"
            ),
            format!(
                "resource named: P2006: the resource `named` requires secret_store:vault, which nobody provides {hint}"
            ),
            "resource secrets: ready".to_owned(),
            "resource wants_any: ready".to_owned(),
        ]
    );
    assert!(
        refused(registry.instance(PluginKind::Resource, "mirror").map(drop))
            .starts_with("P2006: the resource `mirror` requires")
    );
    assert_eq!(registry.providers_of(CapabilityType::Catalog), Vec::<String>::new());
    assert_eq!(registry.providers_of(CapabilityType::SecretStore), ["env"]);
}

#[test]
fn a_denied_provider_is_no_provider() {
    let deny = Policy { deny: vec!["secrets".to_owned()], ..Policy::default() };
    let all = vec![
        resource("secrets", &[], &["secret_store:env"]),
        Registration { requires: &["secret_store"], ..source("a") },
    ];
    let registry = try_activate(all, &[], deny).unwrap();
    assert!(states(&registry)[0].starts_with("source a: P2006: the source `a` requires secret_store"));
}

#[test]
fn a_registration_that_cannot_be_is_refused_for_its_plugin_alone() {
    let registry = activate(vec![
        resource("required", &["tabel_store"], &[]),
        resource("provided", &[], &["tabel_store:delta"]),
        Registration { optional: &["nonsense:x"], ..resource("wished", &[], &[]) },
        resource("nameless", &[], &["table_store"]),
        resource("fine", &[], &["table_store:fine"]),
        source("Upper"),
        source("works"),
    ]);
    let known = "alert_sink, catalog, lineage_sink, metadata_catalog, orchestrator, publish_target, query_engine, run_history, \
                 secret_store, table_store";
    assert_eq!(
        states(&registry),
        [
            "source Upper: P2009: the source `Upper` has a name that is not lower-case letters, digits and `_`".to_owned(),
            "source works: ready".to_owned(),
            "resource fine: ready".to_owned(),
            "resource nameless: P2009: the resource `nameless` provides `table_store` without a name; write `table_store:NAME`".to_owned(),
            "resource provided: P2008: the resource `provided` names `tabel_store:delta`: unknown capability type `tabel_store`; \
             did you mean `table_store`?"
                .to_owned(),
            "resource required: P2008: the resource `required` names `tabel_store`: unknown capability type `tabel_store`; \
             did you mean `table_store`?"
                .to_owned(),
            format!("resource wished: P2008: the resource `wished` names `nonsense:x`: unknown capability type `nonsense`; known: {known}"),
        ]
    );
    assert_eq!(registry.providers_of(CapabilityType::TableStore), ["fine"]);
}

#[test]
fn a_provider_is_what_was_registered() {
    let registry = activate(vec![doubles::RESOURCE, resource("liar", &[], &["alert_sink:liar"])]);
    assert!(registry.provider(CapabilityType::SecretStore, "double").is_ok());
    for (capability, name, want) in [
        (CapabilityType::AlertSink, "liar", "P2009: `liar` registered alert_sink:liar and does not provide it"),
        (CapabilityType::TableStore, "delta", "P2006: no linked plugin provides table_store:delta"),
    ] {
        assert_eq!(refused(registry.provider(capability, name).map(drop)), want);
    }
}

/// A hook plugin whose handlers are a function.
struct Handlers(fn() -> Result<Vec<HookRegistration>>);

impl Plugin for Handlers {
    type Settings = NoSettings;
    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Ok(Self(|| Ok(Vec::new())))
    }
}

impl Hook for Handlers {
    fn hooks(&self) -> Result<Vec<HookRegistration>> {
        (self.0)()
    }
}

fn handler(name: &str, priority: i32) -> HookRegistration {
    HookRegistration::new(name, HookFilter::all(), |_| Ok(())).priority(priority)
}

macro_rules! handlers {
    ($plugin:literal, $make:expr) => {
        Registration { name: $plugin, construct: |_, _| Ok(Instance::Hook(Arc::new(Handlers($make)))), ..doubles::HOOK }
    };
}

#[test]
fn hooks_run_by_priority_then_plugin_then_name() {
    let registry = activate(vec![
        handlers!("b", || Ok(vec![handler("z", 5), handler("a", 5), handler("first", -1)])),
        handlers!("a", || Ok(vec![handler("late", 200), handler("m", 5)])),
    ]);
    let (hooks, problems) = registry.hooks();
    assert!(problems.is_empty());
    let order: Vec<_> = hooks.iter().map(|(plugin, hook)| format!("{plugin}.{}", hook.name)).collect();
    assert_eq!(order, ["b.first", "a.m", "b.a", "b.z", "a.late"]);
}

/// Fails at each alert, so that who hands it over shows.
#[derive(Debug)]
struct Siren;

impl Plugin for Siren {
    type Settings = NoSettings;
    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Ok(Self)
    }
}

impl Resource for Siren {
    fn providers(&self) -> Result<Vec<Provider>> {
        Ok(vec![Provider::new::<dyn AlertSink>(CapabilityType::AlertSink, "siren", Arc::new(Self))])
    }
}

impl AlertSink for Siren {
    fn alert(&self, asset: &AssetKey, check: &CheckResult) -> Result<()> {
        Err(Error::new(Code::HookFailed, format!("{asset}: {}", check.name)))
    }
}

#[test]
fn an_alert_sink_is_told_of_each_check_that_failed_warned_or_could_not_run_and_of_no_other() {
    let siren = resource("siren", &[], &["alert_sink:siren"]);
    let siren = Registration { construct: |_, _| Ok(Instance::Resource(Arc::new(Siren))), ..siren };
    let registry = activate(vec![siren]);
    let (hooks, problems) = registry.hooks();
    assert!(problems.is_empty());
    let [(plugin, hook)] = &hooks[..] else { panic!("{hooks:?}") };
    assert_eq!(plugin, "siren");
    for (outcome, severity, told) in [
        (CheckOutcome::Passed, CheckSeverity::Error, false),
        (CheckOutcome::Failed, CheckSeverity::Error, true),
        (CheckOutcome::Failed, CheckSeverity::Warn, true),
        (CheckOutcome::Errored, CheckSeverity::Error, true),
    ] {
        let mut event = event(payload(EventKind::QualityResult, "bronze.flights"), "bronze.flights");
        let Payload::QualityResult(check) = &mut event.payload else { panic!("another event") };
        (check.outcome, check.severity) = (outcome, severity);
        assert!(hook.filter.matches(&event));
        assert_eq!((hook.handler)(&event).is_err(), told, "{outcome:?} {severity:?}");
    }
}

#[test]
fn a_hook_plugin_that_is_wrong_is_left_out_and_told() {
    let registry = activate(vec![
        handlers!("empty", || Ok(vec![HookRegistration::new("none", HookFilter::default(), |_| Ok(()))])),
        handlers!("fails", || Err(Error::new(Code::ConnectionFailed, "nobody answers"))),
        handlers!("panics", || panic!("boom")),
        Registration { requires: &["alert_sink"], ..handlers!("unmet", || Ok(vec![handler("h", 0)])) },
        Registration { name: "works", ..doubles::HOOK },
    ]);
    let (hooks, problems) = registry.hooks();
    assert_eq!(hooks.iter().map(|(plugin, _)| plugin.as_str()).collect::<Vec<_>>(), ["works"]);
    let told: Vec<_> = problems.iter().map(|err| format!("{}: {}", err.code(), err.message())).collect();
    assert_eq!(
        told,
        [
            "P2009: the hook `none` of `empty` filters for no event type at all",
            "P3001: nobody answers",
            "P2005: the plugin `panics` panicked in registering its hooks: boom",
            "P2006: the hook `unmet` requires alert_sink, which nobody provides",
        ]
    );
}

#[test]
fn filters_match_on_type_asset_and_tags_together() {
    let one = event(payload(EventKind::QualityResult, "bronze.flights"), "bronze.flights");
    let tagged = Event { tags: BTreeMap::from([("env".to_owned(), "prod".to_owned())]), ..one.clone() };
    let of_run = event(payload(EventKind::RunEnd, "bronze.flights"), "bronze.flights");
    let results = || HookFilter::events([EventKind::QualityResult]);
    let assets = |name: &str| vec![AssetKey::new(name).unwrap()];
    let tags = |value: &str| BTreeMap::from([("env".to_owned(), value.to_owned())]);
    let recorder = Recorder::default();
    for (filter, event, seen) in [
        (HookFilter::all(), &one, true),
        (HookFilter::default(), &one, false),
        (results(), &one, true),
        (results(), &of_run, false),
        (HookFilter { assets: assets("bronze.flights"), ..results() }, &one, true),
        (HookFilter { assets: assets("bronze.planes"), ..results() }, &one, false),
        (HookFilter { assets: assets("bronze.flights"), ..HookFilter::all() }, &of_run, false),
        (HookFilter { tags: tags("prod"), ..results() }, &tagged, true),
        (HookFilter { tags: tags("dev"), ..results() }, &tagged, false),
        (HookFilter { tags: tags("prod"), ..results() }, &one, false),
    ] {
        assert_eq!(filter.matches(event), seen, "{filter:?} {event:?}");
        if seen {
            (recorder.hook("h", filter).handler)(event).unwrap();
        }
    }
    assert_eq!(recorder.kinds().len(), 4);
}

// begin: filter
/// The ends of nightly transforms of these assets, which the settings name.
fn nightly(assets: Vec<AssetKey>) -> HookFilter {
    HookFilter {
        assets,
        tags: BTreeMap::from([("nightly".to_owned(), String::new())]),
        ..HookFilter::events([EventKind::TransformEnd])
    }
}
// end

#[test]
fn a_filter_of_a_type_an_asset_and_a_tag_lets_through_what_has_all_three() {
    let filter = nightly(vec![AssetKey::new("gold.revenue").unwrap()]);
    let tagged = |kind, asset: &str| {
        let tags = BTreeMap::from([("nightly".to_owned(), String::new())]);
        Event { tags, ..event(payload(kind, asset), asset) }
    };
    let all = tagged(EventKind::TransformEnd, "gold.revenue");
    assert!(filter.matches(&all));
    for other in [
        tagged(EventKind::IngestionEnd, "gold.revenue"),
        tagged(EventKind::TransformEnd, "gold.costs"),
        Event { tags: BTreeMap::new(), ..all.clone() },
    ] {
        assert!(!filter.matches(&other), "{other:?}");
    }
}

/// Reads everything that the double gives with this config.
async fn read(source: &dyn AnySource, config: &str) -> Result<usize> {
    let context = SourceContext::at("/nowhere");
    let config = source.parse(&Node::parse(config, "a.yaml", 1).unwrap())?;
    source.schema(&config, &context).await?;
    source.test_connection(&config, &context).await?;
    let mut reading = source.read(&config, &context, ReadRequest { batch_rows: 1, ..ReadRequest::default() }).await?;
    let mut rows = 0;
    while let Some(batch) = reading.streams[0].next().await {
        match batch {
            Ok(batch) => rows += batch.num_rows(),
            Err(err) => {
                assert!(reading.streams[0].next().await.is_none(), "a stream that panicked is over");
                return Err(err);
            }
        }
    }
    Ok(rows)
}

#[tokio::test]
async fn a_panic_anywhere_in_a_source_is_an_error_that_names_it_and_nothing_else_suffers() {
    let registry = activate(vec![source("numbers")]);
    let numbers = registry.source("numbers").unwrap();
    for (call, doing) in [
        ("parse", "reading its config"),
        ("schema", "telling its schema"),
        ("connection", "testing its connection"),
        ("read", "opening a reading"),
        ("stream", "reading"),
    ] {
        let err = read(numbers.as_ref(), &format!("{{rows: 3, panics_in: {call}}}")).await.unwrap_err();
        assert_eq!(err.code(), Code::PluginPanicked, "{call}");
        assert_eq!(err.message(), format!("the plugin `numbers` panicked in {doing}: the double was told to"));
        assert_eq!(read(numbers.as_ref(), "rows: 3").await.unwrap(), 3);
    }
    assert!(!phlo_plugin::registry::is_guarded());
}

#[test]
fn panics_in_checks_transforms_and_clean_up_stay_their_plugins() {
    struct Panics;
    impl Plugin for Panics {
        type Settings = NoSettings;
        fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
            Ok(Self)
        }
        fn self_test(&self) -> Result<()> {
            panic!("self-test")
        }
        fn cleanup(&self) -> Result<()> {
            panic!("clean-up")
        }
    }
    impl Quality for Panics {
        type Params = NoSettings;
        fn check(&self, _: NoSettings, _: &CheckTarget) -> Result<CheckPlan> {
            panic!("check")
        }
    }
    impl Transform for Panics {
        type Params = NoSettings;
        fn plan(&self, _: NoSettings, _: &SchemaRef) -> Result<TransformPlan> {
            panic!("plan")
        }
    }
    let registry = activate(vec![
        Registration { construct: |_, _| Ok(Instance::Quality(Arc::new(Panics))), ..doubles::QUALITY },
        Registration { construct: |_, _| Ok(Instance::Transform(Arc::new(Panics))), ..doubles::TRANSFORM },
    ]);
    let nothing = Node::parse("{}", "a.yaml", 1).unwrap();
    let target = CheckTarget { asset: AssetKey::new("a.b").unwrap(), schema: None };
    let (quality, transform) = (registry.quality("double").unwrap(), registry.transform("double").unwrap());
    for (outcome, text) in [
        (quality.check(&nothing, &target).map(drop), "making a check: check"),
        (transform.plan(&nothing, &Arc::new(Schema::empty())).map(drop), "making a transform: plan"),
        (quality.test_itself(), "its self-test: self-test"),
        (transform.clean_up(), "its clean-up: clean-up"),
    ] {
        assert_eq!(outcome.unwrap_err().message(), format!("the plugin `double` panicked in {text}"));
    }
    assert_eq!(registry.clean_up().len(), 2);
}
