//! `schema`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use phlo_plugin::prelude::*;
use phlo_plugin::schema::type_name;
use phlo_spec::text::one_line;
use phlo_spec::types::ColumnType;
use regex::Regex;
use schemars::{JsonSchema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::params::invalid;
use crate::pattern::compiles;

/// The table has these columns with these types, as it would be after the commit.
///
/// Looks at no data, neither null nor NaN: an empty table passes if its columns fit. Each column that is missing, has another type, is out
/// of order, breaks one of the other rules or (with `exact`) is not listed is one violation, and so is a wrong `count`; `tolerance` is
/// refused. Columns that phlo adds, `_phlo_…`, are ignored unless named. At least one of `columns`, `absent`, `count`, `names` and
/// `not_null` is needed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SchemaParams {
    /// Each column's name and type: boolean, int8, int16, int32, int64, float32, float64, string, binary, date, timestamp, timestamptz,
    /// decimal(p, s), a list of these of which one will do, or any.
    #[serde(default)]
    pub columns: Option<Columns>,
    /// Whether there may be no columns but those of `columns`.
    #[serde(default)]
    pub exact: bool,
    /// Whether those of `columns` have to come in this order; others may stand between them.
    #[serde(default)]
    pub ordered: bool,
    /// Columns that must not be there.
    #[serde(default)]
    pub absent: Vec<String>,
    /// How many columns there are: a number, or `{min, max}`.
    #[serde(default)]
    pub count: Option<Count>,
    /// A regular expression (Rust's `regex`) that every column's name matches, from its first character to its last, e.g. `'[a-z_]+'`.
    #[serde(default)]
    pub names: Option<String>,
    /// Columns that are there and declared not to be null. That is about the declaration, which not every store keeps; the check
    /// `not_null` is about the rows.
    #[serde(default)]
    pub not_null: Vec<String>,
}

/// Names and types in the order of the file; no types mean that any will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns(pub Vec<(String, Option<Vec<ColumnType>>)>);

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

struct Wanted(Option<Vec<ColumnType>>);

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WantedVisitor;

        impl<'de> Visitor<'de> for WantedVisitor {
            type Value = Wanted;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a type or a list of types")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Wanted, E> {
                match text {
                    "any" => Ok(Wanted(None)),
                    text => text.parse().map(|wanted| Wanted(Some(vec![wanted]))).map_err(E::custom),
                }
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Wanted, A::Error> {
                let mut types = Vec::new();
                while let Some(wanted) = list.next_element()? {
                    types.push(wanted);
                }
                if types.is_empty() {
                    return Err(A::Error::custom("expected at least one type, found an empty list"));
                }
                Ok(Wanted(Some(types)))
            }
        }

        deserializer.deserialize_any(WantedVisitor)
    }
}

/// How many columns: from the first number to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// The fewest.
    pub min: Option<u64>,
    /// The most.
    pub max: Option<u64>,
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Bounds {
            #[serde(default)]
            min: Option<u64>,
            #[serde(default)]
            max: Option<u64>,
        }

        struct CountVisitor;

        impl<'de> Visitor<'de> for CountVisitor {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 0, or `{min, max}`")
            }
            fn visit_u64<E>(self, count: u64) -> Result<Count, E> {
                Ok(Count { min: Some(count), max: Some(count) })
            }
            fn visit_i64<E: de::Error>(self, count: i64) -> Result<Count, E> {
                let unsigned = u64::try_from(count);
                unsigned
                    .map_err(|_| E::custom(format!("expected a whole number from 0, found `{count}`")))
                    .and_then(|count| self.visit_u64(count))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Count, A::Error> {
                let Bounds { min, max } = Bounds::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Count { min, max })
            }
        }

        deserializer.deserialize_any(CountVisitor)
    }
}

impl Count {
    fn holds(self, count: u64) -> bool {
        self.min.is_none_or(|min| count >= min) && self.max.is_none_or(|max| count <= max)
    }
}

/// `3 columns`, `2 to 5 columns`, `at least 1 column`.
impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (Some(min), Some(max)) if min == max => f.write_str(&counted(min)),
            (Some(min), Some(max)) => write!(f, "{min} to {}", counted(max)),
            (Some(min), None) => write!(f, "at least {}", counted(min)),
            (None, Some(max)) => write!(f, "at most {}", counted(max)),
            (None, None) => f.write_str("any number of columns"),
        }
    }
}

fn counted(count: u64) -> String {
    format!("{count} column{}", if count == 1 { "" } else { "s" })
}

impl JsonSchema for Count {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> schemars::Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                {
                    "type": "object",
                    "properties": {
                        "min": { "type": "integer", "minimum": 0, "description": "The fewest." },
                        "max": { "type": "integer", "minimum": 0, "description": "The most." }
                    },
                    "additionalProperties": false,
                    "minProperties": 1
                }
            ]
        })
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
        json_schema!({
            "type": "object",
            "additionalProperties": {
                "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }]
            },
            "minProperties": 1
        })
    }
}

