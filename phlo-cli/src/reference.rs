//! The reference as Markdown pages, made from the types, their comments and the plugins that are linked: one page for each plugin
//! package, and one each for `phlo.yaml`, asset files, the command line, error codes and events.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory};
use phlo_plugin::registry::PluginEntry;
use phlo_plugin::{Error, PackageFacts, Registration, Registry, Result};
use phlo_spec::asset::{AssetHeader, CheckHeader};
use phlo_spec::event::Payload;
use phlo_spec::project::ProjectFile;
use phlo_spec::service::ServiceSpec;
use phlo_spec::types::ColumnType;
use phlo_spec::{CapabilityType, Code, Event, EventKind, PluginKind};
use schemars::schema_for;
use serde_json::Value;

use crate::args::Cli;
use crate::extend;
use crate::render::schema::{Key, Kind, choice, keys_of, prose, resolve, step};

/// The pages by their paths, of the plugins of the bundle. `made_by` is told at the top of each: what wrote it, and how to write it again.
///
/// # Errors
/// Two plugins of this binary have the same name, or one of kind `cli` does not tell its commands.
pub fn pages(made_by: &str) -> Result<BTreeMap<String, String>> {
    let registry = bundled()?;
    let mut packages: BTreeMap<String, Vec<PluginEntry<'_>>> = BTreeMap::new();
    for entry in registry.entries() {
        packages.entry(page_of(entry.registration)).or_default().push(entry);
    }
    let mut pages = BTreeMap::from([
        ("README.md".to_owned(), index(&packages)),
        ("project.md".to_owned(), project(&registry)),
        ("assets.md".to_owned(), assets(&registry)),
        ("cli.md".to_owned(), command_line()),
        ("codes.md".to_owned(), codes()),
        ("events.md".to_owned(), events()),
    ]);
    for (page, plugins) in &packages {
        pages.insert(format!("plugins/{page}.md"), package(page, plugins)?);
    }
    for text in pages.values_mut() {
        *text = format!("<!-- {made_by} -->\n\n{}\n", text.trim_end());
    }
    Ok(pages)
}

// What else is linked, say into the binary of a test, is not phlo's to document.
fn bundled() -> Result<Registry> {
    let linked = Registry::linked(phlo_bundle::KNOWN)?;
    let known = |entry: &PluginEntry<'_>| {
        phlo_bundle::KNOWN.iter().any(|known| known.linked && known.package == entry.registration.package)
    };
    let entries: Vec<_> = linked.entries().filter(known).collect();
    let packages: Vec<PackageFacts> = entries.iter().filter_map(|entry| entry.package.copied()).collect();
    let registrations = entries.iter().map(|entry| entry.registration).collect();
    Registry::from_registrations(registrations, &packages, phlo_bundle::KNOWN)
}

// A package's page is named as its folder: `source-files` of `phlo-source-files`.
fn page_of(registration: &Registration) -> String {
    registration.package.strip_prefix("phlo-").unwrap_or(registration.package).to_owned()
}

fn index(packages: &BTreeMap<String, Vec<PluginEntry<'_>>>) -> String {
    let mut text = String::from(
        "# Reference\n\n\
         | page | |\n|---|---|\n\
         | [The project](project.md) | `phlo.yaml`, key by key |\n\
         | [Assets](assets.md) | the YAML and SQL files below `assets/` |\n\
         | [Command line](cli.md) | every command with its options |\n\
         | [Error codes](codes.md) | what each means, why it happens and what to do |\n\
         | [Events](events.md) | what hooks hear |\n\n\
         `phlo plugin info NAME`, `phlo explain CODE` and `phlo COMMAND --help` tell the same of the binary at hand.\n\n\
         ## Plugins\n\n",
    );
    for kind in PluginKind::ALL {
        let rows: Vec<_> = packages
            .iter()
            .flat_map(|(page, plugins)| plugins.iter().map(move |plugin| (page, plugin)))
            .filter(|(_, plugin)| plugin.registration.kind == *kind)
            .collect();
        if rows.is_empty() {
            continue;
        }
        let _ = write!(text, "### {}\n\n| plugin | what it is |\n|---|---|\n", kind_heading(*kind));
        for (page, plugin) in rows {
            let (name, summary) = (plugin.registration.name, plugin.registration.summary);
            let link = format!("plugins/{page}.md#{}", anchor(&plugin_heading(plugin.registration)));
            let _ = writeln!(text, "| [`{name}`]({link}) | {} |", cell(summary));
        }
        text.push('\n');
    }
    text + EDITOR
}

