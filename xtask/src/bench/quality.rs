//! The figures of checks: what an audit takes, against one hand-written query of DuckDB and against the frameworks of Python.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tpchgen::csv::LineItemCsv;
use tpchgen::generators::{LineItem, LineItemGenerator};

use super::{Took, lineitem, measure, median, phlo, verdict};
use crate::process;

/// What is compared with, from PyPI.
const PINS: [&str; 7] = [
    "duckdb==2.0.1",
    "pandera==0.35.0",
    "pointblank==1.1.1",
    "great_expectations==1.24.1",
    "polars==2.1.0",
    "pandas==3.1.1",
    "pyarrow==26.0.1",
];
const DUCKDB: &str = include_str!("quality/duckdb_checks.py");
/// The frameworks, each with its script.
const PEERS: [(&str, &str); 3] = [
    ("pandera (polars)", include_str!("quality/pandera_checks.py")),
    ("pointblank (polars)", include_str!("quality/pointblank_checks.py")),
    ("Great Expectations (pandas)", include_str!("quality/gx_checks.py")),
];
/// Columns that are checked for nulls, each by a check of its own.
const NOT_NULL: [&str; 12] = [
    "l_orderkey",
    "l_partkey",
    "l_suppkey",
    "l_linenumber",
    "l_quantity",
    "l_extendedprice",
    "l_discount",
    "l_tax",
    "l_returnflag",
    "l_shipdate",
    "l_receiptdate",
    "l_shipmode",
];
const ASSET: &str = "bench.lineitem";
/// Rows of what the frameworks of Python are given.
const PEERS_ROWS: f64 = 1e6;
/// Rows in which the same violations must be found by all.
const DAMAGED_ROWS: usize = 20_000;
/// Counted runs of a query in a process that has run it before.
const WARM: &str = "5";

/// What the figures share.
pub(super) struct Bench<'a> {
    pub(super) binary: &'a Path,
    pub(super) dir: &'a Path,
    pub(super) runs: usize,
    /// TPC-H's scale factor; the promises are for 1.
    pub(super) scale: f64,
    python: PathBuf,
    threads: usize,
    /// Whether this phlo has written the table already.
    written: Cell<bool>,
    /// Whether phlo and its peers were found to count the same.
    agreed: Cell<bool>,
}

/// What is done to a generated row.
#[derive(Clone, Copy, PartialEq)]
enum Damage {
    /// Nothing.
    None,
    /// Some fields become empty, others wrong.
    Fields,
    /// Some rows are there twice.
    Twice,
}

/// The result of one audit by phlo.
struct Audit {
    violations: BTreeMap<String, u64>,
    audit_ms: f64,
}

impl<'a> Bench<'a> {
    pub(super) fn new(binary: &'a Path, dir: &'a Path, runs: usize, scale: f64) -> Result<Self> {
        let threads = std::thread::available_parallelism()?.get();
        let python = peers(dir)?;
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().unwrap_or("unknown");
        println!("          scale {scale}, {threads} threads for each, load {load}; {}", PINS.join(", "));
        let (written, agreed) = (Cell::new(false), Cell::new(false));
        Ok(Self { binary, dir, runs, scale, python, threads, written, agreed })
    }

    /// Twenty checks of the table, against one SELECT.
    pub(super) fn twenty(&self) -> Result<()> {
        self.agree()?;
        let checks = checks();
        let project = self.table(&checks)?;
        let files = files(&project)?;
        let select = || self.duckdb(&checks, "once", &files);
        let found = self.audit(&project)?;
        same(&found.violations, &counted(&mut select())?, "DuckDB")?;
        let pairs = self.pairs(|| measure(&mut self.quality_run(&project)), || measure(&mut select()))?;
        let warm: Value = serde_json::from_str(&process::stdout(&mut self.duckdb(&checks, WARM, &files))?)?;
        let query = warm["query_s"].as_f64().context("the script tells the query's time")?;
        let alone = median((0..self.runs).map(|_| Ok(self.audit(&project)?.audit_ms)).collect::<Result<_>>()?);
        pairs.print(
            "quality  ",
            &format!("{} checks of lineitem", checks.len()),
            "DuckDB's one SELECT, its whole process",
            1.0,
        );
        println!("          alone: phlo's audit {:.3} s; DuckDB's query in a warm process {query:.3} s", alone / 1e3);
        Ok(())
    }

