//! `phlo check`: everything that can be known before anything runs, offline.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use phlo_engine::conform::Metadata;
use phlo_engine::session::{empty, register};
use phlo_engine::stream::{Step, TransformStep, transformed_schema};
use phlo_engine::{Check, Session};
use phlo_plugin::quality::quote;
use phlo_plugin::{Error, Result, Wishes};
use phlo_spec::asset::{Keep, TransformSpec, WriteStrategy};
use phlo_spec::service::ServiceSpec;
use phlo_spec::{
    AssetBody, AssetKey, AssetSpec, CapabilityType, Code, Diagnostic, Diagnostics, PartitionKind, Place, PluginKind,
    Severity, Span, nearest,
};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::graph::{Graph, Node};
use crate::platform::Platform;
use crate::secrets::CONNECTED;
use crate::{audit, partition, publish, select};

/// What a check of the project found.
#[derive(Debug, Clone, Serialize)]
pub struct CheckReport {
    /// Problems, sorted by place.
    pub diagnostics: Diagnostics,
    /// Assets looked at.
    pub assets: usize,
    /// SQL assets whose types were checked.
    pub sql: usize,
    /// Assets whose columns are not known before they have run once; what reads them could not be type-checked.
    pub unknown: Vec<AssetKey>,
}

impl Platform {
    /// Validates and type-checks the whole project. Reads local files' headers at most; asks no network.
    pub async fn check(&self) -> CheckReport {
        let (graph, mut diagnostics) = self.graph();
        let usable = self.check_plugins(&mut diagnostics);
        self.check_inert(&graph, &mut diagnostics);
        let (mut sql, mut unknown) = (0, Vec::new());
        match usable.then(|| self.engine(None, None).and_then(|engine| engine.session())) {
            // Why there is none was told.
            None => {}
            Some(Ok(session)) => {
                let mut analysis = Analysis {
                    platform: self,
                    graph: &graph,
                    session,
                    known: BTreeMap::new(),
                    diagnostics: Diagnostics::default(),
                    planned: 0,
                };
                let nodes = || graph.order().iter().filter_map(|key| graph.get(key));
                for node in nodes() {
                    analysis.look(node).await;
                }
                // A check may read any other asset's table: all of them are known now.
                for node in nodes() {
                    analysis.checks(node).await;
                }
                analysis.models().await;
                let of_table = |key: &&AssetKey| publish::within(&graph, key).is_none();
                let missing = graph.order().iter().filter(|k| !analysis.known.contains_key(*k));
                unknown.extend(missing.filter(of_table).cloned());
                sql = analysis.planned;
                diagnostics.extend(analysis.diagnostics);
            }
            Some(Err(err)) => diagnostics.push(err.into_diagnostic()),
        }
        // What was said twice, e.g. by the graph and by a plan, is told once: where it has a place, there.
        let placed: BTreeSet<_> =
            diagnostics.0.iter().filter(|d| d.place.is_some()).map(|d| (d.code, d.message.clone())).collect();
        let mut seen = BTreeSet::new();
        diagnostics.0.retain(|d| {
            (d.place.is_some() || !placed.contains(&(d.code, d.message.clone())))
                && seen.insert((d.code, d.place.clone(), d.message.clone()))
        });
        CheckReport { diagnostics: diagnostics.sorted(), assets: graph.nodes().count(), sql, unknown }
    }

