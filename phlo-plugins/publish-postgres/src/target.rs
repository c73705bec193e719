//! The target: rows into a temporary table, and from there in one step into the published one.

use std::pin::pin;

use arrow_schema::SchemaRef;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::{SinkExt, StreamExt};
use phlo_plugin::prelude::*;
use serde_json::{Value, json};

use crate::config::{Mode, PostgresConfig, quote};
use crate::connect::{connect, failed};
use crate::{copy, table};

/// The temporary table.
const STAGE: &str = "pg_temp._phlo_stage";

/// The resource that provides the target.
#[derive(Debug)]
pub struct Postgres;

impl Plugin for Postgres {
    type Settings = NoSettings;

    fn create(_: NoSettings, _: &InitContext) -> Result<Self> {
        Ok(Self)
    }
}

impl Resource for Postgres {
    fn providers(&self) -> Result<Vec<Provider>> {
        Ok(vec![Provider::publish_target("postgres", PostgresTarget)])
    }
}

/// Publishes tables to PostgreSQL.
#[derive(Debug)]
pub struct PostgresTarget;

#[async_trait]
impl PublishTarget for PostgresTarget {
    type Config = PostgresConfig;

    fn validate(&self, config: &PostgresConfig) -> Result<()> {
        config.check()
    }

    fn location(&self, config: &PostgresConfig) -> String {
        config.location()
    }

    fn accepts(&self, config: &PostgresConfig, schema: &SchemaRef) -> Result<()> {
        table::accepts(config, schema)
    }

    async fn test_connection(&self, config: &PostgresConfig, _: &PublishContext) -> Result<()> {
        connect(config).await?.client.batch_execute("SELECT 1").await.map_err(failed)
    }

    async fn is_current(&self, config: &PostgresConfig, _: &PublishContext, receipt: &Value) -> Result<bool> {
        let connection = connect(config).await?;
        let name = config.qualified();
        let oid = connection
            .client
            .query_one("SELECT to_regclass($1)::oid::bigint", &[&name])
            .await
            .map_err(failed)?
            .get::<_, Option<i64>>(0);
        if oid != receipt["oid"].as_i64() || oid.is_none() {
            return Ok(false);
        }
        // Every row is from that transaction, and none of its rows is gone.
        let of_transaction = receipt["transaction"].as_i64().unwrap_or(-1);
        let count = format!("SELECT count(*), count(*) FILTER (WHERE xmin::text::bigint = $1) FROM {name}");
        let row = connection.client.query_one(&count, &[&of_transaction]).await.map_err(failed)?;
        let (all, own): (i64, i64) = (row.get(0), row.get(1));
        Ok(all == own && Some(all) == receipt["rows"].as_i64())
    }

    async fn publish(
        &self,
        config: &PostgresConfig,
        _: &PublishContext,
        schema: SchemaRef,
        mut rows: BatchStream,
    ) -> Result<Published> {
        let mut connection = connect(config).await?;
        let transaction = connection.client.transaction().await.map_err(failed)?;
        let stage =
            format!("CREATE TEMPORARY TABLE _phlo_stage ({}) ON COMMIT DROP", table::definitions(&schema).join(", "));
        transaction.batch_execute(&stage).await.map_err(failed)?;
        let columns: Vec<_> = schema.fields().iter().map(|field| quote(field.name())).collect();
        let columns = columns.join(", ");

        let (mut count, mut bytes) = (0, 0);
        let copy = format!("COPY {STAGE} ({columns}) FROM STDIN (FORMAT binary)");
        {
            let mut sink = pin!(transaction.copy_in::<_, Bytes>(&copy).await.map_err(failed)?);
            let mut buffer = BytesMut::from(copy::HEADER);
            while let Some(batch) = rows.next().await {
                let batch = batch?;
                copy::batch(&mut buffer, &batch)?;
                count += batch.num_rows() as u64;
                bytes += buffer.len() as u64;
                sink.send(buffer.split().freeze()).await.map_err(failed)?;
            }
            buffer.extend_from_slice(copy::TRAILER);
            sink.send(buffer.freeze()).await.map_err(failed)?;
            sink.finish().await.map_err(failed)?;
        }

        table::prepare(&transaction, config, &schema).await?;
        let name = config.qualified();
        let insert = format!("INSERT INTO {name} ({columns}) SELECT {columns} FROM {STAGE}");
        match config.mode {
            Mode::Replace => {
                transaction.batch_execute(&format!("DELETE FROM {name}; {insert}")).await.map_err(failed)?;
            }
            Mode::Upsert => {
                let key: Vec<_> = config.unique_key.iter().map(|column| quote(column)).collect();
                let others = schema.fields().iter().filter(|field| !config.unique_key.contains(field.name()));
                let set: Vec<_> = others.map(|f| format!("{0} = EXCLUDED.{0}", quote(f.name()))).collect();
                let then = if set.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", set.join(", ")) };
                let upsert = format!("{insert} ON CONFLICT ({}) DO {then}", key.join(", "));
                transaction.batch_execute(&upsert).await.map_err(failed)?;
            }
        }
        let of_itself = "SELECT txid_current() & 4294967295, to_regclass($1)::oid::bigint";
        let row = transaction.query_one(of_itself, &[&name]).await.map_err(failed)?;
        let (id, oid): (i64, i64) = (row.get(0), row.get(1));
        transaction.commit().await.map_err(failed)?;
        let receipt = json!({ "oid": oid, "transaction": id, "rows": count });
        Ok(Published {
            rows: count,
            bytes,
            location: config.location(),
            receipt: (config.mode == Mode::Replace).then_some(receipt),
        })
    }
}
