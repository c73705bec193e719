//! Every promise that a plugin makes, and every one that a source makes, tried on each table.

use phlo_source_tpch::Table;
use phlo_testkit::source::{Case, suite};

phlo_testkit::conformance!(phlo_source_tpch);

#[tokio::test]
async fn the_source_keeps_the_promises_of_its_kind() {
    for table in Table::ALL {
        let case = Case::new("tpch", &format!("table: {}\nscale: 0.001", table.as_str()))
            .refuses("table: lineitems", "table")
            .refuses("table: orders\nscale: 0", "scale")
            .refuses("table: orders\nscale: 100001", "scale");
        suite(case).await;
    }
}

#[test]
fn a_misspelt_table_is_told_with_the_nearest() {
    let node = phlo_spec::Node::parse("table: lineitems", "asset.yaml", 1).expect("the text is YAML");
    let Err(err) = node.read::<phlo_source_tpch::TpchConfig>() else { panic!("it is a table") };
    assert!(err.hints.iter().any(|hint| hint.contains("`lineitem`")), "{err:?}");
}
