//! Audits of published tables, on demand: kept in the history as those of runs are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use arrow_schema::SchemaRef;
use phlo_engine::session::register;
use phlo_engine::{Check, Session, check};
use phlo_plugin::{Emitter, Error, Result};
use phlo_spec::run::ErrorRecord;
use phlo_spec::{AssetKey, CheckResult, Code, Correlation, Diagnostics, Payload, RunStatus};
use serde::Serialize;

use crate::platform::Platform;
use crate::run::Observer;
use crate::{audit, publish};

/// What an audit of a published table found.
#[derive(Debug)]
pub struct Audited {
    /// Each check's result, in the order of the asset's file.
    pub results: Vec<CheckResult>,
    /// Milliseconds that the checks took.
    pub audit_ms: u64,
}

/// An audit of several assets.
#[derive(Debug)]
pub struct AuditRun {
    /// Its id in the run history.
    pub run_id: String,
    /// What was found of each asset, or why it could not be audited: one that cannot be hides no other.
    pub assets: Vec<(AssetKey, Result<Audited, ErrorRecord>)>,
}

/// How the checks of an asset are found out.
#[derive(Debug, Serialize)]
pub struct QualityPlan {
    /// The asset.
    pub asset: AssetKey,
    /// The table's rows, if known without reading data.
    pub rows: Option<u64>,
    /// Each check, in the order of the asset's file.
    pub checks: Vec<check::Explained>,
    /// What the shared pass over the table as it would be reads, after a write other than an append.
    pub write_columns: Vec<String>,
    /// What the shared pass over the table as it stands reads.
    pub audit_columns: Vec<String>,
}

impl Platform {
    /// Audits the published tables of assets now, every check over the whole of each. Nothing is written but the history: an audit is a
    /// run, whose results hooks hear of.
    ///
    /// # Errors
    /// The project or a selection is wrong, or a hook refused the run; nothing was audited then.
    pub async fn audit(&self, selections: &[String], observer: Arc<dyn Observer>) -> Result<AuditRun, Diagnostics> {
        let assets = self.select(selections)?;
        let selection = format!("quality of {}", crate::run::selection(selections));
        let begun = self.begin(selection, assets.clone(), BTreeMap::new(), observer)?;
        let mut audited = Vec::new();
        for asset in assets {
            let found = self.audit_one(&asset, &begun.emitter).await;
            audited.push((asset, found.map_err(|err| err.record())));
        }
        let blocks = |audited: &Audited| audited.results.iter().any(CheckResult::blocks);
        let status = match &audited[..] {
            all if all.iter().any(|(_, found)| found.is_err()) => RunStatus::Failed,
            all if all.iter().any(|(_, found)| found.as_ref().is_ok_and(blocks)) => RunStatus::Blocked,
            _ => RunStatus::Success,
        };
        let run_id = begun.id.clone();
        self.end(begun, status);
        Ok(AuditRun { run_id, assets: audited })
    }

    async fn audit_one(&self, asset: &AssetKey, emitter: &Emitter) -> Result<Audited> {
        let spec = self.asset(asset).ok_or_else(|| self.no_asset(asset))?;
        let audited = match publish::of(spec) {
            Some(publish) => {
                let started = Instant::now();
                let results = self.quality_of_publish(spec, publish).await?;
                Audited { results, audit_ms: started.elapsed().as_millis() as u64 }
            }
            None => self.quality_of(spec).await?,
        };
        let of = Correlation { asset: Some(asset.clone()), ..emitter.correlation().clone() };
        let emitter = emitter.correlated(of).with_asset_tags(&spec.tags);
        for result in &audited.results {
            emitter.emit(Payload::QualityResult(Box::new(result.clone())))?;
        }
        Ok(audited)
    }

