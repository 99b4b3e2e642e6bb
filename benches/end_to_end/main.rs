//! What is promised about speed, measured: the program as a child process, beside real peers (curl, wget2,
//! a shell script) or beside floors (a client that only reads, an insert that only writes), on the same
//! machine and in turns.
//!
//! ```sh
//! cargo bench --bench end_to_end                # every row that does not take a quarter of an hour
//! cargo bench --bench end_to_end -- media limits
//! cargo bench --bench end_to_end -- --list
//! ```
//!
//! docs/benchmarks.md says what each row means, and what came of it.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table is what this program prints"
)]

mod args;
mod children;
mod floors;
mod home;
mod library;
mod listing;
mod measure;
mod netns;
mod nginx;
mod peers;
mod rows;
mod service;
mod stats;
mod table;

use args::{Args, Order};
use std::error::Error;
use std::process::ExitCode;
use table::{Line, Table};

/// Everything here ends in a text for the person who waits for the table.
type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [first, word, rest @ ..] = words.as_slice()
        && first == children::FIRST_WORD
    {
        return children::run(word, rest);
    }
    match Args::parse(&words) {
        Ok(Order::List) => {
            list();
            ExitCode::SUCCESS
        }
        Ok(Order::Measure(args)) => measure_all(&args),
        Err(why) => {
            eprintln!("{why}\n\n{}", args::USAGE);
            ExitCode::from(2)
        }
    }
}

fn list() {
    for row in rows::ALL {
        let by_itself = if row.is_default {
            ""
        } else {
            " (only when named)"
        };
        println!("{:<10} {}{by_itself}", row.name, row.what);
    }
}

/// Measures the rows that were asked for, prints each as it comes, and the table at the end.
/// A row that could not be measured fails the whole, at the end; one that misses its target does not.
fn measure_all(args: &Args) -> ExitCode {
    let mut table = Table::default();
    let mut is_broken = false;
    for row in rows::ALL {
        if !args.wants(row) {
            continue;
        }
        eprintln!("== {}: {}", row.name, row.what);
        match (row.measure)(args) {
            Ok(lines) => lines.into_iter().for_each(|line| table.add(line)),
            Err(why) => {
                is_broken = true;
                table.add(Line::broken(row.name, &why.to_string()));
            }
        }
    }
    println!("\n{}", table.markdown());
    if is_broken {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
