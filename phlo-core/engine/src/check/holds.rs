//! The SQL function `phlo_holds`: a check's mask, so that what a function in Rust judges can be asked in SQL too.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion::prelude::SessionContext;
use phlo_plugin::quality::{Evaluation, quote, quote_text};
use phlo_plugin::{Error, Result};
use phlo_spec::Code;

use super::rows::judged;
use super::{Check, ended};

const NAME: &str = "phlo_holds";

/// Finds the check of an asset, by their names, for rows of these columns.
pub type FindCheck = Arc<dyn Fn(&str, &str, &SchemaRef) -> Result<Check> + Send + Sync>;

/// Registers `phlo_holds('asset', 'check', named_struct('column', column, …))`: whether a row is good to a check whose rule is a function;
/// NULL where the check cannot say, which counts as good.
pub fn register_holds(session: &SessionContext, find: FindCheck) {
    let signature = Signature::any(3, Volatility::Stable);
    session.register_udf(ScalarUDF::new_from_impl(Holds { find, found: Mutex::default(), signature }));
}

/// The call that says what the mask of a check says of a row of these columns, with what else it is given.
pub(super) fn call(check: &Check, columns: &[String], sql: &[String]) -> String {
    let columns = columns.iter().map(|name| format!("{}, {}", quote_text(name), quote(name)));
    let said = sql.iter().enumerate().map(|(nth, sql)| format!("{}, {}", quote_text(&given(nth)), ended(sql)));
    let fields: Vec<_> = columns.chain(said).collect();
    let names = [check.asset.as_str(), &check.name].map(quote_text).join(", ");
    format!("{NAME}({names}, named_struct({}))", fields.join(", "))
}

/// The column of a mask's batch that holds what SQL says of the rows.
pub(super) fn given(nth: usize) -> String {
    format!("_phlo_given_{nth}")
}

struct Holds {
    find: FindCheck,
    /// What was found last: each batch of a query asks for the same.
    found: Mutex<Option<(String, SchemaRef, Check)>>,
    signature: Signature,
}

impl fmt::Debug for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}

// There is one such function in a session.
impl PartialEq for Holds {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.find, &other.find)
    }
}

impl Eq for Holds {}

impl Hash for Holds {
    fn hash<H: Hasher>(&self, state: &mut H) {
        NAME.hash(state);
    }
}

impl ScalarUDFImpl for Holds {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType, DataFusionError> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue, DataFusionError> {
        self.judge(&args).map_err(|err| DataFusionError::External(Box::new(err)))
    }
}

impl Holds {
    fn found(&self, asset: &str, name: &str, schema: &SchemaRef) -> Result<Check> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((as_named, of, check)) = &*found
            && (check.asset.as_str(), as_named.as_str(), of) == (asset, name, schema)
        {
            return Ok(check.clone());
        }
        let check = (self.find)(asset, name, schema)?;
        *found = Some((name.to_owned(), schema.clone(), check.clone()));
        Ok(check)
    }

    fn judge(&self, args: &ScalarFunctionArgs) -> Result<ColumnarValue> {
        let usage = || {
            Error::new(Code::Usage, format!("`{NAME}` takes an asset, a check and a row"))
                .hint(format!("write {NAME}('group.asset', 'check', named_struct('column', column))"))
        };
        let [asset, check, row] = args.args.as_slice() else { return Err(usage()) };
        let text = |value: &ColumnarValue| match value {
            ColumnarValue::Scalar(ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text))) => {
                Some(text.clone())
            }
            _ => None,
        };
        let (asset, check) = text(asset).zip(text(check)).ok_or_else(usage)?;
        let rows = row.to_array(args.number_rows).map_err(crate::map_error)?;
        let rows = rows.as_struct_opt().ok_or_else(usage)?;
        let fields = rows.fields().iter().map(|field| Field::clone(field).with_nullable(true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let check = self.found(&asset, &check, &schema)?;
        let Evaluation::Mask { mask, .. } = &check.plan.evaluation else {
            return Err(Error::new(Code::Usage, format!("the check `{}` is no function over one row", check.name))
                .hint(format!("`phlo quality show {asset} --json` has its SQL")));
        };
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(schema, rows.columns().to_vec(), &options)
            .map_err(|err| Error::internal("a row of SQL is no row of a batch").because(err))?;
        Ok(ColumnarValue::Array(Arc::new(judged(&check.kind, mask, &batch)?)))
    }
}
