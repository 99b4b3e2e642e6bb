//! The offset walk under edits and faults: a seam or the top of the list betrays every move.

use crate::support::{Expect as _, Sandbox, Setup, assert_holds};
use microcms_backup::model::{ExitCode, WalkVerdict};
use microcms_sim::{Edit, Fault, Occasion, Route, Sim, SimBuilder, Status, When};

fn service() -> SimBuilder {
    Sim::builder().published_list_api("blog", 450)
}

fn add(place: usize) -> Edit {
    Edit::AddContent {
        endpoint: "blog".into(),
        id: None,
        status: Status::Publish,
        fields: None,
        place,
    }
}

fn delete(sim: &Sim, position: usize) -> Edit {
    Edit::DeleteContent {
        endpoint: "blog".into(),
        id: sim.content_ids("blog")[position].clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_that_keep_the_count_equal_are_noticed_and_the_result_is_the_services_own() {
    type Edits = fn(&Sim) -> Vec<Edit>;
    let cases: [(&str, Edits); 6] = [
        ("drag from the end to the top", |sim| {
            vec![Edit::MoveContent {
                endpoint: "blog".into(),
                id: sim.content_ids("blog")[440].clone(),
                place: 0,
            }]
        }),
        ("drag from the top to the end", |sim| {
            vec![Edit::MoveContent {
                endpoint: "blog".into(),
                id: sim.content_ids("blog")[0].clone(),
                place: 449,
            }]
        }),
        ("delete one that was read, add one at the end", |sim| {
            vec![delete(sim, 3), add(usize::MAX)]
        }),
        ("delete one that was read, add one at the top", |sim| {
            vec![delete(sim, 50), add(0)]
        }),
        ("delete one of the end, add one at the top", |sim| {
            vec![delete(sim, 445), add(0)]
        }),
        ("delete and add behind what was read", |sim| {
            vec![delete(sim, 430), add(usize::MAX)]
        }),
    ];
    for (name, edits) in cases {
        for page in [1, 2, 4] {
            let sim = service().start().await;
            for edit in edits(&sim) {
                sim.on(Route::MetadataList, page, When::After, edit);
            }
            let home = Sandbox::new();
            let report = home.sync(&sim).await;
            if report.verdict_of("contents/blog") == WalkVerdict::Proven {
                // What was read and then deleted is a row that the next run marks.
                let ids = sim.content_ids("blog");
                let held = home.texts("SELECT id FROM contents WHERE deleted_at IS NULL");
                assert!(
                    ids.iter().all(|id| held.contains(id)),
                    "{name} after page {page}: falsely proven"
                );
            }
            home.sync(&sim).await.expect_complete();
            // Bodies are not compared: a relation to a deleted content leaves a body without a trace
            // in its metadata.
            let mut ids = sim.content_ids("blog");
            ids.sort();
            let held = home.texts("SELECT id FROM contents WHERE deleted_at IS NULL ORDER BY id");
            assert_eq!(held, ids, "{name} after page {page}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_never_rests_is_unproven_and_deletes_nothing() {
    let sim = service().start().await;
    for request in 1..200 {
        let id = sim.content_ids("blog")[440 - usize::try_from(request).unwrap()].clone();
        sim.on(
            Route::MetadataList,
            request,
            When::After,
            Edit::MoveContent {
                endpoint: "blog".into(),
                id,
                place: 0,
            },
        );
    }
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(report.verdict_of("contents/blog"), WalkVerdict::Unproven);
    assert_eq!(
        home.count("SELECT restarts FROM walks WHERE scope = 'contents/blog'"),
        5
    );
    assert_eq!(
        home.count("SELECT count(*) FROM contents WHERE deleted_at IS NOT NULL"),
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_far_down_a_list_that_never_rests_is_saved() {
    let sim = service().start().await;
    let ids = sim.content_ids("blog");
    for request in 1..200 {
        sim.on(Route::MetadataList, request, When::After, add(0));
    }
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(report.verdict_of("contents/blog"), WalkVerdict::Unproven);
    let held = home.texts("SELECT id FROM contents WHERE deleted_at IS NULL");
    let lost: Vec<_> = ids.iter().filter(|id| !held.contains(id)).collect();
    assert!(lost.is_empty(), "{} of {}: {lost:?}", lost.len(), ids.len());
    let asked = sim.counters().of(Route::MetadataList);
    assert!(asked < 40, "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_is_where_pages_are_small() {
    let sim = Sim::builder().published_list_api("blog", 60).start().await;
    let ids = sim.content_ids("blog");
    // Too heavy for more than three at a time.
    for limit in [100, 50, 25, 12, 6] {
        let page = Route::MetadataList.containing(&format!("limit={limit}&"));
        let heavy = Fault::status(400, "Response body size is too large.");
        sim.fault(page, Occasion::Every, heavy);
    }
    for request in (1..400).step_by(8) {
        sim.on(Route::MetadataList, request, When::After, add(0));
    }
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(report.verdict_of("contents/blog"), WalkVerdict::Unproven);
    let held = home.texts("SELECT id FROM contents WHERE deleted_at IS NULL");
    let lost = ids.iter().filter(|id| !held.contains(id)).count();
    assert_eq!(lost, 0, "of {}", ids.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_page_is_survived() {
    let faults = [
        Fault::DropBefore,
        Fault::DropAfter,
        Fault::Cut {
            after: 100,
            chunked: false,
        },
        Fault::Garbage,
        Fault::Html,
        Fault::status(503, ""),
    ];
    for fault in faults {
        let sim = service().start().await;
        sim.fault(Route::MetadataList, Occasion::Range(2, 3), fault.clone());
        sim.fault(Route::ContentList, 2, fault.clone());
        sim.fault(Route::Apis, 1, fault.clone());
        sim.fault(Route::Schema, 1, fault);
        let home = Sandbox::new();
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn configured_apis_are_enough_where_the_key_may_not_list_them() {
    use microcms_sim::ManagementRights;
    let rights = ManagementRights {
        apis: false,
        ..ManagementRights::all()
    };
    let sim = Sim::builder()
        .list_api("blog", 12)
        .object_api("settings")
        .management_permissions(rights)
        .start()
        .await;
    let home = Sandbox::new();
    let endpoints = vec!["blog".to_owned(), "settings".to_owned()];
    home.sync_with(
        &sim,
        Setup {
            endpoints,
            ..Setup::default()
        },
    )
    .await
    .expect_complete();
    assert_eq!(
        home.texts("SELECT endpoint || ' ' || kind FROM endpoints ORDER BY 1"),
        ["blog list", "settings object"]
    );
    assert_eq!(
        home.count(
            "SELECT count(*) FROM contents WHERE published_body IS NULL AND draft_body IS NULL"
        ),
        0
    );

    let blind = Sandbox::new();
    let report = blind.sync(&sim).await.expect_code(ExitCode::Refused);
    let hint = report.problems[0].hint.clone().expect("a hint");
    assert!(
        hint.contains("API情報の取得") && hint.contains("service.endpoints"),
        "{hint}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_api_is_named_with_the_nearest_one_and_the_others_are_backed_up() {
    let sim = Sim::builder()
        .list_api("blog", 12)
        .list_api("news", 3)
        .start()
        .await;
    let home = Sandbox::new();
    let endpoints = vec!["blgo".to_owned(), "news".to_owned()];
    let report = home
        .sync_with(
            &sim,
            Setup {
                endpoints,
                ..Setup::default()
            },
        )
        .await
        .expect_code(ExitCode::Usage);
    assert_eq!(report.problems[0].message, "the service has no API `blgo`");
    assert_eq!(
        report.problems[0].hint.as_deref(),
        Some("did you mean `blog`?; it also has news")
    );
    assert_eq!(
        home.count("SELECT count(*) FROM contents WHERE endpoint = 'news'"),
        3
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_that_a_stop_ended_leaves_its_record_too() {
    let sim = service().start().await;
    sim.fault(Route::MetadataList, 3, Fault::Stall { after: None });
    let home = Sandbox::new();
    let setup = Setup::default();
    let stop = setup.stop.clone();
    let stopping = async {
        while sim.counters().of(Route::MetadataList) < 3 {
            tokio::task::yield_now().await;
        }
        stop.request(ExitCode::Terminated);
    };
    let (report, ()) = tokio::join!(home.sync_with(&sim, setup), stopping);
    report.expect_code(ExitCode::Terminated);
    assert_eq!(
        home.texts(
            "SELECT scope || ' ' || verdict || ' ' || detail FROM walks WHERE scope <> 'media'"
        ),
        ["contents/blog unproven interrupted"]
    );
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

/// Three edits at once that fit every seam, the total and the top: one that was read goes, one that was
/// not is dragged to its place, a new one takes that one's.
fn compensating(sim: &Sim) -> (String, Vec<Edit>) {
    let ids = sim.content_ids("blog");
    let dragged = ids[220].clone();
    let edits = vec![
        Edit::DeleteContent {
            endpoint: "blog".into(),
            id: ids[150].clone(),
        },
        Edit::MoveContent {
            endpoint: "blog".into(),
            id: dragged.clone(),
            place: 150,
        },
        add(220),
    ];
    (dragged, edits)
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_that_make_up_for_each_other_are_noticed_too() {
    for is_known in [false, true] {
        let count = if is_known { 450 } else { 250 };
        let sim = Sim::builder()
            .published_list_api("blog", count)
            .start()
            .await;
        let home = Sandbox::new();
        if is_known {
            home.sync(&sim).await.expect_complete();
        }
        let (dragged, edits) = compensating(&sim);
        for edit in edits {
            sim.on(Route::MetadataList, 2, When::After, edit);
        }
        let report = home.sync(&sim).await;
        assert_eq!(report.verdict_of("contents/blog"), WalkVerdict::Proven);
        let mut ids = sim.content_ids("blog");
        assert!(ids.contains(&dragged));
        ids.sort();
        let held = home.texts("SELECT id FROM contents WHERE deleted_at IS NULL ORDER BY id");
        assert_eq!(held, ids, "known before: {is_known}");
    }
}
