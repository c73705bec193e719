//! Results of checks as one page for a browser: no script, nothing from elsewhere, light or dark as the reader has it.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use phlo_spec::{CheckOutcome, CheckResult};
use serde_json::{Map, Value};

use crate::printer::Printer;
use crate::render::report::{Asset, Checked, Counts, Report, escaped};
use crate::render::run::{by_tolerance, column_name, found, limits, sample_columns};
use crate::render::{Tone, check_outcome, number, plural};

/// Sample rows shown of each check, unless more were asked for.
const SAMPLE: usize = 20;
/// Characters shown of a value.
const VALUE: usize = 200;

const STYLE: &str = include_str!("page.css");

/// The page, without secrets.
pub(crate) fn page(printer: &Printer, report: &Report) -> String {
    let page = Page { printer, at: report.at };
    let mut html = String::new();
    let title = page.text(&format!("Quality of {}", report.project));
    let _ = write!(
        html,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<header>\n<h1>{title}</h1>\n<p>{}</p>\n</header>\n",
        page.summary(report),
    );
    html.push_str(&page.overview(report));
    for (at, asset) in report.assets.iter().enumerate() {
        html.push_str(&page.asset(at, asset));
    }
    let _ = write!(
        html,
        "</main>\n<footer>Written by phlo {} at {}.</footer>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION"),
        number::time(report.at)
    );
    html
}

struct Page<'a> {
    printer: &'a Printer,
    at: DateTime<Utc>,
}

const fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Warn => "warn",
        Tone::Bad => "bad",
        _ => "none",
    }
}

fn badge(word: &str, tone: Tone) -> String {
    format!("<span class=\"badge {}\">{word}</span>", class(tone))
}

