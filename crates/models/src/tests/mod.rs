//! Tests of the crate from inside.
