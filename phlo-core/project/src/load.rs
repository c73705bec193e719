//! Loading: every file of a project read once, every problem collected, and the result in one value.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use phlo_plugin::{Policy, Storage};
use phlo_spec::project::ProjectFile;
use phlo_spec::{
    AssetKey, AssetSpec, CapabilityType, Code, Diagnostic, Diagnostics, Node, NodeKind, Place, PluginKind, Redactor,
    Span,
};

use url::Url;

use crate::environment::Environment;
use crate::interpolate::{self, ShownTexts};
use crate::secrets::{Keeper, is_secret_key};
use crate::show::Origin;
use crate::stores::{Opening, SecretSource, Secrets};
use crate::{PROJECT_FILE, asset, file};

/// The folder with a project's assets.
const ASSETS: &str = "assets";
/// The folder with the state of this machine.
const STATE: &str = ".phlo";

/// What was read of a project.
#[derive(Debug)]
pub struct Loaded {
    /// The project, unless `phlo.yaml` itself is missing or has mistakes. Assets with mistakes are not in it but named in
    /// [`Project::broken`]: look at it, check it further, but run nothing while [`Diagnostics::has_errors`].
    pub project: Option<Project>,
    /// Every problem, sorted by place, free of secrets; each has a hint.
    pub diagnostics: Diagnostics,
    /// The texts of the files that were read, to show the lines that diagnostics are about. `.env` is not among them.
    pub texts: Texts,
}

/// The texts of a project's files. What is shown of them goes through the project's [`Redactor`] first.
#[derive(Clone, Default)]
pub struct Texts(pub(crate) BTreeMap<Arc<str>, Arc<str>>);

impl Texts {
    /// A file's text; `file` is relative to the project, as in [`Place::file`].
    pub fn get(&self, file: &str) -> Option<&str> {
        self.0.get(file).map(AsRef::as_ref)
    }

    /// A line of a file, counted from 1.
    pub fn line(&self, file: &str, line: u32) -> Option<&str> {
        self.get(file)?.lines().nth(line.checked_sub(1)? as usize)
    }

    fn insert(&mut self, file: &str, text: &str) {
        self.0.insert(file.into(), text.into());
    }
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A project: read, merged and validated. Its `Debug` tells nothing that could be a secret.
#[derive(Clone)]
pub struct Project {
    /// Its folder, absolute.
    pub root: PathBuf,
    /// `phlo.yaml` without connections, plugin settings and services.
    pub file: ProjectFile,
    /// Where tables lie.
    pub storage: Storage,
    /// `.phlo/` below the root: state of this machine. It may not exist yet.
    pub state_dir: PathBuf,
    /// Connections by name, each a map with `source`.
    pub connections: BTreeMap<String, Node>,
    /// `plugins.settings`, each a map.
    pub plugin_settings: BTreeMap<(PluginKind, String), Node>,
    /// Overrides of service plugins' definitions by name, each a map.
    pub services: BTreeMap<String, Node>,
    /// Assets, sorted by key.
    pub assets: Vec<AssetSpec>,
    /// Keys of assets that have a file but mistakes in it. They exist: a reference to one is not the reference's mistake.
    pub broken: BTreeSet<AssetKey>,
    /// Providers chosen by the environment.
    pub environment_choices: BTreeMap<CapabilityType, String>,
    /// What the project was filled in from.
    pub environment: Environment,
    /// Knows every secret that the files and the environment gave.
    pub redactor: Redactor,
    /// Where the values of `phlo.yaml` stand, by path, e.g. `capabilities.defaults.table_store` or `plugins.allow[0]`. For a list
    /// or map it is the place of its key.
    pub places: BTreeMap<String, Place>,
    /// The whole `phlo.yaml` with variables filled in. It holds secrets: [`Project::show`] does not.
    pub merged: Node,
    pub(crate) origins: BTreeMap<String, Origin>,
}

impl Project {
    /// A project without files, for what can be said outside any: which plugins are linked.
    pub fn bare(root: &Path) -> Self {
        let root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
        let lake = Url::from_directory_path(root.join("lake"));
        let file = ProjectFile {
            name: "none".to_owned(),
            description: None,
            storage: phlo_spec::project::StorageSpec::default(),
            capabilities: phlo_spec::project::CapabilitiesSpec::default(),
            plugins: phlo_spec::project::PluginsSpec::default(),
            schedules: Vec::new(),
            run: phlo_spec::project::RunLimits::default(),
        };
        Self {
            state_dir: root.join(STATE),
            storage: Storage { root: lake.expect("the root was made absolute"), options: BTreeMap::new() },
            root,
            file,
            connections: BTreeMap::new(),
            plugin_settings: BTreeMap::new(),
            services: BTreeMap::new(),
            assets: Vec::new(),
            broken: BTreeSet::new(),
            environment_choices: BTreeMap::new(),
            environment: Environment::from_pairs(std::iter::empty::<(String, String)>()),
            redactor: Redactor::default(),
            places: BTreeMap::new(),
            merged: Node::synthetic(NodeKind::Map(Vec::new())),
            origins: BTreeMap::new(),
        }
    }

