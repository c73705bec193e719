//! tmp harness
use phlo_bundle as _;
use std::sync::Arc;
fn main() {
    let root = std::path::PathBuf::from(std::env::args().nth(1).unwrap());
    let what = std::env::args().nth(2).unwrap();
    let env = phlo_project::Environment::of_process().with_dotenv(&root).unwrap();
    let opened = phlo_runtime::Platform::open(&root, env, phlo_bundle::KNOWN);
    for d in &opened.diagnostics.0 { println!("{d} {:?}", d.hints); }
    let Some(p) = opened.platform else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        match what.as_str() {
            "check" => { let r = p.check().await; for d in &r.diagnostics.0 { println!("{d} {:?}", d.hints); } println!("{} {} {:?}", r.assets, r.sql, r.unknown); }
            "run" => {
                let mut o = phlo_runtime::RunOptions::default();
                o.select = std::env::args().skip(3).collect();
                match p.run(o, Arc::new(phlo_runtime::NoObserver)).await {
                    Ok(r) => { for a in &r.assets { println!("{} {:?} in={} ins={} upd={} v={:?} {}ms {:?}", a.asset, a.status, a.rows_in, a.rows_inserted, a.rows_updated, a.version, a.duration_ms, a.error); for c in &a.checks { println!("    {} {:?} {}/{} {:?} {:?}", c.name, c.outcome, c.violations, c.total, c.error, c.sql); } } println!("{:?}", r.status); }
                    Err(d) => for d in d.0 { println!("{d} {:?}", d.hints); }
                }
            }
            "sql" => { use futures::StreamExt; match p.sql(&std::env::args().nth(3).unwrap()).await { Ok(mut a) => while let Some(b) = a.stream.next().await { match b { Ok(b) => println!("{b:?}"), Err(e) => println!("{e:?}") } }, Err(e) => println!("{e:?} {:?}", e.hints()) } }
            _ => {}
        }
    });
}
