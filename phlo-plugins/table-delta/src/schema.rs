//! What a table's columns are and become: the mapping of Arrow types to Delta's, and the schema policies. Pure functions.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use phlo_plugin::schema::type_name;
use phlo_plugin::{Error, Result};
use phlo_spec::{Code, SchemaPolicy};

/// How incoming columns and a table's columns become one schema.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Evolution {
    /// The table's columns after the commit: Delta's types in Arrow's terms, names and order as stored.
    pub(crate) schema: SchemaRef,
    /// Columns that the table did not have.
    pub(crate) added: Vec<String>,
    /// Columns whose type changes, with the type before and after.
    pub(crate) retyped: Vec<(String, String, String)>,
    /// The table's columns that go away (only an overwrite does that).
    pub(crate) removed: Vec<String>,
    /// Incoming columns that are not stored.
    pub(crate) dropped: Vec<String>,
    /// Whether files that stay must be rewritten, because a type in them changes.
    pub(crate) rewrite: bool,
}

impl Evolution {
    /// Whether the table's columns stay as they are.
    pub(crate) fn is_same_as(&self, table: &Schema) -> bool {
        self.schema.fields().len() == table.fields().len()
            && self
                .schema
                .fields()
                .iter()
                .zip(table.fields())
                .all(|(a, b)| a.name() == b.name() && same(a.data_type(), b.data_type()))
    }

