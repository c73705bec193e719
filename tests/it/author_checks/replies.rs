//! A check by a query whose rows are the violations.

// begin: replies
use phlo_plugin::prelude::*;
use phlo_plugin::quality::quote;
use schemars::JsonSchema;
use serde::Deserialize;

/// What a row replies to is a row of the same table. A row whose reply is null replies to nothing and passes, and so does an empty
/// table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Params {
    /// The column that names another row.
    reply: String,
    /// The column that it names it by.
    to: String,
}

struct Replies;

impl Quality for Replies {
    type Params = Params;

    fn check(&self, Params { reply, to }: Params, _: &CheckTarget) -> Result<CheckPlan> {
        let (a, b) = (quote(&reply), quote(&to));
        // `this` is the table as it would be after the commit. Of a NULL in the list, NOT IN says nothing.
        let query = format!(
            "SELECT * FROM this WHERE {a} IS NOT NULL AND {a} NOT IN (SELECT {b} FROM this WHERE {b} IS NOT NULL)"
        );
        let name = check_name("replies", &format!("{reply}, {to}"));
        Ok(CheckPlan::new(name, format!("each {reply} is a {to}"), Evaluation::Violations { query }).on([reply, to]))
    }
}

phlo_plugin::register_check!(Replies, name = "replies", summary = "What a row replies to is a row of the table");
// end
