//! What `phlo init` starts a project with: folders of files that are part of the binary.

/// A project to start with.
pub(crate) struct Template {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its files, by their paths.
    pub(crate) files: &'static [(&'static str, &'static [u8])],
    /// What to try first, one command a line.
    pub(crate) next: &'static [&'static str],
}

macro_rules! files {
    ($folder:literal: $($file:literal),+ $(,)?) => {
        &[$(($file, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $folder, "/", $file)))),+]
    };
}

/// The templates, the usual one first. `templates/flights` is a link to the example, which is packed with this crate by it.
pub(crate) const TEMPLATES: &[Template] = &[
    Template {
        name: "flights",
        files: files!("templates/flights":
            ".gitignore",
            "phlo.yaml",
            "assets/bronze/airlines.yaml",
            "assets/bronze/airports.yaml",
            "assets/bronze/flights.yaml",
            "assets/bronze/planes.yaml",
            "assets/silver/departures.sql",
            "assets/gold/carrier_scorecard.sql",
            "assets/gold/daily_delays.sql",
            "data/airlines.csv",
            "data/airports.csv",
            "data/flights-2013-01.csv.gz",
            "data/planes.csv",
        ),
        next: &[
            "phlo run",
            "phlo sql \"select * from gold.carrier_scorecard order by on_time_share desc\"",
            "phlo lineage gold.daily_delays",
        ],
    },
    Template {
        name: "minimal",
        files: files!("templates/minimal":
            "phlo.yaml",
            "assets/bronze/orders.yaml",
            "assets/gold/daily_revenue.sql",
            "data/orders.csv",
        ),
        next: &["phlo run", "phlo sql \"select * from gold.daily_revenue order by day\""],
    },
];

/// What a new project's repository leaves out.
pub(crate) const IGNORED: &str = "/.phlo/\n/lake/\n/.env\n";

/// The names.
pub(crate) fn names() -> Vec<&'static str> {
    TEMPLATES.iter().map(|t| t.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    fn files_below(folder: &Path, at: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let relative = path.strip_prefix(folder).unwrap().to_owned();
            if [".phlo", "lake", ".env"].iter().any(|left| relative == Path::new(left)) {
                continue;
            }
            if path.is_dir() { found.extend(files_below(folder, &path)) } else { found.push(relative) }
        }
        found.sort();
        found
    }

    #[test]
    fn templates_hold_every_file_of_their_folders_but_what_is_left_out_on_purpose() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        // The weather and the next increment would double the size; the notes are the example's own.
        let left_out = |file: &str| file.contains("weather") || file.starts_with("data/next/") || file.ends_with(".md");
        for (folder, name) in [("templates/flights", "flights"), ("templates/minimal", "minimal")] {
            let folder = root.join(folder);
            let template = TEMPLATES.iter().find(|t| t.name == name).unwrap();
            let there: Vec<_> = files_below(&folder, &folder)
                .into_iter()
                .map(|f| f.to_str().unwrap().to_owned())
                .filter(|f| !left_out(f))
                .collect();
            let mut held: Vec<_> = template.files.iter().map(|(file, _)| (*file).to_owned()).collect();
            held.sort();
            assert_eq!(held, there, "mend the list in templates.rs");
        }
    }

    #[test]
    fn templates_are_small() {
        for template in TEMPLATES {
            let bytes: usize = template.files.iter().map(|(_, content)| content.len()).sum();
            assert!(bytes < 1 << 20, "{} takes {bytes} bytes", template.name);
        }
    }
}
