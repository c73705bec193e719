//! What the checks do alike: names, SQL of the two sides, refusals.

use std::collections::BTreeMap;

use arrow_schema::DataType;
use phlo_plugin::Error;
use phlo_plugin::prelude::*;
use phlo_plugin::quality::{Value, With, quote};
use phlo_spec::text::thousands;

/// The error of a parameter that cannot be meant. The message names the parameter.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(Code::InvalidValue, message)
}

/// Refuses a list of columns that names one twice, or that is empty.
pub(crate) fn distinct(field: &str, columns: &[String]) -> Result<()> {
    if columns.is_empty() {
        return Err(invalid(format!("`{field}` is empty")).hint("name at least one column"));
    }
    match columns.iter().enumerate().find(|(at, column)| columns[..*at].contains(column)) {
        Some((_, twice)) => Err(invalid(format!("`{field}` names `{twice}` twice")).hint("remove one of them")),
        None => Ok(()),
    }
}

/// Refuses to compare an asset with itself.
pub(crate) fn another(with: &With, target: &CheckTarget) -> Result<()> {
    if with.is_this(target) {
        return Err(
            invalid(format!("`with` is `{}` itself, which is as it is", target.asset)).hint("name another asset")
        );
    }
    Ok(())
}

/// Refuses a predicate without anything in it.
pub(crate) fn predicate(other_where: Option<&String>) -> Result<()> {
    if other_where.is_some_and(|text| text.trim().is_empty()) {
        return Err(invalid("`other_where` is empty").hint("write a predicate over the other table, or remove the key"));
    }
    Ok(())
}

/// Refuses an allowance that is no number from 0 on.
pub(crate) fn allowance(field: &str, value: Option<f64>) -> Result<()> {
    match value {
        Some(x) if !x.is_finite() || x < 0.0 => {
            Err(invalid(format!("`{field}` is {x}, which is not a number from 0 on")).hint("write e.g. 0.01"))
        }
        _ => Ok(()),
    }
}

/// One of the two tables.
pub(crate) struct Side<'a> {
    /// 0 here, 1 there.
    pub(crate) number: u8,
    from: String,
    names: Option<&'a BTreeMap<String, String>>,
}

/// Both, the asset's own first.
pub(crate) fn sides<'a>(
    with: &With,
    target: &CheckTarget,
    other_where: Option<&String>,
    names: &'a BTreeMap<String, String>,
    used: &[String],
) -> Result<[Side<'a>; 2]> {
    another(with, target)?;
    predicate(other_where)?;
    if let Some(inert) = names.keys().find(|name| !used.contains(name)) {
        let message = format!("`other_names` has `{inert}`, which is none of the columns that are compared");
        return Err(invalid(message).hint(format!("columns: {}", used.join(", "))));
    }
    let there = with.table(target);
    let filter = other_where.map(|text| format!(" WHERE ({text}\n)")).unwrap_or_default();
    Ok([
        Side { number: 0, from: "this".to_owned(), names: None },
        Side { number: 1, from: format!("{there}{filter}"), names: Some(names) },
    ])
}

impl Side<'_> {
    /// A column as this side calls it, quoted.
    pub(crate) fn column(&self, column: &str) -> String {
        quote(self.names.and_then(|names| names.get(column)).map_or(column, String::as_str))
    }

    /// A query over this side.
    pub(crate) fn select(&self, items: &[String], group_by: &[String]) -> String {
        let group = if group_by.is_empty() { String::new() } else { format!(" GROUP BY {}", group_by.join(", ")) };
        let items: Vec<_> = items.iter().cloned().chain([format!("{} AS \"_side\"", self.number)]).collect();
        format!("SELECT {} FROM {}{group}", items.join(", "), self.from)
    }
}

/// Rows of both sides, one below the other.
pub(crate) fn both(sides: &[Side<'_>; 2], select: impl Fn(&Side<'_>) -> String) -> String {
    format!("({} UNION ALL {})", select(&sides[0]), select(&sides[1]))
}

/// A number in which every NaN is one and there is one zero.
pub(crate) fn one_number(sql: &str) -> String {
    format!("CASE WHEN isnan({sql}) THEN CAST('NaN' AS DOUBLE) ELSE ({sql}) + CAST(0 AS DOUBLE) END")
}

/// A key as it is grouped by: equal values are one.
pub(crate) fn key(sql: &str, data_type: Option<&DataType>) -> String {
    match data_type {
        Some(floating) if floating.is_floating() => one_number(&format!("CAST({sql} AS DOUBLE)")),
        _ => sql.to_owned(),
    }
}

/// The columns' names as keys `"_k0"`, …
pub(crate) fn keys(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("\"_k{at}\"")).collect()
}

/// Keys as what sorts by them: null is less than all else.
pub(crate) fn ordered(keys: &[String]) -> String {
    keys.iter().map(|key| format!("{key} NULLS FIRST")).collect::<Vec<_>>().join(", ")
}

/// The whole number at a place of a row; `None` if there is none.
pub(crate) fn whole(row: &[Value], at: usize) -> Option<u64> {
    match row.get(at)? {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::Null => Some(0),
        _ => None,
    }
}

/// The verdict on what a query never answers.
pub(crate) fn unexpected(rows: &[Vec<Value>]) -> Verdict {
    Verdict { total: Some(0), ..Verdict::whole(false, format!("no comparison, but {rows:?}")) }
}

/// `1 row`, `27,004 rows`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", thousands(count), if count == 1 { "" } else { "s" })
}

/// A check's name: the kind and what distinguishes it.
pub(crate) fn name(kind: &str, parts: &[String]) -> String {
    let parts: Vec<_> = parts.iter().filter(|part| !part.is_empty()).cloned().collect();
    check_name(kind, &parts.join("; "))
}

/// `where x = 1`, or nothing.
pub(crate) fn filtered(other_where: Option<&String>) -> String {
    other_where.map(|text| format!("there where {text}")).unwrap_or_default()
}

/// `a, b as x`.
pub(crate) fn listed(columns: &[String], names: &BTreeMap<String, String>) -> String {
    let one = |column: &String| match names.get(column) {
        Some(other) => format!("{column} as {other}"),
        None => column.clone(),
    };
    columns.iter().map(one).collect::<Vec<_>>().join(", ")
}
