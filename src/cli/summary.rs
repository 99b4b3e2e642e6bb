//! What a run says to a person: at most ten lines, the last one the truth.

use bytesize::ByteSize;

use crate::model::report::ListedCounts;
use crate::model::{RunReport, counted, plain};

const MOST_LINES: usize = 10;

/// Returns the summary, each line ended by a newline.
pub(crate) fn of(report: &RunReport) -> String {
    let mut lines = counts(report);
    if let Some(forecast) = report.forecast {
        lines.push(format!(
            "forecast  about {} in {}, by the sizes of {} of them",
            ByteSize(forecast.bytes),
            counted(forecast.files, "file", "files"),
            forecast.asked
        ));
    }
    if let Some(budget) = &report.budget {
        lines.push(format!(
            "budget    {} of {} left in {}",
            ByteSize(budget.left),
            ByteSize(budget.limit),
            budget.month
        ));
    }
    if let Some(proof) = &report.proof {
        lines.push(format!("root      {}", proof.root));
    }
    if report.dry_run {
        lines.push("dry run   nothing was written".to_owned());
    }
    for note in &report.notes {
        lines.push(plain(&format!("note      {note}")));
    }
    lines.extend(problems(report, MOST_LINES.saturating_sub(lines.len() + 1)));
    lines.push(plain(&report.verdict.line));
    lines.join("\n") + "\n"
}

fn counts(report: &RunReport) -> Vec<String> {
    let (bodies, assets) = (&report.bodies, &report.assets);
    let requests: u64 = report.transfer.iter().map(|host| host.requests).sum();
    let bytes: u64 = report.transfer.iter().map(|host| host.bytes).sum();
    let refused = some(bodies.refused, "of them refused to the key");
    vec![
        format!("media     {}", listed(&report.media)),
        format!("contents  {}", listed(&report.contents)),
        format!(
            "bodies    {} saved, {} owed{refused}",
            bodies.saved, bodies.owed
        ),
        format!(
            "files     {} saved ({}){}{}, {} owed{}{}{}",
            assets.saved,
            ByteSize(assets.bytes),
            some(assets.unchanged, "unchanged"),
            some(assets.moved, "moved"),
            assets.owed,
            some(assets.failed, "failed"),
            some(assets.waiting, "waiting for another attempt"),
            some(assets.withheld, "over the month's budget"),
        ),
        format!(
            "transfer  {}, {}, {}",
            counted(requests, "request", "requests"),
            ByteSize(bytes),
            seconds(report.elapsed_ms)
        ),
    ]
}

fn listed(counts: &ListedCounts) -> String {
    format!(
        "{} seen{}{}{}{}{}",
        counts.seen,
        some(counts.new, "new"),
        some(counts.changed, "changed"),
        some(counts.returned, "returned"),
        some(counts.missing, "missing"),
        some(counts.deleted, "deleted"),
    )
}

/// A count worth a word only if it is not zero.
fn some(count: u64, word: &str) -> String {
    if count == 0 {
        String::new()
    } else {
        format!(", {count} {word}")
    }
}

fn seconds(elapsed_ms: u64) -> String {
    format!("{}.{} s", elapsed_ms / 1000, elapsed_ms % 1000 / 100)
}

