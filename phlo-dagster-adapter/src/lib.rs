//! phlo for Dagster: the assets as Dagster definitions.
