//! The exit codes in words. The numbers are [`ExitCode`]'s; this is what people read.

use crate::model::ExitCode;

/// What means the same at the end of every command that can end so.
pub(super) const USAGE: (ExitCode, &str) = (ExitCode::Usage, "wrong usage or configuration");
pub(super) const LOCKED: (ExitCode, &str) = (ExitCode::Locked, "another run holds the lock");
pub(super) const INTERRUPTED: (ExitCode, &str) = (
    ExitCode::Interrupted,
    "stopped by SIGINT, the state is consistent",
);
pub(super) const TERMINATED: (ExitCode, &str) = (
    ExitCode::Terminated,
    "stopped by SIGTERM, the state is consistent",
);

/// Every exit code with its meaning, in the order of the numbers.
const TABLE: [(ExitCode, &str); 10] = [
    (ExitCode::Complete, "complete and proven"),
    (ExitCode::Failed, "failed"),
    USAGE,
    (
        ExitCode::Partial,
        "partial: what was safe is saved, the report lists what is owed",
    ),
    (
        ExitCode::Refused,
        "the key, a permission or the plan is in the way",
    ),
    (ExitCode::Guard, "a guard tripped: a person must look"),
    (
        ExitCode::Difference,
        "`verify` found a difference, or `status` is UNSAFE",
    ),
    LOCKED,
    INTERRUPTED,
    TERMINATED,
];

/// Returns the table of the exit codes, set under `text`.
pub(crate) fn with_table(text: &str) -> String {
    with_own(text, &TABLE)
}

/// The same for a run, which is neither a `verify` nor a `status`.
pub(crate) fn with_table_of_runs(text: &str) -> String {
    let own: Vec<(ExitCode, &str)> = TABLE
        .into_iter()
        .filter(|(exit, _)| *exit != ExitCode::Difference)
        .collect();
    with_own(text, &own)
}

/// The same for a command that ends with some of them alone, and means them in its own way.
pub(crate) fn with_own(text: &str, own: &[(ExitCode, &str)]) -> String {
    let lines: Vec<String> = own
        .iter()
        .map(|(exit, words)| format!("\n  {:>3}  {words}", exit.code()))
        .collect();
    format!("{text}\n\nExit codes:{}", lines.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_the_codes_alone_that_it_can_end_with() {
        use clap::CommandFactory as _;
        let codes = |command: &str| -> Vec<u8> {
            let mut cli = super::super::args::Cli::command();
            let command = cli.find_subcommand_mut(command).expect("a command");
            let text = command.render_long_help().to_string();
            let (_, table) = text.split_once("Exit codes:").expect("a table");
            let words = table
                .lines()
                .filter_map(|line| line.split_whitespace().next());
            words.filter_map(|word| word.parse().ok()).collect()
        };
        assert_eq!(codes("sync"), [0, 1, 2, 3, 4, 5, 11, 130, 143]);
        assert_eq!(codes("prune"), [0, 1, 2, 3, 11, 130, 143]);
    }

    #[test]
    fn the_table_is_the_one_of_the_design() {
        let codes: Vec<u8> = TABLE.iter().map(|(exit, _)| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 11, 130, 143]);
        let text = with_table("Examples:");
        assert!(
            text.starts_with("Examples:\n\nExit codes:\n    0  complete and proven\n"),
            "{text}"
        );
        assert!(
            text.ends_with("\n  143  stopped by SIGTERM, the state is consistent"),
            "{text}"
        );
    }
}
