//! What checks promise when they are executed, tried on rows that the test brings. Behind the feature `engine`.

#![allow(clippy::disallowed_methods, reason = "a session of its own: a suite never depends on a query engine's plugin")]

use std::sync::Arc;

use arrow_array::{RecordBatch, new_null_array};
use datafusion::datasource::MemTable;
use phlo_engine::{Check, Session, check};
use phlo_plugin::quality::{AnyQuality, CheckTarget};
use phlo_plugin::{InitContext, Policy, Registry};
use phlo_spec::quality::{CheckOutcome, Tolerance};
use phlo_spec::{CheckResult, Node};

use crate::findings::Findings;
use crate::fixture::key;

/// What a check says of a table without rows, or with nulls alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// It passes.
    Passes,
    /// It fails.
    Fails,
}

/// A check with its parameters, rows that keep it and rows that break it.
pub struct Case {
    name: String,
    plugin: Arc<dyn AnyQuality>,
    params: String,
    good: RecordBatch,
    bad: RecordBatch,
    empty: Says,
    nulls: Says,
    of_rows: bool,
}

impl Case {
    /// A linked check by its name, with its parameters as YAML; `good` rows pass, each row of `bad` is a violation. An empty table
    /// and nulls pass, and violations are rows, unless it is said otherwise.
    ///
    /// # Panics
    /// If there is no such check.
    pub fn new(name: &str, params: &str, good: RecordBatch, bad: RecordBatch) -> Self {
        let registry =
            Registry::linked(&[]).and_then(|linked| linked.activate(Policy::default(), InitContext::at("/nowhere")));
        let plugin = registry.and_then(|registry| registry.quality(name)).unwrap_or_else(|err| panic!("{err:?}"));
        let (name, params) = (name.to_owned(), params.to_owned());
        Self { name, plugin, params, good, bad, empty: Says::Passes, nulls: Says::Passes, of_rows: true }
    }

    /// What it says of a table without rows.
    #[must_use]
    pub fn empty(mut self, says: Says) -> Self {
        self.empty = says;
        self
    }

    /// What it says of a table of nulls.
    #[must_use]
    pub fn nulls(mut self, says: Says) -> Self {
        self.nulls = says;
        self
    }

    /// It judges the table as a whole: violations are no fraction of rows, and `tolerance` has no say.
    #[must_use]
    pub fn of_the_table(mut self) -> Self {
        self.of_rows = false;
        self
    }

    /// Tries everything; tells what is broken.
    pub async fn check(self) -> Findings {
        let mut findings = Findings::new(format!("the check `{}`", self.name));
        self.try_all(&mut findings).await;
        findings
    }

    async fn try_all(&self, findings: &mut Findings) {
        let (good, bad) = (self.good.num_rows() as u64, self.bad.num_rows() as u64);
        findings.hold(good > 0 && bad > 0, "the case must bring good rows and bad ones");
        let nulls = self.good.schema().fields().iter().map(|field| new_null_array(field.data_type(), 3)).collect();
        let Ok(nulls) = RecordBatch::try_new(self.good.schema(), nulls) else {
            return findings.add("a column of the good rows takes no null");
        };
        for (what, rows, says) in [
            ("good rows", vec![self.good.clone()], Says::Passes),
            ("bad rows alone", vec![self.bad.clone()], Says::Fails),
            ("good and bad rows", vec![self.good.clone(), self.bad.clone()], Says::Fails),
            ("no rows", Vec::new(), self.empty),
            ("nulls alone", vec![nulls], self.nulls),
        ] {
            let Some(result) = self.run(rows, 0.0, what, findings).await else { continue };
            let outcome = if says == Says::Passes { CheckOutcome::Passed } else { CheckOutcome::Failed };
            findings.hold(result.outcome == outcome, format_args!("{what}: {result:?}"));
            let counted = match what {
                "good rows" => Some((0, good)),
                "bad rows alone" => Some((bad, bad)),
                "good and bad rows" => Some((bad, good + bad)),
                _ => None,
            };
            if let Some(counted) = counted.filter(|_| self.of_rows) {
                let found = (result.violations, result.total);
                findings.hold(found == counted, format_args!("{what}: {found:?} violations of rows, not {counted:?}"));
                let shown = result.violations == 0 || !result.sample.is_empty() || result.sql.is_some();
                findings.hold(shown, format_args!("{what}: it shows none of the rows that broke it"));
            }
        }
        if !self.of_rows {
            return findings
                .hold(!self.plugin.heeds_tolerance(), "its violations are no rows, and it takes a tolerance");
        }
        findings.hold(self.plugin.heeds_tolerance(), "its violations are rows, and it takes no tolerance");
        // The edges: exactly as many as tolerated pass, one in a million fewer tolerated do not.
        let rate = bad as f64 / (good + bad) as f64;
        for (tolerance, outcome) in
            [(rate, CheckOutcome::Passed), (rate - 1e-6, CheckOutcome::Failed), (1.0, CheckOutcome::Passed)]
        {
            let rows = vec![self.good.clone(), self.bad.clone()];
            let Some(result) = self.run(rows, tolerance, "tolerance", findings).await else { continue };
            let is = result.outcome == outcome;
            findings.hold(is, format_args!("{bad} of {} rows with a tolerance of {tolerance}: {result:?}", good + bad));
        }
    }

    async fn run(
        &self,
        rows: Vec<RecordBatch>,
        tolerance: f64,
        what: &str,
        findings: &mut Findings,
    ) -> Option<CheckResult> {
        let schema = self.good.schema();
        let target = CheckTarget { asset: key("suite.rows"), schema: Some(schema.clone()) };
        let params = Node::parse(&self.params, "conformance.yaml", 1).map_err(phlo_plugin::Error::from);
        let plan = params.and_then(|params| self.plugin.check(&params, &target));
        let plan = findings.expect(plan, "making the check")?;
        let made = Check::new(target.asset, self.name.clone(), plan);
        let check = Check { tolerance: Tolerance::of(tolerance), ..made };
        let session = Session::new();
        findings.expect(check.verify(&session, &schema).await, format_args!("{what}: planning the check"))?;
        let table = MemTable::try_new(schema, vec![rows]).map_err(phlo_engine::map_error);
        let table: Arc<dyn datafusion::catalog::TableProvider> = Arc::new(findings.expect(table, "the rows")?);
        let checks = [check];
        let audited = check::audit(&session, &table, &checks, check::Scope::All, None).await;
        let mut results = findings.expect(audited, what)?.results.into_iter().map(|(_, result)| result);
        let result = results.next();
        findings.hold(result.is_some() && results.next().is_none(), format_args!("{what}: it has not one result"));
        result
    }
}

/// Fails a test unless the check keeps its promises: good rows pass and bad ones are counted exactly, alone and among good ones; what it
/// says of an empty table and of nulls is what the case says; a tolerance holds to its edges.
///
/// # Panics
/// If it does not.
pub async fn suite(case: Case) {
    case.check().await.assert_none();
}
