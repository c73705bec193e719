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
/// A column of no more different values has its most common ones shown.
const FEW: u64 = 50;
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
    let parts = [all, numbers, moments, texts, values].into_iter().filter_map(|part| part(printer, profile));
    let mut text = format!("{heading}\n\n{}", parts.collect::<Vec<_>>().join("\n"));
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

#[expect(clippy::unnecessary_wraps, reason = "as the other tables")]
fn all(printer: &Printer, profile: &Profile) -> Option<String> {
    let mut table = Table::list(printer, &["column", "type", ">nulls", ">distinct", "min", "max"]);
    for column in &profile.content.columns {
        let nulls = match column.nulls {
            0 => Cell::from("0"),
            n => format!("{} ({})", number::count(n), number::rate(n as f64 / profile.content.rows as f64)).into(),
        };
        let end = |value: &Option<Value>| match value {
            _ if column.sensitive => Cell::toned(("***", Tone::Dim)),
            value => Cell::maybe(value.as_ref().map(|value| shown(printer, value))),
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
    Some(table.text())
}

fn numbers(printer: &Printer, profile: &Profile) -> Option<String> {
    let numbers = profile.content.columns.iter().filter_map(|c| Some((c, c.numbers.as_ref()?)));
    let columns: Vec<_> = numbers.filter_map(|(c, n)| Some((c, n, c.quantiles.as_ref()?))).collect();
    let parts = parts(&columns.first()?.2.values, columns.iter().all(|(.., q)| q.exact));
    // Seldom there, and then of weight.
    let odd = columns.iter().any(|(_, n, _)| n.nans + n.infinite > 0);
    let mut headings = vec!["column", ">mean", ">stdev"];
    headings.extend(parts.iter().map(String::as_str));
    headings.extend([">zeros", ">negative"]);
    headings.extend([">NaN", ">infinite"].into_iter().filter(|_| odd));
    let mut table = Table::list(printer, &headings);
    for (column, n, quantiles) in columns {
        let counts = [n.zeros, n.negatives, n.nans, n.infinite].into_iter().take(if odd { 4 } else { 2 });
        let cells = [Cell::maybe(n.float_mean().map(rounded)), Cell::maybe(n.stdev.map(rounded))].into_iter();
        let cells = cells.chain(quantiles.values.iter().map(|(_, value)| shown(printer, value).into()));
        let cells = cells.chain(counts.map(|n| number::count(n).into()));
        table.row([Cell::toned((column.name.as_str(), Tone::Strong))].into_iter().chain(cells));
    }
    Some(table.text())
}

// Of dates, timestamps and times.
fn moments(printer: &Printer, profile: &Profile) -> Option<String> {
    let moments = profile.content.columns.iter().filter(|c| c.numbers.is_none());
    let columns: Vec<_> = moments.filter_map(|c| Some((c, c.quantiles.as_ref()?))).collect();
    let parts = parts(&columns.first()?.1.values, columns.iter().all(|(_, q)| q.exact));
    let headings: Vec<_> = ["column"].into_iter().chain(parts.iter().map(|part| &part[1..])).collect();
    let mut table = Table::list(printer, &headings);
    for (column, quantiles) in columns {
        let values = quantiles.values.iter().map(|(_, value)| shown(printer, value).into());
        table.row([Cell::toned((column.name.as_str(), Tone::Strong))].into_iter().chain(values));
    }
    Some(table.text())
}

fn parts(values: &[(f64, Value)], exact: bool) -> Vec<String> {
    let mark = if exact { "" } else { "~" };
    values.iter().map(|(part, _)| format!(">{mark}{}", number::percent(*part))).collect()
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
    let few = |c: &ColumnProfile| c.distinct.is_some_and(|d| d.exact && d.count <= FEW);
    let often = |c: &&ColumnProfile| few(c) && c.common.first().is_some_and(|(_, count)| *count > 1);
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
                format!("{}: {} ({})", shown(printer, value), number::count(*count), number::rate(*count as f64 / all))
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

// Cleaned before it is cut: a part of a secret is not found.
fn shown(printer: &Printer, value: &Value) -> String {
    let text = match value {
        // An empty text would look like none.
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => number.as_f64().map_or_else(|| number.to_string(), rounded),
        other => other.to_string(),
    };
    let text = printer.clean(&text);
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
    use crate::printer::Wishes;
    use anstream::adapter::strip_str;
    use arrow_schema::{DataType, Schema};
    use phlo_runtime::{Numbers, Quantiles, TableInfo, TableProfile, Texts};
    use phlo_spec::AssetKey;
    use std::sync::Arc;

    fn column(name: &str, data_type: DataType) -> ColumnProfile {
        ColumnProfile {
            name: name.to_owned(),
            data_type,
            nulls: 0,
            distinct: Some(Distinct { count: 2, exact: true }),
            sensitive: false,
            min: None,
            max: None,
            quantiles: None,
            numbers: None,
            texts: None,
            booleans: None,
            common: Vec::new(),
        }
    }

    fn profile() -> Profile {
        let table = TableInfo {
            table: AssetKey::new("bronze.flights").unwrap(),
            location: String::new(),
            version: 3,
            schema: Arc::new(Schema::empty()),
            rows: None,
            bytes: 1_300_000,
            files: 2,
            cursor: None,
            run_id: None,
            committed_at: None,
            facts: std::collections::BTreeMap::new(),
        };
        let five = |values: [Value; 5]| [0.05, 0.25, 0.5, 0.75, 0.95].into_iter().zip(values).collect();
        let columns = vec![
            ColumnProfile {
                nulls: 521,
                distinct: Some(Distinct { count: 26_400, exact: false }),
                min: Some(json!(-43)),
                max: Some(json!(1301)),
                quantiles: Some(Quantiles {
                    values: five([json!(-9), json!(-5), json!(-2), json!(11), json!(88)]),
                    exact: false,
                }),
                numbers: Some(Numbers {
                    mean: Some(json!(12.639_071)),
                    stdev: Some(40.21),
                    zeros: 1_401,
                    negatives: 15_000,
                    nans: 0,
                    infinite: 0,
                }),
                ..column("dep_delay", DataType::Int64)
            },
            ColumnProfile {
                min: Some(json!("2013-01-01")),
                max: Some(json!("2013-01-31")),
                quantiles: Some(Quantiles {
                    values: five(["02", "08", "16", "24", "30"].map(|d| json!(format!("2013-01-{d}")))),
                    exact: true,
                }),
                ..column("day", DataType::Date32)
            },
            ColumnProfile {
                min: Some(json!("EWR")),
                max: Some(json!("LGA")),
                texts: Some(Texts {
                    min_length: 3,
                    max_length: 3,
                    mean_length: 3.0,
                    empty: 0,
                    pattern: Some("[A-Z]{3}".to_owned()),
                }),
                common: vec![(json!("EWR"), 20_000), (json!("LGA"), 7_004)],
                ..column("origin", DataType::Utf8View)
            },
            ColumnProfile {
                booleans: Some((7_004, 20_000)),
                common: vec![(json!(false), 20_000), (json!(true), 7_004)],
                ..column("late", DataType::Boolean)
            },
            ColumnProfile { sensitive: true, ..column("pilot", DataType::Utf8) },
        ];
        Profile { table, content: TableProfile { rows: 27_004, columns } }
    }

    #[test]
    fn a_profile_reads_as_tables() {
        let printer = Printer::new(Wishes::default());
        insta::assert_snapshot!(strip_str(&text(&printer, &profile())).to_string(), @"
        bronze.flights  v3: 27,004 rows, 1.2 MiB in 2 files

        column     type           nulls  distinct  min         max
        dep_delay  int64    521 (1.9 %)   ~26,400  -43         1301
        day        date               0         2  2013-01-01  2013-01-31
        origin     string             0         2  EWR         LGA
        late       boolean            0         2  -           -
        pilot      string             0         2  ***         ***

        column       mean  stdev  ~5 %  ~25 %  ~50 %  ~75 %  ~95 %  zeros  negative
        dep_delay  12.639  40.21    -9     -5     -2     11     88  1,401    15,000

        column  5 %         25 %        50 %        75 %        95 %
        day     2013-01-02  2013-01-08  2013-01-16  2013-01-24  2013-01-30

        column  shortest  mean length  longest  empty  all match
        origin         3            3        3      0  [A-Z]{3}

        column  most common values
        origin  EWR: 20,000 (74 %), LGA: 7,004 (26 %)
        late    false: 20,000 (74 %), true: 7,004 (26 %)

        ~ distinct values are approximate, within some 2 %
        ~ quantiles are approximate, within some 1 % of the rows
        ");
    }

    #[test]
    fn numbers_have_the_digits_that_matter() {
        let printer = Printer::new(Wishes::default());
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
            [json!(""), json!(7), json!("a".repeat(40))].map(|value| shown(&printer, &value)),
            ["\"\"".to_owned(), "7".to_owned(), format!("{}…", "a".repeat(30))]
        );
    }
}
