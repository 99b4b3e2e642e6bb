//! Keeps a complete, proven, queryable copy of a microCMS service on your own disk.
//!
//! Data walks one way: service → walk → plan → store and mirror → report. The rooms:
//!
//! - [`cli`]: flags in, results and exit codes out
//! - [`config`]: file, environment and credentials to one checked `Config`
//! - [`logging`]: where log lines go, and the list of field names
//! - [`model`]: the words, as values with invariants
//! - [`remote`]: microCMS over HTTP

pub mod cli;
pub mod config;
pub mod logging;
pub mod model;
pub mod plan;
pub mod remote;