/// The problems in at most `room` lines; what finds no room is counted.
fn problems(report: &RunReport, room: usize) -> Vec<String> {
    let line = |problem: &crate::model::Problem| {
        let hint = problem
            .hint
            .as_ref()
            .map(|hint| format!(" (hint: {hint})"))
            .unwrap_or_default();
        plain(&format!(
            "problem   {}: {}{hint}",
            problem.scope, problem.message
        ))
    };
    let all = report.problems.len();
    if all <= room {
        return report.problems.iter().map(line).collect();
    }
    let shown = room.saturating_sub(1);
    let mut lines: Vec<String> = report.problems.iter().take(shown).map(line).collect();
    lines.push(format!(
        "problem   and {} more; --json or --report lists them",
        all - shown
    ));
    lines
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::report::{AssetCounts, BodyCounts, Holdings, HostTransfer, REPORT_VERSION};
    use crate::model::{Outcome, Problem, ProblemKind, Timestamp, Verdict};

    /// The report of a run that went well.
    pub(in crate::cli) fn report() -> RunReport {
        RunReport {
            version: REPORT_VERSION,
            proof: None,
            notes: Vec::new(),
            owed_files: Vec::new(),
            owed_bodies: Vec::new(),
            program: "microcms-backup 0.1.0".to_owned(),
            service: "my-service".to_owned(),
            run_id: Some(1),
            dry_run: false,
            started_at: Timestamp::from_unix_millis(0),
            finished_at: Timestamp::from_unix_millis(3_250),
            elapsed_ms: 3_250,
            outcome: Outcome::Complete,
            exit_code: 0,
            verdict: Verdict {
                safe: true,
                line: "SAFE as of 2026-11-22T04:50:45Z: 250 media, 120 contents".to_owned(),
            },
            walks: Vec::new(),
            media: ListedCounts {
                seen: 250,
                new: 3,
                ..ListedCounts::default()
            },
            contents: ListedCounts {
                seen: 120,
                changed: 1,
                deleted: 2,
                ..ListedCounts::default()
            },
            bodies: BodyCounts {
                saved: 4,
                owed: 0,
                refused: 0,
            },
            assets: AssetCounts {
                saved: 3,
                bytes: 2_097_152,
                ..AssetCounts::default()
            },
            holdings: Holdings::default(),
            transfer: vec![
                HostTransfer {
                    host: "a".to_owned(),
                    requests: 5,
                    bytes: 1024,
                },
                HostTransfer {
                    host: "b".to_owned(),
                    requests: 3,
                    bytes: 1024,
                },
            ],
            budget: None,
            forecast: None,
            problems: Vec::new(),
            failed: Vec::new(),
            failed_total: 0,
        }
    }

    fn problem(message: &str) -> Problem {
        Problem {
            kind: ProblemKind::Owed,
            scope: "contents/blog".to_owned(),
            message: message.to_owned(),
            hint: Some("look".to_owned()),
        }
    }

    #[test]
    fn a_good_run_is_six_lines_that_end_with_the_verdict() {
        assert_eq!(
            of(&report()),
            "media     250 seen, 3 new\n\
             contents  120 seen, 1 changed, 2 deleted\n\
             bodies    4 saved, 0 owed\n\
             files     3 saved (2.0 MiB), 0 owed\n\
             transfer  8 requests, 2.0 KiB, 3.2 s\n\
             SAFE as of 2026-11-22T04:50:45Z: 250 media, 120 contents\n"
        );
    }

    #[test]
    fn however_many_problems_there_are_ten_lines_are_enough() {
        for (count, dry_run) in [(0, true), (4, false), (5, false), (100, false), (100, true)] {
            let problems = vec![problem("moved"); count];
            let text = of(&RunReport {
                problems,
                dry_run,
                ..report()
            });
            assert!(text.lines().count() <= 10, "{count}:\n{text}");
            assert!(
                text.lines()
                    .last()
                    .is_some_and(|line| line.starts_with("SAFE")),
                "{text}"
            );
            assert_eq!(text.contains("nothing was written"), dry_run);
            let shown = text
                .lines()
                .filter(|line| line.ends_with("moved (hint: look)"))
                .count();
            let more = format!(
                "problem   and {} more; --json or --report lists them",
                count - shown
            );
            assert_eq!(text.contains(&more), shown < count, "{text}");
        }
    }

    #[test]
    fn what_the_service_said_cannot_add_lines() {
        let problems = vec![problem("a\nSAFE as of now\u{1b}[A")];
        let text = of(&RunReport {
            problems,
            ..report()
        });
        assert_eq!(text.lines().count(), 7, "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}
