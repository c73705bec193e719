//! PostgreSQL's types as Arrow's: which becomes which, and binary values straight into the builders of their columns.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, BooleanBuilder, PrimitiveBuilder, StringBuilder};
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, ListArray};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Field, FieldRef, TimeUnit};
use phlo_plugin::prelude::*;
use phlo_plugin::schema::{to_arrow, type_name};
use phlo_spec::types::ColumnType;
use tokio_postgres::types::{Kind as TypeKind, Type};

use crate::values::{self, Misfit, Numeric, exactly, split};

/// What a value is on the wire, and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    /// A number of so many digits, so many of them behind the point.
    Decimal(u8, i8),
    /// A number of any digits, as text.
    Numeric,
    Text,
    Jsonb,
    Uuid,
    Bytea,
    Date,
    Timestamp,
    TimestampTz,
    Time,
    TimeTz,
    Interval,
    List(Box<Kind>),
}

impl Kind {
    /// What a type becomes; nothing for one that is not known.
    pub(crate) fn of(pg: &Type, modifier: i32) -> Option<Self> {
        Some(match pg.kind() {
            TypeKind::Domain(base) => return Self::of(base, modifier),
            TypeKind::Enum(_) => Self::Text,
            TypeKind::Array(item) => match Self::of(item, modifier)? {
                Self::List(_) => return None,
                item => Self::List(Box::new(item)),
            },
            TypeKind::Simple => match *pg {
                Type::BOOL => Self::Bool,
                Type::INT2 => Self::Int2,
                Type::INT4 => Self::Int4,
                Type::INT8 => Self::Int8,
                Type::OID => Self::Oid,
                Type::FLOAT4 => Self::Float4,
                Type::FLOAT8 => Self::Float8,
                Type::NUMERIC => Self::numeric(modifier),
                Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::JSON | Type::XML | Type::CHAR => {
                    Self::Text
                }
                Type::JSONB => Self::Jsonb,
                Type::UUID => Self::Uuid,
                Type::BYTEA => Self::Bytea,
                Type::DATE => Self::Date,
                Type::TIMESTAMP => Self::Timestamp,
                Type::TIMESTAMPTZ => Self::TimestampTz,
                Type::TIME => Self::Time,
                Type::TIMETZ => Self::TimeTz,
                Type::INTERVAL => Self::Interval,
                // Of an extension, on the wire a text.
                _ if pg.name() == "citext" => Self::Text,
                _ => return None,
            },
            _ => return None,
        })
    }

    /// A `numeric(p, s)` whose digits a decimal holds is one.
    fn numeric(modifier: i32) -> Self {
        if modifier < 4 {
            return Self::Numeric;
        }
        let (precision, scale) = ((modifier - 4) >> 16, (((modifier - 4) & 0x7FF) ^ 1024) - 1024);
        // `numeric(2, -3)` has five digits before the point, `numeric(2, 5)` five behind it.
        let (precision, scale) = if scale < 0 { (precision - scale, 0) } else { (precision.max(scale), scale) };
        if precision <= 38 { Self::Decimal(precision as u8, scale as i8) } else { Self::Numeric }
    }

    pub(crate) fn data_type(&self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int2 => DataType::Int16,
            Self::Int4 => DataType::Int32,
            Self::Int8 | Self::Oid => DataType::Int64,
            Self::Float4 => DataType::Float32,
            Self::Float8 => DataType::Float64,
            Self::Decimal(precision, scale) => DataType::Decimal128(*precision, *scale),
            Self::Numeric | Self::Text | Self::Jsonb | Self::Uuid | Self::Time | Self::TimeTz | Self::Interval => {
                DataType::Utf8
            }
            Self::Bytea => DataType::Binary,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::TimestampTz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::List(item) => DataType::List(item_field(item)),
        }
    }
}

fn item_field(item: &Kind) -> FieldRef {
    Arc::new(Field::new_list_field(item.data_type(), true))
}

