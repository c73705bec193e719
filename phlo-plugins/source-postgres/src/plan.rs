//! What is read, as the server describes it without reading a row, and the SQL of the reading.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_schema::Field;
use phlo_plugin::prelude::*;
use phlo_spec::types::ColumnType;

use crate::columns::ColumnPlan;
use crate::config::{PostgresConfig, TableName, What, invalid};
use crate::connect::Session;
use crate::copy::Subject;
use crate::error::Within;

/// A name as SQL holds it.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL holds it, `standard_conforming_strings` being on.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The schema of batches of these columns.
pub(crate) fn schema(columns: &[ColumnPlan]) -> SchemaRef {
    let fields: Vec<_> = columns.iter().map(|it| Field::new(&it.name, it.target.clone(), true)).collect();
    Arc::new(Schema::new(fields))
}

/// What is read.
pub(crate) struct Plan {
    pub(crate) subject: Subject,
    pub(crate) columns: Arc<[ColumnPlan]>,
    pub(crate) schema: SchemaRef,
    /// What stands behind `FROM`.
    pub(crate) relation: String,
    /// The table's object id, if it is one whose rows lie in pages of its own.
    pub(crate) pages_of: Option<String>,
    query: Option<String>,
}

impl Plan {
    /// Asks the server what columns there are.
    pub(crate) async fn new(
        session: &Session,
        config: &PostgresConfig,
        declared: &BTreeMap<String, ColumnType>,
    ) -> Result<Self> {
        let (relation, query, subject, pages_of) = match config.what()? {
            What::Table(table) => {
                let found = find(session, &PostgresConfig::table_name(table)?).await?;
                let relation = format!("{}.{}", quote(&found.schema), quote(&found.name));
                let name = format!("{}.{}", found.schema, found.name);
                (relation, None, Subject { kind: "table", name }, found.pages_of)
            }
            What::Query(query) => {
                let query = query.trim().trim_end_matches(';').trim_end().to_owned();
                let subject = Subject { kind: "database", name: session.database().to_owned() };
                // The last line of a query may be a comment.
                (format!("(\n{query}\n) AS phlo_query"), Some(query), subject, None)
            }
        };
        let mut plan =
            Self { subject, columns: Arc::new([]), schema: Arc::new(Schema::empty()), relation, pages_of, query };
        let described = plan.describe(session, &format!("SELECT * FROM {}", plan.relation)).await?;
        let found = described.columns();
        let mut names = BTreeSet::new();
        if let Some(twice) = found.iter().find(|it| !names.insert(it.name())) {
            return Err(invalid(format!("`query` has two columns `{}`", twice.name())).hint("name one of them with AS"));
        }
        let mut chosen: Vec<&tokio_postgres::Column> = Vec::new();
        for name in config.select.iter().flatten() {
            if chosen.iter().any(|it| it.name() == name) {
                return Err(invalid(format!("`select` names `{name}` twice")));
            }
            plan.require(name, "select", &names)?;
            chosen.extend(found.iter().find(|it| it.name() == name));
        }
        if config.select.is_none() {
            chosen.extend(found);
        }
        if let Some(incremental) = &config.incremental {
            plan.require(&incremental.column, "incremental.column", &names)?;
        }
        let of = |it: &&tokio_postgres::Column| {
            ColumnPlan::new(it.name(), it.type_(), it.type_modifier(), declared.get(it.name()).copied())
                .map_err(|err| err.with(plan.subject.kind, &plan.subject.name))
        };
        let columns = chosen.iter().map(of).collect::<Result<Vec<_>>>()?;
        plan.schema = schema(&columns);
        plan.columns = columns.into();
        Ok(plan)
    }

    fn require(&self, name: &str, field: &str, names: &BTreeSet<&str>) -> Result<()> {
        if names.contains(name) {
            return Ok(());
        }
        let all = names.iter().copied().collect::<Vec<_>>().join(", ");
        Err(Error::new(Code::UnknownColumn, format!("`{field}` names the column `{name}`, which is not there"))
            .with(self.subject.kind, &self.subject.name)
            .suggest(name, names.iter().copied(), format!("columns: {all}")))
    }

