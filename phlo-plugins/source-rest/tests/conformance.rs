//! Every promise that a plugin makes, and every one that a source makes, tried on a server that gains a record.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use phlo_testkit::http::{HttpResponse, HttpServer};
use phlo_testkit::source::{Case, suite};
use serde_json::{Value, json};

phlo_testkit::conformance!(phlo_source_rest);

#[tokio::test]
async fn the_source_keeps_the_promises_of_its_kind() {
    let size = Arc::new(AtomicUsize::new(5));
    let server = HttpServer::start({
        let size = size.clone();
        move |request| {
            let from = request.number("since").map_or(0, |id| id + 1) + 2 * (request.number("page").unwrap_or(1) - 1);
            let all = size.load(Ordering::SeqCst);
            let records: Value =
                (from.min(all)..(from + 2).min(all)).map(|id| json!({"id": id, "name": format!("n{id}")})).collect();
            HttpResponse::json(&json!({"results": records, "has_next": from + 2 < all}))
        }
    });
    let config = format!("base_url: {}\nendpoint: items\nincremental: {{column: id, param: since}}", server.url(""));
    let case = Case::new("rest_api", &config)
        .grows(|| size.store(8, Ordering::SeqCst))
        .refuses("base_url: ftp://a\nendpoint: x", "base_url")
        .refuses("base_url: http://a\nendpoint: x\nretry: {max_attempts: 0}", "retry.max_attempts");
    suite(case).await;
}

/// Each option is in the README's tables.
#[test]
fn the_readme_names_every_option() {
    let schema = serde_json::to_value(schemars::schema_for!(phlo_source_rest::RestConfig)).expect("a schema is JSON");
    let definitions = schema["$defs"].as_object().expect("it has definitions").values();
    let options =
        definitions.chain([&schema]).flat_map(|object| object["properties"].as_object().into_iter().flatten());
    let readme = include_str!("../README.md");
    let missing: Vec<_> = options.map(|(name, _)| name).filter(|name| !readme.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
