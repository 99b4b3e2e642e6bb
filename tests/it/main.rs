//! Promises of the program as a whole.

mod cli;
mod config;
mod support;
mod sync;
