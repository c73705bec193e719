//! `aggregate`.

use arrow_schema::DataType;
use phlo_plugin::prelude::*;
use phlo_plugin::quality::{Value, quote};
use phlo_plugin::schema::{Class, class, type_name};
use phlo_spec::text::one_line;
use schemars::JsonSchema;
use serde::Deserialize;

use super::bounds::{Bounds, Reading, bounded};
use super::{nested, same};
use crate::params::{self, invalid};

/// What is computed of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Function {
    /// The lowest value; numbers, dates, timestamps, times of day and texts.
    Min,
    /// The highest value; NaN is above every number.
    Max,
    /// The arithmetic mean, a float64.
    Mean,
    /// The middle value, or the mean of the middle two.
    Median,
    /// The sum: exact for whole numbers and decimals of up to 28 digits, never wrapped.
    Sum,
    /// The standard deviation of a sample; no value below two.
    Stdev,
    /// The standard deviation of a population.
    StdevPop,
    /// The variance of a sample; no value below two.
    Variance,
    /// The variance of a population.
    VariancePop,
    /// The highest value less the lowest.
    Range,
    /// The interquartile range: the 0.75-quantile less the 0.25-quantile.
    Iqr,
    /// The skewness of a sample; no value below three, or where all are equal. Reads the column twice.
    Skewness,
    /// The excess kurtosis of a sample; no value below four, or where all are equal. Reads the column twice.
    Kurtosis,
    /// The `q`-quantile, interpolated.
    Quantile,
    /// The entropy of the values' frequencies, in bits; 0 where there are none.
    Entropy,
    /// How many values are zero.
    Zeros,
    /// How many different values there are.
    Distinct,
    /// How many values there are, nulls left out.
    Count,
    /// The fraction of rows that are null.
    NullFraction,
    /// Pearson's correlation of two `columns`, over rows where both have a value; no value where one is constant.
    Correlation,
    /// The mutual information of two `columns`, in bits, over rows where both have a value.
    MutualInformation,
    /// The sum of the first of two `columns` by the sum of the second; no value where that is 0.
    RatioOfSums,
}

bounded! {
    /// A number that sums up a column (or an SQL expression, or two columns) lies within bounds.
    ///
    /// Nulls are ignored. Where nothing is left, as in an empty table, there is no value, which fails unless `allow_empty`; counts of
    /// nothing are 0. NaN makes sums, means, deviations and correlations NaN, which lies within no bounds, and so does an infinity with
    /// deviations and correlations; NaN is the highest value to the functions that order, and one value to those that count. Sums of a
    /// column of whole numbers, or of decimals of up to 28 digits, are exact; all else is computed in float64, sums of an `expression` too.
    /// No sum wraps, but what an expression computes of a row is SQL's, where sums and products of whole numbers do: cast in it what may be
    /// too big. A column that is no number is refused, except by count, null_fraction, distinct, entropy and mutual_information, and by min
    /// and max of dates, timestamps, times of day and texts, whose bounds are written like them: `2020-01-31`, `06:00:00`. Texts are
    /// compared by their code points, and what looks like a date is a text beside them. An `expression` of another type errs in the run or
    /// lies within no bounds. Beyond the bounds of `warn` and within the others it warns. Exact quantiles sort and exact distinct counts group,
    /// which both spill to disk; `approximate` shares the scan with other checks. A failure is one violation, and `tolerance` is refused.
    pub struct AggregateParams {
        /// What is computed: min, max, mean, median, sum, stdev, stdev_pop, variance, variance_pop, range, iqr, skewness, kurtosis,
        /// quantile, entropy, zeros, distinct, count, null_fraction; of two columns: correlation, mutual_information, ratio_of_sums.
        pub function: Function,
        /// The column.
        #[serde(default)]
        pub column: Option<String>,
        /// An SQL expression over one row, in place of `column`, e.g. `price * quantity`.
        #[serde(default)]
        pub expression: Option<String>,
        /// The two columns of correlation, mutual_information and ratio_of_sums.
        #[serde(default)]
        pub columns: Vec<String>,
        /// Which quantile, from 0 to 1.
        #[serde(default)]
        pub q: Option<f64>,
        /// Whether an estimate will do: for median, quantile, iqr and distinct.
        #[serde(default)]
        pub approximate: bool,
    }
}

