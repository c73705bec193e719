//! What every command has at hand: the printer, the environment, the project when it is wanted, and a runtime for those that wait.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use phlo_plugin::Error;
use phlo_project::{Environment, PROJECT_FILE, Texts};
use phlo_runtime::{Opened, Platform};
use phlo_spec::run::ErrorRecord;
use phlo_spec::{AssetKey, Code, Diagnostics, Severity};
use tokio::runtime::Runtime;

use crate::args::Global;
use crate::exit::{Exit, Failure};
use crate::printer::{Printer, Wishes};
use crate::render::told::{Told, may_hold_secret};
use crate::render::{Tone, plural};

/// See the module.
pub(crate) struct App {
    /// Prints.
    pub(crate) printer: Arc<Printer>,
    environment: Environment,
    project: RefCell<Option<PathBuf>>,
    opened: RefCell<Option<Opened>>,
    // Whose plugins are cleaned up at the end.
    platforms: RefCell<Vec<Platform>>,
}

/// A project that could be opened, mistakes and all.
pub(crate) struct Open {
    /// It.
    pub(crate) platform: Platform,
    /// What is wrong with it.
    pub(crate) diagnostics: Diagnostics,
    /// Its files.
    pub(crate) texts: Texts,
}

impl App {
    /// `project` is the folder that the command line seems to name.
    pub(crate) fn new(printer: Arc<Printer>, environment: Environment, project: Option<PathBuf>) -> Self {
        Self {
            printer,
            environment,
            project: RefCell::new(project),
            opened: RefCell::default(),
            platforms: RefCell::default(),
        }
    }

    /// The command line has been read: this is what it says for sure.
    pub(crate) fn settle(&self, global: Global, color: Option<bool>) {
        let Global { project, json, quiet, verbose, no_color } = global;
        self.printer.settle(Wishes { json, quiet, verbose, color: if no_color { Some(false) } else { color } });
        self.project.replace(project);
    }

    /// What the process was given.
    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Whether the command line names the project's folder.
    pub(crate) fn names_project(&self) -> bool {
        self.project.borrow().is_some()
    }

    /// The project's folder; `None` outside of any.
    pub(crate) fn root(&self) -> Option<PathBuf> {
        match &*self.project.borrow() {
            // Naming the file itself is as good.
            Some(given) if given.file_name().is_some_and(|name| name == PROJECT_FILE) => {
                given.parent().map(Path::to_owned)
            }
            Some(given) => Some(given.clone()),
            None => phlo_project::find(Path::new(".")),
        }
    }

    /// Opens the project, once.
    ///
    /// # Errors
    /// There is none, or it cannot be read at all.
    pub(crate) fn opened(&self) -> Result<Opened, Failure> {
        if let Some(opened) = self.opened.take() {
            return Ok(opened);
        }
        let Some(root) = self.root() else {
            let here = std::env::current_dir().map(|d| format!(" in {} or above it", d.display())).unwrap_or_default();
            let error = Error::new(Code::NoProject, format!("there is no {PROJECT_FILE}{here}"));
            return Err(error
                .hint("change into a project, pass `--project DIR`, or start one with `phlo init`")
                .into());
        };
        self.opened_at(&root)
    }

    /// Opens the project of a folder.
    ///
    /// # Errors
    /// Its `.env` cannot be read.
    pub(crate) fn opened_at(&self, root: &Path) -> Result<Opened, Failure> {
        let environment = self.environment.clone().with_dotenv(root)?;
        let opened = Platform::open(root, environment, phlo_bundle::KNOWN);
        if let Some(platform) = &opened.platform {
            self.printer.redact_with(platform.redactor().clone());
            self.platforms.borrow_mut().push(platform.clone());
        }
        Ok(opened)
    }

    /// Keeps an opened project for whoever asks next.
    pub(crate) fn keep(&self, opened: Opened) {
        self.opened.replace(Some(opened));
    }

