//! What each package takes of the binary, from the linker's map.
//!
//! Every byte of code and data is somebody's: the map tells which object file each section came from, and rustc packs the object
//! files of a crate, and of the C sources that it brings, into one archive with the crate's name. Code that is generic belongs to the
//! crate that instantiated it, which is the one whose absence would save it. Where the whole program was optimised as one, as for the
//! group `minimal`, functions are told apart by the crate in their names, and the data stays together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::BufRead;

use anyhow::{Context, Result, bail, ensure};

use serde_json::{Value, json};

use super::linked::{Id, Linked};

/// Takes no room in the file.
const EMPTY: [&str; 4] = [".bss", ".tbss", ".relro_padding", "__libc_freeres_ptrs"];
/// Stripped away.
const STRIPPED: [&str; 4] = [".symtab", ".strtab", ".shstrtab", ".debug"];

/// Bytes by where they came from.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// By the name of the crate, `_` for `-`, and the hash of its metadata; the latter tells two versions apart.
    pub(crate) crates: BTreeMap<(String, String), u64>,
    /// By the name of the archive: the standard library's crates by their own names, C's as `libc.a`.
    pub(crate) system: BTreeMap<String, u64>,
    /// What the linker itself writes, by section.
    pub(crate) linker: BTreeMap<String, u64>,
}

impl Sizes {
    /// Reads a map as lld writes it. `sysroot` is the folder of the toolchain.
    pub(crate) fn read(map: impl BufRead, sysroot: &str) -> Result<Self> {
        let mut sizes = Self::default();
        let mut lines = map.split(b'\n');
        let header = lines.next().context("the map is empty")??;
        let header = String::from_utf8_lossy(&header).into_owned();
        ensure!(
            header.split_whitespace().eq(["VMA", "LMA", "Size", "Align", "Out", "In", "Symbol"]),
            "the map is not one of lld's: it begins `{header}`"
        );
        // The columns are as wide as in the header; each level of nesting is eight more.
        let column = header.find("Out").context("no column Out")?;
        let mut skip = false;
        for line in lines {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            let (Some(numbers), Some(rest)) = (line.get(..column), line.get(column..)) else { continue };
            let nesting = rest.len() - rest.trim_start().len();
            let what = rest.trim_start();
            if nesting == 0 {
                skip = [EMPTY, STRIPPED].concat().iter().any(|name| what.starts_with(name));
                continue;
            }
            if nesting != 8 || skip {
                continue;
            }
            let size = numbers.split_whitespace().nth(2).and_then(|size| u64::from_str_radix(size, 16).ok());
            let size = size.with_context(|| format!("the map says `{line}`"))?;
            *sizes.slot(what, sysroot) += size;
        }
        Ok(sizes)
    }

    fn slot(&mut self, what: &str, sysroot: &str) -> &mut u64 {
        let (file, section) = what.rsplit_once(":(").unwrap_or((what, ""));
        if file == "<internal>" {
            return self.linker.entry(section.trim_end_matches(')').to_owned()).or_default();
        }
        let archive = file.split_once('(').map_or(file, |(archive, _)| archive);
        let name = archive.rsplit('/').next().unwrap_or(archive);
        if let Some(stem) = name.strip_suffix(".rlib") {
            let (name, hash) = self::archive(stem);
            return if archive.starts_with(sysroot) {
                self.system.entry(name.to_owned()).or_default()
            } else {
                self.crates.entry((name.to_owned(), hash.to_owned())).or_default()
            };
        }
        if name.ends_with(".rcgu.o") {
            // The program itself is not in an archive: the crate `phlo`, or all that was optimised as one.
            return match section.split_once(".text.").and_then(|(_, symbol)| crate_of(symbol)) {
                Some(krate) => self.crates.entry((krate.to_owned(), String::new())).or_default(),
                None => self.system.entry("data of the program".to_owned()).or_default(),
            };
        }
        self.system.entry(name.to_owned()).or_default()
    }

    fn total(&self) -> u64 {
        self.crates.values().chain(self.system.values()).chain(self.linker.values()).sum()
    }

