//! Delta's log: reading a table's state and its commits, composing a commit, landing it, and the view of a commit that has
//! not landed.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use deltalake_core::checkpoints;
use deltalake_core::kernel::transaction::{CommitData, TransactionError};
use deltalake_core::kernel::{Action, CommitInfo, EagerSnapshot, Snapshot};
use deltalake_core::logstore::{CommitOrBytes, LogStore, StorageConfig, commit_uri_from_version};
use deltalake_core::protocol::DeltaOperation;
use deltalake_core::{DeltaTable, DeltaTableError};
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::memory::InMemory;
use object_store::path::Path as StorePath;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt as _,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use phlo_plugin::{Error, Result};
use phlo_spec::Code;
use uuid::Uuid;

use crate::error;
use crate::folder::{Folder, LOG, OWN, STAGES, log_store, sync_dir};

/// The key of the source's cursor in the table's configuration.
pub(crate) const CURSOR: &str = "phlo.cursor";
/// The keys of a commit's run and stage in its `commitInfo`.
const RUN: &str = "phlo.run_id";
const STAGE: &str = "phlo.stage";
/// How many commits are looked through for the last one of a run: others (a compaction) may come after it.
const RUN_LOOKBACK: u64 = 10;

/// A table's state without its files; `None` if there is no such table.
pub(crate) async fn snapshot(folder: &Folder, at: Option<u64>) -> Result<Option<Snapshot>> {
    let log = folder.log.as_ref();
    if !folder.may_be_table() {
        return Ok(None);
    }
    let cause = match Snapshot::try_new(log, at).await {
        Ok(snapshot) => return Ok(Some(snapshot)),
        Err(cause) => cause,
    };
    let is_none = matches!(cause, DeltaTableError::NotATable(_));
    let Some(version) = at else {
        return if is_none { Ok(None) } else { Err(error::delta("reading the table's log", cause)) };
    };
    // There may be a table, and no such version of it.
    match Snapshot::try_new(log, None).await {
        Ok(latest) => {
            let reason = if version > latest.version() {
                "the table has no such version yet"
            } else {
                "that version was cleaned up"
            };
            Err(Error::new(Code::UnknownVersion, reason).with("version", version).with("latest", latest.version()))
        }
        Err(DeltaTableError::NotATable(_)) => Ok(None),
        Err(e) => Err(error::delta("reading the table's log", e)),
    }
}

/// A table's state with its files; `None` if there is no such table.
pub(crate) async fn state(folder: &Folder) -> Result<Option<EagerSnapshot>> {
    state_at(folder, None).await
}

/// A table's state with its files, now or at a version; `None` if there is no such table.
pub(crate) async fn state_at(folder: &Folder, at: Option<u64>) -> Result<Option<EagerSnapshot>> {
    if !folder.may_be_table() {
        return Ok(None);
    }
    match EagerSnapshot::try_new(folder.log.as_ref(), at).await {
        Ok(state) => Ok(Some(state)),
        // Why it cannot be read is found out where files are left alone.
        Err(e) => match snapshot(folder, at).await? {
            None => Ok(None),
            Some(_) => Err(error::delta("reading the table's log", e)),
        },
    }
}

/// The table's latest version; `None` if there is no table.
pub(crate) async fn latest_version(folder: &Folder) -> Result<Option<u64>> {
    Ok(snapshot(folder, None).await?.map(|s| s.version()))
}

/// A commit's facts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts(CommitInfo);

impl Facts {
    fn text(&self, key: &str) -> Option<&str> {
        self.0.info.get(key)?.as_str()
    }

