//! `phlo quality profile`: what a table holds, and the checks that this suggests.

use chrono::Utc;
use phlo_plugin::schema::type_name;
use phlo_runtime::{ColumnProfile, Distinct, Profile};
use phlo_spec::Node;
use serde_json::{Value, json};

use crate::app::{App, table as named};
use crate::exit::{Exit, Failure};
use crate::printer::Printer;
use crate::render::table::{Cell, Table};
use crate::render::{Tone, number, plural};

/// Characters of a value in a table.
const VALUE: usize = 30;
/// Common values of a column that a line shows.
const COMMON: usize = 5;
/// Significant digits of a computed number.
const DIGITS: i32 = 5;

pub(super) fn run(app: &App, table: &str, suggest: bool) -> Result<Exit, Failure> {
    let platform = app.open_to_look()?.platform;
    let key = named(&platform, table)?;
    let profile = app.wait(platform.profile(&key))?;
    if !suggest {
        app.printer.answer(|| document(&profile), || text(&app.printer, &profile))?;
        return Ok(Exit::Done);
    }
    let items = app.wait(platform.suggestions(&profile))?;
    let yaml = match items.as_slice() {
        [] => String::new(),
        items => format!("checks:\n{}", items.iter().map(|item| format!("  - {item}\n")).collect::<String>()),
    };
    app.printer.answer(
        || {
            let checks = items.iter().filter_map(|item| Some(Node::parse(item, "suggested", 1).ok()?.to_json()));
            let mut document = document(&profile);
            (document["checks"], document["yaml"]) = (checks.collect(), json!(yaml));
            document
        },
        || yaml.clone(),
    )?;
    app.printer.talk(&match items.len() {
        0 if profile.content.rows == 0 => format!("{key} holds no rows, which suggest nothing"),
        0 => format!("what {key} holds suggests no check that it does not have"),
        n => format!(
            "{} that pass on {key} v{} as it is; put them into the asset's file",
            plural(n, "check"),
            profile.table.version
        ),
    });
    Ok(Exit::Done)
}

fn document(profile: &Profile) -> Value {
    let (table, content) = (&profile.table, &profile.content);
    json!({
        "status": "ok", "table": table.table, "version": table.version, "committed_at": table.committed_at, "rows": content.rows,
        "bytes": table.bytes, "files": table.files, "columns": content.columns.iter().map(column).collect::<Vec<_>>(),
    })
}

fn column(column: &ColumnProfile) -> Value {
    let mut document = json!({
        "name": column.name, "type": type_name(&column.data_type), "nulls": column.nulls, "sensitive": column.sensitive,
        "distinct": column.distinct.map(|d| d.count), "distinct_is_exact": column.distinct.map(|d| d.exact),
        "min": column.min, "max": column.max,
        "common": column.common.iter().map(|(value, count)| json!({ "value": value, "count": count })).collect::<Vec<_>>(),
    });
    if let Some(quantiles) = &column.quantiles {
        let values = quantiles.values.iter().map(|(part, value)| json!({ "part": part, "value": value }));
        document["quantiles"] = values.collect();
        document["quantiles_are_exact"] = json!(quantiles.exact);
    }
    if let Some(n) = &column.numbers {
        document["numbers"] = json!({ "mean": n.mean, "stdev": n.stdev, "zeros": n.zeros, "negatives": n.negatives, "nans": n.nans, "infinite": n.infinite });
    }
    if let Some(t) = &column.texts {
        document["texts"] = json!({
            "min_length": t.min_length, "mean_length": t.mean_length, "max_length": t.max_length, "empty": t.empty, "pattern": t.pattern,
        });
    }
    if let Some((yes, no)) = column.booleans {
        document["booleans"] = json!({ "true": yes, "false": no });
    }
    document
}

fn text(printer: &Printer, profile: &Profile) -> String {
    let (info, content) = (&profile.table, &profile.content);
    let when = info.committed_at.map(|at| format!(", committed {}", number::ago(at, Utc::now()))).unwrap_or_default();
    let heading = format!(
        "{}  v{}{when}: {}, {} in {}",
        Tone::Strong.paint(&info.table),
        info.version,
        plural(usize::try_from(content.rows).unwrap_or(usize::MAX), "row"),
        number::bytes(info.bytes),
        plural(usize::try_from(info.files).unwrap_or(usize::MAX), "file")
    );
    let parts =
        [Some(all(printer, profile)), numbers(printer, profile), texts(printer, profile), values(printer, profile)];
    let mut text = format!("{heading}\n\n{}", parts.into_iter().flatten().collect::<Vec<_>>().join("\n"));
    let near =
        |of: &str, off: &str| format!("{}\n", Tone::Dim.paint(format!("~ {of} are approximate, within some {off}")));
    let mut notes = String::new();
    if content.columns.iter().any(|c| c.distinct.is_some_and(|d| !d.exact)) {
        notes += &near("distinct values", "2 %");
    }
    if content.columns.iter().any(|c| c.quantiles.as_ref().is_some_and(|q| !q.exact)) {
        notes += &near("quantiles", "1 % of the rows");
    }
    if !notes.is_empty() {
        text += &format!("\n{notes}");
    }
    text
}

