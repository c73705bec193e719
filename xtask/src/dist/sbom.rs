//! The software bill of materials: CycloneDX 1.5 as JSON, of exactly what is linked.

use serde_json::{Value, json};

use super::linked::{Facts, Id, Linked};

/// What a static binary holds beside packages of cargo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Runtime {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    /// An SPDX expression.
    pub(crate) license: &'static str,
    pub(crate) website: &'static str,
}

/// What is said of the binary itself.
pub(crate) struct Binary<'a> {
    /// SHA-256 in hexadecimal; absent if the binary was not built.
    pub(crate) sha256: Option<&'a str>,
    pub(crate) target: &'a str,
    /// The plugins' packages and other features that were chosen.
    pub(crate) features: &'a str,
    pub(crate) commit: &'a str,
    /// When the commit was made, RFC 3339: the same commit gives the same document.
    pub(crate) timestamp: &'a str,
    pub(crate) rustc: &'a str,
}

/// The document.
pub(crate) fn document(linked: &Linked, runtimes: &[Runtime], binary: &Binary<'_>) -> Value {
    let root = &linked.graph.root;
    let mut root_component = component(root, &linked.facts[root]);
    root_component["type"] = json!("application");
    root_component["name"] = json!("phlo");
    if let Some(sha256) = binary.sha256 {
        root_component["hashes"] = json!([{ "alg": "SHA-256", "content": sha256 }]);
    }
    let facts =
        [("target", binary.target), ("features", binary.features), ("commit", binary.commit), ("rustc", binary.rustc)];
    root_component["properties"] =
        facts.iter().map(|(name, value)| json!({ "name": format!("phlo:{name}"), "value": value })).collect();

    let packages = linked.facts.iter().filter(|(id, _)| *id != root).map(|(id, facts)| component(id, facts));
    let components: Vec<Value> = packages.chain(runtimes.iter().map(runtime)).collect();
    let mut dependencies: Vec<Value> = Vec::new();
    for (id, needs) in &linked.graph.needs {
        let mut on: Vec<String> = needs.iter().map(purl).collect();
        if id == root {
            on.extend(runtimes.iter().map(runtime_purl));
        }
        dependencies.push(json!({ "ref": purl(id), "dependsOn": on }));
    }
    dependencies.extend(runtimes.iter().map(|it| json!({ "ref": runtime_purl(it), "dependsOn": [] })));
    let mut document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": binary.timestamp,
            "tools": { "components": [{ "type": "application", "name": "cargo xtask dist", "version": root.1 }] },
            "component": root_component,
        },
        "components": components,
        "dependencies": dependencies,
    });
    if let Some(serial) = binary.sha256.and_then(serial) {
        document["serialNumber"] = json!(serial);
    }
    document
}

/// A serial number that is the binary's: a random one would make every build another document.
fn serial(sha256: &str) -> Option<String> {
    let part = |from, to| sha256.get(from..to);
    Some(format!("urn:uuid:{}-{}-8{}-8{}-{}", part(0, 8)?, part(8, 12)?, part(13, 16)?, part(17, 20)?, part(20, 32)?))
}

fn purl(id: &Id) -> String {
    // `+` starts build metadata, and is one of the characters that a package URL encodes.
    format!("pkg:cargo/{}@{}", id.0, id.1.replace('+', "%2B"))
}

fn runtime_purl(it: &Runtime) -> String {
    format!("pkg:generic/{}@{}", it.name, it.version)
}