/// Makes `schema` checks.
#[derive(Debug)]
pub struct TableSchema;

impl Quality for TableSchema {
    type Params = SchemaParams;
    const TOLERANCE: bool = false;

    fn check(&self, params: SchemaParams, _: &CheckTarget) -> Result<CheckPlan> {
        let rules = Rules::new(params)?;
        let (name, expected) = rules.shown();
        Ok(CheckPlan::new(
            check_name("schema", &name),
            expected,
            Evaluation::Schema { verdict: Arc::new(move |schema| rules.judge(schema)) },
        )
        .counting("column"))
    }
}

/// Whether phlo adds the column.
pub(crate) fn is_added(column: &str) -> bool {
    column.starts_with("_phlo_")
}

struct Rules {
    columns: Vec<(String, Option<Vec<ColumnType>>)>,
    exact: bool,
    ordered: bool,
    absent: Vec<String>,
    count: Option<Count>,
    /// As it is written, and so that it matches whole names.
    names: Option<(String, Regex)>,
    not_null: Vec<String>,
}

impl Rules {
    /// Refuses what cannot be meant.
    fn new(params: SchemaParams) -> Result<Self> {
        let SchemaParams { columns, exact, ordered, absent, count, names, not_null } = params;
        if columns.as_ref().is_some_and(|Columns(columns)| columns.is_empty()) {
            return Err(invalid("`columns` is empty").hint("name at least one column and its type"));
        }
        for (field, set) in [("exact", exact), ("ordered", ordered)] {
            if set && columns.is_none() {
                return Err(invalid(format!("`{field}` has no say without `columns`"))
                    .hint(format!("remove `{field}`, or list the columns")));
            }
        }
        let columns = columns.map_or_else(Vec::new, |Columns(columns)| columns);
        if columns.is_empty() && absent.is_empty() && count.is_none() && names.is_none() && not_null.is_empty() {
            return Err(invalid("none of `columns`, `absent`, `count`, `names` and `not_null` is given")
                .hint("give one of them, e.g. `columns: { id: int64 }`"));
        }
        for (field, list) in [("absent", &absent), ("not_null", &not_null)] {
            if let Some((_, twice)) = list.iter().enumerate().find(|(at, column)| list[..*at].contains(column)) {
                return Err(invalid(format!("`{field}` names `{twice}` twice")).hint("remove one of them"));
            }
        }
        let listed = |name: &String| columns.iter().any(|(column, _)| column == name);
        let wanted = |name: &String| listed(name) || not_null.contains(name);
        if let Some(name) = absent.iter().find(|name| wanted(name)) {
            let field = if listed(name) { "columns" } else { "not_null" };
            return Err(invalid(format!("`absent` names `{name}`, and so does `{field}`")).hint("remove one of them"));
        }
        if let Some(name) = not_null.iter().find(|name| exact && !listed(name) && !is_added(name)) {
            return Err(invalid(format!("`not_null` names `{name}`, which `columns` with `exact` leaves out"))
                .hint("list it there, too"));
        }
        let names = names.map(|pattern| {
            // The bare pattern first: `a)|(b` would become valid inside a group.
            compiles("names", &pattern, &pattern)?;
            let whole = Regex::new(&format!("^(?:{pattern})$"))
                .map_err(|_| invalid("`names` is too large an expression").hint("write a shorter one"))?;
            Ok::<_, Error>((pattern, whole))
        });
        let names = names.transpose()?;
        let all: BTreeSet<&String> =
            columns.iter().map(|(name, _)| name).chain(&not_null).filter(|name| !is_added(name)).collect();
        if let Some((pattern, regex)) = &names
            && let Some(name) = all.iter().find(|name| !regex.is_match(name))
        {
            return Err(invalid(format!("`names` is `{pattern}`, which the wanted column `{name}` does not match"))
                .hint("widen the expression, or rename the column"));
        }
        if let Some(count) = count {
            let named = all.len() as u64;
            match (count.min, count.max) {
                (None, None) => {
                    return Err(invalid("`count` has neither `min` nor `max`").hint("write a number, e.g. `count: 12`"));
                }
                (Some(min), Some(max)) if min > max => {
                    return Err(
                        invalid(format!("`count` has `min` {min}, above `max`, which is {max}")).hint("swap them")
                    );
                }
                (_, Some(max)) if max < named => {
                    return Err(invalid(format!("`count` allows {count}, and {named} are named")).hint("raise it"));
                }
                _ if exact && !count.holds(named) => {
                    return Err(invalid(format!("`count` wants {count}, and `exact` no more than {named}"))
                        .hint("remove one of them"));
                }
                _ => {}
            }
        }
        Ok(Self { columns, exact, ordered, absent, count, names, not_null })
    }

