//! The end of a run: counts, verdict, the row that tells it.

use super::RunError;
use super::run::{Run, Sheet};
use super::{bodies, dry, forecast, guard, owed, unreadable};
use crate::model::report::{FailedAsset, Holdings, ListedCounts, REPORT_VERSION};
use crate::model::{ExitCode, Outcome, ProblemKind, RunReport, counted};
use crate::plan::{Account, found_by_verify, outcome, verdict_line};
use crate::store::{RunEnd, SAMPLE};
use std::time::Duration;
use tokio::time::timeout;
use tracing::{error, info, warn};

/// Program and version, for `runs.program` and the report.
pub(super) const PROGRAM: &str = concat!("microcms-backup ", env!("CARGO_PKG_VERSION"));

/// Closes the run and returns its account.
pub(super) async fn finish(run: &Run) -> Result<RunReport, RunError> {
    run.record_transfer().await?;
    unreadable::account(run);
    look_for_home(run).await?;
    let (mut failed, now) = (Vec::new(), run.now());
    let files = run.store(move |store| store.asset_counts(now)).await?;
    let debts = bodies::debts(run).await?;
    if run.id.is_none() {
        dry::add_debts(run, &files, debts.left_out()).await?;
        forecast::of_dry_run(run).await;
    }
    if run.id.is_some() {
        bodies::account(run, &debts);
        failed = owed::account(run, &files).await?;
    }
    let holdings = run
        .store(move |store| store.holdings_beside(&files))
        .await?;
    let mut report = report(run, holdings, failed);
    let unsafe_beside = [found_before(run).await?, lost_of_the_archive(run).await?];
    for note in unsafe_beside.into_iter().flatten() {
        // The run's own last word is about what it did.
        warn!("{note}");
        report.notes.push(note);
    }
    report.notes.extend(debts.note());
    if run.id.is_some() {
        owed::name(run, &mut report, debts.left_out()).await?;
    }
    if let Some(id) = run.id {
        let end = RunEnd {
            outcome: report.outcome,
            exit_code: report.exit_code,
            error: (!report.verdict.safe).then(|| report.verdict.line.clone()),
            media: report.media,
            contents: report.contents,
            bodies: report.bodies,
            assets: report.assets,
            requests: report.transfer.iter().map(|host| host.requests).sum(),
            recent_requests: run.recent_requests(),
        };
        let now = report.finished_at;
        report.proof = run
            .store(move |store| store.finish_run(id, &end, now))
            .await?;
    }
    info!(
        service = report.service, outcome = %report.outcome, exit_code = report.exit_code,
        elapsed_ms = report.elapsed_ms, media.seen = report.media.seen, contents.seen = report.contents.seen,
        bodies.saved = report.bodies.saved, assets.saved = report.assets.saved, assets.bytes = report.assets.bytes,
        assets.owed = report.assets.owed, bodies.owed = report.bodies.owed,
        root = report.proof.map(|proof| proof.root.to_string()),
        "ended the run for `{}`: {} after {} ms{}", report.service, report.outcome, report.elapsed_ms,
        report.proof.map(|proof| format!(", root {}", proof.root)).unwrap_or_default()
    );
    Ok(report)
}

/// What `verify` found and neither it nor a run made good. This run has nothing to do with it, and `status` is UNSAFE.
async fn found_before(run: &Run) -> Result<Option<String>, RunError> {
    let verified = run.store(|store| store.verify_state()).await?;
    Ok(verified.filter(|state| state.differences > 0).map(|state| {
        format!(
            "{}; `status` is UNSAFE until none is left",
            found_by_verify(&state, "`verify --repair`")
        )
    }))
}

/// What a look at a few archived files does not find. This run had nothing to do with them, and `status` is UNSAFE.
async fn lost_of_the_archive(run: &Run) -> Result<Option<String>, RunError> {
    let Some(reader) = run.rooms.files.reader().filter(|_| !run.is_stopping()) else {
        return Ok(None);
    };
    let digests = run.store(|store| store.sampled_archived(SAMPLE)).await?;
    if digests.is_empty() {
        return Ok(None);
    }
    let all = digests.len();
    let is_missing = move |digest: &&String| {
        let digest = digest.parse();
        digest.is_ok_and(|digest| matches!(reader.archived_length(&digest), Ok(None)))
    };
    let look = crate::blocking::run(move || digests.iter().filter(is_missing).count());
    // Whoever waits for a run does not wait for a disk that stands still.
    let missing = match timeout(LOOK, look).await {
        Ok(missing) => missing?,
        Err(_elapsed) => 0,
    };
    Ok((missing > 0).then(|| {
        format!(
            "the archive (`storage.archive`) lacks {missing} of {all} files of earlier versions that were looked at: mount its \
             volume, or run `verify`, which tells what is lost; `status` is UNSAFE until then"
        )
    }))
}

/// How long a disk may take to say what lies at a path.
const LOOK: Duration = Duration::from_secs(3);