    /// The same at more rows: peak memory.
    pub(super) fn memory(&self, large: f64) -> Result<()> {
        let mut peaks = Vec::new();
        for scale in [self.scale, large] {
            let csv = lineitem(self.dir, scale)?;
            let project = self.project("quality-memory", &csv.display().to_string(), "overwrite", &checks(), &[])?;
            phlo(self.binary, &project)?;
            let took = measure(&mut self.quality_run(&project))?;
            println!("          scale {scale}: {:.2} s, peak {} MiB", took.wall.as_secs_f64(), took.peak_kib / 1024);
            peaks.push(took.peak_kib as f64);
            std::fs::remove_dir_all(project)?;
        }
        let growth = peaks[1] / peaks[0];
        println!(
            "q-memory  peak of the checks at {:.0} times the rows: {growth:.2} times (wanted: at most 1.2): {}",
            large / self.scale,
            verdict(growth <= 1.2)
        );
        Ok(())
    }

    /// The same of a million rows, against the frameworks of Python.
    pub(super) fn frameworks(&self) -> Result<()> {
        self.agree()?;
        let checks = checks();
        let rows = (PEERS_ROWS * self.scale) as usize;
        let csv = self.csv("million", rows, Damage::None)?;
        let project = self.project("quality-peers", &csv.display().to_string(), "overwrite", &checks, &[])?;
        phlo(self.binary, &project)?;
        let files = files(&project)?;
        let ours = self.audit(&project)?.violations;
        for (name, script) in PEERS {
            same(&ours, &counted(&mut self.peer(script, &checks, &files))?, name)?;
        }
        let mut took: Vec<Vec<Took>> = Vec::new();
        for _ in 0..self.runs {
            let mut round = vec![measure(&mut self.quality_run(&project))?];
            for (_, script) in PEERS {
                round.push(measure(&mut self.peer(script, &checks, &files))?);
            }
            took.push(round);
        }
        let of = |at: usize| median(took.iter().map(|round| round[at].wall.as_secs_f64()).collect());
        let peak = |at: usize| took.iter().map(|round| round[at].peak_kib / 1024).max().unwrap_or(0);
        let mut least = f64::INFINITY;
        for (at, (name, _)) in (1..).zip(PEERS) {
            // Within a round both had the same machine.
            let ratio = median(took.iter().map(|r| r[at].wall.as_secs_f64() / r[0].wall.as_secs_f64()).collect());
            least = least.min(ratio);
            println!("          {name}: {:.2} s, {} MiB: {ratio:.1} times phlo's", of(at), peak(at));
        }
        println!(
            "q-peers   {} checks of {rows} rows: phlo {:.3} s, {} MiB; the fastest framework takes {least:.1} times as long \
             (whole processes, median of {} rounds; wanted: at least 3): {}",
            checks.len(),
            of(0),
            peak(0),
            self.runs,
            verdict(least >= 3.0)
        );
        Ok(std::fs::remove_dir_all(project)?)
    }

