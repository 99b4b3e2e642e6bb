//! Names and answers as nobody should send them.

use crate::support::{
    Expect as _, Program, Sandbox, assert_holds, assert_sound_and_tidy, files, replace_bytes,
};
use microcms_backup::model::RunReport;
use microcms_sim::{Edit, Fault, Occasion, Route, Sim};
use std::collections::BTreeMap;

pub(crate) fn add(sim: &Sim, name: &str, path: &str) -> String {
    sim.edit(Edit::AddMedium {
        name: name.to_owned(),
        bytes: None,
        path: Some(path.to_owned()),
        alt: None,
        tags: Vec::new(),
    })
    .expect("a new medium")
}

pub(crate) fn path_of(home: &Sandbox, id: &str) -> String {
    home.texts(&format!("SELECT path FROM assets WHERE media_id = '{id}'"))
        .concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmless_name_is_the_url_path_decoded_once() {
    let sim = Sim::builder().start().await;
    let names = [
        ("/assets/s/m1/a+b.png", "assets/s/m1/a+b.png"),
        ("/assets/s/m2/icon%402x.png", "assets/s/m2/icon@2x.png"),
        (
            "/assets/s/m3/%E5%86%99%E7%9C%9F.png",
            "assets/s/m3/写真.png",
        ),
        ("/assets/s/m4/README", "assets/s/m4/README"),
        ("/assets/s/m5/100%2525.png", "assets/s/m5/100%25.png"),
        ("/assets/m6/one-segment.png", "assets/m6/one-segment.png"),
        (
            "/protected/ap-northeast-1:1f2e/service/demo/media/old%20one.png",
            "protected/ap-northeast-1:1f2e/service/demo/media/old one.png",
        ),
        // The same name composed and decomposed, as two systems upload it: two files.
        ("/assets/s/m7/%E3%82%AC.png", "assets/s/m7/\u{30ac}.png"),
        (
            "/assets/s/m7/%E3%82%AB%E3%82%99.png",
            "assets/s/m7/\u{30ab}\u{3099}.png",
        ),
        ("/assets/s/m8/.htaccess", "assets/s/m8/.htaccess"),
        ("/assets/s/m9/%2D%2Drf.png", "assets/s/m9/--rf.png"),
        ("/assets/s/m10/a%3Fb%23c.png", "assets/s/m10/a?b#c.png"),
    ];
    let ids = names.map(|(path, _)| {
        add(
            &sim,
            if path.ends_with("png") { "x.png" } else { "x" },
            path,
        )
    });
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    for (id, (listed, path)) in ids.iter().zip(names) {
        let held = path_of(&home, id);
        let (host, below) = held.split_once('/').expect("a host");
        assert_eq!(below, path, "{listed}");
        assert!(host.starts_with("127.0.0.1_"), "{host}");
    }
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_name_gets_a_safe_one_inside_the_mirror() {
    let sim = Sim::builder().start().await;
    let long = "x".repeat(300);
    let deep = "d/".repeat(40);
    let names = [
        "/assets/s/..%2F..%2F..%2Fetc%2Fpasswd.png".to_owned(),
        "/assets/s/%2Fetc%2Fpasswd.png".to_owned(),
        "/assets/s/a%00b.png".to_owned(),
        "/assets/s/a%0Ab.png".to_owned(),
        "/assets/s/a%1B%5B2Jb.png".to_owned(),
        "/assets/s/%E2%80%AEgnp.png".to_owned(),
        "/assets/s/a%5Cb.png".to_owned(),
        format!("/assets/s/{long}.png"),
        format!("/assets/{deep}x.png"),
        format!("/assets/s/{}.png", "%E5%86%99".repeat(100)),
        "/assets/s//double.png".to_owned(),
        "/.tmp/part-1-1-x.png".to_owned(),
        "/_unsafe/0123456789abcdef/x.png".to_owned(),
        "/assets/s/%FF%FE.png".to_owned(),
        "/assets/s/%C0%AE%C0%AE%2Fx.png".to_owned(),
    ];
    let ids: Vec<String> = names.iter().map(|path| add(&sim, "x.png", path)).collect();
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    for (id, listed) in ids.iter().zip(&names) {
        let held = path_of(&home, id);
        assert_eq!(held.split('/').nth(1), Some("_unsafe"), "{listed}: {held}");
        assert!(held.ends_with(".png"), "{listed}: {held}");
        assert!(
            held.split('/')
                .all(|part| part.len() <= 255 && part != ".."),
            "{held}"
        );
        assert!(!held.chars().any(char::is_control), "{held:?}");
    }
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    // A second run finds everything where it was put.
    sim.forget_requests();
    home.sync(&sim).await.expect_complete();
    assert_eq!(sim.counters().assets(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn dots_that_a_client_resolves_never_lead_to_another_medium_s_file() {
    let sim = Sim::builder().start().await;
    let honest = add(&sim, "x.png", "/assets/x.png");
    // Every client asks for `/assets/x.png` here, and gets the other's bytes.
    let twisted = add(&sim, "x.png", "/assets/s/%2e%2e/x.png");
    let dotted = add(&sim, "x.png", "/assets/s/../x.png");
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    assert!(path_of(&home, &honest).ends_with("/assets/x.png"));
    for id in [&twisted, &dotted] {
        assert!(
            path_of(&home, id).contains("/_unsafe/"),
            "{}",
            path_of(&home, id)
        );
    }
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_where_a_folder_must_be_is_no_obstacle_in_either_order() {
    for file_first in [true, false] {
        let sim = Sim::builder().start().await;
        let home = Sandbox::new();
        let mut paths = ["/assets/s/thing.png", "/assets/s/thing.png/inner.png"];
        if !file_first {
            paths.reverse();
        }
        for path in paths {
            add(&sim, "x.png", path);
            home.sync(&sim).await.expect_complete();
            assert_holds(&home, &sim.truth());
            assert_sound_and_tidy(&home);
        }
        // New bytes for both, from where they are.
        for id in sim.media_ids() {
            replace_bytes(&sim, id);
        }
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
        assert_sound_and_tidy(&home);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_planted_in_the_mirror_lead_nowhere() {
    let sim = Sim::builder().media_in_order().start().await;
    let home = Sandbox::new();
    let outside = tempfile::tempdir().expect("a folder");
    std::fs::write(outside.path().join("victim.png"), b"precious").expect("written");
    let host = home.path("mirror").join(sim.image_host().replace(':', "_"));
    std::fs::create_dir_all(host.join("assets")).expect("made");
    // A folder that is a link, and a file that is one.
    std::os::unix::fs::symlink(outside.path(), host.join("assets/linked")).expect("linked");
    std::os::unix::fs::symlink(
        outside.path().join("victim.png"),
        host.join("assets/victim.png"),
    )
    .expect("linked");
    add(&sim, "x.png", "/assets/linked/new.png");
    add(&sim, "x.png", "/assets/linked/victim.png");
    add(&sim, "x.png", "/assets/victim.png");
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_eq!(files(outside.path()).len(), 1);
    assert_eq!(
        std::fs::read(outside.path().join("victim.png")).expect("read"),
        b"precious"
    );
}

/// A listing in these words.
fn listing(body: &str) -> Fault {
    Fault::Status {
        status: 200,
        headers: BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]),
        body: body.to_owned(),
        consumed: true,
    }
}

/// So many things of a listing cannot be read, and the report says so in these words.
#[track_caller]
fn assert_named(report: &RunReport, scope: &str, count: u64, words: &[&str]) {
    let start = format!("{count} of what is listed");
    let is_told = report.problems.iter().any(|problem| {
        problem.scope == scope
            && problem.message.starts_with(&start)
            && words.iter().all(|word| problem.message.contains(word))
    });
    assert!(is_told, "{scope}: {:?}", report.problems);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_thing_that_cannot_be_read_is_named_and_the_others_are_backed_up() {
    let sim = Sim::builder().published_list_api("news", 0).start().await;
    let media = r#"{"media":[{"id":"good","url":"https://x.invalid/good.png","width":1},
        {"id":"twice","width":1,"width":2}],"totalCount":2,"token":null}"#;
    let contents = r#"{"contents":[{"id":"good","status":["DRAFT"]},
        {"id":"twice","updatedAt":"a","updatedAt":"b"}],"totalCount":2,"offset":0,"limit":100}"#;
    sim.fault(Route::Media, Occasion::Every, listing(media));
    sim.fault(Route::MetadataList, Occasion::Every, listing(contents));
    let home = Sandbox::new();
    for _run in 0..2 {
        let report = home.sync(&sim).await;
        assert_ne!(report.exit_code, 0, "{report:?}");
        for scope in ["media", "contents/news"] {
            assert_named(&report, scope, 1, &["`twice`", "duplicate field"]);
        }
        assert_eq!(home.texts("SELECT id FROM media"), ["good"]);
        assert_eq!(home.texts("SELECT id FROM contents"), ["good"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_of_a_character_makes_one_thing_unreadable_and_no_run_fail() {
    let sim = Sim::builder().published_list_api("news", 0).start().await;
    // What people write may be cut in the middle of an emoji; the others are of the service itself.
    let media = r#"{"media":[{"id":"alt","url":"https://x.invalid/good.png","alt":"cut \ud83d","tags":["\ud83d"]},
        {"id":"url","url":"https://x.invalid/\ud83d.png"},
        {"id":"time","url":"https://x.invalid/a.png","updatedAt":"\ude00"}],"totalCount":3,"token":null}"#;
    let contents = r#"{"contents":[{"id":"by","status":["DRAFT"],"createdBy":"cut \ud83d","customStatus":{"id":"\ud83d"}},
        {"id":"key","status":["DRAFT"],"draftKey":"\ud83d"},{"id":"status","status":["\ud83d"]}],
        "totalCount":3,"offset":0,"limit":100}"#;
    sim.fault(Route::Media, Occasion::Every, listing(media));
    sim.fault(Route::MetadataList, Occasion::Every, listing(contents));
    let home = Sandbox::new();
    for _run in 0..2 {
        let report = home.sync(&sim).await;
        for scope in ["media", "contents/news"] {
            assert_named(&report, scope, 2, &["half of a character"]);
        }
        assert_eq!(home.texts("SELECT id FROM media"), ["alt"]);
        assert_eq!(home.texts("SELECT id FROM contents"), ["by"]);
    }
    for words in [
        &["status"][..],
        &["show", "alt"],
        &["show", "news/by"],
        &["show", "alt", "--json"],
        &["history", "alt"],
        &["find", "cut"],
        &["verify"],
        &["export", "out"],
    ] {
        let output = Program::command(words, &home, &sim).run();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !said.contains("UTF-8") && !said.contains("utf-8"),
            "{words:?}: {said}"
        );
        assert!(
            output.status.code().is_some_and(|code| code != 101),
            "{words:?}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_medium_without_a_url_is_told_by_its_id() {
    let sim = Sim::builder().start().await;
    let media = r#"{"media":[{"id":"no-url","url":null}],"totalCount":1,"token":null}"#;
    sim.fault(Route::Media, Occasion::Every, listing(media));
    let home = Sandbox::new();
    for _run in 0..2 {
        let report = home.sync(&sim).await;
        let told = report
            .problems
            .iter()
            .find(|problem| problem.scope == "assets");
        let message = &told
            .unwrap_or_else(|| panic!("{:?}", report.problems))
            .message;
        assert!(message.contains("the file of medium `no-url`"), "{message}");
        assert!(!message.contains("``"), "{message}");
    }
}
