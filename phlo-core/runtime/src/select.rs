//! The selection language: `bronze.flights`, `silver.*`, `+gold.x` (and upstream), `bronze.x+` (and downstream), `group:g`,
//! `tag:t`, `kind:k`; several are joined.

use std::collections::BTreeSet;

use phlo_plugin::{Error, Result};
use phlo_spec::{AssetKey, Code, nearest};

use crate::graph::Graph;

/// The assets that selections name, minus those that `exclude` names; all if nothing is selected.
///
/// # Errors
/// [`Code::BadSelection`] or [`Code::UnknownAsset`], with the nearest name; a selection that matches nothing is one.
pub(crate) fn select(graph: &Graph, selections: &[String], exclude: &[String]) -> Result<BTreeSet<AssetKey>> {
    let mut selected = BTreeSet::new();
    if selections.is_empty() {
        selected.extend(graph.keys().cloned());
    }
    for text in selections.iter().flat_map(|s| s.split([',', ' '])).filter(|s| !s.is_empty()) {
        selected.extend(matching(graph, text)?);
    }
    for text in exclude.iter().flat_map(|s| s.split([',', ' '])).filter(|s| !s.is_empty()) {
        for key in matching(graph, text)? {
            selected.remove(&key);
        }
    }
    Ok(selected)
}

fn matching(graph: &Graph, text: &str) -> Result<BTreeSet<AssetKey>> {
    let bad = |why: &str| Error::new(Code::BadSelection, format!("`{text}` is not a selection: {why}"));
    let (with_upstream, rest) = text.strip_prefix('+').map_or((false, text), |rest| (true, rest));
    let (with_downstream, rest) = rest.strip_suffix('+').map_or((false, rest), |rest| (true, rest));
    if rest.is_empty() || rest.contains('+') {
        return Err(bad("`+` stands before a name (and upstream) or behind it (and downstream)"));
    }
    let of = |wanted: &dyn Fn(&crate::graph::Node) -> bool| -> BTreeSet<AssetKey> {
        graph.nodes().filter(|node| wanted(node)).map(|node| node.spec.key.clone()).collect()
    };
    let named = match rest.split_once(':') {
        Some(("group", group)) => of(&|n| n.spec.group == group),
        Some(("tag", tag)) => of(&|n| n.spec.tags.iter().any(|t| t == tag)),
        Some(("kind", kind)) => of(&|n| n.spec.kind() == kind),
        Some((method, _)) => return Err(bad(&format!("`{method}:` is not known")).hint("known: group:, tag:, kind:")),
        None if rest.contains('*') => of(&|n| glob(rest, n.spec.key.as_str())),
        None => of(&|n| n.spec.key.as_str() == rest),
    };
    if named.is_empty() {
        let error = Error::new(Code::UnknownAsset, format!("the selection `{text}` matches no asset"));
        let candidates: BTreeSet<String> = match rest.split_once(':') {
            Some(("group", _)) => graph.nodes().map(|n| format!("group:{}", n.spec.group)).collect(),
            Some(("tag", _)) => graph.nodes().flat_map(|n| n.spec.tags.iter().map(|t| format!("tag:{t}"))).collect(),
            Some(("kind", _)) => graph.nodes().map(|n| format!("kind:{}", n.spec.kind())).collect(),
            _ => graph.keys().map(ToString::to_string).collect(),
        };
        return Err(match nearest(rest, candidates.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("`phlo status` lists the assets"),
        });
    }
    let mut all = named.clone();
    if with_upstream {
        all.extend(graph.reach(&named, |node| &node.upstream));
    }
    if with_downstream {
        all.extend(graph.reach(&named, |node| &node.downstream));
    }
    Ok(all)
}

// `*` stands for any text, dots included.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text
            .strip_prefix(head)
            .is_some_and(|rest| (0..=rest.len()).filter(|i| rest.is_char_boundary(*i)).any(|i| glob(tail, &rest[i..]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::tests::graph;

    fn check(text: &str, want: &str) {
        let graph = graph(&[("b.x", ""), ("b.y", ""), ("s.m", "b.x b.y"), ("g.z", "s.m"), ("g.w", "b.y")]);
        let got = match select(&graph, &[text.to_owned()], &[]) {
            Ok(keys) => keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            Err(err) => format!("{}: {} [{}]", err.code(), err, err.hints().join(";")),
        };
        assert_eq!(got, want, "{text}");
    }

    #[test]
    fn selections_name_assets_and_their_neighbourhoods() {
        check("b.x", "b.x");
        check("b.*", "b.x b.y");
        check("*.z", "g.z");
        check("+s.m", "b.x b.y s.m");
        check("b.x+", "b.x g.z s.m");
        check("+s.m+", "b.x b.y g.z s.m");
        check("group:g", "g.w g.z");
        check("group:g b.x", "b.x g.w g.z");
        check("kind:sql", "b.x b.y g.w g.z s.m");
        check("b.xx", "P1007: the selection `b.xx` matches no asset [did you mean `b.x`?]");
        check("group:gg", "P1007: the selection `group:gg` matches no asset [did you mean `group:g`?]");
        check("owner:me", "P1008: `owner:me` is not a selection: `owner:` is not known [known: group:, tag:, kind:]");
        check(
            "a+b",
            "P1008: `a+b` is not a selection: `+` stands before a name (and upstream) or behind it (and downstream) []",
        );
    }

    #[test]
    fn excluded_assets_are_taken_out_of_all() {
        let graph = graph(&[("b.x", ""), ("b.y", ""), ("s.m", "b.x")]);
        let got = select(&graph, &[], &["b.x+".to_owned()]).unwrap();
        assert_eq!(got.iter().map(AssetKey::as_str).collect::<Vec<_>>(), ["b.y"]);
    }
}
