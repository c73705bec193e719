//! Which provider serves a capability: a pure function to a choice or an explained refusal.

use std::collections::BTreeMap;
use std::fmt;

use phlo_spec::{CapabilityType, Code};

use crate::error::{Error, Result};

/// The prefix of run tags that choose a provider: `phlo/capability/table_store=delta`.
pub const TAG_PREFIX: &str = "phlo/capability/";

/// What tags that mean something to phlo begin with.
const RESERVED: &str = "phlo/";

/// Who wishes which provider, strongest first.
#[derive(Debug, Clone, Default)]
pub struct Wishes<'a> {
    /// The run's tags; those with [`TAG_PREFIX`] count.
    pub run_tags: Option<&'a BTreeMap<String, String>>,
    /// The asset's `capability_overrides`.
    pub overrides: Option<&'a BTreeMap<CapabilityType, String>>,
    /// The environment's choices.
    pub environment: Option<&'a BTreeMap<CapabilityType, String>>,
    /// `capabilities.defaults` of `phlo.yaml`.
    pub defaults: Option<&'a BTreeMap<CapabilityType, String>>,
}

impl Wishes<'_> {
    /// The strongest wish for a capability, and whose it is.
    pub fn wished(&self, capability: CapabilityType) -> Option<(&str, ChosenBy)> {
        let tag = format!("{TAG_PREFIX}{capability}");
        let wishes = [
            (self.run_tags.and_then(|tags| tags.get(&tag)), ChosenBy::RunTag),
            (self.overrides.and_then(|o| o.get(&capability)), ChosenBy::Asset),
            (self.environment.and_then(|e| e.get(&capability)), ChosenBy::Environment),
            (self.defaults.and_then(|d| d.get(&capability)), ChosenBy::Project),
        ];
        wishes.into_iter().find_map(|(wish, by)| Some((wish?.as_str(), by)))
    }
}

/// What made the choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChosenBy {
    /// A tag of the run.
    RunTag,
    /// The asset.
    Asset,
    /// The environment.
    Environment,
    /// `phlo.yaml`.
    Project,
    /// There is only one.
    OnlyProvider,
    /// It is phlo's own, and nothing else was chosen.
    Own,
}

impl fmt::Display for ChosenBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RunTag => "the run's tag",
            Self::Asset => "the asset's capability_overrides",
            Self::Environment => "the environment",
            Self::Project => "capabilities.defaults in phlo.yaml",
            Self::OnlyProvider => "being the only provider",
            Self::Own => "being phlo's own",
        })
    }
}

/// A provider's name and what chose it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The provider.
    pub provider: String,
    /// What chose it.
    pub by: ChosenBy,
}

/// Refuses run tags that would choose a provider of something that is no capability, and those that are phlo's own and unknown.
///
/// # Errors
/// [`Code::UnknownCapability`], with the nearest type; [`Code::Usage`] for another tag of phlo's own.
pub fn check_tags(tags: &BTreeMap<String, String>) -> Result<()> {
    for tag in tags.keys() {
        if tag.starts_with(RESERVED) && !tag.starts_with(TAG_PREFIX) {
            return Err(Error::new(
                Code::Usage,
                format!("the tag `{tag}` is not known, and `{RESERVED}` is phlo's own"),
            )
            .hint(format!("write `{TAG_PREFIX}TYPE=PROVIDER`, or begin the tag otherwise")));
        }
        if let Some(wanted) = tag.strip_prefix(TAG_PREFIX)
            && wanted.parse::<CapabilityType>().is_err()
        {
            let known = || CapabilityType::ALL.iter().map(|c| c.as_str());
            let all = known().collect::<Vec<_>>().join(", ");
            return Err(Error::new(Code::UnknownCapability, format!("the tag `{tag}` names no capability type"))
                .suggest(wanted, known(), format!("known: {all}")));
        }
    }
    Ok(())
}

/// The orchestrator that runs assets itself: whoever wants another one says so.
const OWN_ORCHESTRATOR: &str = "native";

