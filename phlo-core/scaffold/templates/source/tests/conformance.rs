//! Every promise that a plugin makes, and every one that a source makes, tried on a log that grows.

use phlo_testkit::fixture::Project;
use phlo_testkit::source::{Case, suite};

phlo_testkit::conformance!({{library}});

#[tokio::test]
async fn the_source_keeps_the_promises_of_its_kind() {
    let project = Project::new().file("app.log", "one\ntwo\r\n\nfour\nhalf of fi");
    let case = Case::new("{{plugin}}", "path: app.log")
        .root(project.root())
        .grows(|| project.write("app.log", "one\ntwo\r\n\nfour\nhalf of five\nsix\nha"))
        .refuses("path: ''", "path")
        .refuses("path: app.log\nmax_line_bytes: 0", "max_line_bytes")
        .refuses("path: app.log\nmax_lines: 1", "max_lines");
    suite(case).await;
}
