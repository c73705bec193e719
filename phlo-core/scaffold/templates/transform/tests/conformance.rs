//! Every promise that a plugin makes, those of transforms, and the query that this one plans.

use phlo_plugin::prelude::*;
use phlo_testkit::fixture::{batch, schema};
use phlo_testkit::transform::suite;
use {{library}}::transform;

phlo_testkit::conformance!({{library}});

#[test]
fn the_transform_keeps_the_promises_of_its_kind() {
    let input = batch("id:int64 city:string", &["1| Kyoto", "2|-", "3|Oslo\t"]);
    for params in ["[city]", "{}", "empty_as_null: true"] {
        suite("{{plugin}}", params, &input);
    }
}

fn sql(columns: Option<&[&str]>, empty_as_null: bool) -> Result<String> {
    let columns = columns.map(|columns| columns.iter().map(|it| (*it).to_owned()).collect());
    let input = schema("id:int64 a:string we\"ird:string");
    let params = transform::Params { columns, empty_as_null };
    let plan = transform::{{Type}}Transform.plan(params, &input)?;
    let TransformPlan::Sql(sql) = plan else { panic!("another plan") };
    Ok(sql)
}

#[test]
fn only_the_texts_that_are_meant_change() {
    let trimmed = |column: &str| format!(r"regexp_replace({column}, '^\s+|\s+$', '', 'g')");
    let (a, weird) = (trimmed(r#""a""#), trimmed(r#""we""ird""#));
    for (columns, empty_as_null, want) in [
        (None, false, format!(r#"SELECT "id", {a} AS "a", {weird} AS "we""ird" FROM input"#)),
        (Some(&["a"][..]), false, format!(r#"SELECT "id", {a} AS "a", "we""ird" FROM input"#)),
        (Some(&["a"]), true, format!(r#"SELECT "id", nullif({a}, '') AS "a", "we""ird" FROM input"#)),
    ] {
        assert_eq!(sql(columns, empty_as_null).unwrap(), want);
    }
}

#[test]
fn columns_that_cannot_be_meant_are_refused_with_a_next_step() {
    for (columns, code, message) in [
        (&[][..], Code::InvalidValue, "`columns` is empty"),
        (&["aa"], Code::UnknownColumn, "there is no column `aa`"),
        (&["id"], Code::InvalidValue, "`columns` names `id`, whose type int64 is not text"),
    ] {
        let err = sql(Some(columns), false).unwrap_err();
        assert_eq!((err.code(), err.message(), err.hints().len()), (code, message, 1));
    }
}
