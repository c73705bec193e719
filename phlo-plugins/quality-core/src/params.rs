//! What several checks do with their parameters: refuse bad ones, look up a column's type, shorten a text for a name.

use phlo_plugin::Error;
use phlo_plugin::prelude::*;
use phlo_plugin::quality::quote;
use phlo_spec::text::thousands;

/// The error of a parameter that cannot be meant. The message names the parameter.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidValue, message)
}

/// Refuses a list of columns that is empty or names one twice.
pub(crate) fn distinct(columns: &[String]) -> Result<()> {
    if columns.is_empty() {
        return Err(invalid("`columns` is empty").hint("name at least one column"));
    }
    match columns.iter().enumerate().find(|(at, column)| columns[..*at].contains(column)) {
        Some((_, twice)) => Err(invalid(format!("`columns` names `{twice}` twice")).hint("remove one of them")),
        None => Ok(()),
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
