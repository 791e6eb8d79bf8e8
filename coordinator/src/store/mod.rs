//! The record: an append-only log of events in SQLite and tables derived from it.

pub mod records;
