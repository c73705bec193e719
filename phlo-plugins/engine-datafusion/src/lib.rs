//! The query engine of phlo: DataFusion in process.
