//! What waits for the next run: a file of an endpoint, one message a line, changed by one process at a time.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use phlo_plugin::{Error, Result};
use phlo_spec::Code;

use crate::outbox::Message;

/// A spool.
pub(crate) struct Spool {
    path: PathBuf,
    limit: u64,
}

/// What became of messages that were to be kept.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    /// In the file now, those of before included.
    pub(crate) waiting: u64,
    /// Not kept, because the file is full.
    pub(crate) lost: u64,
}

impl Spool {
    pub(crate) fn new(dir: &Path, endpoint: &str, limit: u64) -> Self {
        Self { path: dir.join(format!("{endpoint}.ndjson")), limit }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether anything may wait.
    pub(crate) fn is_there(&self) -> bool {
        self.path.exists()
    }

    /// What waits, oldest first. A line that a killed process left half written is passed over.
    pub(crate) fn load(&self) -> Result<Vec<Arc<Message>>> {
        if !self.is_there() {
            return Ok(Vec::new());
        }
        let _lock = self.lock()?;
        self.lines()
    }

    /// Removes messages that are done, adds others behind those that stay, and says what the file holds then. Nothing is lost
    /// if the process is killed meanwhile.
    pub(crate) fn update(&self, done: &HashSet<String>, add: &[Arc<Message>]) -> Result<Kept> {
        if done.is_empty() && add.is_empty() {
            return Ok(Kept::default());
        }
        let _lock = self.lock()?;
        let mut text = String::new();
        let mut kept = Kept::default();
        for message in self.lines()?.into_iter().filter(|message| !done.contains(&message.id)) {
            text.push_str(&line(&message)?);
            kept.waiting += 1;
        }
        let before = text.len();
        for message in add {
            let line = line(message)?;
            // What does not fit is lost, and so is all behind it: the order stays.
            if kept.lost > 0 || (text.len() + line.len()) as u64 > self.limit {
                kept.lost += 1;
            } else {
                text.push_str(&line);
                kept.waiting += 1;
            }
        }
        if done.is_empty() {
            self.append(&text[before..])?;
        } else if text.is_empty() {
            fs::remove_file(&self.path).map_err(|err| self.failed("removed", err))?;
        } else {
            self.replace(&text)?;
        }
        Ok(kept)
    }

    fn append(&self, text: &str) -> Result<()> {
        let append = || {
            let mut file = OpenOptions::new().read(true).append(true).create(true).open(&self.path)?;
            // Behind a half line, which stays alone.
            let mut last = [b'\n'];
            if file.metadata()?.len() > 0 {
                file.seek(SeekFrom::End(-1))?;
                file.read_exact(&mut last)?;
            }
            if last != [b'\n'] {
                file.write_all(b"\n")?;
            }
            file.write_all(text.as_bytes())?;
            file.sync_data()
        };
        append().map_err(|err| self.failed("written", err))
    }

    fn replace(&self, text: &str) -> Result<()> {
        let replace = || {
            let new = self.path.with_extension("ndjson.new");
            let mut file = File::create(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_data()?;
            fs::rename(&new, &self.path)
        };
        replace().map_err(|err| self.failed("written", err))
    }

    fn lines(&self) -> Result<Vec<Arc<Message>>> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(err) => return Err(self.failed("read", err)),
        };
        Ok(bytes
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .map(Arc::new)
            .collect())
    }

    /// Held while the file is read or changed; the system lets go of it when the process ends.
    fn lock(&self) -> Result<File> {
        let lock = || {
            if let Some(dir) = self.path.parent() {
                fs::create_dir_all(dir)?;
            }
            let file =
                OpenOptions::new().write(true).create(true).truncate(false).open(self.path.with_extension("lock"))?;
            file.lock()?;
            Ok(file)
        };
        lock().map_err(|err: std::io::Error| self.failed("locked", err))
    }

    fn failed(&self, doing: &str, cause: std::io::Error) -> Error {
        Error::new(Code::HookFailed, format!("the file of undelivered messages could not be {doing}"))
            .with("file", self.path.display())
            .hint("check the permissions and the space of its folder")
            .because(cause)
    }
}

fn line(message: &Message) -> Result<String> {
    let text = serde_json::to_string(message)
        .map_err(|err| Error::internal("a message cannot be written as JSON").because(err))?;
    Ok(text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(ids: std::ops::Range<u32>) -> Vec<Arc<Message>> {
        ids.map(|id| Arc::new(Message::new(format!("m{id}"), format!("{{\"n\":\"line\\n{id} é\"}}")))).collect()
    }

    fn ids(messages: &[Arc<Message>]) -> Vec<&str> {
        messages.iter().map(|message| message.id.as_str()).collect()
    }

    fn done(ids: &[&str]) -> HashSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn messages_wait_as_written_in_their_order_until_they_are_done() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::new(&dir.path().join("a/b"), "ops", 1 << 20);
        assert_eq!(spool.load().unwrap(), []);
        assert_eq!(spool.update(&HashSet::new(), &messages(0..2)).unwrap(), Kept { waiting: 2, lost: 0 });
        assert_eq!(spool.update(&HashSet::new(), &messages(2..3)).unwrap(), Kept { waiting: 3, lost: 0 });
        assert_eq!(spool.load().unwrap(), messages(0..3));
        assert_eq!(spool.update(&done(&["m0", "m2"]), &messages(3..5)).unwrap(), Kept { waiting: 3, lost: 0 });
        assert_eq!(ids(&spool.load().unwrap()), ["m1", "m3", "m4"]);
        assert_eq!(spool.update(&done(&["m1", "m3", "m4"]), &[]).unwrap(), Kept::default());
        assert!(!spool.is_there());
    }

    #[test]
    fn a_full_file_keeps_what_it_has_and_counts_what_it_cannot_take() {
        let dir = tempfile::tempdir().unwrap();
        let size = messages(0..1).iter().map(|message| line(message).unwrap().len() as u64).sum::<u64>();
        let spool = Spool::new(dir.path(), "ops", 2 * size);
        assert_eq!(spool.update(&HashSet::new(), &messages(0..4)).unwrap(), Kept { waiting: 2, lost: 2 });
        assert_eq!(spool.update(&done(&["m0"]), &messages(5..6)).unwrap(), Kept { waiting: 2, lost: 0 });
        assert_eq!(ids(&spool.load().unwrap()), ["m1", "m5"]);
    }

    #[test]
    fn a_line_that_a_killed_process_left_half_written_costs_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::new(dir.path(), "ops", 1 << 20);
        spool.update(&HashSet::new(), &messages(0..2)).unwrap();
        let whole = fs::read(spool.path()).unwrap();
        for cut in 1..whole.len() {
            fs::write(spool.path(), &whole[..cut]).unwrap();
            let before = spool.load().unwrap();
            spool.update(&HashSet::new(), &messages(7..8)).unwrap();
            let after = spool.load().unwrap();
            assert_eq!(after.split_last(), Some((&messages(7..8)[0], &before[..])), "cut at {cut}");
        }
    }
}
