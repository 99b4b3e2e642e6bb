//! Keeps a complete, proven, queryable copy of a microCMS service on your own disk.
//!
//! Data walks one way: service → walk → plan → store and mirror → report. The rooms:
//!
//! - [`model`]: the words, as values with invariants
//! - [`plan`]: the decisions, pure functions from facts to steps
//! - [`remote`]: microCMS over HTTP: paging, budgets, retries, asset hosts
//! - [`store`]: the SQLite database: open, migrate, record, ask
//! - [`mirror`]: the files: atomic write, archive, scan
//! - `blocking`: work that waits for a disk, on threads that may
//! - [`sync`]: one run: walk, plan, apply, report
//! - [`export`]: a folder of files that people and Git can read
//! - [`config`]: file and environment, checked once
//! - [`notify`]: who is told of runs, and what: heartbeat, webhook
//! - [`hooks`]: the operator's own commands around a run
//! - [`daemon`]: a long life: schedule, bell, signals, readiness, shutdown
//! - [`health`]: metrics and findings, and the listener that tells them
//! - [`cli`]: the commands, what they print, and the exit code
//! - [`logging`]: log lines on stderr

mod blocking;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod export;
pub mod health;
pub mod hooks;
pub mod logging;
pub mod mirror;
pub mod model;
pub mod notify;
pub mod plan;
pub mod remote;
pub mod store;
pub mod sync;
