//! The platform owner's journey: the binary describes itself, says what is not healthy, and builds another one outside the repository.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::fixture::{Project, Said, beside_the_others, repository, tool};

#[test]
fn the_binary_describes_itself_and_every_run_remembers_it() {
    let project = Project::new()
        .write("d.csv", "a\n1\n")
        .write("assets/raw/x.yaml", "source: { plugin: files, path: d.csv }\nchecks: [{ not_null: [a] }]\n");
    let list = project.phlo(&["plugin", "list", "--json", "--available"]).exits(0).json();
    let plugins = list["plugins"].as_array().unwrap();
    assert_eq!(list["available"].as_array().map(Vec::len), Some(0), "everything is linked here");
    let hash =
        |value: &Value| value.as_str().is_some_and(|h| h.len() == 64 && h.bytes().all(|b| b.is_ascii_hexdigit()));
    for plugin in plugins {
        let keys = ["kind", "name", "package", "version", "license", "tier", "feature"];
        assert!(keys.iter().all(|key| plugin[key].as_str().is_some_and(|v| !v.is_empty())), "{plugin}");
        assert!(["provides", "requires", "optional"].iter().all(|key| plugin[key].is_array()), "{plugin}");
        assert!(hash(&plugin["settings_schema_sha256"]), "{plugin}");
        let written = ["source", "quality", "transform"].iter().any(|kind| plugin["kind"] == *kind)
            || plugin["provides"].to_string().contains("publish_target:");
        assert_eq!(hash(&plugin["config_schema_sha256"]), written, "{plugin}");
        assert!(plugin.get("commit").is_some(), "{plugin}");
    }
    let delta = plugins.iter().find(|p| p["name"] == "delta").unwrap();
    assert_eq!((&delta["feature"], &delta["provides"][0]), (&"table-delta".into(), &"table_store:delta".into()));

    let version = project.phlo(&["version", "--json"]).exits(0).json();
    let fingerprint = version["plugin_fingerprint"].as_str().unwrap();
    assert_eq!((fingerprint.len(), &list["plugin_fingerprint"]), (12, &version["plugin_fingerprint"]));
    assert!(version["plugin_fingerprint_sha256"].as_str().unwrap().starts_with(fingerprint));
    for key in ["target", "profile", "rustc"] {
        assert!(version[key].as_str().is_some_and(|v| !v.is_empty()), "{version}");
    }
    assert!(project.phlo(&["version", "--verbose"]).exits(0).stdout.contains(fingerprint));

    let run = project.phlo(&["run", "--json"]).exits(0).json();
    assert_eq!(run["plugin_fingerprint"], fingerprint);
    let id = run["id"].as_str().unwrap();
    assert_eq!(project.phlo(&["runs", "--json"]).exits(0).json()["runs"][0]["plugin_fingerprint"], fingerprint);
    assert_eq!(project.phlo(&["runs", id, "--json"]).exits(0).json()["run"]["plugin_fingerprint"], fingerprint);
    assert!(project.phlo(&["runs", id]).exits(0).stdout.contains(&format!("plugins {fingerprint}, as in this binary")));
}

