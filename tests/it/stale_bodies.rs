//! Bodies of yesterday, as a CDN that was not told in time serves them: none is taken for today's.

use crate::bodies::{add, bodies, fields};
use crate::support::{Expect as _, Sandbox, Setup, assert_holds, now};
use microcms_backup::model::{ExitCode, Timestamp};
use microcms_sim::{ContentRights, Edit, Fault, Occasion, Route, Sim, Status, When};
use std::time::Duration;

fn list_of(body: &str) -> Fault {
    Fault::answer(format!(
        "{{\"contents\":[{body}],\"totalCount\":1,\"offset\":0,\"limit\":1}}"
    ))
}

fn publish(id: &str, title: &str) -> Edit {
    Edit::EditBody {
        endpoint: "blog".into(),
        id: id.to_owned(),
        fields: fields(title),
    }
}

fn save_draft(id: &str, title: &str) -> Edit {
    Edit::AddDraft {
        endpoint: "blog".into(),
        id: id.to_owned(),
        fields: fields(title),
    }
}

/// A service whose key has these rights.
async fn seen_by(rights: ContentRights) -> Sim {
    Sim::builder()
        .published_list_api("blog", 5)
        .content_permissions(rights)
        .start()
        .await
}

/// A content in a service that is backed up, with its two bodies.
async fn saved(status: Status) -> (Sim, Sandbox, (Option<String>, Option<String>)) {
    let sim = Sim::builder().published_list_api("blog", 5).start().await;
    // Shows that the key sees no drafts.
    sim.edit(add("never", Status::Draft)).expect("added");
    sim.edit(add("essay", status)).expect("added");
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let had = bodies(&home, "essay");
    (sim, home, had)
}

