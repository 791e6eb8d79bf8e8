//! The engine from outside: stories told one input at a time, and random walks with every invariant after every step.

mod scene;
mod story;
mod walk;