    /// Learns a secret that only a plugin's schema calls one, by the rules for what a file holds in plain text. `of_many` is one
    /// whose name the plugin does not know.
    pub fn learn_secret(&self, text: &str, of_many: bool) {
        let keeper = Keeper::of(self.redactor.clone());
        if of_many { keeper.one_of_many(text) } else { keeper.literal(text) }
    }

    /// The asset with this key.
    pub fn asset(&self, key: &AssetKey) -> Option<&AssetSpec> {
        self.assets.binary_search_by(|asset| asset.key.cmp(key)).ok().map(|at| &self.assets[at])
    }
}

impl fmt::Debug for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let assets: Vec<_> = self.assets.iter().map(|asset| asset.key.as_str()).collect();
        f.debug_struct("Project").field("root", &self.root).field("assets", &assets).finish_non_exhaustive()
    }
}

/// Reads the project in this folder. `environment` is all that variables are filled in from: call
/// [`Environment::with_dotenv`] before. `stores` is asked for what `${secret:…}` stands for, if that stands anywhere.
pub fn load(root: &Path, environment: Environment, stores: &dyn SecretSource) -> Loaded {
    let root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    let mut texts = Texts::default();
    let (environment_choices, problems) = environment.capability_choices();
    let keeper = Keeper::default();
    let opening = Opening {
        root: root.clone(),
        name: String::new(),
        policy: Policy::default(),
        defaults: BTreeMap::new(),
        environment_choices: environment_choices.clone(),
        environment: environment.clone(),
        redactor: keeper.redactor.clone(),
    };
    let mut context = Context {
        environment: &environment,
        keeper,
        secrets: Secrets::of(stores, opening),
        problems,
        unfilled: Vec::new(),
        filling: Vec::new(),
        connections: None,
        refused_connections: BTreeSet::new(),
        used: BTreeSet::new(),
    };

    let parts = read_project_file(&root, &mut texts, &mut context);
    if let Some(parts) = &parts {
        context.connections = Some(&parts.connections);
        let named = parts.merged.get("connections").and_then(Node::entries).unwrap_or_default();
        let names =
            named.iter().filter_map(|(key, _)| key.as_str()).filter(|name| !parts.connections.contains_key(*name));
        context.refused_connections = names.map(str::to_owned).collect();
    }

    let (assets, broken) = read_assets(&root, &mut texts, &mut context);
    if let Some(parts) = &parts
        && broken.is_empty()
    {
        let connections = parts.merged.get("connections").and_then(Node::entries).unwrap_or_default();
        for (key, _) in connections.iter().filter(|(key, _)| {
            key.as_str().is_some_and(|name| parts.connections.contains_key(name) && !context.used.contains(name))
        }) {
            let message = format!("no asset uses the connection `{}`", key.as_str().unwrap_or_default());
            let warning =
                Diagnostic { severity: phlo_spec::Severity::Warning, ..key.error(Code::InertConfig, message) };
            context.problems.push(warning.hint("name it in an asset with `source: {connection: NAME}`, or remove it"));
        }
    }

    let Context { keeper, problems, unfilled, filling, .. } = context;
    keeper.dotenv(environment.dotenv());
    let redactor = keeper.redactor;
    let diagnostics = finish(problems, filling, &unfilled, &redactor);
    let project = parts.and_then(|parts| {
        let (file, storage) = parts.file?;
        let places =
            parts.origins.iter().filter_map(|(path, origin)| Some((path.clone(), origin.place.clone()?))).collect();
        Some(Project {
            state_dir: root.join(STATE),
            root,
            file,
            storage,
            connections: parts.connections,
            plugin_settings: parts.plugin_settings,
            services: parts.services,
            assets,
            broken,
            environment_choices,
            environment,
            redactor,
            places,
            merged: parts.merged,
            origins: parts.origins,
        })
    });
    Loaded { project, diagnostics, texts }
}

