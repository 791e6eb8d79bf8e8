//! Whole-system tests: one binary, one module a theme.

mod house;
