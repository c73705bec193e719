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
    suite(of("range", "{ column: id, min: 1, max: 4 }", &["0|x", "5|y", "99|z"])).await;
    suite(of("accepted_values", "{ column: name, values: [a, b, c, d] }", &["9|x"])).await;
    suite(of("pattern", "{ column: name, pattern: '^[a-d]$' }", &["9|x", "8|dd"])).await;
    suite(of("business_rule", "{ rule: 'id < 5' }", &["9|x"])).await;
    suite(
        of("row_count", "{ min: 1, max: 4 }", &["1|a", "1|a", "1|a", "1|a", "1|a"]).of_the_table().empty(Says::Fails),
    )
    .await;
}
