//! Every promise that a plugin makes, and every one that a source makes, tried on files that grow.

use std::io::Write;

use phlo_testkit::fixture::Project;
use phlo_testkit::source::{Case, suite};

phlo_testkit::conformance!(phlo_source_files);

#[tokio::test]
async fn the_source_keeps_the_promises_of_its_kind() {
    for (extension, first, second) in [
        ("csv", "id,name\n1,a\n2,\"b,\n\"\"c\"\n3,\n", "name,id\nd,4\n"),
        ("ndjson", "{\"id\":1,\"name\":\"a\"}\n{\"id\":2}\n", "{\"name\":\"d\",\"id\":4}\n"),
        ("json", "[{\"id\":1,\"name\":\"a\"},\n {\"id\":2}]", "{\"name\":\"d\",\n\"id\":4}"),
    ] {
        for compressed in [false, true] {
            let project = Project::new();
            let write = |name: &str, text: &str| {
                let mut bytes = text.as_bytes().to_vec();
                if compressed {
                    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                    gzip.write_all(text.as_bytes()).expect("a vector takes bytes");
                    bytes = gzip.finish().expect("a vector takes bytes");
                }
                let suffix = if compressed { ".gz" } else { "" };
                project.write(&format!("in/{name}.{extension}{suffix}"), bytes);
            };
            write("first", first);
            let case = Case::new("files", &format!("path: in/*.{extension}*"))
                .root(project.root())
                .grows(|| write("second", second))
                .refuses("path: a.csv\ndelimiter: ab", "delimiter")
                .refuses("path: a.csv\nformat: cvs", "format")
                .refuses("path: a.json\ndelimiter: ;", "delimiter")
                .refuses("path: a.csv\ninfer_rows: 0", "infer_rows")
                .refuses("path: []", "path");
            suite(case).await;
        }
    }
}

/// Each option is in the README's table.
#[test]
fn the_readme_names_every_option() {
    let schema = serde_json::to_value(schemars::schema_for!(phlo_source_files::FilesConfig)).expect("a schema is JSON");
    let options = schema["properties"].as_object().expect("it has options");
    let readme = include_str!("../README.md");
    let missing: Vec<_> = options.keys().filter(|name| !readme.contains(&format!("| `{name}` |"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
