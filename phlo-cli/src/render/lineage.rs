//! An asset's neighbours: as a tree, as Mermaid, as DOT.

use std::collections::{BTreeMap, BTreeSet};

use phlo_runtime::Lineage;
use serde_json::{Value, json};

use crate::render::{Tone, indent};

type Edges = [(String, String)];

/// For `--json`.
pub(crate) fn document(lineage: &Lineage) -> Value {
    let edges = |edges: &Edges| edges.iter().map(|(from, to)| json!({ "from": from, "to": to })).collect::<Value>();
    json!({ "status": "ok", "asset": lineage.asset, "upstream": edges(&lineage.upstream), "downstream": edges(&lineage.downstream) })
}

/// Two trees, upstream and downstream.
pub(crate) fn text(lineage: &Lineage) -> String {
    let mut text = format!("{}\n", Tone::Strong.paint(&lineage.asset));
    let turned: Vec<_> = lineage.upstream.iter().map(|(from, to)| (to.clone(), from.clone())).collect();
    for (title, edges, none) in
        [("upstream", &turned, "reads nothing"), ("downstream", &lineage.downstream, "nothing reads it")]
    {
        text.push_str(&format!("\n{title}\n"));
        let tree = tree(edges, lineage.asset.as_str());
        text.push_str(&indent(&if tree.is_empty() { Tone::Dim.paint(none) } else { tree }, 2));
    }
    text
}

fn tree(edges: &Edges, root: &str) -> String {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in edges {
        next.entry(from).or_default().insert(to);
    }
    let mut text = String::new();
    grow(&next, root, "", &mut BTreeSet::new(), &mut text);
    text
}

// What hangs below something that was shown already is not shown again.
fn grow<'a>(
    next: &BTreeMap<&'a str, BTreeSet<&'a str>>,
    at: &str,
    margin: &str,
    seen: &mut BTreeSet<&'a str>,
    text: &mut String,
) {
    let below = next.get(at).into_iter().flatten().copied().collect::<Vec<_>>();
    for (i, name) in below.iter().enumerate() {
        let last = i + 1 == below.len();
        let again = !seen.insert(name) && next.contains_key(name);
        let more = if again { Tone::Dim.paint(" (see above)") } else { String::new() };
        text.push_str(&format!("{margin}{} {name}{more}\n", if last { "└─" } else { "├─" }));
        if !again {
            grow(next, name, &format!("{margin}{}", if last { "   " } else { "│  " }), seen, text);
        }
    }
}

// Every edge once, and every name with a number.
fn graph(lineage: &Lineage) -> (BTreeSet<(&str, &str)>, BTreeMap<&str, usize>) {
    let edges: BTreeSet<_> =
        lineage.upstream.iter().chain(&lineage.downstream).map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let names: BTreeSet<_> = edges.iter().flat_map(|(a, b)| [*a, *b]).chain([lineage.asset.as_str()]).collect();
    (edges, names.into_iter().enumerate().map(|(i, name)| (name, i)).collect())
}

/// A Mermaid flowchart.
pub(crate) fn mermaid(lineage: &Lineage) -> String {
    let (edges, names) = graph(lineage);
    let mut text = "flowchart LR\n".to_owned();
    for (name, i) in &names {
        text.push_str(&format!("  n{i}[\"{}\"]\n", name.replace('"', "#quot;")));
    }
    for (from, to) in edges {
        text.push_str(&format!("  n{} --> n{}\n", names[from], names[to]));
    }
    text + &format!("  style n{} stroke-width:3px\n", names[lineage.asset.as_str()])
}

/// A graph for Graphviz.
pub(crate) fn dot(lineage: &Lineage) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""));
    let mut text = "digraph lineage {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    text.push_str(&format!("  {} [penwidth=3];\n", quoted(lineage.asset.as_str())));
    for (from, to) in graph(lineage).0 {
        text.push_str(&format!("  {} -> {};\n", quoted(from), quoted(to)));
    }
    text + "}\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use anstream::adapter::strip_str;
    use phlo_spec::AssetKey;

    fn lineage() -> Lineage {
        let edges = |edges: &[(&str, &str)]| edges.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        Lineage {
            asset: AssetKey::new("silver.m").unwrap(),
            upstream: edges(&[
                ("bronze.a", "silver.m"),
                ("bronze.b", "silver.m"),
                ("bronze.a", "bronze.b"),
                ("data/\"a\".csv", "bronze.a"),
            ]),
            downstream: edges(&[("silver.m", "gold.x"), ("gold.x", "gold.z"), ("silver.m", "gold.z")]),
        }
    }

    #[test]
    fn neighbours_draw_as_a_tree_and_as_graphs() {
        insta::assert_snapshot!(strip_str(&text(&lineage())).to_string(), @r#"
        silver.m

        upstream
          ├─ bronze.a
          │  └─ data/"a".csv
          └─ bronze.b
             └─ bronze.a (see above)

        downstream
          ├─ gold.x
          │  └─ gold.z
          └─ gold.z
        "#);
        insta::assert_snapshot!(mermaid(&lineage()), @r#"
        flowchart LR
          n0["bronze.a"]
          n1["bronze.b"]
          n2["data/#quot;a#quot;.csv"]
          n3["gold.x"]
          n4["gold.z"]
          n5["silver.m"]
          n0 --> n1
          n0 --> n5
          n1 --> n5
          n2 --> n0
          n3 --> n4
          n5 --> n3
          n5 --> n4
          style n5 stroke-width:3px
        "#);
        insta::assert_snapshot!(dot(&lineage()), @r#"
        digraph lineage {
          rankdir=LR;
          node [shape=box];
          "silver.m" [penwidth=3];
          "bronze.a" -> "bronze.b";
          "bronze.a" -> "silver.m";
          "bronze.b" -> "silver.m";
          "data/\"a\".csv" -> "bronze.a";
          "gold.x" -> "gold.z";
          "silver.m" -> "gold.x";
          "silver.m" -> "gold.z";
        }
        "#);
    }

    #[test]
    fn an_asset_alone_says_so() {
        let alone = Lineage { asset: AssetKey::new("a.b").unwrap(), upstream: vec![], downstream: vec![] };
        insta::assert_snapshot!(strip_str(&text(&alone)).to_string(), @"
        a.b

        upstream
          reads nothing

        downstream
          nothing reads it
        ");
    }
}
