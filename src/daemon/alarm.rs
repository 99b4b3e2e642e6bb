//! What wakes the daemon at a tick.
//!
//! The scheduler library only wakes: it freezes a job's zone into an offset when the job is made,
//! runs jobs on top of each other, and after the clock went back waits for the old time. So each job
//! lives for one wait of a minute at most, does nothing but ring, and whether a tick is due is decided
//! by [`Schedule`](super::Schedule).

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};
use tracing::warn;

use super::schedule::Schedule;

/// How long to believe in a job before the clock is looked at again.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How late the library may ring; it looks twice a second.
const SLACK: Duration = Duration::from_secs(1);

/// The alarm clock.
pub(super) struct Alarm {
    scheduler: JobScheduler,
    job: Option<Job>,
}

impl std::fmt::Debug for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alarm").finish_non_exhaustive()
    }
}

impl Alarm {
    /// Starts the library's own task, which ends with the runtime.
    pub(super) async fn start() -> Result<Self, JobSchedulerError> {
        let scheduler = JobScheduler::new().await?;
        scheduler.start().await?;
        Ok(Self {
            scheduler,
            job: None,
        })
    }

    /// Waits until the next tick, which is `left` away, or for as long as the clock may be believed.
    /// May return early. If this is dropped while it waits, the next wait clears up.
    pub(super) async fn wait(&mut self, schedule: &Schedule, left: Duration) {
        self.clear().await;
        let at_most = left.saturating_add(SLACK).min(LOOK_EVERY);
        let (ring, mut rung) = mpsc::channel::<()>(1);
        match self.add(schedule, ring).await {
            // Both ways of waking are good; the caller looks at the clock.
            Ok(()) => drop(tokio::time::timeout(at_most, rung.recv()).await),
            Err(err) => {
                warn!("the scheduler did not take `{}`: {err}", schedule.line());
                tokio::time::sleep(at_most).await;
            }
        }
        self.clear().await;
    }

    async fn add(
        &mut self,
        schedule: &Schedule,
        ring: mpsc::Sender<()>,
    ) -> Result<(), JobSchedulerError> {
        let job = Job::new_async_tz(schedule.line(), schedule.zone(), move |_id, _scheduler| {
            let ring = ring.clone();
            // Full: it has rung already.
            Box::pin(async move { ring.try_send(()).unwrap_or_default() })
        })?;
        // Also keeps the bell's rope: a library that drops the job does not wake anybody.
        self.job = Some(job.clone());
        self.scheduler.add(job).await.map(drop)
    }

    /// Takes away the job of an earlier wait.
    async fn clear(&mut self) {
        if let Some(job) = self.job.take()
            && let Err(err) = self.scheduler.remove(&job.guid()).await
        {
            warn!("the scheduler did not give up a job: {err}");
        }
    }
}
