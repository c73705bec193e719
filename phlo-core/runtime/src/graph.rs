//! The asset graph: what depends on what, in an order in which upstream comes first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use phlo_engine::Query;
use phlo_plugin::publish::{AnyPublishTarget, TargetConfig};
use phlo_plugin::source::{AnySource, SourceConfig};
use phlo_spec::{AssetBody, AssetKey, AssetSpec, Code, Diagnostic, Diagnostics, Place, PublishSpec};

use crate::publish;

/// An asset that was prepared: its source's config read or its SQL parsed, its neighbours known.
pub struct Node {
    /// The asset.
    pub spec: AssetSpec,
    /// Its source and the source's config, if it ingests.
    pub source: Option<(Arc<dyn AnySource>, Arc<SourceConfig>)>,
    /// Its target and the target's config, if it publishes.
    pub target: Option<(Arc<dyn AnyPublishTarget>, Arc<TargetConfig>)>,
    /// Its query, if it is SQL or publishes.
    pub query: Option<Query>,
    /// Assets that it reads directly, or that its checks do.
    pub upstream: BTreeSet<AssetKey>,
    /// Assets that read it directly.
    pub downstream: BTreeSet<AssetKey>,
    /// Tables that its checks read beside its own.
    pub checked: BTreeSet<AssetKey>,
    /// Tables that it reads and no asset makes, with where they are named.
    pub external: Vec<(AssetKey, Option<Place>)>,
}

/// The assets of a project.
#[derive(Default)]
pub struct Graph {
    nodes: BTreeMap<AssetKey, Node>,
    order: Vec<AssetKey>,
}

impl Graph {
    /// Connects prepared assets. A cycle is a problem that is told with its path; the graph is then without order. `locate` finds
    /// the word of a setting in an asset's file.
    pub fn connect(nodes: Vec<Node>, locate: impl Fn(&AssetSpec, &str, &str) -> Option<Place>) -> (Self, Diagnostics) {
        let mut problems = Diagnostics::default();
        let mut nodes: BTreeMap<AssetKey, Node> = nodes.into_iter().map(|n| (n.spec.key.clone(), n)).collect();
        let keys: BTreeSet<AssetKey> = nodes.keys().cloned().collect();
        let publishing: BTreeMap<AssetKey, PublishSpec> =
            nodes.values().filter_map(|n| Some((n.spec.key.clone(), publish::of(&n.spec)?.clone()))).collect();
        for node in nodes.values_mut() {
            let read = node.query.iter().flat_map(|q| q.tables().iter().cloned());
            let mut upstream = BTreeSet::new();
            let mut external = Vec::new();
            for (key, place) in read {
                if key == node.spec.key {
                    let mut diagnostic = Diagnostic::error(Code::DependencyCycle, format!("`{key}` reads itself"))
                        .hint("an asset cannot be made from itself; read its upstream, or use an ingestion asset with `merge`");
                    diagnostic.place = place;
                    problems.push(diagnostic);
                } else if let Some(publish) = publishing.get(&key) {
                    problems.push(publish::no_table(&key, publish).at(place).into_diagnostic());
                } else if keys.contains(&key) {
                    upstream.insert(key);
                } else {
                    external.push((key, place));
                }
            }
            for key in &node.spec.deps {
                if keys.contains(key) {
                    upstream.insert(key.clone());
                } else {
                    let near = phlo_spec::nearest(key.as_str(), keys.iter().map(AssetKey::as_str));
                    let mut diagnostic = Diagnostic::error(
                        Code::UnknownAsset,
                        format!("`{}` depends on `{key}`, which is not an asset", node.spec.key),
                    )
                    .hint(near.map_or_else(
                        || "`phlo status` lists the assets".to_owned(),
                        |n| format!("did you mean `{n}`?"),
                    ));
                    diagnostic.place = locate(&node.spec, "deps", key.as_str());
                    problems.push(diagnostic);
                }
            }
            node.upstream = upstream;
            node.external = external;
        }
        order_checks(&mut nodes);
        let edges: Vec<(AssetKey, AssetKey)> =
            nodes.values().flat_map(|n| n.upstream.iter().map(|u| (u.clone(), n.spec.key.clone()))).collect();
        for (from, to) in edges {
            if let Some(node) = nodes.get_mut(&from) {
                node.downstream.insert(to);
            }
        }
        let mut graph = Self { nodes, order: Vec::new() };
        graph.sort(&mut problems);
        (graph, problems)
    }