    /// Appends of 1 % new rows: what the checks take of each, against an audit of the whole.
    pub(super) fn append(&self) -> Result<()> {
        let first = lineitem(self.dir, self.scale)?;
        let all = checks();
        // The mean of the whole table is no matter of the new rows.
        let allowing: Vec<Value> = all.iter().filter(|check| check["function"] != "mean").cloned().collect();
        let variants = [("q-append-19", &allowing[..]), ("q-append-20", &all[..]), ("q-append-0", &[])];
        let mut projects = Vec::new();
        for (name, checks) in variants {
            let project = self.project(name, "in/*.csv", "append", checks, &[])?;
            std::fs::create_dir(project.join("in"))?;
            std::fs::hard_link(&first, project.join("in/first.csv"))?;
            phlo(self.binary, &project)?;
            projects.push(project);
        }
        let (mut audits, mut walls) = (vec![Vec::new(); variants.len()], vec![Vec::new(); variants.len()]);
        for run in 0..=self.runs {
            // Each time another of a hundred parts; the first append warms and is not counted.
            let part = self.part(i32::try_from(run)? + 1)?;
            for (at, project) in projects.iter().enumerate() {
                std::fs::hard_link(&part, project.join(format!("in/part-{run}.csv")))?;
                let started = Instant::now();
                let told = process::stdout(Command::new(self.binary).args(["run", "--json"]).current_dir(project))?;
                let wall = started.elapsed().as_secs_f64();
                let told: Value = serde_json::from_str(&told)?;
                ensure!(told["status"] == "success", "the append failed: {told}");
                if run > 0 {
                    walls[at].push(wall);
                    audits[at].push(audit_ms(&told["assets"][0])?);
                }
            }
        }
        let none = median(walls[2].clone());
        for at in 0..2 {
            let full = median((0..self.runs).map(|_| Ok(self.audit(&projects[at])?.audit_ms)).collect::<Result<_>>()?);
            let (audit, wall) = (median(audits[at].clone()), median(walls[at].clone()));
            let share = audit / full;
            let count = variants[at].1.len();
            println!(
                "q-append  {count} checks, an append of 1 %: {audit:.0} ms of audit; of the whole table {full:.0} ms; {:.1} % (median of {}{}",
                share * 100.0,
                self.runs,
                if at == 0 {
                    format!("; wanted: at most 3 %): {}", verdict(share <= 0.03))
                } else {
                    ", the mean among them)".to_owned()
                }
            );
            println!("          the whole append {wall:.3} s; without checks {none:.3} s");
        }
        projects.iter().try_for_each(|project| Ok(std::fs::remove_dir_all(project)?))
    }

    /// A key of two columns.
    pub(super) fn unique(&self) -> Result<()> {
        let checks = [json!({"name": "key", "kind": "unique", "columns": ["l_orderkey", "l_linenumber"]})];
        let twice = self.csv("twice", DAMAGED_ROWS, Damage::Twice)?;
        let small = self.project("quality-twice", &twice.display().to_string(), "overwrite", &checks, &warn())?;
        phlo(self.binary, &small)?;
        let ours = self.audit(&small)?.violations;
        ensure!(ours["key"] > 0, "rows that are there twice are not found");
        // No row is there thrice: surplus rows are as many as keys.
        same(&ours, &counted(&mut self.duckdb(&checks, "once", &files(&small)?))?, "DuckDB")?;
        std::fs::remove_dir_all(small)?;

        let project = self.table(&checks)?;
        let files = files(&project)?;
        same(&self.audit(&project)?.violations, &counted(&mut self.duckdb(&checks, "once", &files))?, "DuckDB")?;
        let spilled = Cell::new(0);
        let pairs = self.pairs(
            || {
                let (took, bytes) = spilling(&project, || measure(&mut self.quality_run(&project)))?;
                spilled.set(spilled.get().max(bytes));
                Ok(took)
            },
            || measure(&mut self.duckdb(&checks, "once", &files)),
        )?;
        let warm: Value = serde_json::from_str(&process::stdout(&mut self.duckdb(&checks, WARM, &files))?)?;
        let query = warm["query_s"].as_f64().context("the script tells the query's time")?;
        let alone = median((0..self.runs).map(|_| Ok(self.audit(&project)?.audit_ms)).collect::<Result<_>>()?);
        pairs.print("q-unique ", "a key of two columns", "DuckDB's GROUP BY, its whole process", 1.2);
        println!("          alone: phlo's audit {:.3} s; DuckDB's query in a warm process {query:.3} s", alone / 1e3);
        println!("          with a pool of 256 MiB: completed, {} MiB on disk at most", spilled.get() >> 20);
        settings(&project, self.threads, 64)?;
        let (took, bytes) = spilling(&project, || measure(&mut self.quality_run(&project)))?;
        println!(
            "          with a pool of 64 MiB: completed in {:.2} s, peak {} MiB, {} MiB on disk at most",
            took.wall.as_secs_f64(),
            took.peak_kib / 1024,
            bytes >> 20
        );
        settings(&project, self.threads, 256)
    }

