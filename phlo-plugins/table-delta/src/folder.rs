//! Where tables lie: the storage's root, and a table's folder below it, on a disk or an object store.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use object_store::path::Path as StorePath;
use object_store::{ObjectStore, ObjectStoreExt as _};
use phlo_plugin::{Error, Result, Storage};
use phlo_spec::{AssetKey, Code};
use url::Url;

use crate::error;

/// phlo's own files within a table's folder; Delta's readers and its vacuum pass over names that begin with `_`.
pub(crate) const OWN: &str = "_phlo";
/// The markers of stages, within [`OWN`].
pub(crate) const STAGES: &str = "stages";
/// Delta's log.
pub(crate) const LOG: &str = "_delta_log";
/// How deep below the root tables are looked for.
const MAX_DEPTH: usize = 8;

/// The storage's root.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    url: Url,
    store: Arc<dyn ObjectStore>,
    path: StorePath,
    dir: Option<PathBuf>,
    options: StorageConfig,
}

impl Root {
    pub(crate) fn open(storage: &Storage) -> Result<Self> {
        let mut url = storage.root.clone();
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        let refuse = |cause: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(Code::InvalidValue, "the storage cannot be opened")
                .with("root", &url)
                .hint("check `storage.root` and `storage.options`")
                .because(cause)
        };
        let raw: Vec<(String, String)> =
            storage.options.iter().map(|(k, v)| (k.clone(), v.expose().to_owned())).collect();
        let (store, path) = object_store::parse_url_opts(&url, raw).map_err(|e| refuse(e.into()))?;
        let dir = match url.scheme() {
            "file" => Some(url.to_file_path().map_err(|()| refuse("not a path of this machine".into()))?),
            _ => None,
        };
        Ok(Self { url, store: Arc::from(store), path, dir, options: StorageConfig::default() })
    }

    pub(crate) fn table(&self, key: &AssetKey) -> Result<Folder> {
        let relative: Vec<&str> = key.parts().collect();
        let url = self
            .url
            .join(&format!("{}/", relative.join("/")))
            .map_err(|e| Error::internal("a table's name makes no address").because(e))?;
        let path = relative.iter().fold(self.path.clone(), |path, part| path.join(*part));
        let dir = self.dir.as_ref().map(|dir| relative.iter().fold(dir.clone(), |dir, part| dir.join(part)));
        let log = log_store(&url, Arc::clone(&self.store), &self.options)?;
        Ok(Folder { url, path, dir, store: Arc::clone(&self.store), log, depth: relative.len() })
    }

    /// Every table below the root, sorted.
    pub(crate) async fn tables(&self) -> Result<Vec<AssetKey>> {
        if let Some(dir) = self.dir.clone() {
            let walked = tokio::task::spawn_blocking(move || {
                let mut found = Vec::new();
                walk(&dir, &mut Vec::new(), &mut found)?;
                found.sort();
                Ok(found)
            });
            return walked.await.map_err(|e| Error::internal("listing tables stopped").because(e))?;
        }
        let mut found = Vec::new();
        let mut open = vec![(self.path.clone(), Vec::<String>::new())];
        while let Some((path, parts)) = open.pop() {
            let listing =
                self.store.list_with_delimiter(Some(&path)).await.map_err(|e| error::store("listing tables", e))?;
            let names: Vec<String> =
                listing.common_prefixes.iter().filter_map(|p| p.filename().map(str::to_owned)).collect();
            if names.iter().any(|n| n == LOG) {
                found.extend(AssetKey::new(parts.join(".")).ok());
            } else if parts.len() < MAX_DEPTH {
                open.extend(
                    names.into_iter().map(|n| (path.clone().join(n.as_str()), [parts.as_slice(), &[n]].concat())),
                );
            }
        }
        found.sort();
        Ok(found)
    }
}

fn walk(dir: &std::path::Path, parts: &mut Vec<String>, found: &mut Vec<AssetKey>) -> Result<()> {
    let failed = |e| error::io("listing tables", dir.display(), e);
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(failed(e)),
    };
    if has_log(dir) {
        found.extend(AssetKey::new(parts.join(".")).ok());
        return Ok(());
    }
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if parts.len() < MAX_DEPTH && !name.starts_with(['.', '_']) && entry.path().is_dir() {
            parts.push(name);
            walk(&entry.path(), parts, found)?;
            parts.pop();
        }
    }
    Ok(())
}

/// Whether a commit is in the folder's log. The log's folder alone does not make a table: a process can die between the two.
fn has_log(dir: &std::path::Path) -> bool {
    let is_commit = |path: PathBuf| path.extension().is_some_and(|ext| ext == "json" || ext == "parquet");
    fs::read_dir(dir.join(LOG)).is_ok_and(|entries| entries.flatten().any(|entry| is_commit(entry.path())))
}

