//! Bodies that the key may not read, or not in every state: what is said, what it costs, and how it heals.

use crate::bodies::{add, bodies, body_requests, fields};
use crate::support::{Expect as _, Sandbox, Setup, assert_holds};
use microcms_backup::model::ExitCode;
use microcms_sim::{ContentRights, Edit, Fault, Occasion, Route, Sim, Status};
use serde_json::{Map, Value};

fn set_rights(endpoint: &str, rights: ContentRights) -> Edit {
    Edit::SetContentRights {
        endpoint: Some(endpoint.to_owned()),
        rights,
    }
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
    // Drafts and lists that were under way together.
    assert!(
        of_blog(&sim) <= 16,
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
    // The others are complete: one of them is asked whether it is the key's fault, and for no body.
    let others: Vec<String> = sim
        .requests()
        .into_iter()
        .filter(|r| matches!(r.route, Route::ContentList | Route::Content))
        .map(|r| r.path)
        .filter(|path| !path.starts_with("/api/v1/blog"))
        .collect();
    assert_eq!(others, ["/api/v1/news?depth=0&limit=0&fields=id"]);

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
    home.sync_with(&sim, Setup::full()).await.expect_complete();
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
    home.sync_with(&sim, Setup::full()).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

/// A body in other words for the same: its fields backwards, with blanks, and one more that is `null`.
fn respelt(body: &str) -> String {
    let fields: Map<String, Value> = serde_json::from_str(body).expect("an object");
    let mut turned: Map<String, Value> = fields.into_iter().rev().collect();
    turned.insert("unset".into(), Value::Null);
    let text = serde_json::to_string_pretty(&turned).expect("JSON");
    text.replace("another", "\\u0061nother")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_in_another_spelling_is_not_passed_off_as_published() {
    // The key sees all drafts, and only the two answers tell: or those of another content, known from before.
    for is_other_known in [false, true] {
        let sim = Sim::builder().published_list_api("blog", 5).start().await;
        let draft = |id: &str, title: &str| Edit::AddDraft {
            endpoint: "blog".into(),
            id: id.into(),
            fields: fields(title),
        };
        let home = Sandbox::new();
        if is_other_known {
            sim.edit(add("known", Status::Publish)).expect("added");
            sim.edit(draft("known", "another")).expect("a draft");
        }
        home.sync(&sim).await.expect_complete();
        sim.edit(Edit::SetContentRights {
            endpoint: None,
            rights: ContentRights::everything(),
        })
        .expect("changed");
        sim.edit(add("essay", Status::Publish)).expect("added");
        sim.edit(draft("essay", "another")).expect("a draft");
        let truth = sim.truth();
        for id in ["essay", "known"] {
            let Some(content) = truth.content("blog", id) else {
                continue;
            };
            let draft = respelt(content.draft.as_ref().expect("a draft"));
            let answer =
                format!("{{\"contents\":[{draft}],\"totalCount\":1,\"offset\":0,\"limit\":1}}");
            let target = Route::ContentList.containing(&format!("ids={id}"));
            sim.fault(target, Occasion::Every, Fault::answer(answer));
        }
        if is_other_known {
            // Its two answers differ, as those of a draft that is saved in between.
            sim.edit(draft("essay", "a third")).expect("a draft");
        }
        let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
        assert_eq!(report.bodies.refused, 1, "{:?}", report.problems);
        assert_eq!(bodies(&home, "essay").0, None, "{is_other_known}");
    }
}

/// Of an API where nothing was never published.
#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_equals_what_is_published_is_no_alarm_where_another_tells_that_the_key_sees_none()
 {
    let sim = Sim::builder().published_list_api("blog", 5).start().await;
    for id in ["same", "other"] {
        sim.edit(add(id, Status::Publish)).expect("added");
        sim.edit(Edit::AddDraft {
            endpoint: "blog".into(),
            id: id.into(),
            fields: fields("another"),
        })
        .expect("a draft");
    }
    let truth = sim.truth();
    let same = truth.contents.iter().find(|content| content.id == "same");
    let published = same
        .and_then(|content| content.published.clone())
        .expect("a body");
    let draft = Route::Content.containing("/blog/same?");
    sim.fault(draft, Occasion::Every, Fault::answer(published.clone()));
    let home = Sandbox::new();
    home.sync(&sim).await;
    home.sync(&sim).await.expect_complete();
    let recorded = bodies(&home, "same");
    assert_eq!(recorded, (Some(published.clone()), Some(published)));
    // A key that sees all drafts is served the draft for both.
    sim.edit(Edit::SetContentRights {
        endpoint: None,
        rights: ContentRights::everything(),
    })
    .expect("changed");
    sim.edit(Edit::AddDraft {
        endpoint: "blog".into(),
        id: "same".into(),
        fields: fields("a third"),
    })
    .expect("a draft");
    sim.clear_faults();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(report.bodies.refused, 1, "{:?}", report.problems);
    assert_eq!(bodies(&home, "same").0, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_drafts_hide_are_not_paid_for_in_each_run() {
    for is_telling in [true, false] {
        let sim = Sim::builder()
            .published_list_api("blog", 5)
            .content_permissions(ContentRights::everything())
            .start()
            .await;
        for n in 0..120 {
            let id = format!("both-{n}");
            sim.edit(add(&id, Status::Publish)).expect("added");
            sim.edit(Edit::AddDraft {
                endpoint: "blog".into(),
                id,
                fields: fields("another"),
            })
            .expect("a draft");
        }
        if is_telling {
            sim.edit(add("never", Status::Draft)).expect("added");
        }
        let home = Sandbox::new();
        home.sync(&sim).await.expect_code(ExitCode::Partial);
        let mut asked = Vec::new();
        for _ in 0..2 {
            sim.forget_requests();
            let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
            assert_eq!(report.bodies.refused, 120);
            let of_bodies = sim.requests().into_iter().filter(|request| {
                matches!(request.route, Route::ContentList | Route::Content)
                    && request.path.starts_with("/api/v1/blog")
            });
            let paths: Vec<String> = of_bodies.map(|request| request.path).collect();
            assert!(paths.len() <= 2, "{paths:#?}");
            let is_list = |path: &String| path.contains("ids=");
            assert!(
                paths
                    .iter()
                    .filter(|path| is_list(path))
                    .all(|path| !path.contains(',') && !path.contains("%2C"))
            );
            asked.push(paths);
        }
        // Where nothing tells, another one is tried in each run.
        assert_eq!(asked[0] == asked[1], is_telling, "{asked:#?}");
        sim.edit(Edit::SetContentRights {
            endpoint: None,
            rights: ContentRights::backup(),
        })
        .expect("changed");
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
    }
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
async fn an_api_or_a_draft_that_is_answered_403_is_in_no_others_way() {
    let sim = Sim::builder()
        .published_list_api("aaa", 6)
        .published_list_api("blog", 6)
        .published_list_api("zzz", 6)
        .start()
        .await;
    let forbidden = Fault::status(403, "Forbidden");
    let list = Route::ContentList.containing("/aaa?");
    sim.fault(list, Occasion::Every, forbidden.clone());
    // One content of the second has a draft, which alone is refused; another one shows that the key sees no draft
    // without its own key, so that what is served of the first is what is published.
    for (id, status) in [("half", Status::PublishAndDraft), ("never", Status::Draft)] {
        sim.edit(add(id, status)).expect("added");
    }
    let draft = Route::Content.containing("/blog/half");
    sim.fault(draft, Occasion::Every, forbidden);
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    let had = |api: &str| {
        home.count(&format!(
            "SELECT count(*) FROM contents WHERE endpoint = '{api}' AND published_body IS NOT NULL"
        ))
    };
    assert_eq!((had("aaa"), had("zzz")), (0, 6), "{:?}", report.problems);
    assert_eq!(had("blog"), 7, "{:?}", report.problems);
    sim.clear_faults();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_is_answered_403_keeps_no_published_body_away() {
    let sim = Sim::builder().published_list_api("blog", 130).start().await;
    for id in ["open", "shut"] {
        sim.edit(add(id, Status::Draft)).expect("added");
    }
    let forbidden = Fault::status(403, "Forbidden");
    let draft = Route::Content.containing("/blog/shut");
    sim.fault(draft, Occasion::Every, forbidden.clone());
    let home = Sandbox::new();
    let published = || home.count("SELECT count(*) FROM contents WHERE published_body IS NOT NULL");
    for _ in 0..2 {
        let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
        assert_eq!((report.bodies.owed, report.bodies.refused), (1, 1));
        let [missing] = report.owed_bodies.as_slice() else {
            panic!("{:?}", report.owed_bodies);
        };
        let told = [
            &missing.endpoint,
            &missing.id,
            &missing.side,
            &missing.state,
        ];
        assert_eq!(told, ["blog", "shut", "draft", "refused"]);
        assert!(
            missing
                .error
                .as_deref()
                .is_some_and(|why| why.contains("403"))
        );
        assert_eq!(published(), 130, "{:?}", report.problems);
        assert!(bodies(&home, "open").1.is_some());
    }
    // Nor where it was refused before the others became owed.
    let list = Route::ContentList.containing("/blog?");
    sim.fault(list, Occasion::Every, forbidden);
    home.sync_with(&sim, Setup::full())
        .await
        .expect_code(ExitCode::Refused);
    sim.clear_faults();
    let draft = Route::Content.containing("/blog/shut");
    sim.fault(draft, Occasion::Every, Fault::status(403, "Forbidden"));
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(report.bodies.owed, 1, "{:?}", report.problems);
    sim.clear_faults();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_that_are_all_refused_are_asked_for_a_few_times() {
    let sim = Sim::builder().published_list_api("blog", 3).start().await;
    for n in 0..60 {
        sim.edit(add(&format!("d-{n}"), Status::Draft))
            .expect("added");
    }
    let drafts = Route::Content.containing("/blog/d-");
    sim.fault(drafts, Occasion::Every, Fault::status(403, "Forbidden"));
    let home = Sandbox::new();
    for most in [20, 2] {
        sim.forget_requests();
        let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
        assert_eq!(report.bodies.refused, 60, "{:?}", report.problems);
        let asked = sim.counters().of(Route::Content);
        assert!(asked <= most, "{asked} requests");
    }
    sim.clear_faults();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_that_can_be_read_are_found_behind_those_that_cannot() {
    let sim = Sim::builder().published_list_api("blog", 3).start().await;
    for n in (0..40).rev() {
        sim.edit(add(&format!("d-{n:02}"), Status::Draft))
            .expect("added");
    }
    // The first twenty of the listing.
    let target = Route::Content.containing("/blog/d-0");
    sim.fault(target, Occasion::Every, Fault::status(403, "Forbidden"));
    let target = Route::Content.containing("/blog/d-1");
    sim.fault(target, Occasion::Every, Fault::status(403, "Forbidden"));
    let home = Sandbox::new();
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(
        (report.bodies.owed, report.bodies.refused),
        (20, 20),
        "{:?}",
        report.problems
    );
    sim.clear_faults();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

/// Of an API where nothing else tells whether the key sees drafts.
#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_was_saved_without_a_change_is_no_alarm_where_the_article_was_recorded_before()
{
    for rights in [ContentRights::backup(), ContentRights::everything()] {
        let sim = Sim::builder()
            .published_list_api("blog", 3)
            .content_permissions(rights)
            .start()
            .await;
        sim.edit(add("same", Status::Publish)).expect("added");
        let home = Sandbox::new();
        home.sync(&sim).await.expect_complete();
        let before = bodies(&home, "same").0.expect("published");
        sim.edit(Edit::AddDraft {
            endpoint: "blog".into(),
            id: "same".into(),
            fields: Map::new(),
        })
        .expect("a draft");
        home.sync(&sim).await.expect_complete();
        let (published, draft) = bodies(&home, "same");
        let without = |text: Option<String>| {
            let mut body: Value = serde_json::from_str(&text.expect("a body")).expect("JSON");
            body.as_object_mut().expect("an object").remove("updatedAt");
            body
        };
        assert_eq!(without(published), without(Some(before.clone())));
        assert_eq!(without(draft), without(Some(before)));
        // What is published anew is another body.
        sim.edit(Edit::EditBody {
            endpoint: "blog".into(),
            id: "same".into(),
            fields: fields("another"),
        })
        .expect("published");
        home.sync(&sim).await;
    }
}
