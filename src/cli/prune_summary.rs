//! What a `prune` says to a person: a few lines, the last one the gist.

use bytesize::ByteSize;

use crate::model::{PruneReport, PrunedTables, Timestamp, counted, plain};

/// Returns the summary, each line ended by a newline.
pub(crate) fn of(report: &PruneReport) -> String {
    let mut lines = Vec::new();
    if !keeps_everything(report) {
        lines.extend(counts(report));
        lines.extend(report.database_free_bytes.map(|bytes| {
            format!(
                "database  its file keeps its size, {} within it are free for new rows",
                ByteSize(bytes)
            )
        }));
        lines.extend(troubles(report));
    }
    lines.push(gist(report));
    lines.join("\n") + "\n"
}

fn keeps_everything(report: &PruneReport) -> bool {
    report.superseded_before.is_none() && report.deleted_before.is_none()
}

fn counts(report: &PruneReport) -> [String; 3] {
    let (rows, files) = (&report.rows, &report.files);
    let (goes, freed) = if report.dry_run {
        ("would go", "to free")
    } else {
        ("removed", "freed")
    };
    [
        format!(
            "versions  {} {goes}{}",
            rows.versions(),
            kinds(rows, |rows| {
                [
                    (rows.endpoints.versions, ["of APIs"; 2]),
                    (rows.contents.versions, ["of contents"; 2]),
                    (rows.media.versions, ["of media"; 2]),
                    (rows.assets.versions, ["of files"; 2]),
                ]
            })
        ),
        format!(
            "deleted   {} {goes}{}",
            rows.deleted(),
            kinds(rows, |rows| {
                [
                    (rows.endpoints.deleted, ["API", "APIs"]),
                    (rows.contents.deleted, ["content", "contents"]),
                    (rows.media.deleted, ["medium", "media"]),
                    (0, [""; 2]),
                ]
            })
        ),
        format!(
            "files     {} {goes}, {} from the mirror and {} from the archive, {} {freed}",
            files.removed(),
            files.mirror,
            files.archive,
            ByteSize(files.bytes)
        ),
    ]
}

/// What a sum is made of, in parentheses; empty if of nothing.
fn kinds(
    rows: &PrunedTables,
    parts: impl Fn(&PrunedTables) -> [(u64, [&'static str; 2]); 4],
) -> String {
    let parts: Vec<String> = parts(rows)
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, [one, many])| counted(*count, one, many))
        .collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!(" ({})", parts.join(", "))
    }
}

fn troubles(report: &PruneReport) -> Vec<String> {
    let files = &report.files;
    let mut lines = Vec::new();
    if files.moved > 0 {
        lines.push(format!(
            "moved     {} from the mirror to the archive: what stays needs the bytes",
            counted(files.moved, "file", "files")
        ));
    }
    if files.left > 0 {
        lines.push(format!(
            "left      {} in the mirror whose bytes are not those that were recorded",
            counted(files.left, "file", "files")
        ));
    }
    lines.extend(report.problems.iter().map(|problem| {
        let hint = problem
            .hint
            .as_ref()
            .map(|hint| format!(" (hint: {hint})"))
            .unwrap_or_default();
        plain(&format!(
            "problem   {}, for example: {}{hint}",
            counted(files.failed, "file", "files"),
            problem.message
        ))
    }));
    lines
}

fn gist(report: &PruneReport) -> String {
    if keeps_everything(report) {
        return "nothing to do: `retention.superseded` and `retention.deleted` are \"forever\""
            .to_owned();
    }
    let bytes = ByteSize(report.files.bytes);
    let what = what(report);
    match (report.exit_code, report.dry_run) {
        (130 | 143, true) => {
            "stopped before everything was looked at; nothing was removed".to_owned()
        }
        (130 | 143, false) => format!(
            "stopped, {bytes} freed so far: the next `prune` goes on ({})",
            counted(report.waiting, "file waits", "files wait")
        ),
        (_, true) => format!("would free {bytes}: {what}; nothing was removed"),
        (_, false) if report.waiting > 0 => format!(
            "freed {bytes}; {} for the next `prune`",
            counted(
                report.waiting,
                "file could not be removed and waits",
                "files could not be removed and wait"
            )
        ),
        (_, false) => format!("freed {bytes}: {what} is gone"),
    }
}

