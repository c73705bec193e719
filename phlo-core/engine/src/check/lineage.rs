//! What the values of a query are made of, told by its plan: a column's name says nothing, for a query may give any value any name.

use std::collections::{BTreeMap, BTreeSet};

use arrow_schema::SchemaRef;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::common::{DFSchema, JoinType, TableReference};
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan};

/// The columns of a query's answer, by name, and what each is made of; `None` where that is not clear.
pub(super) struct Lineage(BTreeMap<String, Option<Made>>);

/// What values are made of. Which rows there are does not count: a filter, an order or a join shows no value.
#[derive(Debug, Clone, Default)]
pub(super) struct Made {
    /// The names of the columns that they went through, of tables, views and subqueries.
    names: BTreeSet<String>,
    /// The columns of `this` among these.
    own: BTreeSet<String>,
}

impl Made {
    fn add(&mut self, other: &Self) {
        self.names.extend(other.names.iter().cloned());
        self.own.extend(other.own.iter().cloned());
    }
}

impl Lineage {
    /// Of a query.
    pub(super) fn of(plan: &LogicalPlan) -> Self {
        let mut columns: BTreeMap<String, Option<Made>> = BTreeMap::new();
        for (field, made) in plan.schema().fields().iter().zip(of(plan)) {
            // Of two of a name, it is not told which is shown.
            let both = match columns.remove(field.name()) {
                Some(other) => merged(other, made.as_ref()),
                None => made,
            };
            columns.insert(field.name().clone(), both);
        }
        Self(columns)
    }

    /// Of the table's own rows.
    pub(super) fn of_table(schema: &SchemaRef) -> Self {
        Self(
            schema
                .fields()
                .iter()
                .map(|field| (field.name().clone(), Some(table_column(field.name(), true))))
                .collect(),
        )
    }

    /// Whether a column is made of one of these, or may be.
    pub(super) fn may_tell(&self, column: &str, sensitive: &BTreeSet<String>) -> bool {
        match self.0.get(column).and_then(Option::as_ref) {
            Some(made) => !made.names.is_disjoint(sensitive),
            None => !sensitive.is_empty(),
        }
    }

    /// Whether any column is made of one of these.
    pub(super) fn tells(&self, sensitive: &BTreeSet<String>) -> bool {
        self.0.values().flatten().any(|made| !made.names.is_disjoint(sensitive))
    }

    /// Whether a column is made of the table's column of that name.
    pub(super) fn is_own(&self, column: &str) -> bool {
        self.0.get(column).and_then(Option::as_ref).is_some_and(|made| made.own.contains(column))
    }
}

fn table_column(name: &str, own: bool) -> Made {
    let names = BTreeSet::from([name.to_owned()]);
    Made { own: if own { names.clone() } else { BTreeSet::new() }, names }
}

fn merged(one: Option<Made>, other: Option<&Made>) -> Option<Made> {
    let mut one = one?;
    one.add(other?);
    Some(one)
}

/// What each column of a plan is made of.
fn of(plan: &LogicalPlan) -> Vec<Option<Made>> {
    let untold = || vec![None; plan.schema().fields().len()];
    let computed = |exprs: &[Expr], input: &LogicalPlan| -> Vec<Option<Made>> {
        let columns = of(input);
        exprs.iter().map(|expr| of_expr(expr, input.schema(), &columns)).collect()
    };
    let columns = match plan {
        LogicalPlan::TableScan(scan) => {
            let own = matches!(&scan.table_name, TableReference::Bare { table } if table.as_ref() == "this");
            let fields = scan.projected_schema.fields().iter();
            fields.map(|field| Some(table_column(field.name(), own))).collect()
        }
        LogicalPlan::Projection(node) => computed(&node.expr, &node.input),
        LogicalPlan::Window(node) => {
            of(&node.input).into_iter().chain(computed(&node.window_expr, &node.input)).collect()
        }
        LogicalPlan::Aggregate(node) if node.group_expr.iter().all(|expr| !matches!(expr, Expr::GroupingSet(_))) => {
            let exprs: Vec<Expr> = node.group_expr.iter().chain(&node.aggr_expr).cloned().collect();
            computed(&exprs, &node.input)
        }
        LogicalPlan::Distinct(Distinct::On(node)) => computed(&node.select_expr, &node.input),
        LogicalPlan::Distinct(Distinct::All(input)) => of(input),
        LogicalPlan::Filter(node) => of(&node.input),
        LogicalPlan::Sort(node) => of(&node.input),
        LogicalPlan::Limit(node) => of(&node.input),
        LogicalPlan::Repartition(node) => of(&node.input),
        LogicalPlan::SubqueryAlias(node) => of(&node.input),
        LogicalPlan::Subquery(node) => of(&node.subquery),
        LogicalPlan::Join(node) => match node.join_type {
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
                of(&node.left).into_iter().chain(of(&node.right)).collect()
            }
            JoinType::LeftSemi | JoinType::LeftAnti => of(&node.left),
            JoinType::RightSemi | JoinType::RightAnti => of(&node.right),
            _ => untold(),
        },
        LogicalPlan::Union(node) => {
            let mut inputs = node.inputs.iter().map(|input| of(input));
            let first = inputs.next().unwrap_or_default();
            inputs.fold(first, |all, more| all.into_iter().zip(more).map(|(a, b)| merged(a, b.as_ref())).collect())
        }
        LogicalPlan::Values(node) => {
            let (none, mut columns) = (DFSchema::empty(), vec![Some(Made::default()); plan.schema().fields().len()]);
            for row in &node.values {
                for (column, expr) in columns.iter_mut().zip(row) {
                    *column = merged(column.take(), of_expr(expr, &none, &[]).as_ref());
                }
            }
            columns
        }
        _ => untold(),
    };
    if columns.len() != plan.schema().fields().len() {
        return untold();
    }
    // A name on the way counts too: what is sensitive may be so by the name that a view gave it.
    let named = columns.into_iter().zip(plan.schema().fields()).map(|(made, field)| {
        let mut made = made?;
        made.names.insert(field.name().clone());
        Some(made)
    });
    named.collect()
}

