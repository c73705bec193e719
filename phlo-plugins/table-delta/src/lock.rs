//! One writer per table: an exclusive lock on a file in the table's folder. The system releases it with the process, however
//! that ends. Object stores have no such thing: there the atomic commit alone decides.

use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use phlo_plugin::{Error, Result};
use phlo_spec::{AssetKey, Code};
use serde::{Deserialize, Serialize};

use crate::error;
use crate::folder::{Folder, LOG, OWN, STAGES};

/// How long to wait between two attempts.
const POLL: Duration = Duration::from_millis(50);

/// Held while a stage is open.
#[derive(Debug)]
pub(crate) struct TableLock {
    file: File,
    path: PathBuf,
}

/// Who holds the lock, as written into the file.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    pid: u32,
    run_id: String,
    since: chrono::DateTime<chrono::Utc>,
}

impl TableLock {
    /// Takes the lock of the table in `dir`, waiting up to `wait` for whoever holds it.
    ///
    /// # Errors
    /// `TableBusy`, naming the holder, if it is still held then.
    pub(crate) async fn take(dir: &Path, table: &AssetKey, run_id: &str, wait: Duration) -> Result<Self> {
        let path = dir.join(OWN).join("lock");
        let started = Instant::now();
        loop {
            if let Some(lock) = Self::attempt(&path, run_id)? {
                return Ok(lock);
            }
            let left = wait.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(busy(&path, table, wait));
            }
            tokio::time::sleep(left.min(POLL)).await;
        }
    }

    fn attempt(path: &Path, run_id: &str) -> Result<Option<Self>> {
        let failed = |e| error::io("locking the table", path.display(), e);
        fs::create_dir_all(path.parent().unwrap_or(path)).map_err(failed)?;
        let mut file = match File::options().create(true).truncate(false).read(true).write(true).open(path) {
            Ok(file) => file,
            // Another run just removed the folder of a table that never was.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        // Its last holder may have removed the file between our opening and locking it: then we hold nothing.
        if !same_file(&file, path) {
            return Ok(None);
        }
        let holder = Holder { pid: std::process::id(), run_id: run_id.to_owned(), since: chrono::Utc::now() };
        let text =
            serde_json::to_vec(&holder).map_err(|e| Error::internal("a lock's holder has no JSON").because(e))?;
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(&text)).map_err(failed)?;
        Ok(Some(Self { file, path: path.to_owned() }))
    }

    /// Releases the lock of a table that never was, and removes its folder unless something else is in it.
    pub(crate) fn leave_no_trace(self, folder: &Folder) {
        // While it is held nobody else can be between making the log's folder and landing a commit in it.
        folder.remove_empty(&[LOG]);
        let _ = fs::remove_file(&self.path);
        folder.remove_empty(&[&format!("{OWN}/{STAGES}"), OWN, ""]);
    }
}

impl Drop for TableLock {
    fn drop(&mut self) {
        // Whoever looks at a free lock should not read of a holder. The system unlocks when the file closes.
        let _ = self.file.set_len(0);
    }
}

#[cfg(unix)]
fn same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(there)) => ours.ino() == there.ino() && ours.dev() == there.dev(),
        _ => false,
    }
}

#[cfg(not(unix))]
fn same_file(_: &File, path: &Path) -> bool {
    // Elsewhere an open file cannot be removed.
    path.exists()
}

fn busy(path: &Path, table: &AssetKey, wait: Duration) -> Error {
    let mut text = String::new();
    let holder = File::open(path)
        .and_then(|mut f| f.read_to_string(&mut text))
        .ok()
        .and_then(|_| serde_json::from_str::<Holder>(&text).ok());
    let error = match holder {
        Some(holder) => Error::new(
            Code::TableBusy,
            format!("`{table}` is being written by run {} (process {})", holder.run_id, holder.pid),
        )
        .with("since", holder.since.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)),
        None => Error::new(Code::TableBusy, format!("`{table}` is being written by another process")),
    };
    error
        .with("waited", format!("{} s", wait.as_secs()))
        .hint("wait for that run, or raise `write.lock_wait`")
        .retryable()
}
