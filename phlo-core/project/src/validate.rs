//! The rules between keys: what is well-formed on its own and cannot work together, or would never be executed.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use chrono::NaiveDate;
use phlo_plugin::Storage;
use phlo_spec::asset::AssetHeader;
use phlo_spec::project::{ProjectFile, ScheduleSpec, StorageSpec};
use phlo_spec::{
    CapabilityType, Code, Cron, Diagnostic, InvalidCron, Node, NodeKind, PartitionKind, PartitionSpec, WriteSpec,
    WriteStrategy, nearest,
};
use url::Url;

use crate::read::{expect_map, key_at, nearest_or_known, null_as_map, read_all, value_at};

/// The longest that a run may wait for another writer, in seconds.
const MAX_LOCK_WAIT: u64 = 86_400;
/// The least that `run.memory_mib` can be.
pub const MIN_MEMORY_MIB: u64 = 16;

/// Collects problems with the values of one map.
struct Rules<'a> {
    node: &'a Node,
    problems: &'a mut Vec<Diagnostic>,
}

impl Rules<'_> {
    /// A value that cannot be.
    fn invalid(&mut self, path: &[&str], message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(value_at(self.node, path).error(Code::InvalidValue, message).hint(hint));
    }

    /// A key that is needed beside the value at this path.
    fn missing(&mut self, path: &[&str], message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(value_at(self.node, path).error(Code::MissingKey, message).hint(hint));
    }

    /// A key that nothing would read.
    fn inert(&mut self, path: &[&str], message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(key_at(self.node, path).error(Code::InertConfig, message).hint(hint));
    }

    /// Names in a list: none empty, none twice.
    fn names(&mut self, path: &[&str], what: &str, names: &[String]) {
        let list = value_at(self.node, path);
        for (at, name) in names.iter().enumerate() {
            let item = list.items().and_then(|items| items.get(at)).unwrap_or(list);
            if name.trim().is_empty() {
                self.problems.push(
                    item.error(Code::InvalidValue, format!("an empty {what}")).hint("write its name, or remove it"),
                );
            } else if names[..at].contains(name) {
                self.problems.push(
                    item.error(Code::InvalidValue, format!("the {what} `{name}` is given twice")).hint("remove one"),
                );
            }
        }
    }

    fn timezone(&mut self, path: &[&str], name: &str) {
        if name.parse::<chrono_tz::Tz>().is_err() {
            let names = || chrono_tz::TZ_VARIANTS.iter().map(|tz| tz.name());
            // Of `london` and `europe/london`, too.
            let lower = name.to_lowercase();
            let near = names()
                .find(|known| known.to_lowercase().rsplit('/').next() == lower.rsplit('/').next())
                .map(str::to_owned)
                .or_else(|| nearest(name, names()));
            let hint = near.map_or_else(
                || "write a name such as `Europe/London` or `UTC`".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            self.invalid(path, format!("unknown time zone `{name}`"), hint);
        }
    }
}

/// The rules of an asset's header.
pub(crate) fn header(node: &Node, header: &AssetHeader, default: WriteStrategy, problems: &mut Vec<Diagnostic>) {
    let mut rules = Rules { node, problems };
    write(&mut rules, &header.write, default);
    if let Some(partitions) = &header.partitions {
        self::partitions(&mut rules, partitions);
        let why = match header.write.strategy.unwrap_or(default) {
            WriteStrategy::Merge => None,
            WriteStrategy::Overwrite => {
                Some("an asset that is overwritten as a whole has no partition that could be run alone")
            }
            WriteStrategy::Append => {
                Some("a partition of an asset that is appended to would be there twice if it ran twice")
            }
        };
        if let Some(why) = why {
            let hint = "set `write: {strategy: merge, unique_key: […]}`, or remove `partitions`";
            rules.inert(&["partitions"], why, hint);
        }
    }
    if let Some(freshness) = &header.freshness
        && !(freshness.max_age_hours > 0.0 && freshness.max_age_hours.is_finite())
    {
        rules.invalid(
            &["freshness", "max_age_hours"],
            "`max_age_hours` is not above 0",
            "write the age in hours, e.g. 26",
        );
    }
    if header.retry.max_attempts == 0 {
        rules.invalid(&["retry", "max_attempts"], "`max_attempts` is 0", "1 means one attempt and no other");
    }
    if !(header.retry.delay >= 0.0 && header.retry.delay.is_finite()) {
        rules.invalid(&["retry", "delay"], "`delay` is not a number of seconds", "write 0 or more");
    }
    if header.group.as_ref().is_some_and(|group| group.trim().is_empty()) {
        rules.invalid(
            &["group"],
            "`group` is empty",
            "write a name, or remove the key: the group then follows from the path",
        );
    }
    rules.names(&["tags"], "tag", &header.tags);
}

