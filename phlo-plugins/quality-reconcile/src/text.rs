//! Values as texts that are the same on both sides, and the checksum of a row.
//!
//! What a value's text is depends on the type of this asset's column; the other side's value is read as that type first. See the table in
//! the README.

use arrow_schema::DataType;
use phlo_plugin::prelude::*;
use phlo_plugin::schema::type_name;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::params::{Side, invalid, one_number};

/// Digits behind the point in which whole numbers and decimals are compared, at least.
const DIGITS: i8 = 10;

/// How the values of a column become texts.
#[derive(Debug, Clone)]
pub(crate) enum Form {
    /// A whole number or a decimal.
    Exact(i8),
    /// A number in floating point, in this SQL type.
    Floating(&'static str),
    Boolean,
    /// A date or a timestamp.
    Moment,
    Binary,
    /// As SQL writes it.
    Plain,
}

impl Form {
    /// The form for a column.
    ///
    /// # Errors
    /// A type that has none.
    pub(crate) fn of(column: &str, target: &CheckTarget) -> Result<Self> {
        let Some(data_type) = target.column_type(column) else { return Ok(Self::Plain) };
        Ok(match data_type {
            DataType::Boolean => Self::Boolean,
            DataType::Float16 | DataType::Float32 => Self::Floating("REAL"),
            DataType::Float64 => Self::Floating("DOUBLE"),
            DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale) => {
                Self::Exact(DIGITS.max(*scale))
            }
            DataType::Decimal256(_, scale) if *scale <= 28 => Self::Exact(DIGITS.max(*scale)),
            other if other.is_integer() => Self::Exact(DIGITS),
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Self::Moment,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                Self::Binary
            }
            other if other.is_nested() => {
                let message = format!("the column `{column}` is of type {}, which has no checksum", type_name(other));
                return Err(invalid(message).hint("name other `columns`, or flatten it"));
            }
            _ => Self::Plain,
        })
    }

    /// A value as text; null stays null.
    pub(crate) fn text(&self, sql: &str, decimals: Option<u8>) -> String {
        // What cannot be read as this side's type differs from all that can, and is no error.
        let read = |value: String| format!("coalesce(CAST({value} AS VARCHAR), CAST({sql} AS VARCHAR))");
        match self {
            Self::Exact(scale) => {
                let number = format!("TRY_CAST({sql} AS DECIMAL(38, {scale}))");
                read(match decimals {
                    Some(decimals) if (decimals as i8) < *scale => format!("round({number}, {decimals})"),
                    _ => number,
                })
            }
            Self::Floating(of) => {
                let number = format!("CAST(TRY_CAST({sql} AS {of}) AS DOUBLE)");
                let number = decimals.map_or(number.clone(), |decimals| format!("round({number}, {decimals})"));
                read(one_number(&number))
            }
            Self::Boolean => read(format!("TRY_CAST({sql} AS BOOLEAN)")),
            Self::Moment => {
                // Microseconds since 1970 in UTC: a date is its midnight, and a timestamp without a zone is UTC.
                let moment = format!("arrow_cast({sql}, 'Timestamp(Microsecond, None)')");
                format!("CAST(arrow_cast({moment}, 'Int64') AS VARCHAR)")
            }
            Self::Binary => format!("encode({sql}, 'hex')"),
            Self::Plain => format!("CAST({sql} AS VARCHAR)"),
        }
    }
}

/// A key as text. Unlike a column's value it is of one type on both sides already, that which UNION made of theirs.
pub(crate) fn of_key(sql: &str, data_type: Option<&DataType>) -> String {
    let value_type = match data_type {
        Some(DataType::Dictionary(_, value)) => Some(value.as_ref()),
        other => other,
    };
    if value_type.is_some_and(DataType::is_binary) {
        format!("encode({sql}, 'hex')")
    } else {
        format!("CAST({sql} AS VARCHAR)")
    }
}

/// What makes a checksum of a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hash {
    /// MD5, the fastest.
    #[default]
    Md5,
    /// SHA-256, where MD5 may not be used.
    Sha256,
}

impl Hash {
    /// In hexadecimal digits, of texts each behind its length, so that no two rows make one text; null is `~`.
    pub(crate) fn of(self, texts: &[String]) -> String {
        let piece =
            |text: &String| format!("coalesce(CAST(character_length({text}) AS VARCHAR) || ':' || {text}, '~')");
        let pieces: Vec<_> = texts.iter().map(piece).collect();
        let pieces = if pieces.is_empty() { "''".to_owned() } else { pieces.join(" || ") };
        match self {
            Self::Md5 => format!("md5({pieces})"),
            Self::Sha256 => format!("encode(sha256({pieces}), 'hex')"),
        }
    }
}

/// The columns with their forms.
pub(crate) struct Columns {
    pub(crate) names: Vec<String>,
    forms: Vec<Form>,
    decimals: Option<u8>,
}