    /// The changes in words, for reports and the run's notes.
    pub(crate) fn notes(&self) -> Vec<String> {
        let each = |what: &str, names: &[String]| -> Option<String> {
            (!names.is_empty()).then(|| format!("{what} {}", quoted(names)))
        };
        let retyped =
            self.retyped.iter().map(|(name, from, to)| format!("column `{name}` changed from {from} to {to}"));
        [
            each("new column", &self.added),
            each("column no longer in the table:", &self.removed),
            each("dropped unknown column", &self.dropped),
        ]
        .into_iter()
        .flatten()
        .chain(retyped)
        .collect()
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")
}

/// Decides what the table's schema becomes when `incoming` rows are written to it.
///
/// `replace` says that no old row stays (an overwrite): under `evolve` the incoming columns then simply become the table's.
///
/// # Errors
/// Names every column that has no Delta type, does not fit the table's, or is refused by the policy.
pub(crate) fn evolve(
    table: Option<&Schema>,
    incoming: &Schema,
    policy: SchemaPolicy,
    replace: bool,
) -> Result<Evolution> {
    let incoming = stored_schema(incoming)?;
    let Some(table) = table else {
        let added = Vec::new();
        return Ok(Evolution {
            schema: Arc::new(incoming),
            added,
            retyped: vec![],
            removed: vec![],
            dropped: vec![],
            rewrite: false,
        });
    };
    if replace && policy == SchemaPolicy::Evolve {
        return Ok(replaced(table, incoming));
    }

    let mut problems = Vec::new();
    let mut out = Evolution {
        schema: SchemaRef::new(Schema::empty()),
        added: vec![],
        retyped: vec![],
        removed: vec![],
        dropped: vec![],
        rewrite: false,
    };
    let mut fields: Vec<FieldRef> = Vec::with_capacity(table.fields().len());
    for field in table.fields() {
        let name = field.name();
        let Some(new) = find(&incoming, name).map(|i| incoming.field(i)) else {
            if policy == SchemaPolicy::Freeze {
                problems.push(format!("column `{name}` is missing"));
            } else if !field.is_nullable() {
                problems.push(format!("column `{name}` is missing, and the table does not allow null in it"));
            }
            fields.push(Arc::clone(field));
            continue;
        };
        let (old_type, new_type) = (field.data_type(), new.data_type());
        match unify(old_type, new_type) {
            Some(both) if same(&both, old_type) => fields.push(Arc::clone(field)),
            Some(both) if policy == SchemaPolicy::Evolve => {
                out.retyped.push((name.clone(), type_name(old_type), type_name(&both)));
                out.rewrite |= !only_adds_fields(old_type, &both);
                fields.push(Arc::new(field.as_ref().clone().with_data_type(both)));
            }
            Some(_) => problems.push(format!(
                "column `{name}` comes as {}, the table holds {}",
                type_name(new_type),
                type_name(old_type)
            )),
            None => problems.push(format!(
                "column `{name}` comes as {}, which cannot be stored beside the table's {}",
                type_name(new_type),
                type_name(old_type)
            )),
        }
    }
    for field in incoming.fields() {
        if find(table, field.name()).is_some() {
            continue;
        }
        match policy {
            SchemaPolicy::Evolve => {
                out.added.push(field.name().clone());
                fields.push(Arc::clone(field));
            }
            SchemaPolicy::Freeze => problems.push(format!("column `{}` is new", field.name())),
            SchemaPolicy::Discard => out.dropped.push(field.name().clone()),
        }
    }
    if !problems.is_empty() {
        let hint = match policy {
            SchemaPolicy::Evolve => "cast the column, or rebuild the table with `--full-refresh`",
            SchemaPolicy::Freeze => {
                "`write.schema: evolve` adds columns and widens types; `discard` drops unknown columns"
            }
            SchemaPolicy::Discard => "cast the column, or let the table change with `write.schema: evolve`",
        };
        return Err(Error::new(Code::SchemaMismatch, problems.join("; ")).hint(hint));
    }
    out.schema = Arc::new(Schema::new(fields));
    Ok(out)
}

/// The table takes the incoming columns as they come.
fn replaced(table: &Schema, incoming: Schema) -> Evolution {
    let names = |of: &Schema, not_in: &Schema| -> Vec<String> {
        of.fields().iter().map(|f| f.name()).filter(|n| find(not_in, n).is_none()).cloned().collect()
    };
    let (added, removed) = (names(&incoming, table), names(table, &incoming));
    let retyped = incoming
        .fields()
        .iter()
        .filter_map(|new| {
            let old = table.field(find(table, new.name())?);
            (!same(old.data_type(), new.data_type()))
                .then(|| (new.name().clone(), type_name(old.data_type()), type_name(new.data_type())))
        })
        .collect();
    Evolution { schema: Arc::new(incoming), added, retyped, removed, dropped: vec![], rewrite: false }
}

/// The index of a column: Delta's names differ in more than case, so the exact name wins and any case will do.
pub(crate) fn find(schema: &Schema, name: &str) -> Option<usize> {
    schema.index_of(name).ok().or_else(|| schema.fields().iter().position(|f| f.name().eq_ignore_ascii_case(name)))
}

/// A schema with every type as Delta stores it, all columns nullable.
///
/// # Errors
/// Names every column that Delta has no type for, and names that occur twice (Delta's names are case-insensitive).
pub(crate) fn stored_schema(schema: &Schema) -> Result<Schema> {
    let mut seen = HashSet::new();
    let mut problems = Vec::new();
    let mut fields = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        if field.name().is_empty() {
            problems.push("a column has no name".to_owned());
        } else if !seen.insert(field.name().to_lowercase()) {
            problems
                .push(format!("column `{}` occurs twice (names that differ in case alone are one name)", field.name()));
        }
        match stored_type(field.data_type()) {
            Ok(data_type) => fields.push(Field::new(field.name(), data_type, true)),
            Err(why) => problems.push(format!("column `{}` is {}: {why}", field.name(), type_name(field.data_type()))),
        }
    }
    if problems.is_empty() {
        return Ok(Schema::new(fields));
    }
    Err(Error::new(Code::Unsupported, problems.join("; ")).hint("cast or rename the column before it is written"))
}