/// Chooses among the linked providers of a capability, by run tag, asset, environment, project, only one linked, in this order. Of
/// several orchestrators it is phlo's own unless something else is chosen: the others only write files, and only when asked to.
///
/// # Errors
/// [`Code::MissingCapability`] if the wished provider is not linked (never a fallback) or there is none at all;
/// [`Code::AmbiguousCapability`], with the candidates, if nothing decides.
pub fn resolve(capability: CapabilityType, wishes: &Wishes<'_>, providers: &[String]) -> Result<Choice> {
    let list = || {
        let mut sorted = providers.to_vec();
        sorted.sort_unstable();
        sorted.join(", ")
    };
    let one = format!("{} {capability}", if capability.as_str().starts_with(['a', 'o']) { "an" } else { "a" });
    if let Some((wish, by)) = wishes.wished(capability) {
        if providers.iter().any(|provider| provider == wish) {
            return Ok(Choice { provider: wish.to_owned(), by });
        }
        let error = Error::new(
            Code::MissingCapability,
            format!("{by} chooses the {capability} `{wish}`, which is not available"),
        );
        let otherwise = match providers {
            [] => format!("no plugin that may be used provides {one}"),
            _ => format!("available: {}", list()),
        };
        return Err(error.suggest(wish, providers.iter().map(String::as_str), otherwise));
    }
    match providers {
        [only] => Ok(Choice { provider: only.clone(), by: ChosenBy::OnlyProvider }),
        _ if capability == CapabilityType::Orchestrator && providers.iter().any(|name| name == OWN_ORCHESTRATOR) => {
            Ok(Choice { provider: OWN_ORCHESTRATOR.to_owned(), by: ChosenBy::Own })
        }
        [] => Err(Error::new(Code::MissingCapability, format!("no linked plugin provides {one}"))
            .hint("see `phlo plugin list` for what is linked, and `phlo plugin check` for what is refused")),
        _ => Err(Error::new(Code::AmbiguousCapability, format!("several plugins provide {one}: {}", list()))
            .hint(format!("choose one in phlo.yaml: capabilities: {{ defaults: {{ {capability}: NAME }} }}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_beats_asset_beats_environment_beats_project_beats_only() {
        let one = |name: &str| BTreeMap::from([(CapabilityType::TableStore, name.to_owned())]);
        let tags = BTreeMap::from([("phlo/capability/table_store".to_owned(), "a".to_owned())]);
        let (overrides, environment, defaults) = (one("b"), one("c"), one("d"));
        let all: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let full = Wishes {
            run_tags: Some(&tags),
            overrides: Some(&overrides),
            environment: Some(&environment),
            defaults: Some(&defaults),
        };
        let cases = [
            (full.clone(), "a", ChosenBy::RunTag),
            (Wishes { run_tags: None, ..full.clone() }, "b", ChosenBy::Asset),
            (Wishes { run_tags: None, overrides: None, ..full.clone() }, "c", ChosenBy::Environment),
            (Wishes { defaults: Some(&defaults), ..Wishes::default() }, "d", ChosenBy::Project),
        ];
        for (wishes, provider, by) in cases {
            assert_eq!(
                resolve(CapabilityType::TableStore, &wishes, &all).unwrap(),
                Choice { provider: provider.to_owned(), by }
            );
        }
        let only = resolve(CapabilityType::TableStore, &Wishes::default(), &all[..1]).unwrap();
        assert_eq!(only.by, ChosenBy::OnlyProvider);
    }

    #[test]
    fn a_tag_of_a_misspelt_capability_is_refused() {
        let tags = |tag: &str| BTreeMap::from([(tag.to_owned(), "delta".to_owned())]);
        assert!(check_tags(&tags("phlo/capability/table_store")).is_ok() && check_tags(&tags("team")).is_ok());
        let err = check_tags(&tags("phlo/capability/tabel_store")).unwrap_err();
        assert_eq!(
            (err.code(), err.hints()),
            (Code::UnknownCapability, &["did you mean `table_store`?".to_owned()][..])
        );
    }

    #[test]
    fn what_cannot_be_decided_lists_the_candidates_and_a_wrong_name_never_falls_back() {
        let two = ["delta".to_owned(), "ducklake".to_owned()];
        let err = resolve(CapabilityType::TableStore, &Wishes::default(), &two).unwrap_err();
        assert_eq!(
            (err.code(), err.message()),
            (Code::AmbiguousCapability, "several plugins provide a table_store: delta, ducklake")
        );
        let three = ["crontab", "native", "systemd"].map(str::to_owned);
        let own = resolve(CapabilityType::Orchestrator, &Wishes::default(), &three).unwrap();
        assert_eq!(own, Choice { provider: "native".to_owned(), by: ChosenBy::Own });
        assert!(resolve(CapabilityType::TableStore, &Wishes::default(), &three).is_err());
        let defaults = BTreeMap::from([(CapabilityType::TableStore, "detla".to_owned())]);
        let wishes = Wishes { defaults: Some(&defaults), ..Wishes::default() };
        let err = resolve(CapabilityType::TableStore, &wishes, &two[..1]).unwrap_err();
        assert_eq!((err.code(), err.hints()), (Code::MissingCapability, &["did you mean `delta`?".to_owned()][..]));
        assert_eq!(
            resolve(CapabilityType::TableStore, &Wishes::default(), &[]).unwrap_err().code(),
            Code::MissingCapability
        );
    }
}
