//! Test doubles, conformance suites and fixtures for phlo plugins.
