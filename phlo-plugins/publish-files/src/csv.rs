//! Batches as CSV. A missing value and a text that looks like one are told apart by quotes.

use std::io::{self, Write};

use arrow_array::RecordBatch;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType, Schema};

use crate::config::Dialect;

/// Writes the line of names, if there is to be one.
pub(crate) fn header(out: &mut impl Write, schema: &Schema, dialect: &Dialect) -> io::Result<()> {
    if !dialect.header {
        return Ok(());
    }
    let mut line = String::new();
    for (at, field) in schema.fields().iter().enumerate() {
        if at > 0 {
            line.push(char::from(dialect.delimiter));
        }
        field_of(&mut line, field.name(), dialect);
    }
    line.push('\n');
    out.write_all(line.as_bytes())
}

/// Writes a batch.
pub(crate) fn batch(out: &mut impl Write, batch: &RecordBatch, dialect: &Dialect) -> Result<(), ArrowError> {
    let options = FormatOptions::default().with_display_error(false);
    let columns = batch
        .columns()
        .iter()
        .map(|column| {
            let is_text = *column.data_type() == DataType::Utf8;
            Ok((column, is_text, ArrayFormatter::try_new(column, &options)?))
        })
        .collect::<Result<Vec<_>, ArrowError>>()?;
    let alone = columns.len() == 1;
    let (mut line, mut value) = (String::new(), String::new());
    for row in 0..batch.num_rows() {
        line.clear();
        for (at, (column, is_text, formatter)) in columns.iter().enumerate() {
            if at > 0 {
                line.push(char::from(dialect.delimiter));
            }
            if column.is_null(row) {
                // An empty line is none to many readers.
                line.push_str(if alone && dialect.null.is_empty() { "\"\"" } else { &dialect.null });
                continue;
            }
            value.clear();
            formatter.value(row).write(&mut value)?;
            if *is_text || value.contains(char::from(dialect.delimiter)) {
                field_of(&mut line, &value, dialect);
            } else {
                line.push_str(&value);
            }
        }
        line.push('\n');
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}

fn field_of(line: &mut String, value: &str, dialect: &Dialect) {
    let special = |byte: u8| byte == dialect.delimiter || matches!(byte, b'"' | b'\n' | b'\r');
    if value == dialect.null || value.is_empty() || value.bytes().any(special) {
        line.push('"');
        line.push_str(&value.replace('"', "\"\""));
        line.push('"');
    } else {
        line.push_str(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phlo_testkit::fixture;

    fn written(columns: &str, rows: &[&str], dialect: &Dialect) -> String {
        let made = fixture::batch(columns, rows);
        let mut out = Vec::new();
        header(&mut out, &made.schema(), dialect).unwrap();
        batch(&mut out, &made, dialect).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn quotes_stand_where_they_are_needed() {
        let plain = Dialect { delimiter: b',', header: true, null: String::new() };
        assert_eq!(
            written("id:int64 s:string", &["1|a", "2|-", "3|", "4|a,b", "5|say \"x\"", "6|two\nlines"], &plain),
            "id,s\n1,a\n2,\n3,\"\"\n4,\"a,b\"\n5,\"say \"\"x\"\"\"\n6,\"two\nlines\"\n"
        );
        let other = Dialect { delimiter: b'.', header: false, null: "NA".to_owned() };
        assert_eq!(written("r:float64 s:string", &["1.5|NA", "-|x.y"], &other), "\"1.5\".\"NA\"\nNA.\"x.y\"\n");
        assert_eq!(written("s:string", &["-", "a"], &plain), "s\n\"\"\na\n");
    }

    #[test]
    fn values_are_written_as_other_tools_read_them() {
        let plain = Dialect { delimiter: b';', header: false, null: String::new() };
        assert_eq!(
            written(
                "b:boolean d:decimal(9,2) day:date at:timestamp z:timestamptz f:float64 x:binary",
                &["true|1.50|2024-01-31|2024-01-31T06:30:00.25|2024-01-31T06:30:00Z|0.1|ab"],
                &plain
            ),
            "true;1.50;2024-01-31;2024-01-31T06:30:00.250;2024-01-31T06:30:00Z;0.1;6162\n"
        );
    }
}
