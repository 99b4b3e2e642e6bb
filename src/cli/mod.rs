//! The command line: flags in, results on stdout, logs and progress on stderr, one exit code.
//!
//! One file per subcommand: its flags and what it prints. The room turns a checked
//! [`Config`](crate::config::Config) into the other rooms' options and knows none of their
//! insides. Errors are printed here, once, at the edge.

mod args;
mod assemble;
mod change;
mod change_text;
mod columns;
mod completions;
mod daemon;
mod descriptors;
mod diff;
mod doctor;
mod drive;
mod exit;
mod export;
mod failed_report;
mod failure;
mod health;
mod history;
mod hooks;
mod init;
mod looking;
mod man;
mod mirror_look;
mod named;
mod order;
mod output;
mod paper;
mod places;
mod progress;
mod prune;
mod prune_summary;
mod report_file;
mod run;
mod seen;
mod show;
mod show_text;
mod snapshot;
mod status;
mod status_table;
mod summary;
mod sync;
mod told;
mod verify;
mod verify_summary;

pub use run::{Clock, run, run_with};