    /// Whether an archive of the toolchain or the system, whose name begins so, is in the binary.
    pub(crate) fn has_system(&self, name: &str) -> bool {
        self.system.keys().any(|it| it.starts_with(name))
    }

    pub(crate) fn to_json(&self) -> Value {
        let crates: Vec<_> = self.crates.iter().map(|((name, hash), size)| json!([name, hash, size])).collect();
        json!({ "crates": crates, "system": self.system, "linker": self.linker })
    }

    pub(crate) fn from_json(value: &Value) -> Result<Self> {
        let crates: Vec<(String, String, u64)> = serde_json::from_value(value["crates"].clone())?;
        Ok(Self {
            crates: crates.into_iter().map(|(name, hash, size)| ((name, hash), size)).collect(),
            system: serde_json::from_value(value["system"].clone())?,
            linker: serde_json::from_value(value["linker"].clone())?,
        })
    }
}

/// The crate that a mangled name of Rust speaks of: the first that is not the standard library's, in the path or in a type.
fn crate_of(symbol: &str) -> Option<&str> {
    let names = match symbol.strip_prefix("_ZN") {
        Some(path) => legacy(path),
        None => symbol.strip_prefix("_R").map(v0).unwrap_or_default(),
    };
    names.iter().find(|name| !["core", "alloc", "std"].contains(name)).or(names.first()).copied()
}

/// The crates in a path of the older mangling: identifiers by length, in which types are written as `$LT$sqlparser..ast..Statement`.
fn legacy(mut path: &str) -> Vec<&str> {
    let mut names = Vec::new();
    while let Some((identifier, rest)) = identifier(path) {
        if names.is_empty() && !identifier.contains('$') {
            names.push(identifier);
        }
        let heads = identifier.split('$').filter_map(|piece| Some(piece.split_once("..")?.0));
        names.extend(heads.filter(|head| head.starts_with(|c: char| c.is_ascii_lowercase())));
        path = rest;
    }
    names
}

/// The crates in a path of the newer mangling, where each is `Cs<hash>_<length><name>`.
fn v0(path: &str) -> Vec<&str> {
    let crates = path.match_indices("Cs").filter_map(|(at, _)| {
        let (_, name) =
            path[at..].split_once('_').filter(|(hash, _)| hash.chars().all(|c| c.is_ascii_alphanumeric()))?;
        Some(identifier(name)?.0)
    });
    crates.collect()
}

/// An identifier that is written as its length and its letters, and what follows.
fn identifier(text: &str) -> Option<(&str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let length = text[..digits].parse().ok()?;
    text[digits..].split_at_checked(length)
}

/// The crate's name and the hash in the name of its archive, which is without folder and extension.
pub(crate) fn archive(name: &str) -> (&str, &str) {
    let name = name.strip_prefix("lib").unwrap_or(name);
    name.rsplit_once('-').unwrap_or((name, ""))
}

