//! Bodies: which are asked for, with how many requests, and what is recorded when they cannot be had.

use crate::support::{Expect as _, Sandbox, Setup, assert_holds};
use microcms_backup::sync::Only;
use microcms_sim::{Edit, Fault, Occasion, Route, Sim, Status, When};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

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

pub(crate) fn fields(title: &str) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("title".into(), json!(title));
    fields
}

pub(crate) fn add(id: &str, status: Status) -> Edit {
    Edit::AddContent {
        endpoint: "blog".into(),
        id: Some(id.to_owned()),
        status,
        fields: Some(fields(id)),
        place: 0,
    }
}

pub(crate) fn body_requests(sim: &Sim) -> u64 {
    sim.counters().of(Route::ContentList) + sim.counters().of(Route::Content)
}

/// The bodies of one content: published, draft.
pub(crate) fn bodies(home: &Sandbox, id: &str) -> (Option<String>, Option<String>) {
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
    // One more tells whether the key sees drafts, and again once all is listed if it could not be told before.
    let asked = counters.of(Route::Content);
    assert!((drafts..=drafts + 2).contains(&asked), "{asked}");
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
async fn a_full_run_reads_every_body_once_more_and_a_first_one_just_once() {
    let sim = Sim::builder()
        .list_api("blog", 150)
        .object_api("settings")
        .start()
        .await;
    let full = Setup::full();
    let home = Sandbox::new();
    home.sync_with(&sim, full.clone()).await.expect_complete();
    let first = body_requests(&sim);
    sim.forget_requests();
    home.sync_with(&sim, full).await.expect_complete();
    // Whether the key sees drafts is asked once more where a first run could not tell.
    assert!(
        body_requests(&sim) >= first - 3 && body_requests(&sim) <= first + 2,
        "{first}"
    );
    assert_holds(&home, &sim.truth());
    assert_eq!(home.count("SELECT count(*) FROM contents_history"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_draft_is_transferred_twice() {
    let sim = Sim::builder().list_api("blog", 150).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let requests = sim.requests();
    let drafts: Vec<_> = requests
        .iter()
        .filter(|request| request.route == Route::Content)
        .map(|request| request.path.as_str())
        .collect();
    let each: BTreeSet<_> = drafts.iter().collect();
    assert!(each.len() > 10, "{}", each.len());
    assert_eq!(drafts.len(), each.len());
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