/// A column as PostgreSQL describes it, and how it is read.
#[derive(Debug, Clone)]
pub(crate) struct ColumnPlan {
    pub(crate) name: String,
    /// PostgreSQL's name of its type.
    pub(crate) pg: Type,
    pub(crate) kind: Kind,
    /// Whether the server makes a text of it.
    pub(crate) as_text: bool,
    /// The type that it has in a batch.
    pub(crate) target: DataType,
}

impl ColumnPlan {
    /// How a column is read, given the type that the asset declares for it.
    pub(crate) fn new(name: &str, pg: &Type, modifier: i32, declared: Option<ColumnType>) -> Result<Self> {
        let natural = Kind::of(pg, modifier);
        let plan = |kind: Kind, as_text: bool, target: DataType| {
            Ok(Self { name: name.to_owned(), pg: pg.clone(), kind, as_text, target })
        };
        match (natural, declared) {
            (None | Some(_), Some(ColumnType::String)) if Kind::of(pg, modifier) != Some(Kind::Text) => {
                plan(Kind::Text, true, DataType::Utf8)
            }
            (None, _) => Err(Error::new(
                Code::SchemaMismatch,
                format!("the column `{name}` is of PostgreSQL's type `{}`, which has no column type here", pg.name()),
            )
            .hint(format!(
                "declare `{name}: string` under the asset's `columns` for PostgreSQL's own text, or cast it in `query`"
            ))),
            (Some(Kind::Decimal(..) | Kind::Numeric), Some(ColumnType::Decimal { precision, scale })) => {
                plan(Kind::Decimal(precision, scale), false, DataType::Decimal128(precision, scale))
            }
            (Some(Kind::Numeric), Some(whole)) if to_arrow(whole).is_integer() => {
                plan(Kind::Decimal(38, 0), false, to_arrow(whole))
            }
            (Some(natural), declared) => {
                let target = declared.map_or_else(|| natural.data_type(), to_arrow);
                if !arrow_cast::can_cast_types(&natural.data_type(), &target) {
                    let (from, to) = (pg.name(), type_name(&target));
                    return Err(Error::new(
                        Code::SchemaMismatch,
                        format!("the column `{name}` is of PostgreSQL's type `{from}`, which does not become {to}"),
                    )
                    .hint("declare another type under the asset's `columns`, or cast it in `query`"));
                }
                plan(natural, false, target)
            }
        }
    }

    /// The column's values since the last batch, in the type that a batch has.
    pub(crate) fn finish(&self, builder: &mut Builder) -> Result<ArrayRef> {
        let found = builder.finish();
        if found.data_type() == &self.target {
            return Ok(found);
        }
        let refused = |what: &str| {
            let (from, to) = (self.pg.name(), type_name(&self.target));
            Error::new(Code::MalformedData, format!("column `{}`: a value of type {from} {what} {to}", self.name))
                .hint("declare another type under the asset's `columns`, or cast it in `query`")
        };
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let cast =
            cast_with_options(&found, &self.target, &strict).map_err(|err| refused("is not of type").because(err))?;
        if may_lose(found.data_type(), &self.target) {
            let back = cast_with_options(&cast, found.data_type(), &strict);
            if back.map_or(true, |back| back.to_data() != found.to_data()) {
                return Err(refused("would lose something as"));
            }
        }
        Ok(cast)
    }
}

/// Whether a cast between these may cut something off in silence.
fn may_lose(from: &DataType, to: &DataType) -> bool {
    !(matches!(from, DataType::Utf8) || from.is_integer() && to.is_integer() || matches!(to, DataType::Utf8))
}

/// Values on their way into a column.
pub(crate) enum Builder {
    Bool(BooleanBuilder),
    Int2(PrimitiveBuilder<Int16Type>),
    Int4(PrimitiveBuilder<Int32Type>),
    Int8(PrimitiveBuilder<Int64Type>),
    Oid(PrimitiveBuilder<Int64Type>),
    Float4(PrimitiveBuilder<Float32Type>),
    Float8(PrimitiveBuilder<Float64Type>),
    Decimal(PrimitiveBuilder<Decimal128Type>, u8, i8),
    Text(StringBuilder),
    Jsonb(StringBuilder),
    /// A text that is made of the bytes, and room for one.
    Made(StringBuilder, String, fn(&mut String, &[u8]) -> Result<(), Misfit>),
    Bytea(BinaryBuilder),
    Date(PrimitiveBuilder<Date32Type>),
    Timestamp(PrimitiveBuilder<TimestampMicrosecondType>),
    List(Box<List>),
}

