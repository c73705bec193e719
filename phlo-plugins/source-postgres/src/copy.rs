//! The stream of `COPY … TO STDOUT (FORMAT binary)` as record batches.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatchOptions;
use phlo_plugin::prelude::*;

use crate::columns::{Builder, ColumnPlan, Kind};
use crate::incremental::Follower;
use crate::values::Misfit;

/// What a stream begins with; flags and the length of an extension follow.
const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xFF\r\n\0";
const HEADER: usize = SIGNATURE.len() + 8;
/// A batch ends early when its values take this much.
const BATCH_BYTES: usize = 16 << 20;

/// What is read, for messages.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// `table`, or `database` for a query.
    pub(crate) kind: &'static str,
    /// The table's name, or the database that the query is put to.
    pub(crate) name: String,
}

/// Rows on their way from the wire into batches.
pub(crate) struct Decoder {
    subject: Subject,
    plans: Arc<[ColumnPlan]>,
    schema: SchemaRef,
    builders: Vec<Builder>,
    /// Watches two more columns, which are not delivered, and tells which rows are.
    follower: Option<Follower>,
    /// The beginning of a row whose end is still to come, or rows that the last batch had no room for.
    carry: Vec<u8>,
    header: bool,
    ended: bool,
    fields: Vec<Option<Range<usize>>>,
    rows: usize,
    bytes: usize,
    batch_rows: usize,
}

impl Decoder {
    pub(crate) fn new(
        subject: Subject,
        plans: Arc<[ColumnPlan]>,
        schema: SchemaRef,
        follower: Option<Follower>,
        batch_rows: usize,
    ) -> Self {
        let builders = plans.iter().map(|plan| Builder::new(&plan.kind)).collect();
        Self {
            subject,
            plans,
            schema,
            builders,
            follower,
            carry: Vec::new(),
            header: false,
            ended: false,
            fields: Vec::new(),
            rows: 0,
            bytes: 0,
            batch_rows: batch_rows.max(1),
        }
    }