    /// Checks that ride on a write.
    pub(super) fn write(&self) -> Result<()> {
        let csv = lineitem(self.dir, self.scale)?.display().to_string();
        let mut rows: Vec<Value> = checks().into_iter().filter(|check| check["kind"] != "aggregate").collect();
        // Fifteen: two of the twelve `not_null` are left out.
        rows.drain(..2);
        let with = self.project("quality-write-15", &csv, "overwrite", &rows, &[])?;
        let without = self.project("quality-write-0", &csv, "overwrite", &[], &[])?;
        let pairs = self.pairs(|| phlo(self.binary, &with), || phlo(self.binary, &without))?;
        pairs.print("q-write  ", &format!("a CSV-to-Delta write with {} checks", rows.len()), "the same without", 1.1);
        [with, without].iter().try_for_each(|project| Ok(std::fs::remove_dir_all(project)?))
    }

    /// Runs both in turn; the first pair warms the page cache and is not counted.
    fn pairs(&self, ours: impl Fn() -> Result<Took>, theirs: impl Fn() -> Result<Took>) -> Result<Pairs> {
        let mut pairs = Pairs(Vec::new());
        for counted in 0..=self.runs {
            let pair = (ours()?, theirs()?);
            if counted > 0 {
                pairs.0.push(pair);
            }
        }
        Ok(pairs)
    }

    /// Fails unless phlo and all peers count the same violations in damaged rows: else they would not do the same work.
    fn agree(&self) -> Result<()> {
        if self.agreed.replace(true) {
            return Ok(());
        }
        let checks = checks();
        let csv = self.csv("damaged", DAMAGED_ROWS, Damage::Fields)?;
        let project = self.project("quality-damaged", &csv.display().to_string(), "overwrite", &checks, &warn())?;
        phlo(self.binary, &project)?;
        let files = files(&project)?;
        let ours = self.audit(&project)?.violations;
        for check in &checks {
            let name = check["name"].as_str().unwrap_or_default();
            ensure!(
                ours.get(name).is_some_and(|count| *count > 0),
                "phlo finds no violation of `{name}` in damaged rows"
            );
        }
        same(&ours, &counted(&mut self.duckdb(&checks, "once", &files))?, "DuckDB")?;
        for (name, script) in PEERS {
            same(&ours, &counted(&mut self.peer(script, &checks, &files))?, name)?;
        }
        let all: u64 = ours.values().sum();
        println!(
            "          of {DAMAGED_ROWS} damaged rows phlo, DuckDB and the three frameworks tell the same {all} violations"
        );
        Ok(std::fs::remove_dir_all(project)?)
    }

    /// The project of the whole lineitem, written once, with these checks.
    fn table(&self, checks: &[Value]) -> Result<PathBuf> {
        let csv = lineitem(self.dir, self.scale)?.display().to_string();
        if self.written.replace(true) {
            let project = self.dir.join("quality");
            asset(&project, &csv, "overwrite", checks, &[])?;
            return Ok(project);
        }
        let project = self.project("quality", &csv, "overwrite", checks, &[])?;
        phlo(self.binary, &project)?;
        Ok(project)
    }

