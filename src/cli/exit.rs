//! The exit codes in words. The numbers are [`ExitCode`]'s; this is what people read.

use crate::model::ExitCode;

/// Every exit code with its meaning, in the order of the numbers.
const TABLE: [(ExitCode, &str); 10] = [
    (ExitCode::Complete, "complete and proven"),
    (ExitCode::Failed, "failed"),
    (ExitCode::Usage, "wrong usage or configuration"),
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
    (ExitCode::Locked, "another run holds the lock"),
    (
        ExitCode::Interrupted,
        "stopped by SIGINT, the state is consistent",
    ),
    (
        ExitCode::Terminated,
        "stopped by SIGTERM, the state is consistent",
    ),
];

/// Returns the table of the exit codes, set under `text`.
pub(crate) fn with_table(text: &str) -> String {
    with_own(text, &TABLE)
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
