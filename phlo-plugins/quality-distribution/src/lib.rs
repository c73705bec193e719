#![doc = include_str!("../README.md")]

mod bins;
pub mod categories;
pub mod histogram;
pub mod ks;
mod math;
mod params;
pub mod stdevs;

use phlo_plugin::register_check;

phlo_plugin::package!();

register_check!(
    categories::ChiSquare,
    name = "chi_square",
    summary = "Categories or bins are as frequent as expected, by a chi-square test"
);
register_check!(categories::CramersV, name = "cramers_v", summary = "Two columns are associated as much as expected");
register_check!(
    categories::KlDivergence,
    name = "kl_divergence",
    summary = "Categories or bins diverge little from what is expected"
);
register_check!(histogram::Histogram, name = "histogram", summary = "Each bin holds as much of a column as expected");
register_check!(
    ks::KsTest,
    name = "ks_test",
    summary = "Numbers are distributed as expected, by a Kolmogorov-Smirnov test"
);
register_check!(
    stdevs::MeanStdevs,
    name = "mean_stdevs",
    summary = "The mean is within n standard deviations of an expected one"
);
register_check!(
    stdevs::MovingStdevs,
    name = "moving_stdevs",
    summary = "Values are within n standard deviations of those before"
);
register_check!(stdevs::ZScore, name = "z_score", summary = "Values are within n standard deviations of their mean");
