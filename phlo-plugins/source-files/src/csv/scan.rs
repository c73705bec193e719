//! Where records and fields begin and end in a block of CSV.
//!
//! Two readers of one grammar (csv-core's: a quote opens a field only at its beginning; `\r`, `\n` and `\r\n` end a record;
//! blank lines are nothing). The fast one compares 64 bytes at once and gives up on anything unusual; the exact one is
//! csv-core itself, and is the only one that reports what is wrong with a record.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr2, memrchr2};

use crate::values::Text;

/// Bytes beyond the data that every block has, so that whole words can be loaded at its end.
pub(crate) const PADDING: usize = 64;

/// The characters that structure the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// Between fields.
    pub delimiter: u8,
    /// Around fields; none if quotes mean nothing.
    pub quote: Option<u8>,
    /// Within quotes, makes the next byte literal; a doubled quote always does.
    pub escape: Option<u8>,
    /// Begins a line that is skipped.
    pub comment: Option<u8>,
}

impl Default for Dialect {
    fn default() -> Self {
        Self { delimiter: b',', quote: Some(b'"'), escape: None, comment: None }
    }
}

impl Dialect {
    pub(crate) fn reader(self) -> csv_core::Reader {
        let mut builder = csv_core::ReaderBuilder::new();
        builder.delimiter(self.delimiter).escape(self.escape).comment(self.comment);
        match self.quote {
            Some(quote) => builder.quote(quote),
            None => builder.quoting(false),
        };
        builder.build()
    }
}

/// What of a buffer is whole records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Up to here the buffer holds whole records.
    pub end: usize,
    /// A quote that is open at the end of the buffer.
    pub open_quote: Option<usize>,
}

/// Finds the end of the last whole record in a buffer that begins with a record.
#[derive(Debug, Default)]
pub(crate) struct Cutter {
    // What lies outside of quotes, in order.
    outside: Vec<Range<usize>>,
}

impl Cutter {
    pub(crate) fn cut(&mut self, dialect: Dialect, buffer: &[u8]) -> Cut {
        if dialect.comment.is_some() {
            return cut_bytewise(dialect, buffer);
        }
        let last_end =
            |range: Range<usize>| memrchr2(b'\n', b'\r', &buffer[range.clone()]).map(|at| range.start + at + 1);
        let Some(quote) = dialect.quote else {
            return Cut { end: last_end(0..buffer.len()).unwrap_or(0), open_quote: None };
        };
        self.outside.clear();
        let (mut outside, mut from, mut open_quote) = (0, 0, None);
        while let Some(at) = memchr(quote, &buffer[from..]).map(|at| from + at) {
            let opens = at == 0 || matches!(buffer[at - 1], b if b == dialect.delimiter || b == b'\n' || b == b'\r');
            if !opens {
                from = at + 1;
                continue;
            }
            self.outside.push(outside..at);
            match closing_quote(quote, dialect.escape, buffer, at + 1) {
                Some(close) => (outside, from) = (close + 1, close + 1),
                None => {
                    open_quote = Some(at);
                    break;
                }
            }
        }
        if open_quote.is_none() {
            self.outside.push(outside..buffer.len());
        }
        let end = self.outside.iter().rev().find_map(|range| last_end(range.clone())).unwrap_or(0);
        Cut { end, open_quote }
    }
}

/// The quote that closes; none if it is not in the buffer, or is its last byte and might yet prove doubled.
fn closing_quote(quote: u8, escape: Option<u8>, buffer: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let at = from + memchr2(quote, escape.unwrap_or(quote), buffer.get(from..)?)?;
        let next = *buffer.get(at + 1)?;
        if buffer[at] == quote && next != quote {
            return Some(at);
        }
        from = at + 2;
    }
}

