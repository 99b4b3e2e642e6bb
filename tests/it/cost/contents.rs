//! What a change of a content costs: what `deletions.rs` does not walk through with one content of a
//! list API, which is every other flip of a status, and object APIs.

use super::rows;
use crate::support::{Bill, Expect as _, Sandbox, Setup, assert_holds};
use microcms_sim::{Edit, Route, Sim, Status};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

fn fields(title: &str) -> Map<String, Value> {
    Map::from_iter([("title".to_owned(), Value::from(title))])
}

/// A step: an edit of the content, and the requests for bodies that it may cost (lists, single ones).
type Step = (&'static str, fn(String, String) -> Edit, (u64, u64));

const DRAFT: Step = (
    "draft",
    |endpoint, id| Edit::AddDraft {
        endpoint,
        id,
        fields: fields("draft"),
    },
    (0, 1),
);
/// A draft beside a published body: both are asked for, for either may be new.
const DRAFT_BESIDE: Step = (
    "draft beside it",
    |endpoint, id| Edit::AddDraft {
        endpoint,
        id,
        fields: fields("beside"),
    },
    (1, 1),
);
const PUBLISH: Step = (
    "publish",
    |endpoint, id| Edit::Publish { endpoint, id },
    (1, 0),
);
const CLOSE: Step = ("close", |endpoint, id| Edit::Close { endpoint, id }, (1, 0));
const BACK: Step = (
    "back to draft",
    |endpoint, id| Edit::BackToDraft { endpoint, id },
    (0, 1),
);
const DISCARD: Step = (
    "discard",
    |endpoint, id| Edit::DiscardDraft { endpoint, id },
    (1, 0),
);
const RESERVE: Step = (
    "reserve",
    |endpoint, id| Edit::Reserve {
        endpoint,
        id,
        publish: Some("2030-01-01T00:00:00Z".into()),
        stop: Some("2031-01-01T00:00:00Z".into()),
    },
    (0, 0),
);
const UNRESERVE: Step = (
    "no reservation",
    |endpoint, id| Edit::Reserve {
        endpoint,
        id,
        publish: None,
        stop: None,
    },
    (0, 0),
);

#[tokio::test(flavor = "multi_thread")]
async fn every_flip_of_a_status_makes_one_row_of_history_and_asks_for_its_own_bodies() {
    let ways: [(Status, &[Step]); 4] = [
        (
            Status::Draft,
            &[
                DRAFT,
                RESERVE,
                UNRESERVE,
                PUBLISH,
                DRAFT_BESIDE,
                BACK,
                PUBLISH,
            ],
        ),
        (
            Status::Publish,
            &[DRAFT_BESIDE, RESERVE, CLOSE, BACK, DRAFT, PUBLISH, CLOSE],
        ),
        (Status::Closed, &[BACK, PUBLISH, CLOSE]),
        (
            Status::Publish,
            &[DRAFT_BESIDE, DISCARD, DRAFT_BESIDE, CLOSE, BACK],
        ),
    ];
    for (status, steps) in ways {
        let sim = Sim::builder().published_list_api("blog", 8).start().await;
        let home = Sandbox::in_memory();
        let add = |id: &str| Edit::AddContent {
            endpoint: "blog".into(),
            id: Some(id.to_owned()),
            status,
            fields: Some(fields("first")),
            place: 3,
        };
        sim.edit(add("it")).expect("added");
        home.sync(&sim).await.expect_complete();
        home.count_writes();
        for (n, (name, edit, bodies)) in (1..).zip(steps) {
            sim.edit(edit("blog".into(), "it".into())).expect(name);
            let (report, bill) = home.billed(&sim, Setup::default()).await;
            report.expect_complete();
            let what = format!("{status:?}, step {n}: {name}");
            assert_eq!(bill.bodies, *bodies, "{what}");
            let owed = u64::from(bodies.0 > 0) + u64::from(bodies.1 > 0);
            assert_eq!(bill.rows, changed(owed), "{what}");
            assert_eq!(rows(&home, "contents_history"), n, "{what}");
            assert_holds(&home, &sim.truth());
        }
        let (report, bill) = home.billed(&sim, Setup::default()).await;
        report.expect_complete();
        assert_eq!(bill, Bill::default(), "{status:?}: the run after it");
    }
}

/// The rows of a changed content of which so many bodies (published, draft) are asked for.
fn changed(bodies: u64) -> BTreeMap<String, u64> {
    Bill::of_rows(&[
        ("contents: update", 1 + bodies),
        ("contents_history: insert", 1),
        ("leaves: insert", 1 + bodies),
        ("owed_bodies: insert", bodies),
        ("owed_bodies: delete", bodies),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_added_or_deleted_costs_its_own_request() {
    let sim = Sim::builder().published_list_api("blog", 8).start().await;
    let home = Sandbox::in_memory();
    home.sync(&sim).await.expect_complete();
    home.count_writes();
    for (status, bodies) in [
        (Status::Publish, (1, 0)),
        (Status::Draft, (0, 1)),
        (Status::Closed, (1, 0)),
    ] {
        sim.edit(Edit::AddContent {
            endpoint: "blog".into(),
            id: None,
            status,
            fields: None,
            place: 0,
        })
        .expect("added");
        let (report, bill) = home.billed(&sim, Setup::default()).await;
        report.expect_complete();
        assert_eq!(bill.bodies, bodies, "{status:?}");
        let owed = u64::from(bodies.0 > 0) + u64::from(bodies.1 > 0);
        let expected = [
            ("contents: insert", 1),
            ("contents: update", owed),
            ("leaves: insert", 1 + owed),
            ("owed_bodies: insert", owed),
            ("owed_bodies: delete", owed),
        ];
        assert_eq!(bill.rows, Bill::of_rows(&expected), "{status:?}");
    }
    let id = sim.content_ids("blog")[6].clone();
    sim.edit(Edit::DeleteContent {
        endpoint: "blog".into(),
        id,
    })
    .expect("deleted");
    let (report, bill) = home.billed(&sim, Setup::default()).await;
    report.expect_complete();
    assert_eq!(bill.bodies, (0, 0));
    assert_eq!(sim.counters().of(Route::Metadata), 1, "its own 404");
    assert_eq!(rows(&home, "contents_history"), 1);
    let live = home.texts("SELECT id FROM contents WHERE deleted_at IS NULL ORDER BY id");
    let mut listed = sim.content_ids("blog");
    listed.sort();
    assert_eq!(live, listed);
    let (report, bill) = home.billed(&sim, Setup::default()).await;
    report.expect_complete();
    assert_eq!(bill, Bill::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_api_costs_its_one_body_when_that_can_have_changed() {
    let sim = Sim::builder().object_api("about").start().await;
    let home = Sandbox::in_memory();
    home.sync(&sim).await.expect_complete();
    home.count_writes();
    let id = sim.content_ids("about")[0].clone();
    let steps: [Step; 9] = [
        RESERVE,
        UNRESERVE,
        (
            "created by",
            |endpoint, id| Edit::SetCreatedBy {
                endpoint,
                id,
                member: "m1".into(),
            },
            (0, 0),
        ),
        (
            "body",
            |endpoint, id| Edit::EditBody {
                endpoint,
                id,
                fields: fields("edited"),
            },
            (1, 0),
        ),
        (
            "publishedAt",
            |endpoint, id| Edit::SetPublishedAt {
                endpoint,
                id,
                at: "2020-01-01T00:00:00Z".into(),
            },
            (1, 0),
        ),
        ("draft", DRAFT.1, (1, 1)),
        ("publish", PUBLISH.1, (1, 0)),
        ("close", CLOSE.1, (1, 0)),
        ("back to draft", BACK.1, (0, 1)),
    ];
    for (n, (name, edit, bodies)) in (1..).zip(steps) {
        sim.edit(edit("about".into(), id.clone())).expect(name);
        let (report, bill) = home.billed(&sim, Setup::default()).await;
        report.expect_complete();
        assert_eq!(bill.bodies.0 + bill.bodies.1, bodies.0 + bodies.1, "{name}");
        assert_eq!(bill.rows, changed(bodies.0 + bodies.1), "{name}");
        assert_eq!(rows(&home, "contents_history"), n, "{name}");
        assert_holds(&home, &sim.truth());
    }
    let (report, bill) = home.billed(&sim, Setup::default()).await;
    report.expect_complete();
    assert_eq!(bill, Bill::default());
}