/// What reading the files needs and gathers.
pub(crate) struct Context<'a> {
    environment: &'a Environment,
    /// Learns secrets.
    pub(crate) keeper: Keeper,
    /// Asks for secrets.
    pub(crate) secrets: Secrets<'a>,
    /// Every problem so far.
    pub(crate) problems: Vec<Diagnostic>,
    /// Texts that could not be filled in: what else would be said of them follows from that.
    unfilled: Vec<Place>,
    /// Why they could not.
    filling: Vec<Diagnostic>,
    /// The connections of `phlo.yaml`, if it could be read.
    pub(crate) connections: Option<&'a BTreeMap<String, Node>>,
    /// Connections that are there but have mistakes.
    pub(crate) refused_connections: BTreeSet<String>,
    /// Connections that assets name.
    pub(crate) used: BTreeSet<String>,
}

impl Context<'_> {
    /// Parses a YAML text; reports what is wrong with it.
    pub(crate) fn parse(&mut self, text: &str, file: &str, first_line: u32) -> Option<Node> {
        match Node::parse(text, file, first_line) {
            Ok(node) => Some(node),
            Err(problem) => {
                let mut problem = *problem;
                let line = problem
                    .place
                    .as_ref()
                    .and_then(|place| text.lines().nth(place.span.line.saturating_sub(first_line) as usize));
                if line.is_some_and(|line| line.contains("${")) {
                    problem = problem.hint("put a text with `${…}` in quotes");
                }
                self.problems.push(problem);
                None
            }
        }
    }

    /// Fills in variables, and learns the secrets below the node.
    pub(crate) fn fill(&mut self, node: &mut Node) -> ShownTexts {
        let filled = interpolate::fill(node, self.environment, &mut self.keeper, &mut self.secrets);
        self.filling.extend(filled.problems);
        self.unfilled.extend(filled.unfilled);
        learn(node, false, &filled.texts, &self.keeper);
        filled.texts
    }
}

fn learn(node: &mut Node, secret: bool, texts: &ShownTexts, keeper: &Keeper) {
    if secret {
        node.keep_secret();
    }
    match &mut node.kind {
        NodeKind::Map(entries) => {
            for (key, value) in entries {
                learn(value, secret || key.as_str().is_some_and(is_secret_key), texts, keeper);
            }
            return;
        }
        NodeKind::Seq(items) => {
            items.iter_mut().for_each(|item| learn(item, secret, texts, keeper));
            return;
        }
        _ => {}
    }
    match &node.kind {
        NodeKind::Int(number) if secret => keeper.literal(&number.to_string()),
        NodeKind::Float(number) if secret => keeper.literal(&number.to_string()),
        NodeKind::Str(text) => {
            keeper.url(text);
            match texts.of(node) {
                _ if !secret => {}
                Some(shown) if !shown.variables.is_empty() => keeper.variable(text),
                _ => keeper.literal(text),
            }
        }
        _ => {}
    }
}

fn read_project_file(root: &Path, texts: &mut Texts, context: &mut Context<'_>) -> Option<file::Parts> {
    let path = root.join(PROJECT_FILE);
    if !path.exists() {
        let problem = Diagnostic::error(Code::NoProject, format!("there is no `{PROJECT_FILE}` in {}", root.display()));
        context.problems.push(problem.hint(if root.join("phlo.yml").exists() {
            "rename `phlo.yml` to `phlo.yaml`"
        } else {
            "change into the project, pass `--project DIR`, or start one with `phlo init`"
        }));
        return None;
    }
    let text = read(&path, PROJECT_FILE, context)?;
    texts.insert(PROJECT_FILE, &text);
    file::read(&text, root, context)
}

/// The file's text without a byte order mark; reports why it cannot be read.
fn read(path: &Path, file: &str, context: &mut Context<'_>) -> Option<String> {
    let at = |line: u32, column: u32| Place { file: file.into(), span: Span { line, column, len: 0 } };
    let problem = match std::fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => return Some(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
            Err(err) => {
                let valid = String::from_utf8_lossy(&err.as_bytes()[..err.utf8_error().valid_up_to()]);
                let line = valid.matches('\n').count() as u32 + 1;
                let column = valid.rsplit('\n').next().unwrap_or_default().chars().count() as u32 + 1;
                Diagnostic::error(Code::UnreadableFile, "the file is not UTF-8 from here on")
                    .at(at(line, column))
                    .hint("save it as UTF-8")
            }
        },
        Err(err) => Diagnostic::error(Code::UnreadableFile, format!("the file cannot be read: {}", err.kind()))
            .at(at(1, 1))
            .hint("check its permissions"),
    };
    context.problems.push(problem);
    None
}