    /// Whether a batch is full.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.rows >= self.batch_rows || self.bytes >= BATCH_BYTES
    }

    /// Rows since the last batch.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Takes what the server sent.
    #[inline]
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<()> {
        if self.carry.is_empty() {
            let taken = self.take(chunk)?;
            self.carry.extend_from_slice(&chunk[taken..]);
            Ok(())
        } else {
            self.carry.extend_from_slice(chunk);
            self.resume()
        }
    }

    /// Takes the rows that the last batch had no room for.
    pub(crate) fn resume(&mut self) -> Result<()> {
        if self.carry.is_empty() {
            return Ok(());
        }
        let mut carry = std::mem::take(&mut self.carry);
        let taken = self.take(&carry)?;
        carry.drain(..taken);
        self.carry = carry;
        Ok(())
    }

    /// What must be true when the server says that it sent everything. Answers the follower.
    pub(crate) fn end(&mut self) -> Result<Option<Follower>> {
        if !self.ended || !self.carry.is_empty() {
            return Err(self.broken("it ends in the middle of a row"));
        }
        Ok(self.follower.take())
    }

    /// Takes whole rows until a batch is full; answers the bytes that they took.
    fn take(&mut self, data: &[u8]) -> Result<usize> {
        let mut at = 0;
        if !self.header {
            let Some(header) = data.get(..HEADER) else { return Ok(0) };
            let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
            // Bit 16 of the flags: with object ids, which no server sends since version 12.
            if !header.starts_with(SIGNATURE) || number(11) & 0xFFFF_0000 != 0 {
                return Err(self.broken("it does not begin as such a stream does"));
            }
            let Some(rest) = (HEADER + number(15) as usize).checked_sub(data.len()) else {
                at = HEADER + number(15) as usize;
                self.header = true;
                return self.take_rows(data, at);
            };
            if rest > 0 {
                return Ok(0);
            }
            at = data.len();
            self.header = true;
        }
        self.take_rows(data, at)
    }

    fn take_rows(&mut self, data: &[u8], mut at: usize) -> Result<usize> {
        while !self.is_full() && !self.ended {
            let Some(end) = self.row(data, at)? else { break };
            at = end;
        }
        Ok(at)
    }

    /// Takes one row; answers where it ends, if its end is here.
    #[inline]
    fn row(&mut self, data: &[u8], start: usize) -> Result<Option<usize>> {
        let Some(count) = data.get(start..start + 2) else { return Ok(None) };
        let (count, mut at) = (i16::from_be_bytes([count[0], count[1]]), start + 2);
        if count == -1 {
            self.ended = true;
            return Ok(Some(at));
        }
        let watched = if self.follower.is_some() { 2 } else { 0 };
        if usize::try_from(count) != Ok(self.plans.len() + watched) {
            return Err(self.broken("a row has another number of values"));
        }
        self.fields.clear();
        for _ in 0..count {
            let Some(len) = data.get(at..at + 4) else { return Ok(None) };
            at += 4;
            self.fields.push(match usize::try_from(i32::from_be_bytes([len[0], len[1], len[2], len[3]])) {
                Ok(len) => {
                    let value = at..at + len;
                    at = value.end;
                    Some(value)
                }
                Err(_) => None,
            });
            if at > data.len() {
                return Ok(None);
            }
        }
        if let Some(follower) = &mut self.follower {
            let flag = |field: &Option<Range<usize>>| field.clone().map(|range| data.get(range) == Some(&[1]));
            let (delivered, flags) = self.fields.split_at(self.plans.len());
            let wanted = follower.admits(flag(&flags[0]), flag(&flags[1]), &data[start..at], delivered.len());
            if !wanted.map_err(|err| err.with(self.subject.kind, &self.subject.name))? {
                return Ok(Some(at));
            }
        }
        for index in 0..self.plans.len() {
            let builder = &mut self.builders[index];
            match &self.fields[index] {
                Some(range) => {
                    let value = &data[range.clone()];
                    if let Err(misfit) = builder.append(value) {
                        return Err(self.refusal(index, misfit, value));
                    }
                }
                None => builder.append_null(),
            }
        }
        self.rows += 1;
        self.bytes += at - start;
        Ok(Some(at))
    }

    /// The rows since the last batch.
    pub(crate) fn finish(&mut self) -> Result<RecordBatch> {
        let columns =
            self.plans.iter().zip(&mut self.builders).map(|(plan, builder)| {
                plan.finish(builder).map_err(|err| err.with(self.subject.kind, &self.subject.name))
            });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        (self.rows, self.bytes) = (0, 0);
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map_err(|err| Error::internal("columns differ in length").because(err))
    }

    fn broken(&self, what: &str) -> Error {
        Error::new(Code::MalformedData, format!("the server's binary stream cannot be read: {what}"))
            .with(self.subject.kind, &self.subject.name)
            .hint("is it a PostgreSQL, without a proxy that changes what passes?")
    }

    fn refusal(&self, index: usize, misfit: Misfit, value: &[u8]) -> Error {
        let plan = &self.plans[index];
        let (name, pg) = (&plan.name, plan.pg.name());
        let target = phlo_plugin::schema::type_name(&plan.kind.data_type());
        let in_query = format!("`{name}::text`");
        let text = format!("declare `{name}: string` under the asset's `columns`");
        let (what, hint) = match misfit {
            Misfit::Broken => {
                return self.broken(&format!("a value of the column `{name}` is not of its type `{pg}`"));
            }
            Misfit::Infinite => (
                "holds `infinity`, which its type here does not know".to_owned(),
                format!("use `query` with `nullif(\"{name}\", 'infinity')`, or {text}"),
            ),
            Misfit::NaN => (
                "holds `NaN`, which a decimal does not know".to_owned(),
                format!("use `query` with `nullif(\"{name}\", 'NaN')`, or {text}"),
            ),
            Misfit::TooLarge => (
                format!("holds a value that {target} has no room for"),
                format!("declare a type with more digits under the asset's `columns`, or {text}"),
            ),
            Misfit::TooFine => (
                format!("holds a value with more digits behind the point than {target} keeps"),
                "declare a decimal of a larger scale under the asset's `columns`, or round in `query`".to_owned(),
            ),
            Misfit::NotUtf8 => (
                "holds a text that is not UTF-8".to_owned(),
                format!(
                    "the database does not say its encoding; use `query` with `convert_from(\"{name}\"::bytea, 'LATIN1')`"
                ),
            ),
            Misfit::Nested => (
                "holds an array of several dimensions".to_owned(),
                format!("use `query` with `to_json(\"{name}\")` or {in_query}, or {text}"),
            ),
        };
        let error = Error::new(Code::MalformedData, format!("the column `{name}` {what}"))
            .with(self.subject.kind, &self.subject.name)
            .with("type", pg);
        // Of numbers the value says what to declare; other values are told by their kind of misfit.
        let shown = match plan.kind {
            Kind::Decimal(..) => {
                let mut shown = String::new();
                let number = crate::values::Numeric::new(value).and_then(|it| it.text(&mut shown));
                number.ok().map(|()| shown)
            }
            _ => None,
        };
        match shown {
            Some(shown) => error.with("value", shown).hint(hint),
            None => error.hint(hint),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int32Type;
    use tokio_postgres::types::Type;

    use super::*;

    fn stream() -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend([0_u8; 4]);
        bytes.extend(3_u32.to_be_bytes());
        bytes.extend([7_u8; 3]);
        for row in 0..5_i32 {
            bytes.extend(2_i16.to_be_bytes());
            bytes.extend(4_i32.to_be_bytes());
            bytes.extend(row.to_be_bytes());
            match row {
                3 => bytes.extend((-1_i32).to_be_bytes()),
                _ => {
                    bytes.extend((row as u32).to_be_bytes());
                    bytes.extend(vec![b'x'; row as usize]);
                }
            }
        }
        bytes.extend((-1_i16).to_be_bytes());
        bytes
    }

    fn decoder(batch_rows: usize) -> Decoder {
        let plans: Arc<[ColumnPlan]> = [("id", Type::INT4), ("name", Type::TEXT)]
            .map(|(name, pg)| ColumnPlan::new(name, &pg, -1, None).unwrap())
            .into();
        let schema = crate::plan::schema(&plans);
        let subject = Subject { kind: "table", name: "t".to_owned() };
        Decoder::new(subject, plans, schema, None, batch_rows)
    }

    #[test]
    fn rows_are_the_same_however_the_stream_is_cut() {
        let stream = stream();
        for size in [1, 2, 3, 7, 19, 26, 1000] {
            for batch_rows in [1, 2, 5, 9] {
                let (mut decoder, mut seen) = (decoder(batch_rows), Vec::new());
                let mut gather = |decoder: &mut Decoder| {
                    let batch = decoder.finish().unwrap();
                    assert!(batch.num_rows() <= batch_rows);
                    for row in 0..batch.num_rows() {
                        let names = batch.column(1).as_string::<i32>();
                        let name = names.iter().nth(row).unwrap().map(str::len);
                        seen.push((batch.column(0).as_primitive::<Int32Type>().value(row), name));
                    }
                };
                for chunk in stream.chunks(size) {
                    decoder.push(chunk).unwrap();
                    while decoder.is_full() {
                        gather(&mut decoder);
                        decoder.resume().unwrap();
                    }
                }
                gather(&mut decoder);
                decoder.end().unwrap();
                assert_eq!(seen, [(0, Some(0)), (1, Some(1)), (2, Some(2)), (3, None), (4, Some(4))]);
            }
        }
    }

    #[test]
    fn a_stream_that_breaks_off_is_an_error() {
        let stream = stream();
        for len in 0..stream.len() {
            let mut decoder = decoder(100);
            decoder.push(&stream[..len]).unwrap();
            assert!(decoder.end().is_err(), "{len}");
        }
        assert!(decoder(1).push(&[b'x'; 40]).is_err());
    }
}
