//! Every promise that a plugin makes, and those of a store of secrets, tried on a folder.

use std::sync::Arc;

use phlo_plugin::prelude::*;
use phlo_plugin::resource::SecretStore;
use {{library}}::resource;
use phlo_testkit::fixture::Project;

phlo_testkit::conformance!({{library}});

fn store(context: &InitContext) -> Arc<dyn SecretStore> {
    let resource = resource::{{Type}}Resource::create(resource::Settings::default(), context);
    let providers = resource.and_then(|resource| resource.providers()).unwrap_or_else(|err| panic!("{err:?}"));
    providers[0].get::<dyn SecretStore>().unwrap_or_else(|| panic!("no secret store"))
}

#[test]
fn a_secret_is_its_file_without_the_last_line_end_and_is_masked_from_then_on() {
    let project = Project::new().file("secrets/db_password", "hunter22\r\n").file("secrets/key.pem", "a\nb\n\n");
    let context = project.context();
    let store = store(&context);
    let value = |name: &str| store.secret(name).unwrap().map(|secret| secret.expose().to_owned());
    assert_eq!(value("db_password").as_deref(), Some("hunter22"));
    assert_eq!(value("key.pem").as_deref(), Some("a\nb\n"));
    assert_eq!(value("other"), None);
    assert_eq!(context.redactor.clean("it is hunter22"), "it is ***");
}

#[test]
fn no_name_leads_out_of_the_folder_and_no_error_tells_a_secret() {
    let project = Project::new().file("phlo.yaml", "name: x\n").file("secrets/raw", b"hunter22\xff");
    let project = project.file("secrets/large", vec![b'x'; (64 << 10) + 1]);
    let store = store(&project.context());
    for name in ["../phlo.yaml", "", ".", "..", "a/b", "/etc/hostname", ".hidden"] {
        assert_eq!(store.secret(name).unwrap_err().code(), Code::InvalidValue, "{name}");
    }
    for name in ["raw", "large"] {
        let err = store.secret(name).unwrap_err();
        assert!(err.code() == Code::UnreadableFile && !err.chain().concat().contains("hunter22"), "{err:?}");
    }
}