/// One table's folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    /// Its address, with a slash at the end.
    pub(crate) url: Url,
    /// Its path within `store`.
    pub(crate) path: StorePath,
    /// Its path on this machine's disk, if it lies there.
    pub(crate) dir: Option<PathBuf>,
    /// The whole object store.
    pub(crate) store: Arc<dyn ObjectStore>,
    /// Delta's log within it.
    pub(crate) log: LogStoreRef,
    /// How many folders below the root it lies.
    depth: usize,
}

impl Folder {
    /// Where it is, for people.
    pub(crate) fn location(&self) -> String {
        self.dir.as_ref().map_or_else(|| self.url.to_string(), |dir| dir.display().to_string())
    }

    pub(crate) fn file(&self, name: &str) -> StorePath {
        name.split('/').fold(self.path.clone(), StorePath::join)
    }

    /// A file's address, as `phlo sql` reads it.
    pub(crate) fn address(&self, name: &str) -> String {
        match &self.dir {
            Some(dir) => dir.join(name).display().to_string(),
            None => format!("{}{name}", self.url),
        }
    }

    /// Writes a small file whole: readers see the old one or the new one.
    pub(crate) async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<()> {
        let what = || format!("writing `{name}`");
        match &self.dir {
            Some(dir) => {
                let path = dir.join(name);
                let partial = path.with_extension("partial");
                let write = || {
                    fs::create_dir_all(path.parent().unwrap_or(dir))?;
                    fs::write(&partial, &bytes)?;
                    fs::rename(&partial, &path)
                };
                write().map_err(|e| error::io(what(), path.display(), e))
            }
            None => {
                self.store.put(&self.file(name), bytes.into()).await.map(|_| ()).map_err(|e| error::store(what(), e))
            }
        }
    }

    /// A small file's bytes; `None` if it is not there.
    pub(crate) async fn get(&self, name: &str) -> Result<Option<Bytes>> {
        let read = async { self.store.get(&self.file(name)).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(error::store(format!("reading `{name}`"), e)),
        }
    }

    /// The names of the files directly within a folder of the table's (`""` is the table's own).
    pub(crate) async fn names(&self, within: &str) -> Result<Vec<String>> {
        let Some(dir) = self.dir.as_ref().map(|dir| dir.join(within)) else {
            let prefix = if within.is_empty() { self.path.clone() } else { self.file(within) };
            let listing = self
                .store
                .list_with_delimiter(Some(&prefix))
                .await
                .map_err(|e| error::store("listing a table's folder", e))?;
            return Ok(listing.objects.iter().filter_map(|o| o.location.filename().map(str::to_owned)).collect());
        };
        let failed = |e| error::io("listing a table's folder", dir.display(), e);
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
            Err(e) => return Err(failed(e)),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry.map_err(failed)?.file_name().into_string());
        }
        Ok(names)
    }

    /// Removes files; those already gone are fine.
    pub(crate) async fn remove(&self, names: &[String]) -> Result<()> {
        for name in names {
            let gone = match &self.dir {
                Some(dir) => match fs::remove_file(dir.join(name)) {
                    Err(e) if e.kind() != ErrorKind::NotFound => {
                        Err(error::io("removing a file", dir.join(name).display(), e))
                    }
                    _ => Ok(()),
                },
                None => match self.store.delete(&self.file(name)).await {
                    Err(e) if !matches!(e, object_store::Error::NotFound { .. }) => {
                        Err(error::store(format!("removing `{name}`"), e))
                    }
                    _ => Ok(()),
                },
            };
            gone?;
        }
        Ok(())
    }

    /// Whether a table can be here; on an object store only its log tells.
    pub(crate) fn may_be_table(&self) -> bool {
        self.dir.as_deref().is_none_or(has_log)
    }

    /// Removes folders within the table's (`""` is the table's own), each unless something is in it.
    pub(crate) fn remove_empty(&self, folders: &[&str]) {
        for dir in self.dir.iter().flat_map(|dir| folders.iter().map(|folder| dir.join(folder))) {
            let _ = fs::remove_dir(dir);
        }
    }

    /// The table's folder and those above it up to the root are on the disk, not only in its cache.
    pub(crate) fn sync_dirs(&self) -> Result<()> {
        let Some(dir) = &self.dir else { return Ok(()) };
        dir.ancestors().take(self.depth + 1).try_for_each(sync_dir)
    }
}

/// Makes a folder's entries durable.
pub(crate) fn sync_dir(dir: &std::path::Path) -> Result<()> {
    // Windows cannot open a folder, and needs no such call.
    if cfg!(not(unix)) {
        return Ok(());
    }
    fs::File::open(dir)
        .and_then(|d| d.sync_all())
        .map_err(|e| error::io("writing a folder to the disk", dir.display(), e))
}

/// Delta's log store over an object store, whole.
pub(crate) fn log_store(url: &Url, store: Arc<dyn ObjectStore>, options: &StorageConfig) -> Result<LogStoreRef> {
    let prefixed =
        options.decorate_store(Arc::clone(&store), url).map_err(|e| error::delta("opening the storage", e))?;
    Ok(default_logstore(Arc::from(prefixed), store, url, options))
}
