//! Files that cannot be had: asked for again at growing distance, in nobody's way, and healed by
//! themselves.

mod places;

use crate::support::{
    Expect as _, Program, Sandbox, Setup, assert_holds, assert_sound_and_tidy, now, replace_bytes,
};
use microcms_backup::model::{ExitCode, Timestamp};
use microcms_sim::{Edit, Fault, Occasion, Route, Sim};
use std::time::Duration;

const MINUTE: u64 = 60;

/// The clock, so many minutes from now.
fn after<const MINUTES: u64>() -> Timestamp {
    now().plus(Duration::from_secs(MINUTES * MINUTE))
}

fn at(clock: fn() -> Timestamp) -> Setup {
    Setup {
        now: clock,
        read_timeout: Duration::from_millis(500),
        ..Setup::default()
    }
}

async fn service() -> (Sim, String) {
    let sim = Sim::builder().media(5).media_size(500..=500).start().await;
    let id = sim
        .edit(Edit::AddMedium {
            name: "trouble.png".to_owned(),
            bytes: None,
            path: None,
            alt: None,
            tags: Vec::new(),
        })
        .expect("a new medium");
    (sim, id)
}

fn fail(sim: &Sim, fault: Fault) {
    sim.fault(Route::Image.containing("trouble"), Occasion::Every, fault);
}

