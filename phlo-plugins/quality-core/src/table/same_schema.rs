//! `same_schema`.

use std::sync::Arc;

use phlo_plugin::prelude::*;
use phlo_plugin::schema::type_name;
use phlo_spec::AssetKey;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::invalid;
use crate::schema::{Found, is_added};

/// The table has the columns of another table, with the same types.
///
/// Every column of the other table must be here; this one may have more unless `exact`. To ask it the other way round, put the check at the
/// other table. Looks at no data, neither null nor NaN: an empty table passes if its columns fit. Types are compared as `schema` names
/// them, so that a text is a text however it is stored and a timestamp's unit does not matter; whether a column may be null does not
/// either. Each column that is missing, has another type, is out of order or (with `exact`) is not in the other table is one violation;
/// `tolerance` is refused. Columns that phlo adds, `_phlo_…`, are ignored on both sides.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SameSchemaParams {
    /// The other table, e.g. `bronze.flights`; also written on its own: `same_schema: bronze.flights`.
    pub with: String,
    /// Whether there may be no columns but those of the other table.
    #[serde(default)]
    pub exact: bool,
    /// Whether they have to come in the order of the other table; others may stand between them.
    #[serde(default)]
    pub ordered: bool,
    /// Whether types have to be the same, too.
    #[serde(default = "yes")]
    pub types: bool,
}

fn yes() -> bool {
    true
}

/// Makes `same_schema` checks.
#[derive(Debug)]
pub struct SameSchema;

impl Quality for SameSchema {
    type Params = SameSchemaParams;
    const SHORTHAND: Option<&'static str> = Some("with");
    const TOLERANCE: bool = false;

    fn check(&self, params: SameSchemaParams, target: &CheckTarget) -> Result<CheckPlan> {
        let SameSchemaParams { with, exact, ordered, types } = params;
        let other = AssetKey::new(with.clone()).map_err(|_| {
            invalid(format!("`with` is `{with}`, which is not the name of a table"))
                .hint("tables are named `group.name`, e.g. `bronze.flights`")
        })?;
        if other == target.asset {
            return Err(invalid(format!("`with` is `{with}`, the table itself")).hint("name another table"));
        }
        let how = [(exact, ", exact"), (ordered, ", ordered"), (!types, ", names alone")];
        let how: String = how.iter().filter(|(on, _)| *on).map(|(_, text)| *text).collect();
        Ok(CheckPlan::new(
            check_name("same_schema", &format!("{with}{how}")),
            format!("the columns of {with}{how}"),
            Evaluation::Schemas {
                other: with,
                verdict: Arc::new(move |this, other| judge(this, other, exact, ordered, types)),
            },
        )
        .counting("column"))
    }
}

fn judge(this: &SchemaRef, other: &SchemaRef, exact: bool, ordered: bool, types: bool) -> Verdict {
    let mut found = Found::default();
    let mut last: Option<(usize, &str)> = None;
    for wanted in other.fields().iter().filter(|field| !is_added(field.name())) {
        let name = wanted.name();
        found.look(name);
        let Some((at, field)) = this.column_with_name(name) else {
            found.tell(name, "is missing");
            continue;
        };
        let (mine, theirs) = (type_name(field.data_type()), type_name(wanted.data_type()));
        match last {
            _ if types && mine != theirs => found.tell(name, &format!("is {mine}, not {theirs}")),
            Some((before, previous)) if ordered && at < before => {
                found.tell(name, &format!("comes before {previous}"));
            }
            _ => {}
        }
        if last.is_none_or(|(before, _)| at > before) {
            last = Some((at, name));
        }
    }
    if exact {
        let extra = this.fields().iter().map(|field| field.name()).filter(|name| !is_added(name));
        for name in extra.filter(|name| other.column_with_name(name).is_none()) {
            found.look(name);
            found.tell(name, "is not there");
        }
    }
    found.verdict()
}
