//! Guards that tripped: a person has to look, and may then confirm with one number.

use super::run::{Run, Sheet};
use crate::model::ProblemKind;

/// Notes that a listing lacks more than is believed: `missing` of its `things`.
pub(super) fn trip(run: &Run, scope: &str, why: String, missing: u64, things: &str) {
    let hint = format!(
        "nothing of it was marked as deleted; if these {missing} {things} really were deleted, confirm once with \
         --allow-deletes {missing}"
    );
    run.problem(ProblemKind::Guard, scope, why, Some(hint));
    run.sheet().guarded.push(missing);
}

/// Adds the number that confirms all of them, where several tripped: what a person allows is for the whole run.
pub(super) fn sum_up(sheet: &mut Sheet) {
    if sheet.guarded.len() < 2 {
        return;
    }
    let all: u64 = sheet.guarded.iter().sum();
    let several = format!("; for what all the guards of this run stopped, --allow-deletes {all}");
    for problem in &mut sheet.problems {
        if let (ProblemKind::Guard, Some(hint)) = (problem.kind, &mut problem.hint)
            && hint.contains("--allow-deletes ")
        {
            hint.push_str(&several);
        }
    }
}
