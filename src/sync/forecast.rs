//! How much a first download takes, before it takes it: the sizes of some of the files, asked for
//! without their bytes. The listing tells none (microcms-facts 1.3).

use super::RunError;
use super::run::Run;
use crate::model::report::Forecast;
use crate::model::{AssetUrl, counted};
use bytesize::ByteSize;
use futures_util::stream::{self, StreamExt as _};
use tracing::info;

/// Files whose sizes are asked for. Ids are random and a page is no selection by size, so that a few
/// speak for all.
pub(super) const SAMPLE: usize = 50;
/// Requests under way at a time.
const AT_A_TIME: usize = 8;

/// Returns whether somebody wants to know, or should.
fn is_wanted(run: &Run) -> bool {
    run.options.wants_forecast || run.options.monthly_transfer.is_some()
}

/// Says how much the first download of a backup takes: the first page of the listing is enough for
/// that. Downloads go on meanwhile.
pub(super) async fn part(run: &Run) -> Result<(), RunError> {
    let has_files = run.id.is_some() && run.options.only.media && run.options.only.assets;
    if !has_files || !is_wanted(run) {
        return Ok(());
    }
    let now = run.now();
    if run.store(move |store| store.asset_counts(now)).await?.held > 0 {
        return Ok(());
    }
    tokio::select! {
        biased;
        () = run.stop.wait() => {}
        () = run.first_page() => {
            let listed = run.sheet().media_announced;
            ask_and_say(run, listed).await;
        }
    }
    Ok(())
}

/// Says at the end of a dry run how much there is to fetch.
pub(super) async fn of_dry_run(run: &Run) {
    let files = run.sheet().assets.owed;
    if is_wanted(run) && files > 0 {
        ask_and_say(run, files).await;
    }
}

/// Judges by a sample how many bytes `files` files have, keeps that for the report and says it.
async fn ask_and_say(run: &Run, files: u64) {
    let sample = std::mem::take(&mut run.sheet().sample);
    let Some(forecast) = ask(run, sample, files).await else {
        return;
    };
    run.sheet().forecast = Some(forecast);
    let left = run
        .quota
        .left(run.now())
        .map(|left| format!("; the month's budget has room for {}", ByteSize(left)))
        .unwrap_or_default();
    info!(
        forecast.files = forecast.files,
        forecast.bytes = forecast.bytes,
        "{} to be fetched, about {} by the sizes of {} of them{left}",
        counted(forecast.files, "file is", "files are"),
        ByteSize(forecast.bytes),
        forecast.asked
    );
}

/// `None`: no host told anything.
async fn ask(run: &Run, sample: Vec<String>, files: u64) -> Option<Forecast> {
    let client = run.rooms.remote.assets();
    let lengths: Vec<u64> = stream::iter(sample)
        .map(|url| async move {
            let url = AssetUrl::parse(&url)
                .ok()
                .filter(|url| client.is_allowed(url))?;
            client.head(&url).await.ok()?.length
        })
        .buffer_unordered(AT_A_TIME)
        .filter_map(std::future::ready)
        .collect()
        .await;
    let asked = lengths.len() as u64;
    let sum: u64 = lengths.iter().sum();
    let mean = sum.checked_div(asked)?;
    let files = files.max(asked);
    let bytes = if files == asked {
        sum
    } else {
        mean.saturating_mul(files)
    };
    Some(Forecast {
        files,
        bytes,
        asked,
    })
}
