//! `schema`.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use phlo_plugin::prelude::*;
use phlo_plugin::schema::type_name;
use phlo_spec::types::ColumnType;
use schemars::{JsonSchema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use crate::params::{self, invalid};

/// The table has these columns with these types, as it would be after the commit.
///
/// Looks at no data: an empty table passes if its columns fit. Each column that is missing, has another type, is out of order or (with
/// `exact`) is not listed is one violation; `tolerance` is refused. Columns that phlo adds, `_phlo_…`, are ignored unless listed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchemaParams {
    /// Each column's name and type: boolean, int8, int16, int32, int64, float32, float64, string, binary, date, timestamp, timestamptz,
    /// decimal(p, s), or any.
    pub columns: Columns,
    /// Whether there may be no other columns.
    #[serde(default)]
    pub exact: bool,
    /// Whether the columns have to come in this order; others may stand between them.
    #[serde(default)]
    pub ordered: bool,
}

/// Names and types in the order of the file; no type means that any will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns(pub Vec<(String, Option<ColumnType>)>);

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ColumnsVisitor;

        impl<'de> Visitor<'de> for ColumnsVisitor {
            type Value = Columns;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from column names to types")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Columns, A::Error> {
                let mut columns = Vec::new();
                while let Some(name) = map.next_key()? {
                    columns.push((name, map.next_value::<Wanted>()?.0));
                }
                Ok(Columns(columns))
            }
        }

        deserializer.deserialize_map(ColumnsVisitor)
    }
}

struct Wanted(Option<ColumnType>);

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "any" => Ok(Self(None)),
            text => text.parse().map(|wanted| Self(Some(wanted))).map_err(D::Error::custom),
        }
    }
}

impl JsonSchema for Columns {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Columns".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> schemars::Schema {
        json_schema!({ "type": "object", "additionalProperties": { "type": "string" }, "minProperties": 1 })
    }
}

/// Makes `schema` checks.
#[derive(Debug)]
pub struct TableSchema;

impl Quality for TableSchema {
    type Params = SchemaParams;
    const TOLERANCE: bool = false;

    fn check(&self, params: SchemaParams, _: &CheckTarget) -> Result<CheckPlan> {
        let SchemaParams { columns: Columns(wanted), exact, ordered } = params;
        if wanted.is_empty() {
            return Err(invalid("`columns` is empty").hint("name at least one column and its type"));
        }
        let types = |(name, wanted): &(String, Option<ColumnType>)| match wanted {
            Some(wanted) => format!("{name} {wanted}"),
            None => name.clone(),
        };
        let how = [(exact, ", exact"), (ordered, ", ordered")];
        let how: String = how.iter().filter(|(on, _)| *on).map(|(_, text)| *text).collect();
        let list = wanted.iter().map(types).collect::<Vec<_>>().join(", ");
        Ok(CheckPlan::new(
            params::name("schema", &format!("{list}{how}")),
            format!("columns {list}{how}"),
            Evaluation::Schema { verdict: Arc::new(move |schema| judge(schema, &wanted, exact, ordered)) },
        ))
    }
}

fn judge(schema: &SchemaRef, wanted: &[(String, Option<ColumnType>)], exact: bool, ordered: bool) -> Verdict {
    let mut problems = Vec::new();
    let mut looked_at = wanted.len();
    let mut last: Option<(usize, &str)> = None;
    for (name, data_type) in wanted {
        let Some((at, field)) = schema.column_with_name(name) else {
            problems.push(format!("{name} is missing"));
            continue;
        };
        let (found, data_type) = (type_name(field.data_type()), data_type.map(|wanted| wanted.to_string()));
        match (data_type, last) {
            (Some(wanted), _) if wanted != found => problems.push(format!("{name} is {found}")),
            (_, Some((before, previous))) if ordered && at < before => {
                problems.push(format!("{name} comes before {previous}"));
            }
            _ => {}
        }
        if last.is_none_or(|(before, _)| at > before) {
            last = Some((at, name));
        }
    }
    if exact {
        let listed = |name: &str| wanted.iter().any(|(wanted, _)| wanted == name);
        let extra = schema
            .fields()
            .iter()
            .map(|field| field.name())
            .filter(|name| !listed(name) && !name.starts_with("_phlo_"));
        for name in extra {
            looked_at += 1;
            problems.push(format!("{name} is not listed"));
        }
    }
    Verdict {
        passed: problems.is_empty(),
        violations: problems.len() as u64,
        total: Some(looked_at as u64),
        observed: (!problems.is_empty()).then(|| problems.join(", ")),
    }
}
