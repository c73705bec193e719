//! Results of checks as JUnit's XML: a suite for each asset, a case for each check. A warning is no failure: it is told in the case's
//! `system-out`.

use std::fmt::Write as _;

use phlo_spec::asset::METADATA_COLUMNS;
use phlo_spec::{CheckOutcome, CheckResult, CheckSeverity};
use serde_json::{Map, Value};

use crate::printer::Printer;
use crate::render::report::{Asset, Checked, Report, escaped};
use crate::render::run::{broken, by_tolerance, found, limits};

/// Sample rows told of each check.
const SAMPLE: usize = 20;

/// The document, without secrets.
pub(crate) fn junit(printer: &Printer, report: &Report) -> String {
    let text = |text: &str| escaped(&printer.clean(text));
    let counts = report.counts();
    let never = report.assets.iter().filter(|asset| asset.nothing().is_some()).count();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let millis: u64 = report.assets.iter().map(millis).sum();
    let _ = writeln!(
        xml,
        "<testsuites name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{never}\" time=\"{}\">",
        text(&format!("phlo quality: {}", report.project)),
        counts.all() + never,
        counts.failed,
        counts.errored,
        seconds(millis),
    );
    for asset in &report.assets {
        suite(&mut xml, report, asset, printer);
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn suite(xml: &mut String, report: &Report, asset: &Asset, printer: &Printer) {
    let text = |text: &str| escaped(&printer.clean(text));
    let counts = asset.counts();
    let key = text(&asset.key);
    let skipped = usize::from(asset.nothing().is_some());
    let _ = writeln!(
        xml,
        "  <testsuite name=\"{key}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{skipped}\" time=\"{}\" timestamp=\"{}\">",
        counts.all() + skipped,
        counts.failed,
        counts.errored,
        seconds(millis(asset)),
        asset.at.unwrap_or(report.at).format("%Y-%m-%dT%H:%M:%S"),
    );
    let _ = writeln!(xml, "    <properties>");
    let warnings = counts.warned.to_string();
    for (name, value) in [("run_id", asset.run.as_deref()), ("warnings", Some(&warnings))] {
        if let Some(value) = value {
            let _ = writeln!(xml, "      <property name=\"{name}\" value=\"{}\"/>", text(value));
        }
    }
    let _ = writeln!(xml, "    </properties>");
    for check in &asset.checks {
        case(xml, &key, check, printer);
    }
    // A suite without cases would read as one that went well.
    if let Some(error) = &asset.error {
        let _ = writeln!(
            xml,
            "    <testcase name=\"audit\" classname=\"{key}\" time=\"0.000\">\n      <error message=\"{}\" type=\"{}\">{}</error>\n    </testcase>",
            text(error.messages.first().map_or("", String::as_str)),
            error.code.as_str(),
            text(&error.messages.iter().chain(&error.hints).map(String::as_str).collect::<Vec<_>>().join("\n")),
        );
    } else if let Some(why) = asset.nothing() {
        let _ = writeln!(
            xml,
            "    <testcase name=\"checks\" classname=\"{key}\" time=\"0.000\">\n      <skipped message=\"{why}\"/>\n    </testcase>"
        );
    }
    let _ = writeln!(xml, "  </testsuite>");
}

fn case(xml: &mut String, class: &str, check: &Checked, printer: &Printer) {
    let text = |text: &str| escaped(&printer.clean(text));
    let result = &check.result;
    let _ = write!(
        xml,
        "    <testcase name=\"{}\" classname=\"{class}\" time=\"{}\"",
        text(&result.name),
        seconds(result.duration_ms)
    );
    let kind = text(&result.kind);
    let end = match (result.outcome, result.severity) {
        (CheckOutcome::Passed, _) => {
            xml.push_str("/>\n");
            return;
        }
        (CheckOutcome::Failed, CheckSeverity::Warn) => {
            format!("<system-out>warning: {}</system-out>", text(&details(printer, check)))
        }
        (CheckOutcome::Failed, CheckSeverity::Error) => {
            format!(
                "<failure message=\"{}\" type=\"{kind}\">{}</failure>",
                text(&message(result)),
                text(&details(printer, check))
            )
        }
        (CheckOutcome::Errored, _) => {
            let why = result.error.as_deref().unwrap_or("it could not run");
            format!("<error message=\"{}\" type=\"{kind}\">{}</error>", text(why), text(&details(printer, check)))
        }
    };
    let _ = writeln!(xml, ">\n      {end}\n    </testcase>");
}

fn message(result: &CheckResult) -> String {
    let wanted = result.expected.as_ref().map(|wanted| format!("; wanted {wanted}")).unwrap_or_default();
    format!("{}{wanted}", broken(result))
}

fn details(printer: &Printer, check: &Checked) -> String {
    let result = &check.result;
    let mut lines = match &result.error {
        Some(error) => vec![error.clone()],
        None => vec![message(result)],
    };
    lines.extend(result.description.clone());
    lines.extend(found(result).filter(|_| result.is_of_rows() && !result.whole).map(|found| format!("found: {found}")));
    lines.extend(by_tolerance(result).or_else(|| limits(result)).map(|limits| format!("tolerance: {limits}")));
    lines.extend(check.asked.as_ref().map(|asked| format!("asked: {asked}")));
    lines.extend(check.last_passed.as_ref().map(|last| format!("last passed: {last}")));
    lines.extend(result.sql.as_ref().map(|sql| format!("sql: {sql}")));
    lines.extend(check.rows.iter().take(SAMPLE).map(|values| row(printer, values)));
    lines.join("\n")
}

// Without the columns that phlo adds, and without secrets: as JSON writes them they are not found any more.
fn row(printer: &Printer, row: &Value) -> String {
    let Some(values) = row.as_object() else { return printer.clean_json(&row.to_string()) };
    let own: Map<_, _> = values
        .iter()
        .filter(|(name, _)| !METADATA_COLUMNS.contains(&name.as_str()))
        .map(|(n, v)| (n.clone(), v.clone()))
        .collect();
    printer.clean_json(&Value::Object(own).to_string())
}

fn millis(asset: &Asset) -> u64 {
    asset.checks.iter().map(|check| check.result.duration_ms).sum()
}

fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::Wishes;
    use crate::render::report::tests::report;

    #[test]
    fn a_failure_is_one_an_error_is_one_and_a_warning_is_told() {
        let printer = Printer::new(Wishes::default());
        insta::assert_snapshot!(junit(&printer, &report()), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="phlo quality: nyc &amp; flights" tests="6" failures="1" errors="2" skipped="1" time="0.048">
          <testsuite name="bronze.flights" tests="4" failures="1" errors="1" skipped="0" time="0.048" timestamp="2026-01-31T09:00:03">
            <properties>
              <property name="run_id" value="20260131-090000-abcdef"/>
              <property name="warnings" value="1"/>
            </properties>
            <testcase name="not_null(carrier)" classname="bronze.flights" time="0.012"/>
            <testcase name="accepted" classname="bronze.flights" time="0.012">
              <system-out>warning: it does not hold; wanted dep_delay at most 600
        tolerance: more than 1 % failed, so it warns; more than 5 % would block</system-out>
            </testcase>
            <testcase name="range(dep_delay, ..600)" classname="bronze.flights" time="0.012">
              <failure message="1,350 of 27,004 rows (5.0 %); wanted dep_delay at most 600" type="range">1,350 of 27,004 rows (5.0 %); wanted dep_delay at most 600
        Nobody &lt;waits&gt; longer &amp; &quot;lives&quot;
        tolerance: up to 2 % may fail, more than 1 % warns
        last passed: in run 20260128-090000-000001, 3 days ago
        sql: SELECT * FROM bronze.flights WHERE NOT (&quot;dep_delay&quot; &lt;= 600)
        {&quot;tailnum&quot;:&quot;&lt;script&gt;alert(1)&lt;/script&gt;&quot;,&quot;dep_delay&quot;:1301,&quot;carrier&quot;:null}
        {&quot;tailnum&quot;:&quot;N1\u0001&quot;,&quot;dep_delay&quot;:602,&quot;carrier&quot;:&quot;MQ&quot;}</failure>
            </testcase>
            <testcase name="broken" classname="bronze.flights" time="0.012">
              <error message="no column `x`" type="range">no column `x`</error>
            </testcase>
          </testsuite>
          <testsuite name="gold.never" tests="1" failures="0" errors="0" skipped="1" time="0.000" timestamp="2026-01-31T09:05:00">
            <properties>
              <property name="warnings" value="0"/>
            </properties>
            <testcase name="checks" classname="gold.never" time="0.000">
              <skipped message="no run has checked it yet"/>
            </testcase>
          </testsuite>
          <testsuite name="gold.gone" tests="1" failures="0" errors="1" skipped="0" time="0.000" timestamp="2026-01-31T09:05:00">
            <properties>
              <property name="warnings" value="0"/>
            </properties>
            <testcase name="audit" classname="gold.gone" time="0.000">
              <error message="the table `gold.gone` does not exist yet" type="P1013">the table `gold.gone` does not exist yet</error>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }
}
