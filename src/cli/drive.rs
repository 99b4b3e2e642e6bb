//! One run with its companions: the display that follows it and the signals that end it.

use std::sync::Arc;

use tokio::time::{Instant, MissedTickBehavior};
use tracing::warn;

use super::failure::Failure;
use super::progress::Progress;
use crate::daemon::Signal;
use crate::model::{RunReport, Tally};

/// How it ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The run came to its own end, a tidily stopped one included.
    ByItself(Result<Box<RunReport>, Failure>),
    /// The second signal: nothing was waited for.
    AtOnce(Signal),
}

/// Polls `run` to its end, refreshes the display meanwhile, and passes the first signal on to
/// `ask_to_stop`. The second one drops the run where it stands; the next run heals what that
/// leaves.
///
/// All of it happens in this one task, so there is nothing to wait for afterwards.
pub(crate) async fn drive(
    run: impl Future<Output = Result<RunReport, Failure>>,
    ask_to_stop: impl Fn(Signal),
    tally: Arc<Tally>,
    mut progress: Progress,
    mut next_signal: impl AsyncFnMut() -> Signal,
) -> Ended {
    let started = Instant::now();
    let mut refresh = tokio::time::interval(progress.every());
    refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_asked = false;
    let mut run = Box::pin(run);
    let ended = loop {
        tokio::select! {
            // First, so that a run that is done is not thrown away for a signal of the same moment.
            biased;
            ended = &mut run => break Ended::ByItself(ended.map(Box::new)),
            signal = next_signal() => {
                if is_asked {
                    break Ended::AtOnce(signal);
                }
                is_asked = true;
                warn!("{}: stopping tidily; once more to stop at once", signal.name());
                ask_to_stop(signal);
            }
            _ = refresh.tick() => progress.refresh(&tally, started.elapsed()),
        }
    };
    progress.finish();
    ended
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::{mpsc, watch};

    use super::super::summary::tests::report;
    use super::*;

    /// Drives a run with signals from a queue. Returns its end and the signals it was told of.
    async fn driven<R>(
        run: impl FnOnce(watch::Receiver<bool>) -> R,
        mut signals: mpsc::Receiver<Signal>,
    ) -> (Ended, Vec<Signal>)
    where
        R: Future<Output = Result<RunReport, Failure>>,
    {
        let stop = watch::Sender::new(false);
        let told = Mutex::new(Vec::new());
        let ask_to_stop = |signal| {
            told.lock().expect("one thread").push(signal);
            stop.send_replace(true);
        };
        let next_signal = async || match signals.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        };
        let progress = Progress::Lines(Default::default());
        let run = run(stop.subscribe());
        let ended = drive(run, ask_to_stop, Arc::default(), progress, next_signal).await;
        (ended, told.into_inner().expect("one thread"))
    }

    #[tokio::test]
    async fn a_run_without_signals_ends_by_itself() {
        let (_send, signals) = mpsc::channel(1);
        let (ended, told) = driven(async |_stop| Ok(report()), signals).await;
        assert!(matches!(ended, Ended::ByItself(Ok(_))), "{ended:?}");
        assert_eq!(told, []);
    }

    #[tokio::test]
    async fn the_first_signal_asks_and_the_run_ends_tidily() {
        for signal in [Signal::Interrupt, Signal::Terminate] {
            let (send, signals) = mpsc::channel(1);
            let run = async |mut stop: watch::Receiver<bool>| {
                send.send(signal).await.expect("somebody listens");
                stop.wait_for(|stop| *stop).await.expect("the sender lives");
                Ok(report())
            };
            let (ended, told) = driven(run, signals).await;
            assert!(matches!(ended, Ended::ByItself(Ok(_))), "{ended:?}");
            assert_eq!(told, [signal]);
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
                let (ended, told) = driven(async |_| std::future::pending().await, signals).await;
                assert!(
                    matches!(ended, Ended::AtOnce(signal) if signal == second),
                    "{ended:?}"
                );
                assert_eq!(told, [first]);
            }
        }
    }

    #[tokio::test]
    async fn a_run_that_is_done_is_not_thrown_away_for_a_late_signal() {
        let (send, signals) = mpsc::channel(2);
        send.send(Signal::Interrupt).await.expect("room");
        send.send(Signal::Interrupt).await.expect("room");
        let (ended, told) = driven(async |_| Ok(report()), signals).await;
        assert!(matches!(ended, Ended::ByItself(Ok(_))), "{ended:?}");
        assert_eq!(told, []);
    }
}