pub(crate) struct List {
    field: FieldRef,
    items: Builder,
    ends: Vec<i32>,
    valid: NullBufferBuilder,
}

fn primitive<T: ArrowPrimitiveType>(data_type: DataType) -> PrimitiveBuilder<T> {
    PrimitiveBuilder::new().with_data_type(data_type)
}

impl Builder {
    pub(crate) fn new(kind: &Kind) -> Self {
        let made = |make| Self::Made(StringBuilder::new(), String::new(), make);
        match kind {
            Kind::Bool => Self::Bool(BooleanBuilder::new()),
            Kind::Int2 => Self::Int2(PrimitiveBuilder::new()),
            Kind::Int4 => Self::Int4(PrimitiveBuilder::new()),
            Kind::Int8 => Self::Int8(PrimitiveBuilder::new()),
            Kind::Oid => Self::Oid(PrimitiveBuilder::new()),
            Kind::Float4 => Self::Float4(PrimitiveBuilder::new()),
            Kind::Float8 => Self::Float8(PrimitiveBuilder::new()),
            Kind::Decimal(precision, scale) => Self::Decimal(primitive(kind.data_type()), *precision, *scale),
            Kind::Numeric => made(|out, bytes| Numeric::new(bytes)?.text(out)),
            Kind::Text => Self::Text(StringBuilder::new()),
            Kind::Jsonb => Self::Jsonb(StringBuilder::new()),
            Kind::Uuid => made(values::uuid),
            Kind::Time => made(values::time),
            Kind::TimeTz => made(values::time_tz),
            Kind::Interval => made(values::interval),
            Kind::Bytea => Self::Bytea(BinaryBuilder::new()),
            Kind::Date => Self::Date(PrimitiveBuilder::new()),
            Kind::Timestamp | Kind::TimestampTz => Self::Timestamp(primitive(kind.data_type())),
            Kind::List(item) => Self::List(Box::new(List {
                field: item_field(item),
                items: Self::new(item),
                ends: vec![0],
                valid: NullBufferBuilder::new(0),
            })),
        }
    }

