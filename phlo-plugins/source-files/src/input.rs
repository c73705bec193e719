//! Which files there are, and their bytes.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use glob::{MatchOptions, Pattern};
use object_store::path::Path as ObjectPath;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt};
use phlo_plugin::source::SourceContext;
use phlo_plugin::{Error, Result, Storage};
use phlo_spec::{Code, Redactor};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::config::{Compression, FilesConfig, Format, extension};
use crate::cursor::Cursor;
use phlo_storage::{Store, is_remote};

pub(crate) const MATCHING: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// A file that is to be read.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    /// Its name in cursors and messages: the path relative to the project, or the URL.
    pub name: String,
    pub place: Place,
    /// Bytes, compressed or not.
    pub size: u64,
    /// What changes when its content does: its entity tag or the time of its last change.
    pub version: String,
    /// Its entity tag, if that is one to ask a server with: strong, and in quotes.
    pub etag: Option<String>,
    /// When it was last changed.
    pub modified: DateTime<Utc>,
    pub compression: Compression,
}

/// Where a file lies.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    Local(PathBuf),
    Remote(Arc<dyn ObjectStore>, ObjectPath),
}

/// All files that the config matches, sorted by name, and whether each pattern matched something.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub inputs: Vec<Input>,
    /// Patterns that matched nothing.
    pub unmatched: Vec<String>,
    /// What the patterns name, as URLs without secrets.
    pub origins: Vec<String>,
}

impl Listing {
    /// The files' format and the tab of `.tsv`.
    pub(crate) fn format(&self, config: &FilesConfig) -> Result<(Format, bool)> {
        let mut found: Option<(Format, &Input)> = None;
        let tabs = self.inputs.iter().all(|input| extension(&input.name) == "tsv");
        if let Some(format) = config.format {
            return Ok((format, tabs));
        }
        let checked = |format| config.check_format(format).map(|()| (format, tabs));
        for input in &self.inputs {
            let Some(format) = Format::by_extension(&extension(&input.name)) else {
                return Err(Error::new(Code::InvalidValue, "the file's extension does not tell its format")
                    .in_file(&input.name, 0)
                    .hint("set `format` to csv, ndjson, json or parquet"));
            };
            match found {
                Some((first, other)) if first != format => {
                    let message = format!("the files differ in format: {first} and {format}");
                    return Err(Error::new(Code::InvalidValue, message)
                        .in_file(&input.name, 0)
                        .with("other file", &other.name)
                        .hint("make `path` match files of one format, or set `format`"));
                }
                _ => found = Some((format, input)),
            }
        }
        match found {
            Some((format, _)) => checked(format),
            None => Err(Error::internal("the format of no files was asked for")),
        }
    }

    /// Refuses paths that matched nothing.
    pub(crate) fn all_matched(&self) -> Result<()> {
        match &*self.unmatched {
            [] => Ok(()),
            unmatched => Err(not_found(unmatched.iter())),
        }
    }

    /// Refuses paths that match nothing and never did, or that name one file, which must be there. Answers the patterns whose
    /// files were read and are gone.
    pub(crate) fn all_matched_or_read(&self, cursor: &Cursor, root: &Path) -> Result<Vec<&str>> {
        let (read, missing): (Vec<_>, Vec<_>) = self.unmatched.iter().partition(|path| {
            is_pattern(path) && Pattern::new(&named(root, path)).is_ok_and(|pattern| cursor.count(&pattern) > 0)
        });
        if missing.is_empty() {
            return Ok(read.into_iter().map(String::as_str).collect());
        }
        Err(not_found(missing.into_iter()))
    }
}

fn not_found<'a>(mut paths: impl Iterator<Item = &'a String>) -> Error {
    let first = paths.next().map_or("", String::as_str);
    let what = if is_pattern(first) { "no file matches the pattern" } else { "the file does not exist" };
    let error =
        paths.fold(Error::new(Code::SourceNotFound, what).with("path", first), |error, path| error.with("path", path));
    error.hint("check the path: it is relative to the project's folder, and `*` does not cross folders, `**` does")
}

/// A pattern as it matches the names of its files: what a cursor knows.
fn named(root: &Path, pattern: &str) -> String {
    if is_remote(pattern) {
        return pattern.to_owned();
    }
    let path = pattern.strip_prefix("file://").unwrap_or(pattern);
    shown(root, Path::new(path))
}

fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// Finds the files.
pub(crate) async fn list(config: &FilesConfig, storage: &Storage, context: &SourceContext) -> Result<Listing> {
    let mut listing = Listing::default();
    for pattern in &config.path.0 {
        let (found, origin) = if is_remote(pattern) {
            list_remote(pattern, config, storage, &context.redactor).await?
        } else {
            let (root, pattern) = (context.root.clone(), pattern.clone());
            blocking(move || list_local(&root, &pattern)).await?
        };
        if found.is_empty() {
            // What a URL is called is without its user, like the names of its files.
            listing.unmatched.push(if is_remote(pattern) { origin.clone() } else { context.redactor.clean(pattern) });
        }
        listing.origins.push(origin);
        listing
            .inputs
            .extend(found.into_iter().map(|input| Input { compression: config.compression.of(&input.name), ..input }));
    }
    listing.inputs.sort_by(|a, b| a.name.cmp(&b.name));
    listing.inputs.dedup_by(|a, b| a.name == b.name);
    Ok(listing)
}

/// Runs what blocks where it may block.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(err) => Err(Error::internal("reading files stopped").because(err)),
    }
}

fn list_local(root: &Path, pattern: &str) -> Result<(Vec<Input>, String)> {
    let path = match pattern.strip_prefix("file://") {
        Some(_) => {
            let url = Url::parse(pattern).ok().and_then(|url| url.to_file_path().ok());
            url.ok_or_else(|| {
                Error::new(Code::InvalidValue, format!("`{pattern}` is not the URL of a local file"))
                    .hint("write file:///path, or the path alone")
            })?
        }
        None => PathBuf::from(pattern),
    };
    let absolute = root.join(&path);
    let origin = format!("file://{}", absolute.display());
    let unreadable = |path: &Path, err: io::Error| local_error(&shown(root, path), err);
    // A file whose name happens to hold a `[` is meant as it is written.
    match std::fs::metadata(&absolute) {
        Ok(meta) if meta.is_dir() => {
            return Err(Error::new(Code::InvalidValue, "the path is a folder")
                .with("path", pattern)
                .hint(format!("name its files, e.g. `{}/*.csv`", pattern.trim_end_matches('/'))));
        }
        Ok(meta) => return Ok((vec![local_input(root, absolute, &meta)], origin)),
        Err(err) if err.kind() != io::ErrorKind::NotFound && !is_pattern(pattern) => {
            return Err(unreadable(&absolute, err));
        }
        Err(_) if !is_pattern(pattern) => return Ok((Vec::new(), origin)),
        Err(_) => {}
    }
    let full = if path.is_absolute() {
        path.to_string_lossy().into_owned()
    } else {
        format!("{}/{}", Pattern::escape(&root.to_string_lossy()), path.to_string_lossy())
    };
    let paths = glob::glob_with(&full, MATCHING).map_err(|err| {
        Error::new(Code::InvalidValue, format!("`{pattern}` is not a pattern: {}", err.msg))
            .with("path", pattern)
            .hint("`*`, `?` and `[ab]` match within a folder, and `**` stands alone between slashes for folders")
    })?;
    let mut inputs = Vec::new();
    for path in paths {
        let path = path.map_err(|err| {
            let path = err.path().to_path_buf();
            unreadable(&path, err.into())
        })?;
        let meta = std::fs::metadata(&path).map_err(|err| unreadable(&path, err))?;
        if meta.is_file() {
            inputs.push(local_input(root, path, &meta));
        }
    }
    Ok((inputs, origin))
}

/// A path as it is named: relative to the project where it lies in it, and without `.`.
fn shown(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    let path: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    path.to_string_lossy().into_owned()
}

fn local_input(root: &Path, path: PathBuf, meta: &std::fs::Metadata) -> Input {
    let modified = modified(meta);
    Input {
        name: shown(root, &path),
        place: Place::Local(path),
        size: meta.len(),
        version: modified.to_rfc3339(),
        etag: None,
        modified,
        compression: Compression::None,
    }
}

fn modified(meta: &std::fs::Metadata) -> DateTime<Utc> {
    meta.modified().map_or(DateTime::UNIX_EPOCH, DateTime::<Utc>::from)
}

/// An error of the file system, about a file.
pub(crate) fn local_error(name: &str, err: io::Error) -> Error {
    let (code, message, hint) = match err.kind() {
        io::ErrorKind::NotFound => {
            (Code::SourceNotFound, "the file does not exist", "was it removed while it was read?")
        }
        io::ErrorKind::PermissionDenied => {
            (Code::SourceUnreadable, "the file may not be read", "give the user that runs phlo permission to read it")
        }
        _ => (
            Code::SourceUnreadable,
            "the file could not be read",
            "check the disk or the network share that it lies on",
        ),
    };
    Error::new(code, message).in_file(name, 0).hint(hint).because(err)
}