const EDITOR: &str = "\
## In an editor

`phlo config schema` writes the [JSON Schema](https://json-schema.org) of the files that exactly this binary reads, linked plugins
included. An editor with the [YAML language server](https://github.com/redhat-developer/yaml-language-server) (in VS Code, the
extension *YAML*) completes names and keys from it, shows what each means and marks what phlo would refuse:

```sh
phlo config schema --write .phlo/schema
```

```yaml
# yaml-language-server: $schema=.phlo/schema/project.schema.json
name: my_lake
```

That line stands first in `phlo.yaml`; in `assets/bronze/flights.yaml` it is
`# yaml-language-server: $schema=../../.phlo/schema/asset.schema.json`. Or the editor's settings say it once for all files:

```json
{
  \"yaml.schemas\": {
    \".phlo/schema/project.schema.json\": \"phlo.yaml\",
    \".phlo/schema/asset.schema.json\": \"assets/**/*.yaml\"
  }
}
```

Write the schema again when the binary changes. It knows keys, names and types; `phlo check` also knows columns, SQL and what would
never be executed.
";

fn kind_heading(kind: PluginKind) -> &'static str {
    match kind {
        PluginKind::Source => "Sources",
        PluginKind::Quality => "Checks",
        PluginKind::Transform => "Transforms",
        PluginKind::Service => "Services",
        PluginKind::Hook => "Hooks",
        PluginKind::Cli => "Commands",
        PluginKind::Asset => "Assets",
        PluginKind::Resource => "Providers of capabilities",
        PluginKind::Catalog => "Catalogs",
        PluginKind::Orchestrator => "Orchestrators",
        PluginKind::Dagster => "Dagster extensions",
        PluginKind::Semantic => "Semantic layers",
    }
}

fn plugin_heading(registration: &Registration) -> String {
    format!("{} `{}`", registration.kind, registration.name)
}

// The page of a package.
fn package(page: &str, plugins: &[PluginEntry<'_>]) -> Result<String> {
    let facts = plugins.iter().find_map(|plugin| plugin.package);
    // Not the folder: a heading below may have its anchor.
    let mut text = format!("# phlo-{page}\n\n");
    if let Some(facts) = facts {
        let _ = write!(text, "{}.\n\n", facts.description.trim_end_matches('.'));
    }
    text.push_str(&about(page, plugins, facts));
    if plugins.iter().any(|plugin| plugin.registration.kind == PluginKind::Quality) {
        let link = format!("../assets.md#{}", anchor(EDGES_HEADING));
        let _ = write!(
            text,
            "What a check does not say of null, NaN, an empty table, types and overflow is [what all do]({link}).\n\n"
        );
    }
    for plugin in plugins {
        let registration = plugin.registration;
        let schema = registration.config.map(|config| config().to_value());
        let said = schema.as_ref().and_then(|schema| schema.get("description")?.as_str()).map(prose);
        let what = introduced(registration.summary, said.as_deref().unwrap_or_default());
        let _ = write!(text, "## {}\n\n{what}\n\n", plugin_heading(registration));
        text.push_str(&capabilities(registration));
        if let Some(schema) = schema {
            text.push_str(&how_written(registration));
            let own = format!("`{}`", registration.name);
            text.push_str(&tables(&own, "", &keys_of(&schema), "../assets.md"));
        }
        text.push_str(&settings(registration));
        text.push_str(&commands(registration)?);
    }
    if let Some(facts) = facts.filter(|facts| !facts.example.trim().is_empty()) {
        let _ = write!(text, "## Example\n\n```yaml\n{}\n```\n", facts.example.trim());
    }
    Ok(text)
}

fn about(page: &str, plugins: &[PluginEntry<'_>], facts: Option<&PackageFacts>) -> String {
    let mut text = String::from("| | |\n|---|---|\n");
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "| {name} | {value} |");
    };
    let names = plugins.iter().map(|plugin| {
        let heading = plugin_heading(plugin.registration);
        format!("[{heading}](#{})", anchor(&heading))
    });
    row("Plugins", &names.collect::<Vec<_>>().join(", "));
    let package = plugins.first().map(|plugin| plugin.registration.package).unwrap_or_default();
    row("Package", &format!("`{package}`"));
    let known = phlo_bundle::KNOWN.iter().find(|known| known.package == package);
    if let Some(known) = known {
        let groups = facts.map(PackageFacts::groups).unwrap_or_default();
        let groups: Vec<_> = groups.iter().chain([&"full".to_owned()]).map(|group| format!("`{group}`")).collect();
        row("Linked by", &format!("the cargo feature `{}`, which is in {}", known.feature, groups.join(", ")));
    }
    if let Some(facts) = facts {
        row("Tier", &facts.tier());
        if known.is_some() {
            let folder =
                if page == "dagster-adapter" { "phlo-dagster-adapter" } else { &format!("phlo-plugins/{page}") };
            let readme = format!("[README](../../../{folder}/README.md)");
            row("More", &format!("{readme}: when to use it and when not, and what to know beside the keys"));
        }
    }
    text + "\n"
}

