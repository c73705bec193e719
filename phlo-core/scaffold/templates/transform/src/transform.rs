//! The transform, as a query over its input: the engine plans it together with everything else that happens to the rows.

use arrow_schema::DataType;
use phlo_plugin::prelude::*;
use phlo_plugin::quality::quote;
use phlo_plugin::schema::type_name;
use schemars::JsonSchema;
use serde::Deserialize;

/// The parameters.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The columns, of texts; every column of texts unless given. Also written on their own: `{{plugin}}: [a, b]`.
    pub columns: Option<Vec<String>>,
    /// Whether a text of which nothing is left becomes null.
    pub empty_as_null: bool,
}

/// Plans the transform.
#[derive(Debug)]
pub struct {{Type}}Transform;

impl Plugin for {{Type}}Transform {
    type Settings = NoSettings;

    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Ok(Self)
    }
}

impl Transform for {{Type}}Transform {
    type Params = Params;
    const SHORTHAND: Option<&'static str> = Some("columns");

    fn plan(&self, params: Params, input: &SchemaRef) -> Result<TransformPlan> {
        let named = params.columns.as_deref();
        if let Some(columns) = named {
            refuse(columns, input)?;
        }
        let item = |name: &str, data_type: &DataType| {
            let column = quote(name);
            if !named.map_or(is_text(data_type), |columns| columns.iter().any(|it| it == name)) {
                return column;
            }
            let trimmed = format!(r"regexp_replace({column}, '^\s+|\s+$', '', 'g')");
            let kept = if params.empty_as_null { format!("nullif({trimmed}, '')") } else { trimmed };
            format!("{kept} AS {column}")
        };
        let items: Vec<_> = input.fields().iter().map(|field| item(field.name(), field.data_type())).collect();
        Ok(TransformPlan::Sql(format!("SELECT {} FROM input", items.join(", "))))
    }
}

/// Refuses a list of columns that cannot be meant. The message names the parameter; the platform adds file and line.
fn refuse(columns: &[String], input: &SchemaRef) -> Result<()> {
    if columns.is_empty() {
        return Err(Error::new(Code::InvalidValue, "`columns` is empty").hint("leave it out to take every text"));
    }
    for column in columns {
        let Ok(field) = input.field_with_name(column) else {
            let names: Vec<_> = input.fields().iter().map(|field| field.name().as_str()).collect();
            let otherwise = format!("columns: {}", names.join(", "));
            return Err(Error::new(Code::UnknownColumn, format!("there is no column `{column}`"))
                .suggest(column, names, otherwise));
        };
        if !is_text(field.data_type()) {
            let found = type_name(field.data_type());
            let message = format!("`columns` names `{column}`, whose type {found} is not text");
            return Err(Error::new(Code::InvalidValue, message).hint("leave it out: only texts have white space"));
        }
    }
    Ok(())
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}
