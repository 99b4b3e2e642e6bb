//! How a run ended, as an outcome, an exit code, and one line of truth.

use crate::model::report::{Holdings, Verdict};
use crate::model::{
    ExitCode, Outcome, Problem, ProblemKind, Timestamp, WalkRecord, WalkVerdict, counted,
};

/// The facts that decide how a run ended.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    /// What stood in the way.
    pub problems: &'a [Problem],
    /// Every walk.
    pub walks: &'a [WalkRecord],
    /// Files owed after the run, failed ones included.
    pub owed_files: u64,
    /// Bodies owed after the run, refused ones included.
    pub owed_bodies: u64,
    /// Whether anything at all was done: a page recorded, a body or a file saved.
    pub has_progress: bool,
    /// The signal that stopped the run.
    pub interrupted: Option<ExitCode>,
    /// What the run was limited to, in words; `None`: it was about everything.
    pub limited_to: Option<&'a str>,
    /// What a dry run would have done, in words; empty if nothing. `None`: it was no dry run.
    pub planned: Option<&'a str>,
}

/// Decides the outcome and the exit code.
pub fn outcome(account: &Account<'_>) -> (Outcome, ExitCode) {
    if let Some(code) = account.interrupted {
        return (Outcome::Interrupted, code);
    }
    let has = |kind: ProblemKind| account.problems.iter().any(|problem| problem.kind == kind);
    let is_proven = account
        .walks
        .iter()
        .all(|walk| walk.verdict == WalkVerdict::Proven);
    let is_settled = account.owed_files == 0 && account.owed_bodies == 0;
    if account.problems.is_empty() && is_proven && is_settled {
        return (Outcome::Complete, ExitCode::Complete);
    }
    // A run of files alone that got none has failed at nothing but those: what was safe is saved.
    let is_only_owed = account.walks.is_empty()
        && account
            .problems
            .iter()
            .all(|problem| problem.kind == ProblemKind::Owed);
    let is_anything_safe = account.has_progress
        || is_only_owed
        || account
            .walks
            .iter()
            .any(|walk| walk.verdict == WalkVerdict::Proven);
    let outcome = if is_anything_safe {
        Outcome::Partial
    } else {
        Outcome::Failed
    };
    let code = if has(ProblemKind::Guard) {
        ExitCode::Guard
    } else if has(ProblemKind::Refused) {
        ExitCode::Refused
    } else if has(ProblemKind::Configuration) {
        ExitCode::Usage
    } else if outcome == Outcome::Failed {
        ExitCode::Failed
    } else {
        ExitCode::Partial
    };
    (outcome, code)
}

/// Forms the one line of truth: SAFE with what is held, or UNSAFE with why.
pub fn verdict_line(
    account: &Account<'_>,
    outcome: Outcome,
    holdings: &Holdings,
    as_of: Timestamp,
) -> Verdict {
    let held = held(holdings);
    match outcome {
        Outcome::Complete if account.planned.is_some_and(|plan| !plan.is_empty()) => Verdict {
            safe: false,
            line: format!(
                "UNSAFE until a real run: it would {}; saved so far: {held}",
                account.planned.unwrap_or_default()
            ),
        },
        Outcome::Complete => Verdict {
            safe: true,
            line: match account.limited_to {
                None => format!("SAFE as of {as_of}: {held}"),
                Some(part) => {
                    format!("SAFE as of {as_of}, {part} only (nothing else was looked at): {held}")
                }
            },
        },
        Outcome::Running | Outcome::Partial | Outcome::Failed | Outcome::Interrupted => Verdict {
            safe: false,
            line: format!("UNSAFE: {}; saved so far: {held}", reasons(account)),
        },
    }
}

/// Says what the backup holds, as every verdict does.
pub(super) fn held(holdings: &Holdings) -> String {
    format!(
        "{} media, {} in {}, {} ({})",
        holdings.media,
        counted(holdings.contents, "content", "contents"),
        counted(holdings.endpoints, "API", "APIs"),
        counted(holdings.files, "file", "files"),
        counted(holdings.bytes, "byte", "bytes")
    )
}

