//! What is to be measured.

use crate::rows::{ALL, Row};
use std::path::PathBuf;

pub(crate) const USAGE: &str = "\
cargo bench --bench end_to_end [-- [ROW…] [--quick] [--times N] [--program FILE] | --list]

  ROW…            only these; see --list
  --quick         a tenth of the data, each measured once: shows that it works, not how fast
  --times N       how often each pair is measured (default 5)
  --program FILE  the release binary to measure (default: the one that cargo built beside this)
  --list          the rows";

/// The order of the person who waits.
pub(crate) enum Order {
    List,
    Measure(Args),
}

/// How to measure.
#[derive(Debug)]
pub(crate) struct Args {
    rows: Vec<String>,
    pub(crate) is_quick: bool,
    times: usize,
    /// The program that is measured.
    pub(crate) program: PathBuf,
}

impl Args {
    pub(crate) fn parse(words: &[String]) -> Result<Order, String> {
        let mut args = Self {
            rows: Vec::new(),
            is_quick: false,
            times: 5,
            program: env!("CARGO_BIN_EXE_microcms-backup").into(),
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                // cargo's own.
                "--bench" => {}
                "--list" => return Ok(Order::List),
                "--quick" => args.is_quick = true,
                "--times" => {
                    let times = words.next().and_then(|times| times.parse().ok());
                    args.times = times
                        .filter(|times| *times > 0)
                        .ok_or("--times wants a number")?;
                }
                "--program" => {
                    let program = words.next().ok_or("--program wants a file")?;
                    // Children may start elsewhere.
                    args.program = std::path::absolute(program)
                        .map_err(|error| format!("`{program}`: {error}"))?;
                }
                row if ALL.iter().any(|known| known.name == row) => args.rows.push(row.to_owned()),
                other => return Err(format!("`{other}` is no row and no flag")),
            }
        }
        Ok(Order::Measure(args))
    }

    pub(crate) fn wants(&self, row: &Row) -> bool {
        if self.rows.is_empty() {
            row.is_default
        } else {
            self.rows.iter().any(|name| name == row.name)
        }
    }

    /// How often a pair is measured.
    pub(crate) const fn times(&self) -> usize {
        if self.is_quick { 1 } else { self.times }
    }

    /// So many things, or a tenth of them.
    pub(crate) const fn many(&self, count: u32) -> u32 {
        if self.is_quick { count / 10 } else { count }
    }
}