impl Columns {
    /// These columns, or all of the asset's but phlo's own and `apart`.
    ///
    /// # Errors
    /// A type that has no checksum, a list that names one twice.
    pub(crate) fn new(
        columns: Option<Vec<String>>,
        apart: &[String],
        decimals: Option<u8>,
        target: &CheckTarget,
    ) -> Result<Self> {
        if let Some(columns) = &columns {
            crate::params::distinct("columns", columns)?;
            if let Some(twice) = columns.iter().find(|column| apart.contains(column)) {
                return Err(invalid(format!("`columns` names `{twice}`, which is the key"))
                    .hint("remove it: keys are always compared"));
            }
        }
        if let Some(decimals) = decimals.filter(|decimals| *decimals > 15) {
            return Err(invalid(format!("`decimals` is {decimals}, more than a float64 has")).hint("write at most 15"));
        }
        let of_table = || {
            let fields = target.schema.iter().flat_map(|schema| schema.fields());
            let names = fields.map(|field| field.name()).filter(|name| !name.starts_with("_phlo_"));
            names.filter(|name| !apart.contains(name)).cloned().collect()
        };
        let names: Vec<String> = columns.unwrap_or_else(of_table);
        let forms = names.iter().map(|name| Form::of(name, target)).collect::<Result<_>>()?;
        Ok(Self { names, forms, decimals })
    }

    /// Each column's text on a side.
    pub(crate) fn texts(&self, side: &Side<'_>) -> Vec<String> {
        let text = |(name, form): (&String, &Form)| form.text(&side.column(name), self.decimals);
        self.names.iter().zip(&self.forms).map(text).collect()
    }

    /// The texts under the aliases `"_c0"`, …
    pub(crate) fn aliased(&self, side: &Side<'_>) -> Vec<String> {
        self.texts(side).into_iter().enumerate().map(|(at, sql)| format!("{sql} AS \"_c{at}\"")).collect()
    }

    /// Rows of both sides with the keys' aliases, the columns' texts, and the row's checksum `"_sum"`: the first 60 bits of the hash, of
    /// the texts and of these of the keys. Where rows of many keys are summed up, a value must not move from one key to another unseen.
    /// With a filter, of its rows only.
    pub(crate) fn rows(
        &self,
        sides: &[Side<'_>; 2],
        keys: &[String],
        keyed: impl Fn(&Side<'_>) -> Vec<String>,
        hash: Hash,
        filter: Option<&str>,
    ) -> String {
        let both = crate::params::both(sides, |side| {
            let items: Vec<_> = keyed(side).into_iter().chain(self.aliased(side)).collect();
            side.select(&items, &[])
        });
        let digit = |at: u32| {
            let weight = 1_u64 << (4 * (15 - at));
            format!("strpos('123456789abcdef', substr(\"_hash\", {at}, 1)) * CAST({weight} AS BIGINT)")
        };
        let sum: Vec<_> = (1..=15).map(digit).collect();
        let texts = (0..self.names.len()).map(|at| format!("\"_c{at}\""));
        let texts: Vec<_> = keys.iter().cloned().chain(texts).collect();
        let filter = filter.map(|filter| format!(" WHERE {filter}")).unwrap_or_default();
        format!(
            "(SELECT *, CAST({} AS DECIMAL(38, 0)) AS \"_sum\" FROM (SELECT *, {} AS \"_hash\" FROM {both}{filter}))",
            sum.join(" + "),
            hash.of(&texts)
        )
    }
}

/// What the two sides' rows of a group come to.
pub(crate) const TOTALS: &str = "count(*) FILTER (WHERE \"_side\" = 0) AS \"_here\", count(*) FILTER (WHERE \"_side\" = 1) AS \"_there\", \
     sum(\"_sum\") FILTER (WHERE \"_side\" = 0) AS \"_hsum\", sum(\"_sum\") FILTER (WHERE \"_side\" = 1) AS \"_tsum\"";
/// Whether a group's rows differ. Sums do not depend on the order of the rows, and a row that is there twice counts twice.
pub(crate) const DIFFER: &str = "(\"_here\" <> \"_there\" OR \"_hsum\" IS DISTINCT FROM \"_tsum\")";

/// A query that shows the rows of differing keys, side by side.
pub(crate) fn differing(rows: &str, keys: &[String], named: &[String], columns: &Columns) -> String {
    let over = format!("OVER (PARTITION BY {})", keys.join(", "));
    let of = |side: u8, value: &str| format!("sum(CASE WHEN \"_side\" = {side} THEN {value} END) {over}");
    let shown: Vec<_> = (named.iter().zip(keys).map(|(name, alias)| (alias.clone(), name)))
        .chain(columns.names.iter().enumerate().map(|(at, name)| (format!("\"_c{at}\""), name)))
        .map(|(alias, name)| format!("{alias} AS {}", phlo_plugin::quality::quote(name)))
        .collect();
    format!(
        "SELECT {}, CASE WHEN \"_side\" = 0 THEN 'here' ELSE 'there' END AS \"_phlo_side\" FROM \
         (SELECT *, coalesce({}, 0) AS \"_here\", coalesce({}, 0) AS \"_there\", {} AS \"_hsum\", {} AS \"_tsum\" FROM {rows}) \
         WHERE {DIFFER} ORDER BY {}, \"_side\"",
        shown.join(", "),
        of(0, "1"),
        of(1, "1"),
        of(0, "\"_sum\""),
        of(1, "\"_sum\""),
        crate::params::ordered(keys)
    )
}
