//! What a `verify` says: each difference on its own line as it is found, then the counts, the last line
//! the gist. Or all of it as one JSON object, written as it comes: a million differences take no memory.

use std::io;

use bytesize::ByteSize;
use serde_json::json;

use super::columns::pad;
use crate::model::{
    Checked, Compared, ComparedAll, Difference, DifferenceKind, Repair, TamperReport, VerifyHead,
    VerifyReport, VerifyScope, counted, plain,
};

/// How many differences a person is shown.
const SHOWN: u64 = 200;
const LABEL: usize = 10;

/// What prints.
pub(crate) struct Printer<W> {
    is_json: bool,
    head: VerifyHead,
    write: W,
    /// Differences that came.
    count: u64,
}

impl<W: FnMut(&str) -> io::Result<()>> Printer<W> {
    pub(crate) fn new(is_json: bool, head: VerifyHead, write: W) -> Self {
        Self {
            is_json,
            head,
            write,
            count: 0,
        }
    }

    /// Prints a difference.
    pub(crate) fn put(&mut self, difference: &Difference) -> io::Result<()> {
        self.count += 1;
        if self.is_json {
            let begin = match self.count {
                1 => opening(&self.head),
                _ => ",".to_owned(),
            };
            return (self.write)(&format!("{begin}\n    {}", json!(difference)));
        }
        if self.count <= SHOWN {
            (self.write)(&line(difference))
        } else {
            Ok(())
        }
    }

    /// Prints the end.
    pub(crate) fn finish(mut self, report: &VerifyReport) -> io::Result<()> {
        let text = if self.is_json {
            self.closing(&json!(report))
        } else {
            summary(&self.head, report, self.count)
        };
        (self.write)(&text)
    }

    /// Ends JSON that was begun, where the work failed.
    pub(crate) fn fail(mut self, error: &str, exit_code: u8) -> io::Result<()> {
        if !self.is_json {
            return Ok(());
        }
        let text = self.closing(&json!({ "exit_code": exit_code, "trouble": error }));
        (self.write)(&text)
    }

    /// Returns the end of the list and what comes after it in the same object.
    fn closing(&self, rest: &serde_json::Value) -> String {
        let begin = match self.count {
            0 => opening(&self.head) + "]",
            _ => "\n  ]".to_owned(),
        };
        let rest = serde_json::to_string_pretty(rest).unwrap_or_default();
        let rest = rest.strip_prefix('{').unwrap_or(&rest);
        format!("{begin},{rest}\n")
    }
}

/// Returns the head as an object whose list of differences is open.
fn opening(head: &VerifyHead) -> String {
    let head = serde_json::to_string_pretty(head).unwrap_or_default();
    let head = head.strip_suffix("\n}").unwrap_or(&head);
    format!("{head},\n  \"differences\": [")
}

fn line(difference: &Difference) -> String {
    let Difference {
        thing,
        place,
        expected,
        found,
        remedy,
        ..
    } = difference;
    let remedy = match difference.repair {
        None => remedy.clone(),
        Some(Repair::Restored) => format!("repaired: {remedy}"),
        Some(Repair::OwedAgain) => format!("owed again: {remedy}"),
        Some(Repair::SetAside) => format!("set aside: {remedy}"),
        Some(Repair::Impossible) => format!("not repaired: {remedy}"),
        Some(Repair::Failed) => format!("not repaired, it failed: {remedy}"),
    };
    let kind = word(difference.kind);
    // Names come from outside, and a database that was damaged holds anything.
    plain(&format!(
        "{}{place}: {thing}: expected {expected}; found {found}; {remedy}",
        pad(kind, 15)
    )) + "\n"
}

fn word(kind: DifferenceKind) -> &'static str {
    match kind {
        DifferenceKind::Missing => "missing",
        DifferenceKind::Size => "size",
        DifferenceKind::Bytes => "bytes",
        DifferenceKind::NotAFile => "not-a-file",
        DifferenceKind::Unreadable => "unreadable",
        DifferenceKind::Unknown => "unknown",
        DifferenceKind::Structure => "structure",
        DifferenceKind::Schema => "schema",
        DifferenceKind::Row => "row",
        DifferenceKind::Timeline => "timeline",
        DifferenceKind::Runs => "runs",
        DifferenceKind::Tampered => "tampered",
        DifferenceKind::MissingHere => "missing-here",
        DifferenceKind::MissingThere => "missing-there",
        DifferenceKind::Differs => "differs",
        DifferenceKind::Unverifiable => "unverifiable",
    }
}

