//! A file's text in blocks of whole records.

use std::io::{self, Read};

use memchr::memchr_iter;

use crate::csv::scan::PADDING;

/// How much is read before it is cut.
pub(crate) const BLOCK: usize = 1 << 20;

/// No record is longer than this: a quote that is never closed must not read the whole file into memory.
pub(crate) const LONGEST_RECORD: usize = 16 << 20;

/// Finds whole records in a format.
pub(crate) trait Split: Send {
    /// How much of the buffer, from its beginning, is whole records. May change what lies between them, within that length.
    /// `last` says that nothing follows the buffer, which then ends with a line end: all of it is records, or the error says
    /// where not.
    fn split(&mut self, buffer: &mut [u8], last: bool) -> Result<usize, Broken>;
}

/// Records cannot be told apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Where in the buffer.
    pub at: usize,
    /// Why: what is there.
    pub why: String,
}

/// Whole records of a file.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// The records, and [`PADDING`] bytes at least.
    pub data: Vec<u8>,
    /// How much of `data` is records.
    pub len: usize,
    /// The line of the file on which they begin, from 1.
    pub line: u64,
}

/// Why there is no next block.
#[derive(Debug)]
pub(crate) enum ReadError {
    Io(io::Error),
    /// The file begins with the mark of UTF-16.
    Utf16,
    /// The line of the file, and what is there.
    Broken(u64, String),
}

/// Reads a file block by block.
pub(crate) struct BlockReader<R> {
    reader: R,
    splitter: Box<dyn Split>,
    // What follows the last whole record of the block before.
    rest: Vec<u8>,
    line: u64,
    first: bool,
    ended: bool,
}

impl<R: Read> BlockReader<R> {
    pub(crate) fn new(reader: R, splitter: Box<dyn Split>) -> Self {
        Self { reader, splitter, rest: Vec::new(), line: 1, first: true, ended: false }
    }

    /// The next block of about `size` bytes; `None` at the end. `spare` is memory of a block that is no longer needed.
    pub(crate) fn next(&mut self, size: usize, spare: Vec<u8>) -> Result<Option<Block>, ReadError> {
        let mut data = spare;
        let mut len = self.rest.len();
        let mut wanted = size.max(len + 1);
        grow(&mut data, wanted);
        data[..len].copy_from_slice(&self.rest);
        self.rest.clear();
        loop {
            while !self.ended && len < wanted {
                match self.reader.read(&mut data[len..wanted]) {
                    Ok(0) => self.ended = true,
                    Ok(read) => len += read,
                    Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
                    Err(err) => return Err(ReadError::Io(err)),
                }
            }
            if self.first && len >= 2 && [&b"\xFF\xFE"[..], b"\xFE\xFF"].contains(&&data[..2]) {
                return Err(ReadError::Utf16);
            }
            if self.first && data.starts_with(b"\xEF\xBB\xBF") && len >= 3 {
                data.copy_within(3..len, 0);
                len -= 3;
            }
            if self.ended && len == 0 {
                return Ok(None);
            }
            if self.ended && data[len - 1] != b'\n' {
                grow(&mut data, len + 1);
                data[len] = b'\n';
                len += 1;
            }
            let end = self.splitter.split(&mut data[..len], self.ended).map_err(|Broken { at, why }| {
                let line = self.line + lines(&data[..at]);
                ReadError::Broken(line, why)
            })?;
            debug_assert!(!self.ended || end == len, "a splitter leaves nothing of a file's end");
            if end == 0 && !self.ended {
                if len >= LONGEST_RECORD {
                    let why = format!(
                        "a record is longer than {} MiB; is a quote or bracket never closed?",
                        LONGEST_RECORD >> 20
                    );
                    return Err(ReadError::Broken(self.line, why));
                }
                wanted = (wanted * 2).min(LONGEST_RECORD);
                grow(&mut data, wanted);
                continue;
            }
            self.rest.extend_from_slice(&data[end..len]);
            let block = Block { line: self.line, len: end, data };
            self.line += lines(&block.data[..end]);
            self.first = false;
            return Ok(Some(block));
        }
    }
}

fn grow(data: &mut Vec<u8>, len: usize) {
    if data.len() < len + PADDING {
        data.resize(len + PADDING, 0);
    }
}

/// How many lines end in a text.
pub(crate) fn lines(text: &[u8]) -> u64 {
    memchr_iter(b'\n', text).count() as u64
}