    fn project(
        &self,
        name: &str,
        path: &str,
        strategy: &str,
        checks: &[Value],
        extra: &[(&str, Value)],
    ) -> Result<PathBuf> {
        let project = self.dir.join(name);
        let _ = std::fs::remove_dir_all(&project);
        std::fs::create_dir_all(project.join("assets/bench"))?;
        settings(&project, self.threads, 256)?;
        asset(&project, path, strategy, checks, extra)?;
        Ok(project)
    }

    /// The first rows of lineitem as CSV, intact or not.
    fn csv(&self, name: &str, rows: usize, damage: Damage) -> Result<PathBuf> {
        let path = self.dir.join(format!("lineitem-{name}-{rows}.csv"));
        write_csv(&path, LineItemGenerator::new(1.0, 1, 1).iter().take(rows), damage)?;
        Ok(path)
    }

    /// One of a hundred parts of lineitem as CSV.
    fn part(&self, part: i32) -> Result<PathBuf> {
        let path = self.dir.join(format!("lineitem-sf{}-part{part}.csv", self.scale));
        write_csv(&path, LineItemGenerator::new(self.scale, part, 100).iter(), Damage::None)?;
        Ok(path)
    }

    fn quality_run(&self, project: &Path) -> Command {
        let mut command = Command::new(self.binary);
        command.args(["quality", "run", ASSET, "--json"]).current_dir(project);
        command
    }

    fn audit(&self, project: &Path) -> Result<Audit> {
        let told: Value = serde_json::from_str(&process::stdout(&mut self.quality_run(project))?)?;
        let asset = &told["assets"][0];
        let results = asset["checks"].as_array().context("`phlo quality run --json` tells no checks")?;
        let violations = results.iter().map(|result| {
            let name = result["name"].as_str().context("a result has a name")?.to_owned();
            let (outcome, passed) = (&result["outcome"], result["passed"] == true);
            ensure!(outcome == "passed" || outcome == "failed", "`{name}` could not be evaluated: {result}");
            let count = result["violations"].as_u64().context("a result has violations")?;
            // Of a verdict frameworks tell only whether it holds.
            Ok((name, if result["kind"] == "aggregate" { u64::from(!passed) } else { count }))
        });
        Ok(Audit { violations: violations.collect::<Result<_>>()?, audit_ms: audit_ms(asset)? })
    }

    fn duckdb(&self, checks: &[Value], how: &str, files: &[PathBuf]) -> Command {
        let mut command = Command::new(&self.python);
        command.args(["-c", DUCKDB, &json!(checks).to_string(), &self.threads.to_string(), how]).args(files);
        command
    }

    fn peer(&self, script: &str, checks: &[Value], files: &[PathBuf]) -> Command {
        let mut command = Command::new(&self.python);
        command.args(["-c", script, &json!(checks).to_string()]).args(files);
        command.env("POLARS_MAX_THREADS", self.threads.to_string());
        command
    }
}

/// Phlo's and the peer's, run in turn.
struct Pairs(Vec<(Took, Took)>);

impl Pairs {
    /// The medians, the peaks, and the ratio of each pair: what else the machine does is the same for both.
    fn print(&self, figure: &str, what: &str, peer: &str, most: f64) {
        let seconds = |took: &Took| took.wall.as_secs_f64();
        let ratio = median(self.0.iter().map(|(a, b)| seconds(a) / seconds(b)).collect());
        let peak = |of: fn(&(Took, Took)) -> u64| self.0.iter().map(of).max().unwrap_or(0) / 1024;
        println!(
            "{figure} {what}: phlo {:.3} s, {} MiB; {peer}: {:.3} s, {} MiB; ratio {ratio:.2} (median of {} pairs; wanted: at most {most:.1}): {}",
            median(self.0.iter().map(|(a, _)| seconds(a)).collect()),
            peak(|(a, _)| a.peak_kib),
            median(self.0.iter().map(|(_, b)| seconds(b)).collect()),
            peak(|(_, b)| b.peak_kib),
            self.0.len(),
            verdict(ratio <= most)
        );
    }
}

