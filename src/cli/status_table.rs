//! What `status` says to a person: the truth first, then at most two dozen lines. On a terminal each fits
//! its width; for a reader that is none, such as a mail from cron or a pager, none is cut.

use bytesize::ByteSize;

use super::columns::{WIDTH, fit, pad, wrap};
use super::status::{DiskSpace, Place, Status};
use crate::model::backup::{EndpointState, RunLine};
use crate::model::{BackupState, Outcome, Timestamp, VerifyState, counted, plain, span};

/// Columns of the labels on the left.
const LABEL: usize = 10;
const ROOM: usize = WIDTH - LABEL;
const RUNS: usize = 5;
const NOTES: usize = 2;
const CONTENTS_LINES: usize = 2;
const BODIES_LINES: usize = 2;
const FAILED: usize = 3;

/// Returns the text, each line ended by a newline. Lines but the first are cut at `terminal` columns (but
/// not below [`WIDTH`], which every line is made for) where there is one.
pub(crate) fn of(status: &Status, terminal: Option<usize>) -> String {
    let mut table = Table {
        lines: vec![plain(&status.judgement.line)],
        room: terminal.map(|columns| columns.max(WIDTH) - LABEL),
    };
    if let Some(hint) = &status.hint {
        table.wrapped("hint", hint, usize::MAX);
    }
    let notes = status.judgement.notes.iter().take(NOTES);
    table.rows("note", notes.cloned());
    let Some(backup) = &status.backup else {
        return table.text();
    };
    table.rows(
        "runs",
        backup
            .runs
            .iter()
            .take(RUNS)
            .map(|run| run_line(status, run)),
    );
    unproven(&mut table, backup);
    contents(&mut table, backup);
    bodies(&mut table, backup);
    files(&mut table, status, backup);
    transfer(&mut table, status, backup);
    disk(&mut table, status);
    let root = backup.proof.map(|proof| proof.proof.root.to_string());
    table.rows("root", root);
    let verified = backup.verify.as_ref();
    table.rows("verified", verified.map(|last| verified_line(status, last)));
    table.rows("now", [lock(status)]);
    let next = status.next_run.map(|next| when(next, status.now));
    table.rows("next run", next);
    table.text()
}

/// Lines with a label on the first of each kind.
struct Table {
    lines: Vec<String>,
    /// Columns beside the label; `None` if lines may have any length.
    room: Option<usize>,
}

impl Table {
    fn rows(&mut self, label: &str, rows: impl IntoIterator<Item = String>) {
        for (index, row) in rows.into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            let row = match self.room {
                Some(room) => fit(&row, room),
                None => plain(&row),
            };
            self.lines.push(pad(label, LABEL) + &row);
        }
    }

    /// A row that may go on in the next line, up to `most` lines.
    fn wrapped(&mut self, label: &str, text: &str, most: usize) {
        let mut lines = wrap(text, ROOM);
        if lines.len() > most {
            let rest = lines.split_off(most).join(" ");
            if let Some(last) = lines.last_mut() {
                *last = format!("{last} {rest}");
            }
        }
        self.rows(label, lines);
    }

    fn text(self) -> String {
        self.lines.join("\n") + "\n"
    }
}

fn run_line(status: &Status, run: &RunLine) -> String {
    let is_under_way = status.judgement.under_way == Some(run.id);
    let outcome = match run.outcome {
        Outcome::Running if is_under_way => "under way",
        Outcome::Running if status.lock.is_held == Some(false) => "died",
        Outcome::Running
        | Outcome::Complete
        | Outcome::Partial
        | Outcome::Failed
        | Outcome::Interrupted => run.outcome.as_str(),
    };
    let ago = match status.now.since(run.began()) {
        Some(age) => format!("{} ago", about(&span(age))),
        None => "ahead".to_owned(),
    };
    let took = run
        .finished_at
        .and_then(|end| end.since(run.started_at))
        .map(span)
        .unwrap_or_default();
    let mut tail = Vec::new();
    if let Some(code) = run.exit_code.filter(|code| *code != 0) {
        tail.push(format!("exit {code}"));
    }
    if let Some(part) = run.part() {
        tail.push(format!("{part} only"));
    }
    let columns = [
        pad(&format!("#{}", run.id), 7),
        pad(outcome, 12),
        pad(&minute(run.started_at), 18),
        pad(&ago, 11),
        pad(&took, 11),
        tail.join(", "),
    ];
    columns.concat().trim_end().to_owned()
}

/// What the last run could not prove, the first of it in words.
fn unproven(table: &mut Table, backup: &BackupState) {
    let Some(first) = backup.unproven.first() else {
        return;
    };
    let detail = first.detail.as_deref().unwrap_or("no reason was recorded");
    let more = match backup.unproven.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let verdict = first.verdict.as_str();
    table.rows(
        "listing",
        [format!("{} is {verdict}{more}: {detail}", first.scope)],
    );
}

