//! The check, as data: what must hold. The engine compiles it into the pass that writes the rows.

use arrow_schema::DataType;
use phlo_plugin::prelude::*;
use phlo_plugin::quality::quote;
use phlo_plugin::schema::type_name;
use schemars::JsonSchema;
use serde::Deserialize;

/// The parameters. `name`, `description`, `severity`, `tolerance` and `where` are every check's and not here.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The columns, of texts; also written on their own: `{{plugin}}: [a, b]`.
    pub columns: Vec<String>,
}

/// Makes the checks.
#[derive(Debug)]
pub struct {{Type}}Check;

impl Plugin for {{Type}}Check {
    type Settings = NoSettings;

    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Ok(Self)
    }
}

impl Quality for {{Type}}Check {
    type Params = Params;
    const SHORTHAND: Option<&'static str> = Some("columns");

    fn check(&self, params: Params, target: &CheckTarget) -> Result<CheckPlan> {
        let columns = params.columns;
        if columns.is_empty() {
            return Err(invalid("`columns` is empty").hint("name at least one column"));
        }
        for (at, column) in columns.iter().enumerate() {
            if columns[..at].contains(column) {
                return Err(invalid(format!("`columns` names `{column}` twice")).hint("remove one of them"));
            }
            // A column that is not there is refused by the engine, which knows the nearest name.
            if let Some(other) = column_type(target, column).filter(|it| !is_text(it)) {
                let found = type_name(other);
                return Err(invalid(format!("`columns` names `{column}`, whose type {found} is not text"))
                    .hint("leave it out: only texts have white space"));
            }
        }
        // NULL stays NULL through `regexp_like` and `NOT`, and a predicate that is NULL counts as good. Among several columns a
        // false one outweighs a NULL, so that one null does not hide another column's fault.
        let clean = |column: &String| format!(r"NOT regexp_like({}, '^\s|\s$')", quote(column));
        let predicate = columns.iter().map(clean).collect::<Vec<_>>().join(" AND ");
        let listed = columns.join(", ");
        Ok(CheckPlan::new(
            format!("{{plugin}}({listed})"),
            format!("no white space around {listed}"),
            Evaluation::rows(predicate),
        )
        .on(columns))
    }
}

/// The error of a parameter that cannot be meant. The message names the parameter; the platform adds file and line.
fn invalid(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidValue, message)
}

/// A column's type, if the table's columns are known yet.
fn column_type<'a>(target: &'a CheckTarget, column: &str) -> Option<&'a DataType> {
    Some(target.schema.as_ref()?.field_with_name(column).ok()?.data_type())
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}
