//! Promises of the program as a whole.

mod cli;
mod config;
mod contents_walk;
mod media_walk;
mod migrations;
mod support;
mod sync;
