//! The figures that phlo must reach, measured on this machine: whole processes, the peer on the same file and threads, in one run.

mod build;
mod quality;

use std::fmt::Write as _;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use tpchgen::csv::LineItemCsv;
use tpchgen::generators::LineItemGenerator;

use crate::process;

/// Rows of TPC-H lineitem at scale factor 1.
const SF1_ROWS: u64 = 6_001_215;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which figures; all of them if none is named
    #[arg(value_enum)]
    only: Vec<Figure>,
    /// Use this binary instead of building the release one
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Counted runs of each command
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Scale factor of the memory figure's larger input; 10 is 60 M rows, 7.5 GB of CSV
    #[arg(long, default_value_t = 10.0)]
    large: f64,
    /// Scale factor of the figures of checks; the promises are for 1, less is for trying the bench itself
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Figure {
    /// `phlo plugin list`
    Startup,
    /// `phlo check` on 2,000 SQL assets
    Check,
    /// TPC-H lineitem from CSV to an audited Delta table, against DuckDB's plain CSV-to-Parquet copy
    Ingest,
    /// The same with ten times the rows: peak memory
    Memory,
    /// Twenty checks of lineitem, against one hand-written SELECT of DuckDB
    Quality,
    /// The same with ten times the rows: peak memory
    QualityMemory,
    /// The same of a million rows, against pandera, pointblank and Great Expectations
    QualityPeers,
    /// What checks take of an append of 1 %, against an audit of the whole table
    QualityAppend,
    /// A key of two columns, against DuckDB's GROUP BY; and with little memory
    QualityUnique,
    /// What fifteen row-level checks add to a CSV-to-Delta write
    QualityWrite,
    /// A cold build of phlo-plugin
    Contract,
    /// From `cargo xtask new-plugin` to passing tests, warm
    Author,
    /// From an edit in a plugin to a debug phlo that runs
    Edit,
    /// The binary of the group `minimal` against that of `full`
    Size,
}

impl Figure {
    /// Whether it measures a release binary.
    fn runs_phlo(self) -> bool {
        matches!(self, Self::Startup | Self::Check | Self::Ingest | Self::Memory) || self.of_quality()
    }

    /// Whether it is one of checks.
    fn of_quality(self) -> bool {
        use Figure::{Quality, QualityAppend, QualityMemory, QualityPeers, QualityUnique, QualityWrite};
        matches!(self, Quality | QualityMemory | QualityPeers | QualityAppend | QualityUnique | QualityWrite)
    }
}

pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    let wanted = |figure: Figure| args.only.is_empty() || args.only.contains(&figure);
    let target = process::target_dir(root)?;
    let dir = target.join("bench");
    std::fs::create_dir_all(&dir)?;
    let binary = if let Some(binary) = &args.binary {
        std::path::absolute(binary)?
    } else if !args.only.is_empty() && !args.only.iter().any(|figure| figure.runs_phlo()) {
        PathBuf::new()
    } else {
        process::run(&mut process::cargo(root, &["run", "-q", "-p", "xtask", "--", "dist"]))?;
        target.join("dist/phlo")
    };
    let quality = if args.only.is_empty() || args.only.iter().any(|figure| figure.of_quality()) {
        Some(quality::Bench::new(&binary, &dir, args.runs, args.scale)?)
    } else {
        None
    };
    let mut missed = Vec::new();
    for figure in Figure::value_variants().iter().copied().filter(|figure| wanted(*figure)) {
        let before = MISSED.load(Ordering::Relaxed);
        match (figure, &quality) {
            (Figure::Startup, _) => startup(&binary, &dir)?,
            (Figure::Check, _) => check(&binary, &dir)?,
            (Figure::Ingest, _) => ingest(&binary, &dir, args.runs)?,
            (Figure::Memory, _) => memory(&binary, &dir, args.large)?,
            (Figure::Quality, Some(bench)) => bench.twenty()?,
            (Figure::QualityMemory, Some(bench)) => bench.memory(args.large)?,
            (Figure::QualityPeers, Some(bench)) => bench.frameworks()?,
            (Figure::QualityAppend, Some(bench)) => bench.append()?,
            (Figure::QualityUnique, Some(bench)) => bench.unique()?,
            (Figure::QualityWrite, Some(bench)) => bench.write()?,
            (Figure::Contract, _) => build::contract(root, &dir)?,
            (Figure::Author, _) => build::author(root, &dir)?,
            (Figure::Edit, _) => build::edit(root, &dir)?,
            (Figure::Size, _) => build::size(root, &dir)?,
            (_, None) => bail!("no bench for a figure of checks"),
        }
        if MISSED.load(Ordering::Relaxed) > before {
            missed.extend(figure.to_possible_value().map(|value| value.get_name().to_owned()));
        }
    }
    told(&missed)?;
    println!("bench: every figure that was measured is reached");
    Ok(())
}

/// One finished process.
struct Took {
    wall: Duration,
    peak_kib: u64,
}