fn all(printer: &Printer, profile: &Profile) -> String {
    let mut table = Table::list(printer, &["column", "type", ">nulls", ">distinct", "min", "max"]);
    for column in &profile.content.columns {
        let nulls = match column.nulls {
            0 => Cell::from("0"),
            n => format!("{} ({})", number::count(n), number::rate(n as f64 / profile.content.rows as f64)).into(),
        };
        let end = |value: &Option<Value>| match value {
            _ if column.sensitive => Cell::toned(("***", Tone::Dim)),
            value => Cell::maybe(value.as_ref().map(shown)),
        };
        table.row([
            Cell::toned((column.name.as_str(), Tone::Strong)),
            type_name(&column.data_type).into(),
            nulls,
            Cell::maybe(column.distinct.map(distinct)),
            end(&column.min),
            end(&column.max),
        ]);
    }
    table.text()
}

// Of numbers and moments.
fn numbers(printer: &Printer, profile: &Profile) -> Option<String> {
    let columns: Vec<_> = profile.content.columns.iter().filter_map(|c| Some((c, c.quantiles.as_ref()?))).collect();
    let parts = &columns.first()?.1.values;
    let mark = if columns.iter().any(|(_, q)| !q.exact) { "~" } else { "" };
    let mut headings: Vec<String> = [">", ">mean", ">stdev"].map(str::to_owned).to_vec();
    "column".clone_into(&mut headings[0]);
    headings.extend(parts.iter().map(|(part, _)| format!(">{mark}{}", number::percent(*part))));
    headings.extend([">zeros", ">negative", ">NaN", ">infinite"].map(str::to_owned));
    let mut table = Table::list(printer, &headings.iter().map(String::as_str).collect::<Vec<_>>());
    for (column, quantiles) in columns {
        let of = |pick: fn(&phlo_runtime::Numbers) -> Option<f64>| {
            Cell::maybe(column.numbers.as_ref().and_then(pick).map(rounded))
        };
        let count = |pick: fn(&phlo_runtime::Numbers) -> u64| {
            Cell::maybe(column.numbers.as_ref().map(|n| number::count(pick(n))))
        };
        let mut row = vec![Cell::toned((column.name.as_str(), Tone::Strong)), of(|n| n.mean), of(|n| n.stdev)];
        row.extend(quantiles.values.iter().map(|(_, value)| Cell::from(shown(value))));
        row.extend([count(|n| n.zeros), count(|n| n.negatives), count(|n| n.nans), count(|n| n.infinite)]);
        table.row(row);
    }
    Some(table.text())
}

fn texts(printer: &Printer, profile: &Profile) -> Option<String> {
    let columns: Vec<_> = profile.content.columns.iter().filter_map(|c| Some((c, c.texts.as_ref()?))).collect();
    columns.first()?;
    let mut table = Table::list(printer, &["column", ">shortest", ">mean length", ">longest", ">empty", "all match"]);
    for (column, texts) in columns {
        table.row([
            Cell::toned((column.name.as_str(), Tone::Strong)),
            number::count(texts.min_length).into(),
            rounded(texts.mean_length).into(),
            number::count(texts.max_length).into(),
            number::count(texts.empty).into(),
            Cell::maybe(texts.pattern.clone()),
        ]);
    }
    Some(table.text())
}

// What is there more than once; the true and the false are values like others.
fn values(printer: &Printer, profile: &Profile) -> Option<String> {
    let often = |c: &&ColumnProfile| c.common.first().is_some_and(|(_, count)| *count > 1);
    let columns: Vec<_> = profile.content.columns.iter().filter(often).collect();
    columns.first()?;
    let mut table = Table::list(printer, &["column", "most common values"]);
    for column in columns {
        let all = (profile.content.rows - column.nulls) as f64;
        let mut values: Vec<_> = column
            .common
            .iter()
            .take(COMMON)
            .map(|(value, count)| {
                format!("{} {} ({})", shown(value), number::count(*count), number::rate(*count as f64 / all))
            })
            .collect();
        let more = column.distinct.map_or(0, |d| d.count as usize).saturating_sub(values.len());
        if more > 0 {
            values.push(format!("… {} more", number::count(more as u64)));
        }
        table.row([Cell::toned((column.name.as_str(), Tone::Strong)), values.join(", ").into()]);
    }
    Some(table.text())
}

fn distinct(distinct: Distinct) -> String {
    format!("{}{}", if distinct.exact { "" } else { "~" }, number::count(distinct.count))
}

fn shown(value: &Value) -> String {
    let text = match value {
        // An empty text would look like none.
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => number.as_f64().map_or_else(|| number.to_string(), rounded),
        other => other.to_string(),
    };
    match text.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

// A number with five digits that matter.
fn rounded(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || !size.is_finite() {
        return number.to_string();
    }
    let power = size.log10().floor() as i32;
    if !(-6..15).contains(&power) {
        return format!("{number:.*e}", (DIGITS - 1) as usize);
    }
    let text = format!("{number:.*}", (DIGITS - 1 - power).max(0) as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_matter() {
        for (number, want) in [
            (0.0, "0"),
            (12.639_07, "12.639"),
            (0.000_123_456, "0.00012346"),
            (1301.0, "1301"),
            (-43.5, "-43.5"),
            (1_234_567.8, "1234568"),
            (1e-9, "1.0000e-9"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(rounded(number), want);
        }
        assert_eq!(
            [shown(&json!("")), shown(&json!(7)), shown(&json!("a".repeat(40)))],
            ["\"\"".to_owned(), "7".to_owned(), format!("{}…", "a".repeat(30))]
        );
    }
}
