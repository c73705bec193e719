//! Looking at tables: SQL over everything that is published, versions, history, lineage, status.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use chrono::Utc;
use phlo_engine::check::register_holds;
use phlo_engine::session::{register, register_bare};
use phlo_engine::sql::{Adhoc, reads_files};
use phlo_engine::stream::{execute_merged, head};
use phlo_engine_api::{TableInfo, TableVersion};
use phlo_plugin::source::BatchStream;
use phlo_plugin::{Error, Result};
use phlo_spec::{AssetBody, AssetKey, Code, Diagnostics};

use crate::platform::Platform;
use crate::publish;
use crate::report::{AssetState, Freshness, Lineage, TableRow};
use crate::select;

/// Rows that answer a query.
pub struct SqlAnswer {
    /// Their schema.
    pub schema: SchemaRef,
    /// The rows.
    pub stream: BatchStream,
}

impl Platform {
    /// Runs a query over the published tables; `'file.parquet'` in FROM reads a file.
    ///
    /// # Errors
    /// It does not plan; a table is unknown, with the nearest name.
    pub async fn sql(&self, text: &str) -> Result<SqlAnswer> {
        let session = reads_files(self.engine(None, None)?.session()?)?;
        let platform = self.clone();
        register_holds(&session, Arc::new(move |asset, check, schema| platform.check_of(asset, check, schema)));
        let adhoc = Adhoc::parse(&session, text)?;
        let (store, _) = self.table_store(None, None)?;
        for name in adhoc.names.clone() {
            // Anything else is a file, or a name that the planner will not find and say so.
            let Ok(key) = AssetKey::new(name.clone()) else {
                self.register_other(&session, &name).await?;
                continue;
            };
            let store = match self.asset(&key) {
                Some(spec) => self.table_store(Some(spec), None)?.0,
                None => store.clone(),
            };
            match store.provider(&key, None).await? {
                Some(table) => register(&session, &key, table)?,
                None if self.register_model(&session, &key).await? => {}
                None => match unread(key.as_str()) {
                    Some(err) => return Err(err),
                    None if Path::new(key.as_str()).is_file() => {
                        return Err(Error::new(Code::UnknownTable, format!("there is no table `{key}`"))
                            .hint(format!("write './{key}' to read the file")));
                    }
                    None => return Err(self.no_table(&key).await),
                },
            }
        }
        let names = adhoc.names.clone();
        let plan = adhoc.plan(&session).await;
        // What is no table was taken for a file: why that cannot be read, the planner does not tell.
        let plan = plan.map_err(|err| names.iter().find_map(|name| unread(name)).unwrap_or(err))?;
        let (schema, stream) = execute_merged(&session, plan).await?;
        Ok(SqlAnswer { schema, stream })
    }

    /// Runs a query over tables alone, each under a bare name: the table, now or at a version.
    ///
    /// # Errors
    /// A table or version does not exist; the query does not plan.
    pub async fn sql_over(&self, text: &str, tables: &[(&str, &AssetKey, Option<u64>)]) -> Result<SqlAnswer> {
        let session = self.engine(None, None)?.session()?;
        for (name, key, at) in tables {
            match self.store_of(key).await?.provider(key, *at).await? {
                Some(table) => register_bare(&session, name, table)?,
                None => return Err(self.no_table(key).await),
            }
        }
        let plan = Adhoc::parse(&session, text)?.plan(&session).await?;
        let (schema, stream) = execute_merged(&session, plan).await?;
        Ok(SqlAnswer { schema, stream })
    }

    pub(crate) async fn no_table(&self, key: &AssetKey) -> Error {
        if let Some(publish) = self.asset(key).and_then(publish::of) {
            return publish::no_table(key, publish);
        }
        let mut names: BTreeSet<String> = self.assets().map(|a| a.key.to_string()).collect();
        names.extend(self.models().0.iter().map(|model| model.key.to_string()));
        if let Ok((store, _)) = self.table_store(None, None) {
            names.extend(store.list().await.unwrap_or_default().iter().map(ToString::to_string));
        }
        if names.contains(key.as_str()) {
            return Error::new(Code::UnknownTable, format!("the table `{key}` does not exist yet"))
                .hint(format!("make it with `phlo run {key}`"));
        }
        Error::new(Code::UnknownTable, format!("there is no table `{key}`")).suggest(
            key.as_str(),
            names.iter().map(String::as_str),
            "`phlo table list` shows the tables",
        )
    }

    /// The tables of the store, sorted. One that is damaged hides no other.
    ///
    /// # Errors
    /// If the storage cannot be read.
    pub async fn tables(&self) -> Result<Vec<TableRow>> {
        let (store, _) = self.table_store(None, None)?;
        let mut tables = Vec::new();
        for table in store.list().await? {
            let info = match store.describe(&table, None).await {
                Ok(None) => continue,
                Ok(Some(info)) => Ok(info),
                Err(err) if is_of_all(&err) => return Err(err),
                Err(err) => Err(err.record()),
            };
            tables.push(TableRow { table, info });
        }
        tables.sort_by(|a, b| a.table.cmp(&b.table));
        Ok(tables)
    }