/// A file below `assets/`.
struct Found {
    path: PathBuf,
    /// Relative to the project, with `/`.
    file: String,
    /// The folders between `assets/` and the file.
    folders: Vec<String>,
    /// The file's name up to the extension, and the extension.
    stem: String,
    extension: String,
}

fn read_assets(root: &Path, texts: &mut Texts, context: &mut Context<'_>) -> (Vec<AssetSpec>, BTreeSet<AssetKey>) {
    let mut found = Vec::new();
    walk(&root.join(ASSETS), ASSETS, &[], &mut found, context);
    let mut files: BTreeMap<AssetKey, String> = BTreeMap::new();
    let (mut assets, mut broken) = (Vec::new(), BTreeSet::new());
    for found in found {
        let start = Place { file: found.file.as_str().into(), span: Span { line: 1, column: 1, len: 0 } };
        if !matches!(found.extension.as_str(), "yaml" | "yml" | "sql") {
            let message = match found.extension.as_str() {
                "" => "phlo does not read files without an extension here".to_owned(),
                other => format!("phlo does not read `.{other}` files here"),
            };
            let hint = match found.extension.to_ascii_lowercase().as_str() {
                lower @ ("yaml" | "yml" | "sql") => format!("write the extension in lower case: `.{lower}`"),
                _ => "assets are `.yaml` and `.sql` files; keep others outside of `assets/`".to_owned(),
            };
            context.problems.push(Diagnostic::warning(Code::InertConfig, message).at(start).hint(hint));
            continue;
        }
        let Some(key) = key_of(&found, &start, context) else { continue };
        if let Some(first) = files.get(&key) {
            let problem = Diagnostic::error(
                Code::DuplicateAsset,
                format!("`{key}` is defined by both `{first}` and `{}`", found.file),
            );
            context.problems.push(problem.at(start).hint("rename or remove one of the two files"));
            continue;
        }
        files.insert(key.clone(), found.file.clone());
        let asset = read(&found.path, &found.file, context).and_then(|text| {
            texts.insert(&found.file, &text);
            match found.extension.as_str() {
                "sql" => asset::sql(key.clone(), &found.file, text, context),
                _ => asset::yaml(key.clone(), &found.file, &text, context),
            }
        });
        match asset {
            Some(asset) => assets.push(asset),
            None => {
                broken.insert(key);
            }
        }
    }
    assets.sort_by(|a, b| a.key.cmp(&b.key));
    (assets, broken)
}

fn key_of(found: &Found, start: &Place, context: &mut Context<'_>) -> Option<AssetKey> {
    let problem = |message: String| Diagnostic::error(Code::InvalidKeyName, message).at(start.clone());
    if found.folders.is_empty() {
        let message = "an asset needs a folder, which is its group".to_owned();
        let hint = format!("move it, e.g. to `{ASSETS}/bronze/{}.{}`", found.stem, found.extension);
        context.problems.push(problem(message).hint(hint));
        return None;
    }
    let parts: Vec<_> = found.folders.iter().chain([&found.stem]).map(String::as_str).collect();
    let key = if found.stem.contains('.') { None } else { AssetKey::new(parts.join(".")).ok() };
    if key.is_none() {
        let mended: Vec<_> = parts.iter().map(|part| mend(part)).collect();
        let message = format!("`{}` does not make an asset key", parts.join("/"));
        let hint = format!(
            "rename it to `{ASSETS}/{}.{}`: lower-case letters, digits and `_`, no digit first",
            mended.join("/"),
            found.extension
        );
        context.problems.push(problem(message).hint(hint));
    }
    key
}

/// The nearest thing to a part of a key.
fn mend(part: &str) -> String {
    let mended: String =
        part.chars().map(|c| c.to_ascii_lowercase()).map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if mended.starts_with(|c: char| c.is_ascii_digit()) { format!("_{mended}") } else { mended }
}

