//! A difference, for people and for programs.

use std::fmt::Write as _;

use phlo_plugin::cli::NamedTable;
use serde_json::{Map, Value, json};

use crate::compare::{Difference, RowChange};

fn side(table: &NamedTable) -> String {
    table.version.map_or_else(|| table.table.to_string(), |version| format!("{}@{version}", table.table))
}

/// For people.
pub(crate) fn text(old: &NamedTable, new: &NamedTable, difference: &Difference) -> String {
    let mut text = format!("{} -> {}\n", side(old), side(new));
    if !difference.is_any() {
        let _ = writeln!(text, "no difference in {}", counted(difference.totals.1, "row"));
        return text;
    }
    for (sign, columns) in [("+", &difference.added_columns), ("-", &difference.removed_columns)] {
        for (name, data_type) in columns {
            let _ = writeln!(text, "{sign} column {name} {data_type}");
        }
    }
    for (name, from, to) in &difference.retyped_columns {
        let _ = writeln!(text, "~ column {name} {from} -> {to}");
    }
    let Difference { added, removed, changed, totals, key, .. } = difference;
    if added + removed + changed == 0 {
        let _ = writeln!(text, "rows: no difference in {}", counted(totals.1, "row"));
        return text;
    }
    let how = if key.is_empty() { "compared whole".to_owned() } else { format!("compared by {}", key.join(", ")) };
    let changed_text = if key.is_empty() { String::new() } else { format!(", {changed} changed") };
    let _ =
        writeln!(text, "rows: {added} added, {removed} removed{changed_text} ({} -> {}, {how})", totals.0, totals.1);
    if !difference.changed_columns.is_empty() {
        let columns: Vec<_> =
            difference.changed_columns.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let _ = writeln!(text, "changed: {}", columns.join(", "));
    }
    if !difference.sample.is_empty() {
        text.push('\n');
    }
    for row in &difference.sample {
        let _ = writeln!(text, "{}", line(row, key));
    }
    let shown = difference.sample.len() as i64;
    let all = added + removed + changed;
    if shown < all && shown > 0 {
        let _ = writeln!(text, "{} more; `--limit N` shows more of each sort", all - shown);
    }
    text
}

fn line(row: &RowChange, key: &[String]) -> String {
    let one = |name: &str, old: Option<&String>, new: Option<&String>| match (old, new) {
        (Some(old), Some(new)) if old != new => format!("{name} {old} -> {new}"),
        (_, Some(value)) | (Some(value), None) => format!("{name}={value}"),
        (None, None) => name.to_owned(),
    };
    let sign = match row.change {
        "added" => "+",
        "removed" => "-",
        _ => "~",
    };
    let parts = |of_key: bool| {
        let values = row.values.iter().filter(|(name, ..)| key.contains(name) == of_key);
        values.map(|(name, old, new)| one(name, old.as_ref(), new.as_ref())).collect::<Vec<_>>().join(", ")
    };
    let (identity, values) = (parts(true), parts(false));
    match (identity.is_empty(), values.is_empty()) {
        (true, _) => format!("{sign} {values}"),
        (false, true) => format!("{sign} {identity}"),
        (false, false) => format!("{sign} {identity}: {values}"),
    }
}

fn counted(count: i64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// For programs. Values of rows are texts.
pub(crate) fn json(old: &NamedTable, new: &NamedTable, difference: &Difference) -> Value {
    let column = |(name, data_type): &(String, String)| json!({ "name": name, "type": data_type });
    let columns = |columns: &[(String, String)]| columns.iter().map(column).collect::<Vec<_>>();
    let retyped = difference.retyped_columns.iter().map(|(n, from, to)| json!({ "name": n, "from": from, "to": to }));
    let rows = difference.sample.iter().map(|row| {
        let of = |new: bool| {
            let values = row.values.iter().filter_map(|(name, old, value)| {
                Some((name.clone(), Value::from(if new { value.clone() } else { old.clone() }?)))
            });
            values.collect::<Map<String, Value>>()
        };
        let mut object = Map::from_iter([("change".to_owned(), row.change.into())]);
        for (name, is_there, values) in
            [("old", row.change != "added", of(false)), ("new", row.change != "removed", of(true))]
        {
            if is_there {
                object.insert(name.to_owned(), values.into());
            }
        }
        Value::from(object)
    });
    json!({
        "status": "ok",
        "old": { "table": old.table, "version": old.version, "rows": difference.totals.0 },
        "new": { "table": new.table, "version": new.version, "rows": difference.totals.1 },
        "differs": difference.is_any(),
        "columns": {
            "added": columns(&difference.added_columns),
            "removed": columns(&difference.removed_columns),
            "retyped": retyped.collect::<Vec<_>>(),
        },
        "key": difference.key,
        "added": difference.added,
        "removed": difference.removed,
        "changed": difference.changed,
        "changed_columns": difference.changed_columns.iter().map(|(n, c)| (n.clone(), (*c).into())).collect::<Map<_, Value>>(),
        "rows": rows.collect::<Vec<_>>(),
    })
}
