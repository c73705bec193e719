//! Which assets of a run may start: those whose predecessors all ended well. Each edge is looked at once, however many assets
//! there are.

use std::collections::{BTreeMap, BTreeSet};

use phlo_spec::AssetKey;

/// The steps of a run that have not started, and what each still waits for.
pub(crate) struct Frontier {
    keys: Vec<AssetKey>,
    state: Vec<State>,
    next: Vec<Vec<usize>>,
    /// Steps that may start, in the order of the plan.
    ready: BTreeSet<usize>,
    at: BTreeMap<AssetKey, usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// For so many others to end.
    Waits(usize),
    /// Handed out, or never to be.
    Gone,
}

impl Frontier {
    /// From each step and those it comes after. What is not a step itself is not waited for.
    pub(crate) fn new(steps: Vec<(AssetKey, BTreeSet<AssetKey>)>) -> Self {
        let at: BTreeMap<AssetKey, usize> = steps.iter().enumerate().map(|(i, (key, _))| (key.clone(), i)).collect();
        let mut next = vec![Vec::new(); steps.len()];
        let mut state = Vec::with_capacity(steps.len());
        for (i, (_, after)) in steps.iter().enumerate() {
            let before: Vec<usize> = after.iter().filter_map(|key| at.get(key).copied()).collect();
            state.push(State::Waits(before.len()));
            for other in before {
                next[other].push(i);
            }
        }
        let ready = (0..state.len()).filter(|i| state[*i] == State::Waits(0)).collect();
        Self { keys: steps.into_iter().map(|(key, _)| key).collect(), state, next, ready, at }
    }

    /// Hands out a step that may start.
    pub(crate) fn start(&mut self) -> Option<AssetKey> {
        let step = self.ready.pop_first()?;
        self.state[step] = State::Gone;
        Some(self.keys[step].clone())
    }

    /// Takes note that a step ended. If it did not end well, the steps that can never start are handed back.
    pub(crate) fn ended(&mut self, key: &AssetKey, well: bool) -> Vec<AssetKey> {
        let Some(&step) = self.at.get(key) else { return Vec::new() };
        let mut lost = BTreeSet::new();
        let mut ends = vec![step];
        while let Some(step) = ends.pop() {
            for other in std::mem::take(&mut self.next[step]) {
                match &mut self.state[other] {
                    State::Gone => {}
                    state if !well => {
                        *state = State::Gone;
                        lost.insert(other);
                        ends.push(other);
                    }
                    State::Waits(count) => {
                        *count -= 1;
                        if *count == 0 {
                            self.ready.insert(other);
                        }
                    }
                }
            }
        }
        self.ready.retain(|step| !lost.contains(step));
        lost.into_iter().map(|step| self.keys[step].clone()).collect()
    }

    /// Hands back every step that has not started.
    pub(crate) fn rest(&mut self) -> Vec<AssetKey> {
        self.ready.clear();
        let waiting = self.state.iter_mut().zip(&self.keys).filter(|(state, _)| **state != State::Gone);
        waiting
            .map(|(state, key)| {
                *state = State::Gone;
                key.clone()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> AssetKey {
        AssetKey::new(text).unwrap()
    }

    fn frontier(steps: &[(&str, &str)]) -> Frontier {
        Frontier::new(steps.iter().map(|(k, after)| (key(k), after.split_whitespace().map(key).collect())).collect())
    }

    fn started(frontier: &mut Frontier) -> String {
        let mut all = Vec::new();
        while let Some(key) = frontier.start() {
            all.push(key.to_string());
        }
        all.join(" ")
    }

    #[test]
    fn a_step_starts_when_all_before_it_ended_well() {
        let mut f = frontier(&[("a.a", ""), ("a.b", "a.a"), ("a.c", "a.a x.y"), ("a.d", "a.b a.c")]);
        assert_eq!(started(&mut f), "a.a");
        assert!(f.ended(&key("a.a"), true).is_empty());
        assert_eq!(started(&mut f), "a.b a.c");
        f.ended(&key("a.b"), true);
        assert_eq!(started(&mut f), "");
        f.ended(&key("a.c"), true);
        assert_eq!(started(&mut f), "a.d");
        assert!(f.rest().is_empty());
    }

    #[test]
    fn what_comes_after_a_failure_never_starts_and_is_told_once() {
        let mut f = frontier(&[("a.a", ""), ("a.z", ""), ("a.b", "a.a"), ("a.c", "a.b a.z"), ("a.d", "a.z")]);
        assert_eq!(started(&mut f), "a.a a.z");
        assert_eq!(f.ended(&key("a.a"), false), [key("a.b"), key("a.c")]);
        assert!(f.ended(&key("a.z"), true).is_empty());
        assert_eq!(started(&mut f), "a.d");
    }

    #[test]
    fn steps_that_wait_for_each_other_are_left_over() {
        let mut f = frontier(&[("a.a", ""), ("a.b", "a.c"), ("a.c", "a.b")]);
        assert_eq!(started(&mut f), "a.a");
        f.ended(&key("a.a"), true);
        assert_eq!(f.rest(), [key("a.b"), key("a.c")]);
    }
}