/// The Delta type that holds every value of an Arrow type, in Arrow's terms.
fn stored_type(data_type: &DataType) -> Result<DataType, &'static str> {
    use DataType as D;
    let nullable =
        |name: &str, inner: &DataType| Ok::<_, &'static str>(Arc::new(Field::new(name, stored_type(inner)?, true)));
    Ok(match data_type {
        D::Boolean | D::Int8 | D::Int16 | D::Int32 | D::Int64 | D::Float32 | D::Float64 | D::Date32 => {
            data_type.clone()
        }
        D::UInt8 => D::Int16,
        D::UInt16 => D::Int32,
        D::UInt32 => D::Int64,
        D::UInt64 => D::Decimal128(20, 0),
        D::Float16 => D::Float32,
        D::Utf8 | D::LargeUtf8 | D::Utf8View => D::Utf8,
        D::Binary | D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => D::Binary,
        D::Date64 => D::Date32,
        D::Timestamp(_, Some(_)) => D::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        D::Timestamp(_, None) => D::Timestamp(TimeUnit::Microsecond, None),
        D::Decimal32(p, s) | D::Decimal64(p, s) | D::Decimal128(p, s) | D::Decimal256(p, s) => {
            let (precision, scale) = if *s < 0 { (p.saturating_add(s.unsigned_abs()), 0) } else { (*p, *s) };
            if precision > 38 {
                return Err("Delta's decimals have at most 38 digits");
            }
            D::Decimal128(precision, scale)
        }
        D::List(f) | D::LargeList(f) | D::FixedSizeList(f, _) | D::ListView(f) | D::LargeListView(f) => {
            D::List(nullable("element", f.data_type())?)
        }
        D::Struct(fields) => {
            D::Struct(fields.iter().map(|f| nullable(f.name(), f.data_type())).collect::<Result<Fields, _>>()?)
        }
        D::Map(entries, _) => {
            let D::Struct(pair) = entries.data_type() else { return Err("its entries are not pairs") };
            let [key, value] = &pair[..] else { return Err("its entries are not pairs") };
            let key = Arc::new(Field::new("key", stored_type(key.data_type())?, false));
            let entries =
                Field::new("key_value", D::Struct(vec![key, nullable("value", value.data_type())?].into()), false);
            D::Map(Arc::new(entries), false)
        }
        D::Dictionary(_, values) => stored_type(values)?,
        D::RunEndEncoded(_, values) => stored_type(values.data_type())?,
        D::Null => return Err("every value is null, so it has no type"),
        D::Time32(_) | D::Time64(_) | D::Duration(_) | D::Interval(_) | D::Union(..) => {
            return Err("Delta has no such type");
        }
    })
}

/// The narrowest type that holds every value of both, none losing anything; `None` if there is no such type.
fn unify(old: &DataType, new: &DataType) -> Option<DataType> {
    use DataType as D;
    if same(old, new) {
        return Some(old.clone());
    }
    Some(match (old, new) {
        (D::Date32, D::Timestamp(unit, None)) | (D::Timestamp(unit, None), D::Date32) => D::Timestamp(*unit, None),
        (D::List(old), D::List(new)) => D::List(unify_field(old, new)?),
        (D::Map(old, sorted), D::Map(new, _)) => {
            let (D::Struct(known), D::Struct(other)) = (old.data_type(), new.data_type()) else { return None };
            let pair = known.iter().zip(other).map(|(k, o)| unify_field(k, o)).collect::<Option<Fields>>()?;
            D::Map(Arc::new(old.as_ref().clone().with_data_type(D::Struct(pair))), *sorted)
        }
        (D::Struct(old), D::Struct(new)) => {
            let (known, other) = (Schema::new(old.clone()), Schema::new(new.clone()));
            let mut fields = Vec::new();
            for field in old {
                fields.push(
                    find(&other, field.name())
                        .map_or_else(|| Some(Arc::clone(field)), |i| unify_field(field, &new[i]))?,
                );
            }
            fields.extend(new.iter().filter(|f| find(&known, f.name()).is_none()).cloned());
            D::Struct(fields.into())
        }
        _ => unify_numbers(old, new)?,
    })
}

fn unify_numbers(old: &DataType, new: &DataType) -> Option<DataType> {
    use DataType as D;
    // Bits of an integer, bits of a floating number that hold it, decimal digits that hold it.
    let int = |t: &DataType| match t {
        D::Int8 => Some((8, 32, 3)),
        D::Int16 => Some((16, 32, 5)),
        D::Int32 => Some((32, 64, 10)),
        D::Int64 => Some((64, 128, 19)),
        _ => None,
    };
    let float = |t: &DataType| match t {
        D::Float32 => Some(32),
        D::Float64 => Some(64),
        other => int(other).map(|(_, bits, _)| bits),
    };
    // Digits before and behind the point.
    let digits = |t: &DataType| match t {
        D::Decimal128(precision, scale) => Some((i16::from(*precision) - i16::from(*scale), *scale)),
        other => int(other).map(|(.., digits)| (digits, 0)),
    };
    if let (Some(one), Some(other)) = (int(old), int(new)) {
        return Some(if one > other { old } else { new }.clone());
    }
    if let (Some(one), Some(other)) = (float(old), float(new)) {
        return match one.max(other) {
            32 => Some(D::Float32),
            64 => Some(D::Float64),
            _ => None,
        };
    }
    let ((whole, scale), (other_whole, other_scale)) = (digits(old)?, digits(new)?);
    let scale = scale.max(other_scale);
    let precision = whole.max(other_whole) + i16::from(scale);
    (precision <= 38).then_some(D::Decimal128(precision as u8, scale))
}

