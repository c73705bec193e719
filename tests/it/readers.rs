//! What phlo writes, others read: the Delta reader and DuckDB from PyPI, installed once into the target folder.

use std::process::Command;

use crate::fixture::{Project, python};

#[test]
fn the_python_delta_reader_sees_every_commit_as_phlo_does() {
    let Some(python) = python("readers-venv", &["deltalake", "pyarrow"], "import deltalake, pyarrow") else {
        println!("not run: no python3, or PyPI cannot be reached");
        return;
    };
    let project = Project::new()
        .write("in/1.csv", "id,name,at,price,day\n1,a,2026-01-01T00:00:00Z,1.50,2026-01-01\n2,b,2026-01-02T00:00:00Z,2.25,2026-01-02\n")
        .write(
            "assets/raw/x.yaml",
            "source: { plugin: files, path: \"in/*.csv\" }\ncolumns: { price: \"decimal(10, 2)\" }\nwrite: { strategy: merge, unique_key: [id] }\n",
        );
    project.phlo(&["run"]).exits(0);
    project.put("in/2.csv", "id,name,at,price,day,extra\n2,B,2026-02-02T00:00:00Z,9.99,2026-02-02,new\n3,c,2026-01-03T00:00:00Z,3.75,2026-01-03,new\n");
    project.phlo(&["run"]).exits(0);
    let script = r#"
import os, sys, json, deltalake
t = deltalake.DeltaTable(sys.argv[1])
rows = sorted(t.to_pyarrow_table().to_pylist(), key=lambda r: r["id"])
print(json.dumps({"version": t.version(), "rows": [[r["id"], r["name"], str(r["price"]), str(r["day"]), r["at"].isoformat(), r["extra"]] for r in rows],
  "runs": len({r["_phlo_run_id"] for r in rows}), "history": [h["operation"] for h in t.history()]}), flush=True)
# Arrow's threads may abort the interpreter on its way out.
os._exit(0)
"#;
    let output = Command::new(python).args(["-c", script]).arg(project.path().join("lake/raw/x")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(seen["version"], 1);
    assert_eq!(
        seen["rows"],
        serde_json::json!([
            [1, "a", "1.50", "2026-01-01", "2026-01-01T00:00:00+00:00", null],
            [2, "B", "9.99", "2026-02-02", "2026-02-02T00:00:00+00:00", "new"],
            [3, "c", "3.75", "2026-01-03", "2026-01-03T00:00:00+00:00", "new"]
        ])
    );
    assert_eq!(seen["runs"], 2);
}