/// Every file below a folder that is neither hidden nor a README, in the order of their names.
fn walk(folder: &Path, file: &str, folders: &[String], found: &mut Vec<Found>, context: &mut Context<'_>) {
    let unreadable = |file: &str, message: String, hint: &str| {
        let start = Place { file: file.into(), span: Span { line: 1, column: 1, len: 0 } };
        Diagnostic::error(Code::UnreadableFile, message).at(start).hint(hint)
    };
    let entries = match std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
        Ok(entries) => entries,
        Err(err) if err.kind() == std::io::ErrorKind::NotFound && folders.is_empty() => return,
        Err(err) => {
            context.problems.push(unreadable(
                file,
                format!("the folder cannot be read: {}", err.kind()),
                "check that it is a folder, and its permissions",
            ));
            return;
        }
    };
    let mut entries: Vec<_> =
        entries.into_iter().map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry)).collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, entry) in entries {
        let (path, file) = (entry.path(), format!("{file}/{name}"));
        let readme = name.split('.').next().is_some_and(|stem| stem.eq_ignore_ascii_case("readme"));
        if name.starts_with('.') || readme {
            continue;
        }
        let kind = match entry.file_type() {
            // Where it leads to is what counts.
            Ok(kind) if kind.is_symlink() => std::fs::metadata(&path).map(|meta| meta.file_type()),
            kind => kind,
        };
        match kind {
            Err(err) => context.problems.push(unreadable(
                &file,
                format!("the file cannot be read: {}", err.kind()),
                "check where the link leads to",
            )),
            Ok(kind) if kind.is_dir() => {
                // Only a link can lead back to where it stands.
                let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
                if is_link
                    && matches!((path.canonicalize(), folder.canonicalize()), (Ok(to), Ok(here)) if here.starts_with(&to))
                {
                    context.problems.push(unreadable(
                        &file,
                        "the link leads to a folder that holds it".to_owned(),
                        "remove the link",
                    ));
                    continue;
                }
                let below: Vec<_> = folders.iter().cloned().chain([name]).collect();
                walk(&path, &file, &below, found, context);
            }
            Ok(_) => {
                let (stem, extension) = name.rsplit_once('.').map_or((name.as_str(), ""), |split| split);
                found.push(Found {
                    path,
                    file,
                    folders: folders.to_vec(),
                    stem: stem.to_owned(),
                    extension: extension.to_owned(),
                });
            }
        }
    }
}

/// The problems as they are reported: without what only follows from another one, each with a hint, no secret in any.
fn finish(problems: Vec<Diagnostic>, filling: Vec<Diagnostic>, unfilled: &[Place], redactor: &Redactor) -> Diagnostics {
    let inside = |place: &Place, text: &Place| {
        let columns = text.span.column..=text.span.column + text.span.len;
        place.file == text.file && place.span.line == text.span.line && columns.contains(&place.span.column)
    };
    // Keys that were meant, by file: that they are missing is the same mistake as the misspelt one.
    let meant: HashSet<_> = problems
        .iter()
        .filter(|p| p.code == Code::UnknownKey)
        .filter_map(|p| Some((p.place.as_ref()?.file.clone(), quoted(p.hints.first()?)?.to_owned())))
        .collect();
    let follows = |problem: &Diagnostic| match (problem.code, &problem.place) {
        (Code::InvalidValue, Some(place)) => unfilled.iter().any(|text| inside(place, text)),
        (Code::MissingKey, Some(place)) => {
            quoted(&problem.message).is_some_and(|key| meant.contains(&(place.file.clone(), key.to_owned())))
        }
        _ => false,
    };
    let clean = |mut problem: Diagnostic| {
        problem.message = redactor.clean(&problem.message);
        problem.label = problem.label.map(|label| redactor.clean(&label));
        problem.hints.iter_mut().for_each(|hint| *hint = redactor.clean(hint));
        problem
    };
    let told: Vec<_> = problems.iter().filter(|problem| !follows(problem)).cloned().chain(filling).collect();
    Diagnostics(told.into_iter().map(with_hint).map(clean).collect()).sorted()
}

/// The first thing that a message holds in backquotes.
fn quoted(text: &str) -> Option<&str> {
    text.split('`').nth(1)
}

/// The diagnostic with a next step, if it has none of its own.
pub(crate) fn with_hint(problem: Diagnostic) -> Diagnostic {
    if !problem.hints.is_empty() {
        return problem;
    }
    let hint = match problem.code {
        Code::YamlSyntax => "look at the indentation, quotes and brackets there".to_owned(),
        Code::MissingKey => match quoted(&problem.message) {
            Some(key) => format!("add `{key}: …`"),
            None => "add the key".to_owned(),
        },
        code => format!("`phlo explain {code}` tells more"),
    };
    problem.hint(hint)
}
