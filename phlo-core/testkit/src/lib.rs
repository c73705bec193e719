//! Test doubles, conformance suites and fixtures for phlo plugins.

pub mod http;
