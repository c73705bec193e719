//! A SQL asset's query: which tables it reads, and its plan, with every problem placed in its file.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::common::GetExt;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::file_format::json::JsonFormatFactory;
use datafusion::datasource::file_format::{FileFormat, FileFormatFactory};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::{self, visit_relations};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use phlo_spec::asset::TextOrigin;
use phlo_spec::{AssetKey, Code, Diagnostic, Place, Span};

/// A parsed query: one `SELECT` (or `WITH`, `VALUES`).
#[derive(Debug, Clone)]
pub struct Query {
    statement: Statement,
    file: Arc<str>,
    origin: TextOrigin,
    tables: Vec<(AssetKey, Option<Place>)>,
}

impl Query {
    /// Parses a file's text.
    ///
    /// # Errors
    /// [`Code::SqlError`] with its place; more than one statement, or one that is not a query, is one. [`Code::UnknownTable`] for a
    /// table name without a group.
    pub fn parse(text: &str, file: &str) -> Result<Self, Box<Diagnostic>> {
        Self::parse_within(text, file, TextOrigin::FILE)
    }

    /// As [`Query::parse`], of a text that stands within a file.
    ///
    /// # Errors
    /// See there.
    pub fn parse_within(text: &str, file: &str, origin: TextOrigin) -> Result<Self, Box<Diagnostic>> {
        let file: Arc<str> = Arc::from(file);
        let start = Place { file: file.clone(), span: origin.locate(Span { line: 1, column: 1, len: 0 }) };
        let failed = |message: &str| Box::new(Diagnostic::error(Code::SqlError, message).at(start.clone()));
        let parsed = DFParserBuilder::new(text)
            .with_dialect(&GenericDialect {})
            .build()
            .and_then(|mut parser| parser.parse_statements());
        let mut statements = parsed.map_err(|err| Box::new(parse_error(&err, text, &file, origin)))?;
        let statement = match (statements.pop_front(), statements.is_empty()) {
            (Some(statement), true) => statement,
            (None, _) => {
                return Err(Box::new(
                    Diagnostic::error(Code::SqlError, "the file holds no query").at(start).hint("write one SELECT"),
                ));
            }
            (Some(_), false) => return Err(failed("the file holds more than one statement; one asset is one query")),
        };
        let Statement::Statement(inner) = &statement else { return Err(failed("only a query can make a table")) };
        if !matches!(inner.as_ref(), ast::Statement::Query(_)) {
            return Err(Box::new(
                Diagnostic::error(Code::SqlError, "only a query can make a table")
                    .at(start)
                    .hint("write the SELECT alone; phlo creates and fills the table"),
            ));
        }
        let (references, _) = resolve_table_references(&statement, true)
            .map_err(|err| Box::new(Diagnostic::error(Code::SqlError, crate::error::text(&err)).at(start.clone())))?;
        let mut tables = Vec::new();
        let mut seen = BTreeSet::new();
        for reference in references {
            let name = reference.to_string();
            let place = place_of_relation(inner, &name, &file, origin);
            match AssetKey::new(name.clone()) {
                Ok(key) if seen.insert(key.clone()) => tables.push((key, place)),
                Ok(_) => {}
                Err(_) => {
                    let diagnostic =
                        Diagnostic::error(Code::UnknownTable, format!("`{name}` is not the name of a table"))
                            .hint("tables are named `group.name`, e.g. `bronze.flights`");
                    return Err(Box::new(match place {
                        Some(place) => diagnostic.at(place),
                        None => diagnostic.at(start),
                    }));
                }
            }
        }
        tables.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Self { statement, file, origin, tables })
    }

    /// The tables that it reads, sorted, each with where it is named first.
    pub fn tables(&self) -> &[(AssetKey, Option<Place>)] {
        &self.tables
    }

    /// Plans it over the tables that are registered in the session.
    ///
    /// # Errors
    /// [`Code::SqlError`], with its place where the planner tells one.
    pub async fn plan(&self, session: &SessionContext) -> Result<LogicalPlan, Box<Diagnostic>> {
        let planned = session.state().statement_to_plan(self.statement.clone()).await;
        let plan = planned.map_err(|err| Box::new(self.plan_error(&err)))?;
        let mut names = BTreeSet::new();
        for field in plan.schema().fields() {
            if !names.insert(field.name()) {
                let start = self.origin.locate(Span { line: 1, column: 1, len: 0 });
                let start = Place { file: self.file.clone(), span: start };
                return Err(Box::new(
                    Diagnostic::error(Code::SqlError, format!("the query has two columns named `{}`", field.name()))
                        .at(start)
                        .hint("name one of them with AS"),
                ));
            }
        }
        Ok(plan)
    }

    fn plan_error(&self, err: &DataFusionError) -> Diagnostic {
        let (message, span, hints) = match err.diagnostic() {
            Some(found) => {
                let hints = found
                    .helps
                    .iter()
                    .chain(&[])
                    .map(|h| h.message.clone())
                    .chain(found.notes.iter().map(|n| n.message.clone()));
                (lower_first(&found.message), found.span, hints.collect::<Vec<_>>())
            }
            None => (lower_first(&crate::error::text(err)), None, Vec::new()),
        };
        let span = match span {
            Some(span) => Span {
                line: span.start.line as u32,
                column: span.start.column as u32,
                len: if span.start.line == span.end.line {
                    span.end.column.saturating_sub(span.start.column) as u32
                } else {
                    1
                },
            },
            None => Span { line: 1, column: 1, len: 0 },
        };
        let span = self.origin.locate(span);
        let mut diagnostic = Diagnostic::error(Code::SqlError, message).at(Place { file: self.file.clone(), span });
        diagnostic.hints = hints;
        diagnostic
    }
}