// The summary and what a description says beyond it.
fn introduced(summary: &str, description: &str) -> String {
    let summary = summary.trim_end_matches('.');
    if description.to_lowercase().starts_with(&summary.to_lowercase()) {
        return description.to_owned();
    }
    format!("{summary}.\n\n{description}").trim_end().to_owned()
}

fn capabilities(registration: &Registration) -> String {
    let lists = [
        ("Provides", registration.provides),
        ("Requires", registration.requires),
        ("Uses, if it is there,", registration.optional),
    ];
    let lines = lists.iter().filter(|(_, items)| !items.is_empty()).map(|(what, items)| {
        let items: Vec<_> = items.iter().map(|item| format!("`{item}`")).collect();
        format!("{what} {}.\n\n", items.join(", "))
    });
    lines.collect()
}

// Where its keys stand, and the short way of writing it.
fn how_written(registration: &Registration) -> String {
    let name = registration.name;
    let place = match registration.kind {
        PluginKind::Source => {
            return format!(
                "Keys under [`source:`](../assets.md#source) of an asset, beside `plugin: {name}`, or of a connection in \
                 [`phlo.yaml`](../project.md#connections):\n\n"
            );
        }
        PluginKind::Quality => {
            let tolerance = if registration.tolerance { "" } else { " but `tolerance`" };
            format!("[`checks:`](../assets.md#checks) of an asset, beside those that every check has{tolerance}")
        }
        PluginKind::Transform => "[`transforms:`](../assets.md#transforms) of an asset".to_owned(),
        _ => return String::new(),
    };
    let short = registration.shorthand.map_or_else(String::new, |key| {
        format!(" Without a map, what stands there is `{key}`: `{name}: …` is `{name}: {{ {key}: … }}`.")
    });
    format!("Keys under `{name}:` in {place}.{short}\n\n")
}

fn settings(registration: &Registration) -> String {
    let keys = keys_of(&(registration.settings)().to_value());
    if keys.is_empty() {
        return String::new();
    }
    let (kind, name) = (registration.kind, registration.name);
    let path = format!("plugins.settings.{kind}.{name}");
    let head =
        format!("### Settings of {kind} `{name}`\n\nUnder `{path}` of [`phlo.yaml`](../project.md#plugins):\n\n");
    head + &tables(&format!("the settings of {kind} `{name}`"), "", &keys, "../assets.md")
}

// The commands of a plugin of kind `cli`.
fn commands(registration: &Registration) -> Result<String> {
    if registration.kind != PluginKind::Cli {
        return Ok(String::new());
    }
    let registry = Registry::linked(phlo_bundle::KNOWN)?;
    let here = std::path::absolute(".").map_err(|err| Error::internal("there is no current folder").because(err))?;
    let registry = registry.activate(phlo_plugin::Policy::default(), phlo_plugin::InitContext::at(here))?;
    let (extensions, mut problems) = extend::collect(&registry);
    if !problems.is_empty() {
        return Err(problems.remove(0));
    }
    let own = extensions.iter().filter(|extension| extension.is_of(registration.name));
    Ok(own
        .map(|extension| {
            let mut root = Command::new("phlo").bin_name("phlo").subcommand(extension.command().clone());
            root.build();
            root.get_subcommands().filter(|c| c.get_name() != "help").map(|c| command(c, 3)).collect::<String>()
        })
        .collect())
}

