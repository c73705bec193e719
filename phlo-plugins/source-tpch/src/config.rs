//! What users write under `source:` for a table of the benchmark.

use phlo_plugin::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Below this some tables have no rows, and orders find no customers.
const MIN_SCALE: f64 = 0.001;
/// The specification's greatest: about 100 TB.
const MAX_SCALE: f64 = 100_000.0;

/// A table of the TPC-H benchmark.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TpchConfig {
    /// Which of the eight tables.
    pub table: Table,
    /// The scale factor: about the gigabytes of all eight tables as text. From 0.001 to 100000; 1 unless set.
    #[serde(default = "one")]
    pub scale: f64,
}

const fn one() -> f64 {
    1.0
}

impl TpchConfig {
    pub(crate) fn check(&self) -> Result<()> {
        if (MIN_SCALE..=MAX_SCALE).contains(&self.scale) {
            return Ok(());
        }
        Err(Error::new(Code::InvalidValue, format!("`scale` is {}, not from {MIN_SCALE} to {MAX_SCALE}", self.scale))
            .hint("1 is six million line items; 0.01 is enough to try queries on"))
    }
}

/// The tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    /// 150,000 customers for each unit of scale.
    Customer,
    /// Some 6,000,000 lines of orders for each unit of scale.
    Lineitem,
    /// 25 nations.
    Nation,
    /// 1,500,000 orders for each unit of scale.
    Orders,
    /// 200,000 parts for each unit of scale.
    Part,
    /// Which supplier sells which part: four for each part.
    Partsupp,
    /// 5 regions.
    Region,
    /// 10,000 suppliers for each unit of scale.
    Supplier,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 8] = [
        Self::Customer,
        Self::Lineitem,
        Self::Nation,
        Self::Orders,
        Self::Part,
        Self::Partsupp,
        Self::Region,
        Self::Supplier,
    ];

    /// The name as written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Lineitem => "lineitem",
            Self::Nation => "nation",
            Self::Orders => "orders",
            Self::Part => "part",
            Self::Partsupp => "partsupp",
            Self::Region => "region",
            Self::Supplier => "supplier",
        }
    }
}
