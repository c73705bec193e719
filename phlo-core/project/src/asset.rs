//! Assets: from a file's text to a spec with every default filled in.

use std::collections::{BTreeMap, BTreeSet};

use phlo_spec::asset::{AssetBody, AssetHeader, InlineSql, SqlSpec, TextOrigin};
use phlo_spec::{
    AssetKey, AssetSpec, CheckSpec, Code, Diagnostic, Node, NodeKind, Place, PublishInput, PublishSpec, Severity,
    SourceSpec, Span, TargetSpec, TransformSpec, WriteStrategy,
};

use crate::PROJECT_FILE;
use crate::check::{checks, transforms};
use crate::file::CONNECTED;
use crate::load::{Context, with_hint};
use crate::read::{expect_map, keys_of, map_at, nearest_or_known, read_all, refuse_unknown_keys};
use crate::validate;

/// A YAML asset, or nothing if it has mistakes.
pub(crate) fn yaml(key: AssetKey, file: &str, text: &str, context: &mut Context<'_>) -> Option<AssetSpec> {
    let mut node = context.parse(text, file, 1)?;
    let example = "write `source: {plugin: NAME, …}`: the plugin that its rows come from";
    if !expect_map(&node, "the asset", example, &mut context.problems) {
        return None;
    }
    context.fill(&mut node);
    let source = match (node.take("source"), node.get("target").is_some()) {
        (Some((key, _)), true) => {
            let problem = key.error(Code::InertConfig, "an asset has a `source` or a `target`, not both");
            let hint = "publish with an asset of its own: `table: GROUP.NAME` and `target: {…}`";
            context.problems.push(problem.hint(hint));
            return None;
        }
        (None, true) => return publish(key, file, text, node, context),
        (Some((_, source)), false) => source,
        (None, false) => {
            let inputs = ["table", "query"].iter().find(|key| node.get(key).is_some());
            context.problems.push(match inputs {
                Some(_) => node
                    .error(Code::MissingKey, "an asset that publishes needs `target`")
                    .hint("write `target: {plugin: NAME, …}`: the system that it publishes to"),
                None => node.error(Code::MissingKey, "a YAML asset needs `source`").hint(example),
            });
            return None;
        }
    };
    let source = section("source", source, context);
    let before = context.problems.len();
    for name in ["table", "query"] {
        if let Some((key, _)) = node.take(name) {
            let message = format!("`{name}` says what is published, and this asset has no `target`");
            context.problems.push(key.error(Code::InertConfig, message).hint(format!("remove `{name}`")));
        }
    }
    let inert = context.problems.len() > before;
    let common = common(&mut node, WriteStrategy::Append, context).filter(|_| !inert);
    let (Section { plugin, plugin_place, config }, common) = (source?, common?);
    let body = AssetBody::Ingest(SourceSpec { plugin, plugin_place, config });
    Some(common.into_spec(key, start_of(file), body))
}

/// What an asset that makes no table cannot have, and what to do instead.
const OF_TABLES: [(&str, &str); 4] = [
    ("write", "remove it; how rows are sent is told under `target`"),
    ("transforms", "write a `query` that does it"),
    ("columns", "cast in a `query`"),
    ("partitions", "remove it; a table is published as a whole"),
];

/// An asset that publishes a table or a query.
fn publish(key: AssetKey, file: &str, text: &str, mut node: Node, context: &mut Context<'_>) -> Option<AssetSpec> {
    let before = context.problems.len();
    for (name, hint) in OF_TABLES {
        if let Some((key, _)) = node.take(name) {
            let message = format!("`{name}` has no say in an asset that publishes: it makes no table");
            context.problems.push(key.error(Code::InertConfig, message).hint(hint));
        }
    }
    let target = node.take("target").map(|(_, target)| target);
    let input = input(&mut node, file, text, &mut context.problems);
    let target = target.and_then(|target| section("target", target, context));
    let common = common(&mut node, WriteStrategy::Overwrite, context);
    let (input, Section { plugin, plugin_place, config }, common) = (input?, target?, common?);
    let wrong = context.problems[before..].iter().any(|problem| problem.severity == Severity::Error);
    let body = AssetBody::Publish(PublishSpec { input, target: TargetSpec { plugin, plugin_place, config } });
    (!wrong).then(|| common.into_spec(key, start_of(file), body))
}

