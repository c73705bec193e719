//! `kill -9` at any moment of a run: readers find the old table or the new one, and the next run neither loses nor repeats a row.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::fixture::{Project, tool, wrapped, write_by};

/// Kills of each write strategy.
const KILLS: usize = 20;
/// Rows that each run brings.
const ROWS: u64 = 4_000;

/// What the tables hold, worked out without phlo: the value of each id.
type Model = BTreeMap<u64, u64>;

/// Numbers that look random; the same again from the same seed (SplitMix64, Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

fn project(strategy: &str) -> Project {
    let write = write_by(strategy);
    Project::new()
        .write(
            "assets/raw/orders.yaml",
            &format!(
                "source: {{ plugin: files, path: \"in/*.csv\" }}\nwrite: {write}\n\
                 checks: [ {{ not_null: [id] }}, {{ unique: [id] }}, {{ row_count: {{ min: 1 }} }} ]\n"
            ),
        )
        .write("assets/mart/total.sql", "select count(*) as n, sum(value) as total from raw.orders\n")
}

/// Brings the rows of one more round; the model is what the table holds once they are in.
fn arrive(project: &Project, strategy: &str, round: u64, model: &mut Model) {
    let mut text = String::from("id,value\n");
    if strategy == "overwrite" {
        model.clear();
    }
    for i in 0..ROWS {
        // A merge meets half of the ids of the round before.
        let id = if strategy == "merge" { round * ROWS / 2 + i } else { round * ROWS + i };
        let value = (id ^ round) % 1000;
        model.insert(id, value);
        text.push_str(&format!("{id},{value}\n"));
    }
    let file = if strategy == "overwrite" { "in/all.csv".to_owned() } else { format!("in/{round:03}.csv") };
    project.put(&file, &text);
}

/// Count, distinct ids and sum of values: what tells one model from another.
fn sums(model: &Model) -> (u64, u64, u64) {
    (model.len() as u64, model.len() as u64, model.values().sum())
}

fn seen(project: &Project) -> (u64, u64, u64) {
    let rows = project.sql("select count(*) as n, count(distinct id) as ids, sum(value) as total from raw.orders");
    let number = |name: &str| rows[0][name].as_u64().unwrap();
    (number("n"), number("ids"), number("total"))
}

#[test]
fn killed_at_any_moment_the_table_is_the_old_one_or_the_new_one_and_the_next_run_is_right() {
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let mut random = Random(seed);
    let mut found = BTreeMap::from([("old", 0), ("new", 0), ("ended", 0)]);
    for strategy in ["append", "overwrite", "merge"] {
        let project = project(strategy);
        let mut model = Model::new();
        arrive(&project, strategy, 0, &mut model);
        let clock = Instant::now();
        project.phlo(&["run"]).exits(0);
        let mut whole = clock.elapsed();
        for round in 1..=KILLS as u64 {
            let told = format!("{strategy}, round {round}, seed {seed}");
            let old = sums(&model);
            arrive(&project, strategy, round, &mut model);
            let new = sums(&model);
            // The first fifth is the process's start.
            let start = whole.as_micros() as u64 / 5;
            let wait = Duration::from_micros(start + random.below(4 * start));
            let mut child = project.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(wait);
            child.kill().unwrap();
            let ended = child.wait().unwrap().success();

            let after = seen(&project);
            assert!(
                after == old || after == new,
                "{told}: killed after {wait:?}, {after:?} is neither {old:?} nor {new:?}"
            );
            *found
                .get_mut(if ended {
                    "ended"
                } else if after == old {
                    "old"
                } else {
                    "new"
                })
                .unwrap() += 1;

            let clock = Instant::now();
            project.phlo(&["run"]).exits(0);
            // The longest is the surest to reach to the end; a run that finds its rows published is short.
            whole = whole.max(clock.elapsed());
            assert_eq!(seen(&project), new, "{told}: after the next run");
            let total = project.sql("select n, total from mart.total");
            assert_eq!((total[0]["n"].as_u64(), total[0]["total"].as_u64()), (Some(new.0), Some(new.2)), "{told}");
        }
        // Nothing is left to clean by hand: no stage, and no data file that no version names.
        let stages = project.path().join("lake/raw/orders/_phlo/stages");
        let left: Vec<_> = std::fs::read_dir(stages).into_iter().flatten().map(|e| e.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{strategy}: {left:?}");
        let runs = project.phlo(&["runs", "--json"]).exits(0).stdout;
        assert!(!runs.contains("\"running\""), "{strategy}: a dead run is still shown as running: {runs}");
    }
    println!("{} kills, seed {seed}: {found:?}", 3 * KILLS);
    // Otherwise the kills were not spread over the run, and this test would tell little.
    assert!(found["old"] >= 3 && found["ended"] < 2 * KILLS, "{found:?}");
}

/// Steps that change what is on the disk; the process is killed as it takes one.
const STEPS: [&str; 7] = ["mkdir", "rename", "linkat", "unlink", "fsync", "ftruncate", "pwrite64"];
/// Of one thread, for each kind of step.
const STEPS_OF_A_THREAD: usize = 4;

#[test]
fn killed_at_any_step_on_the_disk_nothing_is_lost_repeated_or_half_there() {
    if !tool("strace") {
        return;
    }
    let (mut kills, mut committed) = (0, 0);
    for step in STEPS {
        for nth in 1..=STEPS_OF_A_THREAD {
            let project = project("append");
            let mut model = Model::new();
            for round in 0..2 {
                arrive(&project, "append", round, &mut model);
                if round == 0 {
                    project.phlo(&["run"]).exits(0);
                }
            }
            let (old, new) = ((ROWS, ROWS, seen(&project).2), sums(&model));
            let kill = format!("inject={step}:signal=KILL:when={nth}");
            let trace = format!("trace={step}");
            let options = ["-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &kill];
            let mut traced = wrapped("strace", &options, &project.command(&["run"]));
            let ended = traced.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success();
            let after = seen(&project);
            assert!(after == old || after == new, "{step} {nth}: {after:?} is neither {old:?} nor {new:?}");
            kills += usize::from(!ended);
            committed += usize::from(!ended && after == new);
            project.phlo(&["run"]).exits(0);
            assert_eq!(seen(&project), new, "{step} {nth}: after the next run");
            assert_eq!(project.one("select total from mart.total"), new.2, "{step} {nth}");
            if ended {
                // No thread takes so many steps of this kind.
                break;
            }
        }
    }
    println!("{kills} kills, {committed} of them behind the commit");
    assert!(kills >= 15 && committed >= 2 && committed < kills, "{kills} kills, {committed} behind the commit");
}
