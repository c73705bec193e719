//! The owner's journey, walked as a test: two choices of plugins become two distributions, each is what it says it is, and each works on
//! what it was built for and says what it lacks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::{again, line, run as finish, stdout};

/// What runs a project of files.
const FEW: [&str; 5] = ["engine-datafusion", "hook-history", "orchestrator-native", "source-files", "table-delta"];
/// What another owner adds.
const MORE: [&str; 2] = ["quality-core", "source-rest"];

const ASSET: &str = "source: { plugin: files, path: in.csv }\n";
const CHECKS: &str = "checks: [{ not_null: [id] }]\n";

/// Builds both, in the profile for development, and tries each.
pub(crate) fn walk(root: &Path) -> Result<()> {
    let temp = std::env::temp_dir().join(format!("phlo-owner-{}", std::process::id()));
    let walked = [FEW.to_vec(), [FEW.as_slice(), &MORE].concat()].iter().try_for_each(|features| {
        println!("--- {}", features.join(","));
        Distribution::make(root, &temp, features)?.try_out()
    });
    if temp.exists() {
        std::fs::remove_dir_all(&temp).with_context(|| format!("cannot remove {}", temp.display()))?;
    }
    walked
}

/// One choice, built.
struct Distribution {
    folder: PathBuf,
    project: PathBuf,
    features: BTreeSet<String>,
}

impl Distribution {
    fn make(root: &Path, temp: &Path, features: &[&str]) -> Result<Self> {
        let folder = temp.join(format!("{}-plugins", features.len()));
        let project = folder.join("project");
        std::fs::create_dir_all(project.join("assets/raw"))?;
        let mut dist = again();
        dist.args(["dist", "--debug", "--no-default-features", "--features", &features.join(",")]);
        finish(dist.arg("--out").arg(&folder).current_dir(root))?;
        Ok(Self { folder, project, features: features.iter().map(|feature| (*feature).to_owned()).collect() })
    }

    /// Everything that an owner is promised of it.
    fn try_out(&self) -> Result<()> {
        stdout(Command::new("sha256sum").args(["--check", "--strict", "phlo.sha256"]).current_dir(&self.folder))?;
        self.tells_its_plugins()?;
        self.has_what_lies_beside()?;
        self.makes_what_runs()?;
        self.runs()
    }

    fn phlo(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.folder.join("phlo"));
        command.args(args).current_dir(&self.project).env_clear().env("HOME", &self.project).env("NO_COLOR", "1");
        command
    }

    fn json(&self, args: &[&str]) -> Result<Value> {
        let mut command = self.phlo(args);
        let text = stdout(&mut command)?;
        serde_json::from_str(&text).with_context(|| format!("`{}` printed no JSON", line(&command)))
    }

    /// The binary, the bill and the sizes name just the plugins that were chosen.
    fn tells_its_plugins(&self) -> Result<()> {
        let of = |value: &Value, list: &str, key: &str| -> BTreeSet<String> {
            let items = value[list].as_array().into_iter().flatten();
            items.filter_map(|item| item[key].as_str().map(str::to_owned)).collect()
        };
        let list = self.json(&["plugin", "list", "--json", "--available"])?;
        let linked = of(&list, "plugins", "feature");
        ensure!(linked == self.features, "the binary says that it has {linked:?}, and {:?} were chosen", self.features);
        let unknown = list["plugins"].as_array().into_iter().flatten().any(|plugin| !plugin["commit"].is_string());
        ensure!(
            list["commit"].is_string() && !unknown,
            "the binary does not say which commit it was built from: {list}"
        );
        let available = of(&list, "available", "feature");
        ensure!(!available.is_empty() && available.is_disjoint(&linked), "linked or not? {available:?}");

        let bill: Value = serde_json::from_str(&self.text("phlo.cdx.json")?)?;
        let (billed, sizes) = (of(&bill, "components", "name"), self.text("size-report.txt")?);
        for feature in linked.union(&available) {
            let (package, is_linked) = (format!("phlo-{feature}"), linked.contains(feature));
            let listed = sizes.lines().any(|line| line.split_whitespace().any(|word| word == package));
            ensure!(
                billed.contains(&package) == is_linked && listed == is_linked,
                "{package}: linked {is_linked}, in the bill {}, in the sizes {listed}",
                billed.contains(&package)
            );
        }
        Ok(())
    }

    fn has_what_lies_beside(&self) -> Result<()> {
        for name in [
            "LICENCES.txt",
            "completions/phlo.bash",
            "completions/_phlo",
            "completions/phlo.fish",
            "man/phlo.1",
            "systemd/phlo@.service",
            "systemd/phlo@.timer",
        ] {
            ensure!(!self.text(name)?.is_empty(), "{name} is empty");
        }
        Ok(())
    }

    fn text(&self, name: &str) -> Result<String> {
        let path = self.folder.join(name);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// The project that it makes runs, or it says that it does not.
    fn makes_what_runs(&self) -> Result<()> {
        let made = self.json(&["init", "made", "--json"])?;
        let refused = made["problems"].as_array().is_some_and(|problems| !problems.is_empty());
        let run = self.phlo(&["run", "--project", "made"]).output()?;
        ensure!(run.status.success() != refused, "`phlo init` says {made}, and its project ends with {}", run.status);
        Ok(())
    }

    /// A project runs with it, or is refused for want of a feature that is named.
    fn runs(&self) -> Result<()> {
        let write = |name: &str, text: &str| std::fs::write(self.project.join(name), text);
        write("phlo.yaml", "name: owned\n")?;
        write("in.csv", "id\n1\n2\n")?;
        write("assets/raw/x.yaml", ASSET)?;
        finish(&mut self.phlo(&["run"]))?;
        let count = self.json(&["sql", "select count(*) as n from raw.x", "--format", "json"])?;
        ensure!(count[0]["n"] == 2, "the table has other rows than the file: {count}");
        ensure!(self.phlo(&["plugin", "check", "--quiet"]).output()?.status.success(), "a plugin is not healthy");

        write("assets/raw/x.yaml", &format!("{ASSET}{CHECKS}"))?;
        if self.features.contains("quality-core") {
            return finish(&mut self.phlo(&["run"]));
        }
        let refused = self.phlo(&["run"]).output()?;
        let told = String::from_utf8_lossy(&refused.stderr);
        ensure!(
            refused.status.code() == Some(2) && told.contains("phlo-bundle/quality-core"),
            "a check that is not linked ({}): {told}",
            refused.status
        );
        Ok(())
    }
}