fn what(report: &PruneReport) -> String {
    let part = |verb: &str, time: Option<Timestamp>| {
        time.map(|time| format!("what was {verb} before {time}"))
    };
    let parts: Vec<String> = [
        part("superseded", report.superseded_before),
        part("deleted", report.deleted_before),
    ]
    .into_iter()
    .flatten()
    .collect();
    parts.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::retention::PRUNE_REPORT_VERSION;
    use crate::model::{Problem, ProblemKind, PrunedFiles, PrunedRows};

    fn report() -> PruneReport {
        let time = |text| Timestamp::parse(text).expect("a time");
        let rows = |versions, deleted| PrunedRows { versions, deleted };
        PruneReport {
            version: PRUNE_REPORT_VERSION,
            program: "microcms-backup 0.0.0".to_owned(),
            service: "my-service".to_owned(),
            dry_run: false,
            started_at: time("2026-11-22T05:00:00Z"),
            finished_at: time("2026-11-22T05:00:01Z"),
            exit_code: 0,
            superseded_before: Some(time("2025-11-22T05:00:00Z")),
            deleted_before: Some(time("2026-05-26T05:00:00Z")),
            rows: PrunedTables {
                endpoints: rows(0, 1),
                contents: rows(300, 15),
                media: rows(20, 3),
                assets: rows(22, 3),
            },
            files: PrunedFiles {
                mirror: 3,
                archive: 18,
                bytes: 12_900_000,
                ..PrunedFiles::default()
            },
            waiting: 0,
            database_free_bytes: Some(2_048),
            problems: Vec::new(),
        }
    }

    #[test]
    fn a_prune_says_what_went_and_what_that_freed() {
        assert_eq!(
            of(&report()),
            "versions  342 removed (300 of contents, 20 of media, 22 of files)\n\
             deleted   19 removed (1 API, 15 contents, 3 media)\n\
             files     21 removed, 3 from the mirror and 18 from the archive, 12.3 MiB freed\n\
             database  its file keeps its size, 2.0 KiB within it are free for new rows\n\
             freed 12.3 MiB: what was superseded before 2025-11-22T05:00:00.000Z and what was deleted before \
             2026-05-26T05:00:00.000Z is gone\n"
        );
    }

    #[test]
    fn a_dry_run_says_that_nothing_went() {
        let dry = PruneReport {
            dry_run: true,
            deleted_before: None,
            database_free_bytes: None,
            ..report()
        };
        assert_eq!(
            of(&dry),
            "versions  342 would go (300 of contents, 20 of media, 22 of files)\n\
             deleted   19 would go (1 API, 15 contents, 3 media)\n\
             files     21 would go, 3 from the mirror and 18 from the archive, 12.3 MiB to free\n\
             would free 12.3 MiB: what was superseded before 2025-11-22T05:00:00.000Z; nothing was removed\n"
        );
    }

    #[test]
    fn without_a_setting_it_is_one_line() {
        let forever = PruneReport {
            superseded_before: None,
            deleted_before: None,
            rows: PrunedTables::default(),
            files: PrunedFiles::default(),
            ..report()
        };
        assert_eq!(
            of(&forever),
            "nothing to do: `retention.superseded` and `retention.deleted` are \"forever\"\n"
        );
    }

    #[test]
    fn trouble_and_a_stop_are_told_with_what_waits() {
        let mut troubled = report();
        troubled.exit_code = 3;
        troubled.waiting = 2;
        troubled.files.failed = 2;
        troubled.files.left = 1;
        troubled.files.moved = 4;
        troubled.problems.push(Problem {
            kind: ProblemKind::Fault,
            scope: "files".to_owned(),
            message: "cannot remove `a\u{1b}[2J`".to_owned(),
            hint: Some("look".to_owned()),
        });
        let text = of(&troubled);
        let lines: Vec<&str> = text.lines().skip(4).collect();
        assert_eq!(
            lines,
            [
                "moved     4 files from the mirror to the archive: what stays needs the bytes",
                "left      1 file in the mirror whose bytes are not those that were recorded",
                "problem   2 files, for example: cannot remove `a\u{fffd}[2J` (hint: look)",
                "freed 12.3 MiB; 2 files could not be removed and wait for the next `prune`",
            ]
        );
        troubled.exit_code = 143;
        assert!(of(&troubled).ends_with(
            "\nstopped, 12.3 MiB freed so far: the next `prune` goes on (2 files wait)\n"
        ));
        troubled.dry_run = true;
        assert!(
            of(&troubled)
                .ends_with("\nstopped before everything was looked at; nothing was removed\n")
        );
    }
}
