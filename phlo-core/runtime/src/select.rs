//! The selection language: `bronze.flights`, `silver.*`, `+gold.x` (and upstream), `bronze.x+` (and downstream), `group:g`,
//! `tag:t`, `kind:k`. Arguments and words add to each other; what a comma joins must hold together: `tag:nightly,group:gold`.

use std::collections::BTreeSet;

use phlo_plugin::{Error, Result};
use phlo_spec::{AssetKey, Code};

use crate::graph::Graph;

/// The assets that selections name, minus those that `exclude` names; all if nothing is selected.
///
/// # Errors
/// [`Code::BadSelection`] or [`Code::UnknownAsset`], with the nearest name; a selection that matches nothing is one, and so is one
/// of which nothing is left.
pub(crate) fn select(graph: &Graph, selections: &[String], exclude: &[String]) -> Result<BTreeSet<AssetKey>> {
    let mut selected = if selections.is_empty() { graph.keys().cloned().collect() } else { union(graph, selections)? };
    let excluded = union(graph, exclude)?;
    let any = !selected.is_empty();
    selected.retain(|key| !excluded.contains(key));
    if any && selected.is_empty() {
        return Err(Error::new(Code::BadSelection, format!("`{}` leaves out all that is selected", exclude.join(" ")))
            .hint("select more, or exclude less"));
    }
    Ok(selected)
}

fn union(graph: &Graph, arguments: &[String]) -> Result<BTreeSet<AssetKey>> {
    let mut all = BTreeSet::new();
    for argument in arguments {
        if argument.trim().is_empty() {
            return Err(Error::new(Code::BadSelection, "a selection is empty")
                .hint("name assets, e.g. `bronze.*`; without any selection, every asset is meant"));
        }
        for word in argument.split_whitespace() {
            all.extend(intersection(graph, word)?);
        }
    }
    Ok(all)
}

fn intersection(graph: &Graph, word: &str) -> Result<BTreeSet<AssetKey>> {
    let mut parts = word.split(',');
    let mut found = matching(graph, parts.next().unwrap_or_default())?;
    for part in parts {
        let also = matching(graph, part)?;
        found.retain(|key| also.contains(key));
    }
    if found.is_empty() {
        return Err(Error::new(Code::UnknownAsset, format!("no asset matches all of `{word}`"))
            .hint("a comma asks for all of its parts at once; write a space for either of them"));
    }
    Ok(found)
}

fn matching(graph: &Graph, text: &str) -> Result<BTreeSet<AssetKey>> {
    let bad = |why: &str| Error::new(Code::BadSelection, format!("`{text}` is not a selection: {why}"));
    let (with_upstream, rest) = text.strip_prefix('+').map_or((false, text), |rest| (true, rest));
    let (with_downstream, rest) = rest.strip_suffix('+').map_or((false, rest), |rest| (true, rest));
    if rest.is_empty() {
        return Err(bad("it names nothing").hint("write e.g. `bronze.*`, `tag:nightly` or `tag:nightly,group:gold`"));
    }
    if rest.contains('+') {
        return Err(bad("`+` stands before a name (and upstream) or behind it (and downstream)")
            .hint("write it once: `+gold.x`, `bronze.x+` or `+silver.x+`"));
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
        // Of `flights` and `bronze.flights`, too.
        let mut same = graph.keys().filter(|key| key.as_str().rsplit('.').next() == Some(rest));
        if let (Some(key), None) = (same.next(), same.next()) {
            return Err(error.hint(format!("did you mean `{key}`?")));
        }
        return Err(error.suggest(rest, candidates.iter().map(String::as_str), "`phlo status` lists the assets"));
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

// `*` stands for any text, dots included. What stands between two of them is taken at its first place: another never helps, so no
// pattern takes longer than its length times the text's.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(mut left) = text.strip_prefix(head).and_then(|left| left.strip_suffix(tail)) else { return false };
    for part in middle.split('*') {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    true
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
        check("group:b,+s.m", "b.x b.y");
        check("b.*,*.x g.z", "b.x g.z");
        check(
            "group:b,group:g",
            "P1007: no asset matches all of `group:b,group:g` [a comma asks for all of its parts at once; write a space for either of them]",
        );
        check(
            "",
            "P1008: a selection is empty [name assets, e.g. `bronze.*`; without any selection, every asset is meant]",
        );
        check(
            "b.x,",
            "P1008: `` is not a selection: it names nothing [write e.g. `bronze.*`, `tag:nightly` or `tag:nightly,group:gold`]",
        );
        check("kind:sql", "b.x b.y g.w g.z s.m");
        check("b.xx", "P1007: the selection `b.xx` matches no asset [did you mean `b.x`?]");
        check("group:gg", "P1007: the selection `group:gg` matches no asset [did you mean `group:g`?]");
        check("m", "P1007: the selection `m` matches no asset [did you mean `s.m`?]");
        check("owner:me", "P1008: `owner:me` is not a selection: `owner:` is not known [known: group:, tag:, kind:]");
        check(
            "a+b",
            "P1008: `a+b` is not a selection: `+` stands before a name (and upstream) or behind it (and downstream) [write it once: `+gold.x`, `bronze.x+` or `+silver.x+`]",
        );
    }

    #[test]
    fn excluded_assets_are_taken_out_of_all() {
        let graph = graph(&[("b.x", ""), ("b.y", ""), ("s.m", "b.x")]);
        let got = select(&graph, &[], &["b.x+".to_owned()]).unwrap();
        assert_eq!(got.iter().map(AssetKey::as_str).collect::<Vec<_>>(), ["b.y"]);
        let err = select(&graph, &["b.y".to_owned()], &["b.*".to_owned()]).unwrap_err();
        assert_eq!((err.code(), err.message()), (Code::BadSelection, "`b.*` leaves out all that is selected"));
    }

    #[test]
    fn a_star_stands_for_any_text_and_takes_no_time() {
        for (pattern, text, want) in [
            ("*", "", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("*b*", "abc", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxc", false),
            ("a**c", "ac", true),
            ("*ab*ab", "abab", true),
            ("*ab*ab", "ab", false),
        ] {
            assert_eq!(glob(pattern, text), want, "{pattern} {text}");
        }
        assert!(!glob(&"a*".repeat(40), &format!("{}b", "a".repeat(30))));
    }
}
