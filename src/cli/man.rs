//! `man`: the manual pages.

use std::io;

use clap::CommandFactory;

use super::args::Cli;

/// Print a manual page, for packagers
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The command whose page it is [default: the program's own page]
    command: Option<String>,
}

/// Returns the page as roff; `None` if there is no such command.
///
/// # Errors
/// Never in practice: it writes to memory.
pub(crate) fn run(args: &Args) -> io::Result<Option<String>> {
    let mut program = Cli::command();
    // Gives the commands their full names.
    program.build();
    let page = match &args.command {
        None => Some(&program),
        Some(name) => program.find_subcommand(name),
    };
    let Some(page) = page else { return Ok(None) };
    let mut roff = Vec::new();
    clap_mangen::Man::new(page.clone()).render(&mut roff)?;
    Ok(Some(String::from_utf8_lossy(&roff).into_owned()))
}