/// The twenty checks, as the peers' scripts read them.
fn checks() -> Vec<Value> {
    let nulls =
        NOT_NULL.map(|column| json!({"name": format!("not_null_{column}"), "kind": "not_null", "column": column}));
    let others = json!([
        {"name": "range_l_quantity", "kind": "range", "column": "l_quantity", "min": 1, "max": 50},
        {"name": "range_l_discount", "kind": "range", "column": "l_discount", "min": 0, "max": 0.1},
        {"name": "accepted_l_shipmode", "kind": "accepted_values", "column": "l_shipmode",
         "values": ["AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"]},
        {"name": "pattern_l_comment", "kind": "pattern", "column": "l_comment", "pattern": "[A-Za-z .,;:!?'-]+"},
        {"name": "shipped_before_received", "kind": "not_after", "first": "l_shipdate", "second": "l_receiptdate"},
        {"name": "aggregate_min", "kind": "aggregate", "function": "min", "column": "l_extendedprice", "min": 900, "max": 1000},
        {"name": "aggregate_max", "kind": "aggregate", "function": "max", "column": "l_extendedprice", "min": 90000, "max": 105_000},
        {"name": "aggregate_mean", "kind": "aggregate", "function": "mean", "column": "l_quantity", "min": 25, "max": 26},
    ]);
    nulls.into_iter().chain(others.as_array().into_iter().flatten().cloned()).collect()
}

/// A check as an asset's file has it.
fn of_phlo(check: &Value, extra: &[(&str, Value)]) -> Value {
    let name = &check["name"];
    let (kind, mut params) = match check["kind"].as_str().unwrap_or_default() {
        "not_null" => ("not_null", json!({"columns": [check["column"]]})),
        "not_after" => {
            let text = |field: &str| check[field].as_str().unwrap_or_default().to_owned();
            ("business_rule", json!({"rule": format!("{} <= {}", text("first"), text("second"))}))
        }
        kind => {
            let mut params = check.clone();
            if let Some(params) = params.as_object_mut() {
                params.remove("kind");
            }
            (kind, params)
        }
    };
    params["name"] = name.clone();
    for (field, value) in extra {
        params[*field] = value.clone();
    }
    json!({ kind: params })
}

/// Lets damaged rows be published.
fn warn() -> [(&'static str, Value); 1] {
    [("severity", json!("warn"))]
}

fn asset(project: &Path, path: &str, strategy: &str, checks: &[Value], extra: &[(&str, Value)]) -> Result<()> {
    let mut text = format!("source: {{ plugin: files, path: \"{path}\" }}\nwrite: {{ strategy: {strategy} }}\n");
    if !checks.is_empty() {
        text.push_str("checks:\n");
    }
    for check in checks {
        // JSON is YAML.
        writeln!(text, "  - {}", of_phlo(check, extra))?;
    }
    Ok(std::fs::write(project.join("assets/bench/lineitem.yaml"), text)?)
}

fn settings(project: &Path, threads: usize, memory_mib: u64) -> Result<()> {
    let text = format!(
        "name: quality\nplugins: {{ settings: {{ resource: {{ datafusion: {{ threads: {threads}, memory_mib: {memory_mib} }} }} }} }}\n"
    );
    Ok(std::fs::write(project.join("phlo.yaml"), text)?)
}

/// The table's Parquet files.
fn files(project: &Path) -> Result<Vec<PathBuf>> {
    let folder = project.join("lake").join(ASSET.replace('.', "/"));
    let entries = std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let mut files: Vec<_> =
        entries.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "parquet")).collect();
    ensure!(!files.is_empty(), "no Parquet files in {}", folder.display());
    files.sort();
    Ok(files)
}

