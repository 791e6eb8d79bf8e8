//! The engine from outside: stories told one input at a time, and random walks with every invariant after every step.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod limits;
mod model;
mod resume;
mod scene;
mod story;
mod walk;
