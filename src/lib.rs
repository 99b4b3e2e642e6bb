//! Keeps a complete, proven, queryable copy of a microCMS service on your own disk.
//!
//! Data walks one way: service → walk → plan → store and mirror → report. The rooms:
//!
//! - [`model`]: the words, as values with invariants
//! - [`store`]: the SQLite database

pub mod model;
pub mod store;