fn audit_ms(asset: &Value) -> Result<f64> {
    asset["audit_ms"].as_f64().with_context(|| format!("no `audit_ms` is told: {asset}"))
}

/// What a peer's script prints.
fn counted(command: &mut Command) -> Result<BTreeMap<String, u64>> {
    let text = process::stdout(command)?;
    let told: Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
    Ok(serde_json::from_value(told["violations"].clone())?)
}

fn same(ours: &BTreeMap<String, u64>, theirs: &BTreeMap<String, u64>, who: &str) -> Result<()> {
    let names: std::collections::BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    let differ: Vec<_> = names
        .into_iter()
        .filter(|name| ours.get(*name) != theirs.get(*name))
        .map(|name| format!("{name}: phlo {:?}, {who} {:?}", ours.get(name), theirs.get(name)))
        .collect();
    if !differ.is_empty() {
        bail!("phlo and {who} do not find the same violations: {}", differ.join("; "));
    }
    Ok(())
}

/// A Python with all peers, installed once.
fn peers(dir: &Path) -> Result<PathBuf> {
    let venv = dir.join("venv-quality");
    let python = venv.join("bin/python");
    let there = "import sys, importlib.metadata as m; [sys.exit(1) for p in sys.argv[1:] if m.version(p.split('==')[0]) != p.split('==')[1]]";
    if !process::succeeds(Command::new(&python).args(["-c", there]).args(PINS)) {
        process::run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        process::run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PINS))?;
    }
    Ok(python)
}

/// Runs it, and tells how many bytes the engine had on disk at most.
fn spilling(project: &Path, run: impl FnOnce() -> Result<Took>) -> Result<(Took, u64)> {
    let (folder, done) = (project.join(".phlo/tmp"), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = 0;
            while !done.load(Ordering::Relaxed) {
                most = most.max(bytes_in(&folder));
                std::thread::sleep(Duration::from_millis(10));
            }
            most
        });
        let took = run();
        done.store(true, Ordering::Relaxed);
        let most = watch.join().map_err(|_| anyhow::anyhow!("the watch over {} panicked", folder.display()))?;
        Ok((took?, most))
    })
}

/// Files vanish while they are counted.
fn bytes_in(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.filter_map(Result::ok).map(size).sum()
}

fn write_csv<'a>(path: &Path, items: impl Iterator<Item = LineItem<'a>>, damage: Damage) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    let part = path.with_extension("part");
    let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(&part)?);
    writeln!(out, "{}", LineItemCsv::header())?;
    for (row, item) in items.enumerate() {
        let line = LineItemCsv::new(item).to_string();
        match damage {
            Damage::Fields => writeln!(out, "{}", damaged(&line, row))?,
            Damage::Twice if row % 251 == 0 => writeln!(out, "{line}\n{line}")?,
            Damage::None | Damage::Twice => writeln!(out, "{line}")?,
        }
    }
    out.into_inner()?.sync_all()?;
    Ok(std::fs::rename(part, path)?)
}

/// The row with a field emptied or made wrong, now and then, so that each check finds something.
fn damaged(line: &str, row: usize) -> String {
    // The comment, the last field, may hold commas.
    let mut fields: Vec<&str> = line.splitn(16, ',').collect();
    for (at, field) in fields.iter_mut().enumerate() {
        if row % (901 + 7 * at) == at {
            *field = "";
        }
    }
    for (every, at, wrong) in [
        (101, 4, "500"),
        (211, 6, "0.11"),
        (307, 12, "1990-01-01"),
        (401, 14, "ROCKET"),
        (503, 15, "order #1"),
        (7001, 5, "0.50"),
        (7003, 5, "999999.00"),
    ] {
        if row % every == every / 2 {
            fields[at] = wrong;
        }
    }
    fields.join(",")
}