/// As [`Cutter::cut`], for dialects with comments, whose quotes mean nothing.
fn cut_bytewise(dialect: Dialect, buffer: &[u8]) -> Cut {
    let is_end = |byte: u8| byte == b'\n' || byte == b'\r';
    let (mut end, mut at) = (0, 0);
    let (mut record_start, mut field_start) = (true, true);
    while let Some(&byte) = buffer.get(at) {
        if record_start && Some(byte) == dialect.comment {
            match memchr(b'\n', &buffer[at..]) {
                Some(length) => at += length + 1,
                None => break,
            }
            end = at;
        } else if field_start && Some(byte) == dialect.quote {
            match closing_quote(byte, dialect.escape, buffer, at + 1) {
                Some(close) => at = close + 1,
                None => return Cut { end, open_quote: Some(at) },
            }
            (record_start, field_start) = (false, false);
        } else {
            at += 1;
            record_start = is_end(byte);
            field_start = record_start || byte == dialect.delimiter;
            if record_start {
                end = at;
            }
        }
    }
    Cut { end, open_quote: None }
}

/// What is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrongWidth {
    /// Where the record begins in the block.
    pub at: usize,
    /// How many fields it has; one more than wanted means "more".
    pub found: usize,
}

/// Where the fields of a block of whole records lie. Reused from block to block.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    columns: usize,
    // Where each field ends, record after record.
    ends: Vec<u32>,
    // Where each record begins.
    starts: Vec<u32>,
    // Bytes between a field's end and the next field's start.
    gap: usize,
    // Records copied without their quotes, if `exact`.
    copy: Vec<u8>,
    // Where each copied record begins in the block.
    origins: Vec<u32>,
    exact: bool,
}

impl Fields {
    /// Reads the structure of `data[..len]`: whole records of this many fields, each ended by a line end; `data` goes on for
    /// [`PADDING`] bytes.
    pub(crate) fn scan(&mut self, dialect: Dialect, columns: usize, data: &[u8], len: usize) -> Result<(), WrongWidth> {
        self.columns = columns;
        let plain = dialect.escape.is_none() && dialect.comment.is_none();
        self.exact = !(plain && self.scan_fast(dialect, data, len));
        if self.exact { self.scan_exactly(dialect, &data[..len]) } else { Ok(()) }
    }

    #[cfg(test)]
    pub(crate) fn is_exact(&self) -> bool {
        self.exact
    }

    pub(crate) fn rows(&self) -> usize {
        self.starts.len()
    }

    /// The bytes that ranges refer to.
    pub(crate) fn text<'a>(&'a self, data: &'a [u8]) -> &'a [u8] {
        if self.exact { &self.copy } else { data }
    }

    /// Whether fields may still have their quotes.
    pub(crate) fn raw_quotes(&self, dialect: Dialect) -> Option<u8> {
        if self.exact { None } else { dialect.quote }
    }

    /// Where a record begins in the block.
    pub(crate) fn origin(&self, row: usize) -> usize {
        if self.exact { self.origins[row] as usize } else { self.starts[row] as usize }
    }

    /// One column, from the first record to the last.
    #[inline]
    pub(crate) fn column(&self, column: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        let gap = self.gap;
        self.ends.chunks_exact(self.columns).zip(&self.starts).map(move |(ends, &start)| {
            let start = if column == 0 { start as usize } else { ends[column - 1] as usize + gap };
            (start, ends[column] as usize)
        })
    }

