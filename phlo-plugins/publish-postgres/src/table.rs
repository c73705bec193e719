//! The table: its columns there and here.

use arrow_schema::{DataType, Schema};
use phlo_plugin::schema::type_name;
use phlo_plugin::{Error, Result};
use phlo_spec::Code;
use tokio_postgres::Transaction;

use crate::config::{PostgresConfig, quote};
use crate::connect::failed;

/// The type that a column has in PostgreSQL, as the server writes it.
pub(crate) fn sql_type(data_type: &DataType) -> Option<String> {
    Some(
        match data_type {
            DataType::Boolean => "boolean",
            DataType::Int8 | DataType::Int16 | DataType::UInt8 => "smallint",
            DataType::Int32 | DataType::UInt16 => "integer",
            DataType::Int64 | DataType::UInt32 => "bigint",
            DataType::Float32 => "real",
            DataType::Float64 => "double precision",
            DataType::Decimal128(precision, scale) if *scale >= 0 => {
                return Some(format!("numeric({precision},{scale})"));
            }
            DataType::Utf8 => "text",
            DataType::Binary => "bytea",
            DataType::Date32 => "date",
            DataType::Timestamp(_, None) => "timestamp without time zone",
            DataType::Timestamp(_, Some(_)) => "timestamp with time zone",
            _ => return None,
        }
        .to_owned(),
    )
}

/// Refuses columns that a table cannot have.
pub(crate) fn accepts(config: &PostgresConfig, schema: &Schema) -> Result<()> {
    for field in schema.fields() {
        if sql_type(field.data_type()).is_none() {
            let name = type_name(field.data_type());
            let message = format!("the column `{}` is {name}, which has no type in PostgreSQL here", field.name());
            return Err(Error::new(Code::Unsupported, message).hint("cast it in a `query`, e.g. to a text"));
        }
        if field.name().len() > 63 {
            let message = format!("the name of the column `{}` is longer than PostgreSQL's 63 bytes", field.name());
            return Err(Error::new(Code::Unsupported, message).hint("give it a shorter one in a `query`"));
        }
    }
    for column in &config.unique_key {
        if schema.column_with_name(column).is_none() {
            let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            let message = format!("`unique_key` names the column `{column}`, which is not published");
            let all = format!("columns: {}", names.join(", "));
            return Err(Error::new(Code::UnknownColumn, message).suggest(column, names.iter().copied(), all));
        }
    }
    Ok(())
}

/// The columns, as a definition of a table has them.
pub(crate) fn definitions(schema: &Schema) -> Vec<String> {
    let define = |field: &arrow_schema::Field| {
        format!("{} {}", quote(field.name()), sql_type(field.data_type()).unwrap_or_default())
    };
    schema.fields().iter().map(|field| define(field)).collect()
}

/// Makes the table, or makes it fit.
pub(crate) async fn prepare(transaction: &Transaction<'_>, config: &PostgresConfig, schema: &Schema) -> Result<()> {
    let name = config.qualified();
    let of_kind = "SELECT relkind::text FROM pg_class WHERE oid = to_regclass($1)";
    let kind = transaction.query_opt(of_kind, &[&name]).await.map_err(failed)?;
    let Some(kind) = kind.map(|row| row.get::<_, String>(0)) else {
        let mut parts = definitions(schema);
        if !config.unique_key.is_empty() {
            let key: Vec<_> = config.unique_key.iter().map(|column| quote(column)).collect();
            parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
        }
        let create = format!("CREATE TABLE {name} ({})", parts.join(", "));
        return transaction.batch_execute(&create).await.map_err(failed);
    };
    if !matches!(kind.as_str(), "r" | "p") {
        return Err(Error::new(Code::Unsupported, format!("{name} is no table")).hint("name a table under `table`"));
    }
    // One publication after the other; readers go on.
    transaction.batch_execute(&format!("LOCK TABLE {name} IN SHARE ROW EXCLUSIVE MODE")).await.map_err(failed)?;
    let of_columns = "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute \
                      WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum";
    let rows = transaction.query(of_columns, &[&name]).await.map_err(failed)?;
    let there: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    for (column, _) in &there {
        if schema.column_with_name(column).is_none() {
            let message = format!("{name} has the column `{column}`, which is not published");
            return Err(Error::new(Code::SchemaMismatch, message)
                .hint(format!("drop it there, or publish it: `null as {column}` in a `query`")));
        }
    }
    let mut add = Vec::new();
    for (field, definition) in schema.fields().iter().zip(definitions(schema)) {
        let here = sql_type(field.data_type()).unwrap_or_default();
        match there.iter().find(|(column, _)| column == field.name()) {
            None => add.push(format!("ADD COLUMN {definition}")),
            Some((_, have)) if holds(have, &here) => {}
            Some((column, have)) => {
                let message = format!("the column `{column}` of {name} is {have}, and what is published is {here}");
                return Err(
                    Error::new(Code::SchemaMismatch, message).hint("cast it in a `query`, or change the type there")
                );
            }
        }
    }
    if !add.is_empty() {
        let alter = format!("ALTER TABLE {name} {}", add.join(", "));
        transaction.batch_execute(&alter).await.map_err(failed)?;
    }
    Ok(())
}

/// Whether a column of a type holds every value of another, or says that it does not.
fn holds(have: &str, given: &str) -> bool {
    have == given
        || match given {
            "smallint" => matches!(have, "integer" | "bigint"),
            "integer" => have == "bigint",
            "real" => have == "double precision",
            "text" => have.starts_with("character varying"),
            other => other.starts_with("numeric(") && have == "numeric",
        }
}