    fn sort(&mut self, problems: &mut Diagnostics) {
        let mut waiting: BTreeMap<&AssetKey, usize> = self.nodes.iter().map(|(k, n)| (k, n.upstream.len())).collect();
        let mut ready: BTreeSet<&AssetKey> = waiting.iter().filter(|(_, n)| **n == 0).map(|(k, _)| *k).collect();
        let mut order = Vec::with_capacity(self.nodes.len());
        while let Some(key) = ready.pop_first() {
            waiting.remove(key);
            order.push(key.clone());
            for next in &self.nodes[key].downstream {
                if let Some(count) = waiting.get_mut(next) {
                    *count -= 1;
                    if *count == 0 {
                        ready.insert(next);
                    }
                }
            }
        }
        if !waiting.is_empty() {
            // Walk upstream within what is left: it must come round.
            let left: BTreeSet<AssetKey> = waiting.keys().map(|k| (*k).clone()).collect();
            let mut path: Vec<&AssetKey> = Vec::new();
            let mut at = left.first();
            while let Some(key) = at {
                if let Some(start) = path.iter().position(|k| *k == key) {
                    let mut circle: Vec<&AssetKey> = path[start..].to_vec();
                    circle.push(key);
                    circle.reverse();
                    let shown: Vec<_> = circle.iter().map(ToString::to_string).collect();
                    let mut diagnostic = Diagnostic::error(
                        Code::DependencyCycle,
                        format!("assets depend on each other in a circle: {}", shown.join(" -> ")),
                    )
                    .hint("break the circle at one of them");
                    let closing = circle.get(1).and_then(|k| self.nodes.get(*k));
                    diagnostic.place = closing
                        .and_then(|n| n.query.as_ref())
                        .and_then(|q| q.tables().iter().find(|(t, _)| circle.first() == Some(&t)))
                        .and_then(|(_, place)| place.clone())
                        .or_else(|| closing.and_then(|n| n.spec.place.clone()));
                    problems.push(diagnostic);
                    break;
                }
                path.push(key);
                at = self.nodes[key].upstream.iter().find(|k| left.contains(*k));
            }
        }
        self.order = order;
    }

    /// The assets, sorted by key.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// The keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &AssetKey> {
        self.nodes.keys()
    }

    /// One asset.
    pub fn get(&self, key: &AssetKey) -> Option<&Node> {
        self.nodes.get(key)
    }

    /// The keys in an order in which upstream comes first. Assets within a cycle are missing.
    pub fn order(&self) -> &[AssetKey] {
        &self.order
    }

    /// Everything that can be reached from some assets, themselves left out.
    pub fn reach<'a>(
        &'a self,
        from: &BTreeSet<AssetKey>,
        next: impl Fn(&'a Node) -> &'a BTreeSet<AssetKey>,
    ) -> BTreeSet<AssetKey> {
        let mut found = BTreeSet::new();
        let mut queue: VecDeque<&AssetKey> =
            from.iter().filter_map(|k| self.nodes.get_key_value(k).map(|(k, _)| k)).collect();
        while let Some(key) = queue.pop_front() {
            for neighbour in next(&self.nodes[key]) {
                if found.insert(neighbour.clone()) {
                    queue.push_back(neighbour);
                }
            }
        }
        found
    }
}

// A table that a check reads comes first, unless it is made from this very asset: the check then sees what is published.
fn order_checks(nodes: &mut BTreeMap<AssetKey, Node>) {
    let checked =
        |node: &Node| node.checked.iter().map(|table| (node.spec.key.clone(), table.clone())).collect::<Vec<_>>();
    let wanted: Vec<_> = nodes.values().flat_map(checked).collect();
    for (asset, table) in wanted {
        if nodes.contains_key(&table)
            && !depends(nodes, &table, &asset)
            && let Some(node) = nodes.get_mut(&asset)
        {
            node.upstream.insert(table);
        }
    }
}

// Whether an asset is another one or is made from it.
fn depends(nodes: &BTreeMap<AssetKey, Node>, asset: &AssetKey, on: &AssetKey) -> bool {
    let (mut seen, mut queue) = (BTreeSet::new(), vec![asset]);
    while let Some(key) = queue.pop() {
        if key == on {
            return true;
        }
        if seen.insert(key) {
            queue.extend(nodes.get(key).iter().flat_map(|node| &node.upstream));
        }
    }
    false
}