// A table of keys, and below it one of each map among them. `assets` is the way to the page with the column types.
fn tables(of: &str, path: &str, keys: &[Key], assets: &str) -> String {
    if keys.is_empty() {
        return String::new();
    }
    let mut text = String::from("| key | type | default | meaning |\n|---|---|---|---|\n");
    let mut below = String::new();
    for key in keys {
        let default = match &key.default {
            _ if key.required => "**required**".to_owned(),
            Some(value) => code(value),
            None => String::new(),
        };
        let mut what = cell(&key.what);
        let mut kind = typed(&key.kind, assets);
        if let Some(values) = told_values(&key.kind) {
            if !what.is_empty() {
                what.push_str("<br>");
            }
            what.push_str(&values);
        }
        if !key.inside.is_empty() {
            let path = format!("{path}{}", key.name);
            let heading = format!("`{path}` of {of}");
            kind = format!("[{kind}](#{})", anchor(&heading));
            let more = tables(of, &format!("{path}{}", step(&key.kind)), &key.inside, assets);
            let _ = write!(below, "### {heading}\n\n{more}");
        }
        let _ = writeln!(text, "| `{}` | {kind} | {default} | {what} |", key.name);
    }
    text + "\n" + &below
}

fn typed(kind: &Kind, assets: &str) -> String {
    let values = |values: &[(String, String)]| {
        if values.iter().any(|(_, what)| !what.is_empty()) {
            return "one of".to_owned();
        }
        values.iter().map(|(value, _)| code(value)).collect::<Vec<_>>().join(", ")
    };
    let link = format!("[column type]({assets}#column-types)");
    kind.words(&values).replace("column type", &link)
}

// The values of a choice that say what they mean.
fn told_values(kind: &Kind) -> Option<String> {
    match kind {
        Kind::Choice(values) if values.iter().any(|(_, what)| !what.is_empty()) => {
            let told = values.iter().map(|(value, what)| match what.as_str() {
                "" => format!("• {}", code(value)),
                what => format!("• {}: {}", code(value), cell(what)),
            });
            Some(told.collect::<Vec<_>>().join("<br>"))
        }
        Kind::List(inner) | Kind::Map(inner) => told_values(inner),
        Kind::Either(kinds) => kinds.iter().find_map(told_values),
        _ => None,
    }
}

// A value as code inside of a cell.
fn code(value: &str) -> String {
    format!("`{}`", value.replace('|', "\\|"))
}

// Prose inside of a cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace("\n\n", "<br>").replace('\n', "<br>")
}

// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

// The plugins of a kind as a list of links.
fn links(registry: &Registry, kind: PluginKind) -> String {
    let mut text = String::new();
    for plugin in registry.entries().filter(|entry| entry.registration.kind == kind) {
        let registration = plugin.registration;
        let link = format!("plugins/{}.md#{}", page_of(registration), anchor(&plugin_heading(registration)));
        let _ = writeln!(text, "- [`{}`]({link}): {}", registration.name, registration.summary);
    }
    text + "\n"
}

// The publish targets as a list of links, each by the name that a project has for it.
fn targets(registry: &Registry) -> String {
    let prefix = format!("{}:", CapabilityType::PublishTarget);
    let mut text = String::new();
    for entry in registry.entries() {
        let registration = entry.registration;
        let link = format!("plugins/{}.md#{}", page_of(registration), anchor(&plugin_heading(registration)));
        for name in registration.provides.iter().filter_map(|provided| provided.strip_prefix(prefix.as_str())) {
            let _ = writeln!(text, "- [`{name}`]({link}): {}", registration.summary);
        }
    }
    text + "\n"
}

const PROJECT: &str = "\
# The project

`phlo.yaml` makes a folder a project. Only `name` is needed. A key that phlo does not know is refused.

