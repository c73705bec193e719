//! Rows from REST APIs, page by page.
