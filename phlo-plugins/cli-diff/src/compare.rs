//! The comparison: columns by their schemas, rows by one grouping that tells what only one side has.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::SchemaRef;
use phlo_plugin::cli::{NamedTable, ProjectAccess, Rows};
use phlo_plugin::prelude::*;
use phlo_plugin::quality::quote;
use phlo_plugin::schema::type_name;

/// The old side's name in queries.
pub(crate) const OLD: &str = "phlo_old";
/// The new side's.
pub(crate) const NEW: &str = "phlo_new";
/// What phlo adds to rows; it differs by nature.
const OWN: [&str; 3] = ["_phlo_run_id", "_phlo_ingested_at", "_phlo_partition"];

/// What the user asked for.
pub(crate) struct Wanted {
    /// The columns that identify a row; none compares rows whole.
    pub(crate) key: Vec<String>,
    /// Whether the user named them, so that each must be there.
    pub(crate) is_key_given: bool,
    /// Whether phlo's own columns are compared.
    pub(crate) all_columns: bool,
    /// How many rows of each sort to show.
    pub(crate) limit: u32,
}

/// What differs.
pub(crate) struct Difference {
    /// Columns of the new side alone, with their types.
    pub(crate) added_columns: Vec<(String, String)>,
    /// Columns of the old side alone.
    pub(crate) removed_columns: Vec<(String, String)>,
    /// Columns whose type changed: name, old type, new type.
    pub(crate) retyped_columns: Vec<(String, String, String)>,
    /// The columns that identify a row, if rows were compared by them.
    pub(crate) key: Vec<String>,
    /// Rows of the old and of the new side.
    pub(crate) totals: (i64, i64),
    /// Rows of the new side alone.
    pub(crate) added: i64,
    /// Rows of the old side alone.
    pub(crate) removed: i64,
    /// Keys that both sides have, with other values.
    pub(crate) changed: i64,
    /// In how many changed keys each column differs; those in which it does.
    pub(crate) changed_columns: Vec<(String, i64)>,
    /// Some of the rows.
    pub(crate) sample: Vec<RowChange>,
}

/// What became of one row.
pub(crate) struct RowChange {
    /// `added`, `removed` or `changed`.
    pub(crate) change: &'static str,
    /// Its columns: name, old value, new value. Of a changed row the key, then what changed.
    pub(crate) values: Vec<(String, Option<String>, Option<String>)>,
}

impl Difference {
    /// Whether anything differs.
    pub(crate) fn is_any(&self) -> bool {
        !(self.added_columns.is_empty() && self.removed_columns.is_empty() && self.retyped_columns.is_empty())
            || self.added + self.removed + self.changed > 0
    }
}

