//! What failed when it ran last: a file of the state folder, so that a later run can tell that it no longer does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use phlo_plugin::prelude::*;
use phlo_spec::AssetStatus;
use serde::{Deserialize, Serialize};

use crate::story::Story;

/// The file.
pub(crate) struct Memory(PathBuf);

/// What failed.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Failing {
    assets: BTreeSet<AssetKey>,
    checks: BTreeMap<AssetKey, BTreeSet<String>>,
}

/// What no longer fails.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Recovered {
    pub(crate) assets: Vec<AssetKey>,
    pub(crate) checks: Vec<(AssetKey, String)>,
}

impl Memory {
    pub(crate) fn new(dir: &Path) -> Self {
        Self(dir.join("failing.json"))
    }

    /// What a run mended, and whatever it broke, remembered for the next. `warnings`: checks that only warn count too.
    ///
    /// # Errors
    /// If the file cannot be written; what it says then is that of the last run.
    pub(crate) fn compare(&self, story: &Story, warnings: bool) -> (Recovered, Result<()>) {
        // A file that is damaged is as good as none: what fails is remembered anew.
        let before: Failing =
            fs::read(&self.0).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        let (now, recovered) = before.after(story, warnings);
        let written = if now == before { Ok(()) } else { self.write(&now) };
        (recovered, written)
    }

    fn write(&self, failing: &Failing) -> Result<()> {
        let write = || {
            if let Some(dir) = self.0.parent() {
                fs::create_dir_all(dir)?;
            }
            let new = self.0.with_extension("json.new");
            fs::write(&new, serde_json::to_vec(failing)?)?;
            fs::rename(&new, &self.0)
        };
        write().map_err(|err: std::io::Error| {
            Error::new(Code::HookFailed, "what fails could not be remembered, so that its end will not be told")
                .with("file", self.0.display())
                .hint("check the permissions and the space of its folder")
                .because(err)
        })
    }
}

impl Failing {
    fn after(&self, story: &Story, warnings: bool) -> (Self, Recovered) {
        let (mut now, mut recovered) = (self.clone(), Recovered::default());
        let mut chapters: BTreeMap<&AssetKey, Vec<_>> = BTreeMap::new();
        for ((asset, _), chapter) in &story.parts {
            chapters.entry(asset).or_default().push(chapter);
        }
        for (asset, chapters) in chapters {
            // One partition that fails is a failure of the asset.
            let statuses: Vec<_> = chapters.iter().filter_map(|chapter| chapter.status).collect();
            if statuses.contains(&AssetStatus::Failed) {
                now.assets.insert(asset.clone());
            } else if !statuses.is_empty() && statuses.iter().all(|status| status.is_ok()) && now.assets.remove(asset) {
                recovered.assets.push(asset.clone());
            }
            let mut fails: BTreeMap<&str, bool> = BTreeMap::new();
            for found in chapters.iter().flat_map(|chapter| &chapter.checks) {
                *fails.entry(&found.name).or_default() |= !found.passed && (found.blocks || warnings);
            }
            let failing = now.checks.entry(asset.clone()).or_default();
            for (name, fails) in &fails {
                if *fails {
                    failing.insert((*name).to_owned());
                } else if failing.remove(*name) {
                    recovered.checks.push((asset.clone(), (*name).to_owned()));
                }
            }
            // A check that the asset no longer has.
            if statuses.contains(&AssetStatus::Success) {
                failing.retain(|name| fails.contains_key(name.as_str()));
            }
            if failing.is_empty() {
                now.checks.remove(asset);
            }
        }
        (now, recovered)
    }
}
