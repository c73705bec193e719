//! What every plugin promises, whatever its kind, and what each kind promises that can be tried without data.

use std::collections::BTreeSet;

use phlo_plugin::hook::AnyHook;
use phlo_plugin::registration::Instance;
use phlo_plugin::registry::guard;
use phlo_plugin::{Error, InitContext, PackageFacts, PluginState, Policy, Registration, Registry, Result};
use phlo_spec::asset::{AssetHeader, CheckHeader};
use phlo_spec::project::ProjectFile;
use phlo_spec::{CapabilityRef, CapabilityType, Code, Node, NodeKind, PluginKind};

use crate::findings::Findings;
use crate::{doubles, fixture, hook, kinds, quality, resource, schema, source};

/// Writes the test that holds a plugin crate to every promise of [`Package`], and links the crate into it:
/// `phlo_testkit::conformance!(phlo_source_files);`.
#[macro_export]
macro_rules! conformance {
    ($plugin:ident) => {
        // rustc links only crates that something names.
        use $plugin as _;

        #[test]
        fn the_package_keeps_every_promise_of_a_plugin() {
            $crate::Package::linked(env!("CARGO_PKG_NAME")).check().assert_none();
        }
    };
}

/// Where the key stands that no plugin knows.
const UNKNOWN_KEY: &str = "phlo_unknown_key: 1";
const UNKNOWN_LINE: u32 = 7;

/// A package and the plugins that it registers.
pub struct Package {
    name: String,
    facts: Option<PackageFacts>,
    registrations: Vec<&'static Registration>,
}

impl Package {
    /// A package that is linked into this test.
    ///
    /// # Panics
    /// If nothing of it is.
    pub fn linked(name: &str) -> Self {
        let registry = Registry::linked(&[]).unwrap_or_else(|err| panic!("{err:?}"));
        let own: Vec<_> = registry.entries().filter(|entry| entry.registration.package == name).collect();
        assert!(!own.is_empty(), "no plugin of {name} is linked into this test");
        let facts = own.iter().find_map(|entry| entry.package.copied());
        Self { name: name.to_owned(), facts, registrations: own.iter().map(|entry| entry.registration).collect() }
    }

    /// A package of these parts.
    pub fn of(facts: PackageFacts, registrations: Vec<&'static Registration>) -> Self {
        Self { name: facts.name.to_owned(), facts: Some(facts), registrations }
    }

    /// Tries everything; tells what is broken.
    pub fn check(&self) -> Findings {
        let mut findings = Findings::new(format!("the package {}", self.name));
        let example = self.facts(&mut findings);
        self.registry(&mut findings);
        for registration in &self.registrations {
            let about = format!("{} {}", registration.kind, registration.name);
            findings.within(about, |findings| self.plugin(registration, &example, findings));
        }
        findings
    }

    /// What the package says of itself. Answers its example.
    fn facts(&self, findings: &mut Findings) -> Node {
        let nothing = Node::synthetic(NodeKind::Map(Vec::new()));
        let Some(facts) = &self.facts else {
            findings.add("it states no facts of itself: call `phlo_plugin::package!()`");
            return nothing;
        };
        for (what, text) in [
            ("description", facts.description),
            ("version", facts.version),
            ("authors", facts.authors),
            ("license", facts.license),
            ("repository", facts.repository),
        ] {
            findings.hold(!text.trim().is_empty(), format_args!("Cargo.toml gives no {what}"));
        }
        self.manifest(facts, findings);
        findings.hold(!facts.readme.trim().is_empty(), "README.md is empty");
        findings.hold(!facts.example.trim().is_empty(), "examples/minimal.yaml is empty");
        for registration in &self.registrations {
            let name = registration.name;
            findings
                .hold(facts.readme.contains(&format!("`{name}`")), format_args!("README.md does not name `{name}`"));
        }
        let example = Node::parse(facts.example, "examples/minimal.yaml", 1);
        let Some(mut example) = findings.expect(example.map_err(Error::from), "the example") else { return nothing };
        // What an environment would fill in, the example's own defaults do.
        example.map_strings(&mut |text, _| Ok(text.contains("${").then(|| filled(text))));
        if let Err(err) = sections(example.clone()) {
            findings.add(format_args!("the example is refused: {err:?}{}", shown_place(&err)));
        }
        example
    }