fn write(rules: &mut Rules<'_>, write: &WriteSpec, default: WriteStrategy) {
    let strategy = write.strategy.unwrap_or(default);
    let add_key = "add `unique_key: [COLUMN]`: the columns that identify a row";
    if strategy == WriteStrategy::Merge {
        if rules.node.get("write").is_some_and(|write| write.get("unique_key").is_some()) {
            if write.unique_key.is_empty() {
                rules.invalid(
                    &["write", "unique_key"],
                    "`unique_key` is empty",
                    "name the columns that identify a row",
                );
            }
        } else {
            rules.missing(&["write", "strategy"], "merge needs `unique_key`", add_key);
        }
    } else {
        let only = |key: &str| format!("`{key}` is only read by merge, and the strategy is {strategy}");
        let hint = |key: &str| format!("set `strategy: merge`, or remove `{key}`");
        if !write.unique_key.is_empty() {
            rules.inert(&["write", "unique_key"], only("unique_key"), hint("unique_key"));
        }
        if write.deduplicate.is_some() {
            rules.inert(&["write", "deduplicate"], only("deduplicate"), hint("deduplicate"));
        }
    }
    rules.names(&["write", "unique_key"], "column", &write.unique_key);
    if let Some(deduplicate) = &write.deduplicate {
        let path = ["write", "deduplicate", "order_by"];
        if deduplicate.order_by.is_empty() {
            rules.invalid(&path, "`order_by` is empty", "name the columns that tell which row is the last");
        }
        rules.names(&path, "column", &deduplicate.order_by);
    }
    if write.lock_wait > MAX_LOCK_WAIT {
        rules.invalid(
            &["write", "lock_wait"],
            "`lock_wait` is more than a day",
            format!("it is in seconds, at most {MAX_LOCK_WAIT}"),
        );
    }
}

fn partitions(rules: &mut Rules<'_>, partitions: &PartitionSpec) {
    let kind = partitions.kind;
    if partitions.column.trim().is_empty() {
        rules.invalid(&["partitions", "column"], "`column` is empty", "name the column that tells a row's partition");
    }
    if kind == PartitionKind::Static {
        if partitions.values.is_empty() {
            rules.missing(
                &["partitions", "kind"],
                "static partitions need `values`",
                "add `values: [A, B]`: the partitions' names",
            );
        }
        rules.names(&["partitions", "values"], "partition", &partitions.values);
        for (key, given) in [("start", partitions.start.is_some()), ("timezone", partitions.timezone.is_some())] {
            if given {
                rules.inert(
                    &["partitions", key],
                    format!("`{key}` is not read for static partitions"),
                    format!("remove `{key}`"),
                );
            }
        }
        return;
    }
    if !partitions.values.is_empty() {
        rules.inert(
            &["partitions", "values"],
            format!("`values` is not read for {kind} partitions"),
            "set `kind: static`, or remove `values`",
        );
    }
    let as_date = "write the first day as `2013-01-31`";
    match &partitions.start {
        None => rules.missing(
            &["partitions", "kind"],
            format!("{kind} partitions need `start`"),
            "add `start: 2013-01-31`: the day of the first partition",
        ),
        Some(start) => match NaiveDate::parse_from_str(start, "%Y-%m-%d") {
            Ok(date) if date.to_string() == *start => {}
            _ => rules.invalid(&["partitions", "start"], format!("`{start}` is not a date"), as_date),
        },
    }
    if let Some(timezone) = &partitions.timezone {
        rules.timezone(&["partitions", "timezone"], timezone);
    }
}

