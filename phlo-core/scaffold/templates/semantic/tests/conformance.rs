//! Every promise that a plugin makes, and what the settings become.

use std::collections::BTreeMap;

use phlo_plugin::prelude::*;
use {{library}}::models;

phlo_testkit::conformance!({{library}});

fn create(name: &str, sql: &str) -> Result<models::{{Type}}Models> {
    let model = models::Model { sql: sql.to_owned(), description: None, metadata: BTreeMap::new() };
    let settings = models::Settings { models: BTreeMap::from([(name.to_owned(), model)]) };
    models::{{Type}}Models::create(settings, &InitContext::at("/nowhere"))
}

#[test]
fn a_model_is_found_by_the_name_that_the_settings_give_it() {
    let layer = create("revenue_daily", " select 1 as x;\n").unwrap();
    let model = layer.model("revenue_daily").unwrap().unwrap();
    assert_eq!(model.sql.as_deref(), Some("select 1 as x"));
    assert_eq!(layer.model("revenue").unwrap(), None);
}

#[test]
fn models_that_cannot_be_meant_are_refused_by_their_names() {
    for (name, sql, message) in [
        ("Revenue", "select 1", "`models` has the name `Revenue`"),
        ("a", "", "`models.a.sql` is not one query"),
        ("a", "drop table x", "`models.a.sql` is not one query"),
        ("a", "select 1; drop table x", "`models.a.sql` is not one query"),
    ] {
        let err = create(name, sql).unwrap_err();
        assert_eq!((err.code(), err.message(), err.hints().len()), (Code::InvalidValue, message, 1));
    }
}