    /// `[package.metadata.phlo]` lists exactly the plugins that are registered.
    fn manifest(&self, facts: &PackageFacts, findings: &mut Findings) {
        let manifest: toml::Table = match facts.manifest.parse() {
            Ok(manifest) => manifest,
            Err(err) => return findings.add(format_args!("Cargo.toml: {err}")),
        };
        let metadata = manifest.get("package").and_then(|it| it.get("metadata")).and_then(|it| it.get("phlo"));
        let Some(metadata) = metadata else {
            return findings.add("Cargo.toml has no [package.metadata.phlo], so that the bundle does not know it");
        };
        let listed: BTreeSet<(String, String)> = metadata
            .get("plugins")
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|it| Some((it.get("kind")?.as_str()?.to_owned(), it.get("name")?.as_str()?.to_owned())))
            .collect();
        let registered = self.registrations.iter().map(|it| (it.kind.to_string(), it.name.to_owned())).collect();
        findings
            .hold(listed == registered, format_args!("Cargo.toml lists {listed:?}, and {registered:?} are registered"));
        findings.hold(matches!(facts.tier().as_str(), "core" | "extra"), "its tier is neither `core` nor `extra`");
    }

    /// The registry takes every plugin, given what they require.
    fn registry(&self, findings: &mut Findings) {
        let required = self.registrations.iter().flat_map(|it| it.requires).filter_map(|wanted| wanted.parse().ok());
        let provided: BTreeSet<String> = required
            .map(|wanted: CapabilityRef| {
                format!("{}:{}", wanted.capability, wanted.provider.as_deref().unwrap_or(doubles::NAME))
            })
            .filter(|wanted| !self.registrations.iter().any(|own| own.provides.contains(&wanted.as_str())))
            .collect();
        let provided: Vec<&'static str> = provided.into_iter().map(|text| &*text.leak()).collect();
        let provider = Registration { name: "conformance_provider", provides: provided.leak(), ..doubles::RESOURCE };
        let mut registrations = self.registrations.clone();
        registrations.push(doubles::leak(provider));
        let registry = Registry::from_registrations(registrations, &[], &[])
            .and_then(|registry| registry.activate(Policy::default(), InitContext::at("/nowhere")));
        let Some(registry) = findings.expect(registry, "the registry refuses it") else { return };
        for entry in registry.entries() {
            if let PluginState::Refused(why) = entry.state {
                findings.add(format_args!("the registry refuses it: {why:?}"));
            }
        }
    }

    fn plugin(&self, registration: &Registration, example: &Node, findings: &mut Findings) {
        let summary = registration.summary;
        findings.hold(!summary.trim().is_empty() && !summary.contains('\n'), "its summary is not one line");
        findings
            .hold(summary.chars().count() < 80, format_args!("its summary has {} characters", summary.chars().count()));
        findings.hold(!summary.ends_with('.'), "its summary ends with a period");
        let uses = uses(registration, example);
        let shown = !uses.is_empty() || example.find_str(registration.name).is_some();
        findings.hold(shown, "the example does not use it");
        findings.within("settings", |findings| schema::check(&(registration.settings)(), findings));
        if let Some(config) = registration.config {
            findings.within("config", |findings| schema::check(&config(), findings));
        }

        let project = fixture::Project::new();
        let context = project.context();
        let construct = |settings: &Node| {
            guard(registration.name, "its constructor", || (registration.construct)(settings, &context))
        };
        let none = Node::synthetic(NodeKind::Map(Vec::new()));
        let given = settings(registration, example);
        unknown_key(construct(&with_unknown(given.unwrap_or(&none))).map(drop), "settings", findings);
        let Some(instance) =
            findings.expect(construct(given.unwrap_or(&none)), "it does not start with the example's settings")
        else {
            return;
        };
        self::instance(registration, &instance, &uses, &context, findings);
        findings.expect(guard(registration.name, "its self-test", || instance.plugin().test_itself()), "its self-test");
        for _ in 0..2 {
            findings.expect(guard(registration.name, "its clean-up", || instance.plugin().clean_up()), "its clean-up");
        }
    }
}