/// The rules of `phlo.yaml`.
pub(crate) fn project(node: &Node, file: &ProjectFile, problems: &mut Vec<Diagnostic>) {
    let mut rules = Rules { node, problems };
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !file.name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !file.name.chars().all(valid) {
        rules.invalid(
            &["name"],
            format!("`{}` cannot be a project's name", file.name),
            "begin with a letter or digit; go on with letters, digits, `_`, `-` and `.`",
        );
    }
    rules.names(&["plugins", "allow"], "plugin", &file.plugins.allow);
    rules.names(&["plugins", "deny"], "plugin", &file.plugins.deny);
    if file.run.jobs == Some(0) {
        rules.invalid(
            &["run", "jobs"],
            "`jobs` is 0",
            "write 1 or more, or remove the key: as many as there are processors",
        );
    }
    if file.run.memory_mib < MIN_MEMORY_MIB {
        rules.invalid(
            &["run", "memory_mib"],
            format!("`memory_mib` is below {MIN_MEMORY_MIB}"),
            "it is in MiB; the default is 256",
        );
    }
    let items = node.get("schedules").and_then(Node::items).unwrap_or_default();
    for (at, (schedule, item)) in file.schedules.iter().zip(items).enumerate() {
        self::schedule(&mut Rules { node: item, problems: rules.problems }, schedule);
        if file.schedules[..at].iter().any(|other| other.name == schedule.name) {
            let message = format!("two schedules are named `{}`", schedule.name);
            Rules { node: item, problems: rules.problems }.invalid(&["name"], message, "give each its own name");
        }
    }
}

fn schedule(rules: &mut Rules<'_>, schedule: &ScheduleSpec) {
    for (key, value) in [("name", &schedule.name), ("select", &schedule.select)] {
        if value.trim().is_empty() {
            rules.invalid(
                &[key],
                format!("`{key}` is empty"),
                if key == "name" { "write a name" } else { "write what to run, e.g. `group:gold+`" },
            );
        }
    }
    let fields = "the fields are minute, hour, day of the month, month and day of the week, e.g. `0 2 * * *`";
    match Cron::parse(&schedule.cron) {
        Ok(_) => {}
        Err(InvalidCron::Never) => {
            rules.inert(&["cron"], "no such day ever comes", "mend the day of the month or the month");
        }
        Err(InvalidCron::Text(message, part)) => {
            let node = value_at(rules.node, &["cron"]);
            let mut problem = node.error(Code::InvalidValue, message).hint(fields);
            // In quotes the text begins one column later.
            if let (Some(place), Some(quote)) =
                (&mut problem.place, node.span.len.checked_sub(schedule.cron.chars().count() as u32))
                && matches!(quote, 0 | 2)
            {
                place.span.column += quote / 2 + part.start as u32;
                place.span.len = part.len() as u32;
            }
            rules.problems.push(problem);
        }
    }
    if let Some(timezone) = &schedule.timezone {
        rules.timezone(&["timezone"], timezone);
    }
}

/// Takes a map from capability types to providers out of the map that holds it.
pub(crate) fn take_providers(
    node: &mut Node,
    key: &str,
    problems: &mut Vec<Diagnostic>,
) -> BTreeMap<CapabilityType, String> {
    let Some((_, map)) = node.take(key) else { return BTreeMap::new() };
    let map = null_as_map(map);
    let known: Vec<_> = CapabilityType::ALL.iter().map(|c| c.as_str()).collect();
    if !expect_map(&map, &format!("`{key}`"), "write `TYPE: PROVIDER` for each, e.g. `table_store: delta`", problems) {
        return BTreeMap::new();
    }
    let mut providers = BTreeMap::new();
    for (name, (key, value)) in by_name(map) {
        match (name.parse::<CapabilityType>(), read_all::<String>(&value, problems)) {
            (Err(_), _) => {
                let problem = key.error(Code::UnknownCapability, format!("unknown capability type `{name}`"));
                problems.push(problem.hint(nearest_or_known(&name, "known", &known)));
            }
            (Ok(_), Some(provider)) if provider.trim().is_empty() => {
                problems.push(
                    value
                        .error(Code::InvalidValue, "the provider's name is empty")
                        .hint("write a name, or remove the key"),
                );
            }
            (Ok(capability), Some(provider)) => {
                providers.insert(capability, provider);
            }
            (Ok(_), None) => {}
        }
    }
    providers
}