/// Makes `aggregate` checks.
#[derive(Debug)]
pub struct Aggregate;

impl Quality for Aggregate {
    type Params = AggregateParams;
    const TOLERANCE: bool = false;

    fn check(&self, params: AggregateParams, target: &CheckTarget) -> Result<CheckPlan> {
        let bounds = params.bounds(reading(&params, target))?;
        let (shown, warned) = (bounds.shown(), bounds.warned());
        let AggregateParams { function, column, expression, columns, q, approximate, .. } = params;
        let two = matches!(function, Function::Correlation | Function::MutualInformation | Function::RatioOfSums);
        let named = name_of(function);
        let of = match (two, column, expression, &columns[..]) {
            (true, None, None, [a, b]) if a != b => Of::Two(Input::column(target, a), Input::column(target, b)),
            (true, ..) => {
                return Err(invalid(format!("`columns` must name two columns for {named}, and nothing else"))
                    .hint("write e.g. columns: [a, b]"));
            }
            (false, Some(column), None, []) => Of::One(Input::column(target, &column)),
            (false, None, Some(sql), []) if !sql.trim().is_empty() => Of::One(Input::expression(&sql)),
            (false, ..) => {
                return Err(invalid(format!("{named} needs either `column` or `expression`"))
                    .hint("give one of them, e.g. `column: price`"));
            }
        };
        if function != Function::Quantile && q.is_some() {
            return Err(invalid(format!("`q` has no say in {named}")).hint("remove it, or use `function: quantile`"));
        }
        if function == Function::Quantile && !q.is_some_and(|q| (0.0..=1.0).contains(&q)) {
            return Err(invalid("`q` is not a number from 0 to 1").hint("write e.g. q: 0.95"));
        }
        let estimates = matches!(function, Function::Median | Function::Quantile | Function::Iqr | Function::Distinct);
        if approximate && !estimates {
            return Err(invalid(format!("`approximate` has no say in {named}"))
                .hint("remove it; only median, quantile, iqr and distinct are estimated"));
        }
        if bounds.of_texts() && !matches!(function, Function::Min | Function::Max) {
            return Err(invalid(format!("{named} is a number, and the bounds are moments")).hint("write numbers"));
        }
        for input in of.inputs() {
            input.check(function, &bounds)?;
        }
        let what = format!(
            "{}{named}{}({})",
            if approximate { "approximate " } else { "" },
            q.map(|q| format!(" {q}")).unwrap_or_default(),
            of.inputs().iter().map(|input| input.shown.as_str()).collect::<Vec<_>>().join(", ")
        );
        let text = format!("{what} {shown}");
        let on: Vec<String> = of.inputs().iter().filter_map(|input| input.column.clone()).collect();
        let evaluation = match &of {
            Of::One(input) => of_one(function, q, approximate, input, bounds, what),
            Of::Two(a, b) => of_two(function, a, b, bounds, what),
        };
        let plan = CheckPlan::new(check_name("aggregate", &text), one_line(&text), evaluation).on(on);
        Ok(params::warning(plan, warned))
    }
}

/// What texts among the bounds are: of the column's type, if they are compared with its values.
fn reading(params: &AggregateParams, target: &CheckTarget) -> Reading {
    if !matches!(params.function, Function::Min | Function::Max) {
        return Reading::Moment;
    }
    match params.column.as_ref().and_then(|column| target.column_type(column)) {
        None => Reading::Value,
        Some(DataType::Time32(_) | DataType::Time64(_)) => Reading::Time,
        Some(found) if class(found) == Class::Text => Reading::Text,
        Some(_) => Reading::Moment,
    }
}

