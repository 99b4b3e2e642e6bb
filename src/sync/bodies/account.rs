//! What is owed after a run, and what is in the way.

use super::super::RunError;
use super::super::run::Run;
use super::ask::{CLOSED, EQUAL, HIDDEN};
use crate::model::{Endpoint, ProblemKind, counted};
use crate::store::BodyProblem;

/// The bodies that are owed after a run.
#[derive(Debug)]
pub(in crate::sync) struct Debts {
    /// What counts, by API.
    counted: Vec<BodyProblem>,
    /// What does not, because the configuration leaves its API out: nobody asks for it, so that it could never be
    /// settled.
    left_out: Vec<BodyProblem>,
}

/// Returns the bodies that are owed.
pub(in crate::sync) async fn debts(run: &Run) -> Result<Debts, RunError> {
    let problems = run.store(|store| store.body_problems()).await?;
    let (left_out, counted) = problems
        .into_iter()
        .partition(|problem| run.options.leaves_out(&problem.endpoint));
    Ok(Debts { counted, left_out })
}

impl Debts {
    /// Returns the APIs that owe something and are left out.
    pub(in crate::sync) fn left_out(&self) -> Vec<Endpoint> {
        let names = self.left_out.iter().map(|problem| problem.endpoint.clone());
        names.collect()
    }

    /// Says what is left out, and the way back.
    pub(in crate::sync) fn note(&self) -> Option<String> {
        let first = &self.left_out.first()?.endpoint;
        let bodies = self.left_out.iter().map(|problem| problem.owed).sum();
        let bodies = counted(bodies, "body is", "bodies are");
        let (what, them) = match self.left_out.len() {
            1 => (format!("`{first}` is"), "it is"),
            all => (format!("{all} APIs, such as `{first}`, are"), "they are"),
        };
        Some(format!(
            "{what} not in `service.endpoints`: {bodies} missing here until {them} named there again"
        ))
    }
}

/// Adds up what is owed, and says per API what is in the way.
pub(in crate::sync) fn account(run: &Run, debts: &Debts) {
    {
        let mut sheet = run.sheet();
        sheet.bodies.owed = debts.counted.iter().map(|problem| problem.owed).sum();
        sheet.bodies.refused = debts.counted.iter().map(|problem| problem.refused).sum();
    }
    let (forbidden, may_read_nothing) = {
        let sheet = run.sheet();
        (sheet.forbidden.clone(), sheet.may_read_nothing)
    };
    for problem in &debts.counted {
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
        EQUAL => Some(
            "if the key has the right to all drafts, use one without it; if it has not, publish the draft or discard it",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_told_in_one_line_with_the_way_back() {
        let note = |owed: &[(&str, u64)]| {
            let left_out = owed.iter().map(|(endpoint, owed)| BodyProblem {
                endpoint: Endpoint::parse(endpoint).unwrap(),
                owed: *owed,
                refused: 0,
                example_error: None,
            });
            let debts = Debts {
                counted: Vec::new(),
                left_out: left_out.collect(),
            };
            debts.note()
        };
        assert_eq!(note(&[]), None);
        assert_eq!(
            note(&[("members", 1)]).unwrap(),
            "`members` is not in `service.endpoints`: 1 body is missing here until it is named there again"
        );
        assert_eq!(
            note(&[("members", 1), ("staff", 2)]).unwrap(),
            "2 APIs, such as `members`, are not in `service.endpoints`: 3 bodies are missing here until they are named \
             there again"
        );
    }
}
