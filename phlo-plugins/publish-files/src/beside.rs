//! A file that is written beside the one that it will replace, and removed unless it does.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// A file on its way to be another. Whoever still writes it holds a lock on it: one without is left from a process that is gone.
pub(crate) struct Beside {
    path: PathBuf,
    file: File,
    to: PathBuf,
    done: bool,
}

impl Beside {
    /// Makes one beside `to`, folders above included, and removes those that dead processes left.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn of(to: &Path) -> io::Result<Self> {
        // What a link leads to is replaced, not the link.
        let to = fs::canonicalize(to).unwrap_or_else(|_| to.to_owned());
        if to.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
        }
        let folder = folder_of(&to);
        fs::create_dir_all(folder)?;
        sweep(folder, &prefix_of(&to));
        loop {
            let path = folder.join(format!("{}{}.tmp", prefix_of(&to), uuid::Uuid::new_v4().simple()));
            let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
            // A file system without locks has none that could be taken for dead.
            let _ = file.lock();
            // Another process may have swept it before it was locked.
            if path.exists() {
                return Ok(Self { path, file, to, done: false });
            }
        }
    }

    /// A handle for writing.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Puts the file, which must be on the disk, in place of the other.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn replace(mut self) -> io::Result<PathBuf> {
        if let Ok(old) = fs::metadata(&self.to) {
            fs::set_permissions(&self.path, old.permissions())?;
        }
        fs::rename(&self.path, &self.to)?;
        self.done = true;
        Ok(self.to.clone())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.done {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The folder that a file is in.
pub(crate) fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn prefix_of(file: &Path) -> String {
    format!(".{}.phlo-", file.file_name().unwrap_or_default().to_string_lossy())
}

fn sweep(folder: &Path, prefix: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(prefix)
            && name.ends_with(".tmp")
            && let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_dead_processes_left_is_swept_and_what_lives_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("deep/x.csv");
        let living = Beside::of(&to).unwrap();
        fs::write(dir.path().join("deep/.x.csv.phlo-dead.tmp"), "half").unwrap();
        fs::write(dir.path().join("deep/.y.csv.phlo-dead.tmp"), "another's").unwrap();
        let second = Beside::of(&to).unwrap();
        assert_eq!(names(&dir.path().join("deep")).len(), 3);
        drop(second);
        living.replace().unwrap();
        assert_eq!(names(&dir.path().join("deep")), [".y.csv.phlo-dead.tmp", "x.csv"]);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_and_links_stay() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real.csv"), dir.path().join("link.csv"));
        fs::write(&real, "old").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let beside = Beside::of(&link).unwrap();
        io::Write::write_all(&mut beside.file().unwrap(), b"new").unwrap();
        beside.replace().unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    }
}