```yaml
name: my_lake
storage: { root: ./lake }
connections:
  flights: { source: rest_api, base_url: \"https://api.example.com/v1\", auth_token: \"${FLIGHTS_TOKEN}\" }
run: { memory_mib: 512 }
```

Any text may hold variables: `${NAME}`, `${NAME:-default}`, `${NAME:?what is missing}`; `$$` is a dollar. They are filled in from the
environment and from `.env`. A text that is one variable may stand where a number, or true or false, is wanted. One value is as good
as a list of one.

";

fn project(registry: &Registry) -> String {
    let mut keys = keys_of(&schema_for!(ProjectFile).to_value());
    let maps = || Kind::Map(Box::new(Kind::Keys));
    keys.push(Key::new(
        "connections",
        maps(),
        "What several assets know of one system, by name. [More](#connections).",
    ));
    keys.push(Key::new(
        "services",
        maps(),
        "Changes to the definitions of service plugins, by name. [More](#services).",
    ));
    if let Some(plugins) = keys.iter_mut().find(|key| key.name == "plugins") {
        let what = "Settings of plugins: `KIND: { NAME: { … } }`. [More](#plugins).";
        plugins.inside.push(Key::new("settings", maps(), what));
    }
    let mut text = PROJECT.to_owned() + &tables("`phlo.yaml`", "", &keys, "assets.md");
    text.push_str(
        "## connections\n\nEach is a map with `source`, the plugin that reads it, or `target`, the one that publishes to it, and that \
         plugin's keys. An asset names one with `source: { connection: NAME, … }`, or `target: { connection: NAME, … }`; a key that the \
         asset gives itself wins, as a whole. The sources:\n\n",
    );
    text.push_str(&links(registry, PluginKind::Source));
    text.push_str("The targets:\n\n");
    text.push_str(&targets(registry));
    text.push_str("## services\n\nUnder the name of a service plugin, what differs from its definition:\n\n");
    text.push_str(&tables("`services`", "NAME.", &keys_of(&schema_for!(ServiceSpec).to_value()), "assets.md"));
    text.push_str("## capabilities\n\n`capabilities.defaults` chooses one of several providers. This is what can be provided:\n\n");
    text.push_str("| capability | | providers |\n|---|---|---|\n");
    for (capability, what) in choice(&schema_for!(CapabilityType).to_value()).unwrap_or_default() {
        let prefix = format!("{capability}:");
        let names: Vec<_> = registry
            .entries()
            .flat_map(|entry| entry.registration.provides.iter().map(move |provided| (entry.registration, *provided)))
            .filter_map(|(registration, provided)| {
                let link = format!("plugins/{}.md#{}", page_of(registration), anchor(&plugin_heading(registration)));
                Some(format!("[`{}`]({link})", provided.strip_prefix(&prefix)?))
            })
            .collect();
        let _ = writeln!(text, "| `{capability}` | {} | {} |", cell(&what), names.join(", "));
    }
    text.push_str("\n## plugins\n\n`allow` and `deny` take `NAME` or `KIND:NAME`. These plugins have `settings`:\n\n");
    for entry in registry.entries() {
        let registration = entry.registration;
        if !keys_of(&(registration.settings)().to_value()).is_empty() {
            let heading = format!("Settings of {} `{}`", registration.kind, registration.name);
            let link = format!("plugins/{}.md#{}", page_of(registration), anchor(&heading));
            let _ = writeln!(text, "- [`{}: {{ {}: … }}`]({link})", registration.kind, registration.name);
        }
    }
    text
}

const ASSETS: &str = "\
# Assets

An asset is a file below `assets/`; its path gives its key and the name of its table: `assets/bronze/flights.yaml` is
`bronze.flights`. A YAML file takes its rows from a source:

```yaml
# assets/bronze/flights.yaml
source: { plugin: files, path: \"data/flights-*.csv.gz\" }
write: { strategy: merge, unique_key: [year, month, day, flight] }
checks:
  - not_null: [carrier, flight]
```

A SQL file is a query over other assets, with its settings, if it has any, in a comment that begins with `phlo`:

```sql
/* phlo
checks:
  - unique: [flight_date, origin]
*/
select flight_date, origin, count(*) as flights from silver.departures group by flight_date, origin
```

