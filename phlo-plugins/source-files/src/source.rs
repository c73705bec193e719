//! The source `files`: lists, compares with the cursor, and reads what is new.

use std::collections::BTreeSet;

use phlo_plugin::prelude::*;
use phlo_spec::event::LogLevel;
use phlo_storage::is_remote;

use crate::config::{FilesConfig, Format};
use crate::cursor::Cursor;
use crate::input::{Input, Listing, list};
use crate::parquet;
use crate::text::{Surroundings, TextFormat, add_unseen};

/// How many files are looked into to find out the columns.
const MOST_SAMPLES: usize = 32;

/// Reads files.
#[derive(Debug)]
pub struct FilesSource {
    storage: Storage,
}

impl Plugin for FilesSource {
    type Settings = NoSettings;

    fn create(_: NoSettings, context: &InitContext) -> Result<Self> {
        Ok(Self { storage: context.storage.clone() })
    }
}

#[async_trait]
impl Source for FilesSource {
    type Config = FilesConfig;

    fn validate(&self, config: &FilesConfig) -> Result<()> {
        config.check()
    }

    async fn schema(&self, config: &FilesConfig, context: &SourceContext) -> Result<Option<SchemaRef>> {
        if context.offline && config.path.0.iter().any(|path| is_remote(path)) {
            return Ok(None);
        }
        let listing = self.list_first(config, context).await?;
        let around = surroundings(context);
        let (format, tabs) = listing.format(config)?;
        let (samples, rest) = samples(listing.inputs);
        let all = rest.is_empty();
        Ok(Some(if format == Format::Parquet {
            parquet::columns(&parquet::open(samples, &around).await?, all, &context.columns)?
        } else {
            let format = TextFormat::new(config, format, tabs);
            format.columns(samples, all, config.sample_rows(), &context.columns, &around).await?.schema
        }))
    }

    async fn test_connection(&self, config: &FilesConfig, context: &SourceContext) -> Result<()> {
        self.schema(config, context).await.map(drop)
    }

    async fn read(&self, config: &FilesConfig, context: &SourceContext, request: ReadRequest) -> Result<Reading> {
        let listing = list(config, &self.storage, context).await?;
        let cursor = request.cursor.map(Cursor::parse).transpose()?.unwrap_or_default();
        for pattern in listing.all_matched_or_read(&cursor, &context.root)? {
            let message = format!("no file matches `{pattern}` now; the rows of those that did stay");
            context.emitter.log(LogLevel::Info, message);
        }
        let news: BTreeSet<String> =
            listing.inputs.iter().filter(|input| cursor.is_news(input)).map(|input| input.name.clone()).collect();
        let is_new = |input: &Input| news.contains(&input.name);
        tell_changed(listing.inputs.iter().filter(|input| cursor.has_changed(input)), context);
        let bytes = listing.inputs.iter().filter(|input| is_new(input)).map(|input| input.size).sum();
        let (streams, batch_rows) = (request.parallelism.max(1), request.batch_rows.max(1));
        let around = surroundings(context);

        // All files say what the columns are, so that these do not depend on what is new.
        let (schema, streams) = if listing.inputs.is_empty() {
            (cursor.schema().unwrap_or_else(|| declared(context)), Vec::new())
        } else {
            let (format, tabs) = listing.format(config)?;
            let (samples, rest) = samples(listing.inputs.clone());
            let all = rest.is_empty();
            if format == Format::Parquet {
                let samples = parquet::open(samples, &around).await?;
                let schema = parquet::columns(&samples, all, &context.columns)?;
                let opened = samples.into_iter().filter(|file| is_new(&file.input)).collect();
                let others = rest.into_iter().filter(is_new).collect();
                let streams = parquet::read(opened, others, &schema, &around, streams, batch_rows);
                (schema, streams)
            } else {
                let format = TextFormat::new(config, format, tabs);
                let columns = format.columns(samples, all, config.sample_rows(), &context.columns, &around).await?;
                let inputs: Vec<Input> = listing.inputs.iter().filter(|input| is_new(input)).cloned().collect();
                let schema = columns.schema.clone();
                let streams = match &*inputs {
                    [] => Vec::new(),
                    _ => format.read(inputs, columns, around, streams, batch_rows)?,
                };
                (schema, streams)
            }
        };
        let checkpoint = Checkpoint::default();
        checkpoint.set(cursor.after(listing.inputs.iter(), &schema)?);
        let nothing = || -> BatchStream { Box::pin(futures::stream::empty()) };
        let streams = if streams.is_empty() { vec![nothing()] } else { streams };
        Ok(Reading { schema, streams, checkpoint, origins: listing.origins, bytes: Some(bytes) })
    }
}