/// Compares two tables.
///
/// # Errors
/// A table or a key column is not there; the engine fails.
pub(crate) fn compare(
    project: &dyn ProjectAccess,
    old: &NamedTable,
    new: &NamedTable,
    wanted: &Wanted,
) -> Result<Difference> {
    let tables = [old.clone(), new.clone()];
    let schema = |name: &str| Ok::<_, Error>(project.query(&format!("SELECT * FROM {name} LIMIT 0"), &tables)?.schema);
    let (old_schema, new_schema) = (schema(OLD)?, schema(NEW)?);
    let kept = |name: &str| wanted.all_columns || !OWN.contains(&name);
    let only = |of: &SchemaRef, other: &SchemaRef| -> Vec<(String, String)> {
        let missing = of.fields().iter().filter(|f| kept(f.name()) && other.column_with_name(f.name()).is_none());
        missing.map(|f| (f.name().clone(), type_name(f.data_type()))).collect()
    };
    let (mut columns, mut retyped_columns) = (Vec::new(), Vec::new());
    for field in new_schema.fields().iter().filter(|f| kept(f.name())) {
        let Ok(before) = old_schema.field_with_name(field.name()) else { continue };
        let (from, to) = (type_name(before.data_type()), type_name(field.data_type()));
        if from != to {
            retyped_columns.push((field.name().clone(), from, to));
        }
        columns.push(field.name().clone());
    }
    let key = key(wanted, &columns, (old, &old_schema), (new, &new_schema))?;
    let plan = Plan::new(&columns, &key);
    let counts = numbers(project.query(&plan.counts(), &tables)?)?;
    let totals = numbers(
        project
            .query(&format!("SELECT (SELECT count(*) FROM {OLD}) AS o, (SELECT count(*) FROM {NEW}) AS n"), &tables)?,
    )?;
    let at = |i: usize| counts.get(i).copied().unwrap_or_default();
    let mut difference = Difference {
        added_columns: only(&new_schema, &old_schema),
        removed_columns: only(&old_schema, &new_schema),
        retyped_columns,
        totals: (totals.first().copied().unwrap_or_default(), totals.get(1).copied().unwrap_or_default()),
        added: at(0),
        removed: at(1),
        changed: at(2),
        changed_columns: plan.values.iter().enumerate().map(|(i, name)| (name.clone(), at(3 + i))).collect(),
        sample: Vec::new(),
        key,
    };
    difference.changed_columns.retain(|(_, count)| *count > 0);
    difference.changed_columns.sort_by_key(|(_, count)| -count);
    for (change, count) in
        [("added", difference.added), ("removed", difference.removed), ("changed", difference.changed)]
    {
        if count > 0 && wanted.limit > 0 {
            let rows = project.query(&plan.sample(change, wanted.limit), &tables)?;
            difference.sample.extend(plan.changes(change, rows)?);
        }
    }
    Ok(difference)
}

/// The key columns, if both sides have them. One that the user named must be there.
fn key(
    wanted: &Wanted,
    columns: &[String],
    old: (&NamedTable, &SchemaRef),
    new: (&NamedTable, &SchemaRef),
) -> Result<Vec<String>> {
    let Some(missing) = wanted.key.iter().find(|name| !columns.contains(name)) else { return Ok(wanted.key.clone()) };
    if !wanted.is_key_given {
        return Ok(Vec::new());
    }
    let (table, _) =
        [old, new].into_iter().find(|(_, schema)| schema.column_with_name(missing).is_none()).unwrap_or(new);
    let error = Error::new(
        Code::UnknownColumn,
        format!("`--key` names the column `{missing}`, which `{}` does not have", table.table),
    );
    Err(error.suggest(missing, columns.iter().map(String::as_str), format!("columns of both: {}", columns.join(", "))))
}

/// The queries of a comparison.
struct Plan {
    columns: Vec<String>,
    key: Vec<String>,
    /// The columns beside the key.
    values: Vec<String>,
}

impl Plan {
    fn new(columns: &[String], key: &[String]) -> Self {
        let values =
            if key.is_empty() { Vec::new() } else { columns.iter().filter(|c| !key.contains(c)).cloned().collect() };
        Self { columns: columns.to_vec(), key: key.to_vec(), values }
    }

    /// The rows that one side has more often, with how much more often the new one has them: `phlo_n`.
    fn differing(&self) -> String {
        let list = list(&self.columns);
        format!(
            "SELECT {list}, sum(phlo_1) AS phlo_n FROM (SELECT {list}, 1 AS phlo_1 FROM {NEW} UNION ALL SELECT {list}, -1 AS phlo_1 FROM {OLD}) \
             GROUP BY {list} HAVING sum(phlo_1) <> 0"
        )
    }

    /// One row for each key that differs: how many rows of it went and came, and each other column's old and new value.
    fn by_key(&self) -> String {
        let key = list(&self.key);
        let side = |name: &str, sign: &str, side: &str, i: usize| {
            format!("first_value({}) FILTER (WHERE phlo_n {sign} 0) AS phlo_{side}_{i}", quote(name))
        };
        let values = self.values.iter().enumerate();
        let values: String =
            values.map(|(i, name)| format!(", {}, {}", side(name, "<", "old", i), side(name, ">", "new", i))).collect();
        format!(
            "SELECT {key}, count(*) FILTER (WHERE phlo_n < 0) AS phlo_went, count(*) FILTER (WHERE phlo_n > 0) AS phlo_came{values} \
             FROM ({}) GROUP BY {key}",
            self.differing()
        )
    }

