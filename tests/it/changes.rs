//! Changes: one row of history for each, and what is asked for.

use crate::deletions::{body_requests, fields, history};
use crate::support::{Expect as _, Sandbox, assert_holds};
use microcms_sim::{Edit, ManagementRights, Route, Sim};

#[tokio::test(flavor = "multi_thread")]
async fn each_change_makes_one_row_of_history_and_asks_only_for_what_can_have_changed() {
    let sim = Sim::builder().published_list_api("blog", 12).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let id = sim.content_ids("blog")[5].clone();
    let endpoint = || "blog".to_owned();
    let of = |edit: fn(String, String) -> Edit| edit(endpoint(), id.clone());
    // The edit, published bodies asked for, drafts asked for.
    let changes: [(&str, Edit, u64, u64); 14] = [
        (
            "publishedAt",
            of(|endpoint, id| Edit::SetPublishedAt {
                endpoint,
                id,
                at: "2020-01-01T00:00:00Z".into(),
            }),
            1,
            0,
        ),
        (
            "createdBy",
            of(|endpoint, id| Edit::SetCreatedBy {
                endpoint,
                id,
                member: "m1".into(),
            }),
            0,
            0,
        ),
        (
            "reservation",
            of(|endpoint, id| Edit::Reserve {
                endpoint,
                id,
                publish: None,
                stop: Some("2030-01-01T00:00:00Z".into()),
            }),
            0,
            0,
        ),
        (
            "custom status",
            of(|endpoint, id| Edit::SetCustomStatus {
                endpoint,
                id,
                name: Some("checked".into()),
            }),
            0,
            0,
        ),
        (
            "no custom status",
            of(|endpoint, id| Edit::SetCustomStatus {
                endpoint,
                id,
                name: None,
            }),
            0,
            0,
        ),
        (
            "body",
            of(|endpoint, id| Edit::EditBody {
                endpoint,
                id,
                fields: fields("two"),
            }),
            1,
            0,
        ),
        (
            "draft added",
            of(|endpoint, id| Edit::AddDraft {
                endpoint,
                id,
                fields: fields("draft"),
            }),
            1,
            1,
        ),
        (
            "draft saved again",
            of(|endpoint, id| Edit::AddDraft {
                endpoint,
                id,
                fields: fields("draft 2"),
            }),
            1,
            1,
        ),
        (
            "draft discarded",
            of(|endpoint, id| Edit::DiscardDraft { endpoint, id }),
            1,
            0,
        ),
        (
            "draft again",
            of(|endpoint, id| Edit::AddDraft {
                endpoint,
                id,
                fields: fields("draft 3"),
            }),
            1,
            1,
        ),
        (
            "published",
            of(|endpoint, id| Edit::Publish { endpoint, id }),
            1,
            0,
        ),
        (
            "back to draft",
            of(|endpoint, id| Edit::BackToDraft { endpoint, id }),
            0,
            1,
        ),
        (
            "published again",
            of(|endpoint, id| Edit::Publish { endpoint, id }),
            1,
            0,
        ),
        (
            "closed",
            of(|endpoint, id| Edit::Close { endpoint, id }),
            1,
            0,
        ),
    ];
    for (n, (name, edit, published, drafts)) in (1..).zip(changes) {
        sim.edit(edit).expect(name);
        sim.forget_requests();
        let report = home.sync(&sim).await.expect_complete();
        let counters = sim.counters();
        assert_eq!(report.contents.changed, 1, "{name}");
        assert_eq!(history(&home, "contents"), n, "{name}");
        assert_eq!(
            (counters.of(Route::ContentList), counters.of(Route::Content)),
            (published, drafts),
            "{name}"
        );
        assert_holds(&home, &sim.truth());
        assert_eq!(
            home.count("SELECT count(*) FROM contents_history WHERE published_body IS NULL AND draft_body IS NULL"),
            0,
            "{name}: every version keeps its bodies"
        );
    }
    sim.edit(Edit::MoveContent {
        endpoint: endpoint(),
        id,
        place: 0,
    })
    .expect("moved");
    sim.forget_requests();
    home.sync(&sim).await.expect_complete();
    assert_eq!(
        (history(&home, "contents"), body_requests(&sim)),
        (14, 0),
        "a reorder"
    );

    sim.edit(Edit::RenameApi {
        endpoint: endpoint(),
        name: "ブログ二".into(),
    })
    .expect("renamed");
    sim.edit(Edit::AddField {
        endpoint: endpoint(),
        field: "extra".into(),
    })
    .expect("added");
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_eq!(body_requests(&sim), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_come_and_go_change_no_history() {
    let sim = Sim::builder().media(10).list_api("blog", 20).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    for rights in [ManagementRights::none(), ManagementRights::all()] {
        sim.edit(Edit::SetManagementRights { rights }).expect("set");
        home.sync(&sim).await;
    }
    home.sync(&sim).await.expect_complete();
    for table in ["contents", "media", "assets", "endpoints"] {
        assert_eq!(history(&home, table), 0, "{table}");
    }
}