/// What an expression over these columns is made of.
fn of_expr(expr: &Expr, schema: &DFSchema, columns: &[Option<Made>]) -> Option<Made> {
    let mut made = Some(Made::default());
    let walked = expr.apply(|part| {
        let of_query = |plan: &LogicalPlan| {
            of(plan).into_iter().try_fold(Made::default(), |all, one| merged(Some(all), one.as_ref()))
        };
        let more = match part {
            Expr::Column(column) => {
                schema.maybe_index_of_column(column).and_then(|at| columns.get(at)).cloned().flatten()
            }
            Expr::ScalarSubquery(query) => of_query(&query.subquery),
            Expr::InSubquery(inner) => of_query(&inner.subquery.subquery),
            Expr::SetComparison(inner) => of_query(&inner.subquery.subquery),
            Expr::Exists(inner) => of_query(&inner.subquery.subquery),
            Expr::OuterReferenceColumn(..) | Expr::Placeholder(_) | Expr::GroupingSet(_) => None,
            _ => return Ok(TreeNodeRecursion::Continue),
        };
        made = merged(made.take(), more.as_ref());
        Ok(TreeNodeRecursion::Continue)
    });
    walked.ok().and(made)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_schema::{DataType, Field, Schema};
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::session::{empty, register, register_bare, view};

    #[expect(clippy::disallowed_methods, reason = "plans are all that is looked at")]
    async fn session() -> SessionContext {
        let session = SessionContext::new();
        let table = |columns: &[&str]| {
            let fields = columns.iter().map(|name| Field::new(*name, DataType::Utf8, true));
            empty(Arc::new(Schema::new(fields.collect::<Vec<_>>())))
        };
        register_bare(&session, "this", table(&["id", "email", "city"])).unwrap();
        register(&session, &phlo_spec::AssetKey::new("b.u").unwrap(), table(&["id", "mail", "city"])).unwrap();
        let of_view = session.sql("select id, lower(mail) as contact from b.u").await.unwrap().logical_plan().clone();
        register(&session, &phlo_spec::AssetKey::new("b.v").unwrap(), view(of_view)).unwrap();
        session
    }

    #[tokio::test]
    async fn a_value_tells_what_it_is_made_of_whatever_its_name() {
        let session = session().await;
        let sensitive = BTreeSet::from(["email".to_owned(), "mail".to_owned()]);
        // The first column may tell a sensitive value; it is the table's own.
        for (sql, tells, own) in [
            ("select id, email from this", false, true),
            ("select id from this where email like '%x' order by email limit 1", false, true),
            ("select t.id from this t join b.u u on t.email = u.mail", false, true),
            ("select id, count(*) from this group by id having max(email) > 'a'", false, true),
            ("select id || 'x' as id from this", false, true),
            ("select distinct id from (select * from this) as x", false, true),
            ("with x as (select * from this) select id from x", false, true),
            ("select id from this union all select id from b.u", false, true),
            ("select t.id from this t left semi join b.u on t.id = b.u.id", false, true),
            ("select distinct on (email) id from this order by email", false, true),
            ("select email as id from this", true, false),
            ("select upper(email) as id from this", true, false),
            ("select coalesce(id, email) as id from this", true, true),
            ("select case when email > 'm' then id end as id from this", true, true),
            ("with x(id, b, c) as (select email, id, city from this) select id from x", true, false),
            ("select c.b from (select * from this) as c(a, b, d)", true, false),
            ("select id from this union all select mail from b.u", true, true),
            ("select id from this intersect select id from b.u", false, true),
            ("select first_value(id) over (order by email) as id from this", true, true),
            ("select max(email) as id from this group by city", true, false),
            ("select (select max(email) from this) as id from this", true, false),
            ("select id in (select mail from b.u) as id from this", true, true),
            ("select (select max(mail) from b.u where b.u.id = this.id) as id from this", true, false),
            ("select contact as id from b.v", true, false),
            ("select city as id from this", false, false),
            ("select id from b.u", false, false),
            ("select id from b.v", false, false),
            ("select 'x' as id", false, false),
            ("select * from (values ('x'), ('y')) as v(id)", false, false),
            ("select count(*) as id from this where email is null", false, false),
            // Nothing is known of these.
            ("select id from this group by grouping sets ((id), (city))", true, false),
            (
                "with recursive r as (select email as id from this union all select id from r) select id from r",
                true,
                false,
            ),
        ] {
            let plan = session.state().create_logical_plan(sql).await.unwrap_or_else(|err| panic!("{sql}: {err}"));
            let lineage = Lineage::of(&plan);
            let first = plan.schema().field(0).name();
            assert_eq!((lineage.may_tell(first, &sensitive), lineage.is_own(first)), (tells, own), "{sql}\n{plan}");
            assert!(!lineage.may_tell(first, &BTreeSet::new()), "{sql}");
        }
    }
}