fn name_of(function: Function) -> &'static str {
    match function {
        Function::Min => "min",
        Function::Max => "max",
        Function::Mean => "mean",
        Function::Median => "median",
        Function::Sum => "sum",
        Function::Stdev => "stdev",
        Function::StdevPop => "stdev_pop",
        Function::Variance => "variance",
        Function::VariancePop => "variance_pop",
        Function::Range => "range",
        Function::Iqr => "iqr",
        Function::Skewness => "skewness",
        Function::Kurtosis => "kurtosis",
        Function::Quantile => "quantile",
        Function::Entropy => "entropy",
        Function::Zeros => "zeros",
        Function::Distinct => "distinct",
        Function::Count => "count",
        Function::NullFraction => "null_fraction",
        Function::Correlation => "correlation",
        Function::MutualInformation => "mutual_information",
        Function::RatioOfSums => "ratio_of_sums",
    }
}

enum Of {
    One(Input),
    Two(Input, Input),
}

impl Of {
    fn inputs(&self) -> Vec<&Input> {
        match self {
            Self::One(input) => vec![input],
            Self::Two(a, b) => vec![a, b],
        }
    }
}

/// What is aggregated.
struct Input {
    /// The column's name, or the expression.
    shown: String,
    column: Option<String>,
    sql: String,
    /// As [`same`].
    key: String,
    /// A dictionary's is that of its values.
    data_type: Option<DataType>,
    dictionary: bool,
}

impl Input {
    fn column(target: &CheckTarget, column: &str) -> Self {
        Self {
            shown: column.to_owned(),
            column: Some(column.to_owned()),
            sql: quote(column),
            key: same(target, column),
            data_type: target.column_type(column).cloned(),
            dictionary: target
                .schema
                .as_ref()
                .and_then(|schema| schema.field_with_name(column).ok())
                .is_some_and(|field| matches!(field.data_type(), DataType::Dictionary(..))),
        }
    }

    fn expression(sql: &str) -> Self {
        let text = nested(sql);
        Self {
            shown: sql.trim().to_owned(),
            column: None,
            sql: text.clone(),
            key: text,
            data_type: None,
            dictionary: false,
        }
    }

    fn check(&self, function: Function, bounds: &Bounds) -> Result<()> {
        use Function::{Count, Distinct, Entropy, Max, Min, MutualInformation, NullFraction};
        let Some(found) = &self.data_type else { return Ok(()) };
        let texts = bounds.of_texts();
        if let (Min | Max, Class::Time, Some(odd)) = (function, class(found), bounds.odd_time().filter(|_| texts)) {
            return Err(invalid(format!(
                "`column` is `{}`, of type {}, whose values are compared with times of day, and `{odd}` is none",
                self.shown,
                type_name(found)
            ))
            .hint("write HH:MM:SS, with a fraction if need be"));
        }
        let fits = match function {
            Count | Distinct | Entropy | MutualInformation | NullFraction => true,
            Min | Max if texts => matches!(class(found), Class::Moment | Class::Time | Class::Text),
            _ => found.is_numeric(),
        };
        if fits {
            return Ok(());
        }
        let kind = if texts { "moments" } else { "numbers" };
        Err(invalid(format!(
            "`column` is `{}`, whose type {} has no {} that is compared with {kind}",
            self.shown,
            type_name(found),
            name_of(function)
        ))
        .hint("declare the column's type under `columns:`, or cast it in `expression`"))
    }

    fn floats(&self) -> bool {
        self.data_type.as_ref().is_none_or(DataType::is_floating)
    }

    fn double(&self) -> String {
        if self.data_type == Some(DataType::Float64) {
            self.sql.clone()
        } else {
            format!("CAST({} AS DOUBLE)", self.sql)
        }
    }

    /// The same, NaN the highest whatever its sign.
    fn ordered(&self) -> String {
        let double = self.double();
        if self.floats() { format!("CASE WHEN isnan({double}) THEN abs({double}) ELSE {double} END") } else { double }
    }

    /// The extreme, of a column that cannot hold NaN a bare one, which statistics may answer.
    fn extreme(&self, function: &str) -> String {
        match &self.data_type {
            Some(found) if found.is_floating() => format!("{function}({})", self.ordered()),
            _ => format!("{function}({})", self.sql),
        }
    }

