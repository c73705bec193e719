//! Everyday checks: not_null, unique, accepted_values, range, row_count, pattern, freshness, schema, sql, business_rule.
