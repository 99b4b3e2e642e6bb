//! Every metric, written from the facts.

use std::time::Duration;

use super::facts::{Facts, Life, Phase};
use super::text::Text;
use crate::model::backup::RunLine;
use crate::model::condition::{Condition, EndedWalk, ScopeCondition};
use crate::model::report::HostTransfer;
use crate::model::{ApiName, Flow, Outcome, Timestamp, WalkVerdict};

/// "Never", as a time: rules that ask how long ago something was need no exception.
const NEVER: Timestamp = Timestamp::EPOCH;

/// Returns all metrics in Prometheus' text form.
///
/// What comes from the database is left out where it cannot be read: values that stand still would
/// look healthy.
pub fn metrics(facts: &Facts) -> String {
    let mut text = match facts.life {
        Some(_) => Text::default(),
        // Files of several services may be read at one place, where a name with the same labels in two
        // files is an error.
        None => Text::with("service", &facts.service),
    };
    text.gauges("build_info", "The program; always 1.").put(
        &[("version", facts.version), ("service", &facts.service)],
        true,
    );
    text.gauge(
        "database_readable",
        "Whether the database can be read. If not, what comes from it is missing here.",
        facts.backup.is_ok(),
    );
    text.gauge(
        "max_age_seconds",
        "How old the last complete run may become (health.max_age).",
        facts.max_age,
    );
    if let Some(is_safe) = facts.is_safe {
        text.gauge(
            "safe",
            "Whether `microcms-backup status` says SAFE: recent, nothing owed, nothing failed.",
            is_safe,
        );
    }
    if let Ok(backup) = &facts.backup {
        runs(&mut text, backup);
        walks(&mut text, &backup.walks);
        holdings(&mut text, backup);
        verified(&mut text, backup);
        transfer(&mut text, backup);
    }
    budget_and_disk(&mut text, facts);
    match &facts.life {
        Some(life) => {
            daemon(&mut text, life);
            flow(&mut text, &facts.flow);
        }
        // A counter that begins anew with each process, and is read once in each, counts nothing.
        None => last_flow(&mut text, &facts.flow),
    }
    text.finish()
}

fn runs(text: &mut Text, backup: &Condition) {
    text.gauge(
        "last_complete_run_timestamp_seconds",
        "When the last complete run began: the backup holds what the service had then. 0: never.",
        backup.last_complete.as_ref().map_or(NEVER, RunLine::began),
    );
    let mut ended = text.counters(
        "runs_total",
        "Runs that ended, by outcome, since the database was made.",
    );
    for outcome in ENDED {
        let counted = backup.runs.iter().find(|(counted, _)| *counted == outcome);
        ended.put(
            &[("outcome", outcome.as_str())],
            counted.map_or(0, |(_, count)| *count),
        );
    }
    let Some(last) = &backup.last_run else {
        return;
    };
    text.gauge(
        "last_run_start_timestamp_seconds",
        "When the last run that ended began.",
        last.began(),
    );
    let mut outcomes = text.gauges(
        "last_run_outcome",
        "How the last run ended: 1 for its outcome.",
    );
    for outcome in ENDED {
        outcomes.put(&[("outcome", outcome.as_str())], last.outcome == outcome);
    }
    let mut codes = text.gauges(
        "last_run_exit_code",
        "The exit code of the last run. Missing if it died without a word.",
    );
    if let Some(code) = last.exit_code {
        codes.put(&[], u64::from(code));
    }
    let mut spans = text.gauges("last_run_duration_seconds", "How long the last run took.");
    if let Some(span) = took(last) {
        spans.put(&[], span);
    }
}

const ENDED: [Outcome; 4] = [
    Outcome::Complete,
    Outcome::Partial,
    Outcome::Failed,
    Outcome::Interrupted,
];

fn took(run: &RunLine) -> Option<Duration> {
    // A clock that was set back meanwhile tells nothing.
    run.finished_at?.since(run.started_at)
}