/// The report. `hashes` are those of each linked crate's archive, `plugins` the plugins' packages.
pub(crate) fn report(
    linked: &Linked,
    sizes: &Sizes,
    hashes: &BTreeMap<(String, String), Id>,
    plugins: &BTreeSet<String>,
    bytes: u64,
) -> Result<String> {
    let mut own: BTreeMap<&Id, u64> = linked.graph.needs.keys().map(|id| (id, 0)).collect();
    let mut system = by_name(&sizes.system);
    for (archive, size) in &sizes.crates {
        let (name, hash) = archive;
        let id = if hash.is_empty() {
            let by_name = || hashes.iter().find(|((it, _), _)| it == name).map(|(_, id)| id);
            if name == "phlo" { Some(&linked.graph.root) } else { by_name() }
        } else {
            hashes.get(archive)
        };
        match id.and_then(|id| own.get_mut(id)) {
            Some(slot) => *slot += size,
            // By a name of the standard library, or of what that is made from.
            None if hash.is_empty() => system.push((*size, format!("{name}, in the program"))),
            None => bail!("the map names {name}-{hash}, which cargo did not build"),
        }
    }
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let share = |part: u64| 100.0 * part as f64 / bytes as f64;
    let mut out = format!(
        "The stripped binary: {:.1} MiB ({bytes} bytes). Attributed by the linker's map: {:.1} MiB; the rest is alignment and headers.\n\
         Generic code counts for the crate that instantiated it.\n\n\
         Plugins. `own` is the crate itself; `with what only it needs` would leave with it.\n\n\
         {:>10}  {:>10}  {:>6}  package\n",
        mib(bytes),
        mib(sizes.total()),
        "own MiB",
        "with MiB",
        "%"
    );
    let mut rows: Vec<(u64, u64, &Id, usize)> = Vec::new();
    for id in linked.graph.needs.keys().filter(|id| plugins.contains(&id.0)) {
        let only = linked.graph.only_for(id);
        rows.push((only.iter().map(|id| own[id]).sum(), own[id], id, only.len() - 1));
    }
    rows.sort_by(|a, b| b.cmp(a));
    for (with, own, id, others) in rows {
        let _ = write!(out, "{:>10.2}  {:>10.2}  {:>6.1}  {}", mib(own), mib(with), share(with), id.0);
        let _ = match others {
            0 => writeln!(out),
            1 => writeln!(out, " (and 1 other)"),
            others => writeln!(out, " (and {others} others)"),
        };
    }
    let mut section = |title: &str, mut rows: Vec<(u64, String)>, shown: usize| {
        rows.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let (count, total) = (rows.len(), rows.iter().map(|row| row.0).sum());
        let _ = writeln!(out, "\n{title}: {count}, {:.1} MiB\n\n{:>10}  {:>6}  name", mib(total), "MiB", "%");
        for (size, name) in rows.iter().take(shown) {
            let _ = writeln!(out, "{:>10.2}  {:>6.1}  {name}", mib(*size), share(*size));
        }
        if count > shown {
            let rest = rows.iter().skip(shown).map(|row| row.0).sum();
            let _ = writeln!(out, "{:>10.2}  {:>6.1}  {} others", mib(rest), share(rest), count - shown);
        }
    };
    let named = |ours: bool| {
        let rows = own.iter().filter(|(id, _)| linked.facts[*id].ours == ours && !plugins.contains(&id.0));
        rows.map(|(id, size)| (*size, format!("{} {}", id.0, id.1))).collect::<Vec<_>>()
    };
    section("The platform's own packages", named(true), usize::MAX);
    section("Dependencies, the biggest 30", named(false), 30);
    section("The standard library and the system's", system, 12);
    section("The linker's tables", by_name(&sizes.linker), 8);
    Ok(out)
}

