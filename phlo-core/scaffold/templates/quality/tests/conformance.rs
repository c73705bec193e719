//! Every promise that a plugin makes, every one that a check makes, executed, and what this check's parameters become.

use phlo_plugin::prelude::*;
use {{library}}::check;
use phlo_testkit::checks::{Case, suite};
use phlo_testkit::fixture::{batch, key, schema};

phlo_testkit::conformance!({{library}});

#[tokio::test]
async fn the_check_keeps_the_promises_of_its_kind() {
    let rows = |rows: &[&str]| batch("city:string", rows);
    let (good, bad) = (rows(&["Kyoto", "New York", "-"]), rows(&[" Kyoto", "Kyoto ", "Kyoto\n"]));
    suite(Case::new("{{plugin}}", "columns: [city]", good, bad)).await;
}

fn plan(columns: &[&str]) -> Result<CheckPlan> {
    let schema = schema("city:string size:int64 we\"ird:string");
    let target = CheckTarget { asset: key("bronze.cities"), schema: Some(schema) };
    let params = check::Params { columns: columns.iter().map(|it| (*it).to_owned()).collect() };
    check::{{Type}}Check.check(params, &target)
}

#[test]
fn a_row_is_good_if_every_text_is() {
    let plan = plan(&["city", "we\"ird"]).unwrap();
    assert_eq!(plan.name, "{{plugin}}(city, we\"ird)");
    let Evaluation::Rows { predicate } = plan.evaluation else { panic!("another evaluation") };
    assert_eq!(predicate, r#"NOT regexp_like("city", '^\s|\s$') AND NOT regexp_like("we""ird", '^\s|\s$')"#);
}

#[test]
fn parameters_that_cannot_be_meant_are_refused_by_their_names() {
    for (columns, message) in [
        (&[][..], "`columns` is empty"),
        (&["city", "city"], "`columns` names `city` twice"),
        (&["size"], "`columns` names `size`, whose type int64 is not text"),
    ] {
        let err = plan(columns).unwrap_err();
        assert_eq!((err.code(), err.message(), err.hints().len()), (Code::InvalidValue, message, 1));
    }
}