    /// One column as texts without quotes.
    pub(crate) fn texts<'a>(
        &'a self,
        dialect: Dialect,
        column: usize,
        data: &'a [u8],
    ) -> impl Iterator<Item = Cow<'a, [u8]>> + 'a {
        let (data, quote) = (self.text(data), self.raw_quotes(dialect));
        self.column(column).map(move |(start, end)| {
            let raw = &data[start..end];
            if quote.is_none() || raw.first().copied() != quote {
                return Cow::Borrowed(raw);
            }
            let mut unescaped = Vec::new();
            Cow::Owned(unquoted(Text::from(raw), &mut unescaped).bytes().to_vec())
        })
    }

    /// True if every record was plain: of the wanted width, quoted from the beginning of fields only, without blank lines.
    fn scan_fast(&mut self, dialect: Dialect, data: &[u8], len: usize) -> bool {
        self.gap = 1;
        self.starts.clear();
        if len == 0 {
            self.ends.clear();
            return true;
        }
        if matches!(data[0], b'\n' | b'\r') {
            return false;
        }
        self.starts.push(0);
        // A line end in place of a quote marks nothing that is not marked anyway.
        let (delimiter, quote) = (dialect.delimiter, dialect.quote.unwrap_or(b'\n'));
        let (mut found, mut row_end) = (0_usize, 0_usize);
        let (mut in_quotes, mut before_opens, mut after_return) = (0_u64, 1_u64, 0_u64);
        let mut broken = 0_u64;
        for (index, chunk) in data[..len.next_multiple_of(64)].as_chunks::<64>().0.iter().enumerate() {
            let base = index * 64;
            let mut structure = bits(chunk, |b| b == delimiter || b == b'\n' || b == b'\r');
            let mut marks = bits(chunk, |b| b == quote || b == b'\n' || b == b'\r');
            if len - base < 64 {
                let inside = (1 << (len - base)) - 1;
                (structure, marks) = (structure & inside, marks & inside);
            }
            let quotes = marks & !structure;
            if quotes | in_quotes != 0 {
                let quoted = parity(quotes) ^ in_quotes;
                // Sign extension of the last bit: all ones if a quote stays open.
                in_quotes = ((quoted as i64) >> 63) as u64;
                let opens = quotes & quoted;
                // A quote opens a field only after a delimiter, a line end, or (doubled) a quote.
                broken |= opens & !((structure | quotes) << 1 | before_opens);
                structure &= !quoted;
            }
            before_opens = (structure | quotes) >> 63;
            let mut line_ends = structure & marks;
            if (line_ends << 1 | after_return) & line_ends != 0 {
                // `\n` after `\r` ends nothing more. Anything else that is adjacent is a blank line.
                let returns = bits(chunk, |b| b == b'\r') & structure;
                let second = line_ends & !returns & (returns << 1 | after_return);
                structure &= !second;
                line_ends &= !second;
            }
            after_return = u64::from(line_ends >> 63 != 0 && chunk[63] == b'\r');

            if self.ends.len() < found + 64 {
                self.ends.resize((found + 64).max(self.ends.len() * 2), 0);
            }
            let count = structure.count_ones() as usize;
            let mut rest = structure;
            // Eight at a time, and more than there are: what is too much is overwritten, and no branch is mispredicted.
            for ends in self.ends[found..found + 64].as_chunks_mut::<8>().0 {
                for end in ends {
                    *end = (base as u32).wrapping_add(rest.trailing_zeros());
                    rest &= rest.wrapping_sub(1);
                }
                if rest == 0 {
                    break;
                }
            }
            while line_ends != 0 {
                let bit = line_ends.trailing_zeros();
                let rank = found + (structure & ((1 << bit) - 1)).count_ones() as usize + 1;
                let at = base + bit as usize;
                let start = self.starts.last().map_or(0, |&start| start as usize);
                if rank - row_end != self.columns || at == start {
                    return false;
                }
                row_end = rank;
                let pair = chunk[bit as usize] == b'\r' && data[at + 1] == b'\n';
                self.starts.push((at + 1 + usize::from(pair)) as u32);
                line_ends &= line_ends - 1;
            }
            found += count;
        }
        // The start after the last record begins none.
        self.starts.pop();
        self.ends.truncate(found);
        broken == 0 && in_quotes == 0 && row_end == found
    }

    /// Copies the records field by field.
    fn scan_exactly(&mut self, dialect: Dialect, data: &[u8]) -> Result<(), WrongWidth> {
        let (mut reader, columns) = (dialect.reader(), self.columns);
        self.gap = 0;
        self.ends.clear();
        self.starts.clear();
        self.origins.clear();
        self.copy.clear();
        self.copy.resize(data.len() + PADDING, 0);
        let mut ends = vec![0; columns + 1];
        // Only a file's beginning has a byte order mark, and it is gone by now: let the reader see a beginning here.
        reader.read_record(b"\n", &mut [], &mut ends);
        let (mut read, mut written) = (0, 0);
        while read < data.len() {
            let origin = read + leading_blank(dialect, &data[read..]);
            let (mut fields, base) = (0, written);
            loop {
                let (result, bytes, out, found) =
                    reader.read_record(&data[read..], &mut self.copy[written..], &mut ends[fields..]);
                read += bytes;
                written += out;
                fields += found;
                match result {
                    csv_core::ReadRecordResult::Record => break,
                    csv_core::ReadRecordResult::OutputEndsFull => {
                        return Err(WrongWidth { at: origin, found: columns + 1 });
                    }
                    // Only blank lines and comments were left: an empty input says so to csv-core, too.
                    csv_core::ReadRecordResult::End => return Ok(()),
                    // The end of a block ends its last record; the copy is never longer than the block.
                    csv_core::ReadRecordResult::InputEmpty | csv_core::ReadRecordResult::OutputFull => {}
                }
            }
            if fields != columns {
                return Err(WrongWidth { at: origin, found: fields });
            }
            self.origins.push(origin as u32);
            self.starts.push(base as u32);
            self.ends.extend(ends[..columns].iter().map(|end| (base + end) as u32));
        }
        Ok(())
    }
}