    /// Audits an asset's table with the checks that this says it has.
    pub(crate) async fn quality_of(&self, spec: &phlo_spec::AssetSpec) -> Result<Audited> {
        let asset = &spec.key;
        let (store, _) = self.table_store(Some(spec), None)?;
        let Some(table) = store.provider(asset, None).await? else { return Err(self.no_table(asset).await) };
        let session = self.engine(Some(spec), None)?.session()?;
        let checks = audit::checks_or_first(self, spec, Some(&table.schema()))?;
        self.register_published(&session, spec).await?;
        let audit = check::audit(&session, &table, &checks, check::Scope::All, None).await?;
        let name = asset.as_str();
        let results = audit
            .results
            .into_iter()
            .map(|(_, mut result)| {
                result.sql = result.sql.map(|sql| sql.replace(check::ROWS, name).replace(check::TABLE, name));
                result
            })
            .collect();
        Ok(Audited { results, audit_ms: audit.took.as_millis() as u64 })
    }

    /// The ids of the checks that an asset's file has now, in its order; those that cannot be made are left out.
    pub fn check_ids(&self, asset: &AssetKey) -> Vec<String> {
        let checks = self.asset(asset).map(|spec| audit::checks(self, spec, None).0).unwrap_or_default();
        checks.into_iter().map(|check| check.id).collect()
    }

    /// A check of an asset, by its name, for rows of these columns.
    ///
    /// # Errors
    /// There is no such asset or check, or the check cannot be made.
    pub(crate) fn check_of(&self, asset: &str, check: &str, schema: &SchemaRef) -> Result<Check> {
        let key = AssetKey::new(asset).map_err(|err| Error::new(Code::Usage, err.to_string()))?;
        let spec = self.asset(&key).ok_or_else(|| self.no_asset(&key))?;
        let (mut checks, problems) = audit::checks(self, spec, Some(schema));
        if let Some(at) = checks.iter().position(|made| made.name == check) {
            return Ok(checks.swap_remove(at));
        }
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem.into());
        }
        let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
        let error = Error::new(Code::Usage, format!("`{asset}` has no check `{check}`"));
        Err(error.suggest(check, names.iter().copied(), format!("checks: {}", names.join(", "))))
    }

    /// How an asset's checks are found out, on its published table.
    ///
    /// # Errors
    /// The asset or its table is unknown, or its checks are wrong.
    pub async fn quality_plan(&self, asset: &AssetKey) -> Result<QualityPlan> {
        let spec = self.asset(asset).ok_or_else(|| self.no_asset(asset))?;
        let (store, _) = self.table_store(Some(spec), None)?;
        let Some(table) = store.provider(asset, None).await? else { return Err(self.no_table(asset).await) };
        let session = self.engine(Some(spec), None)?.session()?;
        let checks = audit::checks_or_first(self, spec, Some(&table.schema()))?;
        let (checks, [write_columns, audit_columns]) = check::explain(&session, &table, &checks)?;
        let rows = store.describe(asset, None).await?.and_then(|info| info.rows);
        Ok(QualityPlan { asset: asset.clone(), rows, checks, write_columns, audit_columns })
    }

    /// The published tables that an asset's checks read beside its own, and what they read through sources.
    ///
    /// # Errors
    /// One does not exist, told at the check.
    pub(crate) async fn register_published(&self, session: &Session, spec: &phlo_spec::AssetSpec) -> Result<()> {
        let (checks, _) = audit::checks(self, spec, None);
        let mut registered = BTreeSet::from([spec.key.clone()]);
        for check in &checks {
            for table in check.tables() {
                if !registered.insert(table.clone()) {
                    continue;
                }
                let (store, _) = self.table_store(self.asset(&table), None)?;
                let provider = store.provider(&table, None).await?.ok_or_else(|| {
                    Error::new(Code::UnknownTable, format!("the table `{table}` does not exist yet"))
                        .at(check.place.clone())
                        .hint(format!("run its asset too: `phlo run +{}`", spec.key))
                })?;
                register(session, &table, provider)?;
            }
        }
        self.register_others(session, spec, &checks).await
    }
}
