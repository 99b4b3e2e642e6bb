//! Says why files are still owed at the end of a run.

use super::RunError;
use super::run::Run;
use crate::model::report::{Budget, FAILED_LISTED, FailedAsset};
use crate::model::{Endpoint, ProblemKind, RunReport, counted};
use crate::store::AssetTotals;
use bytesize::ByteSize;

/// Says what is in the way of files that are owed, and returns those whose last attempt failed.
pub(super) async fn account(run: &Run, totals: &AssetTotals) -> Result<Vec<FailedAsset>, RunError> {
    let failed = match totals.failed {
        0 => Vec::new(),
        _ => {
            run.store(|store| store.failed_assets(FAILED_LISTED))
                .await?
        }
    };
    {
        // Whatever part was asked for: what is owed is owed.
        let mut sheet = run.sheet();
        sheet.assets.owed = totals.owed + totals.failed;
        sheet.assets.owed_bytes = totals.owed_bytes;
        sheet.assets.waiting = totals.waiting;
        sheet.failed_total = totals.failed;
    }
    // Without the part, nothing was tried or left alone.
    if run.options.only.assets {
        say_what_the_budget_withheld(run);
        say_why_files_failed(run, totals.failed, &failed);
    }
    if run.options.only.assets || run.sheet().has_lost_retired {
        say_what_is_lost(run, totals.lost);
    }
    Ok(failed)
}

/// Names in the report what is owed and did not fail.
pub(super) async fn name(
    run: &Run,
    report: &mut RunReport,
    left_out: Vec<Endpoint>,
) -> Result<(), RunError> {
    if report.assets.owed > report.failed_total {
        report.owed_files = run.store(|store| store.owed_files(FAILED_LISTED)).await?;
    }
    if report.bodies.owed > 0 {
        report.owed_bodies = run
            .store(move |store| store.missing_bodies(FAILED_LISTED, &left_out))
            .await?;
    }
    Ok(())
}

/// Returns where the month's budget stands, if there is one.
pub(super) fn budget(run: &Run) -> Option<Budget> {
    let spent = run.quota.account(run.now())?;
    Some(Budget {
        month: spent.month,
        limit: spent.limit,
        spent: spent.spent,
        left: spent.limit.saturating_sub(spent.spent),
    })
}

/// What a person can do about a budget that is used up.
pub(super) const BUDGET_HINT: &str =
    "the next month's first run goes on; or raise limits.monthly_transfer, if the plan allows more";

/// Says that the budget is used up, in one line.
pub(super) fn over_budget(budget: &Budget, what: &str) -> String {
    format!(
        "the budget of {} for {} (limits.monthly_transfer) has no room for {what}: {} are spent",
        ByteSize(budget.limit),
        budget.month,
        ByteSize(budget.spent)
    )
}

fn say_what_the_budget_withheld(run: &Run) {
    let (withheld, bytes) = {
        let sheet = run.sheet();
        (sheet.assets.withheld, sheet.assets.owed_bytes)
    };
    let Some(budget) = budget(run).filter(|_| withheld > 0) else {
        return;
    };
    let known = if bytes > 0 {
        format!(" (at least {})", ByteSize(bytes))
    } else {
        String::new()
    };
    let message = over_budget(
        &budget,
        &match withheld {
            1 => format!("1 file{known}, which stays owed"),
            _ => format!("{withheld} files{known}, which stay owed"),
        },
    );
    run.problem(
        ProblemKind::Owed,
        "assets",
        message,
        Some(BUDGET_HINT.to_owned()),
    );
}

/// Says that the mirror lost what the service has no more: in each run, until a person has seen to it.
fn say_what_is_lost(run: &Run, lost: u64) {
    if lost == 0 {
        return;
    }
    let (what, them) = match lost {
        1 => ("1 saved file of a deleted medium is".to_owned(), "it"),
        _ => (format!("{lost} saved files of deleted media are"), "them"),
    };
    let message = format!(
        "{what} missing from the mirror or damaged there, and the service has {them} no more"
    );
    let hint = "`verify --repair` puts back what lies elsewhere here; or put back what another copy of this backup has (paths \
                and digests: table `assets`, state `gone`), and the next run takes it in; where there is none, `verify --repair \
                --accept-lost N` ends the matter";
    run.problem(ProblemKind::Owed, "assets", message, Some(hint.to_owned()));
}

/// Names one of the files that failed, where nothing else says why files are owed.
fn say_why_files_failed(run: &Run, total: u64, failed: &[FailedAsset]) {
    let (now_failed, example, is_said) = {
        let sheet = run.sheet();
        let fails_still = |file: &&FailedAsset| sheet.failed_media.contains(&file.media_id);
        let is_said = sheet
            .problems
            .iter()
            .any(|problem| problem.scope == "assets");
        let named = match &sheet.failed {
            Some(now) => Some((now.media_id.as_str(), &now.url, &now.error)),
            // Its failure was taken back, and others failed, too.
            None => {
                let other = failed.iter().find(fails_still);
                other.map(|it| (it.media_id.as_str(), &it.url, &it.error))
            }
        };
        let example = named.map(|(media_id, url, error)| {
            let name = which(media_id, url);
            format!(", for example {name}: {}", without(error, url))
        });
        (sheet.assets.failed, example.unwrap_or_default(), is_said)
    };
    // One whose medium was deleted in this very run is owed no more.
    if total == 0 || is_said {
        return;
    }
    if now_failed > 0 {
        let message = format!("{now_failed} failed{example}");
        run.problem(ProblemKind::Owed, "assets", message, None);
        return;
    }
    let Some(first) = failed.first() else { return };
    let next = failed.iter().filter_map(|file| file.next_attempt_at).min();
    let next = next.map_or_else(String::new, |at| format!(", the first at {at}"));
    let message = format!(
        "{total} that failed before wait for their next attempt{next}; for example {}, {}: {}",
        which(&first.media_id, &first.url),
        counted(first.attempts.into(), "time", "times"),
        without(&first.error, &first.url)
    );
    let hint = "`sync --retry-failed` tries now";
    run.problem(ProblemKind::Owed, "assets", message, Some(hint.to_owned()));
}

/// Names a file by where it is asked for; one of which the service does not say that, by its medium.
fn which(media_id: &str, url: &str) -> String {
    match url {
        "" => format!("the file of medium `{media_id}`"),
        url => format!("`{url}`"),
    }
}

/// The error without the address that stands before it.
fn without(error: &str, url: &str) -> String {
    let word = if url.is_empty() { "its URL" } else { "it" };
    error.replace(&format!("`{url}`"), word)
}
