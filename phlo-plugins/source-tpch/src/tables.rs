//! The eight tables: their columns, as section 1.4 of the specification has them, and rows as record batches.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, Date32Array, Decimal128Array, Int32Array, Int64Array};
use arrow_schema::{ArrowError, DataType, Field};
use phlo_plugin::prelude::*;
use tpchgen::generators::{
    CustomerGenerator, LineItemGenerator, NationGenerator, OrderGenerator, PartGenerator, PartSuppGenerator,
    RegionGenerator, SupplierGenerator,
};

use crate::config::Table;

/// Batches of one part of a table.
pub(crate) type Batches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

const MONEY: (u8, i8) = (15, 2);

/// The type of a column's kind: `key` is an identifier, `number` an integer, `money` and `whole` a decimal, `text` a text, and
/// `shown` a text that the generator has as a value of its own.
macro_rules! data_type {
    (key) => {
        DataType::Int64
    };
    (number) => {
        DataType::Int32
    };
    (money) => {
        DataType::Decimal128(MONEY.0, MONEY.1)
    };
    (whole) => {
        DataType::Decimal128(MONEY.0, MONEY.1)
    };
    (date) => {
        DataType::Date32
    };
    (text) => {
        DataType::Utf8
    };
    (shown) => {
        DataType::Utf8
    };
}

/// A column of rows.
macro_rules! array {
    (key, $values:expr) => {
        Arc::new(Int64Array::from_iter_values($values)) as ArrayRef
    };
    (number, $values:expr) => {
        Arc::new(Int32Array::from_iter_values($values)) as ArrayRef
    };
    (money, $values:expr) => {
        decimals($values.map(|value| i128::from(value.into_inner())))?
    };
    // The specification's decimal, which the generator has as an integer.
    (whole, $values:expr) => {
        decimals($values.map(|value| i128::from(value) * 100))?
    };
    (date, $values:expr) => {
        Arc::new(Date32Array::from_iter_values($values.map(|date| date.to_unix_epoch()))) as ArrayRef
    };
    (text, $values:expr) => {{
        let mut texts = StringBuilder::new();
        $values.for_each(|text| texts.append_value(text));
        Arc::new(texts.finish()) as ArrayRef
    }};
    (shown, $values:expr) => {{
        let mut texts = StringBuilder::new();
        for value in $values {
            write!(texts, "{value}").map_err(|_| ArrowError::InvalidArgumentError("a value has no text".to_owned()))?;
            texts.append_value("");
        }
        Arc::new(texts.finish()) as ArrayRef
    }};
}

macro_rules! tables {
    ($($table:ident from $generator:ident { $($column:ident: $kind:ident),+ $(,)? })+) => {
        impl Table {
            /// Its schema.
            pub(crate) fn schema(self) -> SchemaRef {
                match self {
                    $(Self::$table => Arc::new(Schema::new(vec![
                        $(Field::new(stringify!($column), data_type!($kind), true)),+
                    ])),)+
                }
            }

            /// The rows of one part, from 1, of so many, in batches.
            pub(crate) fn batches(self, scale: f64, part: i32, parts: i32, batch_rows: usize) -> Batches {
                let schema = self.schema();
                match self {
                    $(Self::$table => {
                        let mut rows = $generator::new(scale, part, parts).iter();
                        let mut next = move || -> Result<Option<RecordBatch>, ArrowError> {
                            let rows: Vec<_> = rows.by_ref().take(batch_rows).collect();
                            if rows.is_empty() {
                                return Ok(None);
                            }
                            let columns = vec![$(array!($kind, rows.iter().map(|row| column!($kind, row.$column)))),+];
                            RecordBatch::try_new(schema.clone(), columns).map(Some)
                        };
                        Box::new(std::iter::from_fn(move || {
                            next().map_err(|err| Error::internal("the batch does not fit its schema").because(err)).transpose()
                        }))
                    })+
                }
            }
        }
    };
}

/// A field of a row: copied where it is small, borrowed where it is a text.
macro_rules! column {
    (shown, $field:expr) => {
        &$field
    };
    (text, $field:expr) => {
        &$field
    };
    ($kind:ident, $field:expr) => {
        $field
    };
}

tables! {
    Customer from CustomerGenerator {
        c_custkey: key, c_name: shown, c_address: shown, c_nationkey: key, c_phone: shown, c_acctbal: money,
        c_mktsegment: text, c_comment: text,
    }
    Lineitem from LineItemGenerator {
        l_orderkey: key, l_partkey: key, l_suppkey: key, l_linenumber: number, l_quantity: whole, l_extendedprice: money,
        l_discount: money, l_tax: money, l_returnflag: text, l_linestatus: text, l_shipdate: date, l_commitdate: date,
        l_receiptdate: date, l_shipinstruct: text, l_shipmode: text, l_comment: text,
    }
    Nation from NationGenerator { n_nationkey: key, n_name: text, n_regionkey: key, n_comment: text }
    Orders from OrderGenerator {
        o_orderkey: key, o_custkey: key, o_orderstatus: shown, o_totalprice: money, o_orderdate: date,
        o_orderpriority: text, o_clerk: shown, o_shippriority: number, o_comment: text,
    }
    Part from PartGenerator {
        p_partkey: key, p_name: shown, p_mfgr: shown, p_brand: shown, p_type: text, p_size: number, p_container: text,
        p_retailprice: money, p_comment: text,
    }
    Partsupp from PartSuppGenerator {
        ps_partkey: key, ps_suppkey: key, ps_availqty: number, ps_supplycost: money, ps_comment: text,
    }
    Region from RegionGenerator { r_regionkey: key, r_name: text, r_comment: text }
    Supplier from SupplierGenerator {
        s_suppkey: key, s_name: shown, s_address: shown, s_nationkey: key, s_phone: shown, s_acctbal: money, s_comment: text,
    }
}

impl Table {
    /// Into how many parts the table can be divided: what it counts when it makes parts.
    pub(crate) fn divisible(self, scale: f64) -> i64 {
        match self {
            Self::Customer => CustomerGenerator::calculate_row_count(scale, 1, 1),
            Self::Lineitem | Self::Orders => OrderGenerator::calculate_row_count(scale, 1, 1),
            Self::Nation | Self::Region => 1,
            Self::Part | Self::Partsupp => PartGenerator::calculate_row_count(scale, 1, 1),
            Self::Supplier => SupplierGenerator::calculate_row_count(scale, 1, 1),
        }
    }
}

fn decimals(values: impl Iterator<Item = i128>) -> Result<ArrayRef, ArrowError> {
    let decimals = Decimal128Array::from_iter_values(values).with_precision_and_scale(MONEY.0, MONEY.1)?;
    Ok(Arc::new(decimals))
}