/// The columns that the asset declares.
fn declared(context: &SourceContext) -> SchemaRef {
    let mut fields = Vec::new();
    add_unseen(&mut fields, &context.columns);
    Schema::new(fields).into()
}

impl FilesSource {
    /// Lists the files of a first run, when each path must match something.
    async fn list_first(&self, config: &FilesConfig, context: &SourceContext) -> Result<Listing> {
        let listing = list(config, &self.storage, context).await?;
        listing.all_matched()?;
        Ok(listing)
    }
}

/// Warns of files whose rows may come twice.
fn tell_changed<'a>(changed: impl Iterator<Item = &'a Input>, context: &SourceContext) {
    const SHOWN: usize = 3;
    let names: Vec<_> = changed.map(|input| format!("`{}`", input.name)).collect();
    if names.is_empty() {
        return;
    }
    let more = if names.len() > SHOWN { format!(" and {} others", names.len() - SHOWN) } else { String::new() };
    context.emitter.log(
        LogLevel::Warn,
        format!(
            "{}{more} changed since they were read and are read again as a whole: `write: {{strategy: merge}}` keeps each \
             row once, `append` has it twice",
            names[..names.len().min(SHOWN)].join(", ")
        ),
    );
}

fn surroundings(context: &SourceContext) -> Surroundings {
    Surroundings { redactor: context.redactor.clone(), stop: context.cancel.clone() }
}

/// The files that are sampled, and the others: the latest, and some of all times.
fn samples(mut inputs: Vec<Input>) -> (Vec<Input>, Vec<Input>) {
    if inputs.len() <= MOST_SAMPLES {
        return (inputs, Vec::new());
    }
    inputs.sort_by(|a, b| b.modified.cmp(&a.modified).then_with(|| b.name.cmp(&a.name)));
    let older = inputs.split_off(MOST_SAMPLES / 2);
    let (mut samples, mut rest) = (inputs, Vec::new());
    let (count, wanted) = (older.len(), MOST_SAMPLES / 2);
    for (index, input) in older.into_iter().enumerate() {
        let taken = (index + 1) * wanted / count > index * wanted / count;
        if taken { samples.push(input) } else { rest.push(input) }
    }
    samples.sort_by(|a, b| a.name.cmp(&b.name));
    (samples, rest)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;
    use crate::config::Compression;
    use crate::input::Place;

    #[test]
    fn the_latest_files_and_some_of_all_times_are_sampled() {
        for count in [0, 1, 32, 33, 50, 1000] {
            let input = |at: i64| Input {
                name: format!("{at:04}"),
                place: Place::Local("x".into()),
                size: 1,
                version: String::new(),
                etag: None,
                modified: DateTime::UNIX_EPOCH + TimeDelta::seconds(at),
                compression: Compression::None,
            };
            let (taken, rest) = samples((0..count).map(input).collect());
            assert_eq!(taken.len(), MOST_SAMPLES.min(count as usize), "{count}");
            let latest = (count - 16).max(0)..count;
            assert!(latest.clone().all(|at| taken.iter().any(|input| input.name == format!("{at:04}"))), "{count}");
            let mut names: Vec<_> = taken.into_iter().chain(rest).map(|input| input.name).collect();
            names.sort();
            assert_eq!(names, (0..count).map(|at| format!("{at:04}")).collect::<Vec<_>>());
        }
    }
}