    /// One row: added, removed, changed, then of each value column how often it changed.
    fn counts(&self) -> String {
        if self.columns.is_empty() {
            return "SELECT 0 AS a, 0 AS r, 0 AS c".to_owned();
        }
        if self.key.is_empty() {
            return format!(
                "SELECT coalesce(sum(phlo_n) FILTER (WHERE phlo_n > 0), 0) AS a, coalesce(-sum(phlo_n) FILTER (WHERE phlo_n < 0), 0) AS r, \
                 0 AS c FROM ({})",
                self.differing()
            );
        }
        let columns: String = (0..self.values.len())
            .map(|i| {
                format!(
                    ", count(*) FILTER (WHERE phlo_went > 0 AND phlo_came > 0 AND phlo_old_{i} IS DISTINCT FROM phlo_new_{i}) AS c{i}"
                )
            })
            .collect();
        format!(
            "SELECT count(*) FILTER (WHERE phlo_went = 0) AS a, count(*) FILTER (WHERE phlo_came = 0) AS r, \
             count(*) FILTER (WHERE phlo_went > 0 AND phlo_came > 0) AS c{columns} FROM ({})",
            self.by_key()
        )
    }

    /// Some rows of a sort, in order: the key (or the whole row), then old and new values by turns.
    fn sample(&self, change: &str, limit: u32) -> String {
        if self.key.is_empty() {
            let sign = if change == "added" { ">" } else { "<" };
            let list = list(&self.columns);
            return format!(
                "SELECT {list} FROM ({}) WHERE phlo_n {sign} 0 ORDER BY {list} LIMIT {limit}",
                self.differing()
            );
        }
        let condition = match change {
            "added" => "phlo_went = 0",
            "removed" => "phlo_came = 0",
            _ => "phlo_went > 0 AND phlo_came > 0",
        };
        let key = list(&self.key);
        let values: String = (0..self.values.len()).map(|i| format!(", phlo_old_{i}, phlo_new_{i}")).collect();
        format!("SELECT {key}{values} FROM ({}) WHERE {condition} ORDER BY {key} LIMIT {limit}", self.by_key())
    }

    fn changes(&self, change: &'static str, rows: Rows) -> Result<Vec<RowChange>> {
        let options = FormatOptions::default().with_null("null");
        let mut changes = Vec::new();
        for batch in rows.batches {
            let batch = batch?;
            let failed = |err: arrow_schema::ArrowError| Error::internal(err.to_string());
            let columns = batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).map_err(failed));
            let columns = columns.collect::<Result<Vec<_>>>()?;
            let shown = |column: usize, row: usize| columns[column].value(row).try_to_string().map_err(failed);
            for row in 0..batch.num_rows() {
                let (is_old, is_new) = (change != "added", change != "removed");
                let identity = if self.key.is_empty() { &self.columns } else { &self.key };
                let mut values = Vec::new();
                for (i, name) in identity.iter().enumerate() {
                    let value = shown(i, row)?;
                    values.push((name.clone(), is_old.then(|| value.clone()), is_new.then_some(value)));
                }
                for (i, name) in self.values.iter().enumerate() {
                    let at = identity.len() + 2 * i;
                    let (old, new) = (shown(at, row)?, shown(at + 1, row)?);
                    if change != "changed" || old != new {
                        values.push((name.clone(), is_old.then_some(old), is_new.then_some(new)));
                    }
                }
                changes.push(RowChange { change, values });
            }
        }
        Ok(changes)
    }
}

fn list(columns: &[String]) -> String {
    columns.iter().map(|c| quote(c)).collect::<Vec<_>>().join(", ")
}

/// The numbers of a row of counts.
fn numbers(rows: Rows) -> Result<Vec<i64>> {
    let mut found = Vec::new();
    for batch in rows.batches {
        let batch = batch?;
        if batch.num_rows() == 0 {
            continue;
        }
        for column in batch.columns() {
            let column =
                column.as_primitive_opt::<Int64Type>().ok_or_else(|| Error::internal("a count is no int64"))?;
            found.push(column.value(0));
        }
    }
    Ok(found)
}
