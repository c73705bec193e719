//! The selection language, as far as a schedule needs it: Dagster's jobs name their assets.

use std::collections::{BTreeMap, BTreeSet};

use phlo_plugin::prelude::*;
use phlo_spec::asset::AssetSpec;
use phlo_spec::nearest;

/// The assets that a selection means, by key.
///
/// # Errors
/// [`Code::BadSelection`] for a term that is not understood, [`Code::UnknownAsset`] for one that matches no asset.
pub(crate) fn resolve<'a>(select: &str, assets: &'a [(AssetSpec, Vec<AssetKey>)]) -> Result<Vec<&'a AssetSpec>> {
    let mut selected: BTreeSet<&AssetKey> = BTreeSet::new();
    for term in select.split([' ', ',', '\t', '\n']).filter(|term| !term.is_empty()) {
        let (upstream, core) = term.strip_prefix('+').map_or((false, term), |rest| (true, rest));
        let (downstream, core) = core.strip_suffix('+').map_or((false, core), |rest| (true, rest));
        let meant = matching(core, assets)?;
        if upstream {
            let up: BTreeMap<_, Vec<_>> =
                assets.iter().map(|(spec, deps)| (&spec.key, deps.iter().collect())).collect();
            selected.extend(reached(&meant, &up));
        }
        if downstream {
            let mut down: BTreeMap<&AssetKey, Vec<&AssetKey>> = BTreeMap::new();
            for (spec, deps) in assets {
                for dep in deps {
                    down.entry(dep).or_default().push(&spec.key);
                }
            }
            selected.extend(reached(&meant, &down));
        }
        selected.extend(meant);
    }
    if selected.is_empty() {
        return Err(Error::new(Code::BadSelection, "the selection is empty").hint("`*` selects every asset"));
    }
    let mut specs: Vec<_> = assets.iter().map(|(spec, _)| spec).filter(|spec| selected.contains(&spec.key)).collect();
    specs.sort_by_key(|spec| &spec.key);
    Ok(specs)
}

fn matching<'a>(core: &str, assets: &'a [(AssetSpec, Vec<AssetKey>)]) -> Result<Vec<&'a AssetKey>> {
    let holds: Box<dyn Fn(&AssetSpec) -> bool> = match core.split_once(':') {
        Some(("group", group)) => Box::new(move |spec| spec.group == group),
        Some(("tag", tag)) => Box::new(move |spec| spec.tags.iter().any(|t| t == tag)),
        Some(("kind", kind)) => Box::new(move |spec| spec.kind() == kind),
        Some((other, _)) => {
            return Err(Error::new(Code::BadSelection, format!("there is no selector `{other}:`"))
                .hint("known: group:, tag:, kind:"));
        }
        None => Box::new(move |spec| glob(core, spec.key.as_str())),
    };
    let found: Vec<_> = assets.iter().filter(|(spec, _)| holds(spec)).map(|(spec, _)| &spec.key).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let error = Error::new(Code::UnknownAsset, format!("the selection `{core}` matches no asset"));
    Err(match nearest(core, assets.iter().map(|(spec, _)| spec.key.as_str())) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error,
    })
}

/// Everything that can be reached along these edges, without what it starts from.
fn reached<'a>(from: &[&'a AssetKey], edges: &BTreeMap<&'a AssetKey, Vec<&'a AssetKey>>) -> BTreeSet<&'a AssetKey> {
    let mut found = BTreeSet::new();
    let mut open = from.to_vec();
    while let Some(key) = open.pop() {
        open.extend(edges.get(key).into_iter().flatten().copied().filter(|next| found.insert(*next)));
    }
    found
}

/// Whether a text matches a pattern in which `*` stands for any characters.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| glob(rest, &text[at..]))
        }),
    }
}