fn by_name(sizes: &BTreeMap<String, u64>) -> Vec<(u64, String)> {
    sizes.iter().map(|(name, size)| (*size, name.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::linked::{Facts, Graph};

    const MAP: &str = "             VMA              LMA     Size Align Out     In      Symbol
             328              328     bb68     8 .rela.dyn
             328              328     bb68     8         <internal>:(.rela.dyn)
            bea4            bea4       400     4 .text
            bea4            bea4       100     4         /t/release/deps/libserde-0123456789abcdef.rlib(serde-0123.serde.1-cgu.0.rcgu.o):(.text._ZN5a)
            bea4            bea4       100     1                 _ZN5a
            bfa4            bfa4       200     4         /t/release/deps/libaws_lc_sys-fedcba9876543210.rlib(1-x.o):(.text)
            c0a4            c0a4        80     4         /tool/lib/rustlib/x/lib/libstd-d1237ef7159db0a2.rlib(std.o):(.text)
            c0a4            c0a4        10     4         /usr/lib/gcc/x/12/../../../libc.a(iofclose.o):(.text)
            c0a4            c0a4        20     4         phlo-1.phlo.2-cgu.0.rcgu.o:(.text._ZN4phlo4main17h1854dee5fd9945b4E)
            c0a4            c0a4         8     4         phlo-1.phlo.2-cgu.0.rcgu.o:(.text.unlikely)
               0                0   100000     8 .bss
               0                0   100000     8         /t/release/deps/libserde-0123456789abcdef.rlib(serde.o):(.bss)
               0                0    13080     8 .symtab
               0                0    13080     8         <internal>:(.symtab)
";

    fn key(name: &str, hash: &str) -> (String, String) {
        (name.to_owned(), hash.to_owned())
    }

    #[test]
    fn every_section_that_fills_the_file_counts_once_for_its_crate() {
        let sizes = Sizes::read(MAP.as_bytes(), "/tool").unwrap();
        let crates = [
            (key("aws_lc_sys", "fedcba9876543210"), 0x200),
            (key("phlo", ""), 0x20),
            (key("serde", "0123456789abcdef"), 0x100),
        ];
        assert_eq!(sizes.crates, BTreeMap::from(crates));
        assert_eq!(
            sizes.system,
            BTreeMap::from([
                ("data of the program".to_owned(), 8),
                ("libc.a".to_owned(), 0x10),
                ("std".to_owned(), 0x80)
            ])
        );
        assert_eq!(sizes.linker, BTreeMap::from([(".rela.dyn".to_owned(), 0xbb68)]));
        assert_eq!(Sizes::from_json(&sizes.to_json()).unwrap(), sizes);
        let error = Sizes::read("Memory map\n".as_bytes(), "/tool").unwrap_err().to_string();
        assert!(error.contains("not one of lld's"), "{error}");
    }

    #[test]
    fn a_mangled_name_tells_the_crate_that_is_not_the_standard_librarys() {
        for (symbol, krate) in [
            ("_ZN4phlo4main17h1854dee5fd9945b4E", Some("phlo")),
            (
                "_ZN64_$LT$sqlparser..ast..Statement$u20$as$u20$core..clone..Clone$GT$5clone17h9ccd871e75f922d5E",
                Some("sqlparser"),
            ),
            ("_ZN4core3ptr46drop_in_place$LT$sqlparser..ast..Statement$GT$17h3d9f0ee53eef1c15E", Some("sqlparser")),
            ("_ZN4core3fmt5Write9write_fmt17h3d9f0ee53eef1c15E", Some("core")),
            (
                "_RINvMNtCsgEmfK2I1SDS_4core3stre18trim_start_matchesReECsgY6Mt91CT9J_14rustc_demangle",
                Some("rustc_demangle"),
            ),
            ("_RNvCs1_4phlo4main", Some("phlo")),
            ("ZSTD_compress", None),
            ("_ZN", None),
        ] {
            assert_eq!(crate_of(symbol), krate, "{symbol}");
        }
    }

    #[test]
    fn a_plugin_takes_what_only_it_needs_and_nothing_is_attributed_to_nobody() {
        let graph = Graph::parse(
            "0\tphlo-cli v0.1.0\n1\tphlo-source-x v0.1.0\n2\tserde v1.0.0\n2\taws-lc-sys v2.0.0\n1\tserde v1.0.0\n",
        );
        let graph = graph.unwrap();
        let facts =
            graph.needs.keys().map(|id| (id.clone(), Facts { ours: id.0.starts_with("phlo"), ..Facts::default() }));
        let linked = Linked { facts: facts.collect(), graph };
        let sizes = Sizes::read(MAP.as_bytes(), "/tool").unwrap();
        let id = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        let mut hashes = BTreeMap::from([(key("serde", "0123456789abcdef"), id("serde", "1.0.0"))]);
        let plugins = BTreeSet::from(["phlo-source-x".to_owned()]);
        let error = report(&linked, &sizes, &hashes, &plugins, 0x10_0000).unwrap_err().to_string();
        assert_eq!(error, "the map names aws_lc_sys-fedcba9876543210, which cargo did not build");

        hashes.insert(key("aws_lc_sys", "fedcba9876543210"), id("aws-lc-sys", "2.0.0"));
        let report = report(&linked, &sizes, &hashes, &plugins, 0x1000).unwrap();
        for part in [
            "0.00        0.00    12.5  phlo-source-x (and 1 other)",
            "12.5  aws-lc-sys 2.0.0",
            "The linker's tables: 1",
        ] {
            assert!(report.contains(part), "{part:?} not in {report}");
        }
    }
}
