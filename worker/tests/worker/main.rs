//! The worker against a coordinator made for these tests: real sockets, real files, real threads, and either training
//! that does as it is told or, for bit equality and signals, the real thing. Waits on conditions, never on time.

mod coordinator;
mod datasets;
mod processes;
mod results;
mod trainer;
mod training;
mod world;
