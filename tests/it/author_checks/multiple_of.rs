//! A check of each row, in SQL.

// begin: multiple_of
use std::num::NonZeroU32;

use phlo_plugin::prelude::*;
use phlo_plugin::quality::quote;
use schemars::JsonSchema;
use serde::Deserialize;

/// Whole numbers are multiples of another, as prices are of a tick. Null passes, and so does an empty table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The column, of whole numbers.
    column: String,
    /// What they are multiples of.
    of: NonZeroU32,
}

struct MultipleOf;

impl Quality for MultipleOf {
    type Params = Params;

    fn check(&self, Params { column, of }: Params, _: &CheckTarget) -> Result<CheckPlan> {
        let name = check_name("multiple_of", &format!("{column}, {of}"));
        // A remainder of NULL is NULL, and a predicate that is NULL counts as good.
        let predicate = format!("{} % {of} = 0", quote(&column));
        Ok(CheckPlan::new(name, format!("{column} in multiples of {of}"), Evaluation::rows(predicate)).on([column]))
    }
}

phlo_plugin::register_check!(MultipleOf, name = "multiple_of", summary = "Whole numbers are multiples of another");
// end