fn component(id: &Id, facts: &Facts) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": purl(id),
        "name": id.0,
        "version": id.1,
        "scope": "required",
        "purl": purl(id),
    });
    if let Some(description) = &facts.description {
        component["description"] = json!(description.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    if !facts.authors.is_empty() {
        component["author"] = json!(facts.authors.join(", "));
    }
    let license = match (&facts.license, &facts.license_file) {
        (Some(expression), _) => Some(json!({ "expression": spdx(expression) })),
        (None, Some(file)) => Some(json!({ "license": { "name": format!("see {file} of the package") } })),
        (None, None) => None,
    };
    if let Some(license) = license {
        component["licenses"] = json!([license]);
    }
    if let Some(checksum) = &facts.checksum {
        component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
    }
    let links: Vec<Value> = [("vcs", &facts.repository), ("website", &facts.homepage)]
        .into_iter()
        .filter_map(|(kind, url)| Some(json!({ "type": kind, "url": url.as_ref()?.trim() })))
        .collect();
    if !links.is_empty() {
        component["externalReferences"] = json!(links);
    }
    component
}

fn runtime(it: &Runtime) -> Value {
    json!({
        "type": "library",
        "bom-ref": runtime_purl(it),
        "name": it.name,
        "version": it.version,
        "scope": "required",
        "purl": runtime_purl(it),
        "licenses": [{ "expression": it.license }],
        "externalReferences": [{ "type": "website", "url": it.website }],
    })
}

/// The SPDX expression: older manifests write `/` where SPDX says `OR`.
pub(crate) fn spdx(expression: &str) -> String {
    expression.split('/').map(str::trim).collect::<Vec<_>>().join(" OR ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use super::*;
    use crate::dist::linked::Graph;
    use crate::{process, repo};

    const SHA: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn binary(sha256: Option<&'static str>) -> Binary<'static> {
        Binary {
            sha256,
            target: "x86_64-unknown-linux-gnu",
            features: "source-rest",
            commit: "c0ffee",
            timestamp: "2026-01-02T03:04:05Z",
            rustc: "rustc 1.95.0",
        }
    }

    fn glibc() -> Runtime {
        Runtime {
            name: "glibc",
            version: "2.36".to_owned(),
            license: "LGPL-2.1-or-later",
            website: "https://example.org/",
        }
    }

    fn small() -> Linked {
        let graph = Graph::parse("0\tphlo-cli v0.1.0\n1\tlz4 v1.0.0+lz4.1.9\n1\tserde v1.0.2\n2\tlz4 v1.0.0+lz4.1.9\n")
            .unwrap();
        let facts = graph.needs.keys().map(|id| {
            let ours = id.0 == "phlo-cli";
            let checksum = (!ours).then(|| SHA.to_owned());
            (id.clone(), Facts { license: Some("MIT/Apache-2.0".to_owned()), ours, checksum, ..Facts::default() })
        });
        Linked { facts: facts.collect(), graph }
    }

    #[test]
    fn the_document_has_every_linked_package_once_with_its_hash_licence_and_needs() {
        let document = document(&small(), &[glibc()], &binary(Some(SHA)));
        let refs: Vec<_> =
            document["components"].as_array().unwrap().iter().map(|it| it["bom-ref"].as_str().unwrap()).collect();
        assert_eq!(refs, ["pkg:cargo/lz4@1.0.0%2Blz4.1.9", "pkg:cargo/serde@1.0.2", "pkg:generic/glibc@2.36"]);
        assert_eq!(document["components"][1]["hashes"][0]["content"], SHA);
        assert_eq!(document["components"][1]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(document["metadata"]["component"]["hashes"][0]["content"], SHA);
        assert_eq!(document["serialNumber"], "urn:uuid:01234567-89ab-8def-8123-456789abcdef");
        assert_eq!(
            document["dependencies"],
            json!([
                { "ref": "pkg:cargo/lz4@1.0.0%2Blz4.1.9", "dependsOn": [] },
                { "ref": "pkg:cargo/phlo-cli@0.1.0",
                  "dependsOn": ["pkg:cargo/lz4@1.0.0%2Blz4.1.9", "pkg:cargo/serde@1.0.2", "pkg:generic/glibc@2.36"] },
                { "ref": "pkg:cargo/serde@1.0.2", "dependsOn": ["pkg:cargo/lz4@1.0.0%2Blz4.1.9"] },
                { "ref": "pkg:generic/glibc@2.36", "dependsOn": [] },
            ])
        );
    }

    /// A Python with a validator of the format, or why not. Under `CI` there is no why not.
    fn validator(root: &Path) -> Option<PathBuf> {
        let venv = process::target_dir(root).unwrap().join("cyclonedx-venv");
        let python = venv.join("bin/python");
        let works = || process::succeeds(Command::new(&python).args(["-c", "import cyclonedx, jsonschema"]));
        if !works() {
            let _ = process::succeeds(Command::new("python3").args(["-m", "venv"]).arg(&venv))
                && process::succeeds(Command::new(&python).args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "cyclonedx-python-lib[json-validation]",
                ]));
        }
        let works = works();
        assert!(works || process::variable("CI").is_none(), "cyclonedx-python-lib from PyPI could not be installed");
        works.then_some(python)
    }

    #[test]
    fn the_bill_of_this_repository_is_valid_and_its_references_resolve() {
        let root = repo::root().unwrap();
        let linked = Linked::read(&root, &[], crate::dist::TARGET).unwrap();
        let document = document(&linked, &[glibc()], &binary(None));
        let refs: BTreeSet<_> =
            document["components"].as_array().unwrap().iter().map(|it| it["bom-ref"].as_str().unwrap()).collect();
        assert!(refs.contains("pkg:cargo/phlo-table-delta@0.1.0"), "{refs:?}");
        for macros in ["syn", "serde_derive", "cc", "xtask", "phlo-testkit", "insta"] {
            assert!(!refs.iter().any(|it| it.contains(&format!("/{macros}@"))), "{macros} is not linked");
        }
        for dependency in document["dependencies"].as_array().unwrap() {
            for on in dependency["dependsOn"].as_array().unwrap() {
                assert!(refs.contains(on.as_str().unwrap()), "{on}");
            }
        }
        let Some(python) = validator(&root) else {
            println!("not validated: no python3, or PyPI cannot be reached");
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let script = "import sys, json\n\
                      from cyclonedx.schema import SchemaVersion\n\
                      from cyclonedx.validation.json import JsonStrictValidator\n\
                      error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(open(sys.argv[1]).read())\n\
                      sys.exit(str(error) if error else 0)\n";
        let mut broken = document.clone();
        broken["components"][0]["type"] = json!("nonsense");
        for (document, valid) in [(&document, true), (&broken, false)] {
            let path = folder.path().join("sbom.json");
            std::fs::write(&path, document.to_string()).unwrap();
            let output = Command::new(&python).args(["-c", script]).arg(&path).output().unwrap();
            assert_eq!(output.status.success(), valid, "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
