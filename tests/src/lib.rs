//! Integration, drift and conformance tests over the bundle.