    // Every plugin that is given settings: the plugin itself reads them. Then every choice of a provider. Whether there is one of
    // each that a project needs.
    fn check_plugins(&self, diagnostics: &mut Diagnostics) -> bool {
        let project = &self.inner.project;
        let defaults = &project.file.capabilities.defaults;
        let mut problems = Vec::<Error>::new();
        let mut usable = true;
        for ((kind, name), node) in &project.plugin_settings {
            if let Err(err) = self.inner.registry.instance(*kind, name) {
                let mut found = self.inner.registry.find(name).filter(|e| e.registration.kind == *kind);
                // A provider that did not start is not missing.
                usable &= found.all(|e| e.registration.provides.is_empty());
                problems.push(err.at(node.place()));
            }
        }
        if !usable {
            diagnostics.extend(problems.into_iter().map(Error::into_diagnostic));
            return false;
        }
        let needed = [CapabilityType::TableStore, CapabilityType::QueryEngine, CapabilityType::Orchestrator];
        let wanted: BTreeSet<_> =
            needed.iter().chain(defaults.keys()).chain(project.environment_choices.keys()).copied().collect();
        for capability in wanted {
            match self.choose(capability, None, None) {
                Ok(_) => {}
                Err(err) => {
                    let denied = |err: &Error| err.code() == Code::PluginDenied;
                    usable &= !denied(&err);
                    // What one line of a list leaves out is told once.
                    if !(denied(&err) && problems.iter().any(|p| denied(p) && p.place() == err.place())) {
                        problems.push(err);
                    }
                }
            }
            // What the environment overrides is a mistake all the same.
            if defaults.contains_key(&capability) {
                let wishes = Wishes { defaults: Some(defaults), ..Wishes::default() };
                problems.extend(self.resolve(capability, &wishes).err());
            }
        }
        if usable {
            problems.extend(self.table_store(None, None).err().map(|err| {
                let option = err.context().iter().find(|(fact, _)| *fact == "option").map(|(_, key)| key);
                let place = option.and_then(|key| project.places.get(&format!("storage.options.{key}"))).cloned();
                err.at(place)
            }));
        }
        diagnostics.extend(problems.into_iter().map(Error::into_diagnostic));
        usable
    }

    // A connection that no asset uses is read by no plugin: that its plugin exists and knows its keys is seen here.
    fn check_connections(&self, diagnostics: &mut Diagnostics) {
        let registry = &self.inner.registry;
        for node in self.inner.project.connections.values() {
            for (what, plugin) in CONNECTED.iter().filter_map(|what| Some((*what, node.get(what)?))) {
                let name = plugin.as_str().unwrap_or_default();
                let unknown = match what {
                    "target" => registry.publish_target(name).err().filter(|err| err.code() == Code::UnknownPlugin),
                    _ if registry.find(name).any(|e| e.registration.kind == PluginKind::Source) => None,
                    _ => Some(registry.unknown(Some(PluginKind::Source), name)),
                };
                if let Some(unknown) = unknown {
                    diagnostics.push(unknown.at(plugin.place()).into_diagnostic());
                    continue;
                }
                let Some(schema) = crate::secrets::config(registry, what, name) else { continue };
                let Some(known) = schema["properties"].as_object().filter(|_| schema["additionalProperties"] == false)
                else {
                    continue;
                };
                for (key, _) in node.entries().unwrap_or_default() {
                    let given = key.as_str().unwrap_or_default();
                    if !CONNECTED.contains(&given) && !known.contains_key(given) {
                        let error = Error::new(Code::UnknownKey, format!("unknown key `{given}`"));
                        let keys = known.keys().map(String::as_str);
                        let all = keys.clone().collect::<Vec<_>>().join(", ");
                        let error = error.suggest(given, keys, format!("known keys: {all}"));
                        diagnostics.push(error.at(key.place()).into_diagnostic());
                    }
                }
            }
        }
    }