#[test]
fn plugin_check_fails_for_what_the_project_uses_and_tells_the_rest() {
    let asset = |source: &str| format!("source: {{ {source} }}\nchecks: [{{ not_null: [a] }}]\n");
    let project =
        Project::new().write("d.csv", "a\n1\n").write("assets/raw/x.yaml", &asset("plugin: files, path: d.csv"));
    let said = project.phlo(&["plugin", "check", "--json"]).exits(0).json();
    assert_eq!((&said["status"], &said["connections"][0]["tested"]), (&"ok".into(), &true.into()));
    let used: BTreeMap<_, _> = said["plugins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (format!("{}:{}", p["kind"], p["name"]), &p["used"]))
        .collect();
    for (kind, name, by_project) in [
        ("source", "files", true),
        ("quality", "not_null", true),
        ("resource", "delta", true),
        ("resource", "datafusion", true),
        ("orchestrator", "native", true),
        ("quality", "range", false),
        ("resource", "files", false),
    ] {
        assert_eq!(used[&format!("\"{kind}\":\"{name}\"")], by_project, "{kind} {name}");
    }
    // The port of nobody: a system that is not there.
    project.put(
        "assets/raw/y.yaml",
        &asset("plugin: rest_api, base_url: \"http://127.0.0.1:9\", endpoint: /x, retry: { max_attempts: 1 }"),
    );
    let said = project.phlo(&["plugin", "check"]).exits(4);
    assert!(said.stderr.contains("raw.y") && said.stderr.contains("P3001"), "{}", said.all());
    // So is one that only a check compares with.
    project.put(
        "assets/raw/y.yaml",
        "source: { plugin: files, path: d.csv }\nchecks: [{ reconcile_counts: { with: { plugin: rest_api, base_url: \"http://127.0.0.1:9\", endpoint: /x, retry: { max_attempts: 1 } } } }]\n",
    );
    let said = project.phlo(&["plugin", "check"]).exits(4);
    assert!(said.stderr.contains("raw.y") && said.stderr.contains("P3001"), "{}", said.all());
    // A connection that no asset uses is told, and fails nothing.
    std::fs::remove_file(project.path().join("assets/raw/y.yaml")).unwrap();
    project.put("phlo.yaml", "name: x\nconnections: { api: { source: rest_api, base_url: \"http://127.0.0.1:9\", endpoint: /x, retry: { max_attempts: 1 } } }\n");
    let said = project.phlo(&["plugin", "check"]).exits(0);
    assert!(said.stderr.contains("warning[P3001]: connections.api"), "{}", said.all());
    // What is denied matters if it is used.
    project.put("phlo.yaml", "name: x\nplugins: { deny: [range] }\n");
    assert!(project.phlo(&["plugin", "check"]).exits(0).stdout.contains("denied, plugins.deny"));
    project.put("phlo.yaml", "name: x\nplugins: { deny: [not_null] }\n");
    let said = project.phlo(&["plugin", "check", "--json"]).exits(2).json();
    assert_eq!(said["error"]["code"], "P2003", "{said}");
    project.put("phlo.yaml", "name: x\nplugins: { allow: [files, delta, datafusion, native, history] }\n");
    let said = project.phlo(&["plugin", "check", "--json"]).exits(2).json();
    assert_eq!(said["error"]["code"], "P2003", "{said}");
    // A plugin that does not start, because its settings are wrong.
    project.put("phlo.yaml", "name: x\nplugins: { settings: { hook: { history: { keep_runs: 0 } } } }\n");
    let said = project.phlo(&["plugin", "check"]).exits(2);
    assert!(said.stderr.contains("P1004") && said.stderr.contains("plugins.settings.hook.history"), "{}", said.all());
    // A project with mistakes: what its connections hold may not be what is meant, and is sent nowhere.
    project.put("phlo.yaml", "name: x\nconnections: { api: { source: rest_api, base_url: \"${NOPE_NOT_SET}\" } }\n");
    let said = project.phlo(&["plugin", "check", "--json"]).exits(2).json();
    assert_eq!((&said["error"]["code"], said["connections"].as_array().unwrap().len()), (&"P1005".into(), 0), "{said}");
    assert!(project.phlo(&["plugin", "check"]).exits(2).stdout.contains("no connection is tested"));
    // What is not there at all.
    project.put("phlo.yaml", "name: x\n");
    project.put("assets/raw/z.yaml", "source: { plugin: kafak }\n");
    assert!(project.phlo(&["plugin", "check"]).exits(2).stderr.contains("P2001"));
}

#[test]
fn a_build_that_cannot_be_is_refused_before_anything_is_compiled() {
    let project = Project::new();
    project.put("assets/raw/x.yaml", "source: { plugin: kafka }\n");
    for (args, says) in [
        (&["--features", "source-rset"][..], "did you mean `source-rest`?"),
        (&["--from", "phlo.yaml"], "unknown source `kafka`"),
        (&["--with", "./nowhere"], "there is no folder `./nowhere`"),
        (&["--with", "a", "--with", "a@2"], "`--with` names `a` twice"),
        (&["--with", "a b"], "names no crate"),
        (&["--with", "phlo-source-files"], "is a package of phlo's own"),
        (&["--phlo-source", "."], "is no checkout of phlo"),
        (&["--out", "assets"], "is a folder"),
        (&["--repeat", "phlo.yaml"], "is no record of a build"),
    ] {
        let all: Vec<_> = ["build"].iter().chain(args).copied().collect();
        let said = project.phlo_with(&[("PATH", "/nowhere")], &all).exits(2);
        assert!(said.stderr.contains(says), "{args:?}: {}", said.all());
    }
    let home = project.path().to_str().unwrap();
    let said = project.phlo_with(&[("PATH", "/nowhere"), ("XDG_CACHE_HOME", home)], &["build"]).exits(1);
    assert!(said.stderr.contains("P7001") && said.stderr.contains("rustup.rs"), "{}", said.all());
}

/// A source of three rows, in a crate of its own outside the repository.
fn greetings(folder: &Path, registers: &str) {
    let source = folder.join("src");
    std::fs::create_dir_all(&source).unwrap();
    let contract = repository().join("phlo-core/plugin");
    let manifest = format!(
        "[package]\nname = \"acme-greetings\"\nversion = \"0.3.0\"\nedition = \"2024\"\nlicense = \"MIT\"\n\n\
         [package.metadata.phlo]\nplugins = [{{ kind = \"source\", name = \"greetings\" }}]\n\n\
         [lib]\nname = \"greetings\"\n\n\
         [dependencies]\narrow-array = \"59\"\narrow-schema = \"59\"\nfutures = \"0.3\"\nphlo-plugin = {{ path = \"{}\" }}\n\
         schemars = \"1\"\nserde = \"1\"\n",
        contract.display()
    );
    std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    std::fs::write(source.join("lib.rs"), include_str!("greetings.rs.txt").replace("REGISTERS", registers)).unwrap();
}

const REGISTERS: &str =
    "phlo_plugin::register!(Source, Greetings, name = \"greetings\", summary = \"Rows that greet\");";

#[test]
fn an_owner_builds_a_binary_outside_the_repository_and_builds_the_same_again() {
    if !tool("cargo") {
        return;
    }
    let outside = TempDir::new().unwrap();
    let crate_folder = outside.path().join("acme-greetings");
    greetings(&crate_folder, REGISTERS);
    let project = Project::new()
        .write("assets/raw/hello.yaml", "source: { plugin: greetings, count: 3 }\n")
        .write("assets/raw/api.yaml", "source: { plugin: rest_api, base_url: \"http://127.0.0.1:9\", endpoint: /x }\n")
        .write("assets/raw/file.yaml", "source: { plugin: files, path: d.csv }\n")
        .write("d.csv", "a\n1\n");
    let (keep, out) = (outside.path().join("kept"), outside.path().join("phlo"));
    let build = |args: &[&str]| -> Said {
        let mut command = project.command(&["build", "--json", "--out"]);
        let _one = beside_the_others(command.arg(&out).args(args));
        project.said(&mut command)
    };
    let (with, source, keep) =
        (crate_folder.to_str().unwrap(), repository().to_str().unwrap().to_owned(), keep.to_str().unwrap());
    let first = ["--from", "phlo.yaml", "--with", with, "--phlo-source", &source, "--debug", "--keep", keep];
    let built = build(&first).exits(0).json();
    assert_eq!(
        built["features"],
        serde_json::json!([
            "engine-datafusion",
            "hook-history",
            "orchestrator-native",
            "source-files",
            "source-rest",
            "table-delta"
        ])
    );
    let own = |args: &[&str]| {
        let mut command = Command::new(&out);
        command.args(args).current_dir(project.path()).env("NO_COLOR", "1");
        project.said(&mut command)
    };

    // It lists just what it was built with, and says which of it is phlo's own.
    let list = own(&["plugin", "list", "--json", "--available"]).exits(0).json();
    let find = |list: &str, name: &str| {
        own(&["plugin", "list", "--json", "--available"]).exits(0).json()[list]
            .as_array()
            .unwrap()
            .iter()
            .find(|p| p["name"] == name)
            .cloned()
    };
    let greets = find("plugins", "greetings").unwrap();
    assert_eq!((&greets["package"], &greets["version"]), (&"acme-greetings".into(), &"0.3.0".into()));
    assert_eq!((&greets["feature"], &greets["commit"]), (&Value::Null, &Value::Null));
    assert_eq!(find("plugins", "files").unwrap()["feature"], "source-files");
    assert!(find("plugins", "rename").is_none());
    let rename = find("available", "rename").unwrap();
    assert_eq!(rename["build"], "phlo build --features transform-core");
    assert_eq!(list["plugin_fingerprint"], built["plugin_fingerprint"]);
    assert_ne!(list["plugin_fingerprint"], project.phlo(&["version", "--json"]).json()["plugin_fingerprint"]);

    // It runs what only it can run.
    own(&["run", "raw.hello"]).exits(0);
    let count = own(&["sql", "select count(*) as n from raw.hello", "--format", "json"]).exits(0);
    assert_eq!(count.json(), serde_json::json!([{ "n": 3 }]));
    let said = own(&["plugin", "check"]).exits(4);
    assert!(said.stdout.contains("raw.hello") && said.stderr.contains("raw.api"), "{}", said.all());

    // What it lacks, wherever a project names it, it says how to get.
    let lacking = |asset: &str, yaml: &str, feature: &str| {
        project.put("assets/raw/hello.yaml", asset);
        project.put("phlo.yaml", yaml);
        let said = own(&["check"]).exits(2);
        let hints = [format!("phlo-bundle/{feature}"), "phlo build --from phlo.yaml".to_owned()];
        assert!(hints.iter().all(|hint| said.stderr.contains(hint)), "{asset}{yaml}{}", said.all());
    };
    let (plain, hello) = ("name: x\n", "source: { plugin: greetings, count: 3 }\n");
    lacking(&format!("{hello}checks: [{{ not_null: [text] }}]\n"), plain, "quality-core");
    lacking(&format!("{hello}transforms: [{{ rename: {{ text: t }} }}]\n"), plain, "transform-core");
    lacking(hello, "name: x\nplugins: { allow: [files, rename] }\n", "transform-core");
    lacking(hello, "name: x\nplugins: { settings: { quality: { range: {} } } }\n", "quality-core");
    // To deny what is not there is no mistake.
    project.put("phlo.yaml", "name: x\nplugins: { deny: [rename] }\n");
    own(&["check"]).exits(0);

    // The same again is the same.
    let manifest = built["manifest"].as_str().unwrap();
    let lock = |folder: &str| std::fs::read_to_string(Path::new(folder).join("Cargo.lock")).unwrap();
    let before = lock(keep);
    let copy = outside.path().join("again");
    let again = build(&["--repeat", manifest, "--keep", copy.to_str().unwrap()]).exits(0).json();
    for same in ["lock_sha256", "plugin_fingerprint", "features", "plugins"] {
        assert_eq!(again[same], built[same], "{same}");
    }
    assert_eq!(lock(copy.to_str().unwrap()), before);

    // A plugin that does not compile is named, and so is one that registers nothing.
    greetings(&crate_folder, "this is no Rust");
    let said = build(&["--repeat", manifest, "--keep", keep]).exits(1);
    assert!(said.all().contains("the plugin `acme-greetings` 0.3.0 does not compile"), "{}", said.all());
    greetings(&crate_folder, "");
    let said = build(&["--repeat", manifest, "--keep", keep]).exits(2);
    assert!(said.all().contains("`acme-greetings` was linked and registers no plugin"), "{}", said.all());
    // A lock file that was changed by hand is not that of the build.
    std::fs::write(Path::new(keep).join("Cargo.lock"), format!("{before}\n")).unwrap();
    assert!(build(&["--repeat", manifest]).exits(2).all().contains("is not the lock file of that build"));
}