fn unify_field(old: &FieldRef, new: &FieldRef) -> Option<FieldRef> {
    Some(Arc::new(old.as_ref().clone().with_data_type(unify(old.data_type(), new.data_type())?)))
}

/// Equal but for nullability and metadata of nested fields.
fn same(a: &DataType, b: &DataType) -> bool {
    match (a, b) {
        (DataType::Struct(x), DataType::Struct(y)) => {
            x.len() == y.len()
                && x.iter().zip(y).all(|(x, y)| x.name() == y.name() && same(x.data_type(), y.data_type()))
        }
        (DataType::List(x), DataType::List(y)) => same(x.data_type(), y.data_type()),
        (DataType::Map(x, _), DataType::Map(y, _)) => match (x.data_type(), y.data_type()) {
            // The names of a map's entries mean nothing.
            (DataType::Struct(x), DataType::Struct(y)) => {
                x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x.data_type(), y.data_type()))
            }
            _ => false,
        },
        _ => a == b,
    }
}

/// Whether files with the columns `written` can be read as a table with the columns `table`.
pub(crate) fn reads_as(written: &Schema, table: &Schema) -> bool {
    let kept = written.fields().iter().all(|f| {
        find(table, f.name()).is_some_and(|i| {
            table.field(i).name() == f.name() && only_adds_fields(f.data_type(), table.field(i).data_type())
        })
    });
    kept && table.fields().iter().all(|f| f.is_nullable() || find(written, f.name()).is_some())
}

/// Whether `new` is `old` with more struct fields: old files then read as they are, with nulls.
fn only_adds_fields(old: &DataType, new: &DataType) -> bool {
    match (old, new) {
        (DataType::Struct(x), DataType::Struct(y)) => {
            let y = Schema::new(y.clone());
            x.iter()
                .all(|f| find(&y, f.name()).is_some_and(|i| only_adds_fields(f.data_type(), y.field(i).data_type())))
        }
        (DataType::List(x), DataType::List(y)) | (DataType::Map(x, _), DataType::Map(y, _)) => {
            only_adds_fields(x.data_type(), y.data_type())
        }
        _ => same(old, new),
    }
}