/// What is published: `table` or `query`.
fn input(node: &mut Node, file: &str, text: &str, problems: &mut Vec<Diagnostic>) -> Option<PublishInput> {
    let hint = "write `table: GROUP.NAME`, or `query: \"select …\"` over tables";
    match (node.take("table"), node.take("query")) {
        (Some((_, table)), None) => {
            let key: AssetKey = read_all(&table, problems)?;
            Some(PublishInput::Table { table: key, place: table.place() })
        }
        (None, Some((_, query))) => {
            let sql: String = read_all(&query, problems)?;
            let origin = origin(&query, &sql, text);
            Some(PublishInput::Query(InlineSql { text: sql, file: file.to_owned(), origin }))
        }
        (Some(_), Some((key, _))) => {
            let problem = key.error(Code::InertConfig, "an asset publishes a `table` or a `query`, not both");
            problems.push(problem.hint("remove one of the two"));
            None
        }
        (None, None) => {
            let message = "an asset that publishes needs `table` or `query`: what is published";
            problems.push(node.error(Code::MissingKey, message).hint(hint));
            None
        }
    }
}

/// Where the lines of a text of the file stand in it: behind its key, in quotes or not, or as a block below it.
fn origin(node: &Node, value: &str, text: &str) -> TextOrigin {
    let within = TextOrigin::Within(node.span);
    let Some(line) = text.lines().nth(node.span.line.saturating_sub(1) as usize) else { return within };
    let column = node.span.column.saturating_sub(1);
    let rest: String = line.chars().skip(column as usize).collect();
    for quote in ["", "\"", "'"] {
        if !value.contains('\n') && rest.strip_prefix(quote).is_some_and(|rest| rest.starts_with(value)) {
            return TextOrigin::Lines { line: node.span.line, first: column + quote.len() as u32, further: 0 };
        }
    }
    // A block: each line as it is, behind one indentation.
    for first in [node.span.line, node.span.line + 1] {
        let below = text.lines().skip(first as usize - 1);
        let mut indents = value.trim_end().lines().zip(below).map(|(want, have)| {
            let indent = have.len().checked_sub(want.len()).filter(|_| have.ends_with(want));
            indent.filter(|indent| have[..*indent].trim().is_empty())
        });
        if let Some(Some(indent)) = indents.next()
            && indents.zip(value.lines().skip(1)).all(|(i, want)| want.trim().is_empty() || i == Some(indent))
        {
            return TextOrigin::Lines { line: first, first: indent as u32, further: indent as u32 };
        }
    }
    within
}

/// A SQL asset, or nothing if its header has mistakes. The query itself is not looked at.
pub(crate) fn sql(key: AssetKey, file: &str, text: String, context: &mut Context<'_>) -> Option<AssetSpec> {
    let mut node = match sql_header(&text, file) {
        Ok(Some((header, first_line))) => context.parse(&header, file, first_line)?,
        Ok(None) => map_at(start_of(file), Vec::new()),
        Err(problem) => {
            context.problems.push(*problem);
            return None;
        }
    };
    if !expect_map(&node, "the header", "write keys and values, e.g. `description: …`", &mut context.problems) {
        return None;
    }
    context.fill(&mut node);
    let others = ["source", "target", "table", "query"].map(|name| (name, node.take(name)));
    let common = common(&mut node, WriteStrategy::Overwrite, context);
    let mut inert = false;
    for (name, key) in others.into_iter().filter_map(|(name, entry)| Some((name, entry?.0))) {
        inert = true;
        let (why, hint) = match name {
            "source" => ("its rows come from its query", "remove it, or make the asset a YAML file"),
            _ => (
                "it makes a table",
                "publish the table with an asset of its own, a YAML file with `table` and `target`",
            ),
        };
        let problem = key.error(Code::InertConfig, format!("a SQL asset has no `{name}`: {why}"));
        context.problems.push(problem.hint(hint));
    }
    if inert {
        return None;
    }
    Some(common?.into_spec(key, start_of(file), AssetBody::Sql(SqlSpec { text, file: file.to_owned() })))
}

