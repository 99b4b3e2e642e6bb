use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chrono_tz::Tz;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::super::alarm::Alarm;
use super::super::bell::{Trigger, bell};
use super::super::schedule::Schedule;
use super::super::ticks::follow;
use super::{MIDNIGHT, clock, elapsed, shift_clock, start_clock};

const MINUTE: Duration = Duration::from_secs(60);

fn schedule(line: &str) -> Schedule {
    Schedule::new(line, Tz::UTC).expect(line)
}

/// Rings of the last tick heard, as seconds since the start.
async fn next_ring(rings: &mut mpsc::Receiver<Trigger>) -> u64 {
    assert_eq!(rings.recv().await, Some(Trigger::Schedule));
    elapsed().as_secs()
}

/// Wakes as the alarm does: at the time, but looks at the clock each minute.
async fn nap(_: &Schedule, left: Duration) {
    sleep(left.min(MINUTE)).await;
}

/// Follows `schedule` while `test` runs.
async fn following<T>(
    schedule: Schedule,
    share: f64,
    test: impl AsyncFnOnce(
        mpsc::Receiver<Trigger>,
        watch::Sender<Schedule>,
        watch::Receiver<Option<crate::model::Timestamp>>,
    ) -> T,
) -> T {
    start_clock(MIDNIGHT);
    let (rope, rings) = bell();
    let (sender, schedules) = watch::channel(schedule);
    let (next, next_tick) = watch::channel(None);
    let ticks = follow(schedules, share, clock, rope, next, nap);
    tokio::select! {
        () = ticks => panic!("the schedule is still held"),
        done = test(rings, sender, next_tick) => done,
    }
}

#[tokio::test(start_paused = true)]
async fn each_tick_rings_once() {
    following(
        schedule("0 7 * * * *"),
        0.0,
        async |mut rings, _held, next| {
            assert_eq!(next_ring(&mut rings).await, 7 * 60);
            assert_eq!(next_ring(&mut rings).await, 67 * 60);
            sleep(Duration::from_secs(1)).await;
            let next = next.borrow().expect("a tick");
            assert_eq!(next.to_string(), "2026-11-24T02:07:00.000Z");
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn ticks_that_nobody_heard_become_one_ring() {
    following(
        schedule("0 * * * * *"),
        0.0,
        async |mut rings, _held, _next| {
            sleep(10 * MINUTE + Duration::from_secs(30)).await;
            assert_eq!(next_ring(&mut rings).await, 630);
            assert_eq!(next_ring(&mut rings).await, 660);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_goes_ahead_by_hours_rings_once() {
    following(
        schedule("0 7 * * * *"),
        0.0,
        async |mut rings, _held, _next| {
            sleep(MINUTE / 2).await;
            shift_clock(5 * 3_600_000);
            let rung = next_ring(&mut rings).await;
            assert!(rung <= 60, "{rung} s");
            // The next one is the new time's: 05:07.
            assert_eq!(next_ring(&mut rings).await, 7 * 60);
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_goes_back_does_not_wait_for_the_old_time() {
    following(
        schedule("0 * * * * *"),
        0.0,
        async |mut rings, _held, _next| {
            next_ring(&mut rings).await;
            shift_clock(-3_600_000);
            let rung = next_ring(&mut rings).await;
            assert!(rung <= 180, "{rung} s");
            assert!(
                timeout(MINUTE + Duration::from_secs(1), rings.recv())
                    .await
                    .is_ok()
            );
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn jitter_moves_every_tick_by_the_same_span() {
    let mut late = schedule("0 7 * * * *");
    late.jitter = 2 * MINUTE;
    following(late, 0.25, async |mut rings, _held, next| {
        sleep(Duration::from_secs(1)).await;
        let expected = next.borrow().expect("a tick").to_string();
        assert_eq!(expected, "2026-11-24T00:07:30.000Z");
        assert_eq!(next_ring(&mut rings).await, 7 * 60 + 30);
        assert_eq!(next_ring(&mut rings).await, 67 * 60 + 30);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_new_schedule_counts_at_once() {
    following(
        schedule("0 7 * * * *"),
        0.0,
        async |mut rings, sender, next| {
            sleep(Duration::from_secs(1)).await;
            sender.send_replace(schedule("0 2 * * * *"));
            assert_eq!(next_ring(&mut rings).await, 120);
            // A line without a tick is waited out until a better one comes.
            sender.send_replace(schedule("0 0 3 31 2 *"));
            sleep(Duration::from_secs(1)).await;
            assert_eq!(*next.borrow(), None);
            sender.send_replace(schedule("0 5 * * * *"));
            assert_eq!(next_ring(&mut rings).await, 300);
        },
    )
    .await;
}

/// The library looks at the real clock, so this one test takes real time: about three seconds.
#[tokio::test]
async fn the_library_wakes_each_second_and_gives_its_jobs_up() {
    let each_second = schedule("* * * * * *");
    let mut alarm = Alarm::start().await.expect("a scheduler");
    let woken = AtomicU32::new(0);
    let far = 100 * MINUTE;
    let done = timeout(Duration::from_secs(20), async {
        for _ in 0..2 {
            alarm.wait(&each_second, far).await;
            woken.fetch_add(1, Ordering::Relaxed);
        }
        // A wait that is given up leaves nothing that the next one minds.
        drop(timeout(Duration::from_millis(10), alarm.wait(&each_second, far)).await);
        alarm.wait(&each_second, far).await;
    });
    done.await.expect("the library wakes");
    assert_eq!(woken.load(Ordering::Relaxed), 2);
    drop(Arc::new(alarm));
}