fn asked(sim: &Sim) -> usize {
    let requests = sim.requests();
    requests
        .iter()
        .filter(|it| it.path.contains("trouble"))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_missing_is_asked_for_less_and_less_often_and_heals() {
    let (sim, id) = service().await;
    sim.edit(Edit::HideAsset {
        id: id.clone(),
        hidden: true,
    })
    .expect("hidden");
    let home = Sandbox::in_memory();
    // When a run comes, and whether it asks: at once, by the next run, then after 30 minutes, 2 hours.
    let runs: [(fn() -> Timestamp, bool); 7] = [
        (after::<0>, true),
        (after::<1>, true),
        (after::<2>, false),
        (after::<20>, false),
        (after::<32>, true),
        (after::<100>, false),
        (after::<160>, true),
    ];
    let mut attempts = 0;
    for (clock, is_asked) in runs {
        sim.forget_requests();
        let report = home
            .sync_with(&sim, at(clock))
            .await
            .expect_code(ExitCode::Partial);
        assert_eq!(asked(&sim), usize::from(is_asked), "{}", clock());
        attempts += u32::from(is_asked);
        assert_eq!((report.assets.owed, report.failed_total), (1, 1));
        let failed = &report.failed[0];
        assert_eq!(
            (failed.media_id.as_str(), failed.attempts),
            (id.as_str(), attempts)
        );
        assert!(failed.error.contains("404"), "{}", failed.error);
        assert_eq!(
            report.assets.waiting,
            u64::from(failed.next_attempt_at.is_some())
        );
        assert_eq!(
            home.count("SELECT count(*) FROM assets WHERE state = 'saved'"),
            5,
            "the others are not held up"
        );
    }

    // A person does not have to wait.
    let impatient = Setup {
        is_impatient: true,
        ..at(after::<161>)
    };
    sim.forget_requests();
    home.sync_with(&sim, impatient.clone()).await;
    assert_eq!(asked(&sim), 1);
    sim.edit(Edit::HideAsset { id, hidden: false })
        .expect("shown");
    sim.forget_requests();
    home.sync_with(&sim, at(after::<162>))
        .await
        .expect_code(ExitCode::Partial);
    assert_eq!(asked(&sim), 0);
    let report = home.sync_with(&sim, impatient).await.expect_complete();
    assert_eq!(report.failed, []);
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    assert_eq!(
        home.texts("SELECT state || attempts || ifnull(last_error, '') || ifnull(next_attempt_at, '') FROM assets"),
        vec!["saved0"; 6]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_just_now_is_not_told_as_what_failed_before() {
    let (sim, first) = service().await;
    let home = Sandbox::in_memory();
    home.sync_with(&sim, at(now)).await.expect_complete();
    let second = sim.media_ids().into_iter().find(|id| *id != first);
    let second = second.expect("another one");
    for id in [&first, &second] {
        replace_bytes(&sim, id.as_str());
    }
    for route in [Route::Image, Route::File] {
        sim.fault(route, Occasion::Every, Fault::status(403, "no"));
    }
    let impatient = || Setup {
        is_impatient: true,
        allow_deletes: 1,
        ..at(now)
    };
    home.sync_with(&sim, impatient()).await;
    // One after the other, and the first one turns out to be deleted: it is its failure that is named until then.
    let deleted =
        home.texts("SELECT media_id FROM assets WHERE state = 'failed' ORDER BY rowid LIMIT 1");
    let [deleted] = &deleted[..] else {
        panic!("{deleted:?}")
    };
    sim.edit(Edit::DeleteMedium {
        id: deleted.clone(),
    })
    .expect("deleted");
    for is_marked in [false, true] {
        let setup = Setup {
            downloads: 1,
            ..impatient()
        };
        let report = home.sync_with(&sim, setup).await;
        assert_eq!(report.media.deleted, u64::from(is_marked));
        let said: Vec<&str> = report.problems.iter().map(|it| &*it.message).collect();
        let failed = if is_marked { 1 } else { 2 };
        let begins = format!("{failed} failed, for example `");
        assert!(said.iter().any(|it| it.starts_with(&begins)), "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_one_file_its_report_says_it_and_the_others_are_saved() {
    let html = || Fault::Html;
    let cases: [(&str, Fault, &str); 6] = [
        ("403", Fault::status(403, "no"), "403"),
        ("413", Fault::status(413, "too large"), "413"),
        ("503", Fault::status(503, "busy"), "503"),
        ("a page", html(), "HTML"),
        ("a stall", Fault::Stall { after: Some(10) }, "no answer"),
        (
            "a foreign host",
            Fault::Redirect {
                status: 302,
                location: "https://elsewhere.example/{path}".to_owned(),
            },
            "not among the allowed asset hosts",
        ),
    ];
    for (name, fault, says) in cases {
        let (sim, id) = service().await;
        fail(&sim, fault);
        let home = Sandbox::in_memory();
        let report = home
            .sync_with(&sim, at(now))
            .await
            .expect_code(ExitCode::Partial);
        assert_eq!((report.assets.saved, report.assets.owed), (5, 1), "{name}");
        let failed = &report.failed[0];
        assert_eq!(failed.media_id, id);
        assert!(failed.error.contains(says), "{name}: {}", failed.error);
        sim.clear_faults();
        home.sync_with(&sim, at(now)).await.expect_complete();
        assert_holds(&home, &sim.truth());
        assert_sound_and_tidy(&home);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_medium_is_another_question_and_does_not_wait() {
    let (sim, id) = service().await;
    fail(&sim, Fault::status(403, "no"));
    let home = Sandbox::in_memory();
    for clock in [after::<0>, after::<1>] as [fn() -> Timestamp; 2] {
        home.sync_with(&sim, at(clock)).await;
    }
    sim.forget_requests();
    home.sync_with(&sim, at(after::<2>)).await;
    assert_eq!(asked(&sim), 0);
    sim.clear_faults();
    replace_bytes(&sim, id);
    home.sync_with(&sim, at(after::<3>)).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_too_long_is_not_fetched_and_said_with_what_to_do() {
    let (sim, id) = service().await;
    sim.edit(Edit::ResizeMedium {
        id,
        size: 3_000_000,
        touch: false,
    })
    .expect("resized");
    let home = Sandbox::in_memory();
    let setup = Setup {
        longest_asset: Some(1_000_000),
        ..at(now)
    };
    let report = home
        .sync_with(&sim, setup)
        .await
        .expect_code(ExitCode::Partial);
    assert_eq!((report.assets.saved, report.assets.owed), (5, 1));
    assert!(
        report.failed[0].error.contains("assets.max_size"),
        "{:?}",
        report.failed
    );
    // Its length is known by now: not even its head is asked for again.
    sim.forget_requests();
    let setup = Setup {
        longest_asset: Some(1_000_000),
        ..at(now)
    };
    home.sync_with(&sim, setup)
        .await
        .expect_code(ExitCode::Partial);
    assert_eq!(asked(&sim), 0);
    // The simulator takes a while over as many bytes.
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_a_host_asks_for_is_kept_across_runs() {
    for status in [429, 503] {
        a_wait_of_a_host(status).await;
    }
}

async fn a_wait_of_a_host(status: u16) {
    let (sim, _id) = service().await;
    let fault = Fault::Status {
        status,
        headers: [("retry-after".to_owned(), "3600".to_owned())].into(),
        body: String::new(),
        consumed: false,
    };
    fail(&sim, fault);
    let home = Sandbox::in_memory();
    let output = Program::sync(&home, &sim).run();
    assert_eq!(output.status.code(), Some(3));
    sim.forget_requests();
    home.sync_with(&sim, at(after::<30>)).await;
    assert_eq!(asked(&sim), 0);
    sim.clear_faults();
    home.sync_with(&sim, at(after::<61>))
        .await
        .expect_complete();
}

fn asks_for_a_pause(status: u16, seconds: u64) -> Fault {
    Fault::Status {
        status,
        headers: [("retry-after".to_owned(), seconds.to_string())].into(),
        body: String::new(),
        consumed: false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_asks_for_a_long_pause_is_left_alone_by_every_file() {
    for status in [429, 503] {
        let sim = Sim::builder()
            .media(300)
            .media_size(500..=500)
            .start()
            .await;
        sim.fault(
            Route::Image,
            Occasion::Every,
            asks_for_a_pause(status, 3600),
        );
        sim.fault(Route::File, Occasion::Every, asks_for_a_pause(status, 3600));
        let home = Sandbox::in_memory();
        let report = home
            .sync_with(&sim, at(after::<0>))
            .await
            .expect_code(ExitCode::Partial);
        assert_eq!(report.assets.owed, 300);
        // What was under way when the first answer came, at two hosts.
        let asked = sim.counters().assets();
        assert!(asked <= 80, "{status}: {asked} requests");
        assert!(
            report.failed.iter().all(
                |file| file.error.contains("pause") || file.error.contains(&status.to_string())
            ),
            "{:?}",
            report.failed
        );
        sim.clear_faults();
        sim.forget_requests();
        home.sync_with(&sim, at(after::<30>))
            .await
            .expect_code(ExitCode::Partial);
        assert_eq!(sim.counters().assets(), 0, "the pause is kept");
        home.sync_with(&sim, at(after::<61>))
            .await
            .expect_complete();
        assert_holds(&home, &sim.truth());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_asks_for_pause_after_pause_is_left_alone_in_the_end() {
    let sim = Sim::builder()
        .media(400)
        .media_size(500..=500)
        .start()
        .await;
    for route in [Route::Image, Route::File] {
        sim.fault(route, Occasion::Every, asks_for_a_pause(429, 1));
    }
    let home = Sandbox::in_memory();
    let report = home
        .sync_with(&sim, at(after::<0>))
        .await
        .expect_code(ExitCode::Partial);
    assert_eq!(report.assets.owed, 400);
    // Sixteen files of each of two hosts, four times each, and what was under way.
    let asked = sim.counters().assets();
    assert!(asked <= 200, "{asked} requests");
    sim.clear_faults();
    home.sync_with(&sim, at(after::<1>)).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_pause_is_sat_out_by_every_file() {
    let sim = Sim::builder()
        .media(300)
        .media_size(500..=500)
        .start()
        .await;
    for route in [Route::Image, Route::File] {
        sim.fault(route, 1, asks_for_a_pause(429, 2));
    }
    let home = Sandbox::in_memory();
    home.sync_with(&sim, at(after::<0>)).await.expect_complete();
    for host in [sim.image_host(), sim.file_host()] {
        let requests = sim.requests();
        let of_host = || requests.iter().filter(|request| request.host == host);
        let told = of_host()
            .find(|request| request.status == 429)
            .expect("it was told");
        // What was under way then came within a moment.
        let early = of_host()
            .filter(|request| (1_000..1_900).contains(&request.at_ms.saturating_sub(told.at_ms)));
        assert_eq!(early.count(), 0, "{host}");
    }
    assert_holds(&home, &sim.truth());
}