/// Where tables lie: `storage.root` as a URL that ends with a slash.
pub(crate) fn storage(root: &Path, spec: &StorageSpec, node: &Node, problems: &mut Vec<Diagnostic>) -> Option<Storage> {
    match storage_root(root, &spec.root) {
        Ok(url) => {
            if url.scheme() == "file" && !spec.options.is_empty() {
                Rules { node, problems }.inert(
                    &["storage", "options"],
                    "`options` are read for object stores only, and the root is a folder",
                    "remove them, or set `root` to a URL such as `s3://bucket/prefix`",
                );
            }
            Some(Storage { root: url, options: spec.options.clone() })
        }
        Err((message, hint)) => {
            Rules { node, problems }.invalid(&["storage", "root"], message, hint);
            None
        }
    }
}

fn storage_root(root: &Path, text: &str) -> Result<Url, (String, &'static str)> {
    let text = text.trim();
    let forms = "write a folder such as `./lake`, or a URL with s3://, az://, gs:// or file://";
    if text.is_empty() {
        return Err(("the storage root is empty".to_owned(), forms));
    }
    let Some((scheme, _)) = text.split_once("://") else {
        if text.starts_with('~') {
            return Err(("`~` is not filled in".to_owned(), "write `${HOME}`"));
        }
        let folder = lexically_normal(&root.join(text));
        return Url::from_directory_path(folder).map_err(|()| ("the storage root is not a folder".to_owned(), forms));
    };
    if !matches!(scheme, "s3" | "az" | "gs" | "file") {
        return Err((format!("storage with `{scheme}://` is not known"), forms));
    }
    let mut url = Url::parse(text).map_err(|err| (format!("the storage root is not a URL: {err}"), forms))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err((
            "credentials stand in the storage root".to_owned(),
            "put them under `storage.options`, from variables",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err((
            "the storage root has a query or a fragment".to_owned(),
            "end it with the folder; put settings under `storage.options`",
        ));
    }
    match (scheme, url.host_str()) {
        ("file", Some(_)) => {
            return Err((
                "the storage root names a host".to_owned(),
                "a file:// URL has three slashes: `file:///srv/lake`",
            ));
        }
        ("s3" | "az" | "gs", None | Some("")) => {
            return Err(("the storage root names no bucket".to_owned(), "write e.g. `s3://bucket/prefix`"));
        }
        _ => {}
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

fn lexically_normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut normal, component| {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
        normal
    })
}

/// A map's entries by key.
pub(crate) fn by_name(node: Node) -> BTreeMap<String, (Node, Node)> {
    match node.kind {
        NodeKind::Map(entries) => entries
            .into_iter()
            .map(|(key, value)| (key.as_str().unwrap_or_default().to_owned(), (key, value)))
            .collect(),
        _ => BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_storage_root_becomes_a_url_that_ends_with_a_slash() {
        for (text, want) in [
            ("./lake", Ok("file:///srv/my%20project/lake/")),
            ("../lake/", Ok("file:///srv/lake/")),
            (".", Ok("file:///srv/my%20project/")),
            ("/data/x", Ok("file:///data/x/")),
            ("s3://bucket", Ok("s3://bucket/")),
            ("s3://bucket/a/b", Ok("s3://bucket/a/b/")),
            ("az://box/p/", Ok("az://box/p/")),
            ("gs://b/p", Ok("gs://b/p/")),
            ("file:///srv/lake", Ok("file:///srv/lake/")),
            ("", Err("the storage root is empty")),
            ("~/lake", Err("`~` is not filled in")),
            ("hdfs://a/b", Err("storage with `hdfs://` is not known")),
            ("s3:///x", Err("the storage root names no bucket")),
            ("file://srv/lake", Err("the storage root names a host")),
            ("s3://k:s@bucket/x", Err("credentials stand in the storage root")),
            ("s3://bucket/x?region=eu", Err("the storage root has a query or a fragment")),
        ] {
            let got = storage_root(Path::new("/srv/my project"), text);
            assert_eq!(got.as_ref().map(Url::as_str).map_err(|(message, _)| message.as_str()), want, "{text}");
        }
    }
}