    /// The project, which may have mistakes.
    ///
    /// # Errors
    /// There is none, or it cannot be read far enough.
    pub(crate) fn open(&self) -> Result<Open, Failure> {
        let Opened { platform, diagnostics, texts } = self.opened()?;
        match platform {
            Some(platform) => Ok(Open { platform, diagnostics, texts }),
            None => Err(Failure::in_files(diagnostics, &texts)),
        }
    }

    /// The project, to look at; that it has mistakes is only said.
    ///
    /// # Errors
    /// As [`App::open`].
    pub(crate) fn open_to_look(&self) -> Result<Open, Failure> {
        let open = self.open()?;
        let errors = open.diagnostics.errors();
        if errors > 0 {
            let found = plural(errors, "error");
            self.printer
                .talk(&format!("{}: the project has {found}; `phlo check` shows them", Tone::Warn.paint("warning")));
        }
        Ok(open)
    }

    /// The project, to work with it.
    ///
    /// # Errors
    /// As [`App::open`], and if it has mistakes.
    pub(crate) fn open_to_work(&self) -> Result<Open, Failure> {
        let open = self.open()?;
        if open.diagnostics.has_errors() {
            return Err(Failure::in_files(open.diagnostics, &open.texts));
        }
        let warnings = open.diagnostics.0.iter().cloned().chain(open.platform.warnings());
        let warnings: Vec<_> = warnings.map(Told::from).collect();
        self.tell(&warnings, &open.texts);
        Ok(open)
    }

    /// The project's platform, or outside of any project one with all plugins.
    ///
    /// # Errors
    /// As [`App::open`].
    pub(crate) fn platform(&self) -> Result<Platform, Failure> {
        match self.root() {
            Some(_) => Ok(self.open()?.platform),
            None => self.bare(),
        }
    }

    /// As [`App::platform`], to tell what this binary holds: of a project that cannot be read far enough, that is only said.
    ///
    /// # Errors
    /// Two plugins of one kind and name.
    pub(crate) fn platform_to_look(&self) -> Result<Platform, Failure> {
        self.platform().or_else(|_| {
            let warning = Tone::Warn.paint("warning");
            self.printer.talk(&format!(
                "{warning}: the project cannot be read, `phlo check` tells why: this is phlo without it"
            ));
            self.bare()
        })
    }

    /// A platform with all plugins, outside of any project.
    ///
    /// # Errors
    /// Two plugins of one kind and name.
    pub(crate) fn bare(&self) -> Result<Platform, Failure> {
        let platform = Platform::bare(Path::new("."), phlo_bundle::KNOWN)?;
        self.platforms.borrow_mut().push(platform.clone());
        Ok(platform)
    }

    /// The command is done: so is phlo with its plugins. What that fails with is told and changes nothing.
    pub(crate) fn clean_up(&self) {
        let problems = self.platforms.take().into_iter().flat_map(|platform| platform.registry().clean_up_rest());
        let told: Vec<_> = problems.map(|err| Told::from(&err).warning()).collect();
        self.tell(&told, &Texts::default());
    }

    /// Tells problems on standard error; warnings only if the user does not want quiet.
    pub(crate) fn tell(&self, told: &[Told], texts: &Texts) {
        let clean = |text: &str| self.printer.clean(text);
        for one in told {
            let line = one.place.as_ref().and_then(|p| texts.line(&p.file, p.span.line));
            let line = line.filter(|line| !may_hold_secret(line));
            let text = one.text(line, &clean);
            match one.severity {
                Severity::Error => self.printer.error(&format!("{text}\n")),
                Severity::Warning => self.printer.talk(&format!("{text}\n")),
            }
        }
    }