/// Whether a plan answers the same of the same tables, whenever it runs: it asks neither the clock nor chance.
pub fn is_repeatable(plan: &LogicalPlan) -> bool {
    let mut repeatable = true;
    let _ = plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|part| match part {
                Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable => {
                    repeatable = false;
                    Ok(TreeNodeRecursion::Stop)
                }
                _ => Ok(TreeNodeRecursion::Continue),
            })
        })
    });
    repeatable
}

/// The keys of tables that some SQL names; none if it does not parse.
pub(crate) fn tables(sql: &str) -> Vec<AssetKey> {
    let parsed = DFParserBuilder::new(sql)
        .with_dialect(&GenericDialect {})
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .unwrap_or_default();
    let references = parsed.iter().filter_map(|statement| Some(resolve_table_references(statement, true).ok()?.0));
    references.flatten().filter_map(|reference| AssetKey::new(reference.to_string()).ok()).collect()
}

/// Whether a query has a table of its own with this name.
pub(crate) fn defines(sql: &str, name: &str) -> bool {
    let parsed = DFParserBuilder::new(sql).with_dialect(&GenericDialect {}).build();
    let statements = parsed.and_then(|mut parser| parser.parse_statements()).unwrap_or_default();
    statements.iter().any(|statement| match statement {
        Statement::Statement(inner) => match inner.as_ref() {
            ast::Statement::Query(query) => {
                let own = query.with.iter().flat_map(|with| &with.cte_tables);
                own.into_iter().any(|table| table.alias.name.value.eq_ignore_ascii_case(name))
            }
            _ => false,
        },
        _ => false,
    })
}

