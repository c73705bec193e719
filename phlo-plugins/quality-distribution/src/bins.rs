//! Bins of a column of numbers, which `chi_square` and `kl_divergence` compare in place of categories.

use phlo_plugin::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{self, double, invalid, literal};

/// Bins of a column of numbers, and how much of it each is expected to hold.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bins {
    /// Where bins begin and end, two or more in ascending order: `[0, 500, 1500]`. A bin begins with its edge and ends before the next; the
    /// last one holds its end, too.
    pub edges: Vec<f64>,
    /// How much each bin is expected to hold, in any unit, one fewer than edges: `[36, 64]`. 0 expects nothing. Either this or `with`.
    #[serde(default)]
    pub weights: Vec<f64>,
    /// How much is expected below the first edge and above the last, in the unit of `weights`: `[0.5, 1]`; nothing unless set.
    #[serde(default)]
    pub tail_weights: Vec<f64>,
}

/// Values from a number on and below another.
type Range = (Option<f64>, Option<f64>);

impl Bins {
    /// Refuses what cannot be meant, of bins that are compared with another asset's or with weights.
    pub(crate) fn refuse(&self, with: bool) -> Result<()> {
        let Self { edges, weights, tail_weights } = self;
        if edges.len() < 2 {
            return Err(invalid("`edges` makes no bin").hint("write two or more, e.g. `edges: [0, 500, 1500]`"));
        }
        if let Some(edge) = edges.iter().find(|edge| !edge.is_finite()) {
            return Err(invalid(format!("`edges` has {edge}, which is not a finite number"))
                .hint("leave it out: what is beyond the other edges is expected as `tail_weights` say"));
        }
        if let Some([edge, next, ..]) = edges.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(
                invalid(format!("`edges` has {next} after {edge}")).hint("write them in ascending order, each once")
            );
        }
        if with {
            if weights.is_empty() && tail_weights.is_empty() {
                return Ok(());
            }
            return Err(
                invalid("`with` excludes `weights` and `tail_weights`").hint("keep `edges` alone, or remove `with`")
            );
        }
        if weights.len() != edges.len() - 1 {
            let message = format!("`weights` is of length {}, not {}", weights.len(), edges.len() - 1);
            return Err(invalid(message).hint("write one for each bin, or name an asset in `with`"));
        }
        if !matches!(tail_weights.len(), 0 | 2) {
            return Err(invalid(format!("`tail_weights` is of length {}, not 2", tail_weights.len()))
                .hint("write what is expected below the first edge and above the last, e.g. `[0.5, 1]`"));
        }
        weights.iter().try_for_each(|weight| params::limit("weights", *weight, f64::INFINITY))?;
        tail_weights.iter().try_for_each(|weight| params::limit("tail_weights", *weight, f64::INFINITY))?;
        let sum: f64 = weights.iter().chain(tail_weights).sum();
        if sum > 0.0 && sum.is_finite() {
            return Ok(());
        }
        Err(invalid(format!("the sum of `weights` is {sum}")).hint("write how much each bin is expected to hold"))
    }

    /// What is below all edges, each bin, and what is above.
    fn ranges(&self) -> Vec<(String, Range)> {
        let [first, .., last] = self.edges[..] else { return Vec::new() };
        // Below the number after it, the last edge is in the last bin.
        let end = |edge: f64| if edge < last { edge } else { edge.next_up() };
        let inner = self.edges.windows(2);
        let inner = inner.map(|pair| (format!("{} to {}", pair[0], pair[1]), (Some(pair[0]), Some(end(pair[1])))));
        std::iter::once((format!("below {first}"), (None, Some(first))))
            .chain(inner)
            .chain([(format!("above {last}"), (Some(end(last)), None))])
            .collect()
    }

    /// How much is expected below all edges, in each bin, and above.
    pub(crate) fn weights(&self) -> Vec<f64> {
        let tail = |at: usize| self.tail_weights.get(at).copied().unwrap_or_default();
        std::iter::once(tail(0)).chain(self.weights.iter().copied()).chain([tail(1)]).collect()
    }

    /// The weights for people, and to tell checks apart; of what is expected at all.
    pub(crate) fn weighed(&self) -> String {
        let all = self.ranges().into_iter().zip(self.weights()).filter(|(_, weight)| *weight > 0.0);
        all.map(|((name, _), weight)| format!("{name}: {weight}")).collect::<Vec<_>>().join(", ")
    }

    /// How many numbers of a column are in each, as aggregates.
    pub(crate) fn counts(&self, column: &str) -> Vec<String> {
        self.ranges().iter().map(|(_, range)| params::count_within(&double(column), *range)).collect()
    }

    /// The one that a number of a column, which is not NaN, is in, as text.
    pub(crate) fn category(&self, column: &str) -> String {
        let number = double(column);
        let ranges = self.ranges();
        let case = |(at, (_, (_, below))): (usize, &(String, Range))| match below {
            Some(below) => format!(" WHEN {number} < {} THEN '{at}'", literal(*below)),
            None => format!(" ELSE '{at}'"),
        };
        format!("CASE{} END", ranges.iter().enumerate().map(case).collect::<String>())
    }
}
