//! One run with its companions: the display that follows it and the signals that end it.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::warn;

use super::failure::Failure;
use super::progress::Progress;
use super::signals::Signal;
use crate::model::{Outcome, RunReport, Tally};

/// How it ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The run came to its own end, tidily stopped ones included.
    ByItself(Result<Box<RunReport>, Failure>, Option<Signal>),
    /// The second signal: nothing was waited for.
    AtOnce(Signal),
}

/// Polls `run` to its end, refreshes the display meanwhile, and passes the first signal on through
/// `stop`. The second one drops the run where it stands; the next run heals what that leaves.
///
/// All of it happens in this one task, so there is nothing to wait for afterwards.
pub(crate) async fn drive(
    run: impl Future<Output = Result<RunReport, Failure>>,
    stop: &watch::Sender<bool>,
    tally: Arc<Tally>,
    mut progress: Progress,
    mut next_signal: impl AsyncFnMut() -> Signal,
) -> Ended {
    let started = Instant::now();
    let mut refresh = tokio::time::interval(progress.every());
    refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut first = None;
    let mut run = Box::pin(run);
    let ended = loop {
        tokio::select! {
            ended = &mut run => break Ended::ByItself(ended.map(Box::new), first),
            signal = next_signal() => {
                if first.is_some() {
                    break Ended::AtOnce(signal);
                }
                first = Some(signal);
                warn!("{}: stopping tidily; once more to stop at once", signal.name());
                stop.send_replace(true);
            }
            _ = refresh.tick() => progress.refresh(&tally, started.elapsed()),
        }
    };
    progress.finish();
    ended
}

/// Puts the signal's number into the report of a run that it stopped. A run that was complete
/// before it could stop keeps its own.
pub(crate) fn name_the_signal(report: &mut RunReport, signal: Option<Signal>) {
    if let (Outcome::Interrupted, Some(signal)) = (report.outcome, signal) {
        report.exit_code = signal.exit().code();
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::super::summary::tests::report;
    use super::*;
    use crate::model::ExitCode;

    async fn driven(
        run: impl Future<Output = Result<RunReport, Failure>>,
        stop: &watch::Sender<bool>,
        mut signals: mpsc::Receiver<Signal>,
    ) -> Ended {
        let next_signal = async || match signals.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        };
        drive(
            run,
            stop,
            Arc::default(),
            Progress::Lines(Default::default()),
            next_signal,
        )
        .await
    }

    fn interrupted() -> RunReport {
        RunReport {
            outcome: Outcome::Interrupted,
            exit_code: 130,
            ..report()
        }
    }

    #[tokio::test]
    async fn a_run_without_signals_ends_by_itself() {
        let (_send, signals) = mpsc::channel(1);
        let stop = watch::Sender::new(false);
        let ended = driven(async { Ok(report()) }, &stop, signals).await;
        assert!(matches!(ended, Ended::ByItself(Ok(_), None)), "{ended:?}");
        assert!(!*stop.borrow());
    }

    #[tokio::test]
    async fn the_first_signal_asks_and_the_run_ends_tidily() {
        for (signal, code) in [(Signal::Interrupt, 130), (Signal::Terminate, 143)] {
            let (send, signals) = mpsc::channel(1);
            let stop = watch::Sender::new(false);
            let mut asked = stop.subscribe();
            let run = async {
                send.send(signal).await.expect("somebody listens");
                asked
                    .wait_for(|stop| *stop)
                    .await
                    .expect("the sender lives");
                Ok(interrupted())
            };
            let Ended::ByItself(Ok(mut report), by) = driven(run, &stop, signals).await else {
                panic!("the run was not waited for");
            };
            assert_eq!(by, Some(signal));
            name_the_signal(&mut report, by);
            assert_eq!(report.exit_code, code);
        }
    }

    #[tokio::test]
    async fn the_second_signal_does_not_wait_whichever_pair_it_is() {
        use Signal::{Interrupt, Terminate};
        for first in [Interrupt, Terminate] {
            for second in [Interrupt, Terminate] {
                let (send, signals) = mpsc::channel(2);
                send.send(first).await.expect("room");
                send.send(second).await.expect("room");
                let stop = watch::Sender::new(false);
                let ended = driven(std::future::pending(), &stop, signals).await;
                assert!(
                    matches!(ended, Ended::AtOnce(signal) if signal == second),
                    "{ended:?}"
                );
                assert!(*stop.borrow());
            }
        }
    }

    #[test]
    fn a_run_that_was_complete_before_it_could_stop_stays_complete() {
        let mut report = report();
        name_the_signal(&mut report, Some(Signal::Terminate));
        assert_eq!(report.exit_code, ExitCode::Complete.code());
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_run_is_refreshed_every_half_minute() {
        let (_send, signals) = mpsc::channel(1);
        let stop = watch::Sender::new(false);
        let run = async {
            tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
            Ok(report())
        };
        let ended = driven(run, &stop, signals).await;
        assert!(matches!(ended, Ended::ByItself(Ok(_), None)), "{ended:?}");
    }
}
