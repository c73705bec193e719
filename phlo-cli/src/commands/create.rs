//! `phlo plugin create`: a plugin crate of one's own, outside of phlo's repository.

use std::io;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use phlo_plugin::Error;
use phlo_scaffold::{Home, Kind, Name, Phlo, Refusal, render};
use phlo_spec::Code;
use serde_json::json;

use crate::app::App;
use crate::args::{Cli, Create};
use crate::exit::{Exit, Failure};
use crate::render::{Tone, word};

pub(crate) fn run(app: &App, args: &Create) -> Result<Exit, Failure> {
    let kind: Kind = args.kind.parse().map_err(refused)?;
    let name = Name::new(kind, &args.name).map_err(refused)?;
    free(&name)?;
    let source = args.phlo_source.as_deref().map(checkout).transpose()?;
    let folder = args.path.clone().unwrap_or_else(|| PathBuf::from(name.package()));
    // A link that leads nowhere is there, too.
    if folder.symlink_metadata().is_ok() {
        return Err(Error::new(Code::Usage, format!("{} is there already", folder.display()))
            .hint("name another folder with `--path DIR`, or choose another name")
            .into());
    }
    let phlo = source.as_ref().map_or(Phlo::Registry, |path| Phlo::Source(path.display().to_string()));
    let mut files = render(&name, &Home::Alone(phlo));
    if let Some(source) = &source {
        // The very versions that this phlo is tested with; cargo takes out what the plugin does not need.
        let lock = source.join("Cargo.lock");
        let text = std::fs::read_to_string(&lock).map_err(|err| unreadable(&lock, err))?;
        files.push(("Cargo.lock".to_owned(), text));
    }
    for (file, text) in &files {
        let path = folder.join(file);
        path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(|err| unreadable(&path, err))?;
        std::fs::write(&path, text).map_err(|err| unreadable(&path, err))?;
    }
    let dir = folder.display().to_string();
    let at = if folder.is_absolute() { dir.clone() } else { format!("./{dir}") };
    let of = source.as_ref().map(|path| format!(" --phlo-source {}", word(&path.display().to_string())));
    let next = [
        format!("cd {} && cargo test", word(&dir)),
        format!("phlo build --with {}{}", word(&at), of.unwrap_or_default()),
    ];
    let written: Vec<_> = files.iter().map(|(file, _)| file).collect();
    app.printer.answer(
        || {
            json!({
                "status": "ok", "kind": kind.as_str(), "name": name.plugin(), "package": name.package(), "dir": dir,
                "files": written, "next": next,
            })
        },
        || {
            let lines: String = next.iter().map(|line| format!("  {}\n", Tone::Literal.paint(line))).collect();
            format!("{} the {kind} `{}` in {dir}\n\nNext:\n{lines}", Tone::Good.paint("Made"), name.plugin())
        },
    )?;
    Ok(Exit::Done)
}

/// Refuses a name that phlo has already: a binary links no two plugins of one kind and name, and no two packages of one name.
fn free(name: &Name) -> Result<(), Failure> {
    let (kind, plugin) = (name.kind().as_str(), name.plugin());
    let known = phlo_bundle::KNOWN
        .iter()
        .find(|known| (known.kind == kind && known.name == plugin) || known.package == name.package());
    let taken = match known {
        Some(known) => format!("the {} `{}` of {}", known.kind, known.name, known.package),
        None if name.kind() == Kind::Cli && Cli::command().find_subcommand(&plugin).is_some() => {
            format!("phlo's own command `{plugin}`")
        }
        None => return Ok(()),
    };
    let error = Error::new(Code::Usage, format!("the name `{plugin}` is taken: {taken} has it"));
    Err(error.hint("choose another name: a binary links one plugin of a kind and name").into())
}

fn refused(refusal: Refusal) -> Failure {
    Error::new(Code::Usage, refusal.message).hint(refusal.hint).into()
}

/// The folder of a checkout, whole, so that the crate may be moved.
fn checkout(given: &Path) -> Result<PathBuf, Failure> {
    let path = given.canonicalize().unwrap_or_else(|_| given.to_owned());
    if !path.join("phlo-core/plugin/Cargo.toml").is_file() {
        return Err(Error::new(Code::Usage, format!("{} is no checkout of phlo", given.display()))
            .hint("name the folder that holds `phlo-core`")
            .into());
    }
    Ok(path)
}

fn unreadable(path: &Path, err: io::Error) -> Failure {
    Error::new(Code::UnreadableFile, "the plugin cannot be written")
        .with("path", path.display())
        .because(err)
        .hint("check the folder's permissions and the disk")
        .into()
}
