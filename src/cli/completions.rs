//! `completions`: what a shell needs to complete our flags.

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Cli;

/// Print the completions for a shell, for packagers
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Returns the completion script.
pub(crate) fn run(args: &Args) -> String {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut Cli::command(),
        "microcms-backup",
        &mut script,
    );
    String::from_utf8_lossy(&script).into_owned()
}
