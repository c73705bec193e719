//! Assets: from a file's text to a spec with every default filled in.

use phlo_spec::asset::{AssetBody, AssetHeader, SqlSpec};
use phlo_spec::{
    AssetKey, AssetSpec, CheckSpec, Code, Diagnostic, Node, NodeKind, Place, Severity, SourceSpec, Span, TransformSpec,
    WriteStrategy,
};

use crate::PROJECT_FILE;
use crate::check::{checks, transforms};
use crate::load::Context;
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
    let Some((_, source)) = node.take("source") else {
        let problem = node.error(Code::MissingKey, "a YAML asset needs `source`");
        context.problems.push(match node.get("target") {
            Some(_) => {
                problem.hint("assets that publish to a `target` are not part of this version of phlo; remove the file")
            }
            None => problem.hint(example),
        });
        return None;
    };
    let source = self::source(source, context);
    let common = common(&mut node, WriteStrategy::Append, context);
    let (source, common) = (source?, common?);
    Some(common.into_spec(key, start_of(file), AssetBody::Ingest(source)))
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
    let source = node.take("source");
    let common = common(&mut node, WriteStrategy::Overwrite, context);
    if let Some((source, _)) = source {
        let problem = source.error(Code::InertConfig, "a SQL asset has no `source`: its rows come from its query");
        context.problems.push(problem.hint("remove it, or make the asset a YAML file"));
        return None;
    }
    Some(common?.into_spec(key, start_of(file), AssetBody::Sql(SqlSpec { text, file: file.to_owned() })))
}

fn start_of(file: &str) -> Place {
    Place { file: file.into(), span: Span { line: 1, column: 1, len: 0 } }
}

/// What both sorts of asset have.
struct Common {
    header: AssetHeader,
    checks: Vec<CheckSpec>,
    transforms: Vec<TransformSpec>,
}

fn common(node: &mut Node, strategy: WriteStrategy, context: &mut Context<'_>) -> Option<Common> {
    let problems = &mut context.problems;
    let before = problems.len();
    let checks = node.take("checks").map(|(_, node)| checks(&node, problems)).unwrap_or_default();
    let transforms = node.take("transforms").map(|(_, node)| transforms(&node, problems)).unwrap_or_default();
    let known: Vec<_> = keys_of::<AssetHeader>().iter().copied().chain(["source", "checks", "transforms"]).collect();
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
            partitions,
            deps,
            capability_overrides,
            freshness,
            retry,
            place: Some(place),
        }
    }
}

/// The `source:` section, joined with the connection that it names. The asset's entries win, each as a whole.
fn source(mut node: Node, context: &mut Context<'_>) -> Option<SourceSpec> {
    let problems = &mut context.problems;
    let hint = "write `source: {plugin: NAME, …}` or `source: {connection: NAME, …}`";
    if !expect_map(&node, "`source`", hint, problems) {
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
            problems.push(node.error(Code::MissingKey, "`source` names no plugin").hint(hint));
            return None;
        };
        return Some(SourceSpec { plugin, plugin_place: place.place(), config: node });
    };
    context.used.insert(name.clone());
    // Without a readable phlo.yaml there is nothing to say about its connections.
    let connections = context.connections?;
    let Some(shared) = connections.get(&name) else {
        if !context.refused_connections.contains(&name) {
            let known: Vec<_> = connections.keys().map(String::as_str).collect();
            let hint = match known.as_slice() {
                [] => format!("add it to `connections:` of {PROJECT_FILE}"),
                known => nearest_or_known(&name, &format!("connections of {PROJECT_FILE}"), known),
            };
            problems.push(at.error(Code::InvalidValue, format!("unknown connection `{name}`")).hint(hint));
        }
        return None;
    };
    let source = shared.get("source")?;
    let of_connection = source.as_str()?.to_owned();
    if let Some((plugin, at)) = plugin
        && plugin != of_connection
    {
        let message =
            format!("`plugin: {plugin}` disagrees with the connection `{name}`, whose source is `{of_connection}`");
        problems.push(at.error(Code::InvalidValue, message).hint("remove `plugin`, or name another connection"));
        return None;
    }
    let plugin_place = source.place();
    let inherited = shared
        .entries()
        .unwrap_or_default()
        .iter()
        .filter(|(key, _)| key.as_str().is_some_and(|key| key != "source" && node.get(key).is_none()));
    let mut entries: Vec<_> = inherited.cloned().collect();
    entries.extend_from_slice(node.entries().unwrap_or_default());
    node.kind = NodeKind::Map(entries);
    Some(SourceSpec { plugin: of_connection, plugin_place, config: node })
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