    // What is configured and nothing would execute.
    fn check_inert(&self, graph: &Graph, diagnostics: &mut Diagnostics) {
        let project = &self.inner.project;
        self.check_connections(diagnostics);
        let services: Vec<&str> = self
            .inner
            .registry
            .entries()
            .filter(|e| e.registration.kind == PluginKind::Service)
            .map(|e| e.registration.name)
            .collect();
        for (name, node) in &project.services {
            if !services.contains(&name.as_str()) {
                diagnostics.push(
                    self.inner.registry.unknown(Some(PluginKind::Service), name).at(node.place()).into_diagnostic(),
                );
            } else if let Err(problem) = node.read::<ServiceSpec>() {
                diagnostics.push(*problem);
            } else {
                let message =
                    format!("the service `{name}` is not started: this phlo has no command that runs services");
                let error = Error::new(Code::InertConfig, message)
                    .at(node.place())
                    .hint("start it by other means, e.g. `docker run`, or remove it");
                diagnostics.push(Diagnostic { severity: Severity::Warning, ..error.into_diagnostic() });
            }
        }
        let native = self.choose(CapabilityType::Orchestrator, None, None).is_ok_and(|c| c.provider == "native");
        // Those that write files make the schedules run.
        let mut others = self.inner.registry.providers_of(CapabilityType::Orchestrator);
        others.retain(|name| name != "native");
        let hint = match others.as_slice() {
            [] => "link an orchestrator with a scheduler, or run `phlo run --select SELECTION` from cron".to_owned(),
            _ => format!(
                "choose who runs it: capabilities: {{ defaults: {{ orchestrator: NAME }} }} with one of {}, and `phlo config export DIR`",
                others.join(", ")
            ),
        };
        for (i, schedule) in project.file.schedules.iter().enumerate() {
            let place = |field: &str| {
                project
                    .places
                    .get(&format!("schedules[{i}].{field}"))
                    .or_else(|| project.places.get(&format!("schedules[{i}]")))
                    .cloned()
            };
            if let Err(err) = select::select(graph, std::slice::from_ref(&schedule.select), &[]) {
                diagnostics.push(err.at(place("select")).into_diagnostic());
            }
            if native {
                let error = Error::new(
                    Code::InertConfig,
                    format!("the schedule `{}` would never run: phlo itself has no scheduler", schedule.name),
                )
                .hint(hint.clone());
                diagnostics.push(error.at(place("name")).into_diagnostic());
            }
        }
    }

    /// The transforms of an asset and what phlo adds to them, as steps over rows of `schema`.
    pub(crate) async fn steps(
        &self,
        session: &Session,
        spec: &AssetSpec,
        schema: &SchemaRef,
        partition: Option<&str>,
    ) -> Result<Vec<Step>> {
        let mut steps = self.transforms(spec)?;
        if partition.is_none() && spec.write.deduplicate.is_none() {
            return Ok(steps);
        }
        // What phlo adds stands behind the transforms, which may have made the columns that it names.
        let left = transformed_schema(session, schema.clone(), &steps).await?;
        if let Some(err) = self.check_columns(spec, &left).into_iter().next() {
            return Err(err);
        }
        if let (Some(key), Some(partitions)) = (partition, &spec.partitions) {
            let has_zone = left
                .field_with_name(&partitions.column)
                .is_ok_and(|f| matches!(f.data_type(), DataType::Timestamp(_, Some(_))));
            steps.push(Step::Sql(format!(
                "SELECT * FROM input WHERE {}",
                partition::predicate(partitions, key, has_zone)?
            )));
        }
        if let Some(deduplicate) = &spec.write.deduplicate {
            let list = |columns: &[String]| columns.iter().map(|c| quote(c)).collect::<Vec<_>>().join(", ");
            let direction = if deduplicate.keep == Keep::First { "ASC" } else { "DESC" };
            let order: Vec<_> =
                deduplicate.order_by.iter().map(|c| format!("{} {direction} NULLS LAST", quote(c))).collect();
            // A row without a key equals no other; it is not a duplicate.
            let keyless: Vec<_> = spec.write.unique_key.iter().map(|c| format!("{} IS NULL", quote(c))).collect();
            steps.push(Step::Sql(format!(
                "SELECT * EXCLUDE (_phlo_rank) FROM (SELECT *, row_number() OVER (PARTITION BY {} ORDER BY {}) AS _phlo_rank FROM input) \
                 WHERE _phlo_rank = 1 OR {}",
                list(&spec.write.unique_key),
                order.join(", "),
                keyless.join(" OR ")
            )));
        }
        Ok(steps)
    }