    /// A sum that cannot wrap.
    fn sum(&self) -> String {
        match &self.data_type {
            Some(DataType::Int8 | DataType::Int16 | DataType::UInt8 | DataType::UInt16 | DataType::Float64) => {
                format!("sum({})", self.sql)
            }
            Some(whole) if whole.is_integer() => format!("sum(CAST({} AS DECIMAL(38, 0)))", self.sql),
            Some(
                DataType::Decimal32(precision, scale)
                | DataType::Decimal64(precision, scale)
                | DataType::Decimal128(precision, scale),
            ) if *precision <= 28 && *scale >= 0 => format!("sum(CAST({} AS DECIMAL(38, {scale})))", self.sql),
            _ => format!("sum({})", self.double()),
        }
    }

    /// A deviation of a population. That of one value is 0, of NaN and infinity too, for the engine.
    fn population(&self, function: &str) -> String {
        let double = self.double();
        let deviation = format!("{function}({double})");
        if self.floats() { format!("{deviation} + sum({double} * 0)") } else { deviation }
    }

    fn mean(&self) -> String {
        match &self.data_type {
            Some(found) if found.is_integer() || found.is_floating() => format!("avg({})", self.sql),
            _ => format!("avg({})", self.double()),
        }
    }
}

fn of_one(
    function: Function,
    q: Option<f64>,
    approximate: bool,
    input: &Input,
    bounds: Bounds,
    what: String,
) -> Evaluation {
    let sql = &input.sql;
    let one = |expression: String| (vec![expression], first as fn(&[Value]) -> Value);
    let (expressions, value): (Vec<String>, fn(&[Value]) -> Value) = match function {
        Function::Min => one(input.extreme("min")),
        Function::Max => one(input.extreme("max")),
        Function::Mean => one(input.mean()),
        Function::Sum => one(input.sum()),
        Function::Stdev => one(format!("stddev_samp({})", input.double())),
        Function::StdevPop => one(input.population("stddev_pop")),
        Function::Variance => one(format!("var_samp({})", input.double())),
        Function::VariancePop => one(input.population("var_pop")),
        Function::Zeros if input.floats() || input.data_type.as_ref().is_some_and(DataType::is_decimal) => {
            one(format!("count(CASE WHEN abs({}) = 0 THEN 1 END)", input.double()))
        }
        Function::Zeros => one(format!("count(CASE WHEN {sql} = 0 THEN 1 END)")),
        Function::Count => one(format!("count({sql})")),
        Function::NullFraction => (vec!["count(*)".to_owned(), format!("count({sql})")], null_fraction),
        Function::Range => (vec![input.extreme("max"), input.extreme("min")], difference),
        Function::Distinct if approximate => match &input.data_type {
            // DataFusion estimates nothing of dictionaries.
            Some(found) if !found.is_floating() && !input.dictionary => one(format!("approx_distinct({sql})")),
            _ => one(format!("approx_distinct(CAST({} AS VARCHAR))", input.key)),
        },
        Function::Median | Function::Quantile | Function::Iqr => {
            let at: &[f64] = match (function, q) {
                (Function::Quantile, Some(q)) => &[q],
                (Function::Iqr, _) => &[0.75, 0.25],
                _ => &[0.5],
            };
            if !approximate {
                return quantiles(at.to_vec(), input, bounds, what);
            }
            let estimates = at.iter().map(|q| format!("approx_percentile_cont({}, {q:?})", input.ordered())).collect();
            (estimates, if function == Function::Iqr { difference } else { first })
        }
        Function::Distinct => {
            let groups =
                format!("SELECT {} AS \"_phlo_value\" FROM this WHERE {sql} IS NOT NULL GROUP BY 1", input.key);
            return queried(format!("SELECT count(*) FROM ({groups})"), first, bounds, what);
        }
        Function::Entropy => return queried(entropy(&input.key, sql), bits, bounds, what),
        Function::Skewness => return queried(moments(input), skewness, bounds, what),
        Function::Kurtosis => return queried(moments(input), kurtosis, bounds, what),
        // Of two columns; never here.
        Function::Correlation | Function::MutualInformation | Function::RatioOfSums => one("NULL".to_owned()),
    };
    Evaluation::aggregates(expressions, move |values| bounds.judge(&what, &value(values)))
}

