//! One run: walk, plan, apply, report; [`prune()`] and [`verify()`]. The only room where the rooms meet.
//!
//! Four parts run side by side and meet in the database: the media walk, the contents walks, the
//! bodies, the downloads. What is owed is rows, so that a part that stops halfway loses nothing and
//! memory stays flat. A part ends when its work is done or a stop is asked for.

mod assets;
mod bodies;
mod contents;
mod download;
mod dry;
mod error;
mod finish;
mod forecast;
mod guard;
mod hosts;
mod media;
mod options;
mod owed;
mod prune;
mod quota;
mod room;
mod run;
mod snapshot;
mod tamper;
mod together;
mod unreadable;
mod verify;

pub use error::{PruneError, RunError, VerifyError};
pub use options::{Only, Options, Rooms, RunFiles, Stop};
pub use prune::{PruneFiles, PruneOptions, PruneRooms, prune};
pub use snapshot::{SnapshotError, SnapshotPlan, TreePlan, snapshot};
pub use tamper::{RowsChecked, check_rows};
pub use verify::{VerifyHand, VerifyOptions, VerifyRooms, verify};

use crate::mirror::Mirror;
use crate::model::{RunReport, Tally};
use run::Run;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::Instant;

/// Does one run and returns its account, which was also recorded in the database.
///
/// A dry run makes the same requests to the listings and the same decisions, and writes nothing.
///
/// # Errors
/// When the run itself could not be done or recorded: the database or the mirror failed. What was
/// recorded until then stays; the run's row says `failed` where it could still be written.
pub async fn run(
    options: Options,
    rooms: Rooms,
    tally: Arc<Tally>,
    stop: Stop,
) -> Result<RunReport, RunError> {
    let run = Run::begin(options, rooms, tally, stop).await?;
    let done = {
        let work = async {
            tokio::try_join!(
                media::part(&run),
                contents::part(&run),
                bodies::part(&run),
                assets::part(&run),
                forecast::part(&run),
                run.keep_books(),
            )
        };
        work.await.map(drop)
    };
    let done = match done {
        Ok(()) => Box::pin(judge(&run)).await,
        Err(err) => Err(err),
    };
    match done {
        Ok(report) => Ok(report),
        Err(err) => {
            finish::fail(&run, &err).await;
            let mirror = run.rooms.files.mirror().map(Arc::downgrade);
            drop(run);
            if let Some(mirror) = mirror {
                let_go(&mirror).await;
            }
            Err(err)
        }
    }
}

/// Closes a run whose parts have ended: when nothing moves a file any more, the last look is taken.
async fn judge(run: &Run) -> Result<RunReport, RunError> {
    assets::look_at_retired(run).await?;
    finish::finish(run).await
}

/// How long a failed run waits for what is still being put in its place.
const LETTING_GO: Duration = Duration::from_secs(10);

/// Waits for threads that still work in the mirror though nobody waits for what comes of it: the lock goes with the run, and
/// the next run is not to meet them.
async fn let_go(mirror: &Weak<Mirror>) {
    let over = Instant::now() + LETTING_GO;
    while mirror.strong_count() > 0 && Instant::now() < over {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