    fn transforms(&self, spec: &AssetSpec) -> Result<Vec<Step>> {
        let step = |transform: &TransformSpec| {
            Ok(Step::Transform(TransformStep {
                name: transform.name.clone(),
                plugin: self.inner.registry.transform(&transform.name)?,
                params: transform.params.clone(),
            }))
        };
        spec.transforms.iter().map(step).collect()
    }

    /// The columns that a write of these rows delivers: declared types in force, phlo's own columns behind.
    pub(crate) fn written_schema(
        &self,
        spec: &AssetSpec,
        incoming: &SchemaRef,
        metadata: Option<&Metadata>,
    ) -> Result<SchemaRef> {
        let mut fields = Vec::with_capacity(incoming.fields().len());
        for field in incoming.fields() {
            let declared = spec.columns.get(field.name()).map(|c| phlo_plugin::schema::to_arrow(*c));
            let data_type = declared.unwrap_or_else(|| match (field.data_type(), &spec.body) {
                // What SQL counts and ranks by is without a sign, which tables do not know; none of it is beyond an int64.
                (DataType::UInt64, AssetBody::Sql(_) | AssetBody::Publish(_)) => DataType::Int64,
                (other, _) => other.clone(),
            });
            fields.push(Field::new(field.name(), data_type, true));
        }
        for column in spec.columns.keys() {
            self.require(spec, incoming, column, "columns")?;
        }
        let schema = Arc::new(Schema::new(fields));
        match metadata {
            Some(metadata) => metadata.extend(&schema),
            None => Ok(schema),
        }
    }

    pub(crate) fn require(&self, spec: &AssetSpec, schema: &SchemaRef, column: &str, setting: &str) -> Result<()> {
        if schema.column_with_name(column).is_some() {
            return Ok(());
        }
        let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        let error = Error::new(
            Code::UnknownColumn,
            format!("`{setting}` of `{}` names the column `{column}`, which is not there", spec.key),
        );
        let error = error.suggest(column, names.iter().copied(), format!("columns: {}", names.join(", ")));
        Err(error.at(self.locate(spec, setting, column)))
    }

    /// Where a setting's value stands in an asset's file: the first line at or below the setting that holds the word.
    pub(crate) fn locate(&self, spec: &AssetSpec, setting: &str, word: &str) -> Option<Place> {
        let place = spec.place.clone()?;
        let leaf = setting.rsplit('.').next().unwrap_or(setting);
        let mut inside = false;
        for line in 1.. {
            let Some(text) = self.inner.texts.line(&place.file, line) else { break };
            inside |= text.contains(leaf);
            let found = text.match_indices(word).find(|(at, _)| {
                let before = text[..*at].chars().next_back();
                let after = text[at + word.len()..].chars().next();
                ![before, after].into_iter().flatten().any(|c| c.is_alphanumeric() || c == '_')
            });
            if let (true, Some((at, _))) = (inside, found) {
                let span =
                    Span { line, column: text[..at].chars().count() as u32 + 1, len: word.chars().count() as u32 };
                return Some(Place { file: place.file, span });
            }
        }
        Some(place)
    }

    /// Compares an asset's settings that name columns with the rows that arrive.
    pub(crate) fn check_columns(&self, spec: &AssetSpec, incoming: &SchemaRef) -> Vec<Error> {
        let mut wanted: Vec<(&str, &str)> =
            spec.write.unique_key.iter().map(|c| (c.as_str(), "write.unique_key")).collect();
        if let Some(deduplicate) = &spec.write.deduplicate {
            wanted.extend(deduplicate.order_by.iter().map(|c| (c.as_str(), "write.deduplicate.order_by")));
        }
        if let Some(partitions) = &spec.partitions {
            wanted.push((&partitions.column, "partitions.column"));
        }
        wanted.extend(spec.columns.keys().map(|c| (c.as_str(), "columns")));
        wanted.extend(spec.sensitive.iter().map(|c| (c.as_str(), "sensitive")));
        let missing =
            wanted.into_iter().filter_map(|(column, setting)| self.require(spec, incoming, column, setting).err());
        missing.chain(self.check_partition_column(spec, incoming)).collect()
    }

