//! Rows over seeds.