fn reasons(account: &Account<'_>) -> String {
    const SHOWN: usize = 3;
    let mut reasons = Vec::new();
    if account.interrupted.is_some() {
        reasons.push("the run was interrupted".to_owned());
    }
    let mut problems: Vec<&Problem> = account.problems.iter().collect();
    problems.sort_by_key(|problem| match problem.kind {
        ProblemKind::Guard => 0,
        ProblemKind::Refused => 1,
        ProblemKind::Configuration => 2,
        ProblemKind::Fault => 3,
        ProblemKind::Owed => 4,
        ProblemKind::Hook => 5,
    });
    reasons.extend(
        problems
            .iter()
            .take(SHOWN)
            .map(|problem| format!("{}: {}", problem.scope, problem.message)),
    );
    if let Some(more) = problems.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        reasons.push(counted(more as u64, "more problem", "more problems"));
    }
    if account.owed_bodies > 0 {
        reasons.push(counted(
            account.owed_bodies,
            "body is owed",
            "bodies are owed",
        ));
    }
    if account.owed_files > 0 {
        reasons.push(counted(
            account.owed_files,
            "file is owed",
            "files are owed",
        ));
    }
    if reasons.is_empty() {
        reasons.push("not every walk is proven".to_owned());
    }
    reasons.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Scope;

    const NOTHING: Account<'static> = Account {
        problems: &[],
        walks: &[],
        owed_files: 0,
        owed_bodies: 0,
        has_progress: true,
        interrupted: None,
        limited_to: None,
        planned: None,
    };

    fn problem(kind: ProblemKind) -> Problem {
        Problem {
            kind,
            scope: "media".to_owned(),
            message: "m".to_owned(),
            hint: None,
        }
    }

    fn walk(verdict: WalkVerdict) -> WalkRecord {
        let at = Timestamp::from_unix_millis(0);
        WalkRecord {
            scope: Scope::Media,
            pages: 1,
            total_count: Some(1),
            unique_ids: 1,
            duplicates: 0,
            restarts: 0,
            max_token_age_ms: None,
            verdict,
            detail: None,
            started_at: at,
            finished_at: at,
        }
    }

    #[test]
    fn complete_means_proven_and_nothing_owed() {
        assert_eq!(outcome(&NOTHING), (Outcome::Complete, ExitCode::Complete));
        let proven = [walk(WalkVerdict::Proven)];
        assert_eq!(
            outcome(&Account {
                walks: &proven,
                ..NOTHING
            })
            .1,
            ExitCode::Complete
        );
        let unproven = [walk(WalkVerdict::Unproven)];
        assert_eq!(
            outcome(&Account {
                walks: &unproven,
                ..NOTHING
            }),
            (Outcome::Partial, ExitCode::Partial)
        );
        assert_eq!(
            outcome(&Account {
                owed_files: 1,
                ..NOTHING
            })
            .1,
            ExitCode::Partial
        );
        assert_eq!(
            outcome(&Account {
                owed_bodies: 1,
                ..NOTHING
            })
            .1,
            ExitCode::Partial
        );
    }

    #[test]
    fn the_gravest_problem_gives_the_exit_code() {
        let code = |kinds: &[ProblemKind]| {
            let problems: Vec<_> = kinds.iter().map(|kind| problem(*kind)).collect();
            outcome(&Account {
                problems: &problems,
                ..NOTHING
            })
            .1
        };
        assert_eq!(code(&[ProblemKind::Owed]), ExitCode::Partial);
        assert_eq!(
            code(&[ProblemKind::Owed, ProblemKind::Configuration]),
            ExitCode::Usage
        );
        assert_eq!(
            code(&[ProblemKind::Configuration, ProblemKind::Refused]),
            ExitCode::Refused
        );
        assert_eq!(
            code(&[ProblemKind::Refused, ProblemKind::Guard]),
            ExitCode::Guard
        );
        let failed = [problem(ProblemKind::Fault)];
        let account = Account {
            problems: &failed,
            has_progress: false,
            ..NOTHING
        };
        assert_eq!(outcome(&account), (Outcome::Failed, ExitCode::Failed));
        // Files alone were asked for, and none came, or none was due.
        let owed = [problem(ProblemKind::Owed)];
        for problems in [&owed[..], &[]] {
            let files = Account {
                problems,
                owed_files: 1,
                ..account
            };
            assert_eq!(outcome(&files), (Outcome::Partial, ExitCode::Partial));
        }
        let listing = [walk(WalkVerdict::Failed)];
        let walked = Account {
            problems: &owed,
            walks: &listing,
            ..account
        };
        assert_eq!(outcome(&walked), (Outcome::Failed, ExitCode::Failed));
        let stopped = Account {
            interrupted: Some(ExitCode::Terminated),
            ..account
        };
        assert_eq!(
            outcome(&stopped),
            (Outcome::Interrupted, ExitCode::Terminated)
        );
    }

    #[test]
    fn the_line_says_safe_or_why_not() {
        let holdings = Holdings {
            endpoints: 2,
            contents: 3,
            media: 4,
            files: 4,
            bytes: 5,
        };
        let at = Timestamp::from_unix_millis(0);
        let safe = verdict_line(&NOTHING, Outcome::Complete, &holdings, at);
        assert_eq!(
            safe.line,
            "SAFE as of 1970-01-01T00:00:00.000Z: 4 media, 3 contents in 2 APIs, 4 files (5 bytes)"
        );
        let dry = Account {
            planned: Some("fetch 7 files"),
            ..NOTHING
        };
        let line = verdict_line(&dry, Outcome::Complete, &holdings, at).line;
        assert!(
            line.starts_with("UNSAFE until a real run: it would fetch 7 files; saved so far:"),
            "{line}"
        );
        let idle = Account {
            planned: Some(""),
            ..NOTHING
        };
        assert_eq!(verdict_line(&idle, Outcome::Complete, &holdings, at), safe);
        let part = Account {
            limited_to: Some("media"),
            ..NOTHING
        };
        let line = verdict_line(&part, Outcome::Complete, &holdings, at).line;
        assert!(
            line.contains(", media only (nothing else was looked at): 4 media"),
            "{line}"
        );
        let problems = [problem(ProblemKind::Owed), problem(ProblemKind::Guard)];
        let account = Account {
            problems: &problems,
            owed_files: 7,
            ..NOTHING
        };
        let line = verdict_line(&account, Outcome::Partial, &holdings, at).line;
        assert!(
            line.starts_with("UNSAFE: media: m; media: m; 7 files are owed; saved so far: 4 media"),
            "{line}"
        );
    }
}
