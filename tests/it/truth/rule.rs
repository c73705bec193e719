//! A rule of one's own in Rust: what an author writes, and what the engine adds to it.

use phlo_engine::{Check, Session, check};
use phlo_plugin::prelude::*;
use phlo_spec::quality::{CheckOutcome, Tolerance};
use phlo_testkit::fixture::{batch, key};
use schemars::JsonSchema;
use serde::Deserialize;

// The whole of a plugin, but for `phlo_plugin::package!()` and `register!`.
// begin: rule
/// The parameters: which columns hold the amounts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Amounts {
    net: String,
    gross: String,
    tax: String,
}

/// Net is gross less tax, to the cent.
struct NetIsGrossLessTax;

impl Plugin for NetIsGrossLessTax {
    type Settings = NoSettings;
    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Ok(Self)
    }
}

impl Quality for NetIsGrossLessTax {
    type Params = Amounts;
    fn check(&self, Amounts { net, gross, tax }: Amounts, _: &CheckTarget) -> Result<CheckPlan> {
        let columns = [net.clone(), gross.clone(), tax.clone()];
        let name = format!("net_is_gross_less_tax({net}, {gross}, {tax})");
        Ok(CheckPlan::rule(name, format!("{net} is {gross} less {tax}"), columns, move |row| {
            Some((row.number(&gross)? - row.number(&tax)? - row.number(&net)?).abs() < 0.005)
        }))
    }
}
// end

fn checked(net: &str, tolerance: f64) -> Check {
    let plugin = NetIsGrossLessTax::create(NoSettings {}, &InitContext::at("/nowhere")).unwrap();
    let params = Amounts { net: net.to_owned(), gross: "gross".to_owned(), tax: "tax".to_owned() };
    let target = CheckTarget { asset: key("gold.sales"), schema: None };
    let plan = Quality::check(&plugin, params, &target).unwrap();
    made(plan, tolerance)
}

fn made(plan: CheckPlan, tolerance: f64) -> Check {
    let filter = Some("region <> 'test'".to_owned());
    Check { tolerance: Tolerance::of(tolerance), filter, ..Check::new(key("gold.sales"), "rule", plan) }
}

async fn audit(check: Check, rows: &[RecordBatch]) -> phlo_spec::CheckResult {
    let session = Session::new();
    let table = datafusion::datasource::MemTable::try_new(rows[0].schema(), vec![rows.to_vec()]).unwrap();
    let table: std::sync::Arc<dyn datafusion::catalog::TableProvider> = std::sync::Arc::new(table);
    check.verify(&session, &rows[0].schema()).await.unwrap();
    check::audit(&session, &table, &[check], check::Scope::All, None).await.unwrap().results.remove(0).1
}

#[tokio::test]
async fn a_rule_in_rust_is_counted_tolerated_and_sampled_as_one_in_sql_is() {
    let columns = "net:float64 gross:decimal(10,2) tax:int32 region:string";
    let bad: Vec<&str> = (0..150).map(|_| "8|10.50|2|north").collect();
    let rows = [batch(columns, &bad), batch(columns, &["8.5|10.50|2|south", "-|1|1|south", "0|9.00|1|test"])];
    let result = audit(checked("net", 0.5), &rows).await;
    assert_eq!((result.outcome, result.violations, result.total), (CheckOutcome::Failed, 150, 152));
    assert_eq!((result.sample.len(), &result.sample[0]["tax"]), (100, &serde_json::json!(2)));
    assert_eq!(audit(checked("net", 0.99), &rows).await.outcome, CheckOutcome::Passed);

    let missing = checked("nett", 0.0).verify(&Session::new(), &rows[0].schema()).await.unwrap_err();
    let told = format!("{} {:?}", missing.message(), missing.hints());
    assert!(told.contains("names the column `nett`, which is not there") && told.contains("`net`"), "{told}");
}

#[tokio::test]
async fn a_rule_that_reads_a_value_as_what_it_is_not_errs_and_never_passes() {
    let rows = [batch("s:string i:int64 d:date b:boolean region:string", &["a|1|2020-01-01|true|x"])];
    let cases: [(fn(&phlo_plugin::rule::Row<'_>) -> Option<bool>, &str); 6] = [
        (|row| Some(row.number("s")? > 0.0), "the rule reads the column `s`, which is string, as a number"),
        (|row| Some(row.text("i")? == "1"), "the rule reads the column `i`, which is int64, as a text"),
        (|row| Some(row.int("d")? == 1), "the rule reads the column `d`, which is date, as a whole number of 64 bits"),
        (|row| row.flag("region"), "the rule reads the column `region`, which it does not name"),
        (|row| Some(row.micros("b")? == 1), "the rule reads the column `b`, which is boolean, as a date or timestamp"),
        (
            |row| {
                Some(
                    row.text("s")? == "a"
                        && row.int("i")? == 1
                        && row.flag("b")?
                        && row.micros("d")? == 18_262 * 86_400_000_000,
                )
            },
            "",
        ),
    ];
    for (judge, want) in cases {
        let plan = CheckPlan::rule("rule", "as it should be", ["s", "i", "d", "b"], judge);
        let result = audit(made(plan, 1.0), &rows).await;
        let outcome = if want.is_empty() { CheckOutcome::Passed } else { CheckOutcome::Errored };
        assert_eq!((result.outcome, result.error.as_deref().unwrap_or_default()), (outcome, want));
    }
}