/// The next run draws a stale answer and does not take it; the one after it has the new body.
async fn heals(sim: &Sim, home: &Sandbox) {
    let report = home.sync(sim).await.expect_code(ExitCode::Partial);
    assert_eq!(report.bodies.owed, 1, "{:?}", report.problems);
    let why = home.texts("SELECT last_error FROM owed_bodies");
    assert!(why[0].contains("older than the listing says"), "{why:?}");
    home.sync(sim).await.expect_complete();
    assert_holds(home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_published_body_is_not_taken_for_the_new_one() {
    let (sim, home, (old, _)) = saved(Status::Publish).await;
    let old = old.expect("published");
    sim.edit(publish("essay", "new")).expect("edited");
    sim.fault(Route::ContentList, 1, list_of(&old));
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(
        bodies(&home, "essay").0,
        None,
        "the old body is history, not the current one"
    );
    let kept = home.texts("SELECT published_body FROM contents_history");
    assert_eq!(kept, [old]);
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_eq!(home.count("SELECT count(*) FROM contents_history"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_is_a_stale_draft() {
    for status in [Status::Draft, Status::PublishAndDraft] {
        let (sim, home, (_, old)) = saved(status).await;
        let old = old.expect("a draft");
        sim.edit(save_draft("essay", "new")).expect("saved");
        sim.fault(Route::Content, 1, Fault::answer(old));
        heals(&sim, &home).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_a_stale_published_body_beside_a_draft() {
    let (sim, home, (old, _)) = saved(Status::PublishAndDraft).await;
    let old = old.expect("published");
    sim.edit(publish("essay", "new")).expect("edited");
    sim.edit(save_draft("essay", "newer")).expect("saved");
    sim.fault(Route::ContentList.containing("essay"), 1, list_of(&old));
    heals(&sim, &home).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_insists_is_believed() {
    let (sim, home, (_, old)) = saved(Status::Draft).await;
    let old = old.expect("a draft");
    sim.edit(save_draft("essay", "new")).expect("saved");
    sim.fault(Route::Content, Occasion::Every, Fault::answer(old.clone()));
    for _ in 0..3 {
        home.sync(&sim).await.expect_code(ExitCode::Partial);
    }
    home.sync(&sim).await.expect_complete();
    assert_eq!(bodies(&home, "essay").1, Some(old));
}

/// The clock, so many minutes from now.
fn after<const MINUTES: u64>() -> Timestamp {
    now().plus(Duration::from_secs(MINUTES * 60))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cache_insisted_on_is_looked_at_again_after_minutes_and_a_day() {
    for heals_at in [1, 2, 3] {
        let (sim, home, (old, _)) = saved(Status::Publish).await;
        let old = old.expect("published");
        sim.edit(publish("essay", "new")).expect("edited");
        sim.fault(Route::ContentList, Occasion::Every, list_of(&old));
        for _ in 0..3 {
            home.sync(&sim).await.expect_code(ExitCode::Partial);
        }
        home.sync(&sim).await.expect_complete();
        assert_eq!(bodies(&home, "essay").0.as_ref(), Some(&old));
        let runs: [(fn() -> Timestamp, bool); 5] = [
            (after::<5>, false),
            (after::<11>, true),
            (after::<60>, false),
            (after::<1500>, true),
            (after::<3000>, false),
        ];
        let mut looks = 0;
        for (clock, is_due) in runs {
            // What came at last is not asked for again.
            let is_asked = is_due && looks < heals_at;
            looks += i32::from(is_asked);
            if looks == heals_at {
                sim.clear_faults();
            }
            sim.forget_requests();
            let setup = Setup {
                now: clock,
                ..Setup::default()
            };
            home.sync_with(&sim, setup).await.expect_complete();
            let asked = sim.counters().of(Route::ContentList);
            assert_eq!(asked, u64::from(is_asked), "{}", clock());
            let is_new = bodies(&home, "essay")
                .0
                .is_some_and(|body| body.contains("new"));
            assert_eq!(is_new, looks >= heals_at, "{}", clock());
        }
        assert_eq!(home.count("SELECT count(*) FROM doubted_bodies"), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doubt_ends_with_the_next_edit() {
    let (sim, home, (old, _)) = saved(Status::Publish).await;
    sim.edit(publish("essay", "new")).expect("edited");
    let stale = list_of(&old.expect("published"));
    sim.fault(Route::ContentList, Occasion::Every, stale);
    for _ in 0..4 {
        home.sync(&sim).await;
    }
    assert_eq!(home.count("SELECT count(*) FROM doubted_bodies"), 1);
    sim.clear_faults();
    sim.edit(publish("essay", "newer")).expect("edited");
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    sim.forget_requests();
    let setup = Setup {
        now: after::<11>,
        ..Setup::default()
    };
    home.sync_with(&sim, setup).await.expect_complete();
    assert_eq!(sim.counters().of(Route::ContentList), 0);
    assert_eq!(home.count("SELECT count(*) FROM doubted_bodies"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doubt_does_not_end_where_the_same_time_is_spelt_in_other_digits() {
    let (sim, home, (old, _)) = saved(Status::Publish).await;
    sim.edit(publish("essay", "new")).expect("edited");
    let stale = list_of(&old.expect("published"));
    sim.fault(Route::ContentList, Occasion::Every, stale);
    for _ in 0..4 {
        home.sync(&sim).await;
    }
    let respelt = "UPDATE doubted_bodies SET updated_at = replace(updated_at, 'Z', '0Z')";
    rusqlite::Connection::open(home.database())
        .and_then(|conn| conn.execute(respelt, []))
        .map(|rows| assert_eq!(rows, 1))
        .expect(respelt);
    sim.clear_faults();
    let setup = Setup {
        now: after::<11>,
        ..Setup::default()
    };
    home.sync_with(&sim, setup).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_whose_stamp_means_something_else_is_taken_at_once() {
    let (sim, home, (_, old)) = saved(Status::PublishAndDraft).await;
    // A draft that tells of another time than the listing, always.
    let stamp = |draft: &str| {
        let mut draft: serde_json::Value = serde_json::from_str(draft).expect("JSON");
        draft["updatedAt"] = "2020-01-01T00:00:00.000Z".into();
        // And that is not what is published.
        draft["title"] = "a draft".into();
        draft.to_string()
    };
    let draft = stamp(&old.expect("a draft"));
    let detail = Route::Content.containing("/essay?");
    sim.fault(detail, Occasion::Every, Fault::answer(draft.clone()));
    home.sync_with(&sim, Setup::full()).await.expect_complete();
    assert_eq!(bodies(&home, "essay").1.as_ref(), Some(&draft));
    sim.edit(save_draft("essay", "new")).expect("saved");
    home.sync(&sim).await.expect_complete();
    assert_eq!(bodies(&home, "essay").1, Some(draft));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_of_a_moment_ago_is_not_taken_for_what_is_published() {
    let sim = seen_by(ContentRights::everything()).await;
    for (id, status) in [("essay", Status::PublishAndDraft), ("never", Status::Draft)] {
        sim.edit(add(id, status)).expect("added");
    }
    let truth = sim.truth();
    let draft = truth
        .content("blog", "essay")
        .and_then(|it| it.draft.clone());
    // Saved between the two questions: the key sees drafts, and the two answers differ all the same.
    sim.edit(save_draft("essay", "newer")).expect("saved");
    let list = Route::ContentList.containing("essay");
    sim.fault(list, Occasion::Every, list_of(&draft.expect("a draft")));
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(report.bodies.refused, 1, "{:?}", report.problems);
    assert_eq!(bodies(&home, "essay").0, None);
    assert!(bodies(&home, "essay").1.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_saved_since_the_listing_is_not_taken_for_what_is_published() {
    for (is_told, rights) in [
        (true, ContentRights::everything()),
        (false, ContentRights::everything()),
        (true, ContentRights::backup()),
        (false, ContentRights::backup()),
    ] {
        let sim = seen_by(rights).await;
        sim.edit(add("essay", Status::Publish)).expect("added");
        if is_told {
            sim.edit(add("never", Status::Draft)).expect("added");
        }
        let home = Sandbox::new();
        let target = Route::ContentList.containing("essay");
        sim.on(target, 1, When::Before, save_draft("essay", "newer"));
        let report = home.sync(&sim).await;
        // Where it is known that the key sees no drafts, what is served is what is published.
        let is_taken = is_told && !rights.all_drafts;
        assert_eq!(bodies(&home, "essay").0.is_some(), is_taken, "{is_told}");
        if !is_taken {
            report.expect_code(ExitCode::Partial);
        }
        // The next listing tells of the draft; what is owed is asked for no earlier.
        let report = home.sync(&sim).await;
        if rights.all_drafts {
            assert_eq!(report.bodies.refused, 1, "{:?}", report.problems);
            report.expect_code(ExitCode::Partial);
        } else {
            report.expect_complete();
            assert_holds(&home, &sim.truth());
        }
        let published = home.texts(
            "SELECT coalesce(published_body, '') FROM contents WHERE id = 'essay'
             UNION ALL SELECT coalesce(published_body, '') FROM contents_history WHERE id = 'essay'",
        );
        assert!(!published.concat().contains("newer"), "{published:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_a_draft_is_not_believed_because_the_others_were_listed_again() {
    let sim = seen_by(ContentRights::everything()).await;
    sim.edit(add("essay", Status::Publish)).expect("added");
    let home = Sandbox::new();
    let target = Route::ContentList.containing("essay");
    sim.on(target, 1, When::Before, save_draft("essay", "newer"));
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    // Its own item cannot be read this time.
    let truth = sim.truth();
    let too_deep = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    let items = truth.contents.iter().map(|content| {
        let item = &content.metadata;
        match item.strip_suffix('}') {
            Some(open) if content.id == "essay" => format!("{open},\"deep\":{too_deep}}}"),
            Some(_) | None => item.clone(),
        }
    });
    let items: Vec<String> = items.collect();
    let count = items.len();
    let list = format!(
        "{{\"contents\":[{}],\"totalCount\":{count},\"offset\":0,\"limit\":100}}",
        items.join(",")
    );
    sim.fault(Route::MetadataList, Occasion::Every, Fault::answer(list));
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(bodies(&home, "essay").0, None);
    sim.clear_faults();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(report.bodies.refused, 1, "{:?}", report.problems);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_anew_since_the_listing_is_taken_at_once() {
    for rights in [ContentRights::everything(), ContentRights::backup()] {
        let sim = seen_by(rights).await;
        sim.edit(add("essay", Status::Publish)).expect("added");
        let target = Route::ContentList.containing("essay");
        sim.on(target, 1, When::Before, publish("essay", "newer"));
        let home = Sandbox::new();
        home.sync(&sim).await.expect_complete();
        let had = bodies(&home, "essay").0.expect("the new one");
        assert!(had.contains("newer"), "{had}");
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stamps_that_are_ahead_of_every_listing_cost_a_few_questions() {
    // A Content API whose `updatedAt` means something else: nothing was edited.
    let sim = Sim::builder().list_api("blog", 0).start().await;
    for n in 0..20 {
        sim.edit(add(&format!("c-{n:02}"), Status::Publish))
            .expect("added");
    }
    let truth = sim.truth();
    let ahead: Vec<String> = truth
        .contents
        .iter()
        .map(|content| {
            let body = content.published.as_ref().expect("published");
            let mut body: serde_json::Value = serde_json::from_str(body).expect("JSON");
            body["updatedAt"] = "2040-01-01T00:00:00.000Z".into();
            body.to_string()
        })
        .collect();
    let answer = list_of(&ahead.join(","));
    sim.fault(Route::ContentList, Occasion::Every, answer);
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let asked = sim.counters().of(Route::Metadata);
    assert!((1..=5).contains(&asked), "{asked} look-ups");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_key_sees_is_not_told_by_a_content_that_was_published_or_deleted_since() {
    // A key that sees drafts, and the draft that would tell so is gone.
    let sim = seen_by(ContentRights::everything()).await;
    for (id, status) in [("essay", Status::PublishAndDraft), ("never", Status::Draft)] {
        sim.edit(add(id, status)).expect("added");
    }
    let home = Sandbox::new();
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    sim.edit(Edit::DeleteContent {
        endpoint: "blog".into(),
        id: "never".into(),
    })
    .expect("deleted");
    home.sync_with(&sim, Setup::full())
        .await
        .expect_code(ExitCode::Partial);
    assert_eq!(bodies(&home, "essay").0, None);

    // A key that does not, and the draft is published.
    let (sim, home, _) = saved(Status::PublishAndDraft).await;
    sim.edit(save_draft("essay", "another")).expect("saved");
    home.sync(&sim).await.expect_complete();
    let had = bodies(&home, "essay");
    sim.edit(Edit::Publish {
        endpoint: "blog".into(),
        id: "never".into(),
    })
    .expect("published");
    home.sync_with(&sim, Setup::full()).await.expect_complete();
    assert_eq!(bodies(&home, "essay"), had);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_makes_no_stale_body_believed() {
    let (sim, home, _) = saved(Status::Publish).await;
    let old = bodies(&home, "essay").0.expect("published");
    sim.edit(publish("essay", "new")).expect("edited");
    let strange = Fault::status(400, "strange");
    sim.fault(Route::ContentList, Occasion::Every, strange);
    for _ in 0..3 {
        home.sync(&sim).await.expect_code(ExitCode::Partial);
    }
    sim.clear_faults();
    sim.fault(Route::ContentList, 1, list_of(&old));
    heals(&sim, &home).await;
}

/// A new date of publication, which moves no other stamp.
fn redate(id: &str) -> Edit {
    Edit::SetPublishedAt {
        endpoint: "blog".into(),
        id: id.to_owned(),
        at: "2021-01-01T00:00:00Z".into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_is_one_of_another_date_of_publication() {
    let (sim, home, (old, _)) = saved(Status::Publish).await;
    let old = old.expect("published");
    sim.edit(redate("essay")).expect("edited");
    sim.fault(Route::ContentList, 1, list_of(&old));
    heals(&sim, &home).await;
    let dates = "SELECT julianday(published_at) = julianday(published_body ->> '$.publishedAt') FROM contents WHERE id = 'essay'";
    assert_eq!(home.count(dates), 1);
}

/// What is published under the newest stamp, and the same of 0.9 seconds before it.
fn published_twice(sim: &Sim) -> String {
    let stamps = || {
        sim.edit(publish("essay", "new")).expect("edited");
        let truth = sim.truth();
        let content = truth.content("blog", "essay").expect("it");
        let body = content.published.as_ref().expect("published");
        serde_json::from_str::<serde_json::Value>(body).expect("JSON")
    };
    loop {
        let mut body = stamps();
        let stamp = body["updatedAt"].as_str().and_then(Timestamp::parse);
        let stamp = stamp.expect("a stamp");
        // A whole second is listed without a fraction.
        if stamp.unix_millis() % 1000 != 0 {
            let before = stamp.minus(Duration::from_millis(900)).to_string();
            body["updatedAt"] = before.clone().into();
            body["revisedAt"] = before.into();
            body["title"] = "between".into();
            return body.to_string();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_is_one_that_was_published_less_than_a_second_before() {
    let (sim, home, _) = saved(Status::Publish).await;
    let between = published_twice(&sim);
    sim.fault(Route::ContentList, 1, list_of(&between));
    heals(&sim, &home).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_difference_is_taken_and_looked_at_again_where_nothing_was_recorded_before() {
    for is_date in [true, false] {
        let sim = Sim::builder().list_api("blog", 0).start().await;
        sim.edit(add("essay", Status::Publish)).expect("added");
        let stale = if is_date {
            let truth = sim.truth();
            let content = truth.content("blog", "essay").expect("it");
            sim.edit(redate("essay")).expect("edited");
            content.published.clone().expect("published")
        } else {
            published_twice(&sim)
        };
        sim.fault(Route::ContentList, 1, list_of(&stale));
        let home = Sandbox::new();
        home.sync(&sim).await.expect_complete();
        assert_eq!(bodies(&home, "essay").0.as_ref(), Some(&stale));
        let runs: [(fn() -> Timestamp, u64); 3] =
            [(after::<5>, 0), (after::<11>, 1), (after::<1500>, 0)];
        for (clock, asked) in runs {
            sim.forget_requests();
            let setup = Setup {
                now: clock,
                ..Setup::default()
            };
            home.sync_with(&sim, setup).await.expect_complete();
            assert_eq!(sim.counters().of(Route::ContentList), asked, "{}", clock());
        }
        assert_holds(&home, &sim.truth());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_of_publication_that_mean_something_else_cost_two_looks_and_hold_nothing_up() {
    let sim = Sim::builder().list_api("blog", 0).start().await;
    sim.edit(add("essay", Status::Publish)).expect("added");
    let home = Sandbox::new();
    let runs: [(fn() -> Timestamp, u64); 8] = [
        (now, 1),
        (after::<5>, 0),
        (after::<11>, 1),
        (after::<60>, 0),
        (after::<1500>, 1),
        (after::<3000>, 0),
        // It is edited.
        (after::<3001>, 1),
        (after::<3002>, 0),
    ];
    for (n, (clock, asked)) in runs.into_iter().enumerate() {
        if n == 0 || n == 6 {
            sim.clear_faults();
            sim.edit(publish("essay", "new")).expect("edited");
            let truth = sim.truth();
            let content = truth.content("blog", "essay").expect("it");
            let body = content.published.as_ref().expect("published");
            let mut body: serde_json::Value = serde_json::from_str(body).expect("JSON");
            body["publishedAt"] = "2001-01-01T00:00:00.000Z".into();
            let answer = list_of(&body.to_string());
            sim.fault(Route::ContentList, Occasion::Every, answer);
        }
        sim.forget_requests();
        let setup = Setup {
            now: clock,
            ..Setup::default()
        };
        home.sync_with(&sim, setup).await.expect_complete();
        assert_eq!(sim.counters().of(Route::ContentList), asked, "{}", clock());
    }
}

/// What is published, as it is answered to a draft key that is valid no more: with a stamp that is not the listing's.
fn published_since(sim: &Sim) -> String {
    let truth = sim.truth();
    let content = truth.content("blog", "essay").expect("it");
    let body = content.published.as_ref().expect("published");
    let mut body: serde_json::Value = serde_json::from_str(body).expect("JSON");
    body["updatedAt"] = "2040-01-01T00:00:00.000Z".into();
    body.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_not_taken_for_the_draft_whose_key_is_valid_no_more() {
    let target = || Route::Content.containing("/essay?");
    for is_alone in [true, false] {
        let (sim, home, had) = saved(Status::PublishAndDraft).await;
        if is_alone {
            let ask_again = "INSERT INTO owed_bodies (endpoint, id, side, owed_at)
                 VALUES ('blog', 'essay', 'draft', '2026-01-01T00:00:00.000Z')";
            let conn = rusqlite::Connection::open(home.database());
            let rows = conn.and_then(|conn| conn.execute(ask_again, []));
            assert_eq!(rows.expect(ask_again), 1);
        } else {
            sim.edit(publish("essay", "new")).expect("edited");
            sim.edit(save_draft("essay", "newer")).expect("saved");
        }
        sim.fault(target(), 1, Fault::answer(published_since(&sim)));
        let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
        assert_eq!(report.bodies.owed, 1, "{:?}", report.problems);
        let draft = bodies(&home, "essay").1;
        assert_eq!(draft, had.1.filter(|_| is_alone));
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_equals_what_is_published_is_taken_where_the_service_insists() {
    let (sim, home, _) = saved(Status::PublishAndDraft).await;
    sim.edit(save_draft("essay", "new")).expect("saved");
    let answer = published_since(&sim);
    let target = Route::Content.containing("/essay?");
    sim.fault(target, Occasion::Every, Fault::answer(answer.clone()));
    for _ in 0..3 {
        home.sync(&sim).await.expect_code(ExitCode::Partial);
    }
    let runs: [(fn() -> Timestamp, bool); 6] = [
        (now, true),
        (after::<5>, false),
        (after::<11>, true),
        (after::<60>, false),
        (after::<1500>, true),
        (after::<3000>, false),
    ];
    for (clock, is_asked) in runs {
        sim.forget_requests();
        let setup = Setup {
            now: clock,
            ..Setup::default()
        };
        home.sync_with(&sim, setup).await.expect_complete();
        assert_eq!(bodies(&home, "essay").1.as_ref(), Some(&answer));
        let asked = sim.counters().of(Route::Content) > 0;
        assert_eq!(asked, is_asked, "{}", clock());
    }
}