impl Page<'_> {
    // Without secrets, and escaped.
    fn text(&self, text: &str) -> String {
        escaped(&self.printer.clean(text))
    }

    fn summary(&self, report: &Report) -> String {
        let counts = report.counts();
        let mut text = format!(
            "{} of {}, {}",
            plural(counts.all(), "check"),
            plural(report.assets.len(), "asset"),
            number::time(self.at)
        );
        for (n, word, tone) in words(counts) {
            if n > 0 {
                let _ = write!(text, " {}", badge(&format!("{} {word}", number::count(n as u64)), tone));
            }
        }
        text
    }

    fn overview(&self, report: &Report) -> String {
        if report.assets.is_empty() {
            return "<p>No asset has checks.</p>\n".to_owned();
        }
        let mut html = String::from(
            "<section>\n<div class=\"wide\"><table class=\"overview\">\n<thead><tr><th>asset</th><th>checked</th><th>run</th>\
             <th class=\"n\">passed</th><th class=\"n\">warned</th><th class=\"n\">failed</th><th class=\"n\">could not run</th></tr></thead>\n<tbody>\n",
        );
        for (at, asset) in report.assets.iter().enumerate() {
            let counts = asset.counts();
            let _ = write!(
                html,
                "<tr><td><a href=\"#a{at}\">{}</a></td><td>{}</td><td>{}</td>",
                self.text(&asset.key),
                asset.at.map_or_else(|| "never".to_owned(), |at| self.moment(at)),
                asset
                    .run
                    .as_deref()
                    .map_or_else(|| dash().to_owned(), |run| format!("<code>{}</code>", self.text(run))),
            );
            for (n, _, tone) in words(counts) {
                let cell = if n > 0 { badge(&number::count(n as u64), tone) } else { dash().to_owned() };
                let _ = write!(html, "<td class=\"n\">{cell}</td>");
            }
            html.push_str("</tr>\n");
        }
        html + "</tbody>\n</table></div>\n</section>\n"
    }

    fn asset(&self, at: usize, asset: &Asset) -> String {
        let mut html = format!("<section id=\"a{at}\">\n<h2>{}</h2>\n", self.text(&asset.key));
        if let Some(description) = &asset.description {
            let _ = writeln!(html, "<p>{}</p>", self.text(description));
        }
        match (&asset.run, asset.at) {
            (Some(run), Some(at)) => {
                let _ = writeln!(html, "<p class=\"dim\">run <code>{}</code>, {}</p>", self.text(run), self.moment(at));
            }
            (None, Some(at)) => {
                let _ = writeln!(html, "<p class=\"dim\">audited as it is published, {}</p>", self.moment(at));
            }
            _ => {}
        }
        if let Some(error) = &asset.error {
            let lines: Vec<_> = error.messages.iter().chain(&error.hints).map(|line| self.text(line)).collect();
            let _ = writeln!(
                html,
                "<p>{} it could not be checked: <code>{}</code> {}</p>",
                badge("could not run", Tone::Bad),
                error.code.as_str(),
                lines.join("<br>")
            );
        } else if let Some(why) = asset.nothing() {
            let _ = writeln!(html, "<p>There is nothing to tell: {why}.</p>");
        }
        // What needs a reader first.
        let mut checks: Vec<_> = asset.checks.iter().collect();
        checks.sort_by_key(|check| match check_outcome(&check.result).1 {
            Tone::Bad => 0,
            Tone::Warn => 1,
            _ => 2,
        });
        for check in checks {
            html.push_str(&self.check(check));
        }
        html + "</section>\n"
    }

    fn check(&self, check: &Checked) -> String {
        let result = &check.result;
        let (word, tone) = check_outcome(result);
        let open = if result.passed() { "" } else { " open" };
        let rate =
            if result.is_of_rows() && !result.whole { number::rate(result.violation_rate()) } else { String::new() };
        let mut html = format!(
            "<details class=\"check {}\"{open}>\n<summary>{} <strong>{}</strong> <span class=\"dim\">{}</span><span class=\"rate\">{rate}</span></summary>\n<dl>\n",
            class(tone),
            badge(word, tone),
            self.text(&result.name),
            self.text(&result.kind),
        );
        let counted = result.is_counted() && result.outcome != CheckOutcome::Errored;
        let rows = counted.then(|| {
            format!(
                "{} of {} ({})",
                number::count(result.violations),
                plural(usize::try_from(result.total).unwrap_or(usize::MAX), result.unit()),
                number::rate(result.violation_rate())
            )
        });
        let read = match usize::try_from(result.rows_scanned).unwrap_or(usize::MAX) {
            0 => "no row read".to_owned(),
            rows => format!("{} read", plural(rows, "row")),
        };
        // What rode on the write took no time of its own.
        let took =
            if result.duration_ms > 0 { format!(" in {}", number::millis(result.duration_ms)) } else { String::new() };
        let effort = read + &took;
        for (title, value) in [
            ("what it is", result.description.clone()),
            ("why", result.error.clone()),
            ("wanted", result.expected.clone()),
            ("found", found(result)),
            ("violations", rows),
            ("limits", by_tolerance(result).or_else(|| limits(result))),
            ("asked", check.asked.clone()),
            ("last passed", check.last_passed.clone()),
            ("effort", Some(effort)),
        ] {
            if let Some(value) = value {
                let _ = writeln!(html, "<dt>{title}</dt><dd>{}</dd>", self.text(&value));
            }
        }
        html.push_str("</dl>\n");
        if counted && (result.violations > 0 || !result.tolerance.is_none()) {
            html.push_str(&bar(result, tone));
        }
        html.push_str(&self.rows(check));
        if let Some(sql) = &result.sql {
            let _ = writeln!(
                html,
                "<p class=\"dim\">SQL that shows the rows</p>\n<pre><code>{}</code></pre>",
                self.text(sql)
            );
        }
        html + "</details>\n"
    }

    fn rows(&self, check: &Checked) -> String {
        let rows: Vec<&Map<String, Value>> = check.rows.iter().filter_map(Value::as_object).collect();
        let Some(first) = rows.first() else { return String::new() };
        let columns = sample_columns(&check.result, first);
        // Whoever asked for rows gets all of them.
        let shown = if check.rows.len() == check.result.sample.len() { rows.len().min(SAMPLE) } else { rows.len() };
        let mut html = format!(
            "<p class=\"dim\">{}</p>\n<div class=\"wide\"><table class=\"rows\">\n<thead><tr>",
            what(shown, &check.result)
        );
        for name in &columns {
            let _ = write!(html, "<th>{}</th>", self.text(column_name(name)));
        }
        html.push_str("</tr></thead>\n<tbody>\n");
        for row in &rows[..shown] {
            html.push_str("<tr>");
            for name in &columns {
                // Cleaned before it is cut: a part of a secret is not found.
                let cell = match row.get(*name) {
                    None | Some(Value::Null) => "<td class=\"dim\">null</td>".to_owned(),
                    Some(Value::String(text)) => format!("<td>{}</td>", escaped(&shortened(&self.printer.clean(text)))),
                    Some(Value::Number(number)) => format!("<td class=\"n\">{}</td>", self.text(&number.to_string())),
                    Some(other) => {
                        format!("<td>{}</td>", escaped(&shortened(&self.printer.clean_json(&other.to_string()))))
                    }
                };
                html.push_str(&cell);
            }
            html.push_str("</tr>\n");
        }
        html + "</tbody>\n</table></div>\n"
    }

    fn moment(&self, at: DateTime<Utc>) -> String {
        format!("<time datetime=\"{}\">{}</time>, {}", at.to_rfc3339(), number::time(at), number::ago(at, self.at))
    }
}

