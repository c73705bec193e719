//! Whole lines of a file, from a place on, in batches of bounded size.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use phlo_plugin::prelude::*;
use serde::{Deserialize, Serialize};

/// The most bytes of text in one batch, so that memory does not grow with the lines' length.
const MAX_BATCH_BYTES: usize = 4 << 20;

/// How far the file was read: what is committed with the rows, and where the next run begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cursor {
    /// Bytes, all of whole lines.
    pub(crate) bytes: u64,
    /// Lines.
    pub(crate) lines: u64,
}

/// Reads on in a file.
pub(crate) struct Lines {
    file: BufReader<File>,
    /// The file as the config names it, for messages.
    name: String,
    max_line_bytes: usize,
    at: Cursor,
    size: u64,
}

impl Lines {
    /// Opens the file at the cursor.
    pub(crate) fn open(path: &Path, name: &str, max_line_bytes: usize, from: Cursor) -> Result<Self> {
        let mut file = File::open(path).map_err(|err| unreadable(name, err))?;
        let size = file.metadata().map_err(|err| unreadable(name, err))?.len();
        if size < from.bytes {
            return Err(Error::new(Code::SourceNotFound, "the file became shorter, so it was replaced")
                .in_file(name, 0)
                .with("bytes", size)
                .with("bytes read before", from.bytes)
                .hint("read the new file from its beginning with `--full-refresh`"));
        }
        file.seek(SeekFrom::Start(from.bytes)).map_err(|err| unreadable(name, err))?;
        Ok(Self { file: BufReader::new(file), name: name.to_owned(), max_line_bytes, at: from, size })
    }

    /// How far it was read.
    pub(crate) fn cursor(&self) -> Cursor {
        self.at
    }

    /// Bytes that were there to be read when the file was opened.
    pub(crate) fn remaining(&self) -> u64 {
        self.size - self.at.bytes
    }

    /// The next whole lines with their numbers, at most `rows` of them; none at the end.
    pub(crate) fn batch(&mut self, rows: usize) -> Result<Vec<(i64, String)>> {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while lines.len() < rows.max(1) && bytes < MAX_BATCH_BYTES {
            let Some(text) = self.line()? else { break };
            bytes += text.len();
            lines.push((self.at.lines.cast_signed(), text));
        }
        Ok(lines)
    }

    /// The next line without its end; none where there is no whole one.
    fn line(&mut self) -> Result<Option<String>> {
        let number = self.at.lines + 1;
        let mut line = Vec::new();
        // One byte more than a line may have: its end.
        let limit = (self.max_line_bytes as u64).saturating_add(1);
        let read = (&mut self.file).take(limit).read_until(b'\n', &mut line);
        let read = read.map_err(|err| unreadable(&self.name, err))?;
        if line.pop_if(|last| *last == b'\n').is_none() {
            if read as u64 == limit {
                return Err(Error::new(Code::MalformedData, "the line is longer than `max_line_bytes` allows")
                    .in_file(&self.name, number)
                    .with("max_line_bytes", self.max_line_bytes)
                    .hint("raise `max_line_bytes`"));
            }
            // Half a line: somebody is writing it.
            return Ok(None);
        }
        line.pop_if(|last| *last == b'\r');
        let text = String::from_utf8(line).map_err(|err| {
            Error::new(Code::MalformedData, "the line is not UTF-8")
                .in_file(&self.name, number)
                .because(err)
                .hint("write the log as UTF-8")
        })?;
        self.at = Cursor { bytes: self.at.bytes + read as u64, lines: number };
        Ok(Some(text))
    }
}

fn unreadable(name: &str, err: io::Error) -> Error {
    let error = match err.kind() {
        io::ErrorKind::NotFound => Error::new(Code::SourceNotFound, "there is no such file").hint("check `path`"),
        _ => Error::new(Code::SourceUnreadable, "the file cannot be read").hint("check its permissions"),
    };
    error.in_file(name, 0).because(err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use phlo_testkit::fixture::Project;

    fn read(project: &Project, from: Cursor) -> Result<(Vec<(i64, String)>, Cursor)> {
        let mut lines = Lines::open(&project.root().join("a.log"), "a.log", 8, from)?;
        let mut all = Vec::new();
        loop {
            let batch = lines.batch(2)?;
            if batch.is_empty() {
                return Ok((all, lines.cursor()));
            }
            all.extend(batch);
        }
    }

    #[test]
    fn a_half_written_line_is_left_until_it_is_whole() {
        let project = Project::new().file("a.log", "one\r\n\nhal");
        let (lines, cursor) = read(&project, Cursor::default()).unwrap();
        assert_eq!(lines, [(1, "one".to_owned()), (2, String::new())]);
        assert_eq!(cursor, Cursor { bytes: 6, lines: 2 });
        project.write("a.log", "one\r\n\nhalf\n");
        assert_eq!(read(&project, cursor).unwrap(), (vec![(3, "half".to_owned())], Cursor { bytes: 11, lines: 3 }));
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_place() {
        for (content, from, code, place) in [
            (&b"12345678\n123456789\n"[..], Cursor::default(), Code::MalformedData, "a.log:2"),
            (b"123456789", Cursor::default(), Code::MalformedData, "a.log:1"),
            (b"one\n\xff\n", Cursor::default(), Code::MalformedData, "a.log:2"),
            (b"one\n", Cursor { bytes: 8, lines: 2 }, Code::SourceNotFound, "a.log"),
        ] {
            let project = Project::new().file("a.log", content);
            let err = read(&project, from).unwrap_err();
            let found = err.place().unwrap().to_string();
            assert!(err.code() == code && found.starts_with(place), "{err:?} at {found}");
        }
        let err = read(&Project::new(), Cursor::default()).unwrap_err();
        assert_eq!(err.code(), Code::SourceNotFound);
    }
}
