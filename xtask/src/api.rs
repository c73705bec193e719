//! `cargo xtask api`: the interface that plugins are built against, pinned in a file, and the foreign types that it may show.
//!
//! The interface is what rustdoc says it is. Its JSON is unstable: `public-api` reads the format of one release of Rust, and is only
//! linked under the feature `api`, so that nothing else waits for it.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use toml::Table;

use crate::process::{cargo, line, run as finish, target_dir};

const PACKAGE: &str = "phlo-plugin";
/// The interface, one item a line. Written by this command.
const PINNED: &str = "phlo-core/plugin/public-api.txt";
/// The foreign types, by crate. Written by people.
const TYPES: &str = "phlo-core/plugin/public-types.toml";
/// Crates whose types are everybody's.
const STANDARD: [&str; 3] = ["alloc", "core", "std"];

/// The options of `cargo xtask api`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write nothing; fail if the interface is another than the pinned one
    #[arg(long)]
    check: bool,
}

/// Writes the interface, or compares it; either way, looks at the foreign types.
pub(crate) fn run(root: &Path, args: &Args) -> Result<()> {
    if !cfg!(feature = "api") {
        let mut again = cargo(root, &["run", "-q", "--locked", "-p", "xtask", "--features", "api", "--", "api"]);
        return finish(again.args(args.check.then_some("--check")));
    }
    // Apart from what else is built: build scripts look at RUSTC_BOOTSTRAP and would run again each time.
    let folder = target_dir(root)?.join("api");
    let mut rustdoc = cargo(root, &["rustdoc", "--quiet", "--locked", "--package", PACKAGE, "--lib", "--all-features"]);
    rustdoc.arg("--target-dir").arg(&folder).env("RUSTC_BOOTSTRAP", "1");
    finish(rustdoc.args(["--", "-Zunstable-options", "--output-format=json", "--cap-lints=allow"]))
        .with_context(|| format!("`{}` wrote no JSON", line(&rustdoc)))?;
    let text = items(&folder.join("doc").join(format!("{}.json", PACKAGE.replace('-', "_"))))?;

    let permitted = std::fs::read_to_string(root.join(TYPES)).with_context(|| format!("cannot read {TYPES}"))?;
    let mut problems = types(&text, &permitted)?;
    let pinned = std::fs::read_to_string(root.join(PINNED)).unwrap_or_default();
    if args.check {
        problems.extend(difference(&pinned, &text));
    } else if pinned != text {
        std::fs::write(root.join(PINNED), &text).with_context(|| format!("cannot write {PINNED}"))?;
        println!("wrote {PINNED}");
    }
    if problems.is_empty() {
        return Ok(());
    }
    for problem in &problems {
        println!("{problem}");
    }
    bail!(
        "the interface of {PACKAGE} is another. If that is meant, `cargo xtask api` writes {PINNED}; a foreign type is added to \
         {TYPES} by hand, because plugins then depend on its crate's version"
    )
}

#[cfg(feature = "api")]
fn items(json: &Path) -> Result<String> {
    let api = public_api::Builder::from_rustdoc_json(json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .context(
            "this Rust writes another format than `public-api` reads: take the version of it that fits, in Cargo.toml",
        )?;
    Ok(api.items().map(|item| format!("{item}\n")).collect())
}

#[cfg(not(feature = "api"))]
fn items(_: &Path) -> Result<String> {
    bail!("built without the feature `api`")
}

/// The lines that are only in one of the two.
fn difference(pinned: &str, now: &str) -> Vec<String> {
    let (pinned, now): (BTreeSet<_>, BTreeSet<_>) = (pinned.lines().collect(), now.lines().collect());
    let gone = pinned.difference(&now).map(|line| format!("- {line}"));
    gone.chain(now.difference(&pinned).map(|line| format!("+ {line}"))).collect()
}

/// Foreign types that are not permitted, and permitted ones that are not there.
fn types(text: &str, permitted: &str) -> Result<Vec<String>> {
    let table: Table = permitted.parse().with_context(|| format!("{TYPES} is not TOML"))?;
    let mut allowed = BTreeSet::new();
    for (krate, types) in &table {
        let types = types.as_array().with_context(|| format!("{TYPES}: {krate} is no list"))?;
        for name in types {
            let name = name.as_str().with_context(|| format!("{TYPES}: {krate} lists something else than names"))?;
            ensure!(allowed.insert(format!("{krate}::{name}")), "{TYPES} lists {krate}::{name} twice");
        }
    }
    let own = PACKAGE.replace('-', "_");
    let shown: BTreeSet<String> = text
        .lines()
        .flat_map(foreign)
        .filter(|path| !path.starts_with(&format!("{own}::")))
        .map(str::to_owned)
        .collect();
    let unknown = shown.difference(&allowed).map(|path| format!("! shows the foreign type {path}"));
    let unused = allowed.difference(&shown).map(|path| format!("! no longer shows {path}"));
    Ok(unknown.chain(unused).collect())
}

/// The paths of a line that begin with a crate which is not the standard library's.
fn foreign(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).filter_map(|word| {
        let word = word.trim_end_matches(':');
        let (krate, _) = word.split_once("::")?;
        // `Self::Item` and `<T as Trait>::Item` begin with a type or with nothing.
        let is_crate = krate.starts_with(|c: char| c.is_ascii_lowercase());
        (is_crate && !STANDARD.contains(&krate)).then_some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
pub fn phlo_plugin::Source::read(&self, arrow_schema::schema::SchemaRef) -> alloc::vec::Vec<chrono::datetime::DateTime<Self::Zone>>
pub phlo_plugin::Error::code: phlo_spec::code::Code
impl<T> core::convert::From<T> for phlo_plugin::Error where <T as url::Host>::Kind: core::marker::Send
";

    #[test]
    fn a_foreign_type_that_nobody_permitted_and_one_that_left_are_told() {
        let all =
            "arrow_schema = [\"schema::SchemaRef\"]\nchrono = [\"datetime::DateTime\"]\nphlo_spec = [\"code::Code\"]\n";
        assert_eq!(types(TEXT, &format!("{all}url = [\"Host\"]\n")).unwrap(), Vec::<String>::new());
        assert_eq!(types(TEXT, all).unwrap(), ["! shows the foreign type url::Host"]);
        let more = format!("{all}url = [\"Host\", \"Url\"]\n");
        assert_eq!(types(TEXT, &more).unwrap(), ["! no longer shows url::Url"]);
        assert!(types(TEXT, "url = [\"Host\", \"Host\"]\n").is_err());
    }

    #[test]
    fn what_came_and_what_went_is_told_line_by_line() {
        assert_eq!(difference("a\nb\n", "b\na\n"), Vec::<String>::new());
        assert_eq!(difference("a\nb\n", "b\nc\n"), ["- a", "+ c"]);
    }
}