    pub(crate) async fn store_of(&self, table: &AssetKey) -> Result<Arc<dyn phlo_engine_api::TableStore>> {
        Ok(self.table_store(self.asset(table), None)?.0)
    }

    /// One table, now or at a version.
    ///
    /// # Errors
    /// There is no such table or version.
    pub async fn table(&self, table: &AssetKey, at: Option<u64>) -> Result<TableInfo> {
        match self.store_of(table).await?.describe(table, at).await? {
            Some(info) => Ok(info),
            None => Err(self.no_table(table).await),
        }
    }

    /// A table's latest commits, newest first.
    ///
    /// # Errors
    /// There is no such table.
    pub async fn table_history(&self, table: &AssetKey, limit: usize) -> Result<Vec<TableVersion>> {
        self.table(table, None).await?;
        self.store_of(table).await?.history(table, limit).await
    }

    /// Some rows of a table, now or at a version.
    ///
    /// # Errors
    /// There is no such table or version.
    pub async fn preview(&self, table: &AssetKey, at: Option<u64>, limit: usize) -> Result<SqlAnswer> {
        let Some(provider) = self.store_of(table).await?.provider(table, at).await? else {
            return Err(self.no_table(table).await);
        };
        let session = self.engine(None, None)?.session()?;
        let (schema, stream) = head(&session, provider, limit).await?;
        Ok(SqlAnswer { schema, stream })
    }

    /// The assets that selections name, sorted.
    ///
    /// # Errors
    /// The project or a selection is wrong.
    pub fn select(&self, selections: &[String]) -> Result<Vec<AssetKey>, Diagnostics> {
        let (graph, problems) = self.graph();
        if problems.has_errors() {
            return Err(problems.sorted());
        }
        let selected = select::select(&graph, selections, &[]);
        Ok(selected.map_err(|err| Diagnostics(vec![err.into_diagnostic()]))?.into_iter().collect())
    }

    pub(crate) fn no_asset(&self, key: &AssetKey) -> Error {
        Error::new(Code::UnknownAsset, format!("there is no asset `{key}`")).suggest(
            key.as_str(),
            self.assets().map(|a| a.key.as_str()),
            "`phlo status` lists the assets",
        )
    }

    /// An asset's neighbours, by table.
    ///
    /// # Errors
    /// The project is wrong, or the asset unknown.
    pub async fn lineage(&self, asset: &AssetKey) -> Result<Lineage, Diagnostics> {
        let (graph, problems) = self.graph();
        if problems.has_errors() {
            return Err(problems.sorted());
        }
        if graph.get(asset).is_none() {
            return Err(Diagnostics(vec![self.no_asset(asset).into_diagnostic()]));
        }
        let one = BTreeSet::from([asset.clone()]);
        let mut upstream = Vec::new();
        for key in graph.reach(&one, |n| &n.upstream).into_iter().chain([asset.clone()]) {
            let Some(node) = graph.get(&key) else { continue };
            upstream.extend(node.upstream.iter().map(|u| (u.to_string(), key.to_string())));
            upstream.extend(node.external.iter().map(|(u, _)| (u.to_string(), key.to_string())));
            if let AssetBody::Ingest(source) = &node.spec.body {
                upstream.push((origin(source), key.to_string()));
            }
        }
        let mut downstream = Vec::new();
        for key in graph.reach(&one, |n| &n.downstream).into_iter().chain([asset.clone()]) {
            let Some(node) = graph.get(&key) else { continue };
            downstream.extend(node.downstream.iter().map(|d| (key.to_string(), d.to_string())));
            if let Some((target, config)) = &node.target {
                let location = target.location(config).map_err(|err| Diagnostics(vec![err.into_diagnostic()]))?;
                downstream.push((key.to_string(), location));
            }
        }
        upstream.sort();
        downstream.sort();
        Ok(Lineage { asset: asset.clone(), upstream, downstream })
    }

