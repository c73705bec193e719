//! The engine of phlo: sessions, SQL transforms, checks compiled and executed, lineage from plans.