/// What each kind promises.
fn instance(
    registration: &Registration,
    instance: &Instance,
    uses: &[Node],
    context: &InitContext,
    findings: &mut Findings,
) {
    let name = registration.name;
    let kind = kind_of(instance);
    findings.hold(kind == registration.kind, format_args!("it makes a plugin of kind {kind}"));
    match instance {
        Instance::Source(plugin) => {
            let parse = |config: &Node| guard(name, "reading its config", || plugin.parse(config).map(drop));
            for config in uses {
                findings.expect(parse(config), "the config of the example");
                unknown_key(parse(&with_unknown(config)), "config", findings);
            }
        }
        Instance::Quality(plugin) => {
            let target = phlo_plugin::quality::CheckTarget { asset: fixture::key("example.checked"), schema: None };
            let mut names = BTreeSet::new();
            for params in uses {
                if let Some(check) = quality::check(name, plugin.as_ref(), params, findings) {
                    findings.hold(
                        names.insert(check.clone()),
                        format_args!("two checks of the example are called `{check}`"),
                    );
                }
                unknown_key(plugin.check(&with_unknown(params), &target).map(drop), "parameters", findings);
            }
        }
        Instance::Transform(plugin) => {
            let input = fixture::schema("");
            for params in uses {
                unknown_key(plugin.plan(&with_unknown(params), &input).map(drop), "parameters", findings);
            }
        }
        Instance::Hook(plugin) => hook::check(name, plugin.as_ref() as &dyn AnyHook, findings),
        Instance::Resource(plugin) => resource::check(registration, plugin.as_ref(), uses, context, findings),
        Instance::Orchestrator(plugin) => {
            let stated = format!("orchestrator:{name}");
            findings
                .hold(registration.provides.contains(&stated.as_str()), format_args!("it does not provide `{stated}`"));
            kinds::orchestrator(plugin.as_ref(), findings);
        }
        Instance::Service(plugin) => kinds::service(name, plugin.as_ref(), findings),
        Instance::Asset(plugin) => kinds::asset_provider(plugin.as_ref(), findings),
        Instance::Catalog(plugin) => kinds::catalog(plugin.as_ref(), context, findings),
        Instance::Dagster(plugin) => kinds::dagster(plugin.as_ref(), findings),
        Instance::Semantic(plugin) => kinds::semantic(plugin.as_ref(), findings),
        Instance::Cli(plugin) => kinds::cli(plugin.as_ref(), findings),
    }
}

fn kind_of(instance: &Instance) -> PluginKind {
    match instance {
        Instance::Source(_) => PluginKind::Source,
        Instance::Quality(_) => PluginKind::Quality,
        Instance::Transform(_) => PluginKind::Transform,
        Instance::Service(_) => PluginKind::Service,
        Instance::Hook(_) => PluginKind::Hook,
        Instance::Cli(_) => PluginKind::Cli,
        Instance::Asset(_) => PluginKind::Asset,
        Instance::Resource(_) => PluginKind::Resource,
        Instance::Catalog(_) => PluginKind::Catalog,
        Instance::Orchestrator(_) => PluginKind::Orchestrator,
        Instance::Dagster(_) => PluginKind::Dagster,
        Instance::Semantic(_) => PluginKind::Semantic,
    }
}