/// The content of a quoted field.
#[inline]
pub(crate) fn unquoted<'a>(raw: Text<'a>, unescaped: &'a mut Vec<u8>) -> Text<'a> {
    let (quote, len) = (raw.bytes()[0], raw.len());
    if len >= 2 && raw.bytes()[len - 1] == quote && memchr(quote, &raw.bytes()[1..len - 1]).is_none() {
        return raw.skip(1).take(len - 2);
    }
    unescape(raw.bytes(), unescaped);
    Text::from(&**unescaped)
}

/// A doubled quote is one, and what follows the closing quote is taken as it is.
#[cold]
fn unescape(raw: &[u8], into: &mut Vec<u8>) {
    into.clear();
    let quote = raw[0];
    let mut rest = &raw[1..];
    while let Some(at) = memchr(quote, rest) {
        into.extend_from_slice(&rest[..at]);
        let Some(after) = rest[at + 1..].strip_prefix(&[quote]) else {
            into.extend_from_slice(&rest[at + 1..]);
            return;
        };
        into.push(quote);
        rest = after;
    }
    into.extend_from_slice(rest);
}

/// The length of the blank lines and comments that come before a record.
fn leading_blank(dialect: Dialect, data: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&byte) = data.get(at) {
        if byte == b'\n' || byte == b'\r' {
            at += 1;
        } else if Some(byte) == dialect.comment {
            at = memchr(b'\n', &data[at..]).map_or(data.len(), |length| at + length + 1);
        } else {
            break;
        }
    }
    at
}

/// One bit for each byte that matches. Written so that LLVM compares 16 or more bytes at once on every target.
#[inline]
fn bits(chunk: &[u8; 64], matches: impl Fn(u8) -> bool) -> u64 {
    let mut flags = [0_u8; 64];
    for (flag, &byte) in flags.iter_mut().zip(chunk) {
        *flag = u8::from(matches(byte));
    }
    let mut mask = 0;
    for (index, flags) in flags.as_chunks::<8>().0.iter().enumerate() {
        // Gathers the lowest bit of eight bytes in the top byte.
        mask |= (u64::from_le_bytes(*flags).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (index * 8);
    }
    mask
}

/// Each bit is the parity of the bits up to and including it.
#[inline]
fn parity(mut mask: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        mask ^= mask << shift;
    }
    mask
}