/// Runs a command to its end. The peak is the kernel's high-water mark, read every few milliseconds while the process lives.
fn measure(command: &mut Command) -> Result<Took> {
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| process::line(command))?;
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0;
    let status = loop {
        if let Ok(text) = std::fs::read_to_string(&status_file) {
            let mark =
                text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
            peak_kib = mark.unwrap_or(0).max(peak_kib);
        }
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(if started.elapsed() < Duration::from_millis(200) { 1 } else { 10 }));
    };
    let wall = started.elapsed();
    if !status.success() {
        let mut text = String::new();
        if let Some(stderr) = &mut child.stderr {
            std::io::Read::read_to_string(stderr, &mut text)?;
        }
        bail!("`{}` failed ({status}): {text}", process::line(command));
    }
    Ok(Took { wall, peak_kib })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How many verdicts were `MISSED`.
static MISSED: AtomicUsize = AtomicUsize::new(0);

fn verdict(reached: bool) -> &'static str {
    MISSED.fetch_add(usize::from(!reached), Ordering::Relaxed);
    if reached { "reached" } else { "MISSED" }
}

/// The last word: whoever runs the bench in a script goes by its exit code.
fn told(missed: &[String]) -> Result<()> {
    match missed {
        [] => Ok(()),
        [one] => bail!("bench: a figure is MISSED: {one}"),
        several => bail!("bench: {} figures are MISSED: {}", several.len(), several.join(", ")),
    }
}

fn startup(binary: &Path, dir: &Path) -> Result<()> {
    let mut times = Vec::new();
    for counted in -3..30 {
        let took = measure(Command::new(binary).args(["plugin", "list"]).current_dir(dir))?;
        if counted >= 0 {
            times.push(took.wall.as_secs_f64() * 1e3);
        }
    }
    let median = median(times);
    println!(
        "startup   phlo plugin list: {median:.1} ms wall (median of 30; wanted: under 20): {}",
        verdict(median < 20.0)
    );
    Ok(())
}

fn check(binary: &Path, dir: &Path) -> Result<()> {
    let project = dir.join("check");
    let _ = std::fs::remove_dir_all(&project);
    let put = |file: String, text: &str| -> Result<()> {
        let path = project.join(file);
        std::fs::create_dir_all(path.parent().context("a file has a folder")?)?;
        Ok(std::fs::write(path, text)?)
    };
    put("phlo.yaml".to_owned(), "name: two_thousand\n")?;
    put("data.csv".to_owned(), "id,amount,at,region\n1,2.5,2026-01-01,eu\n")?;
    for i in 0..10 {
        put(format!("assets/raw/s{i}.yaml"), "source: { plugin: files, path: data.csv }\n")?;
    }
    // Layers of 200, each asset reading two of the layer below.
    for i in 0..2000 {
        let (layer, at) = (i / 200, i % 200);
        let below = |k: usize| {
            if layer == 0 { format!("raw.s{}", (at + k) % 10) } else { format!("l{}.t{}", layer - 1, (at + k) % 200) }
        };
        let sql = format!(
            "/* phlo\nchecks:\n  - not_null: [id]\n  - range: {{ column: amount, min: 0 }}\n*/\nselect a.id, a.amount + coalesce(b.amount, 0) as amount, a.at, upper(a.region) as region\n\
             from {} a left join {} b on a.id = b.id\nwhere a.amount > {i}\n",
            below(0),
            below(7)
        );
        put(format!("assets/l{layer}/t{at}.sql"), &sql)?;
    }
    let mut times = Vec::new();
    for counted in -1..5 {
        let took = measure(Command::new(binary).arg("check").current_dir(&project))?;
        if counted >= 0 {
            times.push(took.wall.as_secs_f64());
        }
    }
    let median = median(times);
    println!(
        "check     phlo check, 2,000 SQL assets: {median:.2} s wall (median of 5; wanted: under 2): {}",
        verdict(median < 2.0)
    );
    Ok(())
}

/// Writes lineitem as CSV, once.
fn lineitem(dir: &Path, scale: f64) -> Result<PathBuf> {
    let path = dir.join(format!("lineitem-sf{scale}.csv"));
    if !path.exists() {
        println!("          writing {} …", path.display());
        let part = path.with_extension("part");
        let mut out = BufWriter::with_capacity(1 << 20, std::fs::File::create(&part)?);
        writeln!(out, "{}", LineItemCsv::header())?;
        let mut line = String::new();
        for item in LineItemGenerator::new(scale, 1, 1).iter() {
            line.clear();
            writeln!(line, "{}", LineItemCsv::new(item))?;
            out.write_all(line.as_bytes())?;
        }
        out.into_inner()?.sync_all()?;
        std::fs::rename(part, &path)?;
    }
    Ok(path)
}

