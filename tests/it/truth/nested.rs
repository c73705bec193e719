//! Lists and structs: what checks find in them, and which refuse them.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, ListArray, RecordBatch, StringArray, StructArray};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;
use phlo_engine::{Check, Session, check};
use phlo_plugin::quality::CheckTarget;
use phlo_plugin::schema::type_name;
use phlo_plugin::{InitContext, Policy, Registry};
use phlo_spec::quality::{CheckOutcome, CheckResult};
use phlo_spec::{AssetKey, Node};

use super::types::{ALL, TAKEN};
use super::{register_others, tables};

/// Lists and structs that say the same: rows 1 and 2 are alike, 3 has no value, and the others are each unlike all.
fn rows() -> RecordBatch {
    let numbers = |numbers: &[i64]| Some(numbers.iter().copied().map(Some).collect::<Vec<_>>());
    let lists = [numbers(&[1, 2]), numbers(&[1, 2]), None, numbers(&[]), Some(vec![None]), numbers(&[1, 2, 3])];
    let fields = Fields::from(vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Utf8, true)]);
    let a = Int64Array::from(vec![Some(1), Some(1), None, None, Some(2), Some(1)]);
    let b = StringArray::from(vec![Some("x"), Some("x"), None, None, None, Some("y")]);
    let there = BooleanArray::from(vec![Some(true), Some(true), None, Some(true), Some(true), Some(true)]);
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(Int64Array::from_iter_values(1..=6))),
        ("k", Arc::new(StringArray::from(vec!["k"; 6]))),
        ("l", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists))),
        ("st", Arc::new(StructArray::new(fields, vec![Arc::new(a), Arc::new(b)], there.nulls().cloned()))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Checks of the column `C` and the violations that people count; `None` where the check is refused.
const FOUND: &[(&str, Option<u64>)] = &[
    ("not_null: [C]", Some(1)),
    ("is_null: [C]", Some(5)),
    ("any_not_null: [C, k]", Some(0)),
    ("nulls_together: [C, k]", Some(1)),
    ("at_least_one: [C]", Some(0)),
    ("not_constant: C", Some(0)),
    ("unique: [C]", Some(1)),
    ("primary_key: [C]", Some(2)),
    ("uniqueness: { columns: [C], min: 0.8 }", Some(0)),
    ("uniqueness: { columns: [C], min: 0.81 }", Some(1)),
    ("duplicate_rows: { columns: [C] }", Some(1)),
    ("foreign_key: { columns: [C], references: truth.other }", Some(0)),
    ("aggregate: { function: count, column: C, equal: 5 }", Some(0)),
    ("aggregate: { function: distinct, column: C, equal: 4 }", Some(0)),
    ("aggregate: { function: null_fraction, column: C, max: 0.1 }", Some(1)),
    ("reconcile_keys: { with: truth.other, key: [C] }", Some(0)),
    ("reconcile_checksum: { with: truth.other, columns: [C] }", None),
    ("reconcile_diff: { with: truth.other, key: C, columns: [k] }", None),
];

fn made(registry: &Registry, check: &str, schema: SchemaRef) -> Result<Check, String> {
    let node = Node::parse(check, "nested.yaml", 1).unwrap();
    let (kind, params) = node.entries().unwrap().first().unwrap();
    let target = CheckTarget { asset: AssetKey::new("truth.rows").unwrap(), schema: Some(schema) };
    let kind = kind.as_str().unwrap();
    let plan = registry.quality(kind).unwrap().check(params, &target).map_err(|err| format!("{err:?}"))?;
    Ok(Check::new(target.asset, kind, plan))
}

async fn audited(check: &Check, table: &Arc<dyn TableProvider>) -> Result<CheckResult, String> {
    use datafusion::catalog::{MemorySchemaProvider, SchemaProvider as _};
    let session = Session::new();
    let beside = MemorySchemaProvider::new();
    beside.register_table("other".to_owned(), table.clone()).unwrap();
    session.catalog(&session.catalog_names()[0]).unwrap().register_schema("truth", Arc::new(beside)).unwrap();
    check.verify(&session, &table.schema()).await.map_err(|err| format!("not planned: {err:?}"))?;
    let audit = check::audit(&session, table, std::slice::from_ref(check), check::Scope::All, None).await.unwrap();
    let result = audit.results.into_iter().next().unwrap().1;
    match &result.error {
        Some(error) => Err(format!("errs: {error}")),
        None => {
            session.register_table("audited", table.clone()).unwrap();
            super::shows(&session, check, &result).await.map(|()| result)
        }
    }
}

#[tokio::test]
async fn checks_of_lists_and_structs_find_what_people_count_or_refuse_them() {
    let registry = Registry::linked(&[]).unwrap().activate(Policy::default(), InitContext::at("/nowhere")).unwrap();
    let rows = rows();
    let table: Arc<dyn TableProvider> = Arc::new(MemTable::try_new(rows.schema(), vec![vec![rows.clone()]]).unwrap());
    let mut wrong = String::new();
    for column in ["l", "st"] {
        for (template, found) in FOUND {
            let text = template.replace('C', column);
            let result = match made(&registry, &text, rows.schema()) {
                Ok(check) => audited(&check, &table).await,
                Err(err) => Err(err),
            };
            match (&result, found) {
                (Ok(result), Some(count)) if result.violations == *count => {
                    assert_eq!(result.outcome == CheckOutcome::Passed, *count == 0, "{text}: {result:?}");
                }
                (Err(_), None) => {}
                _ => writeln!(wrong, "{text}, wanted {found:?}: {result:?}\n").unwrap(),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[tokio::test]
async fn a_check_that_needs_a_plain_value_refuses_lists_and_structs_before_a_row_is_read() {
    let registry = Registry::linked(&[]).unwrap().activate(Policy::default(), InitContext::at("/nowhere")).unwrap();
    let plain = tables(&[]).remove(0);
    let nested = rows();
    let mut fields: Vec<Field> = plain.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    fields.extend(["l", "st"].map(|name| nested.schema().field_with_name(name).unwrap().clone()));
    let schema = Arc::new(Schema::new(fields));
    let session = Session::new();
    register_others(&session, &plain);
    let mut wrong = String::new();
    for (template, _) in TAKEN.iter().filter(|(_, taken)| *taken != ALL) {
        for column in ["l", "st"] {
            let text = template.replace('C', column);
            let result = match made(&registry, &text, schema.clone()) {
                Ok(check) => check.verify(&session, &schema).await.map_err(|err| format!("not planned: {err:?}")),
                Err(err) => Err(err),
            };
            let name = type_name(schema.field_with_name(column).unwrap().data_type());
            match result {
                Ok(()) => writeln!(wrong, "{text} takes it").unwrap(),
                Err(err) if !err.contains(&name) || !err.contains(&format!("`{column}`")) => {
                    writeln!(wrong, "{text} does not say that it refuses {name}: {err}").unwrap();
                }
                Err(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
