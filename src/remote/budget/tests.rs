use super::*;

const WINDOW: Duration = Duration::from_secs(10);

/// Grants in any window, counted the way a strict service would.
fn most_in_any_window(grants: &[Instant]) -> usize {
    grants
        .iter()
        .map(|end| {
            grants
                .iter()
                .filter(|at| **at <= *end && **at + WINDOW > *end)
                .count()
        })
        .max()
        .unwrap_or(0)
}

async fn take(budget: &Budget, lane: Lane, log: &Mutex<Vec<Instant>>) {
    budget.acquire(lane).await.answered();
    log.lock().unwrap().push(Instant::now());
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_granted_at_once_and_the_window_is_never_exceeded() {
    let budget = Budget::new(8, WINDOW);
    let log = Mutex::default();
    let start = Instant::now();
    for _ in 0..20 {
        take(&budget, Lane::Other, &log).await;
    }
    let grants = log.into_inner().unwrap();
    assert_eq!(grants[7], start, "eight fit at once");
    assert_eq!(grants[8] - start, WINDOW);
    assert_eq!(grants[19] - start, WINDOW * 2);
    assert_eq!(most_in_any_window(&grants), 8);
}

/// The longest time between two grants of a chain of `pages` whose answers take `answer`, beside others
/// that push as hard as they can, and the grants of both.
async fn longest_gap(budget: &Budget, pages: usize, answer: Duration) -> (Duration, Vec<Instant>) {
    let log = Mutex::default();
    budget.open_chain();
    let pushing = async {
        loop {
            take(budget, Lane::Other, &log).await;
        }
    };
    let chain = async {
        take(budget, Lane::Chain, &log).await;
        let mut last = Instant::now();
        let mut worst = Duration::ZERO;
        tokio::time::sleep(answer).await;
        budget.chain_needs(pages - 1);
        for _ in 1..pages {
            take(budget, Lane::Chain, &log).await;
            worst = worst.max(last.elapsed());
            last = Instant::now();
            tokio::time::sleep(answer).await;
        }
        budget.close_chain();
        worst
    };
    let worst = tokio::select! {
        worst = chain => worst,
        () = pushing => Duration::MAX,
    };
    (worst, log.into_inner().unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_open_chain_never_waits_longer_than_its_pace_while_others_push() {
    for limit in [1, 2, 3, 4, 8, 10, 60] {
        for answer_ms in [1, 40, 300, 1_700, 2_900] {
            let budget = Budget::new(limit, WINDOW);
            // A burst of others first: the chain must wait until it can keep its pace.
            for _ in 0..limit.min(5) {
                budget.acquire(Lane::Other).await.answered();
            }
            let answer = Duration::from_millis(answer_ms);
            let (worst, grants) = longest_gap(&budget, 80, answer).await;
            let what = format!("{limit} in 10 s, answers of {answer:?}: {worst:?}");
            // An answer, which comes at its own time, and what the search is exact to.
            assert!(worst <= budget.pace().max(answer) + LOOK * 2, "{what}");
            assert!(most_in_any_window(&grants) <= limit, "{what}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_takes_the_least_that_the_windows_allow() {
    for (limit, pages, others) in [(10, 30, 24), (8, 30, 24), (8, 100, 3), (10, 11, 5)] {
        let budget = Budget::new(limit, WINDOW);
        let start = Instant::now();
        let log = Mutex::default();
        take(&budget, Lane::Other, &log).await;
        budget.open_chain();
        let chain = async {
            take(&budget, Lane::Chain, &log).await;
            budget.chain_needs(pages - 1);
            for _ in 1..pages {
                take(&budget, Lane::Chain, &log).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            budget.close_chain();
        };
        let rest = async {
            for _ in 1..others {
                take(&budget, Lane::Other, &log).await;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::join!(chain, rest);
        let windows = (pages + others - 1) / limit;
        let least = WINDOW * u32::try_from(windows).unwrap();
        let took = start.elapsed();
        assert!(
            took <= least.mul_f64(1.05) + Duration::from_secs(1),
            "{limit}, {pages}, {others}: {took:?} for {least:?}"
        );
        assert!(most_in_any_window(&log.into_inner().unwrap()) <= limit);
    }
}

#[tokio::test(start_paused = true)]
async fn others_fill_the_gaps_of_a_slow_chain() {
    let budget = Budget::new(8, WINDOW);
    let log = Mutex::default();
    budget.open_chain();
    let others = async {
        let begun = Instant::now();
        for _ in 0..20 {
            take(&budget, Lane::Other, &log).await;
        }
        begun.elapsed()
    };
    let chain = async {
        take(&budget, Lane::Chain, &log).await;
        budget.chain_needs(20);
        for _ in 0..20 {
            take(&budget, Lane::Chain, &log).await;
            tokio::time::sleep(Duration::from_secs(4)).await;
        }
        budget.close_chain();
    };
    let (took, ()) = tokio::join!(others, chain);
    assert!(took < Duration::from_secs(45), "others starved: {took:?}");
    assert!(most_in_any_window(&log.into_inner().unwrap()) <= 8);
}

#[tokio::test(start_paused = true)]
async fn a_short_walk_goes_at_once_and_keeps_its_slots() {
    let budget = Budget::new(8, WINDOW);
    let log = Mutex::default();
    let start = Instant::now();
    budget.open_chain();
    let chain = async {
        take(&budget, Lane::Chain, &log).await;
        budget.chain_needs(5);
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            take(&budget, Lane::Chain, &log).await;
        }
        budget.close_chain();
        start.elapsed()
    };
    let others = async {
        for _ in 0..10 {
            take(&budget, Lane::Other, &log).await;
        }
    };
    let (took, ()) = tokio::join!(chain, others);
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(most_in_any_window(&log.into_inner().unwrap()) <= 8);
}

#[tokio::test(start_paused = true)]
async fn a_last_page_that_is_long_in_coming_holds_nobody_up() {
    let budget = Budget::new(8, WINDOW);
    let log = Mutex::default();
    budget.open_chain();
    let chain = async {
        take(&budget, Lane::Chain, &log).await;
        budget.chain_needs(3);
        for _ in 0..2 {
            take(&budget, Lane::Chain, &log).await;
        }
        tokio::time::sleep(Duration::from_secs(300)).await;
        take(&budget, Lane::Chain, &log).await;
        budget.close_chain();
    };
    let others = async {
        let begun = Instant::now();
        for _ in 0..20 {
            take(&budget, Lane::Other, &log).await;
        }
        begun.elapsed()
    };
    let (took, ()) = tokio::join!(others, chain);
    assert!(took < Duration::from_secs(40), "{took:?}");
    assert!(most_in_any_window(&log.into_inner().unwrap()) <= 8);
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_everyone_and_others_longer() {
    let budget = Budget::new(8, WINDOW);
    budget.pause(Duration::from_secs(4), Duration::from_secs(9));
    let start = Instant::now();
    let chain = async {
        budget.acquire(Lane::Chain).await.answered();
        start.elapsed()
    };
    let other = async {
        budget.acquire(Lane::Other).await.answered();
        start.elapsed()
    };
    let (chain, other) = tokio::join!(chain, other);
    assert_eq!(chain, Duration::from_secs(4));
    assert_eq!(other, Duration::from_secs(9));
    assert_eq!(budget.waited(), Duration::from_secs(13));
}

#[tokio::test(start_paused = true)]
async fn what_another_run_asked_just_now_counts() {
    let before = Budget::new(8, WINDOW);
    for _ in 0..8 {
        before.acquire(Lane::Other).await.answered();
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let budget = Budget::new(8, WINDOW);
    budget.remember(before.recent());
    budget.remember([Duration::from_secs(11)]);
    let start = Instant::now();
    budget.acquire(Lane::Other).await.answered();
    assert_eq!(start.elapsed(), Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn a_slow_first_connection_does_not_let_the_eleventh_in_early() {
    let budget = Budget::new(2, WINDOW);
    let start = Instant::now();
    let first = budget.acquire(Lane::Other).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    first.answered();
    budget.acquire(Lane::Other).await.answered();
    budget.acquire(Lane::Other).await.answered();
    assert_eq!(start.elapsed(), WINDOW + Duration::from_millis(200));
}