fn walks(text: &mut Text, walks: &[ScopeCondition]) {
    let mut proven = text.gauges(
        "last_proven_walk_timestamp_seconds",
        "When the last walk began that was proven to have seen everything, by scope. 0: never.",
    );
    for walk in walks {
        proven.put(&[("scope", &walk.scope)], walk.proven_at.unwrap_or(NEVER));
    }
    let walked = || {
        walks
            .iter()
            .filter_map(|walk| Some((walk.scope.as_str(), walk.last?)))
    };
    let mut family = text.gauges("last_walk_proven", "Whether the last walk was proven.");
    for (scope, walk) in walked() {
        family.put(&[("scope", scope)], walk.verdict == WalkVerdict::Proven);
    }
    let mut family = text.gauges(
        "last_walk_pages",
        "Pages of the last walk, over all of its attempts.",
    );
    for (scope, walk) in walked() {
        family.put(&[("scope", scope)], walk.pages);
    }
    let mut family = text.gauges("last_walk_restarts", "How often the last walk began again.");
    for (scope, walk) in walked() {
        family.put(&[("scope", scope)], walk.restarts);
    }
    let mut family = text.gauges("last_walk_duration_seconds", "How long the last walk took.");
    for (scope, walk) in walked() {
        if let Some(span) = walk.finished_at.since(walk.started_at) {
            family.put(&[("scope", scope)], span);
        }
    }
    let mut family = text.gauges(
        "last_walk_max_token_age_seconds",
        "The oldest a page token was in the last walk when it was used. They live 15 seconds.",
    );
    let age = |walk: EndedWalk| walk.max_token_age_ms.map(Duration::from_millis);
    for (scope, age) in walked().filter_map(|(scope, walk)| Some((scope, age(walk)?))) {
        family.put(&[("scope", scope)], age);
    }
}

fn holdings(text: &mut Text, backup: &Condition) {
    let files = &backup.files;
    let mut assets = text.gauges(
        "assets",
        "Files: saved as listed, owed (listed and not saved so yet), failed at the last attempt, gone at their host.",
    );
    for (state, count) in [
        ("saved", files.saved),
        ("owed", files.owed),
        ("failed", files.failed),
        ("gone", files.gone),
    ] {
        assets.put(&[("state", state)], count);
    }
    text.gauge(
        "assets_waiting",
        "Failed files whose next attempt is not due yet.",
        files.waiting,
    );
    text.gauge(
        "assets_owed_bytes",
        "Bytes of the owed files, as far as their hosts have told.",
        files.owed_bytes,
    );
    let mut bodies = text.gauges(
        "bodies",
        "Bodies that are not saved: owed, or refused to the key.",
    );
    bodies.put(&[("state", "owed")], backup.bodies_owed);
    bodies.put(&[("state", "refused")], backup.bodies_refused);
    let tables = [
        ("endpoints", backup.endpoints),
        ("contents", backup.contents),
        ("media", backup.media),
    ];
    let mut items = text.gauges("items", "What exists at the service, as far as is known.");
    for (table, rows) in tables {
        items.put(&[("table", table)], rows.live);
    }
    let mut tombstones = text.gauges(
        "tombstones",
        "What was deleted at the service and is kept here.",
    );
    for (table, rows) in tables {
        tombstones.put(&[("table", table)], rows.deleted);
    }
    text.gauge(
        "mirror_files",
        "Files that the mirror holds, those whose replacement is owed included.",
        files.held,
    );
    text.gauge(
        "mirror_bytes",
        "Bytes of the files that the mirror holds.",
        files.held_bytes,
    );
    text.gauge(
        "database_bytes",
        "Length of the database.",
        backup.database_bytes,
    );
}

fn verified(text: &mut Text, backup: &Condition) {
    let last = backup.verify.as_ref();
    text.gauge(
        "verify_last_timestamp_seconds",
        "When `microcms-backup verify` last came to its end. 0: never.",
        last.map_or(NEVER, |last| last.finished_at),
    );
    text.gauge(
        "verify_all_read_timestamp_seconds",
        "Since when every file was read by `verify`, be it in parts. 0: not every one yet.",
        last.and_then(|last| last.all_read_since).unwrap_or(NEVER),
    );
    text.gauge(
        "verify_differences",
        "Differences that `verify` found and that are left: not repaired, and not looked at again since.",
        last.map_or(0, |last| last.differences),
    );
}

fn transfer(text: &mut Text, backup: &Condition) {
    type Take = fn(&HostTransfer) -> u64;
    let (requests, bytes): (Take, Take) = (|host| host.requests, |host| host.bytes);
    let mut put = |name, is_counter, help, hosts: &[HostTransfer], take: Take| {
        let mut family = if is_counter {
            text.counters(name, help)
        } else {
            text.gauges(name, help)
        };
        for host in hosts {
            family.put(&[("host", &host.host)], take(host));
        }
    };
    put(
        "transfer_requests_total",
        true,
        "Requests by host, since the database was made.",
        &backup.transfer,
        requests,
    );
    put(
        "transfer_bytes_total",
        true,
        "Body bytes received by host, since the database was made.",
        &backup.transfer,
        bytes,
    );
    put(
        "transfer_month_bytes",
        false,
        "Body bytes received by host in this month (UTC).",
        &backup.transfer_this_month,
        bytes,
    );
}

