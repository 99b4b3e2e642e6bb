//! `verify --remote`: what is here against what the service has, to the last id.

use super::{backed_up, named, told, verify};
use crate::support::Setup;
use microcms_sim::{Edit, Fault, Occasion, Route, Sim};
use serde_json::Value;

#[track_caller]
fn assert_adds_up(json: &Value) {
    for (what, count) in json["remote"].as_object().expect("counts") {
        let count = |key: &str| count[key].as_u64().expect(key);
        let parts = [
            "same",
            "differs",
            "missing_here",
            "missing_there",
            "unverifiable",
        ];
        assert_eq!(
            count("compared"),
            parts.iter().map(|part| count(part)).sum::<u64>(),
            "{what}: {json:#}"
        );
    }
}

fn edit(sim: &Sim, edit: Edit) -> String {
    sim.edit(edit).expect("edited")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_did_not_change_is_the_same_and_sends_no_bytes() {
    let (sim, home) = backed_up(12).await;
    sim.forget_requests();
    let (code, json) = verify(&home, &sim, &["--remote"]);
    assert_eq!((code, named(&json)), (0, Vec::new()), "{json:#}");
    assert_adds_up(&json);
    for (what, count) in [("apis", 1), ("contents", 5), ("media", 12), ("files", 12)] {
        assert_eq!(json["remote"][what]["same"], count, "{what}");
    }
    let gets = sim
        .requests()
        .into_iter()
        .map(|record| format!("{} {}", record.method, record.path))
        .filter(|line| line.starts_with("GET") && !line.contains("/api/v"))
        .collect::<Vec<_>>();
    assert_eq!(gets, Vec::<String>::new());
    let (code, text) = told(&home, &sim, &["--remote"]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("VERIFIED: the backup has what the service has, by ids, metadata and the lengths of files\n"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_edit_at_the_service_is_named_in_its_kind() {
    let (sim, home) = backed_up(12).await;
    let ids = sim.media_ids();
    edit(&sim, Edit::DeleteMedium { id: ids[0].clone() });
    edit(
        &sim,
        Edit::SetAlt {
            id: ids[1].clone(),
            alt: Some("another text".to_owned()),
            touch: false,
        },
    );
    // Its bytes change and nothing in the listing does: the length alone tells.
    edit(
        &sim,
        Edit::ReplaceBytes {
            id: ids[2].clone(),
            bytes: Some(b"\x89PNG\r\n\x1a\nshort".to_vec()),
            touch: false,
            stale_requests: 0,
        },
    );
    let added = edit(
        &sim,
        Edit::AddMedium {
            name: "新しい.png".to_owned(),
            bytes: None,
            path: None,
            alt: None,
            tags: Vec::new(),
        },
    );
    let truth_url =
        |id: &str| home.texts(&format!("SELECT url FROM media WHERE id = '{id}'"))[0].clone();
    let (code, json) = verify(&home, &sim, &["--remote"]);
    let mut expected = vec![
        format!("missing_there media/{}", ids[0]),
        format!("missing_there {}", truth_url(&ids[0])),
        format!("differs media/{}", ids[1]),
        format!("differs {}", truth_url(&ids[2])),
        format!("missing_here media/{added}"),
    ];
    expected.sort();
    assert_eq!((code, named(&json)), (6, expected), "{json:#}");
    assert_adds_up(&json);
    let found = json["differences"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|one| one["place"] == format!("media/{}", ids[1]))
        .expect("named");
    assert_eq!(found["found"], "another `alt`");
    // What each says of the next run is so.
    home.sync(&sim).await;
    let (_, json) = verify(&home, &sim, &["--remote"]);
    let left = format!("differs {}", truth_url(&ids[2]));
    assert!(named(&json).contains(&left), "{json:#}");
    assert!(
        !named(&json).contains(&format!("differs media/{}", ids[1])),
        "{json:#}"
    );
    let of_length = |one: &&Value| {
        one["found"]
            .as_str()
            .is_some_and(|found| found.contains("length"))
    };
    let differences = json["differences"].as_array().expect("a list");
    let remedy = differences.iter().find(of_length).expect("named")["remedy"].as_str();
    assert!(
        remedy.is_some_and(|remedy| remedy.contains("`sync --full`")),
        "{remedy:?}"
    );
    let full = Setup {
        is_full: true,
        ..Setup::default()
    };
    home.sync_with(&sim, full).await;
    let (_, json) = verify(&home, &sim, &["--remote"]);
    assert!(!named(&json).contains(&left), "{json:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_verifies_nothing_and_says_so() {
    let (sim, home) = backed_up(3).await;
    let output = crate::support::Program::command(&["verify", "--remote"], &home, &sim);
    let mut output = output;
    output.0.env("MICROCMS_API_KEY", "wrong-key-for-sure");
    let output = output.run();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(4), "{text}");
    assert!(text.contains("\nNOT VERIFIED: "), "{text}");
    assert_eq!(
        home.count("SELECT count(*) FROM verifications"),
        0,
        "what came to no end is no record"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_did_not_answer_leaves_lengths_unverified_and_says_so() {
    let (sim, home) = backed_up(60).await;
    // Once is chance: such a file is asked for again.
    sim.fault(Route::Image, 1, Fault::status(502, "bad gateway"));
    sim.fault(Route::Image, 5, Fault::DropBefore);
    let (code, json) = verify(&home, &sim, &["--remote"]);
    assert_eq!((code, named(&json)), (0, Vec::new()), "{json:#}");

    for route in [Route::Image, Route::File] {
        sim.fault(route, Occasion::Every, Fault::DropBefore);
    }
    let (code, json) = verify(&home, &sim, &["--remote"]);
    assert_eq!(code, 1, "{json:#}");
    assert_adds_up(&json);
    let trouble = json["trouble"].as_str().unwrap_or_default();
    assert!(
        trouble.contains("length of") && trouble.contains("not asked for"),
        "{trouble}"
    );
    let asked = json["remote"]["files"]["compared"].as_u64();
    assert!(
        asked < Some(60),
        "who answers nobody is left alone: {asked:?} of 60"
    );
    assert_eq!(
        home.count("SELECT count(*) FROM verifications"),
        1,
        "what came to no end is no record"
    );
}