/// Says where the database or the mirror is not any more where the next run will look for it.
async fn look_for_home(run: &Run) -> Result<(), RunError> {
    if run.is_stopping() {
        // Whoever stops a run does not wait for a disk, and nothing is called safe.
        return Ok(());
    }
    let displaced =
        "was moved, replaced or unmounted while this run worked: what it saved is not there";
    let hint = "put it back, or leave it to the next run, which saves anew what is missing";
    let fault = |scope, what: &str| {
        let message = format!("{what} {displaced}");
        run.problem(ProblemKind::Fault, scope, message, Some(hint.to_owned()));
    };
    if run.store(|store| Ok(store.is_displaced())).await? {
        fault("database", "the database (`storage.database`)");
    }
    if let Some(mirror) = run.rooms.files.mirror().cloned() {
        let looked = timeout(LOOK, crate::blocking::run(move || mirror.is_displaced())).await;
        if let Ok(is_displaced) = looked
            && is_displaced?
        {
            fault("assets", "the mirror (`storage.mirror`)");
        }
    }
    Ok(())
}

/// Marks the run as failed, if the database still takes it.
pub(super) async fn fail(run: &Run, err: &RunError) {
    let Some(id) = run.id else { return };
    let mut sheet = run.sheet().clone();
    sheet.assets.bytes = run.tally.bytes.get();
    let end = RunEnd {
        outcome: Outcome::Failed,
        exit_code: ExitCode::Failed.code(),
        error: Some(crate::model::chain(err)),
        media: sheet.media,
        contents: sheet.contents,
        bodies: sheet.bodies,
        assets: sheet.assets,
        requests: run
            .rooms
            .remote
            .meter()
            .read()
            .iter()
            .map(|host| host.requests)
            .sum(),
        recent_requests: run.recent_requests(),
    };
    let now = run.now();
    if let Err(also) = run
        .store(move |store| store.finish_run(id, &end, now))
        .await
    {
        error!(
            err = crate::model::chain(&also),
            "the failed run could not be recorded either"
        );
    }
}

/// Says what a dry run would have done, in words; empty if nothing.
fn planned(sheet: &Sheet) -> String {
    let rows = |counts: ListedCounts| counts.new + counts.changed + counts.returned;
    let steps = [
        ("record", rows(sheet.media), "medium", "media"),
        ("record", rows(sheet.contents), "content", "contents"),
        ("read", sheet.bodies.owed, "body", "bodies"),
        ("fetch", sheet.assets.owed, "file", "files"),
        ("read again", sheet.reread, "file", "files"),
        ("look for changes of", sheet.asked_again, "file", "files"),
        (
            "follow up",
            sheet.media.missing + sheet.contents.missing,
            "missing one",
            "missing ones",
        ),
    ];
    let steps: Vec<String> = steps
        .into_iter()
        .filter(|(_, count, _, _)| *count > 0)
        .map(|(verb, count, one, many)| format!("{verb} {}", counted(count, one, many)))
        .collect();
    steps.join(", ")
}

fn report(run: &Run, holdings: Holdings, failed: Vec<FailedAsset>) -> RunReport {
    let mut sheet = run.sheet().clone();
    guard::sum_up(&mut sheet);
    let transfer = run.rooms.remote.meter().read();
    sheet.assets.bytes = run.tally.bytes.get();
    let is_dry = run.id.is_none();
    let has_progress =
        sheet.media.seen + sheet.contents.seen + sheet.bodies.saved + sheet.assets.saved > 0;
    let plan = is_dry.then(|| planned(&sheet));
    let limits = run.options.limits();
    let account = Account {
        problems: &sheet.problems,
        walks: &sheet.walks,
        // A dry run's plan is no debt.
        owed_files: if is_dry { 0 } else { sheet.assets.owed },
        owed_bodies: if is_dry { 0 } else { sheet.bodies.owed },
        has_progress,
        interrupted: run.stop.requested(),
        limited_to: limits.as_deref(),
        planned: plan.as_deref(),
    };
    let (outcome, code) = outcome(&account);
    let finished_at = run.now();
    RunReport {
        version: REPORT_VERSION,
        program: PROGRAM.to_owned(),
        service: run.options.service.clone(),
        run_id: run.id.map(crate::store::RunId::get),
        dry_run: is_dry,
        started_at: run.started_at,
        finished_at,
        elapsed_ms: u64::try_from(run.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        outcome,
        exit_code: code.code(),
        verdict: verdict_line(&account, outcome, &holdings, run.started_at),
        media: sheet.media,
        contents: sheet.contents,
        bodies: sheet.bodies,
        assets: sheet.assets,
        holdings,
        transfer,
        budget: owed::budget(run),
        forecast: sheet.forecast,
        failed_total: sheet.failed_total,
        failed,
        problems: sheet.problems,
        walks: sheet.walks,
        // Known when the run's row is closed.
        proof: None,
        notes: Vec::new(),
        owed_files: Vec::new(),
        owed_bodies: Vec::new(),
    }
}
