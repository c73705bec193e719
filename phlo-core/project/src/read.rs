//! Reading typed values so that every mistake is reported, not only the first.

use std::collections::HashSet;

use phlo_spec::{Code, Diagnostic, Node, NodeKind, Place, Span, nearest};
use serde::de::{self, DeserializeOwned, Deserializer, Visitor};

/// The keys of a struct, as its `Deserialize` knows them.
pub(crate) fn keys_of<T: DeserializeOwned>() -> &'static [&'static str] {
    struct Asking<'a>(&'a mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Asking<'_> {
        type Error = de::value::Error;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(de::Error::custom("not a struct"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Self::Error> {
            *self.0 = fields;
            Err(de::Error::custom("asked"))
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    let mut keys: &'static [&'static str] = &[];
    // It always fails; what counts is what was asked for before.
    let _ = T::deserialize(Asking(&mut keys)).is_err();
    keys
}

/// Takes out the entries whose key is none of `known` and reports each.
pub(crate) fn refuse_unknown_keys(node: &mut Node, known: &[&str], problems: &mut Vec<Diagnostic>) {
    let NodeKind::Map(entries) = &mut node.kind else { return };
    entries.retain(|(key, _)| {
        let name = key.as_str().unwrap_or_default();
        let fine = known.contains(&name);
        if !fine {
            problems.push(key.error(Code::UnknownKey, format!("unknown key `{name}`")).hint(nearest_or_known(
                name,
                "known keys",
                known,
            )));
        }
        fine
    });
}

/// `did you mean …?`, or the list of what would have been right.
pub(crate) fn nearest_or_known(given: &str, what: &str, known: &[&str]) -> String {
    if let Some(near) = nearest(given, known.iter().copied()) {
        return format!("did you mean `{near}`?");
    }
    let mut known = known.to_vec();
    known.sort_unstable();
    format!("{what}: {}", known.join(", "))
}

/// Reads a typed value. Each mistake is reported: what is wrong is taken out and the rest read again. Only keys that are missing
/// beside a required one that was wrong are told the next time.
pub(crate) fn read_all<T: DeserializeOwned>(node: &Node, problems: &mut Vec<Diagnostic>) -> Option<T> {
    let mut next = match node.read() {
        Ok(value) => return Some(value),
        Err(problem) => *problem,
    };
    let mut rest = node.clone();
    let mut taken = HashSet::new();
    let mut last: Option<(Option<Place>, String)> = None;
    loop {
        // A key that is missing because its value was wrong is no second mistake.
        let missing = next.code == Code::MissingKey;
        let follows =
            missing && next.place.as_ref().is_some_and(|place| taken.contains(&(place.span, next.message.clone())));
        let place = next.place.clone();
        let same = last.as_ref() == Some(&(place.clone(), next.message.clone()));
        last = Some((place.clone(), next.message.clone()));
        if !follows && !same {
            problems.push(next);
        }
        if !place.is_some_and(|place| take_out(&mut rest, place.span, missing, &mut taken)) {
            return None;
        }
        match rest.read::<T>() {
            Ok(_) => return None,
            Err(problem) => next = *problem,
        }
    }
}

/// Takes the innermost value, or the entry of the key, at this place out of what holds it. Tells whether there was one.
fn take_out(node: &mut Node, at: Span, whole_map: bool, taken: &mut HashSet<(Span, String)>) -> bool {
    let span = node.span;
    match &mut node.kind {
        NodeKind::Seq(items) => {
            if items.iter_mut().any(|item| take_out(item, at, whole_map, taken)) {
                return true;
            }
            let before = items.len();
            items.retain(|item| item.span != at);
            items.len() < before
        }
        NodeKind::Map(entries) => {
            // A block map begins where its first key does; what is missing a key is the map.
            let by_key = entries.iter().position(|(key, _)| key.span == at && !whole_map);
            if by_key.is_none() && entries.iter_mut().any(|(_, value)| take_out(value, at, whole_map, taken)) {
                return true;
            }
            let Some(found) = by_key.or_else(|| entries.iter().position(|(_, value)| value.span == at)) else {
                return false;
            };
            let (key, _) = entries.remove(found);
            taken.insert((span, format!("missing key `{}`", key.as_str().unwrap_or_default())));
            true
        }
        _ => false,
    }
}

/// The value under a path of keys, or the nearest one above it that is there: where a problem with it is placed.
pub(crate) fn value_at<'a>(node: &'a Node, path: &[&str]) -> &'a Node {
    path.iter().try_fold(node, |node, key| node.get(key).ok_or(node)).unwrap_or_else(|nearest| nearest)
}