Both take the same keys, but `source`, which such a YAML file needs and a SQL file does not have. A YAML file with a `target` makes no
table: it publishes one, or the rows of a query, after its checks passed on just these rows:

```yaml
# assets/out/scorecard.yaml
table: gold.carrier_scorecard    # or `query: select …`
target: { plugin: files, path: \"out/scorecard.csv\" }
checks:
  - not_null: [carrier]
```

It has no `write`, `transforms`, `columns` and `partitions`. A key that phlo does not know is refused. Texts may hold variables, as in [`phlo.yaml`](project.md).

";

const EDGES_HEADING: &str = "Null, NaN, empty tables, types and overflow";

// `tests/it/truth/edges.rs` holds the engine and the plugins to it.
const EDGES: &str = "\
Each check says what it makes of these. Unless it says otherwise:

- **Null** passes where rows are judged, as in SQL's CHECK: a rule that is NULL is no violation, and `not_null` refuses the nulls. Where
  values are counted or summed up, nulls are left out. A row for which `where` is NULL is not looked at.
- **NaN** lies within no bounds and is none of the accepted values; it equals NaN, and in an order is above every number.
- **An empty table** passes. What wants a value or a row that is not there fails: `aggregate`, `freshness`, `at_least_one`, `row_count`.
- **Types**: a column that a check cannot judge, and a value of another type than the column's, are refused before any row is read: by
  `phlo check` where the columns are known by then, by the run where only reading tells them. What unlike types do when SQL
  compares them is the engine's: a text is read as a number beside one, a date as its days since 1970.
- **Overflow**: what a check computes itself is exact, or in float64, and never wraps. What you write in SQL (`business_rule`, `sql`,
  `metric`, an `expression`, a `where`) computes as the engine does: sums, differences and products of whole numbers wrap at their width,
  and so does SQL's `sum` of them; floats become infinite; a decimal beyond 38 digits errs. `CAST(a AS DECIMAL(38, 0))` or
  `CAST(a AS DOUBLE)` makes room.
- **What cannot be computed** of a row that is looked at, a whole number by zero or a text that is read as a number and is none, errs
  the check. A check that errs blocks, whatever its `severity` and `tolerance`: it never passes for that.

";

fn assets(registry: &Registry) -> String {
    let list = || Kind::List(Box::new(Kind::Keys));
    let mut keys = vec![
        Key::new("source", Kind::Keys, "Where the rows of a YAML asset come from. [More](#source)."),
        Key::new("target", Kind::Keys, "Where rows are published, of an asset that makes no table. [More](#target)."),
        Key::new("table", Kind::Text, "The table that is published, whole; beside `target`."),
        Key::new("query", Kind::Text, "What is published in place of a table: a query over tables; beside `target`."),
        Key::new(
            "transforms",
            list(),
            "What becomes of the rows before they are written, in order. [More](#transforms).",
        ),
        Key::new("checks", list(), "What must hold before the rows become visible. [More](#checks)."),
    ];
    keys.extend(keys_of(&schema_for!(AssetHeader).to_value()));
    let mut text = ASSETS.to_owned() + &tables("an asset", "", &keys, "");
    text.push_str(
        "## source\n\n`plugin: NAME`, or `connection: NAME` for one of the connections of [`phlo.yaml`](project.md#connections), and \
         the keys of that source:\n\n",
    );
    text.push_str(&links(registry, PluginKind::Source));
    text.push_str(
        "## target\n\n`plugin: NAME`, or `connection: NAME` for one of the connections of [`phlo.yaml`](project.md#connections), and \
         the keys of that target:\n\n",
    );
    text.push_str(&targets(registry));
    text.push_str(
        "## transforms\n\nA list; each item is the name of a transform and its keys, e.g. `- drop: [a, b]`. For what they do not \
         do there is SQL. The transforms:\n\n",
    );
    text.push_str(&links(registry, PluginKind::Transform));
    text.push_str(
        "## checks\n\nA list; each item is the name of a check and its keys, e.g. `- not_null: [id]`. The checks:\n\n",
    );
    text.push_str(&links(registry, PluginKind::Quality));
    text.push_str("Beside its own keys, every check has these:\n\n");
    text.push_str(&tables("a check", "", &keys_of(&schema_for!(CheckHeader).to_value()), ""));
    let _ = write!(text, "### {EDGES_HEADING}\n\n{EDGES}");
    text.push_str("## Column types\n\nIn upper or lower case:\n\n");
    let types = schema_for!(ColumnType).to_value();
    let names =
        types.pointer("/anyOf/0/enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    for name in names.chain(["decimal(PRECISION, SCALE)"]) {
        let _ = writeln!(text, "- `{name}`");
    }
    text
}

