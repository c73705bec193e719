//! scratch
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::*;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::*;
use std::sync::Arc;
const ROWS: usize = 600_000;
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::all)]
async fn pools() {
    let gen_sql = format!(
        "(select (value * 7919) % {ROWS} as v, concat('key-', cast((value * 104729) % {ROWS} as varchar), '-padding-padding-padding') as t, value % 1000 as g from generate_series(1, {ROWS}))"
    );
    let queries = [
        (
            "sort",
            format!("select count(*), max(t) from (select * from {gen_sql} order by t, v desc limit {})", ROWS - 7),
        ),
        ("agg", format!("select count(*), max(c) from (select t, count(*) c, sum(v) s from {gen_sql} group by t)")),
        (
            "window",
            format!(
                "select count(*), max(r) from (select t, row_number() over (partition by g order by t) r from {gen_sql})"
            ),
        ),
        (
            "join",
            format!(
                "select count(*) from {gen_sql} a join (select value as g, concat('dim', cast(value as varchar)) n from generate_series(0, 999)) b using (g)"
            ),
        ),
        ("distinct", format!("select count(distinct t) from {gen_sql}")),
    ];
    for mib in [32usize, 128] {
        for threads in [2usize, 8] {
            for concurrency in [1usize, 4] {
                for fair in [true, false] {
                    let pool: Arc<dyn MemoryPool> = if fair {
                        Arc::new(FairSpillPool::new(mib << 20))
                    } else {
                        Arc::new(GreedyMemoryPool::new(mib << 20))
                    };
                    let dir = tempfile::tempdir().unwrap();
                    let rt = RuntimeEnvBuilder::new()
                        .with_memory_pool(pool)
                        .with_disk_manager_builder(
                            DiskManagerBuilder::default()
                                .with_mode(DiskManagerMode::Directories(vec![dir.path().to_owned()])),
                        )
                        .build_arc()
                        .unwrap();
                    let t = std::time::Instant::now();
                    let mut out = vec![];
                    for (name, q) in &queries {
                        let mut set = tokio::task::JoinSet::new();
                        for _ in 0..concurrency {
                            let mut config = SessionConfig::new().with_target_partitions(threads);
                            config.options_mut().execution.sort_spill_reservation_bytes =
                                ((mib << 20) / 16).clamp(1 << 20, 10 << 20);
                            let ctx = SessionContext::new_with_config_rt(config, rt.clone());
                            let q = q.clone();
                            set.spawn(async move {
                                ctx.sql(&q).await.unwrap().collect().await.map(|_| ()).map_err(|e| {
                                    e.strip_backtrace()
                                        .lines()
                                        .next()
                                        .unwrap_or_default()
                                        .chars()
                                        .take(150)
                                        .collect::<String>()
                                })
                            });
                        }
                        let t1 = std::time::Instant::now();
                        let mut ok = 0;
                        let mut err = String::new();
                        while let Some(r) = set.join_next().await {
                            match r.unwrap() {
                                Ok(()) => ok += 1,
                                Err(e) => err = e,
                            }
                        }
                        out.push(format!("{name} {ok}/{concurrency} {:.1}s {err}", t1.elapsed().as_secs_f64()));
                    }
                    println!(
                        "{mib} MiB {threads} threads x{concurrency} fair={fair} {:.1}s: {}",
                        t.elapsed().as_secs_f64(),
                        out.join(" | ")
                    );
                }
            }
        }
    }
}