    /// What distinguishes the check, and what it expects.
    fn shown(&self) -> (String, String) {
        let types = |(name, wanted): &(String, Option<Vec<ColumnType>>)| match wanted {
            Some(wanted) => {
                let wanted: Vec<_> = wanted.iter().map(ToString::to_string).collect();
                format!("{name} {}", wanted.join("|"))
            }
            None => name.clone(),
        };
        let how = [(self.exact, ", exact"), (self.ordered, ", ordered")];
        let how: String = how.iter().filter(|(on, _)| *on).map(|(_, text)| *text).collect();
        let list = self.columns.iter().map(types).collect::<Vec<_>>().join(", ");
        let mut rest = Vec::new();
        if !self.absent.is_empty() {
            rest.push(format!("without {}", self.absent.join(", ")));
        }
        rest.extend(self.count.map(|count| count.to_string()));
        rest.extend(self.names.iter().map(|(pattern, _)| format!("names matching {}", one_line(pattern))));
        if !self.not_null.is_empty() {
            rest.push(format!("declared not null {}", self.not_null.join(", ")));
        }
        let joined = |first: String| {
            let first = (!self.columns.is_empty()).then_some(first);
            first.into_iter().chain(rest.iter().cloned()).collect::<Vec<_>>().join("; ")
        };
        (joined(format!("{list}{how}")), joined(format!("columns {list}{how}")))
    }

    fn judge(&self, schema: &SchemaRef) -> Verdict {
        let mut found = Found::default();
        let mut last: Option<(usize, &str)> = None;
        for (name, wanted) in &self.columns {
            found.look(name);
            let Some((at, field)) = schema.column_with_name(name) else {
                found.tell(name, "is missing");
                continue;
            };
            let data_type = type_name(field.data_type());
            match (wanted, last) {
                (Some(wanted), _) if wanted.iter().all(|wanted| wanted.to_string() != data_type) => {
                    found.tell(name, &format!("is {data_type}"));
                }
                (_, Some((before, previous))) if self.ordered && at < before => {
                    found.tell(name, &format!("comes before {previous}"));
                }
                _ => {}
            }
            if last.is_none_or(|(before, _)| at > before) {
                last = Some((at, name));
            }
        }
        let theirs: Vec<&str> =
            schema.fields().iter().map(|field| field.name().as_str()).filter(|name| !is_added(name)).collect();
        if self.exact {
            for name in theirs.iter().filter(|name| !self.columns.iter().any(|(listed, _)| listed == *name)) {
                found.look(name);
                found.tell(name, "is not listed");
            }
        }
        for name in &self.absent {
            found.look(name);
            if schema.column_with_name(name).is_some() {
                found.tell(name, "is there");
            }
        }
        for name in &self.not_null {
            let listed = self.columns.iter().any(|(listed, _)| listed == name);
            found.look(name);
            match schema.column_with_name(name) {
                Some((_, field)) if field.is_nullable() => found.tell(name, "may be null"),
                None if !listed => found.tell(name, "is missing"),
                _ => {}
            }
        }
        if let Some((_, regex)) = &self.names {
            for name in &theirs {
                found.look(name);
                if !regex.is_match(name) {
                    found.tell(name, "is no such name");
                }
            }
        }
        let count = theirs.len() as u64;
        let miscounted = self.count.is_some_and(|wanted| !wanted.holds(count));
        if miscounted {
            found.problems.push(format!("there are {}", counted(count)));
        }
        let verdict = found.verdict();
        Verdict {
            passed: verdict.passed && !miscounted,
            violations: verdict.violations + u64::from(miscounted),
            total: verdict.total.map(|total| total + u64::from(self.count.is_some())),
            ..verdict
        }
    }
}

/// Columns that were looked at, and what is wrong with them.
#[derive(Default)]
pub(crate) struct Found {
    seen: BTreeSet<String>,
    bad: BTreeSet<String>,
    problems: Vec<String>,
}

impl Found {
    pub(crate) fn look(&mut self, column: &str) {
        self.seen.insert(column.to_owned());
    }

    pub(crate) fn tell(&mut self, column: &str, what: &str) {
        self.bad.insert(column.to_owned());
        self.problems.push(format!("{column} {what}"));
    }

    /// Violations are columns.
    pub(crate) fn verdict(self) -> Verdict {
        Verdict {
            passed: self.bad.is_empty(),
            violations: self.bad.len() as u64,
            total: Some(self.seen.len() as u64),
            observed: (!self.problems.is_empty()).then(|| self.problems.join(", ")),
        }
    }
}