fn start_of(file: &str) -> Place {
    Place { file: file.into(), span: Span { line: 1, column: 1, len: 0 } }
}

/// The keys of YAML assets that plugins read or that say what is published.
const SECTIONS: [&str; 6] = ["source", "target", "table", "query", "checks", "transforms"];

/// What all sorts of asset have.
struct Common {
    header: AssetHeader,
    checks: Vec<CheckSpec>,
    transforms: Vec<TransformSpec>,
}

fn common(node: &mut Node, strategy: WriteStrategy, context: &mut Context<'_>) -> Option<Common> {
    let problems = &mut context.problems;
    let before = problems.len();
    let checks = node.take("checks").map(|(_, node)| checks(&node, problems)).unwrap_or_default();
    for source in checks.iter().flat_map(|check| sources_within(&check.params)) {
        context.used.extend(source.get("connection").and_then(Node::as_str).map(str::to_owned));
    }
    let transforms = node.take("transforms").map(|(_, node)| transforms(&node, problems)).unwrap_or_default();
    let known: Vec<_> = keys_of::<AssetHeader>().iter().copied().chain(SECTIONS).collect();
    refuse_unknown_keys(node, &known, problems);
    if let NodeKind::Map(entries) = &mut node.kind {
        // A section without anything in it is as good as none.
        entries.retain(|(_, value)| value.kind != NodeKind::Null);
    }
    let overrides = validate::take_providers(node, "capability_overrides", problems);
    let mut header: AssetHeader = read_all(node, problems)?;
    validate::header(node, &header, strategy, problems);
    header.capability_overrides = overrides;
    header.write.strategy.get_or_insert(strategy);
    header.write.metadata.get_or_insert(strategy == WriteStrategy::Append);
    let wrong = problems[before..].iter().any(|problem| problem.severity == Severity::Error);
    (!wrong).then_some(Common { header, checks, transforms })
}

impl Common {
    fn into_spec(self, key: AssetKey, place: Place, body: AssetBody) -> AssetSpec {
        let AssetHeader {
            description,
            group,
            tags,
            owner,
            write,
            columns,
            sensitive,
            partitions,
            deps,
            capability_overrides,
            freshness,
            retry,
        } = self.header;
        AssetSpec {
            group: group.unwrap_or_else(|| key.group().to_owned()),
            key,
            description,
            tags,
            owner,
            body,
            transforms: self.transforms,
            write,
            checks: self.checks,
            columns,
            sensitive,
            partitions,
            deps,
            capability_overrides,
            freshness,
            retry,
            place: Some(place),
        }
    }
}

/// A plugin and its config.
struct Section {
    plugin: String,
    plugin_place: Option<Place>,
    config: Node,
}

/// The `source:` or `target:` section, joined with the connection that it names. The asset's entries win, each as a whole.
fn section(what: &str, node: Node, context: &mut Context<'_>) -> Option<Section> {
    let Context { connections, refused_connections, used, problems, .. } = context;
    joined(what, node, *connections, refused_connections, used, problems)
}

/// A source that stands elsewhere than in `source:`, e.g. the other side of a check, joined with the connection that it names.
///
/// # Errors
/// Each mistake at its place: an unknown connection, neither a plugin nor a connection.
pub fn source_of(node: &Node, connections: &BTreeMap<String, Node>) -> Result<SourceSpec, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let (none, mut used) = (BTreeSet::new(), BTreeSet::new());
    let section = joined("source", node.clone(), Some(connections), &none, &mut used, &mut problems);
    match section {
        Some(Section { plugin, plugin_place, config }) => Ok(SourceSpec { plugin, plugin_place, config }),
        None => Err(problems.into_iter().map(with_hint).collect()),
    }
}

/// The sources within a check's parameters: maps that name a `plugin` or a `connection`.
pub fn sources_within(params: &Node) -> Vec<&Node> {
    let named = |key: &str| params.get(key).is_some_and(|name| name.as_str().is_some());
    if named("plugin") || named("connection") {
        return vec![params];
    }
    match &params.kind {
        NodeKind::Map(entries) => entries.iter().flat_map(|(_, value)| sources_within(value)).collect(),
        NodeKind::Seq(items) => items.iter().flat_map(sources_within).collect(),
        _ => Vec::new(),
    }
}