fn budget_and_disk(text: &mut Text, facts: &Facts) {
    if let Some(budget) = &facts.budget {
        text.gauge(
            "transfer_limit_bytes",
            "What may be transferred in a month (limits.monthly_transfer).",
            budget.limit,
        );
        text.gauge(
            "transfer_left_bytes",
            "What of it is left in this month (UTC).",
            budget.left,
        );
    }
    if let Some(disk) = &facts.disk {
        text.gauge(
            "disk_free_bytes",
            "Free bytes on the mirror's disk.",
            disk.free,
        );
        text.gauge(
            "disk_size_bytes",
            "All bytes of the mirror's disk.",
            disk.total,
        );
    }
}

fn daemon(text: &mut Text, life: &Life) {
    text.gauge(
        "process_start_time_seconds",
        "When this process began.",
        life.started_at,
    );
    text.gauge(
        "ready",
        "Whether the daemon is neither starting nor stopping.",
        life.phase == Phase::Ready,
    );
    let mut next = text.gauges(
        "next_run_timestamp_seconds",
        "When the next run begins, as far as is known.",
    );
    if let Some(at) = life.next_run {
        next.put(&[], at);
    }
    text.gauge(
        "failed_tries",
        "Runs in a row that left something to be tried again.",
        u64::from(life.tries),
    );
    let mut codes = text.gauges(
        "daemon_last_exit_code",
        "What the last run of this daemon would have exited with, one that left no row included.",
    );
    if let Some(code) = life.last_exit_code {
        codes.put(&[], u64::from(code));
    }
    text.gauge(
        "look_duration_seconds",
        "How long the look at the database took that these metrics are from.",
        life.look,
    );
    text.gauge(
        "run_in_progress",
        "Whether a run is under way.",
        life.run.is_some(),
    );
    let Some(run) = &life.run else { return };
    text.gauge(
        "current_run_start_timestamp_seconds",
        "When the run under way began.",
        run.began_at,
    );
    let mut done = text.gauges(
        "current_run_done",
        "What the run under way has done so far.",
    );
    for (what, count) in [
        ("pages", run.pages),
        ("restarts", run.restarts),
        ("bodies", run.bodies),
        ("files", run.files),
        ("bytes", run.bytes),
    ] {
        done.put(&[("what", what)], count);
    }
}

fn flow(text: &mut Text, flow: &Flow) {
    let mut requests = text.counters(
        "requests_total",
        "Requests by API, host and status code; code `none`: nothing was answered.",
    );
    for (kind, count) in &flow.requests {
        let code = code(kind.status);
        requests.put(
            &[
                ("api", kind.api.as_str()),
                ("host", &kind.host),
                ("code", &code),
            ],
            *count,
        );
    }
    let mut waits = text.counters(
        "budget_wait_seconds_total",
        "How long requests waited until their budget allowed them, added up.",
    );
    for api in [ApiName::Management, ApiName::Content] {
        let span = flow.waited.get(&api).copied().unwrap_or_default();
        waits.put(&[("api", api.as_str())], span);
    }
    let ages = &flow.token_ages;
    text.histogram(
        "token_age_seconds",
        "How old page tokens of the media listing were when they were used. They live 15 seconds.",
        ages.within(),
        ages.sum,
        ages.count(),
    );
}

fn last_flow(text: &mut Text, flow: &Flow) {
    let mut requests = text.gauges(
        "last_run_requests",
        "Requests of the last run by API, host and status code; code `none`: nothing was answered.",
    );
    for (kind, count) in &flow.requests {
        let code = code(kind.status);
        requests.put(
            &[
                ("api", kind.api.as_str()),
                ("host", &kind.host),
                ("code", &code),
            ],
            *count,
        );
    }
    let mut waits = text.gauges(
        "last_run_budget_wait_seconds",
        "How long requests of the last run waited until their budget allowed them, added up.",
    );
    for (api, span) in &flow.waited {
        waits.put(&[("api", api.as_str())], *span);
    }
}

fn code(status: Option<u16>) -> String {
    status.map_or_else(|| "none".to_owned(), |status| status.to_string())
}