impl Node {
    /// A node whose neighbours are not known yet.
    pub fn new(spec: AssetSpec) -> Self {
        Self {
            spec,
            source: None,
            target: None,
            query: None,
            upstream: BTreeSet::new(),
            downstream: BTreeSet::new(),
            checked: BTreeSet::new(),
            external: Vec::new(),
        }
    }

    /// Whether it publishes to a target, and makes no table.
    pub fn is_publication(&self) -> bool {
        matches!(self.spec.body, AssetBody::Publish(_))
    }

    /// Whether it ingests.
    pub fn is_ingestion(&self) -> bool {
        matches!(self.spec.body, AssetBody::Ingest(_))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use phlo_spec::asset::{RetrySpec, SqlSpec, WriteSpec};

    pub(crate) fn graph(assets: &[(&str, &str)]) -> Graph {
        connect(assets).0
    }

    fn connect(assets: &[(&str, &str)]) -> (Graph, Diagnostics) {
        let nodes = assets.iter().map(|(key, reads)| {
            let key = AssetKey::new(*key).unwrap();
            let from: Vec<_> = reads.split_whitespace().collect();
            let text = if from.is_empty() {
                "select 1 as x".to_owned()
            } else {
                format!("select 1 as x from {}", from.join(", "))
            };
            let file = format!("assets/{key}.sql");
            let mut node = Node::new(AssetSpec {
                group: key.group().to_owned(),
                key,
                description: None,
                tags: vec![],
                owner: None,
                body: AssetBody::Sql(SqlSpec { text: text.clone(), file: file.clone() }),
                transforms: vec![],
                write: WriteSpec::default(),
                checks: vec![],
                sensitive: vec![],
                columns: BTreeMap::new(),
                partitions: None,
                deps: vec![],
                capability_overrides: BTreeMap::new(),
                freshness: None,
                retry: RetrySpec::default(),
                place: None,
            });
            node.query = Some(Query::parse(&text, &file).unwrap());
            node
        });
        Graph::connect(nodes.collect(), |spec, _, _| spec.place.clone())
    }

    #[test]
    fn upstream_comes_first_and_ties_are_sorted() {
        let (graph, problems) = connect(&[("a.z", "a.b"), ("a.b", ""), ("a.c", ""), ("a.a", "a.z a.c")]);
        assert!(problems.0.is_empty());
        assert_eq!(graph.order().iter().map(AssetKey::as_str).collect::<Vec<_>>(), ["a.b", "a.c", "a.z", "a.a"]);
    }

    #[test]
    fn a_cycle_is_told_with_its_path_and_place() {
        let (_, problems) = connect(&[("a.x", "a.z"), ("a.y", "a.x"), ("a.z", "a.y"), ("a.w", "a.z")]);
        let text = problems.0[0].to_string();
        assert!(text.contains("P1009") && text.contains("->"), "{text}");
        let (_, problems) = connect(&[("a.x", "a.x")]);
        assert!(problems.0[0].message.contains("reads itself"));
    }

    #[test]
    fn a_table_that_a_check_reads_comes_first_unless_that_makes_a_cycle() {
        let key = |text: &str| AssetKey::new(text).unwrap();
        let node = |name: &str, reads: &str, checked: &[&str]| {
            let mut node = connect(&[(name, reads)]).0.nodes.remove(&key(name)).unwrap();
            (node.external, node.checked) = (Vec::new(), checked.iter().map(|k| key(k)).collect());
            node
        };
        let (graph, problems) = Graph::connect(
            vec![node("a.x", "", &["b.z", "a.y", "a.x", "c.c"]), node("a.y", "a.x", &["b.z"]), node("b.z", "", &[])],
            |_, _, _| None,
        );
        assert!(problems.0.is_empty(), "{problems:?}");
        assert_eq!(graph.order().iter().map(AssetKey::as_str).collect::<Vec<_>>(), ["b.z", "a.x", "a.y"]);
        assert_eq!(graph.get(&key("a.x")).unwrap().upstream, BTreeSet::from([key("b.z")]));
    }

    #[test]
    fn a_table_that_no_asset_makes_is_external() {
        let (graph, _) = connect(&[("a.x", "raw.y")]);
        let node = graph.get(&AssetKey::new("a.x").unwrap()).unwrap();
        assert_eq!(node.external[0].0.as_str(), "raw.y");
        assert!(node.upstream.is_empty());
    }
}