/// Returns the counts and the gist, each line ended by a newline.
fn summary(head: &VerifyHead, report: &VerifyReport, told: u64) -> String {
    let mut lines = Vec::new();
    if told > SHOWN {
        lines.push(format!("… and {} more; --json has them all", told - SHOWN));
    }
    lines.extend(
        report
            .database
            .map(|count| checked("database", "checks", &count)),
    );
    lines.extend(report.log.iter().flat_map(log));
    lines.extend(
        report
            .mirror
            .map(|count| checked("mirror", "files", &count)),
    );
    lines.extend(
        report
            .archive
            .map(|count| checked("archive", "files", &count)),
    );
    if report.mirror.is_some() {
        let share = head
            .subset
            .as_ref()
            .map(|share| {
                format!(", {share} of all by their names; of the others existence and length")
            })
            .unwrap_or_default();
        let files = counted(report.files_read, "file", "files");
        let bytes = ByteSize(report.bytes_read);
        lines.push(row("read", &format!("{files}, {bytes}{share}")));
    }
    lines.extend(report.remote.iter().flat_map(compared));
    lines.extend(report.notes.iter().map(|note| row("note", &plain(note))));
    lines.push(gist(head, report));
    lines.join("\n") + "\n"
}

/// What the database says of itself: the log, the root that was named, and the newest one, to be kept.
fn log(log: &TamperReport) -> Vec<String> {
    let mut lines = vec![row(
        "log",
        &format!(
            "{} versions against {} entries, of which {} proved all but {}",
            log.versions,
            log.entries,
            counted(log.runs, "run", "runs"),
            log.unproven_entries
        ),
    )];
    lines.extend(log.since.as_ref().map(|since| {
        let text = format!(
            "root {} of run {}, which ended at {}: {} entries then; `prune` removed {} of those versions since",
            since.root.short(),
            since.run_id,
            plain(&since.finished_at),
            since.log_size,
            log.pruned_since
        );
        row("since", &text)
    }));
    lines.extend(log.newest.map(|newest| {
        row(
            "root",
            &format!("{} of run {}", newest.proof.root, newest.run_id),
        )
    }));
    lines
}

fn row(label: &str, text: &str) -> String {
    format!("{}{text}", pad(label, LABEL))
}

fn checked(label: &str, what: &str, count: &Checked) -> String {
    let Checked {
        checked,
        good,
        different,
        skipped,
    } = count;
    let skipped = match skipped {
        0 => String::new(),
        _ => format!(", {skipped} not saved (owed, failed, gone or accepted as lost)"),
    };
    row(
        label,
        &format!("{checked} {what}: {good} good, {different} different{skipped}"),
    )
}

fn compared(all: &ComparedAll) -> [String; 4] {
    let line = |label, count: &Compared| {
        let Compared {
            compared,
            same,
            differs,
            missing_here,
            missing_there,
            unverifiable,
        } = count;
        row(
            label,
            &format!(
                "{compared} compared: {same} the same, {differs} differ, {missing_here} missing here, \
                 {missing_there} missing there, {unverifiable} unverifiable"
            ),
        )
    };
    [
        line("APIs", &all.apis),
        line("contents", &all.contents),
        line("media", &all.media),
        line("lengths", &all.files),
    ]
}

fn gist(head: &VerifyHead, report: &VerifyReport) -> String {
    let (count, left) = (report.difference_count, report.left());
    let differences = counted(count, "difference", "differences");
    if matches!(report.exit_code, 130 | 143) {
        return format!("stopped before everything was looked at; {differences} so far");
    }
    let what = match head.scope {
        VerifyScope::Everything => "the backup is what its records say",
        VerifyScope::Database => "the database is sound",
        VerifyScope::Remote => {
            "the backup has what the service has, by ids, metadata and the lengths of files"
        }
    };
    if let Some(trouble) = report.trouble.as_ref().filter(|_| left == 0) {
        return plain(&format!("NOT VERIFIED: {trouble}"));
    }
    let trouble = match &report.trouble {
        Some(trouble) => format!("; besides, {trouble}"),
        None => String::new(),
    };
    let accepted = match report.accepted {
        0 => String::new(),
        accepted => format!(", {accepted} accepted as lost"),
    };
    let text = if count == 0 && head.subset.is_some() {
        format!("VERIFIED: {what}, as far as this part of the files tells")
    } else if count == 0 {
        format!("VERIFIED: {what}")
    } else if !head.is_repair {
        format!("DIFFERENT: {differences} ({}){trouble}", kinds(report))
    } else if left == 0 {
        format!(
            "REPAIRED: {differences}, none is left{accepted}; what is owed again comes with the next `sync`"
        )
    } else {
        format!(
            "DIFFERENT: {differences}, {} of them repaired, {left} left",
            report.repaired
        )
    };
    plain(&text)
}

fn kinds(report: &VerifyReport) -> String {
    let parts: Vec<String> = report
        .kinds
        .iter()
        .filter(|(kind, _)| **kind != DifferenceKind::Unverifiable)
        .map(|(kind, count)| format!("{count} {}", word(*kind)))
        .collect();
    parts.join(", ")
}