fn contents(table: &mut Table, backup: &BackupState) {
    let mut items: Vec<String> = backup
        .endpoints
        .iter()
        .map(|endpoint| {
            let schema = if endpoint.has_schema {
                ""
            } else {
                " (no schema)"
            };
            format!("{} {}{schema}", endpoint.endpoint, endpoint.contents)
        })
        .collect();
    if items.is_empty() {
        return;
    }
    let all = items.len();
    loop {
        let more = match all - items.len() {
            0 => String::new(),
            more => format!(" and {more} more APIs"),
        };
        let text = items.join(", ") + &more;
        if items.len() <= 1 || wrap(&text, ROOM).len() <= CONTENTS_LINES {
            table.wrapped("contents", &text, CONTENTS_LINES);
            return;
        }
        items.pop();
    }
}

fn bodies(table: &mut Table, backup: &BackupState) {
    // What the others owe is told in a note.
    let kept = |endpoint: &&EndpointState| !endpoint.is_left_out;
    let sum = |of: fn(&EndpointState) -> u64| -> u64 {
        backup.endpoints.iter().filter(kept).map(of).sum()
    };
    let (owed, refused) = (sum(|e| e.bodies_owed), sum(|e| e.bodies_refused));
    if owed + refused == 0 {
        table.rows("bodies", ["none owed".to_owned()]);
        return;
    }
    table.rows(
        "bodies",
        [format!("{owed} owed, {refused} refused to the key")],
    );
    let mut troubled: Vec<&EndpointState> = backup
        .endpoints
        .iter()
        .filter(kept)
        .filter(|endpoint| endpoint.bodies_missing() > 0)
        .collect();
    troubled.sort_by_key(|endpoint| std::cmp::Reverse(endpoint.bodies_refused));
    table.rows(
        "",
        troubled.into_iter().take(BODIES_LINES).map(|endpoint| {
            let (owed, refused) = (endpoint.bodies_owed, endpoint.bodies_refused);
            let counts = match (owed, refused) {
                (0, refused) => format!("{refused} refused"),
                (owed, 0) => format!("{owed} owed"),
                (owed, refused) => format!("{refused} refused, {owed} owed"),
            };
            let error = endpoint
                .bodies_error
                .as_deref()
                .unwrap_or("not asked for yet");
            format!("{}: {counts}: {error}", endpoint.endpoint)
        }),
    );
}

fn files(table: &mut Table, status: &Status, backup: &BackupState) {
    let files = &backup.files;
    // Not all hosts have told, so it may be more.
    let size = match files.owed_bytes {
        0 => String::new(),
        bytes => format!(" (at least {})", ByteSize(bytes)),
    };
    let mut parts = vec![
        format!("{} saved", files.saved),
        format!("{} owed{size}", files.owed),
        format!("{} failed", files.failed),
    ];
    if files.lost > 0 {
        parts.push(format!("{} lost from the mirror", files.lost));
    }
    if files.gone > 0 {
        let lost = match files.gone_from_here {
            0 => String::new(),
            lost => format!(" ({lost} lost here)"),
        };
        parts.push(format!("{} gone for good{lost}", files.gone));
    }
    let next = match files.next_attempt_at {
        Some(next) if files.failed > 0 => match until(next, status.now) {
            Some(wait) => format!("; next attempt in {wait}"),
            None => "; next attempt is due".to_owned(),
        },
        Some(_) | None => String::new(),
    };
    table.rows("files", [parts.join(", ") + &next]);
    let is_cut = table.room.is_some();
    table.rows(
        "",
        backup.failed.iter().take(FAILED).map(|file| {
            let name = match file.file_name.as_str() {
                "" => &file.url,
                name => name,
            };
            let wait = file.next_attempt_at.and_then(|at| until(at, status.now));
            let next = wait.map_or("due".to_owned(), |wait| format!("next in {wait}"));
            let tries = match file.attempts {
                1 => "1 attempt".to_owned(),
                attempts => format!("{attempts} attempts"),
            };
            // The line has no room for the address again.
            let error = file.error.replace(&format!("`{}`", file.url), "it");
            let name = if is_cut {
                fit(name, 30)
            } else {
                name.to_owned()
            };
            format!("{name} ({tries}, {next}): {error}")
        }),
    );
}