fn of_two(function: Function, a: &Input, b: &Input, bounds: Bounds, what: String) -> Evaluation {
    match function {
        Function::Correlation => {
            // The engine has no correlation with NaN in one column, as with a constant one.
            let mut expressions = vec![format!("corr({}, {})", a.double(), b.double())];
            if a.floats() || b.floats() {
                expressions.push(format!("sum({} * 0 + {} * 0)", a.double(), b.double()));
            }
            Evaluation::aggregates(expressions, move |values| {
                let finite = values.get(1).is_none_or(|sum| *sum == Value::Null || sum.as_f64() == Some(0.0));
                bounds.judge(&what, &if finite { first(values) } else { Value::Float(f64::NAN) })
            })
        }
        Function::RatioOfSums => {
            Evaluation::aggregates([a.sum(), b.sum()], move |values| bounds.judge(&what, &ratio(values)))
        }
        _ => queried(mutual_information(a, b), information, bounds, what),
    }
}

/// A query of one row, and what its values make.
fn queried(query: String, value: fn(&[Value]) -> Value, bounds: Bounds, what: String) -> Evaluation {
    Evaluation::query(query, move |rows| bounds.judge(&what, &rows.first().map_or(Value::Null, |row| value(row))))
}

fn first(values: &[Value]) -> Value {
    values.first().cloned().unwrap_or(Value::Null)
}

fn numbers(values: &[Value]) -> Option<Vec<f64>> {
    values.iter().map(Value::as_f64).collect()
}

fn computed(values: &[Value], compute: impl Fn(&[f64]) -> Option<f64>) -> Value {
    numbers(values).and_then(|numbers| compute(&numbers)).map_or(Value::Null, Value::Float)
}

fn null_fraction(values: &[Value]) -> Value {
    computed(values, |n| (n[0] > 0.0).then(|| (n[0] - n[1]) / n[0]))
}

fn difference(values: &[Value]) -> Value {
    if let [Value::Int(high), Value::Int(low)] = values {
        return Value::Text((i128::from(*high) - i128::from(*low)).to_string());
    }
    computed(values, |n| Some(n[0] - n[1]))
}

fn ratio(values: &[Value]) -> Value {
    computed(values, |n| (n[1] != 0.0).then(|| n[0] / n[1]))
}

/// The values at a quantile's place and how many there are; sorted outside of memory and numbered as they stream by.
fn quantiles(at: Vec<f64>, input: &Input, bounds: Bounds, what: String) -> Evaluation {
    let places: Vec<_> = at
        .iter()
        .map(|q| {
            let place = format!("{q:?} * (\"_phlo_count\" - 1)");
            format!("(\"_phlo_at\" >= floor({place}) + 1 AND \"_phlo_at\" <= ceil({place}) + 1)")
        })
        .collect();
    let query = format!(
        "SELECT \"_phlo_at\", \"_phlo_value\", \"_phlo_count\" FROM (SELECT \"_phlo_value\", row_number() OVER (ORDER BY \
         \"_phlo_value\") AS \"_phlo_at\" FROM (SELECT {} AS \"_phlo_value\" FROM this) WHERE \"_phlo_value\" IS NOT NULL) \
         CROSS JOIN (SELECT count({}) AS \"_phlo_count\" FROM this) WHERE {}",
        input.ordered(),
        input.sql,
        places.join(" OR ")
    );
    Evaluation::query(query, move |rows| {
        let found: Vec<_> = at.iter().map(|q| interpolated(*q, rows).map_or(Value::Null, Value::Float)).collect();
        bounds.judge(&what, &if found.len() == 2 { difference(&found) } else { first(&found) })
    })
}