async fn list_remote(
    pattern: &str,
    config: &FilesConfig,
    storage: &Storage,
    redactor: &Redactor,
) -> Result<(Vec<Input>, String)> {
    // What comes before the folder in which the first pattern begins can be parsed as a URL.
    let fixed = pattern.find(['*', '?', '[']).map_or(pattern, |at| &pattern[..=pattern[..at].rfind('/').unwrap_or(0)]);
    let url = Url::parse(fixed).map_err(|err| {
        Error::new(Code::InvalidValue, format!("not a URL: {err}"))
            .with("path", redactor.clean(pattern))
            .hint("write e.g. s3://bucket/folder/*.csv")
    })?;
    let options: Option<&BTreeMap<_, _>> = match &config.storage {
        Some(options) => Some(options),
        None if storage.root.scheme() == url.scheme() => Some(&storage.options),
        None => None,
    };
    let options = options.into_iter().flatten().map(|(key, value)| (key.as_str(), value.expose()));
    // Who writes http:// means it; a store that is spoken to by its API has an option for it.
    let plain = (url.scheme() == "http" && Store::of(fixed) == Some(Store::Http)).then_some(("allow_http", "true"));
    let (store, prefix) = object_store::parse_url_opts(&url, options.chain(plain)).map_err(|err| {
        let error = remote_error(redactor, pattern, err);
        error.hint("`storage` holds the options of the object store; a scheme may be left out of a minimal build")
    })?;
    let store: Arc<dyn ObjectStore> = store.into();
    let mut bare = url.clone();
    // Azure's container stands where others have a user. A URL that can have no user has none to remove.
    if !matches!(url.scheme(), "abfs" | "abfss") {
        let _ = bare.set_username("");
    }
    let _ = bare.set_password(None);
    // What of the URL is not the object's path: the bucket. Objects are named by it.
    let clean = redactor.clean(bare.as_str());
    let base =
        clean.trim_end_matches('/').strip_suffix(prefix.as_ref()).map_or_else(|| format!("{clean}#"), str::to_owned);
    let origin = format!("{clean}{}", &pattern[fixed.len()..]);
    let input = |meta: ObjectMeta| Input {
        name: format!("{base}{}{}", if base.ends_with(['/', '#']) { "" } else { "/" }, meta.location),
        place: Place::Remote(store.clone(), meta.location),
        size: meta.size,
        etag: meta.e_tag.clone().filter(|tag| tag.starts_with('"')),
        version: meta.e_tag.unwrap_or_else(|| meta.last_modified.to_rfc3339()),
        modified: meta.last_modified,
        compression: Compression::None,
    };
    if fixed.len() == pattern.len() {
        return match store.head(&prefix).await {
            Ok(meta) => Ok((vec![input(meta)], origin)),
            Err(object_store::Error::NotFound { .. }) => Ok((Vec::new(), origin)),
            Err(err) => Err(remote_error(redactor, pattern, err)),
        };
    }
    if Store::of(fixed) == Some(Store::Http) {
        return Err(Error::new(Code::Unsupported, "a web server cannot be asked which files it has")
            .with("path", redactor.clean(pattern))
            .hint("name each file in a list under `path`"));
    }
    let glob = Pattern::new(&format!("{}{}", with_slash(&prefix), &pattern[fixed.len()..])).map_err(|err| {
        Error::new(Code::InvalidValue, format!("not a pattern: {}", err.msg))
            .with("path", redactor.clean(pattern))
            .hint("`*`, `?` and `[ab]` match within a folder, and `**` stands alone between slashes for folders")
    })?;
    let found: Vec<ObjectMeta> = store
        .list(Some(&prefix))
        .try_filter(|meta| std::future::ready(glob.matches_with(meta.location.as_ref(), MATCHING)))
        .try_collect()
        .await
        .map_err(|err| remote_error(redactor, pattern, err))?;
    Ok((found.into_iter().map(input).collect(), origin))
}

fn with_slash(prefix: &ObjectPath) -> String {
    let prefix = Pattern::escape(prefix.as_ref());
    if prefix.is_empty() { prefix } else { prefix + "/" }
}