fn lineitem_project(dir: &Path, name: &str, csv: &Path) -> Result<PathBuf> {
    let project = dir.join(name);
    let _ = std::fs::remove_dir_all(&project);
    std::fs::create_dir_all(project.join("assets/raw"))?;
    std::fs::write(project.join("phlo.yaml"), "name: lineitem\n")?;
    std::fs::write(
        project.join("assets/raw/lineitem.yaml"),
        format!(
            "source: {{ plugin: files, path: {} }}\nwrite: {{ strategy: overwrite }}\nchecks:\n  - not_null: [l_orderkey, l_partkey, l_suppkey]\n  \
             - range: {{ column: l_quantity, min: 1, max: 50 }}\n  - accepted_values: {{ column: l_returnflag, values: [A, N, R] }}\n",
            csv.display()
        ),
    )?;
    Ok(project)
}

fn phlo(binary: &Path, project: &Path) -> Result<Took> {
    let _ = std::fs::remove_dir_all(project.join("lake"));
    measure(Command::new(binary).args(["run", "--json"]).current_dir(project))
}

/// A Python with DuckDB, installed once.
fn duckdb(dir: &Path) -> Result<PathBuf> {
    let python = dir.join("venv/bin/python");
    if !process::succeeds(Command::new(&python).args(["-c", "import duckdb"])) {
        process::run(Command::new("python3").args(["-m", "venv"]).arg(dir.join("venv")))?;
        process::run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "duckdb"]))?;
    }
    Ok(python)
}

fn ingest(binary: &Path, dir: &Path, runs: usize) -> Result<()> {
    let csv = lineitem(dir, 1.0)?;
    let project = lineitem_project(dir, "ingest", &csv)?;
    let python = duckdb(dir)?;
    let threads = std::thread::available_parallelism()?;
    // The level that phlo writes with, so that neither has less to compress.
    let copied = dir.join("duckdb.parquet");
    let copy = format!(
        "import duckdb; c = duckdb.connect(); c.execute('SET threads = {threads}'); \
         c.execute(\"COPY (FROM read_csv('{}')) TO '{}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)\")",
        csv.display(),
        copied.display()
    );
    let (mut ours, mut theirs, mut ratios, mut peak) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for counted in 0..=runs {
        let a = phlo(binary, &project)?;
        let b = measure(Command::new(&python).args(["-c", &copy]))?;
        // The first pair warms the page cache and is not counted.
        if counted > 0 {
            let (a_s, b_s) = (a.wall.as_secs_f64(), b.wall.as_secs_f64());
            println!(
                "          pair {counted}: phlo {a_s:.2} s, {} MiB; DuckDB {b_s:.2} s, {} MiB; ratio {:.2}",
                a.peak_kib / 1024,
                b.peak_kib / 1024,
                a_s / b_s
            );
            ours.push(a_s);
            theirs.push(b_s);
            ratios.push(a_s / b_s);
            peak = peak.max(a.peak_kib / 1024);
        }
    }
    let ratio = median(ratios);
    println!(
        "ingest    {SF1_ROWS} rows of lineitem, CSV to audited Delta, 3 row-level checks: {:.2} s; DuckDB's plain copy to Parquet (zstd 1, {threads} threads): {:.2} s; \
         ratio {ratio:.2} (median of {runs} pairs; wanted: at most 1.0): {}",
        median(ours),
        median(theirs),
        verdict(ratio <= 1.0)
    );
    let mib = |bytes: u64| bytes >> 20;
    let written: u64 = std::fs::read_dir(project.join("lake/raw/lineitem"))?
        .filter_map(|file| file.ok()?.metadata().ok())
        .filter(std::fs::Metadata::is_file)
        .map(|file| file.len())
        .sum();
    println!("          written: phlo {} MiB, DuckDB {} MiB", mib(written), mib(copied.metadata()?.len()));
    println!("          peak memory {peak} MiB (wanted: at most 512): {}", verdict(peak <= 512));
    Ok(())
}

fn memory(binary: &Path, dir: &Path, large: f64) -> Result<()> {
    let mut peaks = Vec::new();
    for scale in [1.0, large] {
        let csv = lineitem(dir, scale)?;
        let project = lineitem_project(dir, "memory", &csv)?;
        let took = phlo(binary, &project)?;
        println!("          scale {scale}: {:.1} s, peak {} MiB", took.wall.as_secs_f64(), took.peak_kib / 1024);
        peaks.push(took.peak_kib as f64);
    }
    let growth = peaks[1] / peaks[0];
    println!(
        "memory    peak at {large} times the rows: {growth:.2} times (wanted: at most 1.2): {}",
        verdict(growth <= 1.2)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_figure_fails_the_bench_and_is_named_last() {
        let before = MISSED.load(Ordering::Relaxed);
        assert_eq!((verdict(true), MISSED.load(Ordering::Relaxed)), ("reached", before));
        assert_eq!((verdict(false), MISSED.load(Ordering::Relaxed)), ("MISSED", before + 1));
        let told = |missed: &[&str]| told(&missed.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        assert!(told(&[]).is_ok());
        assert_eq!(told(&["memory"]).unwrap_err().to_string(), "bench: a figure is MISSED: memory");
        let several = told(&["ingest", "size"]).unwrap_err().to_string();
        assert_eq!(several, "bench: 2 figures are MISSED: ingest, size");
    }
}