fn command_line() -> String {
    let mut root = Cli::command();
    root.build();
    let mut text = String::from("# Command line\n\n| command | |\n|---|---|\n");
    let shown = |command: &&Command| command.get_name() != "help" && !command.is_hide_set();
    for one in root.get_subcommands().filter(shown) {
        let name = format!("phlo {}", one.get_name());
        let about = one.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "| [`{name}`](#{}) | {} |", anchor(&name), cell(&about));
    }
    text.push_str("\nEvery command has these options:\n\n");
    let global: Vec<_> = root.get_arguments().filter(|arg| arg.is_global_set()).collect();
    text.push_str(&arguments(&global));
    for one in root.get_subcommands().filter(shown) {
        text.push_str(&command(one, 2));
    }
    text
}

// A command and those below it.
fn command(command: &Command, level: usize) -> String {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let mut text = format!("{} {name}\n\n", "#".repeat(level));
    if let Some(about) = command.get_long_about().or(command.get_about()) {
        let _ = write!(text, "{about}.\n\n");
    }
    let aliases: Vec<_> = command.get_visible_aliases().map(|alias| format!("`phlo {alias}`")).collect();
    if !aliases.is_empty() {
        let _ = write!(text, "Also: {}.\n\n", aliases.join(", "));
    }
    let below: Vec<_> = command.get_subcommands().filter(|c| c.get_name() != "help" && !c.is_hide_set()).collect();
    if below.is_empty() {
        let usage = command.clone().render_usage().to_string();
        let _ = write!(text, "```text\n{}\n```\n\n", usage.trim_start_matches("Usage: ").trim());
    }
    let own: Vec<_> = command
        .get_arguments()
        .filter(|arg| !arg.is_global_set() && !arg.is_hide_set() && arg.get_id() != "help")
        .collect();
    if !own.is_empty() && below.is_empty() {
        text.push_str(&arguments(&own));
    }
    if let Some(after) = command.get_after_long_help().or(command.get_after_help()) {
        let _ = write!(text, "```text\n{}\n```\n\n", after.to_string().trim());
    }
    below.into_iter().fold(text, |text, one| text + &self::command(one, level + 1))
}

fn arguments(list: &[&Arg]) -> String {
    let mut text = String::from("| argument | default | meaning |\n|---|---|---|\n");
    let (positional, options): (Vec<&Arg>, Vec<&Arg>) = list.iter().copied().partition(|arg| arg.is_positional());
    for arg in positional.into_iter().chain(options) {
        let takes = arg.get_num_args().is_some_and(|n| n.takes_values());
        let names =
            arg.get_value_names().map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
        let value = names.unwrap_or_else(|| arg.get_id().to_string().to_uppercase());
        let name = match (arg.get_short(), arg.get_long()) {
            (None, None) => format!("`{value}`"),
            (short, long) => {
                let short = short.map(|short| format!("-{short}"));
                let long = long.map(|long| format!("--{long}"));
                let flags: Vec<_> = long.into_iter().chain(short).collect();
                let value = if takes { format!(" {value}") } else { String::new() };
                format!("`{}{value}`", flags.join("`, `"))
            }
        };
        let default = arg.get_default_values().iter().map(|v| code(&v.to_string_lossy())).collect::<Vec<_>>();
        let default = if !takes {
            String::new()
        } else if arg.is_positional() && arg.is_required_set() {
            "**required**".to_owned()
        } else {
            default.join(", ")
        };
        let mut what = arg.get_help().map(|help| cell(&help.to_string())).unwrap_or_default();
        if takes {
            for value in arg.get_possible_values().iter().filter(|value| !value.is_hide_set()) {
                let _ = match value.get_help() {
                    Some(help) => write!(what, "<br>• {}: {}", code(value.get_name()), cell(&help.to_string())),
                    None => write!(what, "<br>• {}", code(value.get_name())),
                };
            }
        }
        let _ = writeln!(text, "| {name} | {default} | {what} |");
    }
    text + "\n"
}

