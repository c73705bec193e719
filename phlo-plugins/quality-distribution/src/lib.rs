#![doc = include_str!("../README.md")]

pub mod categories;
pub mod histogram;
pub mod ks;
mod math;
mod params;
pub mod stdevs;

phlo_plugin::package!();

/// Registers a check that has no settings.
macro_rules! check {
    ($ty:ty, $name:literal, $summary:literal) => {
        impl phlo_plugin::context::Plugin for $ty {
            type Settings = phlo_plugin::NoSettings;

            fn create(_: Self::Settings, _: &phlo_plugin::InitContext) -> phlo_plugin::Result<Self> {
                Ok(Self)
            }
        }
        phlo_plugin::register!(Quality, $ty, name = $name, summary = $summary);
    };
}

check!(categories::ChiSquare, "chi_square", "Categories are as frequent as expected, by a chi-square test");
check!(categories::CramersV, "cramers_v", "Two columns are associated as much as expected");
check!(categories::KlDivergence, "kl_divergence", "Categories diverge little from what is expected");
check!(histogram::Histogram, "histogram", "Each bin holds as much of a column as expected");
check!(ks::KsTest, "ks_test", "Numbers are distributed as expected, by a Kolmogorov-Smirnov test");
check!(stdevs::MeanStdevs, "mean_stdevs", "The mean is within n standard deviations of an expected one");
check!(stdevs::MovingStdevs, "moving_stdevs", "Values are within n standard deviations of those before");
check!(stdevs::ZScore, "z_score", "Values are within n standard deviations of their mean");
