//! Listings with odd parts in them: the others are saved, the odd ones named, and nothing is marked as
//! deleted because of them.

use crate::deletions::tombstones;
use crate::support::{Expect as _, Program, Sandbox, Setup, assert_holds, files};
use microcms_backup::model::{ExitCode, RunReport, WalkVerdict};
use microcms_sim::{ApiKind, Edit, Fault, Occasion, Route, Sim, SimBuilder};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The list of `blog` as it is, with other items at some places.
fn listing(sim: &Sim, odd: &[(usize, &str)]) -> Fault {
    let truth = sim.truth();
    let listed = truth.contents_of("blog").map(|content| &*content.metadata);
    let mut items: Vec<&str> = listed.collect();
    for (place, item) in odd {
        items[*place] = item;
    }
    let (total, items) = (items.len(), items.join(","));
    Fault::answer(format!(
        r#"{{"contents":[{items}],"totalCount":{total},"offset":0,"limit":100}}"#
    ))
}

fn live(home: &Sandbox) -> u64 {
    home.count("SELECT count(*) FROM contents WHERE deleted_at IS NULL")
}

#[track_caller]
fn told(report: &RunReport, scope: &str, words: &str) {
    let mut problems = report.problems.iter();
    assert!(
        problems.any(|problem| problem.scope == scope && problem.message.contains(words)),
        "{scope}: {words}: {:#?}",
        report.problems
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_without_a_usable_id_is_named_and_the_others_are_saved() {
    let items = [
        r#"{"id":null,"status":["PUBLISH"]}"#,
        r#"{"status":["PUBLISH"]}"#,
        r#"{"id":7,"status":["PUBLISH"]}"#,
        r#"{"id":"a","id":"b"}"#,
        "null",
    ];
    for item in items {
        let sim = Sim::builder().published_list_api("blog", 12).start().await;
        sim.fault(
            Route::MetadataList,
            Occasion::Every,
            listing(&sim, &[(2, item)]),
        );
        let home = Sandbox::new();
        let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
        assert_eq!(report.verdict_of("contents/blog"), WalkVerdict::Proven);
        told(
            &report,
            "contents/blog",
            "1 of what is listed cannot be read",
        );
        told(&report, "contents/blog", "for example item 3: it");
        assert_eq!(live(&home), 11, "{item}");
        assert_eq!(report.bodies.saved, 11, "{item}");
        sim.clear_faults();
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_content_whose_item_became_odd_is_never_marked_as_deleted() {
    let sim = Sim::builder().published_list_api("blog", 12).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let ids = sim.content_ids("blog");
    let named = format!(r#"{{"id":"{}","status":1,"status":2}}"#, ids[5]);
    let surrogate = format!(r#"{{"id":"{}","\ud800":1}}"#, ids[5]);
    // Whatever is said of it by id.
    sim.fault(
        Route::Metadata,
        Occasion::Every,
        Fault::status(404, "Content not found"),
    );
    for item in ["null", r#"{"id":null}"#, &named, &surrogate] {
        sim.fault(
            Route::MetadataList,
            Occasion::Every,
            listing(&sim, &[(5, item)]),
        );
        let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
        told(
            &report,
            "contents/blog",
            "1 of what is listed cannot be read",
        );
        assert_eq!(
            (tombstones(&home, "contents"), live(&home)),
            (0, 12),
            "{item}"
        );
    }
    sim.clear_faults();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_content_that_cannot_be_read_does_not_make_up_for_one_that_is_gone() {
    let sim = Sim::builder().published_list_api("blog", 12).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    // As many as before are listed, and one of them is another one.
    sim.fault(
        Route::Metadata,
        Occasion::Every,
        Fault::status(404, "Content not found"),
    );
    let new = r#"{"id":"new","status":1,"status":2}"#;
    sim.fault(
        Route::MetadataList,
        Occasion::Every,
        listing(&sim, &[(5, new)]),
    );
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!((report.contents.missing, report.contents.deleted), (1, 1));
    assert_eq!((tombstones(&home, "contents"), live(&home)), (1, 11));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_content_is_never_taken_for_a_list() {
    let sim = Sim::builder().published_list_api("blog", 12).start().await;
    let one = sim.truth().contents[0].metadata.clone();
    sim.fault(Route::MetadataList, Occasion::Every, Fault::answer(one));
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(report.verdict_of("contents/blog"), WalkVerdict::Failed);
    told(&report, "contents/blog", "it has no `contents`");
    assert_eq!(live(&home), 0);
    sim.clear_faults();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_repeats_itself_without_end_is_left_after_a_few_pages() {
    let sim = Sim::builder().published_list_api("blog", 3).start().await;
    let item = sim.truth().contents[0].metadata.clone();
    sim.fault(
        Route::MetadataList,
        Occasion::Every,
        Fault::answer(format!(
            r#"{{"contents":[{item},{item}],"totalCount":1000000000,"offset":0,"limit":100}}"#
        )),
    );
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(report.verdict_of("contents/blog"), WalkVerdict::Unproven);
    told(&report, "contents/blog", "nothing new was listed");
    // Six attempts of two pages, one that may have moved, and two of what may come behind it.
    assert_eq!(sim.counters().of(Route::MetadataList), 15);
    assert_eq!(live(&home), 1);
}

/// Refuses the sizes of pages down to `smallest`.
fn refuse(sim: &Sim, smallest: u32, fault: &Fault) {
    for limit in [100, 50, 25, 12, 6, 3]
        .into_iter()
        .filter(|limit| *limit >= smallest)
    {
        let asked = Route::MetadataList.containing(&format!("limit={limit}&"));
        sim.fault(asked, Occasion::Every, fault.clone());
    }
}

fn thirty() -> SimBuilder {
    Sim::builder().published_list_api("blog", 30)
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_are_refused_in_whatever_words_become_smaller_down_to_one() {
    let words = [
        "Response body size is too long. Check your url parameters.",
        "The payload exceeds what this service sends.",
    ];
    for (words, smallest) in [(words[0], 3), (words[1], 3), (words[1], 12)] {
        let sim = thirty().start().await;
        refuse(&sim, smallest, &Fault::status(400, words));
        let home = Sandbox::new();
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_are_too_heavy_to_be_made_in_time_become_smaller() {
    let sim = thirty().start().await;
    refuse(&sim, 12, &Fault::status(504, ""));
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_moves_is_noticed_one_by_one_too() {
    use microcms_sim::When;
    for page in [2, 9, 20, 21, 40] {
        let sim = thirty().start().await;
        refuse(&sim, 3, &Fault::status(400, "too much"));
        let ids = sim.content_ids("blog");
        // One that was read goes, one is added at the end: the count fits.
        for edit in [
            Edit::DeleteContent {
                endpoint: "blog".into(),
                id: ids[0].clone(),
            },
            Edit::AddContent {
                endpoint: "blog".into(),
                id: None,
                status: microcms_sim::Status::Publish,
                fields: None,
                place: usize::MAX,
            },
        ] {
            // After the six pages that were refused.
            sim.on(Route::MetadataList, 6 + page, When::After, edit);
        }
        let home = Sandbox::new();
        home.sync(&sim).await;
        let ids = sim.content_ids("blog");
        let held = home.texts("SELECT id FROM contents WHERE deleted_at IS NULL");
        assert!(ids.iter().all(|id| held.contains(id)), "after page {page}");
    }
}

fn apis(entries: &Value) -> Fault {
    Fault::answer(json!({ "apis": entries }).to_string())
}

fn two_apis() -> SimBuilder {
    Sim::builder()
        .published_list_api("blog", 5)
        .object_api("settings")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_of_an_unknown_type_is_named_and_backed_up_as_what_it_looks_like() {
    let sim = two_apis().start().await;
    let entries = json!([
        { "name": "Blog", "endpoint": "blog", "type": "list" },
        { "name": "Settings", "endpoint": "settings", "type": "singleton" },
    ]);
    sim.fault(Route::Apis, Occasion::Every, apis(&entries));
    let home = Sandbox::new();
    for _run in 0..2 {
        let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
        assert_eq!(report.problems.len(), 1, "{:#?}", report.problems);
        told(&report, "contents/settings", "of the type `singleton`");
        assert_eq!(
            home.texts("SELECT endpoint || ' ' || kind FROM endpoints ORDER BY 1"),
            ["blog list", "settings object"]
        );
        assert_eq!(
            home.count("SELECT count(*) FROM contents WHERE published_body IS NOT NULL"),
            6
        );
    }
    assert_eq!(
        home.count("SELECT count(*) FROM endpoints WHERE schema IS NULL"),
        0
    );
    sim.clear_faults();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_cannot_be_used_is_named_and_no_evidence_of_a_deletion() {
    let sim = two_apis().start().await;
    let odd = [
        json!(null),
        json!({ "name": "Settings", "type": "object" }),
        json!({ "name": "Settings", "endpoint": "a/b", "type": "object" }),
    ];
    let blog = json!({ "name": ["Blog"], "endpoint": "blog", "type": "list" });
    let home = Sandbox::new();
    for (run, entry) in odd.iter().enumerate() {
        sim.fault(Route::Apis, Occasion::Every, apis(&json!([entry, blog])));
        let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
        told(
            &report,
            "apis",
            "entry 1 of the list of APIs cannot be used",
        );
        assert_eq!(report.problems.len(), 1, "{:#?}", report.problems);
        // In the first run nobody knows what the entry is about; later it is walked all the same.
        assert_eq!(live(&home), if run == 0 { 5 } else { 6 });
        assert_eq!(tombstones(&home, "endpoints"), 0);
        sim.clear_faults();
        home.sync(&sim).await.expect_complete();
    }
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_is_listed_twice_is_the_first_and_no_new_version_in_each_run() {
    let sim = two_apis().start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let blog = json!({ "name": "Blog", "endpoint": "blog", "type": "list" });
    let other = json!({ "name": "Another", "endpoint": "blog", "type": "object" });
    let settings = json!({ "name": "Settings", "endpoint": "settings", "type": "object" });
    let list = |entries: Value| sim.fault(Route::Apis, Occasion::Every, apis(&entries));
    list(json!([blog, settings, blog]));
    home.sync(&sim).await.expect_complete();
    sim.clear_faults();
    let versions = || home.count("SELECT count(*) FROM endpoints_history");
    let before = versions();
    list(json!([blog, other, settings]));
    for _ in 0..2 {
        let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
        told(&report, "apis", "`blog` stands there already");
    }
    assert_eq!(versions(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_is_gone_while_the_list_has_an_odd_entry_is_not_called_deleted() {
    let sim = two_apis().start().await;
    sim.edit(Edit::AddApi {
        endpoint: "news".to_owned(),
        kind: ApiKind::List,
        contents: 3,
    })
    .expect("a new API");
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    sim.edit(Edit::DeleteApi {
        endpoint: "news".into(),
    })
    .expect("deleted");
    let entries = json!([
        null,
        { "name": "Blog", "endpoint": "blog", "type": "list" },
        { "name": "Settings", "endpoint": "settings", "type": "object" },
    ]);
    sim.fault(Route::Apis, Occasion::Every, apis(&entries));
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    told(
        &report,
        "contents/news",
        "the API is not listed, and its contents are not found",
    );
    assert_eq!(
        (
            tombstones(&home, "endpoints"),
            tombstones(&home, "contents")
        ),
        (0, 0)
    );
    sim.clear_faults();
    home.sync(&sim).await.expect_complete();
    assert_eq!(
        (
            tombstones(&home, "endpoints"),
            tombstones(&home, "contents")
        ),
        (1, 3)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_apis_at_all_is_a_list_of_none_and_suddenly_none_trips_the_guard() {
    let sim = two_apis().start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    sim.fault(Route::Apis, Occasion::Every, apis(&json!([])));
    let report = home.sync(&sim).await.expect_code(ExitCode::Guard);
    told(&report, "apis", "suddenly empty");
    assert_eq!(tombstones(&home, "endpoints"), 0);
    let new = Sandbox::new();
    new.sync(&sim).await.expect_complete();
}

#[tokio::test(flavor = "multi_thread")]
async fn null_is_no_list_of_apis_and_makes_no_first_backup_of_nothing_whole() {
    let sim = two_apis().start().await;
    sim.fault(Route::Apis, Occasion::Every, apis(&Value::Null));
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    told(&report, "apis", "cannot be used");
    sim.clear_faults();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_and_object_bodies_of_other_forms_are_kept_as_they_are() {
    let sim = two_apis().start().await;
    let (schema, body) = (r#"{"fields":[{"id":"title"}]}"#, r#"{"title":"t"}"#);
    sim.fault(
        Route::Schema,
        Occasion::Every,
        Fault::answer(schema.to_owned()),
    );
    sim.fault(
        Route::ContentList.containing("settings"),
        Occasion::Every,
        Fault::answer(body.to_owned()),
    );
    let home = Sandbox::new();
    let setup = Setup::default();
    home.sync_with(&sim, setup).await.expect_complete();
    assert_eq!(
        home.texts("SELECT DISTINCT schema FROM endpoints"),
        [schema]
    );
    assert_eq!(
        home.texts("SELECT published_body FROM contents WHERE endpoint = 'settings'"),
        [body]
    );
    assert_eq!(sim.counters().of(Route::Schema), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_where_there_is_nothing_is_told_with_what_to_check() {
    let sim = Sim::builder().media(3).list_api("blog", 3).start().await;
    for route in [Route::Media, Route::Apis] {
        sim.fault(route, Occasion::Every, Fault::status(404, "Not Found"));
    }
    let home = Sandbox::new();
    let report = home.sync(&sim).await;
    for scope in ["media", "apis"] {
        let problem = report
            .problems
            .iter()
            .find(|problem| problem.scope == scope);
        let hint = problem.and_then(|problem| problem.hint.as_deref());
        assert!(
            hint.is_some_and(|hint| hint.contains("check service.id")),
            "{scope}: {:#?}",
            report.problems
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_and_a_draft_may_be_told_in_two_words() {
    let sim = Sim::builder().list_api("blog", 20).start().await;
    let truth = sim.truth();
    let both: Vec<_> = truth
        .contents_of("blog")
        .enumerate()
        .filter(|(_, content)| content.metadata.contains("PUBLISH_AND_DRAFT"))
        .collect();
    assert!(!both.is_empty());
    for words in [r#""PUBLISH","DRAFT""#, r#""DRAFT","PUBLISH""#] {
        let told: Vec<String> = both
            .iter()
            .map(|(_, content)| content.metadata.replace(r#""PUBLISH_AND_DRAFT""#, words))
            .collect();
        let odd: Vec<(usize, &str)> = both
            .iter()
            .zip(&told)
            .map(|((place, _), item)| (*place, item.as_str()))
            .collect();
        sim.fault(Route::MetadataList, Occasion::Every, listing(&sim, &odd));
        let home = Sandbox::new();
        home.sync(&sim).await.expect_complete();
        for (_, content) in &both {
            let side = |column: &str| {
                let sql = format!(
                    "SELECT ifnull({column}, '-') FROM contents WHERE id = '{}'",
                    content.id
                );
                home.texts(&sql).remove(0)
            };
            assert_eq!(
                Some(side("published_body").as_str()),
                content.published.as_deref()
            );
            assert_eq!(Some(side("draft_body").as_str()), content.draft.as_deref());
        }
        // What visitors saw of it is exported, and a draft that is lacking is noticed.
        let folder = home.path("exported");
        let export = ["export", folder.to_str().expect("UTF-8")];
        let output = Program::command(&export, &home, &sim).run();
        assert!(output.status.success(), "{output:?}");
        let exported = files(&folder);
        for (_, content) in &both {
            let is_it = |file: &PathBuf| {
                let name = file.file_name().and_then(|name| name.to_str());
                name.is_some_and(|name| name.starts_with(content.id.as_str()))
            };
            assert!(exported.iter().any(is_it), "{exported:?}");
        }
        sim.forget_requests();
        home.sync(&sim).await.expect_complete();
        assert_eq!(
            sim.counters().of(Route::Content) + sim.counters().of(Route::ContentList),
            0
        );
        sim.clear_faults();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_the_same_in_another_order_is_no_change() {
    let sim = Sim::builder().published_list_api("news", 0).start().await;
    let home = Sandbox::new();
    let orders = [
        (
            r#"{"media":[{"id":"m","url":"https://x.invalid/a.png","tags":["a","b"]}],"totalCount":1,"token":null}"#,
            r#"{"contents":[{"id":"c","status":["DRAFT"],"customStatus":{"id":"x","name":"y"}}],"totalCount":1,"offset":0,"limit":100}"#,
            r#"{"apiFields":[{"fieldId":"a","kind":"text"}],"customFields":[]}"#,
        ),
        (
            r#"{"media":[{ "tags":["a", "b"],"id":"m","url":"https://x.invalid/a.png" }],"totalCount":1,"token":null}"#,
            r#"{"contents":[{"customStatus":{"name":"y","id":"x"},"id":"c","status":["DRAFT"]}],"totalCount":1,"offset":0,"limit":100}"#,
            r#"{"customFields":[],"apiFields":[{"kind":"text","fieldId":"a"}]}"#,
        ),
    ];
    for (run, (media, contents, schema)) in orders.iter().cycle().take(3).enumerate() {
        sim.clear_faults();
        sim.fault(Route::Media, Occasion::Every, Fault::answer(*media));
        sim.fault(
            Route::MetadataList,
            Occasion::Every,
            Fault::answer(*contents),
        );
        sim.fault(Route::Schema, Occasion::Every, Fault::answer(*schema));
        let report = home.sync(&sim).await;
        let (media, contents) = (report.media, report.contents);
        assert_eq!((media.seen, contents.seen), (1, 1), "{:?}", report.problems);
        let new = u64::from(run == 0);
        assert_eq!((media.new, contents.new), (new, new));
        assert_eq!((media.changed, contents.changed), (0, 0), "run {run}");
    }
    for table in ["media", "contents", "endpoints"] {
        let history = format!("SELECT count(*) FROM {table}_history");
        let expected = u64::from(table == "endpoints")
            * home.count("SELECT count(*) FROM endpoints_history WHERE schema IS NULL");
        assert_eq!(home.count(&history), expected, "{table}");
    }
}
