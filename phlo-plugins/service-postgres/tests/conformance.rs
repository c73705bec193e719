//! Every promise that a plugin makes, and that the README tells the definition as it is.

use phlo_plugin::prelude::*;
use phlo_service_postgres::PostgresService;

phlo_testkit::conformance!(phlo_service_postgres);

#[test]
fn the_readme_names_the_image_and_every_variable() {
    let spec = PostgresService.definition().expect("it is valid");
    let readme = include_str!("../README.md");
    let volume = spec.volumes.first().and_then(|volume| volume.split_once(':')).expect("it keeps its data").0;
    for told in spec.environment.keys().map(String::as_str).chain([spec.image.as_str(), volume]) {
        assert!(readme.contains(&format!("`{told}`")), "{told}");
    }
}
