//! What is owed after a run, and what is in the way.

use super::super::RunError;
use super::super::run::Run;
use super::ask::{CLOSED, HIDDEN};
use crate::model::{ProblemKind, counted};

/// Adds up what is owed, and says per API what is in the way.
pub(in crate::sync) async fn account(run: &Run) -> Result<(), RunError> {
    let (totals, problems) = run
        .store(|store| Ok((store.body_counts()?, store.body_problems()?)))
        .await?;
    {
        let mut sheet = run.sheet();
        sheet.bodies.owed = totals.owed;
        sheet.bodies.refused = totals.refused;
    }
    let (forbidden, may_read_nothing) = {
        let sheet = run.sheet();
        (sheet.forbidden.clone(), sheet.may_read_nothing)
    };
    for problem in problems {
        let scope = format!("bodies/{}", problem.endpoint);
        let reason = problem.example_error.as_deref();
        let example = reason
            .map(|error| format!(", for example: {error}"))
            .unwrap_or_default();
        let refused = match problem.refused {
            0 => String::new(),
            refused => format!(", {refused} of them refused to the key"),
        };
        let owed = counted(problem.owed, "body is owed", "bodies are owed");
        let message = format!("{owed}{refused}{example}");
        let no = forbidden.get(&problem.endpoint);
        // A key that may read no API at all is a permission problem; one API of several is not.
        let kind = match no {
            Some(_) if may_read_nothing => ProblemKind::Refused,
            Some(_) | None => ProblemKind::Owed,
        };
        let hint = match no {
            Some(hint) => hint.clone(),
            None if problem.refused > 0 => reason.and_then(remedy).map(str::to_owned),
            None => None,
        };
        run.problem(kind, &scope, message, hint);
    }
    Ok(())
}

/// Says what a person can do about a refusal that is not the whole API's.
fn remedy(reason: &str) -> Option<&'static str> {
    match reason {
        CLOSED => Some(
            "give the key the right `公開終了コンテンツの全取得` (all closed contents); it needs the GET right as well",
        ),
        HIDDEN => Some(
            "use a key without the right to all drafts: each draft is read with its own draft key",
        ),
        _ => None,
    }
}
