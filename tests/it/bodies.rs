//! Bodies: which are asked for, with how many requests, and what is recorded when they cannot be had.

use crate::support::{Expect as _, Sandbox, Setup, assert_holds};
use microcms_backup::model::ExitCode;
use microcms_backup::sync::Only;
use microcms_sim::{ContentRights, Edit, Fault, Occasion, Route, Sim, Status, When};
use serde_json::{Map, Value, json};

const CONTENTS: Only = Only {
    media: false,
    contents: true,
    assets: false,
};

fn only_contents() -> Setup {
    Setup {
        only: CONTENTS,
        ..Setup::default()
    }
}

fn fields(title: &str) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("title".into(), json!(title));
    fields
}

fn add(id: &str, status: Status) -> Edit {
    Edit::AddContent {
        endpoint: "blog".into(),
        id: Some(id.to_owned()),
        status,
        fields: Some(fields(id)),
        place: 0,
    }
}

fn set_rights(endpoint: &str, rights: ContentRights) -> Edit {
    Edit::SetContentRights {
        endpoint: Some(endpoint.to_owned()),
        rights,
    }
}

fn body_requests(sim: &Sim) -> u64 {
    sim.counters().of(Route::ContentList) + sim.counters().of(Route::Content)
}

/// The bodies of one content: published, draft.
fn bodies(home: &Sandbox, id: &str) -> (Option<String>, Option<String>) {
    home.sql()
        .query_row(
            "SELECT published_body, draft_body FROM contents WHERE id = ?1",
            [id],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .expect(id)
}

#[tokio::test(flavor = "multi_thread")]
async fn published_bodies_come_a_hundred_at_once_and_drafts_one_by_one() {
    let sim = Sim::builder().list_api("blog", 420).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    let truth = sim.truth();
    let published = truth.contents.iter().filter(|c| c.published.is_some());
    let drafts = truth.contents.iter().filter(|c| c.draft.is_some()).count() as u64;
    let counters = sim.counters();
    // The bodies begin while the walk goes on: a batch may be cut short where a page ended.
    let least = (published.count() as u64).div_ceil(100);
    let lists = counters.of(Route::ContentList);
    assert!((least..=least + 5).contains(&lists), "{lists} batches");
    assert_eq!(counters.of(Route::Content), drafts);
    for request in sim.requests() {
        if matches!(request.route, Route::ContentList | Route::Content) {
            assert!(request.path.contains("depth=0"), "{}", request.path);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_cannot_stand_in_a_list_or_a_path_are_backed_up_too() {
    let sim = Sim::builder().published_list_api("blog", 3).start().await;
    let odd = [
        "日本語の記事",
        "a b&draftKey=x",
        "100%",
        "comma,id",
        "q?x=1#y",
        "a/b",
        "%2e%2e",
        "+plus+",
    ];
    for id in odd {
        let (endpoint, id) = ("blog".to_owned(), id.to_owned());
        sim.edit(add(&id, Status::Publish)).expect("added");
        let fields = fields("its draft");
        sim.edit(Edit::AddDraft {
            endpoint,
            id,
            fields,
        })
        .expect("drafted");
    }
    for id in [".", ".."] {
        sim.edit(add(id, Status::Publish)).expect("added");
    }
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_eq!(home.count("SELECT count(*) FROM contents"), 13);

    // And each of them is looked up as itself before it is marked as deleted.
    sim.edit(add("still-there", Status::Publish))
        .expect("added");
    for id in odd.iter().chain(&[".", ".."]) {
        let (endpoint, id) = ("blog".to_owned(), (*id).to_owned());
        sim.edit(Edit::DeleteContent { endpoint, id })
            .expect("deleted");
    }
    home.sync(&sim).await;
    let live = home.texts("SELECT id FROM contents WHERE deleted_at IS NULL ORDER BY id");
    // `.` and `..` cannot be asked for: no client can send such a path, so there is no proof.
    assert!(
        live.contains(&".".to_owned()) && live.contains(&"..".to_owned()),
        "{live:?}"
    );
    assert_eq!(live.len(), 4 + 2, "{live:?}");
    assert!(
        home.texts("SELECT metadata FROM contents")
            .iter()
            .all(|metadata| !metadata.contains("totalCount")),
        "a list was taken for a content"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_over_the_limit_is_halved_down_to_one() {
    for limit in [60_000, 9_000, 2_500] {
        let sim = Sim::builder()
            .published_list_api("blog", 60)
            .body_bytes(900)
            .start()
            .await;
        let home = Sandbox::new();
        // The metadata pages are over the limit as well.
        sim.edit(Edit::SetMaxAnswerBytes { bytes: limit })
            .expect("set");
        home.sync_with(&sim, only_contents())
            .await
            .expect_complete();
        assert_holds(&home, &sim.truth());
        // Halving costs at most as many requests as it makes pieces.
        assert!(body_requests(&sim) < 2 * 60 + 10, "{}", body_requests(&sim));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_by_itself_holds_no_other_up() {
    let sim = Sim::builder()
        .published_list_api("blog", 30)
        .body_bytes(300)
        .start()
        .await;
    let mut huge = fields("huge");
    huge.insert("body".into(), json!("x".repeat(80_000)));
    for id in ["huge", "huge2", "Ahuge", "0huge", "zhuge"] {
        sim.edit(Edit::AddContent {
            endpoint: "blog".into(),
            id: Some(id.into()),
            status: Status::Publish,
            fields: Some(huge.clone()),
            place: 9,
        })
        .expect("added");
    }
    sim.edit(Edit::SetMaxAnswerBytes { bytes: 60_000 })
        .expect("set");
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(report.bodies.owed, 5);
    assert_eq!(
        home.count("SELECT count(*) FROM contents WHERE published_body IS NOT NULL"),
        30
    );
    sim.edit(Edit::SetMaxAnswerBytes { bytes: 5_000_000 })
        .expect("set");
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_refused_for_a_strange_reason_hold_no_other_up() {
    let sim = Sim::builder().published_list_api("blog", 40).start().await;
    let mut ids = sim.content_ids("blog");
    ids.sort();
    // The first ones in the order of asking, and more than a few.
    let poison: Vec<String> = ids.iter().take(6).cloned().collect();
    for id in &poison {
        let strange = Fault::status(400, "something nobody has documented");
        sim.fault(Route::ContentList.containing(id), Occasion::Every, strange);
    }
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(report.bodies.owed, 6, "{:?}", report.problems);
    assert_eq!(
        home.count("SELECT count(*) FROM contents WHERE published_body IS NOT NULL"),
        34
    );
    sim.clear_faults();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_refused_for_a_strange_reason_costs_few_requests() {
    let sim = Sim::builder()
        .published_list_api("blog", 600)
        .published_list_api("news", 20)
        .start()
        .await;
    let strange = Fault::status(400, "something nobody has documented");
    sim.fault(
        Route::ContentList.containing("/blog?"),
        Occasion::Every,
        strange,
    );
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(report.bodies.owed, 600);
    assert!(body_requests(&sim) < 150, "{}", body_requests(&sim));
    assert_eq!(
        home.count("SELECT count(*) FROM contents WHERE published_body IS NOT NULL"),
        20
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_cannot_be_read_holds_no_other_up() {
    let sim = Sim::builder().published_list_api("blog", 20).start().await;
    let mut deep = json!("bottom");
    for _ in 0..300 {
        deep = json!([deep]);
    }
    let mut hostile = fields("deep");
    hostile.insert("extra".into(), deep);
    sim.edit(Edit::AddContent {
        endpoint: "blog".into(),
        id: Some("deep".into()),
        status: Status::Publish,
        fields: Some(hostile),
        place: 3,
    })
    .expect("added");
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(report.bodies.owed, 1, "{:?}", report.problems);
    assert_eq!(
        home.count("SELECT count(*) FROM contents WHERE published_body IS NOT NULL"),
        20
    );
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.message.contains("deep")),
        "the content is named: {:?}",
        report.problems
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_the_key_may_not_read_is_reported_survived_and_heals() {
    let sim = Sim::builder()
        .list_api("blog", 700)
        .list_api("news", 60)
        .object_api("settings")
        .endpoint_permissions("blog", ContentRights::none())
        .start()
        .await;
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    let of_blog = |sim: &Sim| {
        sim.requests()
            .iter()
            .filter(|r| r.path.starts_with("/api/v1/blog"))
            .filter(|r| matches!(r.route, Route::ContentList | Route::Content))
            .count()
    };
    assert!(
        of_blog(&sim) <= 10,
        "{} requests to be told no",
        of_blog(&sim)
    );
    let problem = report
        .problems
        .iter()
        .find(|problem| problem.scope == "bodies/blog")
        .expect("it is reported");
    assert!(problem.message.contains("GET is forbidden"), "{problem:?}");
    assert!(
        problem
            .hint
            .as_deref()
            .is_some_and(|hint| hint.contains("GET"))
    );
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    assert_eq!(
        home.count("SELECT count(*) FROM owed_bodies WHERE state <> 'refused'"),
        0,
        "drafts are refused with the rest"
    );
    for other in ["news", "settings"] {
        assert_eq!(
            home.count(&format!(
                "SELECT count(*) FROM contents WHERE endpoint = '{other}'
                     AND published_body IS NULL AND draft_body IS NULL"
            )),
            0
        );
    }

    sim.forget_requests();
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert!(
        of_blog(&sim) <= 8,
        "{} requests for old news",
        of_blog(&sim)
    );
    assert_eq!(
        of_blog(&sim) as u64,
        body_requests(&sim),
        "the others are complete"
    );

    sim.edit(set_rights("blog", ContentRights::backup()))
        .expect("granted");
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_contents_need_their_right_and_heal_with_it() {
    let sim = Sim::builder()
        .list_api("blog", 120)
        .content_permissions(ContentRights::published_only())
        .start()
        .await;
    let closed = sim
        .truth()
        .contents
        .iter()
        .filter(|content| content.status == Status::Closed)
        .count() as u64;
    assert!(closed > 3);
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(
        (report.bodies.owed, report.bodies.refused),
        (closed, closed)
    );
    assert!(
        report.problems[0]
            .message
            .contains("公開終了コンテンツの全取得")
    );
    assert_eq!(
        home.count(
            "SELECT count(*) FROM contents WHERE status = 'CLOSED' AND published_body IS NOT NULL"
        ),
        0
    );
    sim.forget_requests();
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(body_requests(&sim), 1, "one look is enough");

    sim.edit(Edit::SetContentRights {
        endpoint: None,
        rights: ContentRights::backup(),
    })
    .expect("granted");
    home.sync(&sim).await.expect_complete();
    // Relations to closed contents were left out of bodies that are recorded already.
    home.sync_with(
        &sim,
        Setup {
            is_full: true,
            ..Setup::default()
        },
    )
    .await
    .expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_was_granted_heals_behind_a_crowd_of_closed_contents() {
    let sim = Sim::builder()
        .published_list_api("blog", 4)
        .content_permissions(ContentRights::none())
        .start()
        .await;
    for n in 0..130 {
        // Before all others in the order of asking.
        sim.edit(add(&format!("--{n:03}"), Status::Closed))
            .expect("added");
    }
    let home = Sandbox::new();
    home.sync(&sim).await.expect_code(ExitCode::Refused);
    sim.edit(Edit::SetContentRights {
        endpoint: None,
        rights: ContentRights::published_only(),
    })
    .expect("granted");
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(report.bodies.owed, 130);
    assert_eq!(
        home.count(
            "SELECT count(*) FROM contents WHERE status = 'PUBLISH' AND published_body IS NULL"
        ),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_right_to_all_drafts_never_passes_a_draft_off_as_published() {
    let sim = Sim::builder()
        .list_api("blog", 60)
        .content_permissions(ContentRights::everything())
        .start()
        .await;
    let truth = sim.truth();
    let both: Vec<_> = truth
        .contents
        .iter()
        .filter(|content| content.status == Status::PublishAndDraft)
        .collect();
    assert!(both.len() > 3);
    // One draft cannot be read at first: without it nothing tells a draft from a published body.
    let target = Route::Content.containing(&format!("/{}?", both[0].id));
    sim.fault(target, Occasion::Every, Fault::status(400, "strange"));
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    for content in &both {
        assert_eq!(bodies(&home, &content.id).0, None, "{}", content.id);
    }
    assert!(
        report.problems[0]
            .message
            .contains("下書きコンテンツの全取得"),
        "{:?}",
        report.problems
    );

    sim.clear_faults();
    sim.edit(Edit::SetContentRights {
        endpoint: None,
        rights: ContentRights::backup(),
    })
    .expect("changed");
    home.sync(&sim).await.expect_complete();
    home.sync_with(
        &sim,
        Setup {
            is_full: true,
            ..Setup::default()
        },
    )
    .await
    .expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_api_keeps_its_draft_and_its_published_body() {
    let sim = Sim::builder().object_api("settings").start().await;
    let id = sim.content_ids("settings")[0].clone();
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let content = |edit: fn(String, String) -> Edit| edit("settings".into(), id.clone());
    let edits = [
        content(|endpoint, id| Edit::AddDraft {
            endpoint,
            id,
            fields: fields("draft"),
        }),
        content(|endpoint, id| Edit::AddDraft {
            endpoint,
            id,
            fields: fields("draft 2"),
        }),
        content(|endpoint, id| Edit::DiscardDraft { endpoint, id }),
        content(|endpoint, id| Edit::BackToDraft { endpoint, id }),
        content(|endpoint, id| Edit::Publish { endpoint, id }),
        content(|endpoint, id| Edit::Close { endpoint, id }),
    ];
    for edit in edits {
        sim.edit(edit.clone()).expect("edited");
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
    }
    assert_eq!(home.count("SELECT count(*) FROM contents"), 1);
    assert_eq!(home.count("SELECT count(*) FROM contents_history"), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_answer_of_the_cdn_is_not_taken_for_the_new_body() {
    let sim = Sim::builder().published_list_api("blog", 5).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let id = sim.content_ids("blog")[2].clone();
    let old = bodies(&home, &id).0.expect("a body");
    sim.edit(Edit::EditBody {
        endpoint: "blog".into(),
        id: id.clone(),
        fields: fields("new"),
    })
    .expect("edited");
    let stale = Fault::Status {
        status: 200,
        headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
        body: format!("{{\"contents\":[{old}],\"totalCount\":1,\"offset\":0,\"limit\":1}}"),
        consumed: true,
    };
    sim.fault(Route::ContentList, 1, stale);
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(
        bodies(&home, &id).0,
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
async fn a_wait_that_the_content_api_asks_for_is_kept() {
    let header = |name: &str, value: String| Fault::Status {
        status: 429,
        headers: [(name.to_owned(), value)].into(),
        body: String::new(),
        consumed: false,
    };
    for is_reset in [false, true] {
        let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let in_two_seconds = since_1970.expect("after 1970").as_secs() + 2;
        let fault = if is_reset {
            header("x-ratelimit-reset", in_two_seconds.to_string())
        } else {
            header("retry-after", "1".into())
        };
        let sim = Sim::builder().list_api("blog", 30).start().await;
        sim.fault(Route::ContentList, 1, fault);
        let home = Sandbox::new();
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
        let requests = sim.requests();
        let refused = requests
            .iter()
            .find(|r| r.status == 429)
            .expect("a 429")
            .at_ms;
        let next = requests
            .iter()
            .filter(|r| matches!(r.route, Route::ContentList | Route::Content))
            .map(|r| r.at_ms)
            .filter(|at| *at > refused + 100)
            .min()
            .expect("asked again");
        assert!(
            next >= refused + 900,
            "asked again after {} ms",
            next - refused
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_of_an_hour_ends_the_asking_and_not_the_promise() {
    let sim = Sim::builder()
        .media(3)
        .list_api("blog", 250)
        .list_api("news", 10)
        .start()
        .await;
    let hour = Fault::Status {
        status: 429,
        headers: [("retry-after".to_owned(), "3600".to_owned())].into(),
        body: String::new(),
        consumed: false,
    };
    sim.fault(Route::ContentList, Occasion::Every, hour.clone());
    sim.fault(Route::Content, Occasion::Every, hour.clone());
    let home = Sandbox::new();
    let run = tokio::time::timeout(std::time::Duration::from_secs(20), home.sync(&sim));
    let report = run.await.expect("no run waits for an hour");
    report.expect_code(ExitCode::Partial);
    assert!(body_requests(&sim) <= 8, "{}", body_requests(&sim));
    assert_eq!(
        home.count("SELECT count(*) FROM assets WHERE state = 'saved'"),
        3
    );

    sim.clear_faults();
    sim.fault(Route::Media, Occasion::Every, hour);
    let run = tokio::time::timeout(std::time::Duration::from_secs(20), home.sync(&sim));
    run.await
        .expect("nor the media walk")
        .expect_code(ExitCode::Partial);
    assert_eq!(sim.counters().of(Route::Media), 2);
    sim.clear_faults();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_body_is_survived_in_the_run() {
    let faults = [
        Fault::DropBefore,
        Fault::DropAfter,
        Fault::Cut {
            after: 40,
            chunked: true,
        },
        Fault::Garbage,
        Fault::Html,
        Fault::status(500, ""),
        Fault::status(504, ""),
        Fault::status(429, "Too many requests, please try again later."),
    ];
    for fault in faults {
        let sim = Sim::builder()
            .list_api("blog", 30)
            .object_api("settings")
            .start()
            .await;
        sim.fault(Route::ContentList, 1, fault.clone());
        sim.fault(Route::Content, 2, fault);
        let home = Sandbox::new();
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_run_reads_every_body_once_more_and_a_first_one_just_once() {
    let sim = Sim::builder()
        .list_api("blog", 150)
        .object_api("settings")
        .start()
        .await;
    let full = Setup {
        is_full: true,
        ..Setup::default()
    };
    let home = Sandbox::new();
    home.sync_with(&sim, full.clone()).await.expect_complete();
    let first = body_requests(&sim);
    sim.forget_requests();
    home.sync_with(&sim, full).await.expect_complete();
    assert!(
        body_requests(&sim) >= first - 3 && body_requests(&sim) <= first,
        "{first}"
    );
    assert_holds(&home, &sim.truth());
    assert_eq!(home.count("SELECT count(*) FROM contents_history"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_while_bodies_are_read_is_healed_by_the_next_run() {
    let sim = Sim::builder().list_api("blog", 150).start().await;
    let id = sim
        .truth()
        .contents
        .iter()
        .find(|content| content.status == Status::PublishAndDraft)
        .expect("one with both")
        .id
        .clone();
    let edit = |title| Edit::EditBody {
        endpoint: "blog".into(),
        id: id.clone(),
        fields: fields(title),
    };
    sim.on(Route::ContentList, 1, When::After, edit("after"));
    sim.on(Route::Content, 3, When::Before, edit("before"));
    let home = Sandbox::new();
    home.sync(&sim).await;
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_apis_and_ten_thousand_contents_take_few_requests() {
    let mut builder = Sim::builder()
        .published_list_api("big", 10_000)
        .body_bytes(50);
    for n in 1..20 {
        builder = builder.published_list_api(&format!("api-{n}"), 10);
    }
    let sim = builder.start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let counters = sim.counters();
    // Pages overlap by one item, and the walk closes with a second look at the first one.
    assert!(
        counters.of(Route::MetadataList) <= 103 + 19,
        "{}",
        counters.of(Route::MetadataList)
    );
    assert_eq!(
        (counters.of(Route::Apis), counters.of(Route::Schema)),
        (1, 20)
    );
    // While an API is listed its bodies are asked for a hundred at a time; one or two requests are for
    // the rest.
    assert!(body_requests(&sim) <= 102 + 19, "{}", body_requests(&sim));
    assert_eq!(
        home.count("SELECT count(*) FROM contents WHERE published_body IS NOT NULL"),
        10_190
    );
    sim.forget_requests();
    home.sync(&sim).await.expect_complete();
    assert_eq!(body_requests(&sim), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metadata_page_over_the_limit_costs_no_second_walk() {
    let sim = Sim::builder().published_list_api("blog", 260).start().await;
    let home = Sandbox::new();
    let too_long = Fault::status(
        400,
        "Response body size is too long. Check your url parameters.",
    );
    sim.fault(
        Route::MetadataList.containing("limit=100&offset=99"),
        Occasion::Every,
        too_long,
    );
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_eq!(
        home.count("SELECT restarts FROM walks WHERE scope = 'contents/blog'"),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_answers_nothing_but_errors_is_left_alone_after_a_while() {
    let sim = Sim::builder()
        .media(5)
        .published_list_api("blog", 3_500)
        .start()
        .await;
    sim.fault(Route::ContentList, Occasion::Every, Fault::Garbage);
    let home = Sandbox::new();
    let setup = Setup {
        content_per_second: 30,
        ..Setup::default()
    };
    let report = home
        .sync_with(&sim, setup)
        .await
        .expect_code(ExitCode::Partial);
    assert_eq!(report.bodies.owed, 3_500);
    assert!(body_requests(&sim) <= 400, "{}", body_requests(&sim));
    assert_eq!(report.assets.saved, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_was_saved_unchanged_does_not_hide_what_is_published() {
    let sim = Sim::builder().published_list_api("blog", 5).start().await;
    let id = sim.content_ids("blog")[2].clone();
    sim.edit(Edit::AddDraft {
        endpoint: "blog".into(),
        id: id.clone(),
        fields: Map::new(),
    })
    .expect("a draft like what is published");
    // Both bodies come in one text, as a service with one stamp for both would send them.
    let same = sim
        .truth()
        .content("blog", &id)
        .expect("it")
        .published
        .clone();
    let same = same.expect("it is published");
    let answer = |body: String| Fault::Status {
        status: 200,
        headers: [].into(),
        body,
        consumed: false,
    };
    let draft = Route::Content.containing(&format!("/{id}?"));
    sim.fault(draft, Occasion::Every, answer(same.clone()));
    let home = Sandbox::new();
    // Nothing tells the two cases apart: no claim is made.
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(bodies(&home, &id).0, None);
    // A content that was never published does: the key does not see it.
    sim.edit(Edit::AddContent {
        endpoint: "blog".into(),
        id: None,
        status: Status::Draft,
        fields: None,
        place: 0,
    })
    .expect("an unpublished one");
    home.sync(&sim).await.expect_complete();
    assert_eq!(bodies(&home, &id).0, Some(same));
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_is_not_about_what_was_asked_is_never_a_body_or_a_schema() {
    let sim = Sim::builder()
        .list_api("blog", 12)
        .object_api("settings")
        .start()
        .await;
    let answer = |body: &str| Fault::Status {
        status: 200,
        headers: [].into(),
        body: body.to_owned(),
        consumed: false,
    };
    let other = sim.truth().contents[0]
        .draft
        .clone()
        .or_else(|| sim.truth().contents[0].published.clone());
    sim.fault(Route::Content, 1, answer("{}"));
    sim.fault(
        Route::Content,
        2,
        answer(&other.expect("a body of another content")),
    );
    sim.fault(Route::ContentList.containing("settings"), 1, answer("{}"));
    sim.fault(Route::Schema, 1, answer("{}"));
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}
