//! What several checks do with their parameters: refuse bad ones, look up a column's type, shorten a text for a name.

use arrow_schema::DataType;
use phlo_plugin::Error;
use phlo_plugin::prelude::*;
use phlo_plugin::quality::quote;

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

/// A column's type, a dictionary's being that of its values; `None` if the table's columns are not known yet or it is not one of
/// them, which the engine refuses.
pub(crate) fn column_type<'a>(target: &'a CheckTarget, column: &str) -> Option<&'a DataType> {
    match target.schema.as_ref()?.field_with_name(column).ok()?.data_type() {
        DataType::Dictionary(_, value) => Some(value),
        other => Some(other),
    }
}

/// `1 row`, `27,004 rows`.
pub(crate) fn rows(count: u64) -> String {
    format!("{} row{}", thousands(count), if count == 1 { "" } else { "s" })
}

/// `27,004`.
pub(crate) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A text on one line, for people.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A check's name: the kind and what distinguishes it, on one line and not endless, still different for different texts.
pub(crate) fn name(kind: &str, what: &str) -> String {
    const LONGEST: usize = 80;
    let what = one_line(what);
    if what.chars().count() <= LONGEST {
        return format!("{kind}({what})");
    }
    // FNV-1a: names are remembered, so the same text must give the same name in every build.
    let hash = what.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let start: String = what.chars().take(LONGEST - 10).collect();
    format!("{kind}({start}… {hash:08x})")
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn long_names_are_shortened_and_still_differ() {
        assert_eq!(name("sql", "select *\n  from this"), "sql(select * from this)");
        let (a, b) = (name("sql", &"a".repeat(200)), name("sql", &"a".repeat(201)));
        assert!(a.chars().count() < 100 && a != b, "{a} {b}");
        assert_eq!(a, name("sql", &"a".repeat(200)));
    }
}
