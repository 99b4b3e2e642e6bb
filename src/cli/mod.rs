//! The command line: flags in, results on stdout, logs and progress on stderr, one exit code.
//!
//! One file per subcommand: its flags and what it prints. The room turns a checked
//! [`Config`](crate::config::Config) into the other rooms' options and knows none of their
//! insides. Errors are printed here, once, at the edge.

mod args;
mod assemble;
mod completions;
mod daemon;
mod drive;
mod exit;
mod failure;
mod hooks;
mod man;
mod output;
mod progress;
mod report_file;
mod run;
mod summary;
mod sync;
mod told;

pub use run::{Clock, run, run_with};
