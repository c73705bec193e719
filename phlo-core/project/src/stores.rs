//! `${secret:NAME}` and `${secret:STORE/NAME}`: what a secret store holds, asked for while the files are read.
//!
//! A store is a plugin, and plugins are chosen and set up by `phlo.yaml`. So what makes a store (which plugins may be used, the
//! choice of a store, its own settings) is read first, from the environment alone, and cannot hold secrets itself.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use phlo_plugin::{Error, Policy};
use phlo_spec::{CapabilityType, Code, Diagnostic, Node, PluginKind, Redactor, Secret, Span};

use crate::environment::Environment;
use crate::interpolate;
use crate::secrets::Keeper;

/// How a reference begins, behind `${`.
pub(crate) const PREFIX: &str = "secret:";

/// Whoever makes the secret stores and asks them.
pub trait SecretSource {
    /// Whether this plugin provides a secret store.
    fn is_store(&self, kind: PluginKind, name: &str) -> bool;

    /// A secret by its name, from the store that is named, or the one that the project's choice means.
    ///
    /// # Errors
    /// There is no such store, nothing decides between several, it cannot be asked, or it has no such secret.
    fn secret(&self, opening: &Opening, store: Option<&str>, name: &str) -> Result<Secret, Error>;
}

/// What is known of a project before any secret is: enough to make its secret stores.
#[derive(Clone)]
pub struct Opening {
    /// Its folder, absolute.
    pub root: PathBuf,
    /// Its name.
    pub name: String,
    /// Its plugins; of the settings, those of secret stores alone.
    pub policy: Policy,
    /// `capabilities.defaults`.
    pub defaults: BTreeMap<CapabilityType, String>,
    /// Providers chosen by the environment.
    pub environment_choices: BTreeMap<CapabilityType, String>,
    /// What variables are filled in from.
    pub environment: Environment,
    /// Knows the project's secrets.
    pub redactor: Redactor,
}

impl Opening {
    fn read(&mut self, node: &Node, stores: &dyn SecretSource) {
        let plugins = node.get("plugins");
        let texts = |list: &str| -> Vec<String> {
            let Some(list) = plugins.and_then(|plugins| plugins.get(list)) else { return Vec::new() };
            // One that stands where a list is wanted is a list of one.
            let items = list.items().unwrap_or(std::slice::from_ref(list));
            items.iter().filter_map(Node::as_str).map(str::to_owned).collect()
        };
        let settings = store_settings(node, stores).map(|(of, settings)| (of, settings.clone())).collect();
        self.policy = Policy { allow: texts("allow"), deny: texts("deny"), settings };
        node.get("name").and_then(Node::as_str).unwrap_or_default().clone_into(&mut self.name);
        let defaults = node.get("capabilities").and_then(|it| it.get("defaults")).and_then(Node::entries);
        self.defaults = defaults
            .unwrap_or_default()
            .iter()
            .filter_map(|(key, value)| Some((key.as_str()?.parse().ok()?, value.as_str()?.to_owned())))
            .collect();
    }
}

/// The settings of plugins that provide a secret store.
fn store_settings<'a>(
    node: &'a Node,
    stores: &dyn SecretSource,
) -> impl Iterator<Item = ((PluginKind, String), &'a Node)> {
    let kinds = node.get("plugins").and_then(|it| it.get("settings")).and_then(Node::entries).unwrap_or_default();
    let named =
        kinds.iter().filter_map(|(kind, map)| Some((kind.as_str()?.parse::<PluginKind>().ok()?, map.entries()?)));
    named
        .flat_map(|(kind, map)| map.iter().map(move |(name, settings)| (kind, name, settings)))
        .filter_map(|(kind, name, settings)| Some(((kind, name.as_str()?.to_owned()), settings)))
        .filter(|((kind, name), settings)| stores.is_store(*kind, name) && settings.entries().is_some())
}

/// The secrets of one project, each asked for once.
pub(crate) struct Secrets<'a> {
    source: &'a dyn SecretSource,
    opening: Opening,
    // Texts that are read before there is a store.
    early: HashSet<Span>,
    // A store that would be made of what could not be read is not asked.
    spoilt: bool,
    known: HashMap<String, Result<String, Diagnostic>>,
}

impl<'a> Secrets<'a> {
    pub(crate) fn of(source: &'a dyn SecretSource, opening: Opening) -> Self {
        Self { source, opening, early: HashSet::new(), spoilt: false, known: HashMap::new() }
    }

