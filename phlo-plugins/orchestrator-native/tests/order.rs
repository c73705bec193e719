//! The order of steps: properties over random graphs, and the refusals.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use phlo_orchestrator_native::Native;
use phlo_plugin::prelude::*;
use phlo_spec::asset::AssetSpec;
use proptest::prelude::*;

fn asset(key: &str) -> AssetSpec {
    AssetSpec::of_sql(AssetKey::new(key).unwrap(), "")
}

fn definitions(assets: &[(&str, &[&str])]) -> Definitions {
    let keys = |names: &[&str]| names.iter().map(|name| AssetKey::new(*name).unwrap()).collect();
    Definitions {
        assets: assets.iter().map(|(key, deps)| (asset(key), keys(deps))).collect(),
        ..Definitions::default()
    }
}

fn steps(definitions: &Definitions) -> Result<Vec<(AssetKey, Vec<AssetKey>)>> {
    match Native.build(definitions)? {
        OrchestratorOutput::Steps(steps) => Ok(steps),
        OrchestratorOutput::Files(_) => panic!("the native orchestrator writes no files"),
    }
}

/// Edges between numbered assets as definitions, listed in this order of the assets.
fn numbered(order: &[usize], edges: &[(usize, usize)]) -> Definitions {
    let key = |n: usize| format!("a.n{n}");
    let all = order.iter().map(|n| {
        let deps = edges.iter().filter(|(from, _)| from == n).map(|(_, to)| AssetKey::new(key(*to)).unwrap()).collect();
        (asset(&key(*n)), deps)
    });
    Definitions { assets: all.collect(), ..Definitions::default() }
}

/// A number of assets, an order in which they are listed, and edges between them: downstream, upstream.
fn graphs() -> impl Strategy<Value = (Vec<usize>, Vec<(usize, usize)>)> {
    (1..40_usize).prop_flat_map(|n| {
        (Just((0..n).collect::<Vec<_>>()).prop_shuffle(), prop::collection::vec((0..n, 0..n), 0..120))
    })
}

proptest! {
    #[test]
    fn each_step_comes_after_its_dependencies_in_an_order_that_the_listing_does_not_change((order, edges) in graphs()) {
        // Edges from higher to lower numbers make no cycle.
        let edges: Vec<_> = edges.into_iter().filter(|(a, b)| a != b).map(|(a, b)| (a.max(b), a.min(b))).collect();
        let definitions = numbered(&order, &edges);
        let steps = steps(&definitions).unwrap();
        prop_assert_eq!(steps.len(), order.len());
        let at: HashMap<_, _> = steps.iter().enumerate().map(|(at, (key, _))| (key, at)).collect();
        prop_assert_eq!(at.len(), order.len());
        for (asset, deps) in &definitions.assets {
            let step = &steps[at[&asset.key]];
            for dep in deps {
                prop_assert!(at[dep] < at[&asset.key]);
                prop_assert!(step.1.contains(dep));
            }
            prop_assert!(step.1.iter().all(|dep| deps.contains(dep)));
        }
        let sorted: Vec<_> = (0..order.len()).collect();
        prop_assert_eq!(steps, self::steps(&numbered(&sorted, &edges)).unwrap());
    }

    #[test]
    fn a_graph_is_refused_only_with_a_circle_of_its_own_edges((order, mut edges) in graphs(), length in 1..6_usize) {
        // A circle of this length somewhere makes sure that there is one.
        let length = length.min(order.len());
        edges.extend((0..length).map(|i| (order[i], order[(i + 1) % length])));
        let err = steps(&numbered(&order, &edges)).unwrap_err();
        prop_assert_eq!(err.code(), Code::DependencyCycle);
        let circle: Vec<usize> = err.message().split_once(": ").unwrap().1.split(" → ").map(|key| key[3..].parse().unwrap()).collect();
        prop_assert!(circle.len() >= 2 && circle.first() == circle.last(), "{}", err.message());
        for pair in circle.windows(2) {
            prop_assert!(edges.contains(&(pair[0], pair[1])), "{}", err.message());
        }
    }
}

#[test]
fn among_steps_that_could_come_next_the_first_by_key_comes() {
    let got =
        steps(&definitions(&[("g.z", &["b.b", "b.a", "b.a"]), ("b.b", &[]), ("c.c", &[]), ("b.a", &[])])).unwrap();
    let shown: Vec<_> = got
        .iter()
        .map(|(key, deps)| format!("{key} <- {}", deps.iter().map(AssetKey::as_str).collect::<Vec<_>>().join(", ")))
        .collect();
    assert_eq!(shown, ["b.a <- ", "b.b <- ", "c.c <- ", "g.z <- b.a, b.b"]);
}

#[test]
fn what_cannot_be_ordered_is_refused_with_the_reason() {
    for (assets, code, message, hint) in [
        (
            definitions(&[("a.x", &["a.y"]), ("a.y", &["a.z"]), ("a.z", &["a.y"])]),
            Code::DependencyCycle,
            "assets depend on each other in a circle: a.y → a.z → a.y",
            "break the circle",
        ),
        (
            definitions(&[("a.x", &["a.x"])]),
            Code::DependencyCycle,
            "assets depend on each other in a circle: a.x → a.x",
            "break the circle",
        ),
        (
            definitions(&[("a.flights", &[]), ("a.x", &["a.flight"])]),
            Code::UnknownAsset,
            "a.x depends on a.flight, which is no asset",
            "did you mean `a.flights`?",
        ),
        (
            definitions(&[("a.x", &["q.other"])]),
            Code::UnknownAsset,
            "a.x depends on q.other, which is no asset",
            "add the asset",
        ),
        (definitions(&[("a.x", &[]), ("a.x", &[])]), Code::DuplicateAsset, "the asset a.x is defined twice", ""),
    ] {
        let err = steps(&assets).unwrap_err();
        assert_eq!((err.code(), err.message()), (code, message));
        assert!(err.hints().concat().contains(hint), "{message}: {:?}", err.hints());
    }
}

#[test]
fn a_long_chain_needs_no_deep_stack() {
    const LENGTH: usize = 30_000;
    let key = |n: usize| AssetKey::new(format!("a.n{n}")).unwrap();
    let chain = |first_depends_on: Option<usize>| {
        let upstream = |n: usize| if n == 0 { first_depends_on } else { Some(n - 1) };
        let assets =
            (0..LENGTH).map(|n| (asset(key(n).as_str()), upstream(n).map(key).into_iter().collect())).collect();
        Definitions { assets, ..Definitions::default() }
    };
    assert_eq!(steps(&chain(None)).unwrap().last().unwrap().0, key(LENGTH - 1));
    assert_eq!(steps(&chain(Some(LENGTH - 1))).unwrap_err().code(), Code::DependencyCycle);
}
