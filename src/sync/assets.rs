//! The assets part: what is on disk is looked at, what is owed is fetched, beside the walks.

mod ahead;
mod books;
mod elsewhere;
mod feed;
mod gather;
mod homes;
mod look;
mod obstacles;
mod reread;

use super::RunError;
use super::download::{Rehearsals, Shared};
use super::hosts::Hosts;
use super::options::RunFiles;
use super::room::Room;
use super::run::Run;
use crate::mirror::Mirror;
use crate::model::{MediaId, counted, span};
use feed::Feed;
pub(super) use look::look_at_retired;
use std::collections::HashSet;
use std::future::pending;
use std::sync::{Arc, Mutex};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Rows looked at together.
const ROWS: usize = 256;

/// Paths that downloads under way are about to take, so that two media never write one file.
pub(super) type Claims = Arc<Mutex<HashSet<String>>>;

/// Looks at the saved files and fetches what is owed, until the listings are over and nothing is
/// left to ask for.
pub(super) async fn part(run: &Run) -> Result<(), RunError> {
    if run.options.only.assets {
        match &run.rooms.files {
            RunFiles::Look(_) => look::sweep(run).await?,
            RunFiles::Save(mirror) => {
                plan_looks(run).await?;
                look::sweep(run).await?;
                reread::reread(run, mirror).await?;
                let shared = shared(run, mirror).await?;
                Box::pin(Feed::new(run, shared).fetch_all()).await?;
            }
        }
    }
    run.ended(|listings| listings.assets = true);
    Ok(())
}

/// Asks for what is believed to be unchanged, where a person wants it or its time has come.
async fn plan_looks(run: &Run) -> Result<(), RunError> {
    let now = run.now();
    if run.options.is_full {
        run.store(move |store| store.revalidate_all(now)).await?;
    } else if let Some(age) = run.options.revalidate_every {
        let planned = run
            .store(move |store| store.plan_looks(now.minus(age), now))
            .await?;
        if planned > 0 {
            info!(
                "{} {} ago or earlier: hosts are asked whether that changed",
                counted(planned, "file was checked", "files were checked"),
                span(age)
            );
        }
    }
    Ok(())
}

async fn shared(run: &Run, mirror: &Arc<Mirror>) -> Result<Arc<Shared>, RunError> {
    let hosts = run.store(|store| store.asset_hosts()).await?;
    let begun = run.store(|store| store.live_partials()).await?;
    sift_kept(mirror, &begun).await?;
    Ok(Arc::new(Shared {
        remote: Arc::clone(&run.rooms.remote),
        store: run.rooms.store.clone(),
        mirror: Arc::clone(mirror),
        claims: Claims::default(),
        hosts: Hosts::new(hosts, run.now()),
        quota: Arc::clone(&run.quota),
        room: Arc::new(Room::new(Arc::clone(mirror), run.options.keep_free)),
        rehearsals: Rehearsals::default(),
        tally: Arc::clone(&run.tally),
        stop: run.stop.clone(),
        halt: CancellationToken::new(),
        clock: run.clock,
        is_full: run.options.is_full,
        longest: run.options.longest_asset,
        begun: Mutex::new(begun.into_iter().collect()),
    }))
}

/// Clears away beginnings of files that no row tells of.
async fn sift_kept(mirror: &Arc<Mirror>, begun: &[MediaId]) -> Result<(), RunError> {
    let (mirror, begun) = (Arc::clone(mirror), begun.to_vec());
    crate::blocking::run(move || mirror.sift_kept(begun.iter().map(MediaId::as_str))).await??;
    Ok(())
}

/// Waits for what is under way, which then is no more; forever where nothing is.
async fn over<F: Future + Unpin>(under_way: &mut Option<F>) -> F::Output {
    let Some(running) = under_way else {
        return pending().await;
    };
    let output = running.await;
    *under_way = None;
    output
}
