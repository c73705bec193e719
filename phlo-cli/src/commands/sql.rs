//! `phlo sql`: rows that answer a query, written as they come.

use std::io::Read;
use std::time::Instant;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use futures::StreamExt;
use phlo_plugin::{Error, Result as Answer};
use phlo_runtime::SqlAnswer;
use phlo_spec::Code;

use crate::app::{App, error_document};
use crate::args::{RowFormat, Sql};
use crate::exit::{Exit, Failure};
use crate::render::rows::{columns, csv, grid, json_lines};
use crate::render::told::Told;
use crate::render::{number, plural};

/// Rows of which the columns' widths are found together.
const PAGE: usize = 1000;

pub(crate) fn run(app: &App, args: &Sql) -> Result<Exit, Failure> {
    let query = if args.query == "-" { from_stdin()? } else { args.query.clone() };
    let open = app.open_to_look()?;
    let shape = Shape::chosen(app, args.format)?;
    app.wait(write(app, shape, args.limit, open.platform.sql(&query)))?;
    Ok(Exit::Done)
}

fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|err| Error::new(Code::Usage, "standard input cannot be read").because(err))?;
    Ok(text)
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// In a format of their own.
    Rows(RowFormat),
    /// In the one document of `--json`.
    Document,
}

impl Shape {
    /// What the command line asks for.
    ///
    /// # Errors
    /// It asks for two things.
    pub(crate) fn chosen(app: &App, format: Option<RowFormat>) -> Result<Self, Failure> {
        match (app.printer.json(), format) {
            (true, None) => Ok(Self::Document),
            (true, Some(_)) => {
                Err(Failure::usage("`--json` and `--format` exclude each other: `--format json` writes the rows alone"))
            }
            (false, format) => Ok(Self::Rows(format.unwrap_or(RowFormat::Table))),
        }
    }
}

/// Writes rows as they come; nothing before the first.
///
/// # Errors
/// The query fails, or standard output cannot be written.
pub(crate) async fn write(
    app: &App,
    shape: Shape,
    limit: Option<u64>,
    answer: impl Future<Output = Answer<SqlAnswer>>,
) -> Result<(), Failure> {
    let clock = Instant::now();
    let SqlAnswer { schema, mut stream } = answer.await?;
    let mut left = limit.unwrap_or(u64::MAX);
    let mut writer = Writer { app, shape, schema, rows: 0, began: false, page: Vec::new() };
    while left > 0
        && let Some(batch) = stream.next().await
    {
        let outcome = match batch {
            Ok(batch) => {
                let batch = batch.slice(0, batch.num_rows().min(usize::try_from(left).unwrap_or(usize::MAX)));
                left -= batch.num_rows() as u64;
                writer.batch(batch)
            }
            Err(err) => Err(err.into()),
        };
        if let Err(failure) = outcome {
            return Err(writer.broken(failure));
        }
    }
    writer.end()?;
    if shape == Shape::Rows(RowFormat::Table) {
        app.printer.talk(&format!(
            "{} in {}",
            plural(writer.rows, "row"),
            number::millis(clock.elapsed().as_millis() as u64)
        ));
    }
    Ok(())
}

struct Writer<'a> {
    app: &'a App,
    shape: Shape,
    schema: arrow_schema::SchemaRef,
    rows: usize,
    began: bool,
    page: Vec<RecordBatch>,
}

fn unwritable(err: ArrowError) -> Failure {
    Error::new(Code::Unsupported, "a value cannot be written in this format")
        .because(err)
        .hint("cast the column in the query")
        .into()
}

impl Writer<'_> {
    fn batch(&mut self, batch: RecordBatch) -> Result<(), Failure> {
        let printer = &self.app.printer;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let first = self.rows == 0;
        self.rows += batch.num_rows();
        match self.shape {
            Shape::Rows(RowFormat::Table) => {
                self.page.push(batch);
                if self.page.iter().map(RecordBatch::num_rows).sum::<usize>() >= PAGE {
                    self.turn()?;
                }
            }
            Shape::Rows(RowFormat::Csv) => {
                printer.clean_data(&csv(printer, &batch, first).map_err(unwritable)?)?;
            }
            Shape::Rows(RowFormat::Json) | Shape::Document => {
                let rows = json_lines(&batch).map_err(unwritable)?;
                self.begin()?;
                // One row a line, a comma before each but the first.
                let lines = rows.trim_end().replace('\n', ",\n");
                printer.json_part(&format!("{}{lines}", if first { "\n" } else { ",\n" }))?;
            }
        }
        Ok(())
    }

    // What stands before the first row of JSON.
    fn begin(&mut self) -> Result<(), Failure> {
        if !self.began {
            self.began = true;
            match self.shape {
                Shape::Document => {
                    self.app.printer.json_part(&format!("{{\"columns\": {}, \"rows\": [", columns(&self.schema)))?;
                }
                Shape::Rows(_) => self.app.printer.json_part("[")?,
            }
        }
        Ok(())
    }

    fn turn(&mut self) -> Result<(), Failure> {
        let page = std::mem::take(&mut self.page);
        let text = grid(&self.app.printer, &self.schema, &page).map_err(unwritable)?;
        self.began = true;
        Ok(self.app.printer.out(&text)?)
    }

    fn end(&mut self) -> Result<(), Failure> {
        match self.shape {
            Shape::Rows(RowFormat::Table) => {
                if !self.page.is_empty() || !self.began {
                    self.turn()?;
                }
            }
            Shape::Rows(RowFormat::Csv) => {
                if self.rows == 0 {
                    let empty = RecordBatch::new_empty(self.schema.clone());
                    self.app.printer.clean_data(&csv(&self.app.printer, &empty, true).map_err(unwritable)?)?;
                }
            }
            Shape::Rows(RowFormat::Json) => {
                self.begin()?;
                self.app.printer.json_part("\n]\n")?;
            }
            Shape::Document => {
                self.begin()?;
                self.app.printer.json_part(&format!("\n], \"row_count\": {}, \"status\": \"ok\"}}\n", self.rows))?;
            }
        }
        Ok(())
    }

    // A document that has begun says how it ended; rows in another format are left without an end, so that nobody takes them for all.
    fn broken(&mut self, failure: Failure) -> Failure {
        if let (Shape::Document, true, Failure::Problems { told, .. }) = (self.shape, self.began, &failure) {
            let told: Vec<Told> = told.clone();
            let document = error_document(&told);
            let text = format!(
                "\n], \"row_count\": {}, \"status\": \"error\", \"error\": {}}}\n",
                self.rows, document["error"]
            );
            return match self.app.printer.json_part(&text) {
                Ok(()) => Failure::Written(failure.exit()),
                Err(err) => err.into(),
            };
        }
        failure
    }
}