    /// Reads how `phlo.yaml` would have its stores made. What is wrong with it is told when all of it is read.
    pub(crate) fn open(&mut self, node: &Node) {
        let mut node = node.clone();
        let mut none = Secrets::of(&NoStores, self.opening.clone());
        let filled = interpolate::fill(&mut node, &self.opening.environment, &mut Keeper::default(), &mut none);
        let early = [&["name"][..], &["capabilities"], &["plugins", "allow"], &["plugins", "deny"]];
        let early = early.iter().filter_map(|path| path.iter().try_fold(&node, |node, key| node.get(key)));
        for part in early.chain(store_settings(&node, self.source).map(|(_, settings)| settings)) {
            part.clone().map_strings(&mut |text, node| {
                if node.place().is_some_and(|place| filled.unfilled.contains(&place)) {
                    self.spoilt = true;
                    if text.contains("${secret:") {
                        self.early.insert(node.span);
                    }
                }
                Ok(None)
            });
        }
        self.opening.read(&node, self.source);
    }

    /// The value of a reference, without `secret:`, in a text that stands there.
    pub(crate) fn value(&mut self, reference: &str, text: &Node) -> Result<String, Diagnostic> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
        let (store, name) = match reference.split_once('/') {
            Some((store, name)) => (Some(store), name),
            None => (None, reference),
        };
        if name.is_empty() || store == Some("") || !reference.chars().all(allowed) {
            let message = format!("`{reference}` is no name of a secret");
            return Err(Diagnostic::error(Code::InvalidValue, message)
                .hint("write `${secret:NAME}` or `${secret:STORE/NAME}`: letters, digits, `_`, `-` and `.`"));
        }
        if self.early.contains(&text.span) {
            let message = format!("the secret `{name}` is asked for before there is a secret store");
            return Err(Diagnostic::error(Code::InvalidValue, message).hint(
                "the name, `capabilities`, `plugins.allow`, `plugins.deny` and a secret store's own settings make the store: use `${NAME}` there",
            ));
        }
        if self.spoilt {
            let message = format!("the secret `{name}` is not asked for: what makes the secret stores has a mistake");
            return Err(Diagnostic::error(Code::UnsetVariable, message).hint("correct that first"));
        }
        let (source, opening) = (self.source, &self.opening);
        let ask = || {
            let secret = source.secret(opening, store, name).map_err(Error::into_diagnostic)?;
            Ok(secret.expose().to_owned())
        };
        self.known.entry(reference.to_owned()).or_insert_with(ask).clone()
    }
}

/// No secret store at all, for tools that read a project without plugins.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoStores;

impl SecretSource for NoStores {
    fn is_store(&self, _: PluginKind, _: &str) -> bool {
        false
    }
    fn secret(&self, _: &Opening, _: Option<&str>, _: &str) -> Result<Secret, Error> {
        Err(Error::new(Code::MissingCapability, "there is no secret store here"))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A store that knows `db` and says who asked.
    pub(crate) struct Vault;

    impl SecretSource for Vault {
        fn is_store(&self, kind: PluginKind, name: &str) -> bool {
            kind == PluginKind::Resource && name == "vault"
        }
        fn secret(&self, _: &Opening, store: Option<&str>, name: &str) -> Result<Secret, Error> {
            match (store, name) {
                (None, "db") => Ok(Secret::new("in $A}Y")),
                (Some(store), "db") => Ok(Secret::new(format!("in {store}: $A}}Y"))),
                _ => Err(Error::new(Code::UnsetVariable, format!("the vault has no `{name}`")).hint("add it")),
            }
        }
    }

    pub(crate) fn opening() -> Opening {
        Opening {
            root: PathBuf::new(),
            name: String::new(),
            policy: Policy::default(),
            defaults: BTreeMap::new(),
            environment_choices: BTreeMap::new(),
            environment: Environment::from_pairs([("DIR", "/in"), ("STORE", "vault")]),
            redactor: Redactor::default(),
        }
    }

    #[test]
    fn what_makes_a_store_is_read_from_the_environment_alone() {
        let node = Node::parse(
            "name: n\nplugins:\n  allow: [vault, a]\n  settings: {resource: {vault: {folder: '${DIR}'}, other: {x: '${NO}'}}}\n\
             capabilities: {defaults: {secret_store: '${STORE}'}}\nconnections: {a: {x: '${secret:db}'}}\n",
            "f.yaml",
            1,
        )
        .unwrap();
        let mut secrets = Secrets::of(&Vault, opening());
        secrets.open(&node);
        let opening = &secrets.opening;
        assert_eq!((opening.name.as_str(), &*opening.policy.allow), ("n", &["vault".to_owned(), "a".to_owned()][..]));
        assert_eq!(opening.defaults[&CapabilityType::SecretStore], "vault");
        let settings: Vec<_> =
            opening.policy.settings.iter().map(|((_, n), s)| format!("{n} {}", s.to_json())).collect();
        assert_eq!(settings, ["vault {\"folder\":\"/in\"}"]);
        assert!(!secrets.spoilt && secrets.early.is_empty());
    }
}
