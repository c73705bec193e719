//! `rename`.

use std::sync::Arc;

use arrow_schema::{Field, Schema};
use phlo_plugin::prelude::{Result, SchemaRef, Transform, TransformPlan};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::columns::{self, Ordered, invalid, position};

/// Gives columns other names; order, types and values stay.
///
/// All names change at once, so that two columns can swap theirs.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameParams {
    /// Each column's present name and its new one.
    pub columns: Ordered<String>,
}

/// Plans `rename`.
#[derive(Debug)]
pub struct Rename;

impl Transform for Rename {
    type Params = RenameParams;

    fn plan(&self, params: RenameParams, input: &SchemaRef) -> Result<TransformPlan> {
        columns::not_empty(&params.columns)?;
        let mut fields: Vec<Field> = input.fields().iter().map(|field| field.as_ref().clone()).collect();
        for (old, new) in &params.columns.0 {
            if new.trim().is_empty() {
                return Err(invalid(format!("`columns` gives `{old}` an empty name"))
                    .hint("write its new name, or leave the column out with `drop`"));
            }
            fields[position(input, old)?].set_name(new.clone());
        }
        if let Some((_, twice)) =
            fields.iter().enumerate().find(|(at, field)| fields[..*at].iter().any(|f| f.name() == field.name()))
        {
            return Err(invalid(format!("there would be two columns `{}`", twice.name()))
                .hint("drop or rename the other one too"));
        }
        let schema = Arc::new(Schema::new_with_metadata(fields, input.metadata().clone()));
        Ok(columns::batches(schema, input.fields().len(), |columns| Ok(columns.to_vec())))
    }
}
