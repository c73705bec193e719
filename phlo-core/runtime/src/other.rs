//! Tables that checks read through sources: a connection or a plugin beside the project's own tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use futures::FutureExt;
use phlo_engine::other::{Open, read_once};
use phlo_engine::session::{empty, register_bare};
use phlo_engine::{Check, Session};
use phlo_plugin::quality::OtherTable;
use phlo_plugin::source::{AnySource, ReadRequest, SourceConfig, SourceContext};
use phlo_plugin::{Error, Result};
use phlo_project::source_of;
use phlo_spec::{AssetSpec, Code, Diagnostic};
use tokio_util::sync::CancellationToken;

use crate::audit;
use crate::platform::Platform;

/// Rows per batch, about.
const BATCH_ROWS: usize = 8192;

/// A source whose config was read.
struct Source {
    plugin: Arc<dyn AnySource>,
    config: Arc<SourceConfig>,
    context: SourceContext,
    name: String,
}

impl Platform {
    /// Registers what an asset's checks read through sources, each under the name that its check has for it. Columns are asked of the
    /// source now, rows by the first scan for all of them.
    ///
    /// # Errors
    /// The source is unknown, its config is wrong, or it does not answer; at its place.
    pub(crate) async fn register_others(&self, session: &Session, spec: &AssetSpec, checks: &[Check]) -> Result<()> {
        let mut registered: BTreeMap<&str, serde_json::Value> = BTreeMap::new();
        // What several checks read is read once for them all.
        let mut tables: Vec<(serde_json::Value, Arc<_>)> = Vec::new();
        for (check, other) in others(checks) {
            let said = other.source.to_json();
            match registered.insert(&other.name, said.clone()) {
                None => {}
                Some(same) if same == said => continue,
                Some(_) => {
                    let message = format!("two checks read different tables under the name `{}`", other.name);
                    return Err(Error::new(Code::CheckErrored, message).at(check.place.clone()));
                }
            }
            let known = tables.iter().find(|(source, _)| *source == said).map(|(_, table)| Arc::clone(table));
            let table = if let Some(table) = known {
                table
            } else {
                let source = self.other(spec, check, other, false).map_err(|problems| first(problems, check))?;
                let schema = source.schema().await.map_err(|err| err.at(place(check, other)))?;
                let table = read_once(source.name.clone(), plain(&schema), source.open())?;
                tables.push((said, table.clone()));
                table
            };
            register_bare(session, &other.name, table)?;
        }
        Ok(())
    }

    /// Registers a table that some check reads through a source, for who runs the SQL of its result. Answers whether there is such a one.
    ///
    /// # Errors
    /// As [`Platform::register_others`].
    pub(crate) async fn register_other(&self, session: &Session, name: &str) -> Result<bool> {
        for spec in self.assets() {
            let (mut checks, _) = audit::checks(self, spec, None);
            checks.retain_mut(|check| {
                check.plan.others.retain(|other| other.name == name);
                !check.plan.others.is_empty()
            });
            if !checks.is_empty() {
                return self.register_others(session, spec, &checks).await.map(|()| true);
            }
        }
        Ok(false)
    }

    /// Reads the configs of what a check reads through sources, without a network, and registers them for planning. Answers whether all
    /// columns are known.
    ///
    /// # Errors
    /// Each mistake in a config, at its place.
    pub(crate) async fn know_others(
        &self,
        session: &Session,
        spec: &AssetSpec,
        check: &Check,
    ) -> Result<bool, Vec<Diagnostic>> {
        let mut known = true;
        for (check, other) in others(std::slice::from_ref(check)) {
            let source = self.other(spec, check, other, true)?;
            let told = |err: Error| vec![err.at(place(check, other)).into_diagnostic()];
            match source.plugin.schema(&source.config, &source.context).await {
                Ok(Some(schema)) => register_bare(session, &other.name, empty(plain(&schema))).map_err(told)?,
                Ok(None) => known = false,
                // Data that has not arrived is no mistake in the project.
                Err(err) if err.code().is_of_data() => {
                    let severity = phlo_spec::Severity::Warning;
                    return Err(told(err).into_iter().map(|problem| Diagnostic { severity, ..problem }).collect());
                }
                Err(err) => return Err(told(err)),
            }
        }
        Ok(known)
    }

    fn other(
        &self,
        spec: &AssetSpec,
        check: &Check,
        other: &OtherTable,
        offline: bool,
    ) -> Result<Source, Vec<Diagnostic>> {
        let source = source_of(&other.source, &self.inner.project.connections)?;
        let at =
            |err: Error, place: Option<phlo_spec::Place>| vec![err.at(place).at(check.place.clone()).into_diagnostic()];
        let plugin = self.inner.registry.source(&source.plugin).map_err(|err| at(err, source.plugin_place.clone()))?;
        let config = plugin.parse(&source.config).map_err(|err| at(err, source.config.place()))?;
        let mut context = self.source_context(spec, offline, CancellationToken::new());
        // What the asset declares is about its own columns.
        context.columns.clear();
        Ok(Source { plugin, config: Arc::new(config), context, name: format!("the source `{}`", source.plugin) })
    }
}

impl Source {
    /// The columns; a source that does not know them before it reads is opened for them.
    async fn schema(&self) -> Result<SchemaRef> {
        match self.plugin.schema(&self.config, &self.context).await? {
            Some(schema) => Ok(schema),
            None => Ok(self.plugin.read(&self.config, &self.context, request()).await?.schema),
        }
    }

    fn open(self) -> Open {
        Arc::new(move || {
            let (plugin, config, context) = (self.plugin.clone(), self.config.clone(), self.context.clone());
            async move {
                let reading = plugin.read(&config, &context, request()).await?;
                Ok((plain(&reading.schema), reading.streams))
            }
            .boxed()
        })
    }
}

fn request() -> ReadRequest {
    ReadRequest { cursor: None, parallelism: 1, batch_rows: BATCH_ROWS }
}

fn others(checks: &[Check]) -> impl Iterator<Item = (&Check, &OtherTable)> {
    checks.iter().flat_map(|check| check.plan.others.iter().map(move |other| (check, other)))
}

fn place(check: &Check, other: &OtherTable) -> Option<phlo_spec::Place> {
    other.source.place().or_else(|| check.place.clone())
}

fn first(problems: Vec<Diagnostic>, check: &Check) -> Error {
    match problems.into_iter().next() {
        Some(problem) => Error::from(problem),
        None => Error::internal("a source was refused without a reason").at(check.place.clone()),
    }
}

/// The columns without what sources note beside them; any of them may be null.
fn plain(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(fields.map(|field| field.with_metadata(std::collections::HashMap::new())).collect::<Vec<_>>()))
}