fn transfer(table: &mut Table, status: &Status, backup: &BackupState) {
    let requests: u64 = backup.transfer.iter().map(|host| host.requests).sum();
    let bytes: u64 = backup.transfer.iter().map(|host| host.bytes).sum();
    let limit = match status.monthly_transfer {
        Some(limit) => {
            let used = status.monthly_transfer_used;
            let percent = u128::from(used) * 100 / u128::from(limit.max(1));
            format!(
                "; {} of {} used ({percent} %)",
                ByteSize(used),
                ByteSize(limit)
            )
        }
        None => String::new(),
    };
    let month = &backup.month;
    table.rows(
        "transfer",
        [format!(
            "{month}: {} in {}{limit}",
            ByteSize(bytes),
            counted(requests, "request", "requests")
        )],
    );
    let hosts: Vec<String> = backup
        .transfer
        .iter()
        .map(|host| format!("{} {}", host.host, ByteSize(host.bytes)))
        .collect();
    if !hosts.is_empty() {
        table.rows("", [hosts.join(", ")]);
    }
}

fn disk(table: &mut Table, status: &Status) {
    let storage = &status.storage;
    let places: [(&str, &Place); 3] = [
        ("database", &storage.database),
        ("mirror", &storage.mirror),
        ("archive", &storage.archive),
    ];
    let sizes: Vec<String> = places
        .iter()
        .filter_map(|(name, place)| Some(format!("{name} {}", ByteSize(place.bytes?))))
        .collect();
    let mut disks: Vec<(DiskSpace, Vec<&str>)> = Vec::new();
    for (name, place) in places {
        let Some(disk) = place.disk else { continue };
        match disks
            .iter_mut()
            .find(|(seen, _)| seen.device == disk.device)
        {
            Some((_, names)) => names.push(name),
            None => disks.push((disk, vec![name])),
        }
    }
    let is_one = disks.len() == 1;
    let free: Vec<String> = disks
        .into_iter()
        .map(|(disk, names)| {
            let of = if is_one {
                String::new()
            } else {
                format!(" for {}", names.join(" and "))
            };
            format!(
                "{} of {} free{of}{}",
                ByteSize(disk.free_bytes),
                ByteSize(disk.total_bytes),
                few_inodes(disk)
            )
        })
        .collect();
    table.rows("disk", [sizes.join(", "), free.join("; ")]);
}

/// Files that still find room, where that is less than a twentieth.
fn few_inodes(disk: DiskSpace) -> String {
    match disk.free_inodes.zip(disk.total_inodes) {
        Some((free, total)) if free < total / 20 => format!(" (room for {free} more files)"),
        Some(_) | None => String::new(),
    }
}

fn lock(status: &Status) -> String {
    let lock = &status.lock;
    let process = lock
        .pid
        .map(|pid| format!("process {pid}"))
        .unwrap_or_else(|| "a process".to_owned());
    let since = lock
        .since
        .as_deref()
        .map(|since| match Timestamp::parse(since) {
            Some(since) => format!(" since {}", minute(since)),
            None => format!(" since {since}"),
        })
        .unwrap_or_default();
    match (lock.is_held, status.judgement.under_way) {
        (Some(true), Some(run)) => {
            format!("run {run} is under way, {process}{since}")
        }
        (Some(true), None) => format!("{process} holds the lock{since}"),
        (Some(false), _) => "no run is under way".to_owned(),
        (None, _) => {
            let trouble = lock.trouble.as_deref().unwrap_or("no reason was given");
            format!("whether a run is under way cannot be told: {trouble}")
        }
    }
}

/// What `verify` found last.
fn verified_line(status: &Status, last: &VerifyState) -> String {
    let ago = |then: Timestamp| match status.now.since(then) {
        Some(age) => format!("{} ago", about(&span(age))),
        None => "ahead".to_owned(),
    };
    let found = match last.differences {
        0 => "no difference".to_owned(),
        left => counted(left, "DIFFERENCE left", "DIFFERENCES left"),
    };
    let whole = match last.all_read_since {
        Some(since) => format!("every file was read since {}", minute(since)),
        None => "not every file was read yet".to_owned(),
    };
    format!("{}: {found}; {whole}", ago(last.finished_at))
}

/// A moment in the future with the time until then.
fn when(then: Timestamp, now: Timestamp) -> String {
    match until(then, now) {
        Some(wait) => format!("{} (in {wait})", minute(then)),
        None => "is due".to_owned(),
    }
}

/// About how long it is until then; `None` if that is past.
fn until(then: Timestamp, now: Timestamp) -> Option<String> {
    let wait = then.since(now).filter(|wait| !wait.is_zero())?;
    Some(about(&span(wait)))
}

/// The larger unit of a span alone.
fn about(span: &str) -> String {
    span.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// `2026-11-22 05:07Z`.
fn minute(at: Timestamp) -> String {
    let text = at.to_string();
    match (text.get(..10), text.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute}Z"),
        _ => text,
    }
}

#[cfg(test)]
mod tests;