fn dash() -> &'static str {
    "<span class=\"dim\">–</span>"
}

fn words(counts: Counts) -> [(usize, &'static str, Tone); 4] {
    [
        (counts.passed, "passed", Tone::Good),
        (counts.warned, "warned", Tone::Warn),
        (counts.failed, "failed", Tone::Bad),
        (counts.errored, "could not run", Tone::Bad),
    ]
}

fn what(shown: usize, result: &CheckResult) -> String {
    let n = number::count(shown as u64);
    let unit = result.unit();
    if shown as u64 >= result.violations {
        format!("the failing {unit}s")
    } else {
        format!("{n} of the failing {unit}s")
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The rate as a bar, with a mark at each limit.
fn bar(result: &CheckResult, tone: Tone) -> String {
    let rate = result.violation_rate();
    let limits: Vec<_> = [result.tolerance.warn.map(|warn| (warn, "warn")), Some((result.tolerance.error, "bad"))]
        .into_iter()
        .flatten()
        .filter(|_| !result.tolerance.is_none())
        .collect();
    // With limits, what is most lies well within it; without, it is all rows.
    let most = limits.iter().map(|(limit, _)| *limit).fold(rate, f64::max);
    let scale = if limits.is_empty() || most <= 0.0 { 1.0 } else { (most * 1.25).min(1.0).max(most) };
    let at = |part: f64| format!("{:.2}%", part / scale * 100.0);
    let mut html = format!(
        "<div class=\"bar\" role=\"img\" aria-label=\"{} of the rows\"><span class=\"fill {}\" style=\"width:{}\"></span>",
        number::rate(rate),
        class(tone),
        at(rate)
    );
    for (limit, of) in limits {
        let _ = write!(
            html,
            "<span class=\"mark {of}\" style=\"left:{}\" title=\"{}\"></span>",
            at(limit),
            number::percent(limit)
        );
    }
    html + "</div>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printer::Wishes;
    use crate::render::report::tests::report;
    use phlo_spec::Redactor;

    #[test]
    fn a_page_escapes_what_it_shows_and_needs_nothing_from_elsewhere() {
        let printer = Printer::new(Wishes::default());
        let redactor = Redactor::default();
        redactor.add("lives\"");
        printer.redact_with(redactor);
        let html = page(&printer, &report());
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && html.contains("N1\u{fffd}"), "{html}");
        assert!(html.contains("Nobody &lt;waits&gt; longer &amp; &quot;***"), "{html}");
        for absent in ["<script", "http:", "https:", "src=", "url(", "@import", "_phlo_run_id"] {
            assert!(!html.contains(absent), "{absent}");
        }
        let (body, checks) = html.split_once("<h2>").unwrap();
        insta::assert_snapshot!(body.split_once("</style>").unwrap().1, @r##"

        </head>
        <body>
        <main>
        <header>
        <h1>Quality of nyc &amp; flights</h1>
        <p>5 checks of 3 assets, 2026-01-31 09:05:00Z <span class="badge good">1 passed</span> <span class="badge warn">1 warned</span> <span class="badge bad">1 failed</span> <span class="badge bad">2 could not run</span></p>
        </header>
        <section>
        <div class="wide"><table class="overview">
        <thead><tr><th>asset</th><th>checked</th><th>run</th><th class="n">passed</th><th class="n">warned</th><th class="n">failed</th><th class="n">could not run</th></tr></thead>
        <tbody>
        <tr><td><a href="#a0">bronze.flights</a></td><td><time datetime="2026-01-31T09:00:03+00:00">2026-01-31 09:00:03Z</time>, 4 min ago</td><td><code>20260131-090000-abcdef</code></td><td class="n"><span class="badge good">1</span></td><td class="n"><span class="badge warn">1</span></td><td class="n"><span class="badge bad">1</span></td><td class="n"><span class="badge bad">1</span></td></tr>
        <tr><td><a href="#a1">gold.never</a></td><td>never</td><td><span class="dim">–</span></td><td class="n"><span class="dim">–</span></td><td class="n"><span class="dim">–</span></td><td class="n"><span class="dim">–</span></td><td class="n"><span class="dim">–</span></td></tr>
        <tr><td><a href="#a2">gold.gone</a></td><td>never</td><td><span class="dim">–</span></td><td class="n"><span class="dim">–</span></td><td class="n"><span class="dim">–</span></td><td class="n"><span class="dim">–</span></td><td class="n"><span class="badge bad">1</span></td></tr>
        </tbody>
        </table></div>
        </section>
        <section id="a0">
        "##);
        insta::assert_snapshot!(checks.split_once("</section>").unwrap().0, @r#"
        bronze.flights</h2>
        <p>Departures &lt;2013&gt;</p>
        <p class="dim">run <code>20260131-090000-abcdef</code>, <time datetime="2026-01-31T09:00:03+00:00">2026-01-31 09:00:03Z</time>, 4 min ago</p>
        <details class="check bad" open>
        <summary><span class="badge bad">failed</span> <strong>range(dep_delay, ..600)</strong> <span class="dim">range</span><span class="rate">5.0 %</span></summary>
        <dl>
        <dt>what it is</dt><dd>Nobody &lt;waits&gt; longer &amp; &quot;***</dd>
        <dt>wanted</dt><dd>dep_delay at most 600</dd>
        <dt>violations</dt><dd>1,350 of 27,004 rows (5.0 %)</dd>
        <dt>limits</dt><dd>up to 2 % may fail, more than 1 % warns</dd>
        <dt>last passed</dt><dd>in run 20260128-090000-000001, 3 days ago</dd>
        <dt>effort</dt><dd>27,004 rows read in 12 ms</dd>
        </dl>
        <div class="bar" role="img" aria-label="5.0 % of the rows"><span class="fill bad" style="width:80.00%"></span><span class="mark warn" style="left:16.00%" title="1 %"></span><span class="mark bad" style="left:32.00%" title="2 %"></span></div>
        <p class="dim">2 of the failing rows</p>
        <div class="wide"><table class="rows">
        <thead><tr><th>dep_delay</th><th>tailnum</th><th>carrier</th></tr></thead>
        <tbody>
        <tr><td class="n">1301</td><td>&lt;script&gt;alert(1)&lt;/script&gt;</td><td class="dim">null</td></tr>
        <tr><td class="n">602</td><td>N1�</td><td>MQ</td></tr>
        </tbody>
        </table></div>
        <p class="dim">SQL that shows the rows</p>
        <pre><code>SELECT * FROM bronze.flights WHERE NOT (&quot;dep_delay&quot; &lt;= 600)</code></pre>
        </details>
        <details class="check bad" open>
        <summary><span class="badge bad">could not run</span> <strong>broken</strong> <span class="dim">range</span><span class="rate"></span></summary>
        <dl>
        <dt>why</dt><dd>no column `x`</dd>
        <dt>wanted</dt><dd>dep_delay at most 600</dd>
        <dt>effort</dt><dd>27,004 rows read in 12 ms</dd>
        </dl>
        </details>
        <details class="check warn" open>
        <summary><span class="badge warn">warned</span> <strong>accepted</strong> <span class="dim">range</span><span class="rate"></span></summary>
        <dl>
        <dt>wanted</dt><dd>dep_delay at most 600</dd>
        <dt>limits</dt><dd>more than 1 % failed, so it warns; more than 5 % would block</dd>
        <dt>effort</dt><dd>27,004 rows read in 12 ms</dd>
        </dl>
        </details>
        <details class="check good">
        <summary><span class="badge good">passed</span> <strong>not_null(carrier)</strong> <span class="dim">range</span><span class="rate"></span></summary>
        <dl>
        <dt>wanted</dt><dd>dep_delay at most 600</dd>
        <dt>violations</dt><dd>0 of 27,004 rows (0 %)</dd>
        <dt>effort</dt><dd>27,004 rows read in 12 ms</dd>
        </dl>
        </details>
        "#);
    }

    #[test]
    fn every_tag_is_closed() {
        let html = page(&Printer::new(Wishes::default()), &report());
        let mut open = Vec::new();
        for part in html.split('<').skip(1) {
            let tag = part.split(['>', ' ', '\n']).next().unwrap();
            match tag.strip_prefix('/') {
                Some(closed) => assert_eq!(open.pop(), Some(closed)),
                None if ["!DOCTYPE", "meta", "link", "br"].contains(&tag) => {}
                None => open.push(tag),
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }
}