fn interpolated(q: f64, rows: &[Vec<Value>]) -> Option<f64> {
    let count = rows.first()?.get(2)?.as_f64()?;
    let place = q * (count - 1.0);
    let value = |at: f64| rows.iter().find(|row| row[0].as_f64() == Some(at + 1.0)).and_then(|row| row[1].as_f64());
    let (low, high) = (value(place.floor())?, value(place.ceil())?);
    // Infinity less infinity would be no number.
    Some(if low.total_cmp(&high).is_eq() || place.fract() == 0.0 { low } else { low + (high - low) * place.fract() })
}

/// How many there are, and the sum of n log2 n over the groups of n.
fn entropy(key: &str, sql: &str) -> String {
    format!(
        "SELECT coalesce(sum(\"_phlo_n\"), 0), coalesce(sum(\"_phlo_n\" * log2(\"_phlo_n\")), 0) FROM (SELECT \
         CAST(count(*) AS DOUBLE) AS \"_phlo_n\" FROM this WHERE {sql} IS NOT NULL GROUP BY {key})"
    )
}

fn bits(values: &[Value]) -> Value {
    computed(values, |n| Some(if n[0] > 0.0 { (n[0].log2() - n[1] / n[0]).max(0.0) } else { 0.0 }))
}

fn mutual_information(a: &Input, b: &Input) -> String {
    let joint = format!(
        "(SELECT {} AS \"_phlo_a\", {} AS \"_phlo_b\", CAST(count(*) AS DOUBLE) AS \"_phlo_n\" FROM this WHERE {} IS NOT NULL \
         AND {} IS NOT NULL GROUP BY 1, 2)",
        a.key, b.key, a.sql, b.sql
    );
    let side = |of: &str| {
        format!(
            "(SELECT coalesce(sum(\"_phlo_n\" * log2(\"_phlo_n\")), 0) AS \"{of}\" FROM (SELECT sum(\"_phlo_n\") AS \
             \"_phlo_n\" FROM {joint} GROUP BY \"{of}\"))"
        )
    };
    format!(
        "SELECT \"_phlo_rows\", \"_phlo_joint\", \"_phlo_a\", \"_phlo_b\" FROM (SELECT coalesce(sum(\"_phlo_n\"), 0) AS \
         \"_phlo_rows\", coalesce(sum(\"_phlo_n\" * log2(\"_phlo_n\")), 0) AS \"_phlo_joint\" FROM {joint}) CROSS JOIN {} \
         CROSS JOIN {}",
        side("_phlo_a"),
        side("_phlo_b")
    )
}

fn information(values: &[Value]) -> Value {
    computed(values, |n| Some(if n[0] > 0.0 { (n[0].log2() + (n[1] - n[2] - n[3]) / n[0]).max(0.0) } else { 0.0 }))
}

/// How many there are and the powers' sums about the mean, which one pass would lose where the mean is far from zero.
fn moments(input: &Input) -> String {
    let double = input.double();
    format!(
        "SELECT count(\"_phlo_d\"), sum(power(\"_phlo_d\", 2)), sum(power(\"_phlo_d\", 3)), sum(power(\"_phlo_d\", 4)) FROM \
         (SELECT {double} - \"_phlo_mean\" AS \"_phlo_d\" FROM this CROSS JOIN (SELECT avg({double}) AS \"_phlo_mean\" FROM \
         this))"
    )
}

fn skewness(values: &[Value]) -> Value {
    computed(values, |m| {
        let n = m[0];
        let second = m[1] / n;
        (n > 2.0 && second != 0.0).then(|| (n * (n - 1.0)).sqrt() / (n - 2.0) * (m[2] / n) / second.powf(1.5))
    })
}

fn kurtosis(values: &[Value]) -> Value {
    computed(values, |m| {
        let n = m[0];
        let (second, fourth) = (m[1] / n, m[3] / n);
        let scaled = (n + 1.0) * fourth / (second * second) - 3.0 * (n - 1.0);
        (n > 3.0 && second != 0.0).then(|| (n - 1.0) / ((n - 2.0) * (n - 3.0)) * scaled)
    })
}