    /// Every asset's table and latest run. A table that is damaged says so itself.
    ///
    /// # Errors
    /// If the storage or the history cannot be read.
    pub async fn status(&self) -> Result<Vec<AssetState>> {
        let (graph, _) = self.graph();
        let latest = match self.history() {
            Ok(history) => history.latest()?,
            // Without a history plugin the tables still tell their state.
            Err(_) => Vec::new(),
        };
        let mut states = Vec::new();
        for node in graph.nodes() {
            let spec = &node.spec;
            let found = match self.table_store(Some(spec), None) {
                _ if node.is_publication() => Ok(None),
                Ok((store, _)) => store.describe(&spec.key, None).await,
                Err(err) => Err(err),
            };
            let publication = if node.is_publication() { self.publication(&spec.key) } else { None };
            let (info, error) = match found {
                Ok(info) => (info, None),
                Err(err) if is_of_all(&err) => return Err(err),
                // A damaged table hides no other.
                Err(err) => (None, Some(err.record())),
            };
            let committed_at = publication.as_ref().map(|p| p.at).or(info.as_ref().and_then(|i| i.committed_at));
            let freshness = match (&spec.freshness, committed_at) {
                (_, None) if error.is_some() => Freshness::Unset,
                (_, None) => Freshness::Never,
                (None, Some(_)) => Freshness::Unset,
                (Some(wanted), Some(at)) if late_hours(wanted, at) <= 0.0 => Freshness::Fresh,
                (Some(_), Some(_)) => Freshness::Late,
            };
            states.push(AssetState {
                asset: spec.key.clone(),
                kind: spec.kind().to_owned(),
                group: spec.group.clone(),
                upstream: node.upstream.iter().cloned().collect(),
                version: info.as_ref().map(|i| i.version),
                rows: publication.as_ref().map(|p| p.rows).or(info.as_ref().and_then(|i| i.rows)),
                bytes: publication.as_ref().map(|p| p.bytes).or(info.as_ref().map(|i| i.bytes)),
                committed_at,
                freshness,
                owner: spec.owner.clone(),
                tags: spec.tags.clone(),
                error,
                last: latest.iter().find(|(_, _, run)| run.asset == spec.key).cloned(),
            });
        }
        Ok(states)
    }
}

/// How many hours older a commit is than it may become; negative before.
pub(crate) fn late_hours(wanted: &phlo_spec::asset::FreshnessSpec, committed_at: chrono::DateTime<Utc>) -> f64 {
    (Utc::now() - committed_at).num_seconds() as f64 / 3600.0 - wanted.max_age_hours
}

// Why a file that is named in FROM cannot be read; nothing if it can be, or if no file is meant.
fn unread(name: &str) -> Option<Error> {
    const READ: [&str; 5] = ["csv", "json", "ndjson", "jsonl", "parquet"];
    const OTHER: [&str; 3] = ["tsv", "gz", "zst"];
    let path = Path::new(name);
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let extension = extension.as_str();
    let is_meant = name.contains('/') || READ.contains(&extension) || OTHER.contains(&extension) || path.is_file();
    if !is_meant || name.contains("://") || name.contains(['*', '?', '[']) {
        return None;
    }
    if !path.exists() {
        return Some(
            Error::new(Code::UnknownTable, format!("the file `{name}` does not exist"))
                .hint("check the path: it is relative to the current folder"),
        );
    }
    (path.is_file() && !READ.contains(&extension)).then(|| {
        Error::new(Code::Usage, "`phlo sql` reads .csv, .json, .ndjson, .jsonl and .parquet files")
            .with("file", name)
            .hint("an asset with `source: {plugin: files, …}` reads others, and makes a table of them")
    })
}

// Whether a failure is one of the storage, so that the next table fails in the same way.
fn is_of_all(err: &Error) -> bool {
    matches!(err.code(), Code::ConnectionFailed | Code::AuthFailed | Code::RemoteBusy)
}

// What a source reads, as far as its config tells without opening it.
pub(crate) fn origin(source: &phlo_spec::SourceSpec) -> String {
    let text = |key: &str| source.config.get(key).and_then(|n| n.as_str().map(str::to_owned));
    match (text("path"), text("base_url"), text("endpoint")) {
        (Some(path), _, _) => bare(&path),
        (None, Some(base), endpoint) => {
            let endpoint = endpoint.unwrap_or_default();
            let endpoint = endpoint.split(['?', '#']).next().unwrap_or_default();
            format!("{}/{}", bare(&base).trim_end_matches('/'), endpoint.trim_start_matches('/'))
        }
        _ => format!("source:{}", source.plugin),
    }
}

// Who may read a URL stands in its user info or its query (a signature), and neither is what it names.
fn bare(text: &str) -> String {
    if !text.contains("://") {
        return text.to_owned();
    }
    let Ok(mut url) = url::Url::parse(text) else {
        return text.split(['?', '#']).next().unwrap_or_default().to_owned();
    };
    if matches!(url.scheme(), "http" | "https") {
        url.set_query(None);
        url.set_fragment(None);
    }
    let _ = url.set_password(None);
    let _ = url.set_username("");
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use phlo_spec::{Node, SourceSpec};

    #[test]
    fn an_origin_tells_nothing_that_lets_somebody_in() {
        for (config, want) in [
            ("path: data/x?.csv", "data/x?.csv"),
            ("path: https://u:p@h/x.csv?sig=abc", "https://h/x.csv"),
            ("path: s3://b/x?.csv", "s3://b/x?.csv"),
            ("{base_url: 'https://u:p@h/v1/?key=k', endpoint: /x?token=t}", "https://h/v1/x"),
            ("{}", "source:p"),
        ] {
            let config = Node::parse(config, "f", 1).unwrap();
            assert_eq!(origin(&SourceSpec { plugin: "p".to_owned(), plugin_place: None, config }), want);
        }
    }
}