/// Whether a column of this type holds zone-less timestamps anywhere: Delta wants a table feature for those.
pub(crate) fn has_timestamp_ntz(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(_, None) => true,
        DataType::List(f) | DataType::Map(f, _) => has_timestamp_ntz(f.data_type()),
        DataType::Struct(fields) => fields.iter().any(|f| has_timestamp_ntz(f.data_type())),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ty(text: &str) -> DataType {
        let utc = Some("UTC".into());
        match text {
            "int8" => DataType::Int8,
            "int16" => DataType::Int16,
            "int32" => DataType::Int32,
            "int64" => DataType::Int64,
            "uint32" => DataType::UInt32,
            "uint64" => DataType::UInt64,
            "float32" => DataType::Float32,
            "float64" => DataType::Float64,
            "string" => DataType::Utf8,
            "view" => DataType::Utf8View,
            "dict" => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::LargeUtf8)),
            "date" => DataType::Date32,
            "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, None),
            "timestamptz" => DataType::Timestamp(TimeUnit::Microsecond, utc),
            "ns_berlin" => DataType::Timestamp(TimeUnit::Nanosecond, Some("Europe/Berlin".into())),
            "seconds" => DataType::Timestamp(TimeUnit::Second, None),
            "time" => DataType::Time64(TimeUnit::Microsecond),
            "null" => DataType::Null,
            "dec10_2" => DataType::Decimal128(10, 2),
            "dec12_4" => DataType::Decimal128(12, 4),
            "dec21_2" => DataType::Decimal128(21, 2),
            "dec38_0" => DataType::Decimal128(38, 0),
            "big" => DataType::Decimal256(60, 2),
            "list_int32" => DataType::List(Arc::new(Field::new("element", DataType::Int32, true))),
            "list_int64" => DataType::LargeList(Arc::new(Field::new("item", DataType::Int64, false))),
            "st_a" => DataType::Struct(vec![Field::new("a", DataType::Int32, true)].into()),
            "st_ab" => DataType::Struct(
                vec![Field::new("a", DataType::Int32, true), Field::new("b", DataType::Utf8, true)].into(),
            ),
            "st_a64" => DataType::Struct(vec![Field::new("a", DataType::Int64, true)].into()),
            other => panic!("{other}"),
        }
    }

    fn schema(columns: &str) -> Schema {
        let field = |c: &str| {
            let (name, t) = c.split_once(':').unwrap();
            match t.strip_suffix('!') {
                Some(t) => Field::new(name, ty(t), false),
                None => Field::new(name, ty(t), true),
            }
        };
        Schema::new(columns.split_whitespace().map(field).collect::<Vec<_>>())
    }

    fn describe(schema: &Schema) -> String {
        schema
            .fields()
            .iter()
            .map(|f| format!("{}:{}", f.name(), type_name(f.data_type())))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn every_arrow_type_becomes_the_next_delta_type_or_an_error_that_names_the_column() {
        for (arrow, stored) in [
            ("int8", "int8"),
            ("uint32", "int64"),
            ("uint64", "decimal(20, 0)"),
            ("view", "string"),
            ("dict", "string"),
            ("ns_berlin", "timestamptz"),
            ("seconds", "timestamp"),
            ("list_int64", "list<int64>"),
            ("st_ab", "struct<a: int32, b: string>"),
        ] {
            let result = stored_schema(&schema(&format!("x:{arrow}"))).unwrap();
            assert_eq!(type_name(result.field(0).data_type()), stored, "{arrow}");
            assert!(result.field(0).is_nullable());
        }
        for (columns, message) in [
            ("ok:int64 t:time", "column `t` is Time64(µs): Delta has no such type"),
            ("n:null", "column `n` is Null: every value is null, so it has no type"),
            ("d:big", "column `d` is Decimal256(60, 2): Delta's decimals have at most 38 digits"),
            ("id:int64 ID:int64", "column `ID` occurs twice (names that differ in case alone are one name)"),
        ] {
            assert_eq!(stored_schema(&schema(columns)).unwrap_err().message(), message);
        }
    }

    #[test]
    fn policies_decide_what_differing_columns_do() {
        use SchemaPolicy::{Discard, Evolve, Freeze};
        // table, incoming, policy, replace -> schema and changes, or the error
        type Case<'a> = (&'a str, &'a str, SchemaPolicy, bool, Result<(&'a str, &'a [&'a str], bool), &'a str>);
        let cases: &[Case<'_>] = &[
            ("a:int32", "a:int32", Evolve, false, Ok(("a:int32", &[], false))),
            ("a:int32", "A:int32", Evolve, false, Ok(("a:int32", &[], false))),
            ("a:int32", "b:string a:int32", Evolve, false, Ok(("a:int32 b:string", &["new column `b`"], false))),
            ("a:int32 b:string", "a:int32", Evolve, false, Ok(("a:int32 b:string", &[], false))),
            (
                "a:int32 b:string!",
                "a:int32",
                Evolve,
                false,
                Err("column `b` is missing, and the table does not allow null in it"),
            ),
            ("a:int32", "a:int64", Evolve, false, Ok(("a:int64", &["column `a` changed from int32 to int64"], true))),
            ("a:int64", "a:int32", Evolve, false, Ok(("a:int64", &[], false))),
            (
                "a:int32",
                "a:float64",
                Evolve,
                false,
                Ok(("a:float64", &["column `a` changed from int32 to float64"], true)),
            ),
            (
                "a:float32",
                "a:int32",
                Evolve,
                false,
                Ok(("a:float64", &["column `a` changed from float32 to float64"], true)),
            ),
            ("a:float32", "a:int16", Freeze, false, Ok(("a:float32", &[], false))),
            (
                "a:int64",
                "a:dec10_2",
                Evolve,
                false,
                Ok(("a:decimal(21, 2)", &["column `a` changed from int64 to decimal(21, 2)"], true)),
            ),
            (
                "a:int64",
                "a:float64",
                Evolve,
                false,
                Err("column `a` comes as float64, which cannot be stored beside the table's int64"),
            ),
            (
                "a:int32",
                "a:string",
                Evolve,
                false,
                Err("column `a` comes as string, which cannot be stored beside the table's int32"),
            ),
            (
                "a:timestamp",
                "a:timestamptz",
                Evolve,
                false,
                Err("column `a` comes as timestamptz, which cannot be stored beside the table's timestamp"),
            ),
            (
                "a:date",
                "a:timestamp",
                Evolve,
                false,
                Ok(("a:timestamp", &["column `a` changed from date to timestamp"], true)),
            ),
            (
                "a:dec10_2",
                "a:dec12_4",
                Evolve,
                false,
                Ok(("a:decimal(12, 4)", &["column `a` changed from decimal(10, 2) to decimal(12, 4)"], true)),
            ),
            (
                "a:dec10_2",
                "a:int64",
                Evolve,
                false,
                Ok(("a:decimal(21, 2)", &["column `a` changed from decimal(10, 2) to decimal(21, 2)"], true)),
            ),
            ("a:dec21_2", "a:int64", Freeze, false, Ok(("a:decimal(21, 2)", &[], false))),
            (
                "a:dec38_0",
                "a:dec10_2",
                Evolve,
                false,
                Err("column `a` comes as decimal(10, 2), which cannot be stored beside the table's decimal(38, 0)"),
            ),
            (
                "s:st_a",
                "s:st_ab",
                Evolve,
                false,
                Ok((
                    "s:struct<a: int32, b: string>",
                    &["column `s` changed from struct<a: int32> to struct<a: int32, b: string>"],
                    false,
                )),
            ),
            ("s:st_ab", "s:st_a", Freeze, false, Ok(("s:struct<a: int32, b: string>", &[], false))),
            (
                "s:st_a",
                "s:st_a64",
                Evolve,
                false,
                Ok(("s:struct<a: int64>", &["column `s` changed from struct<a: int32> to struct<a: int64>"], true)),
            ),
            (
                "l:list_int32",
                "l:list_int64",
                Evolve,
                false,
                Ok(("l:list<int64>", &["column `l` changed from list<int32> to list<int64>"], true)),
            ),
            ("a:string", "a:view", Freeze, false, Ok(("a:string", &[], false))),
            ("a:int32", "a:int64", Freeze, false, Err("column `a` comes as int64, the table holds int32")),
            ("a:int32", "a:int32 b:string", Freeze, false, Err("column `b` is new")),
            (
                "a:int32 b:string",
                "a:int64",
                Freeze,
                false,
                Err("column `a` comes as int64, the table holds int32; column `b` is missing"),
            ),
            ("a:int32", "a:int32 b:string", Discard, false, Ok(("a:int32", &["dropped unknown column `b`"], false))),
            ("a:int32", "a:int64", Discard, false, Err("column `a` comes as int64, the table holds int32")),
            ("a:int32 b:string", "a:int32", Discard, false, Ok(("a:int32 b:string", &[], false))),
            (
                "a:int64 b:string",
                "c:date a:string",
                Evolve,
                true,
                Ok((
                    "c:date a:string",
                    &[
                        "new column `c`",
                        "column no longer in the table: `b`",
                        "column `a` changed from int64 to string",
                    ],
                    false,
                )),
            ),
            ("a:int64", "a:int32 b:string", Discard, true, Ok(("a:int64", &["dropped unknown column `b`"], false))),
            (
                "a:int64",
                "a:string",
                Freeze,
                true,
                Err("column `a` comes as string, which cannot be stored beside the table's int64"),
            ),
        ];
        for (table, incoming, policy, replace, expected) in cases {
            let what = format!("{table} <- {incoming} {policy} replace={replace}");
            match (evolve(Some(&schema(table)), &schema(incoming), *policy, *replace), expected) {
                (Ok(got), Ok((columns, notes, rewrite))) => {
                    assert_eq!(describe(&got.schema), *columns, "{what}");
                    assert_eq!(got.notes(), *notes, "{what}");
                    assert_eq!(got.rewrite, *rewrite, "{what}");
                }
                (Err(got), Err(message)) => assert_eq!(got.message(), *message, "{what}"),
                (got, _) => panic!("{what}: {got:?}"),
            }
        }
    }
}