/// The key at a path of keys, or the nearest thing above it that is there.
pub(crate) fn key_at<'a>(node: &'a Node, path: &[&str]) -> &'a Node {
    let Some((last, above)) = path.split_last() else { return node };
    let above = value_at(node, above);
    above
        .entries()
        .and_then(|entries| entries.iter().find(|(key, _)| key.as_str() == Some(last)))
        .map_or(above, |(key, _)| key)
}

/// Whether the node is a map; reports it otherwise.
pub(crate) fn expect_map(node: &Node, what: &str, hint: &str, problems: &mut Vec<Diagnostic>) -> bool {
    let is_map = node.entries().is_some();
    if !is_map {
        problems.push(node.error(Code::InvalidValue, format!("{what} is not a map")).hint(hint));
    }
    is_map
}

/// A map at a place of its own.
pub(crate) fn map_at(place: Place, entries: Vec<(Node, Node)>) -> Node {
    let mut node = Node::synthetic(NodeKind::Map(entries));
    (node.file, node.span) = (place.file, place.span);
    node
}

/// An empty map in place of nothing: `files:` alone means `files: {}`.
pub(crate) fn null_as_map(mut node: Node) -> Node {
    if node.kind == NodeKind::Null {
        node.kind = NodeKind::Map(Vec::new());
    }
    node
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Outer {
        name: String,
        count: u32,
        #[serde(default)]
        inner: Option<Inner>,
        #[serde(default)]
        list: Vec<Inner>,
        #[serde(default)]
        limits: BTreeMap<String, u8>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Inner {
        a: u32,
        #[serde(default)]
        b: bool,
    }

    #[test]
    fn every_mistake_is_reported_once() {
        for (text, want) in [
            ("name: x\ncount: 1\ninner: {a: 1}\n", vec![]),
            (
                "name: 1\ncuont: 2\ninner:\n  a: x\n  zz: 1\nlist:\n  - {a: y}\n  - {b: true}\n  - 7\nlimits: {x: 300, y: z}\n",
                vec![
                    "a.yaml:1:7: P1004: expected a text, found the number `1`",
                    "a.yaml:2:1: P1002: unknown key `cuont`",
                    "a.yaml:4:6: P1004: expected a whole number, found the text `x`",
                    "a.yaml:5:3: P1002: unknown key `zz`",
                    "a.yaml:7:9: P1004: expected a whole number, found the text `y`",
                    "a.yaml:8:5: P1003: missing key `a`",
                    "a.yaml:9:5: P1004: expected a map, found the number `7`",
                    "a.yaml:10:13: P1004: expected a whole number from 0 to 255, found 300",
                    "a.yaml:10:21: P1004: expected a whole number, found the text `z`",
                ],
            ),
            (
                "inner: 3\nname: a\ncount: {}\n",
                vec![
                    "a.yaml:1:8: P1004: expected a map, found the number `3`",
                    "a.yaml:3:8: P1004: expected a whole number, found a map",
                ],
            ),
        ] {
            let mut problems = Vec::new();
            let read = read_all::<Outer>(&Node::parse(text, "a.yaml", 1).unwrap(), &mut problems);
            assert_eq!(read.is_some(), want.is_empty());
            let got: Vec<_> = problems.iter().map(ToString::to_string).collect();
            assert_eq!(got, want, "{got:#?}");
        }
    }

    #[test]
    fn the_keys_of_a_struct_are_known() {
        assert_eq!(keys_of::<Outer>(), ["name", "count", "inner", "list", "limits"]);
        assert!(keys_of::<phlo_spec::asset::AssetHeader>().contains(&"partitions"));
    }
}