    /// Tells what is wrong with some of the rows that were shown, and how the command ends because of it. In JSON each row says so
    /// itself.
    pub(crate) fn tell_of<'a>(&self, failed: impl Iterator<Item = (&'a str, &'a ErrorRecord)>) -> Exit {
        let told: Vec<_> = failed.map(|(what, error)| Told::from(error).about(what)).collect();
        if told.is_empty() {
            return Exit::Done;
        }
        if !self.printer.json() {
            self.tell(&told, &Texts::default());
            self.explain(told.iter().map(|t| t.code));
        }
        Exit::Failed
    }

    /// A runtime for commands that wait: for storage, for the network.
    ///
    /// # Errors
    /// If the system gives no threads.
    pub(crate) fn runtime(&self) -> Result<Runtime, Failure> {
        threads().map_err(no_threads)
    }

    /// A runtime of this thread alone.
    ///
    /// # Errors
    /// If the system gives no descriptors.
    pub(crate) fn listener() -> Result<Runtime, Failure> {
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(no_threads)
    }

    /// Waits for what the future does.
    ///
    /// # Errors
    /// What the future says.
    pub(crate) fn wait<T, E: Into<Failure>>(&self, future: impl Future<Output = Result<T, E>>) -> Result<T, Failure> {
        self.runtime()?.block_on(future).map_err(Into::into)
    }

    /// Ends a command that failed: tells why, as wanted.
    pub(crate) fn fail(&self, failure: Failure) -> Exit {
        let exit = failure.exit();
        if let Failure::Problems { told, texts, .. } = failure {
            if self.printer.json() {
                // If standard output is closed, nobody is there to be told.
                let _ = self.printer.document(error_document(&told));
            } else {
                self.tell(&told, &texts);
                self.explain(told.iter().filter(|t| t.severity == Severity::Error).map(|t| t.code));
            }
        }
        exit
    }

    /// Says once where to read more about these codes.
    pub(crate) fn explain(&self, codes: impl IntoIterator<Item = Code>) {
        let codes: std::collections::BTreeSet<_> = codes.into_iter().collect();
        if !codes.is_empty() {
            let codes: Vec<_> = codes.into_iter().map(Code::as_str).collect();
            self.printer.talk(&format!("run `phlo explain {}` for more", codes.join(" ")));
        }
    }
}

/// The runtime that waits for storage and the network.
///
/// # Errors
/// If the system gives no threads.
pub(crate) fn threads() -> std::io::Result<Runtime> {
    // Plans of nested queries recurse deeply, more so without optimization.
    tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(8 << 20).build()
}

fn no_threads(err: std::io::Error) -> Failure {
    Error::internal("the system gives no threads or descriptors").because(err).into()
}

/// The document of a command that failed.
pub(crate) fn error_document(told: &[Told]) -> serde_json::Value {
    let mut first = told.iter().find(|t| t.severity == Severity::Error).or(told.first());
    let error = first.take().map(Told::json);
    let all: Vec<_> = told.iter().map(Told::json).collect();
    serde_json::json!({ "status": "error", "error": error, "diagnostics": all })
}

/// An asset of the project.
///
/// # Errors
/// The text is no key, or the project has no such asset; with the nearest one.
pub(crate) fn asset(platform: &Platform, text: &str) -> Result<AssetKey, Failure> {
    if let Some(spec) = platform.assets().find(|a| a.key.as_str() == text) {
        return Ok(spec.key.clone());
    }
    let keys = platform.assets().map(|a| a.key.as_str());
    let error = Error::new(Code::UnknownAsset, format!("there is no asset `{text}`"));
    Err(error.suggest(text, keys, "`phlo status` lists the assets").into())
}

/// A table, whether an asset makes it or not.
///
/// # Errors
/// The text cannot name a table.
pub(crate) fn table(platform: &Platform, text: &str) -> Result<AssetKey, Failure> {
    AssetKey::new(text).map_err(|_| {
        let keys = platform.assets().map(|a| a.key.as_str());
        let error = Error::new(Code::UnknownTable, format!("there is no table `{text}`"));
        error.suggest(text, keys, "`phlo table list` shows the tables").into()
    })
}
