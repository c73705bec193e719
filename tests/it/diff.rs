//! `phlo diff`: what differs between versions and tables, exactly.

use serde_json::json;

use crate::fixture::Project;

/// Two versions of a merged and of an appended table.
fn project() -> Project {
    let project = Project::new()
        .write(
            "assets/raw/merged.yaml",
            "source: { plugin: files, path: \"in/*.csv\" }\nwrite: { strategy: merge, unique_key: [id] }\n",
        )
        .write("assets/raw/added.yaml", "source: { plugin: files, path: \"in/*.csv\" }\n")
        .write("in/1.csv", "id,name,v\n1,a,1.5\n2,b,\n3,c,2\n");
    project.phlo(&["run"]).exits(0);
    let project = project.write("in/2.csv", "id,name,v,extra\n2,b,9,x\n4,d,4,\n3,c,2,\n");
    project.phlo(&["run"]).exits(0);
    project
}

#[test]
fn the_latest_commit_is_told_by_key_and_whole() {
    let project = project();
    let said = project.phlo(&["diff", "raw.merged"]).exits(0);
    assert_eq!(
        said.stdout,
        "raw.merged@0 -> raw.merged@1\n+ column extra string\nrows: 1 added, 0 removed, 1 changed (3 -> 4, compared by id)\nchanged: v 1\n\n\
         + id=4: name=d, v=4.0\n~ id=2: v null -> 9.0\n"
    );
    // Three rows of the file were appended: the row `3,c,2` is there twice now.
    let said = project.phlo(&["diff", "raw.added", "--limit", "2"]).exits(0);
    assert_eq!(
        said.stdout,
        "raw.added@0 -> raw.added@1\n+ column extra string\nrows: 3 added, 0 removed (3 -> 6, compared whole)\n\n\
         + id=2, name=b, v=9.0\n+ id=3, name=c, v=2.0\n1 more; `--limit N` shows more of each sort\n"
    );
}

#[test]
fn programs_read_the_same_and_can_ask_by_the_exit_code() {
    let project = project();
    let said = project.phlo(&["diff", "raw.added", "raw.merged", "--json", "--exit-code"]).exits(1).json();
    assert_eq!((&said["added"], &said["removed"], &said["changed"]), (&json!(0), &json!(2), &json!(0)), "{said}");
    assert_eq!(said["key"], json!(["id"]));
    let said = project.phlo(&["diff", "raw.merged@0", "raw.merged", "--json"]).exits(0).json();
    assert_eq!(said["columns"]["added"], json!([{ "name": "extra", "type": "string" }]));
    assert_eq!(said["changed_columns"], json!({ "v": 1 }));
    assert_eq!(
        said["rows"][1],
        json!({ "change": "changed", "old": { "id": "2", "v": "null" }, "new": { "id": "2", "v": "9.0" } })
    );
    let said = project.phlo(&["diff", "raw.merged", "raw.merged", "--exit-code"]).exits(0);
    assert!(said.stdout.contains("no difference in 4 rows"), "{}", said.stdout);
}

#[test]
fn what_cannot_be_compared_is_refused_by_its_name() {
    let project = project();
    for (args, code, says) in [
        (&["diff", "raw.mergd"][..], 2, "did you mean `raw.merged`?"),
        (&["diff", "raw.merged", "--key", "nme"], 2, "did you mean `name`?"),
        (&["diff", "raw.merged@x"], 2, "write a table or `table@version`"),
        (&["diff", "raw.merged@7"], 2, "no such version"),
    ] {
        let said = project.phlo(args).exits(code);
        assert!(said.all().contains(says), "{args:?}: {}", said.all());
    }
}
