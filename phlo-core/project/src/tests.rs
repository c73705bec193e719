//! Whole projects in temporary folders: what they resolve to, what each mistake is told as, and that secrets stay inside.

use std::collections::BTreeSet;

use phlo_spec::asset::AssetBody;
use phlo_spec::{
    AssetKey, CapabilityType, CheckSeverity, Diagnostic, PluginKind, PublishInput, Span, Tolerance, WriteStrategy,
};
use serde_json::json;

use super::*;

/// A project in a folder of its own, loaded.
fn project(files: &[(&str, &str)], variables: &[(&str, &str)]) -> (tempfile::TempDir, Loaded) {
    let dir = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let environment = Environment::from_pairs(variables.iter().copied()).with_dotenv(dir.path()).unwrap();
    let loaded = load(dir.path(), environment, &stores::tests::Vault);
    (dir, loaded)
}

fn rendered(problem: &Diagnostic) -> String {
    format!("{problem} [{}]", problem.hints.join("; "))
}

/// The problems of a project with these files (and `name: t` if they hold no `phlo.yaml`), in full.
fn problems(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Vec<String> {
    let mut files = files.to_vec();
    if !files.iter().any(|(file, _)| *file == "phlo.yaml") {
        files.push(("phlo.yaml", "name: t\n"));
    }
    let (_dir, loaded) = project(&files, variables);
    for problem in &loaded.diagnostics.0 {
        assert!(!problem.hints.is_empty(), "{problem} has no hint");
    }
    loaded.diagnostics.0.iter().map(rendered).collect()
}

/// Each text, as this file of a project, has exactly these problems; `@` in them stands for the file.
fn check(file: &str, cases: &[(&str, &[&str])]) {
    for (text, want) in cases {
        let want: Vec<_> = want.iter().map(|line| line.replace('@', file)).collect();
        let got = problems(&[(file, text)], &[]);
        assert_eq!(got, want, "\n{text}\ngot {got:#?}");
    }
}

#[test]
fn mistakes_in_phlo_yaml_are_told_with_place_and_next_step() {
    check(
        "phlo.yaml",
        &[
            ("name: t\n", &[]),
            ("", &["@:1:1: P1003: missing key `name` [add `name: …`]"]),
            ("- a\n", &["@:1:1: P1004: the project is not a map [begin with `name: my_lake`]"]),
            (
                "name: my lake\n",
                &[
                    "@:1:7: P1004: `my lake` cannot be a project's name [begin with a letter or digit; go on with letters, digits, `_`, `-` and `.`]",
                ],
            ),
            ("nam: t\n", &["@:1:1: P1002: unknown key `nam` [did you mean `name`?]"]),
            ("name: t\nconection: {}\n", &["@:2:1: P1002: unknown key `conection` [did you mean `connections`?]"]),
            ("name: t\nstorage:\ncapabilities:\nplugins:\nconnections:\nservices:\nschedules:\nrun:\n", &[]),
            ("name: t\nstorage: {root: ~/lake}\n", &["@:2:17: P1004: `~` is not filled in [write `${HOME}`]"]),
            (
                "name: t\nstorage: {root: \"hdfs://x/y\"}\n",
                &[
                    "@:2:17: P1004: storage with `hdfs://` is not known [write a folder such as `./lake`, or a URL with s3://, az://, gs:// or file://]",
                ],
            ),
            (
                "name: t\nstorage: {rot: x, options: {retries: 3}}\n",
                &[
                    "@:2:11: P1002: unknown key `rot` [did you mean `root`?]",
                    "@:2:38: P1004: expected a text, found the number `3` [write it in quotes if it is meant as text]",
                ],
            ),
            (
                "name: t\ncapabilities: {default: {table_store: delta}}\n",
                &["@:2:16: P1002: unknown key `default` [did you mean `defaults`?]"],
            ),
            (
                "name: t\ncapabilities:\n  defaults:\n    tabel_store: delta\n    teapot: x\n    query_engine: ''\n",
                &[
                    "@:4:5: P2008: unknown capability type `tabel_store` [did you mean `table_store`?]",
                    "@:5:5: P2008: unknown capability type `teapot` [known: alert_sink, catalog, lineage_sink, metadata_catalog, orchestrator, publish_target, query_engine, run_history, secret_store, table_store]",
                    "@:6:19: P1004: the provider's name is empty [write a name, or remove the key]",
                ],
            ),
            (
                "name: t\nplugins: {setings: {}, allow: [files, files], deny: ['']}\n",
                &[
                    "@:2:11: P1002: unknown key `setings` [did you mean `settings`?]",
                    "@:2:39: P1004: the plugin `files` is given twice [remove one]",
                    "@:2:54: P1004: an empty plugin [write its name, or remove it]",
                ],
            ),
            (
                "name: t\nplugins:\n  settings:\n    sorce: {files: {}}\n    hook: {history: 3}\n    source: [x]\n",
                &[
                    "@:4:5: P1002: unknown plugin kind `sorce` [did you mean `source`?]",
                    "@:5:21: P1004: `plugins.settings.hook.history` is not a map [write `settings: {KIND: {NAME: {…}}}`]",
                    "@:6:13: P1004: `settings.source` is not a map [write `settings: {KIND: {NAME: {…}}}`]",
                ],
            ),
            (
                "name: t\nconnections:\n  a: {plugin: rest_api}\n  b: {url: x}\n  c: rest_api\n  d: {source: 3}\n",
                &[
                    "@:3:3: P1003: the connection `a` has neither `source` nor `target` [did you mean `source` in place of `plugin`?]",
                    "@:4:3: P1003: the connection `b` has neither `source` nor `target` [add `source: PLUGIN`: the source plugin that reads it, or `target: PLUGIN`: the one that publishes to it]",
                    "@:5:6: P1004: `connections.c` is not a map [write `NAME: {source: PLUGIN, …}` for each]",
                    "@:6:15: P1004: the `source` of the connection `d` is not a text [write the name of a source plugin]",
                ],
            ),
            (
                "name: t\nconnections: {api: {source: rest_api}}\n",
                &[
                    "@:2:15: P1015: no asset uses the connection `api` [name it in an asset with `source: {connection: NAME}`, or remove it]",
                ],
            ),
            (
                "name: t\nservices: [postgres]\n",
                &["@:2:11: P1004: `services` is not a map [write `NAME: {…}` for each; `{}` changes nothing]"],
            ),
            (
                "name: t\nrun: {jobs: 0, memory_mib: 1}\n",
                &[
                    "@:2:13: P1004: `jobs` is 0 [write 1 or more, or remove the key: as many as there are processors]",
                    "@:2:28: P1004: `memory_mib` is below 16 [it is in MiB; the default is 256]",
                ],
            ),
            (
                "name: t\nrun: {jobs: many}\n",
                &["@:2:13: P1004: expected a whole number, found the text `many` [`phlo explain P1004` tells more]"],
            ),
            (
                "name: t\nschedules:\n  - {name: a, cron: '0 2 * *', select: x}\n  - {name: a, cron: \"0 2 30 2 *\", select: ''}\n  - {name: b, cron: 0 25 * * *, select: x, timezone: europe/london}\n  - {name: c, select: x}\n",
                &["@:6:5: P1003: missing key `cron` [add `cron: …`]"],
            ),
            (
                "name: t\nschedules:\n  - {name: a, cron: '0 2 * *', select: x}\n  - {name: a, cron: \"0 2 30 2 *\", select: ''}\n  - {name: b, cron: 0 25 * * *, select: x, timezone: europe/london}\n",
                &[
                    "@:3:22: P1004: cron has five fields, and these are 4 [the fields are minute, hour, day of the month, month and day of the week, e.g. `0 2 * * *`]",
                    "@:4:12: P1004: two schedules are named `a` [give each its own name]",
                    "@:4:15: P1015: no such day ever comes [mend the day of the month or the month]",
                    "@:4:43: P1004: `select` is empty [write what to run, e.g. `group:gold+`]",
                    "@:5:23: P1004: the hour `25` is not one of 0 to 23 [the fields are minute, hour, day of the month, month and day of the week, e.g. `0 2 * * *`]",
                    "@:5:54: P1004: unknown time zone `europe/london` [did you mean `Europe/London`?]",
                ],
            ),
            (
                "name: ${NO_SUCH}\nrun: {jobs: \"${JOBS:?how many at once}\"}\n",
                &[
                    "@:1:7: P1005: `NO_SUCH` has no value [set it in the environment or in `.env`, or write `${NO_SUCH:-default}`]",
                    "@:2:14: P1005: `JOBS` has no value: how many at once [set it in the environment or in `.env`]",
                ],
            ),
        ],
    );
}

#[test]
fn mistakes_in_publish_assets_are_told_with_place_and_next_step() {
    check(
        "assets/p/a.yaml",
        &[
            ("table: gold.x\ntarget: {plugin: files, path: out.csv}\n", &[]),
            (
                "description: d\ngroup: g\ntags: [t]\nowner: o\ndeps: [a.b]\nfreshness: {max_age_hours: 1}\nretry: {delay: 1}\n\
                 checks: [{not_null: [id]}]\nquery: select 1 as id\ntarget: {plugin: files}\n",
                &[],
            ),
            (
                "target: {plugin: postgres}\nkind: publish\n",
                &[
                    "@:1:1: P1003: an asset that publishes needs `table` or `query`: what is published [write `table: GROUP.NAME`, or `query: \"select …\"` over tables]",
                    "@:2:1: P1002: unknown key `kind` [known keys: capability_overrides, checks, columns, deps, description, freshness, group, owner, partitions, query, retry, sensitive, source, table, tags, target, transforms, write]",
                ],
            ),
            (
                "table: gold.x\nquery: select 1\ntarget: {plugin: files}\n",
                &["@:2:1: P1015: an asset publishes a `table` or a `query`, not both [remove one of the two]"],
            ),
            (
                "table: daily\ntarget: files\n",
                &[
                    "@:1:8: P1004: `daily` is not an asset key: write `group.name` in lower-case letters, digits and `_` [`phlo explain P1004` tells more]",
                    "@:2:9: P1004: `target` is not a map [write `target: {plugin: NAME, …}` or `target: {connection: NAME, …}`]",
                ],
            ),
            (
                "table: gold.x\ntarget: {path: out.csv}\n",
                &[
                    "@:2:9: P1003: `target` names no plugin [write `target: {plugin: NAME, …}` or `target: {connection: NAME, …}`]",
                ],
            ),
            (
                "table: gold.x\n",
                &[
                    "@:1:1: P1003: an asset that publishes needs `target` [write `target: {plugin: NAME, …}`: the system that it publishes to]",
                ],
            ),
            (
                "source: {plugin: files}\ntarget: {plugin: files}\n",
                &[
                    "@:1:1: P1015: an asset has a `source` or a `target`, not both [publish with an asset of its own: `table: GROUP.NAME` and `target: {…}`]",
                ],
            ),
            (
                "source: {plugin: files}\ntable: gold.x\n",
                &["@:2:1: P1015: `table` says what is published, and this asset has no `target` [remove `table`]"],
            ),
            (
                "table: gold.x\ntarget: {plugin: files}\nwrite: {strategy: append}\ntransforms: []\ncolumns: {a: int64}\npartitions: {kind: daily}\n",
                &[
                    "@:3:1: P1015: `write` has no say in an asset that publishes: it makes no table [remove it; how rows are sent is told under `target`]",
                    "@:4:1: P1015: `transforms` has no say in an asset that publishes: it makes no table [write a `query` that does it]",
                    "@:5:1: P1015: `columns` has no say in an asset that publishes: it makes no table [cast in a `query`]",
                    "@:6:1: P1015: `partitions` has no say in an asset that publishes: it makes no table [remove it; a table is published as a whole]",
                ],
            ),
            (
                "table: gold.x\ntarget: {connection: dw}\n",
                &["@:2:22: P1004: unknown connection `dw` [add it to `connections:` of phlo.yaml]"],
            ),
        ],
    );
    check(
        "assets/p/a.sql",
        &[(
            "/* phlo\ntarget: {plugin: files}\n*/ select 1 as x",
            &[
                "@:2:1: P1015: a SQL asset has no `target`: it makes a table [publish the table with an asset of its own, a YAML file with `table` and `target`]",
            ],
        )],
    );
}

#[test]
fn a_connection_may_be_read_and_published_to() {
    let yaml = "name: t\nconnections:\n  dw: {source: pg, target: pg, host: h}\n  api: {source: rest}\n  out: {target: files, path: x.csv}\n";
    let asset = |target: &str| format!("table: g.x\ntarget: {target}\n");
    let (_dir, loaded) = project(
        &[
            ("phlo.yaml", yaml),
            ("assets/p/dw.yaml", &asset("{connection: dw, table: t}")),
            ("assets/p/out.yaml", &asset("{connection: out}")),
            ("assets/b/in.yaml", "source: {connection: dw}\n"),
            ("assets/p/wrong.yaml", &asset("{connection: api}")),
        ],
        &[],
    );
    assert_eq!(
        loaded.diagnostics.0.iter().map(rendered).collect::<Vec<_>>(),
        [
            "assets/p/wrong.yaml:2:22: P1004: the connection `api` has no `target` [add `target: PLUGIN` to it in phlo.yaml, or name another connection]"
        ]
    );
    let project = loaded.project.unwrap();
    let AssetBody::Publish(publish) = &project.asset(&AssetKey::new("p.dw").unwrap()).unwrap().body else { panic!() };
    assert_eq!(publish.target.plugin, "pg");
    assert_eq!(publish.target.plugin_place.as_ref().unwrap().to_string(), "phlo.yaml:3:28");
    assert_eq!(publish.target.config.to_json(), json!({"host": "h", "table": "t"}));
    assert_eq!(project.asset(&AssetKey::new("p.dw").unwrap()).unwrap().kind(), "publish");
}

#[test]
fn a_place_in_a_query_is_one_in_the_file() {
    let place = |asset: &str| {
        let (_dir, loaded) = project(&[("phlo.yaml", "name: t\n"), ("assets/p/a.yaml", asset)], &[("TABLE", "gold.x")]);
        let project = loaded.project.unwrap();
        let AssetBody::Publish(publish) = &project.assets[0].body else { panic!() };
        let PublishInput::Query(sql) = &publish.input else { panic!() };
        // The word `gold` in the SQL.
        let at = sql.text.find("gold").unwrap();
        let line = sql.text[..at].matches('\n').count() as u32 + 1;
        let column = (at - sql.text[..at].rfind('\n').map_or(0, |at| at + 1)) as u32 + 1;
        let span = sql.origin.locate(Span { line, column, len: 4 });
        (span.line, span.column)
    };
    let target = "target: {plugin: files}\n";
    for (query, want) in [
        ("query: select 1 from gold.x\n", (2, 22)),
        ("query: \"select 1 from gold.x\"\n", (2, 23)),
        ("query: |\n  select 1\n\n  from gold.x\n", (5, 8)),
        ("query: |-\n    select 1\n      from gold.x\n", (4, 12)),
        // What YAML folds or phlo fills in is told as a whole.
        ("query: >\n  select 1\n  from gold.x\n", (3, 3)),
        ("query: \"select 1 from ${TABLE}\"\n", (2, 8)),
    ] {
        assert_eq!(place(&format!("{target}{query}")), want, "{query}");
    }
}

#[test]
fn mistakes_in_yaml_assets_are_told_with_place_and_next_step() {
    const HINT: &str = "write `source: {plugin: NAME, …}` or `source: {connection: NAME, …}`";
    let source = format!(
        "@:1:1: P1003: a YAML asset needs `source` [{}]",
        "write `source: {plugin: NAME, …}`: the plugin that its rows come from"
    );
    let with = |rest: &str| format!("source: {{plugin: files}}\n{rest}\n");
    let cases: Vec<(String, Vec<String>)> = vec![
        (with(""), vec![]),
        (String::new(), vec![source.clone()]),
        ("description: x\n".to_owned(), vec![source]),
        ("source: files\n".to_owned(), vec![format!("@:1:9: P1004: `source` is not a map [{HINT}]")]),
        ("source: {path: x}\n".to_owned(), vec![format!("@:1:9: P1003: `source` names no plugin [{HINT}]")]),
        ("source: {plugin: 3}\n".to_owned(), vec!["@:1:18: P1004: expected a text, found the number `3` [write it in quotes if it is meant as text]".to_owned()]),
        ("source: {connection: api}\n".to_owned(), vec!["@:1:22: P1004: unknown connection `api` [add it to `connections:` of phlo.yaml]".to_owned()]),
        (with("sourc: x"), vec!["@:2:1: P1002: unknown key `sourc` [did you mean `source`?]".to_owned()]),
        (with("check: []"), vec!["@:2:1: P1002: unknown key `check` [did you mean `checks`?]".to_owned()]),
        (
            with("write: {strategy: mrege, unique_key: [id], lock: 1}\npartitions: {kind: dayly}"),
            vec![
                "@:2:19: P1004: unknown value `mrege` [did you mean `merge`?]".to_owned(),
                "@:2:44: P1002: unknown key `lock` [known keys: deduplicate, lock_wait, metadata, schema, strategy, unique_key]".to_owned(),
                "@:3:20: P1004: unknown value `dayly` [did you mean `daily`?]".to_owned(),
            ],
        ),
        (with("write: {strategy: merge}"), vec!["@:2:19: P1003: merge needs `unique_key` [add `unique_key: [COLUMN]`: the columns that identify a row]".to_owned()]),
        (with("write: {strategy: merge, unique_key: []}"), vec!["@:2:38: P1004: `unique_key` is empty [name the columns that identify a row]".to_owned()]),
        (with("write: {strategy: merge, unique_key: [a, b, a]}"), vec!["@:2:45: P1004: the column `a` is given twice [remove one]".to_owned()]),
        (
            with("write: {unique_key: id, deduplicate: {keep: last, order_by: []}, lock_wait: 90000}"),
            vec![
                "@:2:9: P1015: `unique_key` is only read by merge, and the strategy is append [set `strategy: merge`, or remove `unique_key`]".to_owned(),
                "@:2:25: P1015: `deduplicate` is only read by merge, and the strategy is append [set `strategy: merge`, or remove `deduplicate`]".to_owned(),
                "@:2:61: P1004: `order_by` is empty [name the columns that tell which row is the last]".to_owned(),
                "@:2:77: P1004: `lock_wait` is more than a day [it is in seconds, at most 86400]".to_owned(),
            ],
        ),
        (with("partitions: {kind: daily, column: d}\nwrite: {strategy: merge, unique_key: [k]}"), vec!["@:2:20: P1003: daily partitions need `start` [add `start: 2013-01-31`: the day of the first partition]".to_owned()]),
        (
            with("partitions: {kind: weekly, column: '', start: 2013-1-31, values: [a], timezone: Europe/Lodnon}\nwrite: {strategy: merge, unique_key: [k]}"),
            vec![
                "@:2:36: P1004: `column` is empty [name the column that tells a row's partition]".to_owned(),
                "@:2:47: P1004: `2013-1-31` is not a date [write the first day as `2013-01-31`]".to_owned(),
                "@:2:58: P1015: `values` is not read for weekly partitions [set `kind: static`, or remove `values`]".to_owned(),
                "@:2:81: P1004: unknown time zone `Europe/Lodnon` [did you mean `Europe/London`?]".to_owned(),
            ],
        ),
        (
            with("partitions: {kind: static, column: c, start: 2013-01-01, timezone: UTC}\nwrite: {strategy: merge, unique_key: [k]}"),
            vec![
                "@:2:20: P1003: static partitions need `values` [add `values: [A, B]`: the partitions' names]".to_owned(),
                "@:2:39: P1015: `start` is not read for static partitions [remove `start`]".to_owned(),
                "@:2:58: P1015: `timezone` is not read for static partitions [remove `timezone`]".to_owned(),
            ],
        ),
        (with("partitions: {kind: static, column: c, values: [a, a]}\nwrite: {strategy: merge, unique_key: [k]}"), vec!["@:2:51: P1004: the partition `a` is given twice [remove one]".to_owned()]),
        (
            with("freshness: {max_age_hours: 0}\nretry: {max_attempts: 0, delay: -1}\ngroup: ' '\ntags: [a, a]"),
            vec![
                "@:2:28: P1004: `max_age_hours` is not above 0 [write the age in hours, e.g. 26]".to_owned(),
                "@:3:23: P1004: `max_attempts` is 0 [1 means one attempt and no other]".to_owned(),
                "@:3:33: P1004: `delay` is not a number of seconds [write 0 or more]".to_owned(),
                "@:4:8: P1004: `group` is empty [write a name, or remove the key: the group then follows from the path]".to_owned(),
                "@:5:11: P1004: the tag `a` is given twice [remove one]".to_owned(),
            ],
        ),
        (
            with("columns: {a: int46, b: string}\ndeps: [flights]\ncapability_overrides: {tablestore: x}"),
            vec![
                "@:2:14: P1004: unknown column type `int46`; did you mean `int16`? [`phlo explain P1004` tells more]".to_owned(),
                "@:3:8: P1004: `flights` is not an asset key: write `group.name` in lower-case letters, digits and `_` [`phlo explain P1004` tells more]".to_owned(),
                "@:4:24: P2008: unknown capability type `tablestore` [did you mean `table_store`?]".to_owned(),
            ],
        ),
        (
            with("checks:\n  - not_null: [a]\n    severity: warn\n  - range: {column: a, severity: wran, tolerance: 2}\n  - 7\n  - {}\n  - x: {tolerance: 2, where: ' ', name: ''}\n  - y: {name: n}\n  - z: {name: n}"),
            vec![
                "@:4:5: P1004: a check is one name with its parameters, and `severity` is a second name [indent `severity` below `not_null` if it is a parameter; begin a new item if it is a check]".to_owned(),
                "@:5:34: P1004: unknown value `wran` [did you mean `warn`?]".to_owned(),
                "@:6:5: P1004: a check is a name with its parameters [write one check an item, e.g. `- not_null: [id]`]".to_owned(),
                "@:7:5: P1004: the check has no name [write one check an item, e.g. `- not_null: [id]`]".to_owned(),
                "@:8:20: P1004: `tolerance` is not between 0 and 1 [it is the fraction of rows that may fail: 0.01 is one in a hundred]".to_owned(),
                "@:8:30: P1004: `where` is empty [write a predicate, e.g. `where: \"status = 'final'\"`, or remove the key]".to_owned(),
                "@:8:41: P1004: `name` is empty [write a name, or remove the key]".to_owned(),
                "@:10:5: P1004: two checks of this asset are named `n`; the first is on line 9 [give each its own `name`]".to_owned(),
            ],
        ),
        (
            with("checks: {not_null: [a]}\ntransforms: rename"),
            vec![
                "@:2:9: P1004: `checks` is not a list [write one check an item, e.g. `- not_null: [id]`]".to_owned(),
                "@:3:13: P1004: `transforms` is not a list [write one transform an item, e.g. `- rename: {columns: {old: new}}`]".to_owned(),
            ],
        ),
        (with("transforms: [{a: 1, b: 2}]"), vec!["@:2:21: P1004: a transform is one name with its parameters, and `b` is a second name [indent `b` below `a` if it is a parameter; begin a new item if it is a transform]".to_owned()]),
        (with("description: ${NO_SUCH}\nowner: $OWNER"), vec![
            "@:2:14: P1005: `NO_SUCH` has no value [set it in the environment or in `.env`, or write `${NO_SUCH:-default}`]".to_owned(),
            "@:3:8: P1004: `$OWNER` is not filled in [write `${OWNER}`, or `$$OWNER` for the text itself]".to_owned(),
        ]),
    ];
    for (text, want) in cases {
        let file = "assets/bronze/a.yaml";
        let want: Vec<_> = want.iter().map(|line| line.replace('@', file)).collect();
        let got = problems(&[(file, &text)], &[]);
        assert_eq!(got, want, "\n{text}\ngot {got:#?}");
    }
}

#[test]
fn what_is_not_yaml_or_cannot_be_read_is_told_with_its_place() {
    for (file, text, start, hint) in [
        ("phlo.yaml", "name: t\nstorage: {\n", "@:2:10: P1001: ", "look at the indentation, quotes and brackets there"),
        (
            "phlo.yaml",
            "name: t\nname: u\n",
            "@:2:1: P1001: the key `name` is there twice ",
            "keep one of them, with the contents of both",
        ),
        (
            "phlo.yaml",
            "name: t\n---\nname: u\n",
            "@:3:1: P1001: ",
            "look at the indentation, quotes and brackets there",
        ),
        (
            "assets/a/b.yaml",
            "source: {plugin: files, path: ${DATA}}\n",
            "@:1:32: P1001: ",
            "put a text with `${…}` in quotes",
        ),
        (
            "assets/a/b.sql",
            "-- x\n/* phlo\ntags: [a\n*/\nselect 1\n",
            "@:3:7: P1001: ",
            "look at the indentation, quotes and brackets there",
        ),
    ] {
        let got = problems(&[(file, text)], &[]);
        assert!(
            got.len() == 1 && got[0].starts_with(&start.replace('@', file)) && got[0].ends_with(&format!("[{hint}]")),
            "{text}\n{got:?}"
        );
    }

    let (dir, _) = project(&[("phlo.yaml", "name: t\n"), ("assets/a/b.sql", "")], &[]);
    std::fs::write(dir.path().join("assets/a/b.sql"), b"select 1\nfrom \xff").unwrap();
    std::fs::write(dir.path().join("assets/a/c.yaml"), b"").unwrap();
    std::os::unix::fs::symlink("..", dir.path().join("assets/a/up")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("assets/a/gone.sql")).unwrap();
    let loaded = load(dir.path(), Environment::default(), &NoStores);
    let got: Vec<_> = loaded.diagnostics.0.iter().map(rendered).collect();
    assert_eq!(
        got,
        [
            "assets/a/b.sql:2:6: P1011: the file is not UTF-8 from here on [save it as UTF-8]",
            "assets/a/c.yaml:1:1: P1003: a YAML asset needs `source` [write `source: {plugin: NAME, …}`: the plugin that its rows come from]",
            "assets/a/gone.sql:1:1: P1011: the file cannot be read: entity not found [check where the link leads to]",
            "assets/a/up:1:1: P1011: the link leads to a folder that holds it [remove the link]",
        ]
    );
    // The rest of the project is there to be looked at, and the assets that are not are known by name.
    let project = loaded.project.unwrap();
    assert_eq!(project.broken.iter().map(AssetKey::as_str).collect::<Vec<_>>(), ["a.b", "a.c"]);

    let empty = tempfile::tempdir().unwrap();
    let loaded = load(empty.path(), Environment::default(), &NoStores);
    assert!(loaded.project.is_none());
    assert!(
        rendered(&loaded.diagnostics.0[0]).starts_with("P1006: there is no `phlo.yaml` in /"),
        "{:?}",
        loaded.diagnostics
    );
}

#[test]
fn mistakes_in_sql_headers_are_told_at_their_place_in_the_sql_file() {
    check(
        "assets/silver/x.sql",
        &[
            ("select 1\n", &[]),
            ("/* phlo\nwrite: {strategy: append}\n*/\nselect 1\n", &[]),
            (
                "-- licence\n/* phlo\ndescripton: x\ntags:\n  - a\n  - a\n*/\nselect 1\n",
                &[
                    "@:3:1: P1002: unknown key `descripton` [did you mean `description`?]",
                    "@:6:5: P1004: the tag `a` is given twice [remove one]",
                ],
            ),
            (
                "/* phlo {descripton: x} */ select 1\n",
                &["@:1:10: P1002: unknown key `descripton` [did you mean `description`?]"],
            ),
            (
                "/* phlo just words */ select 1\n",
                &["@:1:9: P1004: the header is not a map [write keys and values, e.g. `description: …`]"],
            ),
            (
                "/* phlo\nsource: {plugin: files}\n*/\nselect 1\n",
                &[
                    "@:2:1: P1015: a SQL asset has no `source`: its rows come from its query [remove it, or make the asset a YAML file]",
                ],
            ),
            (
                "/* phlo\nwrite: {unique_key: [a]}\n*/ select 1\n",
                &[
                    "@:2:9: P1015: `unique_key` is only read by merge, and the strategy is overwrite [set `strategy: merge`, or remove `unique_key`]",
                ],
            ),
            (
                "/* phlo\nselect 1\n",
                &["@:1:1: P1012: the comment with the asset's settings has no end [close it with `*/`]"],
            ),
            (
                "select 1 /* phlo\ntags: [a] */\n",
                &[
                    "@:1:10: P1015: a comment with settings is only read before the query [keep all settings in one `/* phlo … */` comment at the beginning of the file]",
                ],
            ),
        ],
    );
}

#[test]
fn keys_follow_from_paths_and_bad_paths_are_told_with_a_good_one() {
    let select = "select 1";
    for (files, want) in [
        (
            &[
                "assets/a/b/c.sql",
                "assets/a/d.yml",
                "assets/a/.hidden",
                "assets/.git/x.txt",
                "assets/README.md",
                "assets/a/readme.txt",
            ][..],
            &[][..],
        ),
        (
            &["assets/flights.sql"],
            &[
                "assets/flights.sql:1:1: P1014: an asset needs a folder, which is its group [move it, e.g. to `assets/bronze/flights.sql`]",
            ],
        ),
        (
            &["assets/Bronze/1st-flights.v2.sql"],
            &[
                "assets/Bronze/1st-flights.v2.sql:1:1: P1014: `Bronze/1st-flights.v2` does not make an asset key [rename it to `assets/bronze/_1st_flights_v2.sql`: lower-case letters, digits and `_`, no digit first]",
            ],
        ),
        (
            &["assets/a/b.sql", "assets/a/b.yaml"],
            &[
                "assets/a/b.yaml:1:1: P1010: `a.b` is defined by both `assets/a/b.sql` and `assets/a/b.yaml` [rename or remove one of the two files]",
            ],
        ),
        (
            &["assets/a/b.csv", "assets/a/c.SQL", "assets/notes"],
            &[
                "assets/a/b.csv:1:1: P1015: phlo does not read `.csv` files here [assets are `.yaml` and `.sql` files; keep others outside of `assets/`]",
                "assets/a/c.SQL:1:1: P1015: phlo does not read `.SQL` files here [write the extension in lower case: `.sql`]",
                "assets/notes:1:1: P1015: phlo does not read files without an extension here [assets are `.yaml` and `.sql` files; keep others outside of `assets/`]",
            ],
        ),
    ] {
        let files: Vec<_> = files
            .iter()
            .map(|file| (*file, if file.ends_with("sql") { select } else { "source: {plugin: files}" }))
            .collect();
        assert_eq!(problems(&files, &[]), want);
    }
}

#[test]
fn a_connection_is_joined_into_the_sources_that_name_it() {
    let yaml = "name: t\nconnections:\n  api:\n    source: rest_api\n    base_url: \"${API:-http://localhost}\"\n    timeout: ${TIMEOUT}\n    headers: {A: x, B: y}\n";
    let (_dir, loaded) = project(
        &[
            ("phlo.yaml", yaml),
            ("assets/b/one.yaml", "source: {connection: api, path: /flights, headers: {C: z}}\n"),
            ("assets/b/two.yaml", "source: {connection: api, plugin: rest_api, timeout: 5}\n"),
        ],
        &[("TIMEOUT", "30")],
    );
    assert_eq!(loaded.diagnostics.0.iter().map(rendered).collect::<Vec<_>>(), [""; 0]);
    let project = loaded.project.unwrap();
    let source = |key: &str| match &project.asset(&AssetKey::new(key).unwrap()).unwrap().body {
        AssetBody::Ingest(source) => source.clone(),
        _ => panic!("not a source"),
    };
    let one = source("b.one");
    assert_eq!((one.plugin.as_str(), one.plugin_place.unwrap().to_string()), ("rest_api", "phlo.yaml:4:13".to_owned()));
    assert_eq!(
        one.config.to_json(),
        json!({"base_url": "http://localhost", "timeout": "30", "path": "/flights", "headers": {"C": "z"}})
    );
    // What came from a variable becomes the type that is wanted, and every entry keeps its place.
    assert_eq!(one.config.get("timeout").unwrap().read::<u32>().unwrap(), 30);
    assert_eq!(one.config.get("timeout").unwrap().place().unwrap().to_string(), "phlo.yaml:6:14");
    assert_eq!(one.config.get("path").unwrap().place().unwrap().to_string(), "assets/b/one.yaml:1:33");
    assert_eq!(source("b.two").config.get("timeout").unwrap().to_json(), json!(5));

    let phlo = ("phlo.yaml", yaml);
    for (asset, want) in [
        ("source: {connection: ap}\n", "assets/b/a.yaml:1:22: P1004: unknown connection `ap` [did you mean `api`?]"),
        (
            "source: {connection: postgres}\n",
            "assets/b/a.yaml:1:22: P1004: unknown connection `postgres` [connections of phlo.yaml: api]",
        ),
        (
            "source: {connection: api, plugin: files}\n",
            "assets/b/a.yaml:1:35: P1004: `plugin: files` disagrees with the connection `api`, whose source is `rest_api` [remove `plugin`, or name another connection]",
        ),
    ] {
        assert_eq!(problems(&[phlo, ("assets/b/a.yaml", asset)], &[("TIMEOUT", "1")]), [want]);
    }
    // A connection with mistakes is told once, where they are.
    let got = problems(
        &[("phlo.yaml", "name: t\nconnections: {api: {url: x}}\n"), ("assets/b/a.yaml", "source: {connection: api}\n")],
        &[],
    );
    assert_eq!(
        got,
        [
            "phlo.yaml:2:15: P1003: the connection `api` has neither `source` nor `target` [add `source: PLUGIN`: the source plugin that reads it, or `target: PLUGIN`: the one that publishes to it]"
        ]
    );
}

const BIG: &str = r#"name: nycflights
description: Departures from New York
storage: { root: "${LAKE:-s3://lake/x}", options: { aws_region: eu-west-1, aws_secret_access_key: "${AWS_SECRET}" } }
capabilities:
  defaults: { table_store: delta, query_engine: datafusion }
plugins:
  allow: files
  deny: []
  settings:
    hook: { history: { keep_days: 30 } }
    source: { files: }
connections:
  carrier_api: { source: rest_api, base_url: "${CARRIER_API:-http://localhost:8099}", auth_token: "${CARRIER_TOKEN}" }
services:
  postgres: { ports: ["5433:5432"], environment: { POSTGRES_PASSWORD: postgres } }
  minio:
schedules:
  - { name: nightly, cron: "0 2 * * *", select: "group:gold+", timezone: Europe/London }
"#;

const FLIGHTS: &str = "description: Every departure from the three NYC airports
source: { plugin: files, path: \"data/flights-*.csv.gz\", format: csv, null_values: [NA] }
write: { strategy: merge, unique_key: [year, month, day, carrier, flight, origin], deduplicate: { keep: last, order_by: sched } }
partitions: { kind: daily, column: flight_date, start: 2013-01-01, timezone: America/New_York }
columns: { dep_delay: float64, price: \"decimal(9, 2)\" }
transforms:
  - rename: { columns: { a: b } }
  - trim
checks:
  - not_null: [carrier, flight, origin, dest]
  - accepted_values: { column: origin, values: [EWR, JFK, LGA] }
  - range: { column: dep_delay, min: -120, max: 1500, severity: warn, tolerance: 0.01, where: \"dep_delay is not null\" }
  - row_count
  - pattern: { name: tail, column: tailnum, regex: '^N[0-9A-Z]{1,5}$' }
capability_overrides: { table_store: iceberg }
freshness: { max_age_hours: 26 }
retry: { max_attempts: 5 }
";

const DEPARTURES: &str = "/* phlo
description: Departures with the carrier's name
tags: [daily]
deps: [bronze.holidays]
write: { metadata: true }
checks:
  - business_rule: { rule: \"arr_time >= 0\", name: arrival_not_negative, tolerance: 0.05 }
*/
select f.* from bronze.flights f
";

fn big() -> (tempfile::TempDir, Loaded) {
    project(
        &[
            ("phlo.yaml", BIG),
            (
                ".env",
                "CARRIER_TOKEN=file-token\nUNUSED_LOGIN=open-sesame\nPHLO_CAPABILITY_QUERY_ENGINE=datafusion\nLAKE=s3://lake/x\n",
            ),
            ("assets/bronze/flights.yaml", FLIGHTS),
            (
                "assets/bronze/carriers.yaml",
                "source: { connection: carrier_api, path: /carriers, api_key: plain-Key-1 }\n",
            ),
            ("assets/silver/departures.sql", DEPARTURES),
            ("assets/gold/daily/delays.sql", "select 1 as x\n"),
        ],
        &[
            ("CARRIER_TOKEN", "process-token"),
            ("AWS_SECRET", "aws/secret+1"),
            ("PHLO_CAPABILITY_TABLE_STORE", "iceberg"),
        ],
    )
}

#[test]
fn a_valid_project_resolves_with_every_default_filled_in() {
    let (dir, loaded) = big();
    assert_eq!(loaded.diagnostics.0.iter().map(rendered).collect::<Vec<_>>(), [""; 0]);
    assert_eq!(loaded.texts.0.len(), 5);
    assert_eq!(loaded.texts.get("assets/bronze/flights.yaml"), Some(FLIGHTS));
    let project = loaded.project.unwrap();
    assert_eq!(project.root, dir.path());
    assert_eq!(project.state_dir, dir.path().join(".phlo"));
    assert_eq!(project.storage.root.as_str(), "s3://lake/x/");
    assert_eq!(project.storage.options["aws_secret_access_key"].expose(), "aws/secret+1");
    assert_eq!(project.file.plugins.allow, ["files"]);
    assert_eq!(project.plugin_settings[&(PluginKind::Hook, "history".to_owned())].to_json(), json!({"keep_days": 30}));
    assert_eq!(project.plugin_settings[&(PluginKind::Source, "files".to_owned())].to_json(), json!({}));
    assert_eq!(project.services["minio"].to_json(), json!({}));
    assert_eq!(
        project.environment_choices,
        [(CapabilityType::TableStore, "iceberg".to_owned()), (CapabilityType::QueryEngine, "datafusion".to_owned())]
            .into()
    );
    let place = |path: &str| project.places[path].to_string();
    assert_eq!(
        [
            place("name"),
            place("capabilities.defaults.table_store"),
            place("plugins.allow"),
            place("plugins.settings.hook.history"),
            place("schedules[0].cron"),
            place("services.minio")
        ],
        ["phlo.yaml:1:7", "phlo.yaml:5:28", "phlo.yaml:7:10", "phlo.yaml:10:13", "phlo.yaml:18:28", "phlo.yaml:16:3"]
    );

    let keys: Vec<_> = project.assets.iter().map(|asset| asset.key.as_str()).collect();
    assert_eq!(keys, ["bronze.carriers", "bronze.flights", "gold.daily.delays", "silver.departures"]);
    assert!(project.asset(&AssetKey::new("bronze.none").unwrap()).is_none());
    let asset = |key: &str| project.asset(&AssetKey::new(key).unwrap()).unwrap();

    let flights = asset("bronze.flights");
    assert_eq!(
        (flights.group.as_str(), flights.kind(), flights.place.as_ref().unwrap().to_string().as_str()),
        ("bronze", "ingest", "assets/bronze/flights.yaml:1:1")
    );
    assert_eq!(
        (flights.write.strategy, flights.write.metadata, flights.write.lock_wait),
        (Some(WriteStrategy::Merge), Some(true), 60)
    );
    assert_eq!(flights.write.deduplicate.as_ref().unwrap().order_by, ["sched"]);
    assert_eq!((flights.retry.max_attempts, flights.retry.delay), (5, 2.0));
    assert_eq!(flights.capability_overrides[&CapabilityType::TableStore], "iceberg");
    let transforms: Vec<_> = flights
        .transforms
        .iter()
        .map(|t| (t.name.as_str(), t.params.to_json(), t.place.as_ref().unwrap().span.line))
        .collect();
    assert_eq!(transforms, [("rename", json!({"columns": {"a": "b"}}), 7), ("trim", json!({}), 8)]);
    let range = &flights.checks[2];
    assert_eq!(
        (range.kind.as_str(), range.severity, range.tolerance, range.filter.as_deref()),
        ("range", CheckSeverity::Warn, Tolerance::of(0.01), Some("dep_delay is not null"))
    );
    assert_eq!(
        (range.params.to_json(), range.place.as_ref().unwrap().to_string().as_str()),
        (json!({"column": "dep_delay", "min": -120, "max": 1500}), "assets/bronze/flights.yaml:12:5")
    );
    assert_eq!(flights.checks[0].params.to_json(), json!(["carrier", "flight", "origin", "dest"]));
    assert_eq!((flights.checks[3].kind.as_str(), flights.checks[3].params.to_json()), ("row_count", json!({})));
    assert_eq!(flights.checks[4].params.to_json(), json!({"column": "tailnum", "regex": "^N[0-9A-Z]{1,5}$"}));

    let carriers = asset("bronze.carriers");
    assert_eq!((carriers.write.strategy, carriers.write.metadata), (Some(WriteStrategy::Append), Some(true)));
    let departures = asset("silver.departures");
    assert_eq!(
        (departures.kind(), departures.write.strategy, departures.write.metadata),
        ("sql", Some(WriteStrategy::Overwrite), Some(true))
    );
    assert_eq!(departures.checks[0].name.as_deref(), Some("arrival_not_negative"));
    assert_eq!(departures.checks[0].place.as_ref().unwrap().to_string(), "assets/silver/departures.sql:7:5");
    let AssetBody::Sql(sql) = &departures.body else { panic!("not sql") };
    assert_eq!((sql.text.as_str(), sql.file.as_str()), (DEPARTURES, "assets/silver/departures.sql"));
    let delays = asset("gold.daily.delays");
    assert_eq!((delays.group.as_str(), delays.write.metadata), ("gold.daily", Some(false)));
}

#[test]
fn show_tells_each_value_and_its_source() {
    let (_dir, loaded) = big();
    let shown = loaded.project.unwrap().show(&BTreeSet::new());
    assert_eq!(
        shown["config"],
        json!({
            "name": "nycflights",
            "description": "Departures from New York",
            "storage": {"root": "s3://lake/x/", "options": {"aws_region": "***", "aws_secret_access_key": "***"}},
            "capabilities": {"defaults": {"table_store": "iceberg", "query_engine": "datafusion"}},
            "plugins": {"allow": ["files"], "deny": [], "settings": {"source": {"files": {}}, "hook": {"history": {"keep_days": 30}}}},
            "schedules": [{"name": "nightly", "cron": "0 2 * * *", "select": "group:gold+", "timezone": "Europe/London"}],
            "run": {"memory_mib": 256},
            "connections": {"carrier_api": {"source": "rest_api", "base_url": "http://localhost:8099", "auth_token": "***"}},
            "services": {"minio": {}, "postgres": {"ports": ["5433:5432"], "environment": {"POSTGRES_PASSWORD": "***"}}},
        })
    );
    for (path, want) in [
        ("name", json!({"source": "file", "place": "phlo.yaml:1:7"})),
        ("run.memory_mib", json!({"source": "default"})),
        ("plugins.allow[0]", json!({"source": "file", "place": "phlo.yaml:7:10"})),
        ("plugins.settings.hook.history.keep_days", json!({"source": "file", "place": "phlo.yaml:10:35"})),
        ("storage.root", json!({"source": "environment", "place": "phlo.yaml:3:18", "variables": ["LAKE"]})),
        ("connections.carrier_api.base_url", json!({"source": "file", "place": "phlo.yaml:13:46"})),
        (
            "connections.carrier_api.auth_token",
            json!({"source": "environment", "place": "phlo.yaml:13:99", "variables": ["CARRIER_TOKEN"]}),
        ),
        (
            "capabilities.defaults.table_store",
            json!({"source": "environment", "variables": ["PHLO_CAPABILITY_TABLE_STORE"]}),
        ),
    ] {
        assert_eq!(shown["sources"][path], want, "{path}");
    }
}

#[test]
fn secrets_stay_inside() {
    let (_dir, loaded) = big();
    let resolved = loaded.project.as_ref().unwrap();
    let secrets = ["file-token", "process-token", "open-sesame", "aws/secret+1", "plain-Key-1"];
    let debug = format!("{loaded:?} {resolved:?} {:?} {:?}", resolved.environment, resolved.redactor);
    let shown = resolved.show(&BTreeSet::new()).to_string();
    for secret in secrets {
        assert!(!debug.contains(secret) && !shown.contains(secret), "{secret}");
        assert_eq!(resolved.redactor.clean(&format!("a {secret} b")), "a *** b", "{secret}");
    }
    // Words that are no secret, though they came from a variable or stand where a secret would, stay readable.
    let open = "datafusion delta iceberg s3://lake/x eu-west-1 postgres http://localhost:8099";
    assert_eq!(resolved.redactor.clean(open), open);

    // Not even in what is said about a value that is wrong.
    for (yaml, asset) in [
        ("name: \"${MY_TOKEN}\"", ""),
        ("name: t\nrun: {jobs: \"${MY_TOKEN}\"}", ""),
        ("name: t\nstorage: {root: \"x://${MY_TOKEN}\"}", ""),
        ("name: t\nstorage: {root: \"${MY_TOKEN}://x\"}", ""),
        ("name: t\nschedules: [{name: a, cron: \"${MY_TOKEN}\", select: x, timezone: \"${MY_TOKEN}\"}]", ""),
        ("name: t", "write: {strategy: \"${MY_TOKEN}\"}"),
        ("name: t", "deps: [\"${MY_TOKEN}\"]\ncolumns: {a: \"${MY_TOKEN}\"}"),
        (
            "name: t",
            "tags: [\"${MY_TOKEN}\", \"${MY_TOKEN}\"]\nchecks: [\"${MY_TOKEN}\", {x: {name: \"${MY_TOKEN}\"}}, {y: {name: \"${MY_TOKEN}\"}}]",
        ),
        ("name: t", "partitions: {kind: daily, column: d, start: \"${MY_TOKEN}\"}"),
    ] {
        let asset = format!("source: {{plugin: files}}\n{asset}\n");
        let (_dir, loaded) = project(&[("phlo.yaml", yaml), ("assets/a/b.yaml", &asset)], &[("MY_TOKEN", "s3cr3t/ v")]);
        let told = format!("{:?} {}", loaded.diagnostics, serde_json::to_string(&loaded.diagnostics).unwrap());
        assert!(!told.contains("s3cr3t/") && !told.contains("3cr3t v"), "{told}");
        assert!(loaded.diagnostics.has_errors(), "{yaml} {asset}");
    }
}

#[test]
fn the_project_is_found_here_or_above() {
    let (dir, _) = project(&[("phlo.yaml", "name: t\n"), ("assets/a/b.sql", "select 1\n")], &[]);
    assert_eq!(find(&dir.path().join("assets/a")).as_deref(), Some(dir.path()));
    assert_eq!(find(dir.path()).as_deref(), Some(dir.path()));
    assert_eq!(find(dir.path().parent().unwrap()), None);
}

#[test]
fn two_thousand_assets_load_without_a_problem() {
    let (dir, _) = project(&[("phlo.yaml", "name: t\n")], &[]);
    std::fs::create_dir_all(dir.path().join("assets/silver")).unwrap();
    for at in 0..2000 {
        std::fs::write(dir.path().join(format!("assets/silver/t{at:04}.sql")), DEPARTURES).unwrap();
    }
    let loaded = load(dir.path(), Environment::default(), &NoStores);
    assert!(loaded.diagnostics.0.is_empty());
    let assets = loaded.project.unwrap().assets;
    assert_eq!(
        (assets.len(), assets[0].key.as_str(), assets[1999].key.as_str()),
        (2000, "silver.t0000", "silver.t1999")
    );
}

#[test]
fn no_cut_or_torn_file_panics_and_every_problem_has_a_place_and_a_next_step() {
    let files = [
        ("phlo.yaml", BIG),
        ("assets/bronze/flights.yaml", FLIGHTS),
        ("assets/silver/departures.sql", DEPARTURES),
        (".env", "A=\"x\ny\" # z\nB='q'\n"),
    ];
    let (dir, _) = project(&files, &[]);
    let look = |file: &str, text: &str| {
        std::fs::write(dir.path().join(file), text).unwrap();
        let problems = match Environment::from_pairs([("AWS_SECRET", "s")]).with_dotenv(dir.path()) {
            Ok(environment) => load(dir.path(), environment, &NoStores).diagnostics.0,
            Err(problem) => vec![problem],
        };
        for problem in problems {
            let line = problem.place.as_ref().map_or(0, |place| place.span.line);
            assert!(line > 0 && !problem.hints.is_empty(), "{} of {file}:\n{text}", rendered(&problem));
        }
    };
    for (file, text) in files {
        for at in (0..text.len()).step_by(if text.len() > 100 { 7 } else { 1 }) {
            look(file, &text[..at]);
            look(file, &format!("{}{}", &text[..at], &text[(at + 3).min(text.len())..]));
        }
        for line in text.lines() {
            look(file, &text.replace(line, ""));
        }
        look(file, text);
    }
}

#[test]
fn secrets_of_a_store_are_filled_in_masked_and_refused_where_they_would_make_the_store() {
    let (_dir, loaded) = project(
        &[
            (
                "phlo.yaml",
                "name: t\nstorage: {root: 's3://b/', options: {aws_secret_access_key: '${secret:db}'}}\n\
                 connections: {api: {source: rest_api, url: 'http://u:${secret:v/db}@h/', n: 'x ${secret:db}'}}\n",
            ),
            ("assets/raw/x.yaml", "source: {connection: api, q: '${secret:db}'}\n"),
        ],
        &[],
    );
    assert_eq!(loaded.diagnostics.0.iter().map(rendered).collect::<Vec<_>>(), Vec::<String>::new());
    let project = loaded.project.unwrap();
    assert_eq!(project.storage.options["aws_secret_access_key"].expose(), "in $A}Y");
    assert_eq!(project.connections["api"].get("n").unwrap().as_str(), Some("x in $A}Y"));
    let shown = project.show(&BTreeSet::new());
    assert!(!shown.to_string().contains("$A}Y"), "{shown:#}");
    assert_eq!(
        shown["sources"]["connections.api.n"],
        json!({ "source": "secret_store", "place": "phlo.yaml:3:77", "variables": ["secret:db"] })
    );
    assert_eq!(project.redactor.clean("it is in v: $A}Y"), "it is ***");
    check(
        "phlo.yaml",
        &[
            (
                "name: t\ncapabilities: {defaults: {secret_store: '${secret:db}'}}\nplugins: {settings: {resource: {vault: {a: ['x ${secret:db}']}, other: {b: '${secret:db}'}}}}\n",
                &[
                    "@:2:42: P1004: the secret `db` is asked for before there is a secret store [the name, `capabilities`, `plugins.allow`, `plugins.deny` and a secret store's own settings make the store: use `${NAME}` there]",
                    "@:3:48: P1004: the secret `db` is asked for before there is a secret store [the name, `capabilities`, `plugins.allow`, `plugins.deny` and a secret store's own settings make the store: use `${NAME}` there]",
                    "@:3:77: P1005: the secret `db` is not asked for: what makes the secret stores has a mistake [correct that first]",
                ],
            ),
            (
                "name: t\nplugins: {settings: {resource: {vault: {a: '${NO}'}}}}\ndescription: ${secret:db}\n",
                &[
                    "@:2:45: P1005: `NO` has no value [set it in the environment or in `.env`, or write `${NO:-default}`]",
                    "@:3:14: P1005: the secret `db` is not asked for: what makes the secret stores has a mistake [correct that first]",
                ],
            ),
            ("name: t\ndescription: a ${secret:none}\n", &["@:2:16: P1005: the vault has no `none` [add it]"]),
        ],
    );
}