    /// What phlo committed beside the data.
    pub(crate) fn own(&self) -> BTreeMap<String, serde_json::Value> {
        let own = self.0.info.iter().filter(|(key, _)| key.starts_with("phlo."));
        own.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    pub(crate) fn stage(&self) -> Option<&str> {
        self.text(STAGE)
    }

    pub(crate) fn run_id(&self) -> Option<&str> {
        self.text(RUN)
    }

    pub(crate) fn operation(&self) -> &str {
        self.0.operation.as_deref().unwrap_or("UNKNOWN")
    }

    pub(crate) fn committed_at(&self) -> Option<DateTime<Utc>> {
        self.0.in_commit_timestamp.or(self.0.timestamp).and_then(DateTime::from_timestamp_millis)
    }

    /// A number of the commit's `operationMetrics`; Spark writes them as text.
    pub(crate) fn metric(&self, name: &str) -> Option<u64> {
        let value = self.0.info.get("operationMetrics")?.get(name)?;
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    }
}

/// The facts of one commit; `None` if its file is gone.
pub(crate) async fn commit_info(log: &dyn LogStore, version: u64) -> Result<Option<Facts>> {
    let Some(bytes) = log.read_commit_entry(version).await.map_err(|e| error::delta("reading the table's log", e))?
    else {
        return Ok(None);
    };
    // A line for each action; the facts are nearly always the first.
    let line = bytes
        .split(|b| *b == b'\n')
        .find(|line| line.get(..16).is_some_and(|start| start.windows(10).any(|w| w == b"commitInfo")));
    let facts = match line.map(serde_json::from_slice::<Action>) {
        Some(Ok(Action::CommitInfo(info))) => Facts(info),
        _ => Facts::default(),
    };
    Ok(Some(facts))
}

/// The facts of the last commit that a run made, as far back as is looked; and of the version itself.
pub(crate) async fn last_run(log: &dyn LogStore, version: u64) -> Result<(Facts, Option<String>)> {
    let own = commit_info(log, version).await?.unwrap_or_default();
    let mut run = own.run_id().map(str::to_owned);
    for back in 1..=RUN_LOOKBACK.min(version) {
        if run.is_some() {
            break;
        }
        let Some(info) = commit_info(log, version - back).await? else { break };
        run = info.run_id().map(str::to_owned);
    }
    Ok((own, run))
}

/// A commit as it is written.
pub(crate) fn compose(
    actions: Vec<Action>,
    operation: DeltaOperation,
    run_id: &str,
    stage: &str,
    facts: HashMap<String, serde_json::Value>,
) -> Result<Bytes> {
    let mut facts = facts;
    facts.insert(RUN.to_owned(), run_id.into());
    facts.insert(STAGE.to_owned(), stage.into());
    facts.insert("clientVersion".to_owned(), concat!("phlo.", env!("CARGO_PKG_VERSION")).into());
    CommitData::new(actions, operation, facts, Vec::new())
        .get_bytes()
        .map_err(|e| Error::internal("a commit has no JSON").because(e))
}

/// Whether a commit became the table's next version, or another's did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Landing {
    Landed,
    Taken,
}

/// Makes the commit the table's `version`, or changes nothing because that version is there.
pub(crate) async fn land(folder: &Folder, version: u64, bytes: &Bytes, stage: &str) -> Result<Landing> {
    let attempt = match &folder.dir {
        Some(dir) => land_on_disk(dir, version, bytes, stage),
        None => {
            match folder.log.write_commit_entry(version, CommitOrBytes::LogBytes(bytes.clone()), Uuid::new_v4()).await {
                Ok(()) => Ok(Landing::Landed),
                Err(TransactionError::VersionAlreadyExists(_)) => Ok(Landing::Taken),
                Err(e) => Err(error::delta("committing", e.into())),
            }
        }
    };
    if matches!(attempt, Ok(Landing::Landed)) {
        return attempt;
    }
    // A request whose answer was lost may have done its work, and its repetition then finds the version taken: by ourselves.
    match commit_info(folder.log.as_ref(), version).await {
        Ok(Some(info)) if info.stage() == Some(stage) => Ok(Landing::Landed),
        Ok(_) => attempt,
        // Whether it landed is not known: neither is to be told as if it were.
        Err(unknown) => Err(attempt.err().unwrap_or(unknown)),
    }
}

/// Written whole and flushed to the disk under another name, then linked: the link fails if the version is there.
fn land_on_disk(dir: &Path, version: u64, bytes: &Bytes, stage: &str) -> Result<Landing> {
    let partial = dir.join(OWN).join(STAGES).join(format!("{stage}.commit"));
    let log = dir.join(LOG);
    let target = log.join(format!("{version:020}.json"));
    let write = || {
        let mut file = fs::File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::create_dir_all(&log)?;
        fs::hard_link(&partial, &target)
    };
    let written = write();
    let _ = fs::remove_file(&partial);
    match written {
        Ok(()) => {
            // It is committed now, whatever the folder's flush says.
            for folder in [log.as_path(), dir] {
                if let Err(e) = sync_dir(folder) {
                    tracing::warn!(folder = %folder.display(), error = ?e, "a commit may not outlast a power failure");
                }
            }
            Ok(Landing::Landed)
        }
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(Landing::Taken),
        Err(e) => {
            // Fails, rightly, unless this commit was to be the first.
            let _ = fs::remove_dir(&log);
            Err(error::io("committing", target.display(), e))
        }
    }
}

/// Writes a checkpoint of a version and removes what checkpoints made superfluous.
pub(crate) async fn checkpoint(folder: &Folder, version: u64, clean_up: bool) -> Result<()> {
    let mut table = DeltaTable::new(Arc::clone(&folder.log));
    table.load_version(version).await.map_err(|e| error::delta("reading the table's log", e))?;
    checkpoints::create_checkpoint(&table, None).await.map_err(|e| error::delta("writing a checkpoint", e))?;
    if clean_up {
        checkpoints::cleanup_metadata(&table, None)
            .await
            .map_err(|e| error::delta("cleaning up the table's log", e))?;
    }
    Ok(())
}

