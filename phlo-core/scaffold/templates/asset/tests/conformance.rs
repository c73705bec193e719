//! Every promise that a plugin makes, and the asset that the settings make.

use {{library}}::assets;
use phlo_plugin::prelude::*;
use phlo_spec::AssetBody;

phlo_testkit::conformance!({{library}});

fn create(from: &str, to: &str) -> Result<assets::{{Type}}Assets> {
    let settings = assets::Settings { from: from.to_owned(), to: to.to_owned(), ..assets::Settings::default() };
    assets::{{Type}}Assets::create(settings, &InitContext::at("/nowhere"))
}

#[test]
fn the_settings_bound_the_query() {
    let asset = create("2024-02-01", "2024-02-29").unwrap().assets().unwrap().remove(0);
    assert_eq!(asset.key.as_str(), "shared.calendar");
    let AssetBody::Sql(sql) = asset.body else { panic!("another body") };
    assert!(sql.text.contains("generate_series(date '2024-02-01', date '2024-02-29', interval '1 day')"));
}

#[test]
fn days_that_cannot_be_meant_are_refused_by_their_names() {
    for (from, to, message) in [
        ("2024-02-30", "2024-03-01", "`from` is `2024-02-30`, which is no date"),
        ("2024-02-01", "'; drop", "`to` is `'; drop`, which is no date"),
        ("2024-02-02", "2024-02-01", "`to` is 2024-02-01, before `from`, which is 2024-02-02"),
    ] {
        let err = create(from, to).unwrap_err();
        assert_eq!((err.code(), err.message(), err.hints().len()), (Code::InvalidValue, message, 1));
    }
}
