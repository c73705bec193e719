#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used))]

use std::collections::BTreeMap;

use phlo_plugin::prelude::*;
use phlo_plugin::quality::quote;
use schemars::JsonSchema;
use serde::Deserialize;

phlo_plugin::package!();
phlo_plugin::register!(Semantic, Metrics, name = "metrics", summary = "Measures by dimensions, queried by name");

/// `plugins.settings.semantic.metrics` of `phlo.yaml`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The models by their names: lower-case letters, digits and `_`. `phlo sql` reads each as `semantic.NAME`.
    pub models: BTreeMap<String, Metric>,
}

/// A model: what is measured, and by what.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// For people.
    #[serde(default)]
    pub description: Option<String>,
    /// The published table that is measured, e.g. `silver.departures`.
    pub table: String,
    /// Measures by their names: SQL aggregates over the table's columns, e.g. `avg(dep_delay)`.
    pub measures: BTreeMap<String, String>,
    /// What the measures are grouped by: columns, or names with the SQL expression that each stands for.
    #[serde(default)]
    pub dimensions: Vec<Dimension>,
    /// Only rows for which this SQL predicate holds are measured.
    #[serde(default, rename = "where")]
    pub filter: Option<String>,
}

/// A column, or a name and the SQL expression that it stands for: `{ month: "date_trunc('month', flight_date)" }`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Dimension {
    /// A column.
    Column(String),
    /// Names with their expressions.
    Expression(BTreeMap<String, String>),
}

/// The plugin.
#[derive(Debug, Clone)]
pub struct Metrics(BTreeMap<String, Metric>);

impl Plugin for Metrics {
    type Settings = Settings;

    fn create(settings: Settings, _: &InitContext) -> Result<Self> {
        for (name, metric) in &settings.models {
            let wrong = |why: String| Err(Error::new(Code::InvalidValue, format!("the model `{name}`: {why}")));
            let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if !is_name {
                return wrong("a name is lower-case letters, digits and `_`".to_owned());
            }
            if AssetKey::new(metric.table.clone()).is_err() {
                return wrong(format!("`table` is `{}`, which names no table", metric.table));
            }
            if metric.measures.is_empty() {
                return wrong("`measures` is empty".to_owned());
            }
            let dimensions = columns(metric);
            if let Some((twice, _)) = dimensions.iter().find(|(n, _)| metric.measures.contains_key(n)) {
                return wrong(format!("`{twice}` is both a measure and a dimension"));
            }
        }
        Ok(Self(settings.models))
    }
}

/// The dimensions of a model: the name of each, and its expression.
fn columns(metric: &Metric) -> Vec<(String, String)> {
    let each = |dimension: &Dimension| match dimension {
        Dimension::Column(name) => vec![(name.clone(), quote(name))],
        Dimension::Expression(named) => named.iter().map(|(n, e)| (n.clone(), format!("({e})"))).collect(),
    };
    metric.dimensions.iter().flat_map(each).collect()
}

impl SemanticLayer for Metrics {
    fn models(&self) -> Result<Vec<SemanticModel>> {
        Ok(self.0.iter().map(|(name, metric)| model(name, metric)).collect())
    }
}

fn model(name: &str, metric: &Metric) -> SemanticModel {
    let dimensions = columns(metric);
    let table: Vec<_> = metric.table.split('.').map(quote).collect();
    let shown = dimensions.iter().map(|(name, expression)| (name, expression.clone()));
    let shown = shown.chain(metric.measures.iter().map(|(name, aggregate)| (name, aggregate.clone())));
    let shown: Vec<_> = shown.map(|(name, expression)| format!("    {expression} AS {}", quote(name))).collect();
    let mut sql = format!("SELECT\n{}\nFROM {}", shown.join(",\n"), table.join("."));
    if let Some(filter) = &metric.filter {
        sql.push_str(&format!("\nWHERE {filter}"));
    }
    if !dimensions.is_empty() {
        let by: Vec<_> = (1..=dimensions.len()).map(|i| i.to_string()).collect();
        sql.push_str(&format!("\nGROUP BY {}", by.join(", ")));
    }
    let joined = |names: Vec<&str>| names.join(", ");
    let metadata = BTreeMap::from([
        ("table".to_owned(), metric.table.clone()),
        ("dimensions".to_owned(), joined(dimensions.iter().map(|(name, _)| name.as_str()).collect())),
        ("measures".to_owned(), joined(metric.measures.keys().map(String::as_str).collect())),
    ]);
    SemanticModel { name: name.to_owned(), description: metric.description.clone(), sql: Some(sql), metadata }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(yaml: &str) -> Result<Metrics> {
        let settings = Node::parse(yaml, "f", 1).unwrap().read::<Settings>()?;
        Metrics::create(settings, &InitContext::at("/nowhere"))
    }

    #[test]
    fn a_model_is_the_query_that_its_measures_and_dimensions_say() {
        let metrics = metrics(
            "models:\n  delays:\n    table: silver.departures\n    where: not cancelled\n    measures: { flights: count(*) }\n    \
             dimensions: [carrier, { month: \"date_trunc('month', flight_date)\" }]\n",
        );
        let model = metrics.unwrap().model("delays").unwrap().unwrap();
        assert_eq!(
            model.sql.unwrap(),
            "SELECT\n    \"carrier\" AS \"carrier\",\n    (date_trunc('month', flight_date)) AS \"month\",\n    count(*) AS \"flights\"\n\
             FROM \"silver\".\"departures\"\nWHERE not cancelled\nGROUP BY 1, 2"
        );
        assert_eq!((&*model.metadata["dimensions"], &*model.metadata["measures"]), ("carrier, month", "flights"));
    }

    #[test]
    fn a_model_that_cannot_be_is_refused_by_its_name() {
        for (model, why) in [
            ("A: { table: a.b, measures: { n: count(*) } }", "a name is"),
            ("a: { table: a b, measures: { n: count(*) } }", "`table`"),
            ("a: { table: a.b, measures: {} }", "`measures`"),
            ("a: { table: a.b, measures: { n: count(*) }, dimensions: [n] }", "both"),
        ] {
            let err = metrics(&format!("models: {{ {model} }}")).unwrap_err();
            assert!(err.message().contains(why), "{model}: {err:?}");
        }
    }
}
