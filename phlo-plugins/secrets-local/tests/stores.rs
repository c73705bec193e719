//! Both stores over real files and variables.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use phlo_plugin::Variables;
use phlo_plugin::prelude::*;
use phlo_plugin::resource::SecretStore;
use phlo_secrets_local::{EnvSecrets, EnvSettings, FileSecrets, FileSettings};

fn write(path: &Path, text: &[u8], mode: u32) {
    std::fs::write(path, text).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    #[cfg(not(unix))]
    let _ = mode;
}

fn files(root: &Path, settings: FileSettings, variables: Variables) -> FileSecrets {
    FileSecrets::create(settings, &InitContext { variables, ..InitContext::at(root) }).unwrap()
}

fn told(store: &dyn SecretStore, name: &str) -> Option<String> {
    store.secret(name).unwrap().map(|secret| secret.expose().to_owned())
}

#[test]
fn a_file_is_a_secret_without_its_last_line_break() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("secrets");
    std::fs::create_dir(&folder).unwrap();
    for (text, want) in [
        ("p w", "p w"),
        ("p w\n", "p w"),
        ("p w\r\n", "p w"),
        ("a\nb\n\n", "a\nb\n"),
        (" x ", " x "),
        ("", ""),
        ("\n", ""),
    ] {
        write(&folder.join("db-1.key"), text.as_bytes(), 0o600);
        let store =
            files(dir.path(), FileSettings { folder: Some("secrets".into()), shared: false }, Variables::default());
        assert_eq!(told(&store, "db-1.key").as_deref(), Some(want), "{text:?}");
        assert_eq!(told(&store, "other"), None);
    }
}

#[test]
fn the_folder_of_systemd_is_the_one_unless_another_is_set() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("db"), b"from systemd", 0o400);
    let of_systemd = dir.path().display().to_string();
    let variables =
        Variables::of(move |name| (name == "CREDENTIALS_DIRECTORY").then(|| Secret::new(of_systemd.clone())));
    let store = files(Path::new("/elsewhere"), FileSettings::default(), variables);
    assert_eq!(told(&store, "db").as_deref(), Some("from systemd"));
    let none = files(Path::new("/elsewhere"), FileSettings::default(), Variables::default());
    assert_eq!(none.looks_in("db").unwrap(), "the file /run/secrets/db");
}

#[test]
fn what_is_no_secret_is_refused_without_being_told() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("binary"), b"hunter\xff22", 0o600);
    write(&dir.path().join("large"), &vec![b'x'; (1 << 20) + 1], 0o600);
    std::fs::create_dir(dir.path().join("folder")).unwrap();
    let settings = FileSettings { folder: Some(dir.path().to_owned()), shared: false };
    let store = files(dir.path(), settings, Variables::default());
    for (name, code, message) in [
        ("../x", Code::InvalidValue, "`../x` cannot be the name of a secret here"),
        ("a/b", Code::InvalidValue, "`a/b` cannot be the name of a secret here"),
        ("..", Code::InvalidValue, "`..` cannot be the name of a secret here"),
        ("", Code::InvalidValue, "`` cannot be the name of a secret here"),
        ("folder", Code::UnreadableFile, "the secret `folder` is not a file of up to 1 MiB"),
        ("large", Code::UnreadableFile, "the secret `large` is not a file of up to 1 MiB"),
        ("binary", Code::UnreadableFile, "the secret `binary` is not UTF-8"),
    ] {
        let err = store.secret(name).unwrap_err();
        assert_eq!((err.code(), err.message()), (code, message));
        assert!(!err.hints().is_empty() && !format!("{err:?}").contains("hunter"), "{err:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_others_may_read_is_refused_unless_that_is_meant() {
    let dir = tempfile::tempdir().unwrap();
    let store = |shared| {
        let settings = FileSettings { folder: Some(dir.path().to_owned()), shared };
        files(dir.path(), settings, Variables::default())
    };
    for (mode, open) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true), (0o444, true)] {
        let path = dir.path().join(format!("m{mode:o}"));
        write(&path, b"x", mode);
        let name = path.file_name().unwrap().to_str().unwrap();
        match store(false).secret(name) {
            Ok(_) => assert!(!open, "{mode:o}"),
            Err(err) => assert!(open && format!("{err:?}").contains(&format!("mode: {mode:04o}")), "{mode:o}: {err:?}"),
        }
        assert_eq!(told(&store(true), name).as_deref(), Some("x"), "{mode:o}");
    }
    // As Kubernetes does it: a link to a link's folder. The file's mode counts.
    std::os::unix::fs::symlink(dir.path().join("m444"), dir.path().join("link")).unwrap();
    assert!(store(false).secret("link").is_err());
}

#[test]
fn a_variable_with_the_prefix_is_a_secret() {
    let variables = Variables::of(|name| (name == "APP_TOKEN").then(|| Secret::new("t")));
    let store = |prefix: &str| {
        let context = InitContext { variables: variables.clone(), ..InitContext::at("/nowhere") };
        EnvSecrets::create(EnvSettings { prefix: prefix.to_owned() }, &context).unwrap()
    };
    assert_eq!(told(&store("APP_"), "TOKEN").as_deref(), Some("t"));
    assert_eq!(told(&store(""), "APP_TOKEN").as_deref(), Some("t"));
    assert_eq!(told(&store(""), "TOKEN"), None);
    assert!(store("APP_").secret("a/b").is_err());
    assert_eq!(store("APP_").looks_in("X").unwrap(), "the variable APP_X");
}
