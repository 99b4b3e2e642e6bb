//! The token walk under faults and edits: never a false proof, and the next run ends where a
//! faultless one would have.

use crate::support::{Expect as _, Sandbox, Setup, assert_holds, assert_within_budget};
use microcms_backup::model::{ExitCode, WalkVerdict};
use microcms_sim::{Edit, Fault, Occasion, Route, Sim, SimBuilder, TokenMode, When};
use std::time::Duration;

fn service() -> SimBuilder {
    Sim::builder().media(450).media_size(100..=200)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_page_ends_in_a_proven_walk() {
    let faults = [
        ("dropped before it was served", Fault::DropBefore),
        ("lost after it was served", Fault::DropAfter),
        (
            "cut",
            Fault::Cut {
                after: 300,
                chunked: false,
            },
        ),
        (
            "cut in chunks",
            Fault::Cut {
                after: 300,
                chunked: true,
            },
        ),
        ("garbage", Fault::Garbage),
        ("an HTML page", Fault::Html),
        ("500", Fault::status(500, "Internal Server Error")),
        ("503 after it was served", Fault::status_consumed(503, "")),
        ("an expired token", Fault::status(400, "BadRequest")),
    ];
    // Side by side: they wait more than they work.
    let mut cases = tokio::task::JoinSet::new();
    for (name, fault) in faults {
        // Without a token a 400 is the operator's problem.
        let first = if name == "an expired token" { 4 } else { 1 };
        for page in [first, 3] {
            let fault = fault.clone();
            cases.spawn(async move {
                let sim = service().start().await;
                sim.fault(Route::Media, page, fault);
                let home = Sandbox::new();
                let report = home.sync(&sim).await;
                assert_eq!(
                    report.verdict_of("media"),
                    WalkVerdict::Proven,
                    "{name} at page {page}: {:?}",
                    report.walks
                );
                report.expect_complete();
                assert_holds(&home, &sim.truth());
            });
        }
    }
    cases.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_is_waited_out_while_the_token_lives() {
    let sim = service().token_mode(TokenMode::Rotating).start().await;
    sim.fault(Route::Media, 3, Fault::status(429, "Too Many Requests"));
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_complete();
    let walk = report
        .walks
        .iter()
        .find(|walk| walk.scope.to_string() == "media")
        .expect("a walk");
    assert_eq!(walk.restarts, 0, "{walk:?}");
    let age = walk.max_token_age_ms.expect("an age");
    assert!(
        (4_000..9_000).contains(&age),
        "waited {age} ms with the token"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_page_that_no_later_page_betrays_is_never_called_proven() {
    // The last page: the walk cannot know that there was one but for the count.
    let sim = service().start().await;
    sim.fault(Route::Media, Occasion::EachNth(5), Fault::DropAfter);
    let home = Sandbox::new();
    let report = home.sync(&sim).await;
    if report.verdict_of("media") == WalkVerdict::Proven {
        assert_holds(&home, &sim.truth());
    } else {
        report.expect_code(ExitCode::Partial);
        sim.clear_faults();
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_loses_every_other_page_is_recorded_as_unproven_and_healed_by_the_next_run()
{
    let sim = service().start().await;
    sim.fault(Route::Media, Occasion::EachNth(2), Fault::DropAfter);
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(report.verdict_of("media"), WalkVerdict::Unproven);
    assert!(report.walks[0].restarts <= 5, "bounded: {:?}", report.walks);
    assert_eq!(
        home.count("SELECT count(*) FROM media WHERE deleted_at IS NOT NULL"),
        0
    );
    assert!(
        home.count("SELECT count(*) FROM media") >= 100,
        "what was seen is kept"
    );
    sim.clear_faults();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expired_begins_the_walk_again() {
    let sim = service()
        .token_life(Duration::from_millis(300))
        .start()
        .await;
    sim.fault(Route::Media, 3, Fault::Delay { ms: 700 });
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_complete();
    assert!(
        report.walks.iter().any(|walk| walk.restarts == 1),
        "{:?}",
        report.walks
    );
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_during_the_walk_are_in_the_backup_after_the_next_run_at_the_latest() {
    for page in [1, 2, 4] {
        let sim = service().start().await;
        let doomed = sim.media_ids()[7].clone();
        let add = Edit::AddMedium {
            name: "新着.png".into(),
            bytes: None,
            path: None,
            alt: None,
            tags: vec![],
        };
        sim.on(Route::Media, page, When::After, add);
        sim.on(
            Route::Media,
            page,
            When::After,
            Edit::DeleteMedium { id: doomed.clone() },
        );
        let home = Sandbox::new();
        let report = home.sync(&sim).await;
        // A scroll is a snapshot: proven means "as of its first page". The file of the medium that
        // was deleted meanwhile cannot be had, and the run says so.
        assert_eq!(report.verdict_of("media"), WalkVerdict::Proven);
        home.sync(&sim).await;
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
        assert_eq!(
            home.count("SELECT count(*) FROM media WHERE deleted_at IS NOT NULL"),
            1,
            "{doomed}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_medium_that_changed_between_two_attempts_is_new_once_and_changed_once() {
    let sim = service().start().await;
    let id = sim.media_ids()[7].clone();
    let name = "anders.png".to_owned();
    let touch = true;
    sim.on(
        Route::Media,
        4,
        When::After,
        Edit::RenameMedium { id, name, touch },
    );
    // The token is dead at the last page: all pages come twice, some of them perhaps recorded together.
    sim.fault(Route::Media, 5, Fault::status(400, "BadRequest"));
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_complete();
    assert_eq!((report.media.new, report.media.changed), (450, 1));
    assert_eq!(home.count("SELECT count(*) FROM media_history"), 1);
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_media_chain_keeps_its_pace_under_the_real_budget() {
    let sim = Sim::builder()
        .media(1_150)
        .list_api("blog", 350)
        .with_budgets()
        .start()
        .await;
    let home = Sandbox::new();
    let setup = Setup {
        management_per_10s: 8,
        content_per_second: 30,
        ..Setup::default()
    };
    let begun = std::time::Instant::now();
    let report = home.sync_with(&sim, setup).await.expect_complete();
    let counters = sim.counters();
    assert_within_budget(&sim, 8);
    let oldest = counters.token_ages_ms.iter().max().copied().unwrap_or(0);
    assert!(oldest < 3_000, "a token was {oldest} ms old");
    let management: u64 = [
        Route::Media,
        Route::Apis,
        Route::Schema,
        Route::MetadataList,
    ]
    .iter()
    .map(|route| counters.of(*route))
    .sum();
    // Not a benchmark: the arithmetic of the budget, with generous room for a busy machine.
    let floor = Duration::from_secs(10 * ((management - 1) / 8));
    assert!(
        begun.elapsed() < floor.mul_f64(1.5),
        "{management} requests took {:?}",
        begun.elapsed()
    );
    assert_eq!(
        report.walks.iter().map(|walk| walk.restarts).sum::<u64>(),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_right_after_another_one_draws_no_429_either() {
    let sim = Sim::builder()
        .media(350)
        .list_api("blog", 3)
        .with_budgets()
        .start()
        .await;
    let home = Sandbox::new();
    let setup = Setup {
        management_per_10s: 8,
        ..Setup::default()
    };
    home.sync_with(&sim, setup.clone()).await.expect_complete();
    home.sync_with(&sim, setup).await.expect_complete();
    assert_within_budget(&sim, 8);
}