    // Partitions of time are cut from a column of time: a comparison of anything else with a time has no meaning.
    fn check_partition_column(&self, spec: &AssetSpec, incoming: &SchemaRef) -> Option<Error> {
        let partitions = spec.partitions.as_ref().filter(|p| p.kind != PartitionKind::Static)?;
        let column = partitions.column.as_str();
        let given = incoming.field_with_name(column).ok()?.data_type();
        let data_type = spec.columns.get(column).map_or_else(|| given.clone(), |c| phlo_plugin::schema::to_arrow(*c));
        if matches!(data_type, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)) {
            return None;
        }
        let name = phlo_plugin::schema::type_name(&data_type);
        let message =
            format!("{} partitions need a date or a timestamp, and `{column}` is of type {name}", partitions.kind);
        let error = Error::new(Code::InvalidValue, message)
            .hint(format!("name another column, or make it one: `columns: {{ {column}: timestamp }}` or a transform"));
        Some(error.at(self.locate(spec, "partitions.column", column)))
    }
}

struct Analysis<'a> {
    platform: &'a Platform,
    graph: &'a Graph,
    session: Session,
    known: BTreeMap<AssetKey, SchemaRef>,
    diagnostics: Diagnostics,
    planned: usize,
}

impl Analysis<'_> {
    async fn look(&mut self, node: &Node) {
        let spec = &node.spec;
        match self.written(node).await {
            Ok(Some(schema)) if node.is_publication() => {
                if let (Some((target, config)), Some(publish)) = (&node.target, publish::of(spec))
                    && let Err(err) = target.accepts(config, &publish::sent_schema(&schema))
                {
                    self.diagnostics.push(err.at(publish.target.config.place()).into_diagnostic());
                }
                self.known.insert(spec.key.clone(), schema);
            }
            Ok(Some(schema)) => {
                if let Err(err) = register(&self.session, &spec.key, empty(schema.clone())) {
                    self.diagnostics.push(err.at(spec.place.clone()).into_diagnostic());
                }
                self.known.insert(spec.key.clone(), schema);
            }
            Ok(None) => {}
            Err(problem) => self.diagnostics.push(problem),
        }
    }

    // Models of plugins: their queries are typed as those of assets are.
    async fn models(&mut self) {
        let (models, problems) = self.platform.models();
        self.diagnostics.extend(problems);
        'models: for model in &models {
            let Some(query) = &model.query else { continue };
            for (table, _) in query.tables() {
                let is_asset = self.graph.get(table).is_some() || self.platform.inner.project.broken.contains(table);
                if self.known.contains_key(table) {
                    continue;
                }
                // Columns that are not known before the first run.
                if is_asset || self.is_remote() {
                    continue 'models;
                }
                let found = async {
                    let (store, _) = self.platform.table_store(None, None)?;
                    match store.provider(table, None).await? {
                        Some(provider) => register(&self.session, table, provider),
                        None => Err(self.platform.no_table(table).await),
                    }
                };
                if let Err(err) = found.await {
                    self.diagnostics.push(self.platform.told_of_model(model, err));
                    continue 'models;
                }
            }
            if let Err(problem) = query.plan(&self.session).await {
                self.diagnostics.push(self.platform.told_of_model(model, Error::from(problem)));
            }
        }
    }

    async fn checks(&mut self, node: &Node) {
        let schema = self.known.get(&node.spec.key).cloned();
        let (checks, problems) = audit::checks(self.platform, &node.spec, schema.as_ref());
        self.diagnostics.extend(problems);
        let mut unread = BTreeSet::new();
        for check in &checks {
            match self.platform.know_others(&self.session, &node.spec, check).await {
                Ok(true) => {}
                Ok(false) => {
                    unread.insert(check.name.clone());
                }
                Err(problems) => {
                    unread.insert(check.name.clone());
                    self.diagnostics.extend(problems);
                }
            }
        }
        let Some(schema) = schema else { return };
        for check in checks.iter().filter(|check| !unread.contains(&check.name)) {
            match self.can_plan(node, check).await {
                Ok(true) => {
                    if let Err(err) = check.verify(&self.session, &schema).await {
                        self.diagnostics.push(err.into_diagnostic());
                    }
                }
                Ok(false) => {}
                Err(problem) => self.diagnostics.push(problem),
            }
        }
    }

    // Whether the columns of every table that a check reads are known.
    async fn can_plan(&self, node: &Node, check: &Check) -> Result<bool, Diagnostic> {
        for table in check.tables() {
            if table == node.spec.key {
                let message = format!("the check `{}` reads its own table by name", check.name);
                let error = Error::new(Code::SqlError, message)
                    .hint("name it `this`: the table as it would be after the commit");
                return Err(error.at(check.place.clone()).into_diagnostic());
            }
            if let Some(publish) = publish::within(self.graph, &table) {
                return Err(publish::no_table(&table, publish).at(check.place.clone()).into_diagnostic());
            }
            if self.is_circle(node, &table).await? {
                let message = format!(
                    "the check `{}` reads `{table}`, which is made from `{}`: neither could be made first",
                    check.name, node.spec.key
                );
                let error = Error::new(Code::DependencyCycle, message).hint(format!("move this check to `{table}`"));
                return Err(error.at(check.place.clone()).into_diagnostic());
            }
            let known = if self.graph.get(&table).is_some() || self.platform.inner.project.broken.contains(&table) {
                self.known.contains_key(&table)
            } else {
                self.external(node, &table, check.place.as_ref()).await?
            };
            if !known {
                return Ok(false);
            }
        }
        Ok(true)
    }

    // Whether a check waits for a table that waits for the check. One that is there already can be read.
    async fn is_circle(&self, node: &Node, table: &AssetKey) -> Result<bool, Diagnostic> {
        let Some(other) = self.graph.get(table) else { return Ok(false) };
        let made_from = self.graph.reach(&BTreeSet::from([node.spec.key.clone()]), |n| &n.downstream);
        Ok(made_from.contains(table) && !self.is_remote() && self.published(&other.spec).await?.is_none())
    }

    // The columns that the asset's table will have, as far as they can be known.
    async fn written(&mut self, node: &Node) -> Result<Option<SchemaRef>, Diagnostic> {
        let spec = &node.spec;
        let at = |err: Error| err.at(spec.place.clone()).into_diagnostic();
        let incoming = match (&node.source, &node.query) {
            (Some((source, config)), _) => {
                let context = self.platform.source_context(spec, true, CancellationToken::new());
                match source.schema(config, &context).await {
                    Ok(schema) => schema,
                    Err(err) => {
                        // Data that has not arrived or is malformed is no mistake in the project; a run will tell it of this
                        // asset alone.
                        let mut problem = err.at(spec.place.clone()).into_diagnostic();
                        if problem.code.is_of_data() {
                            problem.severity = Severity::Warning;
                        }
                        if problem.place.as_ref().map(|p| &p.file) != spec.place.as_ref().map(|p| &p.file) {
                            problem.message = format!("{}: {}", spec.key, problem.message);
                        }
                        self.diagnostics.push(problem);
                        None
                    }
                }
            }
            (None, Some(query)) => {
                // An asset whose own file is wrong exists all the same; its mistake was told there.
                if node.external.iter().any(|(key, _)| self.platform.inner.project.broken.contains(key)) {
                    return self.published(spec).await;
                }
                for (key, place) in &node.external {
                    if !self.external(node, key, place.as_ref()).await? {
                        return Ok(None);
                    }
                }
                if node
                    .upstream
                    .iter()
                    .any(|u| query.tables().iter().any(|(t, _)| t == u) && !self.known.contains_key(u))
                {
                    return self.published(spec).await;
                }
                let plan = query.plan(&self.session).await.map_err(|problem| *problem)?;
                self.planned += 1;
                Some(Arc::new(plan.schema().as_arrow().clone()))
            }
            // Its own problem was told when it was prepared.
            (None, None) => return Ok(None),
        };
        let Some(incoming) = incoming else { return self.published(spec).await };
        let transforms = self.platform.transforms(spec).map_err(at)?;
        let left = transformed_schema(&self.session, incoming.clone(), &transforms).await.map_err(at)?;
        let problems = self.platform.check_columns(spec, &left);
        if !problems.is_empty() {
            self.diagnostics.extend(problems.into_iter().map(at));
            return Ok(None);
        }
        let steps = self.platform.steps(&self.session, spec, &incoming, None).await.map_err(at)?;
        let incoming = transformed_schema(&self.session, incoming, &steps).await.map_err(at)?;
        let metadata = (spec.write.metadata == Some(true)).then(Metadata::default);
        let written = self.platform.written_schema(spec, &incoming, metadata.as_ref()).map_err(at)?;
        // Columns that only the table has stay there, unless it is overwritten.
        if spec.write.strategy == Some(WriteStrategy::Overwrite) {
            return Ok(Some(written));
        }
        let Some(published) = self.published(spec).await? else { return Ok(Some(written)) };
        let extra = published.fields().iter().filter(|f| written.column_with_name(f.name()).is_none()).cloned();
        let fields: Vec<_> = written.fields().iter().cloned().chain(extra).collect();
        Ok(Some(Arc::new(Schema::new(fields))))
    }

    async fn published(&self, spec: &AssetSpec) -> Result<Option<SchemaRef>, Diagnostic> {
        if self.is_remote() || publish::of(spec).is_some() {
            return Ok(None);
        }
        let Ok((store, _)) = self.platform.table_store(Some(spec), None) else { return Ok(None) };
        let info = store.describe(&spec.key, None).await.map_err(|err| err.at(spec.place.clone()).into_diagnostic())?;
        Ok(info.map(|i| i.schema))
    }

    // A remote store would be a network; only what is on this machine is looked at.
    fn is_remote(&self) -> bool {
        self.platform.inner.project.storage.root.scheme() != "file"
    }

    // Registers a table that no asset makes; whether that could be done offline.
    async fn external(&self, node: &Node, key: &AssetKey, place: Option<&Place>) -> Result<bool, Diagnostic> {
        if self.is_remote() {
            return Ok(false);
        }
        let found = async {
            let (store, _) = self.platform.table_store(Some(&node.spec), None)?;
            match store.provider(key, None).await? {
                Some(table) => register(&self.session, key, table).map(|()| true),
                None => Ok(false),
            }
        };
        match found.await {
            Ok(true) => Ok(true),
            Ok(false) => {
                let assets: Vec<String> = self.platform.assets().map(|a| a.key.to_string()).collect();
                let near =
                    nearest(key.as_str(), assets.iter().map(String::as_str).filter(|a| *a != node.spec.key.as_str()));
                let problem = Diagnostic::error(
                    Code::UnknownTable,
                    format!("no asset makes the table `{key}`, and the store does not hold it"),
                )
                .hint(near.map_or_else(
                    || format!("add `assets/{}.yaml` or `.sql`", key.as_str().replace('.', "/")),
                    |n| format!("did you mean `{n}`?"),
                ));
                Err(match place {
                    Some(place) => problem.at(place.clone()),
                    None => problem,
                })
            }
            Err(err) => Err(err.at(place.cloned()).into_diagnostic()),
        }
    }
}