fn codes() -> String {
    const AREAS: &[(&str, &str)] = &[
        ("P1", "Files and the command line"),
        ("P2", "Plugins and capabilities"),
        ("P3", "Data and sources"),
        ("P4", "Tables"),
        ("P5", "Checks"),
        ("P6", "Runs"),
        ("P9", "Faults of phlo itself"),
    ];
    let mut text = String::from(
        "# Error codes\n\nEvery error has a code, which stays the same from version to version. `phlo explain CODE` tells what is told \
         here.\n\n",
    );
    let mut area = "";
    for code in Code::ALL {
        let begins = AREAS.iter().find(|(begin, _)| code.as_str().starts_with(begin));
        let title = begins.map_or("Others", |(_, title)| title);
        if title != area {
            let _ = write!(text, "## {title}\n\n");
            area = title;
        }
        let said = code.explanation();
        let _ = write!(text, "### {code}: {}\n\n{}\n\n", code.title(), said.what);
        let _ = write!(text, "- **Why**: {}\n- **What to do**: {}\n\n", said.why, said.fix);
    }
    text
}

fn events() -> String {
    let mut text =
        String::from("# Events\n\nWhat happens is told on a bus, and hooks hear it. An event is one JSON object:\n\n");
    let mut envelope = schema_for!(Event).to_value();
    if let Some(map) = envelope.as_object_mut() {
        map.remove("oneOf");
    }
    let mut keys = keys_of(&envelope);
    for (name, kind, what) in [
        ("type", Kind::Text, "What happened: one of the types below."),
        ("data", Kind::Keys, "What is told of it, by its type."),
    ] {
        keys.push(Key { required: true, ..Key::new(name, kind, what) });
    }
    text.push_str(&tables("an event", "", &keys, "assets.md"));
    text.push_str("## Types\n\n| type | when | data |\n|---|---|---|\n");
    let whens = choice(&schema_for!(EventKind).to_value()).unwrap_or_default();
    let payload = schema_for!(Payload).to_value();
    let mut bodies: Vec<(String, Value)> = Vec::new();
    for variant in payload["oneOf"].as_array().into_iter().flatten() {
        let kind = variant["properties"]["type"]["const"].as_str().unwrap_or_default();
        let data = &variant["properties"]["data"];
        let body = data["$ref"].as_str().and_then(|r| r.rsplit('/').next()).unwrap_or_default().to_owned();
        let when = whens.iter().find(|(value, _)| value == kind).map(|(_, what)| what.as_str()).unwrap_or_default();
        let _ = writeln!(text, "| `{kind}` | {} | [{body}](#{}) |", cell(when), anchor(&body));
        if !bodies.iter().any(|(known, _)| *known == body) {
            let mut schema = resolve(&payload, data).clone();
            schema["$defs"] = payload["$defs"].clone();
            bodies.push((body, schema));
        }
    }
    text.push('\n');
    for (body, schema) in bodies {
        let what = schema.get("description").and_then(Value::as_str).map(prose).unwrap_or_default();
        let _ =
            write!(text, "## {body}\n\n{what}\n\n{}", tables(&format!("`{body}`"), "", &keys_of(&schema), "assets.md"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_those_of_github() {
        for (heading, want) in [
            ("source `rest_api`", "source-rest_api"),
            ("`retry.delay` of `rest_api`", "retrydelay-of-rest_api"),
            ("phlo quality show", "phlo-quality-show"),
            ("Column types", "column-types"),
        ] {
            assert_eq!(anchor(heading), want);
        }
    }

    #[test]
    fn a_summary_is_not_said_twice() {
        for (description, want) in [
            ("", "Columns hold no nulls."),
            ("Columns hold no nulls, ever.\n\nMore.", "Columns hold no nulls, ever.\n\nMore."),
            ("How it is told.", "Columns hold no nulls.\n\nHow it is told."),
        ] {
            assert_eq!(introduced("Columns hold no nulls", description), want);
        }
    }
}