/// What the example gives a plugin: a source's or publish target's config, or the parameters of each check or transform.
fn uses(registration: &Registration, example: &Node) -> Vec<Node> {
    let listed = |section: &str| -> Vec<Node> {
        let items = example.get(section).and_then(Node::items).unwrap_or_default();
        items.iter().filter_map(|item| item.get(registration.name).cloned()).collect()
    };
    let section = |section: &str, is_own: &dyn Fn(&str) -> bool| -> Vec<Node> {
        let mut config = example.get(section).cloned();
        let plugin = config.as_mut().and_then(|config| config.take("plugin"));
        let is_own = plugin.is_some_and(|(_, plugin)| plugin.as_str().is_some_and(is_own));
        config.filter(|_| is_own).into_iter().collect()
    };
    match registration.kind {
        PluginKind::Source => section("source", &|plugin| plugin == registration.name),
        PluginKind::Resource => section("target", &|plugin| {
            registration.provides.contains(&format!("{}:{plugin}", CapabilityType::PublishTarget).as_str())
        }),
        PluginKind::Quality => {
            let mut all = listed("checks");
            for params in &mut all {
                for key in CheckHeader::KEYS {
                    params.take(key);
                }
            }
            all
        }
        PluginKind::Transform => listed("transforms"),
        _ => Vec::new(),
    }
}

/// The settings that the example gives a plugin.
fn settings<'a>(registration: &Registration, example: &'a Node) -> Option<&'a Node> {
    example.get("plugins")?.get("settings")?.get(registration.kind.as_str())?.get(registration.name)
}

/// Reads what of the example is no plugin's: it is an asset's file or a `phlo.yaml`.
fn sections(mut example: Node) -> Result<()> {
    let asset = ["source", "target", "table", "query", "transforms", "checks"];
    if asset.iter().any(|section| example.get(section).is_some()) {
        for section in asset {
            example.take(section);
        }
        return Ok(example.read::<AssetHeader>().map(drop)?);
    }
    for section in ["connections", "services"] {
        example.take(section);
    }
    if let NodeKind::Map(entries) = &mut example.kind {
        for (_, plugins) in entries.iter_mut().filter(|(key, _)| key.as_str() == Some("plugins")) {
            plugins.take("settings");
        }
    }
    Ok(example.read::<ProjectFile>().map(drop)?)
}

/// A config with one more key, that is known to nobody. One that is written without a map becomes a map of that key alone.
pub(crate) fn with_unknown(config: &Node) -> Node {
    let unknown = Node::parse(UNKNOWN_KEY, "conformance.yaml", UNKNOWN_LINE).expect("the text is YAML");
    let mut config = config.clone();
    match (&mut config.kind, unknown.kind) {
        (NodeKind::Map(entries), NodeKind::Map(more)) => entries.extend(more),
        (kind, more) => *kind = more,
    }
    config
}

pub(crate) fn unknown_key(outcome: Result<()>, what: &str, findings: &mut Findings) {
    let Err(err) = outcome else {
        return findings.add(format_args!("an unknown key in its {what} is not refused"));
    };
    let named = err.code() == Code::UnknownKey && err.message().contains("phlo_unknown_key");
    findings.hold(named, format_args!("an unknown key in its {what} is not what is refused: {err:?}"));
    source::well_formed(&err, &mut |holds, fault| {
        findings.hold(holds, format_args!("what it says of an unknown key in its {what} {fault}: {}", err.message()));
    });
    let placed = err.place().is_some_and(|place| &*place.file == "conformance.yaml" && place.span.line == UNKNOWN_LINE);
    findings.hold(
        !named || placed,
        format_args!("an unknown key in its {what} is refused without its place{}", shown_place(&err)),
    );
}

fn shown_place(err: &Error) -> String {
    err.place().map_or_else(String::new, |place| format!(" ({place})"))
}

/// The text with each `${NAME:-default}` replaced by its default, and by `NAME` where there is none.
fn filled(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (variable, behind) = after.split_once('}').unwrap_or((after, ""));
        out.push_str(before);
        out.push_str(variable.split_once(":-").map_or(variable, |(_, default)| default));
        rest = behind;
    }
    out + rest
}