    /// Where the user's query stands in SQL.
    pub(crate) fn within(&self, sql: &str) -> Option<Within<'_>> {
        let query = self.query.as_deref()?;
        let before = sql[..sql.find(query)?].chars().count();
        Some(Within { query, before })
    }

    /// What a statement answers. Its locks are held until the transaction ends.
    async fn describe(&self, session: &Session, sql: &str) -> Result<tokio_postgres::Statement> {
        // It may wait for a lock.
        session.set_busy(true);
        let described = session.client.prepare(sql).await;
        session.set_busy(false);
        let described = match session.told_within(described, self.within(sql)) {
            Ok(described) => described,
            Err(err) if err.code() == Code::SourceNotFound => {
                // `relation "x" does not exist`
                let name = err.message().split('"').nth(1).unwrap_or_default().to_owned();
                session.told(session.client.batch_execute("ROLLBACK").await)?;
                return Err(suggest(err, session, &name).await);
            }
            Err(err) if err.code() == Code::SqlError && self.query.is_some() => {
                return Err(err.hint("`query` is one SELECT, VALUES or WITH"));
            }
            Err(err) => return Err(err),
        };
        if !described.params().is_empty() {
            return Err(invalid("`query` has parameters, and nobody gives them values")
                .hint("write values into it; `${NAME}` is filled in from the environment"));
        }
        Ok(described)
    }

    /// The columns as SQL selects them.
    fn selected(&self) -> String {
        let one = |plan: &ColumnPlan| {
            let name = quote(&plan.name);
            if plan.as_text { format!("{name}::text AS {name}") } else { name }
        };
        self.columns.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    /// The statement that streams the rows that are meant, watched by more columns if there are some.
    pub(crate) fn copy(&self, conditions: &[String], flags: Option<&str>) -> String {
        let selected = match flags {
            Some(flags) => format!("{}, {flags}", self.selected()),
            None => self.selected(),
        };
        let conditions = match conditions {
            [] => String::new(),
            some => format!(" WHERE {}", some.join(" AND ")),
        };
        format!("COPY (SELECT {selected} FROM {}{conditions}) TO STDOUT (FORMAT binary)", self.relation)
    }

    /// The statement that finds out whether the rows may be read, and reads none.
    pub(crate) fn probe(&self) -> String {
        format!("SELECT {} FROM {} LIMIT 0", self.selected(), self.relation)
    }
}

struct Found {
    schema: String,
    name: String,
    pages_of: Option<String>,
}

/// Finds a table by its name.
async fn find(session: &Session, table: &TableName) -> Result<Found> {
    let place = match &table.schema {
        Some(schema) => format!("n.nspname = {}", literal(schema)),
        None => "pg_catalog.pg_table_is_visible(c.oid)".to_owned(),
    };
    let rows = session
        .texts(&format!(
            "SELECT n.nspname, c.relname, CASE WHEN c.relkind IN ('r', 'm') THEN c.oid::text END \
             FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname = {} AND {place}",
            literal(&table.name)
        ))
        .await?;
    if let Some([Some(schema), Some(name), pages_of]) = rows.first().map(Vec::as_slice) {
        return Ok(Found { schema: schema.clone(), name: name.clone(), pages_of: pages_of.clone() });
    }
    let error = Error::new(Code::SourceNotFound, format!("there is no table or view `{table}`"))
        .with("database", session.database());
    Err(suggest(error, session, &table.to_string()).await)
}

/// Adds the nearest name of a table as the next step.
async fn suggest(error: Error, session: &Session, name: &str) -> Error {
    let known = session
        .texts(
            "SELECT n.nspname, c.relname, pg_catalog.pg_table_is_visible(c.oid) FROM pg_catalog.pg_class c \
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' \
             AND n.nspname <> 'information_schema' ORDER BY 1, 2 LIMIT 5000",
        )
        .await
        .unwrap_or_default();
    let mut names = Vec::new();
    for row in known {
        if let [Some(schema), Some(table), visible] = &*row {
            if visible.as_deref() == Some("t") {
                names.push(table.clone());
            }
            names.push(format!("{schema}.{table}"));
        }
    }
    let short = name.rsplit('.').next().unwrap_or(name);
    // A table that is there, in another schema or in other letters, is nearer than any that is spelt alike.
    let elsewhere = names.iter().find(|it| it.split_once('.').is_some_and(|(_, it)| it.eq_ignore_ascii_case(short)));
    match elsewhere {
        Some(elsewhere) => error.hint(format!("did you mean `{elsewhere}`?")),
        None => error.suggest(
            name,
            names.iter().map(String::as_str),
            "check the name, as it is stored: case matters; `psql` lists tables with `\\d`",
        ),
    }
}
