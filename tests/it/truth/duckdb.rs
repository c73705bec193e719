//! DuckDB from PyPI: one process answers all questions about all tables.

use std::fs::File;
use std::process::Command;

use datafusion::parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

use super::{Answer, Rows};
use crate::fixture::python;

const SCRIPT: &str = r#"
import sys, json, math, decimal, duckdb
con = duckdb.connect()
con.execute("set timezone = 'UTC'; set threads = 1")
def ask(sql):
    if not sql: return None
    try:
        rows = con.execute(sql).fetchall()
        if len(rows) != 1 or len(rows[0]) != 1: return f"{len(rows)} rows"
        value = rows[0][0]
        if isinstance(value, decimal.Decimal): return int(value) if value == int(value) else float(value)
        return str(value) if isinstance(value, float) and not math.isfinite(value) else value
    except Exception as err:
        return str(err)
answers = []
for case in json.load(open(sys.argv[1])):
    for name in ("t", "other"):
        con.execute(f"drop table if exists {name}")
        if name in case: con.execute(f"create table {name} as select * from read_parquet('{case[name]}')")
    answers.append([ask(sql) for sql in case["sql"]])
print(json.dumps(answers, default=str))
"#;

/// The answers to each table's queries; nothing if there is no DuckDB, which is told.
#[expect(clippy::print_stdout, reason = "what is not compared must be told")]
pub(super) fn ask(cases: &[(&Rows, Vec<&str>)]) -> Option<Vec<Vec<Answer>>> {
    let Some(python) = python("truth-venv", &["duckdb"], "import duckdb") else {
        println!("not compared with DuckDB: no python3, or PyPI cannot be reached");
        return None;
    };
    let dir = tempfile::TempDir::new().unwrap();
    let write = |rows: &Rows, name: String| {
        // It has types of its own; those of Arrow are not what it is asked about.
        let rows = rows.undressed();
        let path = dir.path().join(name);
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), rows.schema(), None).unwrap();
        for batch in rows.batches() {
            writer.write(&batch).unwrap();
        }
        writer.close().unwrap();
        path
    };
    let mut questions = Vec::new();
    for (at, (rows, sql)) in cases.iter().enumerate() {
        let mut question = json!({ "t": write(rows, format!("{at}.parquet")), "sql": sql });
        if let Some(other) = rows.other() {
            question["other"] = json!(write(other, format!("{at}-other.parquet")));
        }
        questions.push(question);
    }
    let file = dir.path().join("questions.json");
    std::fs::write(&file, serde_json::to_vec(&questions).unwrap()).unwrap();
    let output = Command::new(python).args(["-c", SCRIPT]).arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers: Vec<Vec<Value>> = serde_json::from_slice(&output.stdout).unwrap();
    let answer = |value: &Value| match value {
        Value::Bool(passed) => Answer::Passed(*passed),
        Value::Null => Answer::Nothing,
        Value::Number(number) => match number.as_u64() {
            Some(count) => Answer::Violations(count),
            None => Answer::Number(number.as_f64().unwrap()),
        },
        Value::String(text) if ["nan", "inf", "-inf"].contains(&text.as_str()) => Answer::Number(text.parse().unwrap()),
        Value::String(text) if ["passed", "warned", "failed"].contains(&text.as_str()) => Answer::Level(text.clone()),
        other => Answer::Wrong(other.to_string()),
    };
    Some(answers.iter().map(|answers| answers.iter().map(answer).collect()).collect())
}