fn joined(
    what: &str,
    mut node: Node,
    connections: Option<&BTreeMap<String, Node>>,
    refused: &BTreeSet<String>,
    used: &mut BTreeSet<String>,
    problems: &mut Vec<Diagnostic>,
) -> Option<Section> {
    let hint = format!("write `{what}: {{plugin: NAME, …}}` or `{what}: {{connection: NAME, …}}`");
    if !expect_map(&node, &format!("`{what}`"), &hint, problems) {
        return None;
    }
    let plugin = node.take("plugin").map(|(_, node)| node);
    let connection = node.take("connection").map(|(_, node)| node);
    let mut name_of = |node: Option<Node>| -> Result<Option<(String, Node)>, ()> {
        let Some(node) = node else { return Ok(None) };
        match node.read::<String>() {
            Ok(name) => Ok(Some((name, node))),
            Err(problem) => {
                problems.push(*problem);
                Err(())
            }
        }
    };
    let (Ok(plugin), Ok(connection)) = (name_of(plugin), name_of(connection)) else { return None };
    let Some((name, at)) = connection else {
        let Some((plugin, place)) = plugin else {
            problems.push(node.error(Code::MissingKey, format!("`{what}` names no plugin")).hint(hint));
            return None;
        };
        return Some(Section { plugin, plugin_place: place.place(), config: node });
    };
    used.insert(name.clone());
    // Without a readable phlo.yaml there is nothing to say about its connections.
    let connections = connections?;
    let Some(shared) = connections.get(&name) else {
        if !refused.contains(&name) {
            let known: Vec<_> = connections.keys().map(String::as_str).collect();
            let hint = match known.as_slice() {
                [] => format!("add it to `connections:` of {PROJECT_FILE}"),
                known => nearest_or_known(&name, &format!("connections of {PROJECT_FILE}"), known),
            };
            problems.push(at.error(Code::InvalidValue, format!("unknown connection `{name}`")).hint(hint));
        }
        return None;
    };
    let Some(named) = shared.get(what) else {
        let message = format!("the connection `{name}` has no `{what}`");
        let hint = format!("add `{what}: PLUGIN` to it in {PROJECT_FILE}, or name another connection");
        problems.push(at.error(Code::InvalidValue, message).hint(hint));
        return None;
    };
    let of_connection = named.as_str()?.to_owned();
    if let Some((plugin, at)) = plugin
        && plugin != of_connection
    {
        let message =
            format!("`plugin: {plugin}` disagrees with the connection `{name}`, whose {what} is `{of_connection}`");
        problems.push(at.error(Code::InvalidValue, message).hint("remove `plugin`, or name another connection"));
        return None;
    }
    let plugin_place = named.place();
    let inherited = shared
        .entries()
        .unwrap_or_default()
        .iter()
        .filter(|(key, _)| key.as_str().is_some_and(|key| !CONNECTED.contains(&key) && node.get(key).is_none()));
    let mut entries: Vec<_> = inherited.cloned().collect();
    entries.extend_from_slice(node.entries().unwrap_or_default());
    node.kind = NodeKind::Map(entries);
    Some(Section { plugin: of_connection, plugin_place, config: node })
}