/// An error of an object store.
pub(crate) fn remote_error(redactor: &Redactor, name: &str, err: object_store::Error) -> Error {
    use object_store::Error as E;
    let error = match &err {
        E::NotFound { .. } => Error::new(Code::SourceNotFound, "the object does not exist")
            .hint("check the bucket and the path in the URL"),
        E::Precondition { .. } => changed_error(),
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            Error::new(Code::AuthFailed, "the object store refused the credentials")
                .hint("check the options under `storage`")
        }
        E::UnknownConfigurationKey { key, .. } => {
            Error::new(Code::UnknownKey, format!("the object store knows no option `{key}`"))
                .hint("check the options under `storage`")
        }
        E::NotSupported { .. } | E::NotImplemented { .. } | E::InvalidPath { .. } => {
            Error::new(Code::InvalidValue, "the object store cannot serve this path")
                .hint("check `path`: it is a bucket and a key, without query")
        }
        E::Generic { store: "parse_url" | "URL", .. } => Error::new(Code::InvalidValue, "no object store for this URL"),
        _ => Error::new(Code::ConnectionFailed, "the object store did not answer as it should")
            .hint("check that it runs and can be reached, and the region and endpoint under `storage`")
            .retryable(),
    };
    // The text may quote a URL with a signature in it.
    error.with("path", redactor.clean(name)).because(io::Error::other(redactor.clean(&full_text(&err))))
}

fn full_text(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut next = err.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

/// The error of a file of which the beginning and the end may be of different ones.
fn changed_error() -> Error {
    Error::new(Code::SourceUnreadable, "the file changed while it was read")
        .hint("run again when it is whole; who writes it should write another file and rename it at the end")
        .retryable()
}

impl Input {
    /// The error of a file that is no longer what was listed.
    pub(crate) fn changed(&self) -> Error {
        changed_error().in_file(&self.name, 0)
    }

    /// Refuses a local file that is no longer what was listed. One that is gone was read as a whole. Blocks.
    pub(crate) fn unchanged(&self) -> Result<()> {
        match &self.place {
            Place::Local(path) => match std::fs::metadata(path) {
                Ok(meta) if meta.is_file() && (meta.len() != self.size || modified(&meta) != self.modified) => {
                    Err(self.changed())
                }
                _ => Ok(()),
            },
            Place::Remote(..) => Ok(()),
        }
    }

    /// What an object store is to hold a request against, so that all of it is answered from one object.
    pub(crate) fn conditions(&self) -> GetOptions {
        GetOptions::new().with_if_match(self.etag.as_deref())
    }

    /// The file's content, decompressed. Blocks; remote files are read through the runtime of `handle`, until `stop`.
    pub(crate) fn open(&self, handle: &Handle, stop: &CancellationToken) -> io::Result<Box<dyn Read + Send>> {
        let raw: Box<dyn Read + Send> = match &self.place {
            Place::Local(path) => Box::new(std::fs::File::open(path)?),
            Place::Remote(store, path) => {
                let (handle, stop) = (handle.clone(), stop.clone());
                let got = handle.block_on(stopping(&stop, store.get_opts(path, self.conditions())))?;
                Box::new(RemoteRead {
                    stream: got.map_err(io::Error::other)?.into_stream(),
                    chunk: Bytes::new(),
                    handle,
                    stop,
                })
            }
        };
        Ok(match self.compression {
            Compression::Gzip => {
                Box::new(flate2::bufread::MultiGzDecoder::new(io::BufReader::with_capacity(1 << 17, raw)))
            }
            Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(raw)?),
            Compression::Auto | Compression::None => raw,
        })
    }

    /// What failed while the file's content was read.
    pub(crate) fn read_error(&self, redactor: &Redactor, err: io::Error) -> Error {
        if let Some(inner) = err.get_ref()
            && inner.is::<object_store::Error>()
        {
            let inner = err.into_inner().and_then(|inner| inner.downcast().ok());
            return match inner {
                Some(inner) => remote_error(redactor, &self.name, *inner),
                None => Error::internal("an error was not what it had been"),
            };
        }
        if err.get_ref().is_some_and(|inner| inner.is::<Stopped>()) {
            return Error::new(Code::Interrupted, "reading was interrupted").in_file(&self.name, 0);
        }
        if matches!(self.compression, Compression::Gzip | Compression::Zstd) && err.raw_os_error().is_none() {
            let what = if self.compression == Compression::Gzip { "gzip" } else { "zstd" };
            let message = match err.kind() {
                io::ErrorKind::UnexpectedEof => format!("the file ends in the middle of its {what} data"),
                _ => format!("the file is not {what} data, or damaged"),
            };
            return Error::new(Code::MalformedData, message)
                .in_file(&self.name, 0)
                .hint("get the file again; if it is compressed otherwise, set `compression`")
                .because(err);
        }
        local_error(&self.name, err)
    }
}

