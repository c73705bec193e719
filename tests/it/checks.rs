//! The built-in checks keep the promises of their kind when they are executed: over good rows, bad rows, none and nulls alone.

use phlo_bundle as _;
use phlo_testkit::checks::{Case, Says, suite};
use phlo_testkit::fixture::batch;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_check_counts_exactly_and_says_what_it_says_of_nothing_and_of_nulls() {
    let columns = "id:int64 name:string";
    let good = batch(columns, &["1|a", "2|b", "3|c", "4|d"]);
    let of = |name: &str, params: &str, bad: &[&str]| Case::new(name, params, good.clone(), batch(columns, bad));
    suite(of("not_null", "columns: [id]", &["-|x", "-|y"]).nulls(Says::Fails)).await;
    suite(of("not_null", "{ except: [name] }", &["-|x", "-|y"]).nulls(Says::Fails)).await;
    suite(of("missing_only_as", "{ column: id, values: [-9] }", &["-99|x", "-9999|y"])).await;
    suite(of("any_of", "[{ json: name }, id < 5]", &["5|x", "9|y"])).await;
    suite(of("range", "{ column: id, min: 1, max: 4 }", &["0|x", "5|y", "99|z"])).await;
    suite(of("accepted_values", "{ column: name, values: [a, b, c, d] }", &["9|x"])).await;
    suite(of("pattern", "{ column: name, pattern: '^[a-d]$' }", &["9|x", "8|dd"])).await;
    suite(of("business_rule", "{ rule: 'id < 5' }", &["9|x"])).await;
    suite(of("nulls_together", "columns: [id, name]", &["1|-", "-|x"])).await;
    suite(of("any_not_null", "columns: [id, name]", &["-|-"]).nulls(Says::Fails)).await;
    suite(of("not_accepted_values", "{ column: name, values: [x] }", &["1|x"])).await;
    suite(of("not_missing", "{ column: name, values: [x] }", &["1|x", "2|-"]).nulls(Says::Fails)).await;
    suite(of("compare", "{ column: id, is: lt, value: 5 }", &["9|a", "5|b"])).await;
    suite(of("like", "{ column: name, any_of: _ }", &["1|xx", "2|"])).await;
    suite(of("text", "{ column: name, not_blank: true, case: lower }", &["1|X", "2| "])).await;
    suite(of("length", "{ column: name, max: 1 }", &["1|xx"])).await;
    let pairs = "{ columns: [id, name], values: [[1, a], [2, b], [3, c], [4, d]] }";
    suite(of("accepted_combinations", pairs, &["1|d", "9|a"])).await;
    suite(
        of("row_count", "{ min: 1, max: 4 }", &["1|a", "1|a", "1|a", "1|a", "1|a"]).of_the_table().empty(Says::Fails),
    )
    .await;
    suite(
        of("aggregate", "{ function: max, column: id, max: 4 }", &["5|a"])
            .of_the_table()
            .empty(Says::Fails)
            .nulls(Says::Fails),
    )
    .await;

    let of = |name: &str, params: &str, columns: &str, good: &[&str], bad: &[&str]| {
        Case::new(name, params, batch(columns, good), batch(columns, bad))
    };
    suite(of("is_null", "columns: [t]", "t:string", &["-", "-"], &["x"])).await;
    suite(of("date_format", "{ column: t, format: '%Y-%m-%d' }", "t:string", &["2020-01-31"], &["2020-02-31", "x"]))
        .await;
    suite(of("json", "column: t", "t:string", &["{}", "[1]"], &["{", "x"])).await;
    suite(of("format", "{ column: t, format: email }", "t:string", &["a@b.org"], &["a@", "b"])).await;
    let age = "{ column: d, min: 0h, now: 2020-01-02T00:00:00Z }";
    suite(of("age", age, "d:date", &["2020-01-01", "2020-01-02"], &["2020-01-09"])).await;
    suite(of("unique_within_row", "columns: [a, b]", "a:int64 b:int64", &["1|2"], &["3|3", "4|4"])).await;
    suite(of("multicolumn_sum", "{ columns: [a, b], equal: 3 }", "a:int64 b:int64", &["1|2", "0|3"], &["3|3"])).await;
}
