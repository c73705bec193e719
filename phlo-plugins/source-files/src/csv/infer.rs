//! The types of a CSV file's columns, from its first rows.

use super::decode::{Fault, FaultKind, Nulls};
use super::scan::{Dialect, Fields, WrongWidth};
use crate::kinds::Kinds;

/// Adds the kinds of the values in `data[..len]`, whole records, to those of the columns. Answers how many rows it looked at, at
/// most `rows`.
pub(crate) fn infer(
    dialect: Dialect,
    nulls: &Nulls,
    (data, len): (&[u8], usize),
    rows: usize,
    kinds: &mut [Kinds],
) -> Result<usize, Fault> {
    let mut fields = Fields::default();
    let scanned = fields.scan(dialect, kinds.len(), data, len);
    scanned.map_err(|WrongWidth { at, found }| Fault { at, kind: FaultKind::Width(found) })?;
    let rows = rows.min(fields.rows());
    for (column, kinds) in kinds.iter_mut().enumerate() {
        fields.texts(dialect, column, data).take(rows).for_each(|text| {
            if !text.is_empty() && !nulls.contains(&text) {
                *kinds = kinds.or(Kinds::of(&text));
            }
        });
    }
    Ok(rows)
}