/// JSON lines, by another extension than `.json`.
#[derive(Debug)]
struct JsonLines(&'static str);

impl GetExt for JsonLines {
    fn get_ext(&self) -> String {
        self.0.to_owned()
    }
}

impl FileFormatFactory for JsonLines {
    fn create(
        &self,
        session: &dyn Session,
        options: &HashMap<String, String>,
    ) -> datafusion::error::Result<Arc<dyn FileFormat>> {
        JsonFormatFactory::new().create(session, options)
    }
    fn default(&self) -> Arc<dyn FileFormat> {
        FileFormatFactory::default(&JsonFormatFactory::new())
    }
}

/// The session, in which files can be read by their names: `.csv`, `.json`, `.ndjson`, `.jsonl` and `.parquet`.
///
/// # Errors
/// None that is known.
pub fn reads_files(session: SessionContext) -> phlo_plugin::Result<SessionContext> {
    let session = session.enable_url_table();
    for extension in ["ndjson", "jsonl"] {
        let format = Arc::new(JsonLines(extension));
        session.state_ref().write().register_file_format(format, true).map_err(crate::map_error)?;
    }
    Ok(session)
}

/// A statement that somebody typed: not an asset's, and only for reading.
pub struct Adhoc {
    statement: Statement,
    /// The names in its FROM clauses: keys of tables, or files.
    pub names: Vec<String>,
}

impl Adhoc {
    /// Parses one statement.
    ///
    /// # Errors
    /// [`Code::SqlError`].
    pub fn parse(session: &SessionContext, text: &str) -> phlo_plugin::Result<Self> {
        let state = session.state();
        let dialect = state.config_options().sql_parser.dialect;
        let refused = |err: DataFusionError| {
            let message = crate::error::text(&err);
            if message.contains("single SQL statement") {
                return phlo_plugin::Error::new(Code::SqlError, "this is more than one statement")
                    .hint("run each with a `phlo sql` of its own");
            }
            phlo_plugin::Error::new(Code::SqlError, lower_first(&message))
        };
        let statement = state.sql_to_statement(text, &dialect).map_err(refused)?;
        let references = state.resolve_table_references(&statement).map_err(refused)?;
        Ok(Self { statement, names: references.iter().map(ToString::to_string).collect() })
    }

    /// Plans it over the tables that are registered in the session.
    ///
    /// # Errors
    /// [`Code::SqlError`] if it does not plan, [`Code::Usage`] if it would write.
    pub async fn plan(self, session: &SessionContext) -> phlo_plugin::Result<LogicalPlan> {
        let plan = session.state().statement_to_plan(self.statement).await.map_err(|err| {
            let hints: Vec<_> =
                err.diagnostic().map(|d| d.helps.iter().map(|h| h.message.clone()).collect()).unwrap_or_default();
            let error = phlo_plugin::Error::new(Code::SqlError, lower_first(&crate::error::text(&err)));
            hints.into_iter().fold(error, |error, hint: String| error.hint(hint))
        })?;
        match plan {
            LogicalPlan::Ddl(_) | LogicalPlan::Dml(_) | LogicalPlan::Copy(_) | LogicalPlan::Statement(_) => {
                Err(phlo_plugin::Error::new(Code::Usage, "`phlo sql` only reads")
                    .hint("tables are written by assets, so that nothing unaudited is ever visible"))
            }
            plan => Ok(plan),
        }
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

// The parser tells places as text only: `…at Line: 3, Column: 7`.
fn parse_error(err: &DataFusionError, text: &str, file: &Arc<str>, origin: TextOrigin) -> Diagnostic {
    let message = crate::error::text(err);
    let mut span = Span { line: 1, column: 1, len: 0 };
    let mut shown = message.clone();
    if let Some((before, after)) = message.rsplit_once(" at Line: ")
        && let Some((line, column)) = after.split_once(", Column: ")
    {
        let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
        if let (Some(line), Some(column)) = (digits(line), digits(column)) {
            span = Span { line, column, len: 1 };
            before.clone_into(&mut shown);
        }
    } else if message.ends_with("found: EOF") {
        // Whatever is missing is missing behind the last word.
        let written = text.trim_end();
        let last = written.lines().next_back().unwrap_or_default();
        span = Span { line: written.lines().count() as u32, column: last.chars().count() as u32 + 1, len: 1 };
        shown = format!("{}the end of the file", message.trim_end_matches("EOF"));
    }
    Diagnostic::error(Code::SqlError, lower_first(&shown)).at(Place { file: file.clone(), span: origin.locate(span) })
}

fn place_of_relation(statement: &ast::Statement, name: &str, file: &Arc<str>, origin: TextOrigin) -> Option<Place> {
    let mut found = None;
    let _ = visit_relations(statement, |relation| {
        let parts: Vec<_> = relation.0.iter().filter_map(|part| part.as_ident()).collect();
        let written = parts
            .iter()
            .map(|p| if p.quote_style.is_some() { p.value.clone() } else { p.value.to_lowercase() })
            .collect::<Vec<_>>()
            .join(".");
        if written == name {
            if let (Some(first), Some(last)) = (parts.first(), parts.last()) {
                let (start, end) = (first.span.start, last.span.end);
                let len = if start.line == end.line { end.column.saturating_sub(start.column) as u32 } else { 1 };
                found = Some(Place {
                    file: file.clone(),
                    span: origin.locate(Span { line: start.line as u32, column: start.column as u32, len }),
                });
            }
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_what_the_query_reads_and_nothing_else() {
        for (sql, want) in [
            ("select * from bronze.flights f join bronze.airlines a using (carrier)", "bronze.airlines bronze.flights"),
            ("with x as (select 1 from a.b) select * from x, A.C", "a.b a.c"),
            ("select (select max(v) from m.n) from a.b where k in (select k from c.d)", "a.b c.d m.n"),
            ("select 'bronze.nothing' as t -- from a.z\n", ""),
            ("/* phlo\ndescription: x\n*/ select 1 from a.b union all select 2 from a.b", "a.b"),
        ] {
            let query = Query::parse(sql, "q.sql").unwrap();
            let got: Vec<_> = query.tables().iter().map(|(k, _)| k.to_string()).collect();
            assert_eq!(got.join(" "), want, "{sql}");
        }
    }

    #[test]
    fn a_query_within_a_file_is_told_with_its_place_there() {
        let block = TextOrigin::Lines { line: 4, first: 2, further: 2 };
        let query = Query::parse_within("select *\nfrom a.b\n", "p.yaml", block).unwrap();
        assert_eq!(query.tables()[0].1.as_ref().unwrap().to_string(), "p.yaml:5:8");
        let behind = TextOrigin::Lines { line: 3, first: 8, further: 0 };
        let err = Query::parse_within("select from from x", "p.yaml", behind).unwrap_err().to_string();
        assert!(err.starts_with("p.yaml:3:"), "{err}");
        let folded = TextOrigin::Within(Span { line: 9, column: 8, len: 1 });
        let err = Query::parse_within("select * from flights", "p.yaml", folded).unwrap_err().to_string();
        assert!(err.starts_with("p.yaml:9:8: P1013"), "{err}");
    }

    #[test]
    fn what_is_not_one_query_is_refused_at_its_place() {
        for (sql, want) in [
            ("", "q.sql:1:1: P1012: the file holds no query"),
            ("select 1; select 2", "q.sql:1:1: P1012: the file holds more than one"),
            ("drop table a.b", "q.sql:1:1: P1012: only a query"),
            ("select\n  from from x", "q.sql:2:"),
            ("select 1\nfrom a.b where (\n\n", "q.sql:2:17: P1012: "),
            ("select * from flights", "q.sql:1:15: P1013: `flights` is not the name of a table"),
        ] {
            let got = Query::parse(sql, "q.sql").unwrap_err().to_string();
            assert!(got.starts_with(want), "{sql}\n got {got}\nwant {want}");
        }
    }
}