/// The YAML of the leading `/* phlo … */` comment and the line that it begins on.
fn sql_header(text: &str, file: &str) -> Result<Option<(String, u32)>, Box<Diagnostic>> {
    let place = |at: usize, len: usize| {
        let before = &text[..at];
        let line = before.matches('\n').count() as u32 + 1;
        let column = before[before.rfind('\n').map_or(0, |at| at + 1)..].chars().count() as u32 + 1;
        Place { file: file.into(), span: Span { line, column, len: len as u32 } }
    };
    let mut at = 0;
    let mut header = None;
    loop {
        at += text[at..].len() - text[at..].trim_start().len();
        let rest = &text[at..];
        if rest.starts_with("--") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else if let Some(start) = opening(rest) {
            let Some(len) = rest.find("*/") else {
                let problem = Diagnostic::error(Code::SqlError, "the comment with the asset's settings has no end");
                return Err(Box::new(problem.at(place(at, start)).hint("close it with `*/`")));
            };
            if let Some(inner) = rest[start..len].find("/*") {
                let problem =
                    Diagnostic::error(Code::SqlError, "a comment begins inside the comment with the asset's settings");
                return Err(Box::new(
                    problem
                        .at(place(at + start + inner, 2))
                        .hint("write `/ *`, or leave it out: in SQL, comments nest"),
                ));
            }
            header = Some((at, start, len));
            at += len + 2;
            break;
        } else if rest.starts_with("/*") {
            // Another comment. One without an end is for the SQL parser to report.
            match rest.find("*/") {
                Some(end) => at += end + 2,
                None => return Ok(None),
            }
        } else {
            break;
        }
    }
    let later = &text[at..];
    if let Some(found) = later.match_indices("/*").map(|(at, _)| at).find(|found| opening(&later[*found..]).is_some()) {
        let message = match header {
            Some(_) => "a second comment with settings is not read",
            None => "a comment with settings is only read before the query",
        };
        let problem = Diagnostic::error(Code::InertConfig, message).at(place(at + found, 2));
        return Err(Box::new(
            problem.hint("keep all settings in one `/* phlo … */` comment at the beginning of the file"),
        ));
    }
    let Some((at, start, len)) = header else { return Ok(None) };
    let (body, first) = (&text[at + start..at + len], place(at + start, 0).span);
    Ok(Some(match body.split_once('\n') {
        Some((blank, below)) if blank.trim().is_empty() => (below.to_owned(), first.line + 1),
        // Spaces in place of what stands before keep the columns true.
        _ => (format!("{}{body}", " ".repeat(first.column as usize - 1)), first.line),
    }))
}

/// The length of `/* phlo` at the beginning of a text.
fn opening(text: &str) -> Option<usize> {
    let inside = text.strip_prefix("/*")?.trim_start();
    let word = inside.get(..4)?;
    let rest = &inside[4..];
    (word.eq_ignore_ascii_case("phlo")
        && (rest.is_empty() || rest.starts_with(char::is_whitespace) || rest.starts_with("*/")))
    .then(|| text.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_of_sql_is_found_with_its_line_and_columns() {
        for (text, want) in [
            ("select 1", Ok(None)),
            ("/* about phlo */ select 1 /* x */", Ok(None)),
            ("/* phlox\na: 1 */ select 1", Ok(None)),
            ("/* phlo\na: 1\n*/\nselect 1", Ok(Some(("a: 1\n", 2)))),
            ("-- licence\n/* more */\n/*phlo \r\na: 1 */select 1", Ok(Some(("a: 1 ", 4)))),
            ("\u{feff}/* phlo */ select 1", Ok(Some(("        ", 1)))),
            ("  /* PHLO {a: 1} */ select 1", Ok(Some(("          {a: 1} ", 1)))),
            ("/* phlo*/ select 1", Ok(Some(("       ", 1)))),
            ("/* phlo\na: 1\nselect 1", Err("f.sql:1:1: P1012: the comment with the asset's settings has no end")),
            (
                "/* phlo\na: x/*.csv\n*/ select 1",
                Err("f.sql:2:5: P1012: a comment begins inside the comment with the asset's settings"),
            ),
            (
                "select 1\n  /* phlo\na: 1 */",
                Err("f.sql:2:3: P1015: a comment with settings is only read before the query"),
            ),
            (
                "/* phlo\na: 1 */ /* phlo */ select 1",
                Err("f.sql:2:9: P1015: a second comment with settings is not read"),
            ),
        ] {
            let text = text.trim_start_matches('\u{feff}');
            let got = sql_header(text, "f.sql").map_err(|problem| problem.to_string());
            let want = want.map(|header| {
                header.map(|(text, line): (&str, u32)| (text.trim_end_matches(char::from(0)).to_owned(), line))
            });
            let trim = |header: Option<(String, u32)>| header.map(|(text, line)| (text.trim_end().to_owned(), line));
            assert_eq!(got.as_ref().map(|h| trim(h.clone())).map_err(String::as_str), want.map(trim), "{text}");
        }
    }
}
