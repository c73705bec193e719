//! What several checks do with their parameters: refuse bad ones, look up a column's type, shorten a text for a name.

use phlo_plugin::Error;
use phlo_plugin::prelude::*;
use phlo_plugin::quality::quote;
use phlo_spec::text::thousands;
use serde::{Deserialize, Deserializer};

/// The error of a parameter that cannot be meant. The message names the parameter.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidValue, message)
}

/// Refuses a list of columns that is empty or names one twice.
pub(crate) fn distinct(columns: &[String]) -> Result<()> {
    if columns.is_empty() {
        return Err(invalid("`columns` is empty").hint("name at least one column"));
    }
    no_twice("columns", columns)
}

fn no_twice(field: &str, columns: &[String]) -> Result<()> {
    match columns.iter().enumerate().find(|(at, column)| columns[..*at].contains(column)) {
        Some((_, twice)) => Err(invalid(format!("`{field}` names `{twice}` twice")).hint("remove one of them")),
        None => Ok(()),
    }
}

/// The plan with what must hold lest it warns, if anything.
pub(crate) fn warning(plan: CheckPlan, wanted: Option<String>) -> CheckPlan {
    match wanted {
        Some(wanted) => plan.warning(wanted),
        None => plan,
    }
}

/// What a key holds that may be left out: one without a value is not left out, and refused.
pub(crate) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The columns that a check looks at: those that it names, or all of the table's but phlo's own, `_phlo_…`, and those that it excepts.
/// `None` where the table's are not known yet: before data is looked at, the check is made again.
pub(crate) fn looked_at(
    columns: Option<&[String]>,
    except: &[String],
    target: &CheckTarget,
) -> Result<Option<Vec<String>>> {
    if let Some(columns) = columns {
        distinct(columns)?;
        if !except.is_empty() {
            return Err(invalid("`except` excludes `columns`").hint("keep one of them"));
        }
        return Ok(Some(columns.to_vec()));
    }
    no_twice("except", except)?;
    let Some(schema) = &target.schema else { return Ok(None) };
    let names = schema.fields().iter().map(|field| field.name());
    let left = names.filter(|name| !name.starts_with("_phlo_") && !except.contains(name));
    let left: Vec<String> = left.cloned().collect();
    if left.is_empty() {
        return Err(invalid("`except` leaves no column").hint("name fewer columns"));
    }
    Ok(Some(left))
}

/// The same for people: `a, b`, or `*`, or `* except a, b`.
pub(crate) fn listed(columns: Option<&[String]>, except: &[String]) -> String {
    match (columns, except) {
        (Some(columns), _) => columns.join(", "),
        (None, []) => "*".to_owned(),
        (None, except) => format!("* except {}", except.join(", ")),
    }
}

/// The columns, quoted for SQL.
pub(crate) fn quoted(columns: &[String]) -> Vec<String> {
    columns.iter().map(|column| quote(column)).collect()
}

/// `1 row`, `27,004 rows`.
pub(crate) fn rows(count: u64) -> String {
    format!("{} row{}", thousands(count), if count == 1 { "" } else { "s" })
}
