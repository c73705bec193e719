//! Counts files and bytes, folder by folder.

use std::fs;
use std::io;
use std::path::Path;

/// A folder, with all that lies below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    /// Its path, relative to where the counting began; `.` is that itself.
    pub(crate) path: String,
    pub(crate) files: u64,
    pub(crate) bytes: u64,
}

/// The folder and those below it down to `depth` levels, each before its own.
pub(crate) fn count(root: &Path, depth: usize) -> io::Result<Vec<Folder>> {
    let mut found = Vec::new();
    visit(root, ".", depth, &mut found)?;
    Ok(found)
}

/// Counts one folder; answers its files and bytes.
fn visit(at: &Path, path: &str, depth: usize, found: &mut Vec<Folder>) -> io::Result<(u64, u64)> {
    let place = found.len();
    found.push(Folder { path: path.to_owned(), files: 0, bytes: 0 });
    let (mut files, mut bytes) = (0, 0);
    let mut folders = Vec::new();
    for entry in fs::read_dir(at)? {
        let entry = entry?;
        // Of the entry itself: a link is neither file nor folder.
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            folders.push(entry.file_name());
        } else if metadata.is_file() {
            files += 1;
            bytes += metadata.len();
        }
    }
    folders.sort();
    for name in folders {
        let below = if path == "." { name.display().to_string() } else { format!("{path}/{}", name.display()) };
        let (more_files, more_bytes) = visit(&at.join(&name), &below, depth.saturating_sub(1), found)?;
        files += more_files;
        bytes += more_bytes;
        if depth == 0 {
            // Counted, not shown.
            found.pop();
        }
    }
    found[place] = Folder { path: path.to_owned(), files, bytes };
    Ok((files, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use phlo_testkit::fixture::Project;

    #[test]
    fn what_lies_deeper_is_counted_and_not_shown() {
        let project = Project::new().file("phlo.yaml", "12345").file("lake/a/x", "123").file("lake/a/b/y", "1");
        let project = project.file("lake/z", "").file("data/d", "1234567");
        let shown = |depth| -> Vec<String> {
            let folders = count(project.root(), depth).unwrap();
            folders.iter().map(|it| format!("{} {} {}", it.path, it.files, it.bytes)).collect()
        };
        assert_eq!(shown(0), [". 5 16"]);
        assert_eq!(shown(1), [". 5 16", "data 1 7", "lake 3 4"]);
        assert_eq!(shown(2), [". 5 16", "data 1 7", "lake 3 4", "lake/a 2 4"]);
        assert_eq!(shown(9).last().unwrap(), "lake/a/b 1 1");
    }
}