/// The table as a commit would make it: its log with one commit more, which lies in memory alone.
pub(crate) async fn state_with(folder: &Folder, version: u64, commit: Bytes) -> Result<EagerSnapshot> {
    let overlay = Overlay { top: commit_in_memory(folder, version, commit).await?, base: Arc::clone(&folder.store) };
    state_of(folder, Arc::new(overlay), version).await
}

/// A table that consists of one commit, which lies in memory alone; its files lie where the real ones do.
pub(crate) async fn state_alone(folder: &Folder, commit: Bytes) -> Result<EagerSnapshot> {
    let store = commit_in_memory(folder, 0, commit).await?;
    state_of(folder, Arc::new(store), 0).await
}

async fn commit_in_memory(folder: &Folder, version: u64, commit: Bytes) -> Result<InMemory> {
    let store = InMemory::new();
    let path = commit_uri_from_version(Some(version)).parts().fold(folder.path.clone(), StorePath::join);
    store.put(&path, commit.into()).await.map_err(|e| error::store("keeping a commit in memory", e))?;
    Ok(store)
}

async fn state_of(folder: &Folder, store: Arc<dyn ObjectStore>, version: u64) -> Result<EagerSnapshot> {
    let log = log_store(&folder.url, store, &StorageConfig::default())?;
    EagerSnapshot::try_new(log.as_ref(), Some(version))
        .await
        .map_err(|e| error::delta("reading the table as it would be", e))
}

/// An object store with files of its own in front of another's. It is read, never written.
#[derive(Debug)]
struct Overlay {
    top: InMemory,
    base: Arc<dyn ObjectStore>,
}

impl fmt::Display for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with a commit to be", self.base)
    }
}

fn read_only(operation: &str) -> object_store::Error {
    object_store::Error::NotImplemented {
        operation: operation.to_owned(),
        implementer: "the view of a commit to be".to_owned(),
    }
}

#[async_trait]
impl ObjectStore for Overlay {
    async fn put_opts(&self, _: &StorePath, _: PutPayload, _: PutOptions) -> object_store::Result<PutResult> {
        Err(read_only("put"))
    }

    async fn put_multipart_opts(
        &self,
        _: &StorePath,
        _: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        Err(read_only("put"))
    }

    async fn get_opts(&self, path: &StorePath, options: GetOptions) -> object_store::Result<GetResult> {
        match self.top.get_opts(path, options.clone()).await {
            Err(object_store::Error::NotFound { .. }) => self.base.get_opts(path, options).await,
            found => found,
        }
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, object_store::Result<StorePath>>,
    ) -> BoxStream<'static, object_store::Result<StorePath>> {
        paths.map(|_| Err(read_only("delete"))).boxed()
    }

    fn list(&self, prefix: Option<&StorePath>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        both(self.top.list(prefix), self.base.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&StorePath>,
        offset: &StorePath,
    ) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        both(self.top.list_with_offset(prefix, offset), self.base.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&StorePath>) -> object_store::Result<ListResult> {
        let (mut all, base) =
            (self.top.list_with_delimiter(prefix).await?, self.base.list_with_delimiter(prefix).await?);
        all.objects.extend(base.objects);
        front(&mut all.objects);
        all.common_prefixes.extend(base.common_prefixes);
        all.common_prefixes.sort();
        all.common_prefixes.dedup();
        Ok(all)
    }

    async fn copy_opts(&self, _: &StorePath, _: &StorePath, _: CopyOptions) -> object_store::Result<()> {
        Err(read_only("copy"))
    }
}

/// Sorts by path, and of two with one path keeps the first: what lies in front hides what another writer committed meanwhile.
fn front(objects: &mut Vec<ObjectMeta>) {
    objects.sort_by(|a, b| a.location.cmp(&b.location));
    objects.dedup_by(|later, kept| later.location == kept.location);
}

/// Two listings as one, in order of path: Delta's reader relies on the order.
fn both(
    top: BoxStream<'static, object_store::Result<ObjectMeta>>,
    base: BoxStream<'static, object_store::Result<ObjectMeta>>,
) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
    let sorted = async move {
        let mut all: Vec<ObjectMeta> = top.chain(base).try_collect().await?;
        front(&mut all);
        Ok::<_, object_store::Error>(stream::iter(all.into_iter().map(Ok)))
    };
    stream::once(sorted).try_flatten().boxed()
}
