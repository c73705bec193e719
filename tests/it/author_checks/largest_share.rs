//! A check by a query that groups, whose rows a verdict in Rust judges, and by one that shows what broke it.

// begin: largest_share
use std::sync::Arc;

use phlo_plugin::prelude::*;
use phlo_plugin::quality::{RowsFn, Value, quote};
use schemars::JsonSchema;
use serde::Deserialize;

/// No value of a column has more than a share of the rows. Null is a value as any other; an empty table passes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The column.
    column: String,
    /// The largest share, from 0 to 1.
    at_most: f64,
}

struct LargestShare;

impl Quality for LargestShare {
    type Params = Params;
    const TOLERANCE: bool = false;

    fn check(&self, Params { column, at_most }: Params, _: &CheckTarget) -> Result<CheckPlan> {
        let groups = format!("SELECT {}, count(*) AS rows FROM this GROUP BY 1", quote(&column));
        let verdict: RowsFn = Arc::new(move |rows| {
            let numbers = rows.iter().flatten().map(Value::as_f64).collect::<Option<Vec<_>>>();
            match numbers.as_deref() {
                Some([largest, all]) => Verdict::whole(*largest <= at_most * all, format!("{}", largest / all)),
                _ => Verdict::whole(true, "no rows"),
            }
        });
        let query = format!("SELECT max(rows), sum(rows) FROM ({groups})");
        let show = Some(format!("{groups} ORDER BY rows DESC LIMIT 1"));
        let name = check_name("largest_share", &format!("{column}, {at_most}"));
        let expected = format!("at most {at_most} of the rows with one {column}");
        Ok(CheckPlan::new(name, expected, Evaluation::Query { query, verdict, show }).on([column]))
    }
}

phlo_plugin::register_check!(LargestShare, name = "largest_share", summary = "No value has too large a share");
// end