/// Reading was stopped from outside. Not `ErrorKind::Interrupted`, upon which readers try again.
#[derive(Debug)]
pub(crate) struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped")
    }
}

impl std::error::Error for Stopped {}

/// Waits, but not beyond `stop`.
async fn stopping<T>(stop: &CancellationToken, work: impl Future<Output = T>) -> io::Result<T> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(io::Error::other(Stopped)),
        done = work => Ok(done),
    }
}

/// An object as it arrives.
struct RemoteRead {
    stream: BoxStream<'static, object_store::Result<Bytes>>,
    chunk: Bytes,
    handle: Handle,
    stop: CancellationToken,
}

impl Read for RemoteRead {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            let next = self.stream.next();
            match self.handle.block_on(stopping(&self.stop, next))? {
                Some(chunk) => self.chunk = chunk.map_err(io::Error::other)?,
                None => return Ok(0),
            }
        }
        let len = into.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut into[..len]);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    /// What an object of this content reads as.
    async fn content(bytes: Vec<u8>, compression: Compression, stop: CancellationToken) -> Result<String> {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let path = ObjectPath::from("a/b.csv");
        let size = bytes.len() as u64;
        store.put(&path, bytes.into()).await.unwrap();
        let input = Input {
            name: "s3://bucket/a/b.csv".to_owned(),
            place: Place::Remote(store, path),
            size,
            version: String::new(),
            etag: None,
            modified: DateTime::UNIX_EPOCH,
            compression,
        };
        let handle = Handle::current();
        blocking(move || {
            let mut text = String::new();
            let read = input.open(&handle, &stop).and_then(|mut reader| reader.read_to_string(&mut text));
            read.map_err(|err| input.read_error(&Redactor::default(), err)).map(|_| text)
        })
        .await
    }

    #[tokio::test]
    async fn an_object_reads_like_a_file() {
        let text = "a,b\n1,2\n".repeat(100_000);
        let go = CancellationToken::new();
        // Not shown when it is another: it is long.
        let is_whole = |read: Result<String>| read.is_ok_and(|read| read == text);
        assert!(is_whole(content(text.clone().into(), Compression::None, go.clone()).await), "as it is");
        let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
        assert!(is_whole(content(zstd.clone(), Compression::Zstd, go.clone()).await), "compressed");
        let half = content(zstd[..zstd.len() / 2].to_vec(), Compression::Zstd, go.clone()).await.map(|_| "read");
        assert_eq!(half.unwrap_err().message(), "the file ends in the middle of its zstd data");
        go.cancel();
        let stopped = content(text.clone().into(), Compression::None, go).await.map(|_| "read");
        assert_eq!(stopped.unwrap_err().code(), Code::Interrupted);
    }

    /// The names that a pattern lists; object stores are asked, though what they have here are local files.
    async fn names(pattern: &str) -> Result<Vec<String>> {
        let config: FilesConfig =
            serde_json::from_value(serde_json::json!({ "path": pattern, "storage": {} })).unwrap();
        let storage = Storage { root: Url::parse("s3://lake/").unwrap(), options: BTreeMap::new() };
        let (inputs, origin) = list_remote(pattern, &config, &storage, &Redactor::default()).await?;
        assert_eq!(origin, pattern);
        let mut names: Vec<_> = inputs.into_iter().map(|input| input.name).collect();
        names.sort();
        Ok(names)
    }

    #[tokio::test]
    async fn patterns_match_objects_as_they_match_files() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["in/1.csv", "in/2.csv", "in/3.json", "in/deep/4.csv", "other/5.csv"] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "a\n1\n").unwrap();
        }
        let root = Url::from_directory_path(dir.path()).unwrap();
        for (pattern, wanted) in [
            ("in/1.csv", &["in/1.csv"][..]),
            ("in/9.csv", &[]),
            ("in/*.csv", &["in/1.csv", "in/2.csv"]),
            ("in/[13].*", &["in/1.csv", "in/3.json"]),
            ("in/**/*.csv", &["in/1.csv", "in/2.csv", "in/deep/4.csv"]),
            ("*/5.csv", &["other/5.csv"]),
            ("none/*.csv", &[]),
        ] {
            let wanted: Vec<_> = wanted.iter().map(|name| format!("{root}{name}")).collect();
            assert_eq!(names(&format!("{root}{pattern}")).await.unwrap(), wanted, "{pattern}");
        }
    }
}
