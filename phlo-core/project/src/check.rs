//! Items of `checks:` and `transforms:`: a name and parameters, which stay nodes until the plugin reads them.

use phlo_spec::asset::CheckHeader;
use phlo_spec::{CheckSpec, Code, Diagnostic, Node, NodeKind, Place, Tolerance, TransformSpec};

use crate::read::{map_at, null_as_map, read_all, value_at};

/// More would swell the run history.
const MOST_SAMPLED: usize = 10_000;

/// Every item of `checks:`.
pub(crate) fn checks(node: &Node, problems: &mut Vec<Diagnostic>) -> Vec<CheckSpec> {
    let hint = "write one check an item, e.g. `- not_null: [id]`";
    let checks: Vec<_> =
        items(node, "`checks`", hint, problems).iter().filter_map(|item| check(item, problems)).collect();
    for (at, check) in checks.iter().enumerate() {
        let Some(name) = &check.name else { continue };
        if let (Some(first), Some(place)) = (checks[..at].iter().find(|c| c.name.as_ref() == Some(name)), &check.place)
        {
            let first = first.place.as_ref().map_or(0, |place| place.span.line);
            let problem = Diagnostic::error(
                Code::InvalidValue,
                format!("two checks of this asset are named `{name}`; the first is on line {first}"),
            );
            problems.push(problem.at(place.clone()).hint("give each its own `name`"));
        }
    }
    checks
}

/// Every item of `transforms:`.
pub(crate) fn transforms(node: &Node, problems: &mut Vec<Diagnostic>) -> Vec<TransformSpec> {
    let hint = "write one transform an item, e.g. `- rename: {columns: {old: new}}`";
    let items = items(node, "`transforms`", hint, problems).iter();
    items
        .filter_map(|item| {
            let (key, params) = named(item, "transform", hint, problems)?;
            Some(TransformSpec { name: key.as_str()?.to_owned(), place: key.place(), params })
        })
        .collect()
}

fn items<'a>(node: &'a Node, what: &str, hint: &str, problems: &mut Vec<Diagnostic>) -> &'a [Node] {
    node.items().unwrap_or_else(|| {
        problems.push(node.error(Code::InvalidValue, format!("{what} is not a list")).hint(hint));
        &[]
    })
}

fn named(item: &Node, what: &str, hint: &str, problems: &mut Vec<Diagnostic>) -> Option<(Node, Node)> {
    let problem = match &item.kind {
        NodeKind::Str(name) if !name.is_empty() => {
            let place = Place { file: item.file.clone(), span: item.span };
            return Some((item.clone(), map_at(place, Vec::new())));
        }
        NodeKind::Map(entries) => match entries.as_slice() {
            [(key, params)] if key.as_str().is_some_and(|name| !name.is_empty()) => {
                return Some((key.clone(), null_as_map(params.clone())));
            }
            [(first, _), (second, _), ..] => {
                let (first, second) = (first.as_str().unwrap_or_default(), second);
                let name = second.as_str().unwrap_or_default();
                second
                    .error(
                        Code::InvalidValue,
                        format!("a {what} is one name with its parameters, and `{name}` is a second name"),
                    )
                    .hint(format!(
                        "indent `{name}` below `{first}` if it is a parameter; begin a new item if it is a {what}"
                    ))
            }
            _ => item.error(Code::InvalidValue, format!("the {what} has no name")).hint(hint),
        },
        _ => item.error(Code::InvalidValue, format!("a {what} is a name with its parameters")).hint(hint),
    };
    problems.push(problem);
    None
}

// `{kind: parameters}`, or the kind alone. The keys of [`CheckHeader`] are taken out of parameters that are a map, so a plugin's own
// parameter never has such a name.
fn check(item: &Node, problems: &mut Vec<Diagnostic>) -> Option<CheckSpec> {
    let (key, mut params) = named(item, "check", "write one check an item, e.g. `- not_null: [id]`", problems)?;
    let own = CheckHeader::KEYS.iter().filter_map(|key| params.take(key)).collect();
    let own = map_at(Place { file: params.file.clone(), span: params.span }, own);
    let header: CheckHeader = read_all(&own, problems)?;
    let before = problems.len();
    let mut refuse = |key: &str, message: &str, hint: &str| {
        problems.push(value_at(&own, &[key]).error(Code::InvalidValue, message).hint(hint));
    };
    let Tolerance { error, warn } = header.tolerance;
    if !(0.0..=1.0).contains(&error) || !warn.is_none_or(|warn| (0.0..=1.0).contains(&warn)) {
        refuse(
            "tolerance",
            "`tolerance` is not between 0 and 1",
            "it is the fraction of rows that may fail: 0.01 is one in a hundred",
        );
    } else if warn.is_some_and(|warn| warn >= error) {
        refuse("tolerance", "`warn` is not less than `error`", "write e.g. `tolerance: {warn: 0.01, error: 0.05}`");
    } else if warn.is_some() && own.get("severity").is_some() {
        refuse(
            "severity",
            "`severity` has no say, because `tolerance` has a limit for each level",
            "remove `severity`",
        );
    }
    if header.sample.is_some_and(|rows| rows > MOST_SAMPLED) {
        refuse("sample", "`sample` is more than 10,000", "`phlo quality show ASSET --rows` shows any number of rows");
    }
    let empty = |text: &Option<String>| text.as_ref().is_some_and(|text| text.trim().is_empty());
    if empty(&header.filter) {
        refuse("where", "`where` is empty", "write a predicate, e.g. `where: \"status = 'final'\"`, or remove the key");
    }
    if empty(&header.name) {
        refuse("name", "`name` is empty", "write a name, or remove the key");
    }
    let CheckHeader { name, description, severity, tolerance, filter, sample } = header;
    let kind = key.as_str()?.to_owned();
    (problems.len() == before).then(|| CheckSpec {
        kind,
        name,
        description,
        severity,
        tolerance,
        filter,
        sample: sample.unwrap_or(CheckHeader::SAMPLED),
        params,
        place: key.place(),
    })
}
