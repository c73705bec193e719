//! Every promise that a plugin makes, whatever its kind.
phlo_testkit::conformance!(phlo_quality_reconcile);
