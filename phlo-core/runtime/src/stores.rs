//! The secret stores, made while the project is read: before it there is none, and it cannot be read without.

use std::cell::OnceCell;

use phlo_plugin::{Emitter, Error, InitContext, KnownPlugin, Registry, Result, Variables, Wishes, resolve};
use phlo_project::{Environment, MIN_MEMORY_MIB, Opening, Project, SecretSource};
use phlo_spec::{CapabilityType, Code, PluginKind, Secret};

/// The variables of a project as its plugins see them.
pub(crate) fn variables(environment: &Environment) -> Variables {
    let environment = environment.clone();
    Variables::of(move |name| environment.get(name).map(Secret::new))
}

/// The secret stores of this binary, made when the first secret is asked for.
pub(crate) struct Stores {
    known: &'static [KnownPlugin],
    made: OnceCell<Result<Registry>>,
}

impl Stores {
    pub(crate) fn new(known: &'static [KnownPlugin]) -> Self {
        Self { known, made: OnceCell::new() }
    }

    fn registry(&self, opening: &Opening) -> Result<&Registry> {
        let make = || {
            let bare = Project::bare(&opening.root);
            let context = InitContext {
                project: opening.name.clone(),
                root: bare.root,
                state_dir: bare.state_dir,
                // Its options may be secrets.
                storage: bare.storage,
                memory_bytes: MIN_MEMORY_MIB << 20,
                parallelism: 1,
                emitter: Emitter::silent(),
                redactor: opening.redactor.clone(),
                variables: variables(&opening.environment),
            };
            Registry::linked(self.known)?.activate(opening.policy.clone(), context)
        };
        self.made.get_or_init(make).as_ref().map_err(Error::clone)
    }

    /// The project is read: no secret is asked for any more. Answers whose clean-up failed.
    pub(crate) fn clean_up(&self) -> Vec<Error> {
        self.made.get().and_then(|made| made.as_ref().ok()).map(Registry::clean_up).unwrap_or_default()
    }
}

impl SecretSource for Stores {
    fn is_store(&self, kind: PluginKind, name: &str) -> bool {
        let prefix = format!("{}:", CapabilityType::SecretStore);
        Registry::linked(self.known).is_ok_and(|linked| {
            linked.entries().any(|entry| {
                let registration = entry.registration;
                (registration.kind, registration.name) == (kind, name)
                    && registration.provides.iter().any(|provided| provided.starts_with(&prefix))
            })
        })
    }

    fn secret(&self, opening: &Opening, store: Option<&str>, name: &str) -> Result<Secret> {
        let registry = self.registry(opening)?;
        let providers = registry.providers_of(CapabilityType::SecretStore);
        let store = match store {
            Some(store) if providers.iter().any(|provider| provider == store) => store.to_owned(),
            Some(store) => {
                let otherwise = match providers.as_slice() {
                    [] => "no plugin that may be used provides a secret_store: see `phlo plugin list`".to_owned(),
                    _ => format!("available: {}", providers.join(", ")),
                };
                let message = format!("there is no secret store `{store}`");
                let candidates = providers.iter().map(String::as_str);
                return Err(Error::new(Code::MissingCapability, message).suggest(store, candidates, otherwise));
            }
            None => {
                let wishes = Wishes {
                    environment: Some(&opening.environment_choices),
                    defaults: Some(&opening.defaults),
                    ..Wishes::default()
                };
                resolve(CapabilityType::SecretStore, &wishes, &providers)
                    .map_err(|err| match err.code() {
                        Code::AmbiguousCapability => err.hint(format!("or name it here: `${{secret:STORE/{name}}}`")),
                        _ => err,
                    })?
                    .provider
            }
        };
        let asked = registry.secret_store(&store)?;
        asked.secret(name)?.ok_or_else(|| {
            let missing = format!("the secret store `{store}` has no secret `{name}`");
            Error::new(Code::UnsetVariable, missing).hint(match asked.looks_in(name) {
                Some(place) => format!("it looks in {place}"),
                None => format!("add `{name}` to it"),
            })
        })
    }
}
