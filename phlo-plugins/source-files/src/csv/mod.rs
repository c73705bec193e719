//! CSV: its structure, its types, its values.

pub(crate) mod decode;
pub(crate) mod infer;
pub(crate) mod scan;
#[cfg(test)]
mod tests;

use arrow_schema::Schema;
use phlo_plugin::schema::type_name;
use phlo_plugin::{Error, Result};
use phlo_spec::Code;

use self::decode::{Fault, FaultKind, Layout};
use self::scan::{Cut, Cutter, Dialect};
use crate::blocks::{Block, Broken, Split, lines};
use crate::kinds::shown;

/// Cuts CSV between records.
pub(crate) struct CsvSplit {
    dialect: Dialect,
    cutter: Cutter,
}

impl CsvSplit {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self { dialect, cutter: Cutter::default() }
    }
}

impl Split for CsvSplit {
    fn split(&mut self, buffer: &mut [u8], last: bool) -> Result<usize, Broken> {
        let Cut { end, open_quote } = self.cutter.cut(self.dialect, buffer);
        match open_quote {
            Some(at) if last => Err(Broken { at, why: "a quote is opened here and never closed".to_owned() }),
            _ => Ok(end),
        }
    }
}

/// The first record of a file and where it ends in the file's first block; `None` if there is none.
pub(crate) fn first_record(dialect: Dialect, block: &Block) -> Option<(Vec<Vec<u8>>, usize)> {
    let mut reader = dialect.reader();
    let data = &block.data[..block.len];
    let (mut out, mut ends) = (vec![0; data.len()], vec![0; 64]);
    let (mut read, mut written, mut fields) = (0, 0, 0);
    loop {
        let (result, bytes, copied, found) =
            reader.read_record(&data[read..], &mut out[written..], &mut ends[fields..]);
        (read, written, fields) = (read + bytes, written + copied, fields + found);
        match result {
            csv_core::ReadRecordResult::OutputEndsFull => ends.resize(ends.len() * 2, 0),
            csv_core::ReadRecordResult::Record => break,
            csv_core::ReadRecordResult::End => return None,
            csv_core::ReadRecordResult::InputEmpty | csv_core::ReadRecordResult::OutputFull => {}
        }
    }
    let mut start = 0;
    let texts = ends[..fields].iter().map(|&end| {
        let text = out[start..end].to_vec();
        start = end;
        text
    });
    Some((texts.collect(), read))
}

/// The names of a file's columns, from its header or by their place.
pub(crate) fn column_names(
    record: Vec<Vec<u8>>,
    header: bool,
    names: Option<&[String]>,
    file: &str,
) -> Result<Vec<String>> {
    if !header {
        let width = record.len();
        return match names {
            Some(names) if names.len() != width => {
                let message = format!("`names` has {} names and the file {width} columns", names.len());
                Err(Error::new(Code::MalformedData, message)
                    .in_file(file, 1)
                    .hint("name each column in order; `delimiter` and `quote` say how the file is written"))
            }
            Some(names) => Ok(names.to_vec()),
            None => Ok((1..=width).map(|number| format!("column_{number}")).collect()),
        };
    }
    let names: Vec<_> = record
        .into_iter()
        .enumerate()
        .map(|(index, name)| match String::from_utf8(name) {
            Ok(name) if name.is_empty() => Ok(format!("column_{}", index + 1)),
            Ok(name) => Ok(name),
            Err(name) => Err(Error::new(
                Code::MalformedData,
                format!("the header's name {} is not UTF-8", shown(name.as_bytes())),
            )
            .in_file(file, 1)
            .hint("convert the file to UTF-8, e.g. with `iconv -f latin1 -t utf8`")),
        })
        .collect::<Result<_>>()?;
    for (at, name) in names.iter().enumerate() {
        if names[..at].contains(name) {
            return Err(Error::new(Code::MalformedData, format!("the header names the column `{name}` twice"))
                .in_file(file, 1)
                .hint("rename one of them in the file; or read it with `header: false`, `names` and the header as a `comment`"));
        }
    }
    Ok(names)
}

/// How a file with these columns fills the schema.
pub(crate) fn layout(names: &[String], columns: &[String], header: bool, file: &str) -> Result<Layout> {
    if !header && names.len() != columns.len() {
        let message = format!("the file has {} where others have {}", count(names.len(), "column"), columns.len());
        return Err(Error::new(Code::MalformedData, message).in_file(file, 0).hint(
            "without header fields are told apart by their place: read files of each width as an asset of their own",
        ));
    }
    if let Some(unknown) = names.iter().find(|name| !columns.contains(name)) {
        return Err(Error::new(
            Code::MalformedData,
            format!("the column `{unknown}` is in none of the files that were sampled"),
        )
        .in_file(file, 0)
        .hint(format!("declare it under the asset's `columns`, e.g. `{unknown}: string`")));
    }
    let fields = columns.iter().map(|column| names.iter().position(|name| name == column)).collect();
    Ok(Layout { width: names.len(), fields })
}

/// `1 field`, `2 fields`.
pub(crate) fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// A fault of a block, for people.
pub(crate) fn explain(fault: Fault, block: &Block, start: usize, width: usize, schema: &Schema, file: &str) -> Error {
    let line = block.line + lines(&block.data[..start + fault.at]);
    let error = |message: String| Error::new(Code::MalformedData, message).in_file(file, line);
    match fault.kind {
        FaultKind::Width(found) if found > width => {
            error(format!("the record has more than {}", count(width, "field")))
                .hint("a field that holds the delimiter needs quotes")
        }
        FaultKind::Width(found) => error(format!("the record has {} where {width} are wanted", count(found, "field")))
            .hint("check the line and the one before; `delimiter` and `quote` say how the file is written"),
        FaultKind::Value(column, value) => {
            let (name, data_type) = (schema.field(column).name(), type_name(schema.field(column).data_type()));
            let text = shown(&value);
            error(format!("column `{name}`: {text} is not of type {data_type}")).hint(format!(
                "mend the value, declare another type under the asset's `columns` (e.g. `{name}: string`), or add it to \
                 `null_values` if it means a missing value"
            ))
        }
        FaultKind::Utf8(column) => error(format!("column `{}`: the text is not UTF-8", schema.field(column).name()))
            .hint("convert the file to UTF-8, e.g. with `iconv -f latin1 -t utf8`"),
        FaultKind::TooLong(column) => {
            error(format!("column `{}`: the texts of a block exceed 2 GiB", schema.field(column).name()))
                .hint("look for a quote that is never closed")
        }
    }
}