    /// Adds a value.
    #[inline]
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), Misfit> {
        match self {
            Self::Bool(to) => to.append_value(exactly::<1>(bytes)? != [0]),
            Self::Int2(to) => to.append_value(i16::from_be_bytes(exactly(bytes)?)),
            Self::Int4(to) => to.append_value(i32::from_be_bytes(exactly(bytes)?)),
            Self::Int8(to) => to.append_value(i64::from_be_bytes(exactly(bytes)?)),
            Self::Oid(to) => to.append_value(i64::from(u32::from_be_bytes(exactly(bytes)?))),
            Self::Float4(to) => to.append_value(f32::from_be_bytes(exactly(bytes)?)),
            Self::Float8(to) => to.append_value(f64::from_be_bytes(exactly(bytes)?)),
            Self::Decimal(to, precision, scale) => {
                to.append_value(Numeric::new(bytes)?.scaled(*precision, *scale)?);
            }
            Self::Text(to) => to.append_value(text(bytes)?),
            Self::Jsonb(to) => match split::<1>(bytes)? {
                ([1], json) => to.append_value(text(json)?),
                _ => return Err(Misfit::Broken),
            },
            Self::Made(to, room, make) => {
                room.clear();
                make(room, bytes)?;
                to.append_value(&room);
            }
            Self::Bytea(to) => to.append_value(bytes),
            Self::Date(to) => to.append_value(values::date(bytes)?),
            Self::Timestamp(to) => to.append_value(values::timestamp(bytes)?),
            Self::List(list) => list.append(bytes)?,
        }
        Ok(())
    }

    /// Adds a null.
    #[inline]
    pub(crate) fn append_null(&mut self) {
        match self {
            Self::Bool(to) => to.append_null(),
            Self::Int2(to) => to.append_null(),
            Self::Int4(to) => to.append_null(),
            Self::Int8(to) | Self::Oid(to) => to.append_null(),
            Self::Float4(to) => to.append_null(),
            Self::Float8(to) => to.append_null(),
            Self::Decimal(to, ..) => to.append_null(),
            Self::Text(to) | Self::Jsonb(to) | Self::Made(to, ..) => to.append_null(),
            Self::Bytea(to) => to.append_null(),
            Self::Date(to) => to.append_null(),
            Self::Timestamp(to) => to.append_null(),
            Self::List(list) => {
                list.ends.push(list.ends.last().copied().unwrap_or(0));
                list.valid.append_null();
            }
        }
    }

    fn len(&self) -> usize {
        use arrow_array::builder::ArrayBuilder;
        match self {
            Self::Bool(it) => it.len(),
            Self::Int2(it) => it.len(),
            Self::Int4(it) => it.len(),
            Self::Int8(it) | Self::Oid(it) => it.len(),
            Self::Float4(it) => it.len(),
            Self::Float8(it) => it.len(),
            Self::Decimal(it, ..) => it.len(),
            Self::Text(it) | Self::Jsonb(it) | Self::Made(it, ..) => it.len(),
            Self::Bytea(it) => it.len(),
            Self::Date(it) => it.len(),
            Self::Timestamp(it) => it.len(),
            Self::List(it) => it.ends.len() - 1,
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Bool(it) => Arc::new(it.finish()),
            Self::Int2(it) => Arc::new(it.finish()),
            Self::Int4(it) => Arc::new(it.finish()),
            Self::Int8(it) | Self::Oid(it) => Arc::new(it.finish()),
            Self::Float4(it) => Arc::new(it.finish()),
            Self::Float8(it) => Arc::new(it.finish()),
            Self::Decimal(it, ..) => Arc::new(it.finish()),
            Self::Text(it) | Self::Jsonb(it) | Self::Made(it, ..) => Arc::new(it.finish()),
            Self::Bytea(it) => Arc::new(it.finish()),
            Self::Date(it) => Arc::new(it.finish()),
            Self::Timestamp(it) => Arc::new(it.finish()),
            Self::List(it) => {
                let ends = std::mem::replace(&mut it.ends, vec![0]);
                let (offsets, items) = (OffsetBuffer::new(ends.into()), it.items.finish());
                Arc::new(ListArray::new(it.field.clone(), offsets, items, it.valid.finish()))
            }
        }
    }
}

impl List {
    fn append(&mut self, bytes: &[u8]) -> Result<(), Misfit> {
        let (dimensions, rest) = split::<4>(bytes)?;
        // Behind it: whether there are nulls, and the items' type.
        let (_, mut rest) = split::<8>(rest)?;
        match i32::from_be_bytes(dimensions) {
            0 => {}
            1 => {
                let (count, behind) = split::<4>(rest)?;
                (_, rest) = split::<4>(behind)?;
                for _ in 0..i32::from_be_bytes(count) {
                    let (len, behind) = split::<4>(rest)?;
                    rest = match usize::try_from(i32::from_be_bytes(len)) {
                        Ok(len) => {
                            let (item, behind) = behind.split_at_checked(len).ok_or(Misfit::Broken)?;
                            self.items.append(item)?;
                            behind
                        }
                        Err(_) => {
                            self.items.append_null();
                            behind
                        }
                    };
                }
            }
            _ => return Err(Misfit::Nested),
        }
        self.ends.push(i32::try_from(self.items.len()).map_err(|_| Misfit::TooLarge)?);
        self.valid.append_non_null();
        Ok(())
    }
}

#[inline]
fn text(bytes: &[u8]) -> Result<&str, Misfit> {
    std::str::from_utf8(bytes).map_err(|_| Misfit::NotUtf8)
}
