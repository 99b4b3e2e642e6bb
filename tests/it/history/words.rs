//! What people read.

use super::{fields, json, refused, told};
use crate::support::{Expect as _, Sandbox, Setup};
use microcms_sim::{Edit, Sim, Status};
use rusqlite::Connection;

/// A content that is written, edited and deleted, each in a run of its own.
async fn story() -> (Sim, Sandbox) {
    let sim = Sim::builder().media(1).list_api("blog", 1).start().await;
    let home = Sandbox::new();
    let (endpoint, id) = ("blog".to_owned(), "hello".to_owned());
    let written = Edit::AddContent {
        endpoint: endpoint.clone(),
        id: Some(id.clone()),
        status: Status::Publish,
        fields: Some(fields(&serde_json::json!({
            "title": "こんにちは", "body": "<h2>料金</h2><p>一つ 100 円</p><p>送料は別</p>",
            "items": [{"name": "a", "count": 1}],
        }))),
        place: 0,
    };
    sim.edit(written).expect("written");
    home.sync(&sim).await.expect_complete();
    let edited = Edit::EditBody {
        endpoint: endpoint.clone(),
        id: id.clone(),
        fields: fields(&serde_json::json!({
            "title": "ようこそ", "body": "<h2>料金</h2><p>一つ 120 円</p><p>送料は別</p>",
            "items": [{"name": "new"}, {"name": "a", "count": 1}],
        })),
    };
    sim.edit(edited).expect("edited");
    home.sync(&sim).await.expect_complete();
    sim.edit(Edit::DeleteContent { endpoint, id })
        .expect("deleted");
    home.sync(&sim).await.expect_complete();
    (sim, home)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_s_life_is_told_in_words() {
    let (sim, home) = story().await;
    let text = told(&home, &sim, &["history", "hello"]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].contains("  deleted   blog/hello  ようこそ  was PUBLISH"),
        "{text}"
    );
    assert!(
        lines[1].contains("  changed   blog/hello  ようこそ  PUBLISH  by "),
        "{text}"
    );
    assert!(
        lines[2].starts_with("    metadata: ") && lines[2].contains("published: "),
        "{text}"
    );
    assert!(
        lines[2].contains("title") && lines[2].contains("body, items[0]"),
        "{text}"
    );
    assert!(
        lines[3].contains("  created   blog/hello  こんにちは  PUBLISH  by "),
        "{text}"
    );
    assert_eq!(lines.len(), 4, "{text}");
    // The schedule's zone, with its offset.
    assert!(
        lines[0]
            .get(19..26)
            .is_some_and(|offset| offset == " +09:00"),
        "{text}"
    );

    let text = told(&home, &sim, &["diff", "1", "2"]);
    for words in [
        "\n~ changed   blog/hello  ようこそ  PUBLISH  by ",
        "\n    published  title  \"こんにちは\" → \"ようこそ\"\n",
        "\n    published  items[0]  + {\"name\":\"new\"}\n",
        "\n    published  body\n        <h2>料金</h2>\n      - <p>一つ 100 円</p>\n      + <p>一つ 120 円</p>\n        <p>送料は別</p>\n",
        "\n\ncontents: 1 changed\n",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    let text = told(&home, &sim, &["diff"]);
    assert!(
        text.contains("(run 3)\n")
            && text.contains("\n- deleted   blog/hello  ようこそ  was PUBLISH\n"),
        "{text}"
    );
    assert!(text.ends_with("\n\ncontents: 1 deleted\n"), "{text}");
    assert_eq!(
        told(&home, &sim, &["diff", "--run", "3"]).lines().nth(2),
        text.lines().nth(2)
    );
    let text = told(&home, &sim, &["diff", "1", "--stat"]);
    assert_eq!(text.lines().count(), 4, "{text}");
    let text = told(&home, &sim, &["diff", "now"]);
    assert!(text.ends_with("nothing changed\n"), "{text}");
    let text = told(&home, &sim, &["diff", "1", "--only", "media"]);
    assert!(text.ends_with("nothing changed\n"), "{text}");
    let text = told(&home, &sim, &["history", "--since", "now"]);
    assert_eq!(text, "nothing changed in that time\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_is_shown_to_be_read() {
    let (sim, home) = story().await;
    let text = told(&home, &sim, &["show", "hello", "--at", "2"]);
    for words in [
        "blog/hello  as of 2",
        "\nstatus        PUBLISH\n",
        " +09:00\n",
        "\npublished body\n",
        "\n  title       ようこそ\n",
        "\n  body\n    ## 料金\n    一つ 120 円\n    送料は別\n",
        "\n  items[0].name new\n",
        "\n  items[1].count 1\n",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    let text = told(&home, &sim, &["show", "hello"]);
    let hint = "its last version: microcms-backup ";
    assert!(
        text.contains("deleted: the service had it no more at "),
        "{text}"
    );
    let (_, rest) = text.split_once(hint).expect("a hint");
    let words: Vec<&str> = rest.lines().next().expect("a line").split('"').collect();
    let [before, last, ""] = *words else {
        panic!("{rest}");
    };
    assert_eq!(before, "show blog/hello --at ");
    assert!(last.ends_with(" +09:00"), "{last}");
    assert!(told(&home, &sim, &["show", "blog/hello", "--at", last]).contains("一つ 120 円"));
    // The whole command for the first version, too.
    let message = refused(&home, &sim, &["show", "news/none"]);
    assert!(
        message.contains("nothing is called `news/none`, now or in the past\n")
            && !message.contains("prune"),
        "{message}"
    );

    let medium = sim.truth().media[0].clone();
    let text = told(&home, &sim, &["show", &medium.id]);
    for words in [&medium.url, &medium.name, &medium.sha256()] {
        assert!(text.contains(&**words), "{words}\n{text}");
    }
    assert!(
        text.contains("\nlies at       ") && !text.contains("no such file"),
        "{text}"
    );
    std::fs::remove_dir_all(home.path("mirror")).expect("removed");
    assert!(told(&home, &sim, &["show", &medium.id]).contains("(there is no such file!)"));
    let text = told(&home, &sim, &["show", "blog"]);
    assert!(text.contains("kind          list\nschema\n  {\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_key_is_told_only_as_the_service_s_own_json() {
    let sim = Sim::builder().list_api("blog", 1).start().await;
    let home = Sandbox::new();
    let draft = Edit::AddContent {
        endpoint: "blog".to_owned(),
        id: Some("secret".to_owned()),
        status: Status::Draft,
        fields: None,
        place: 0,
    };
    sim.edit(draft).expect("added");
    home.sync(&sim).await.expect_complete();
    let key = sim
        .truth()
        .content("blog", "secret")
        .and_then(|content| content.draft_key.clone());
    let key = key.expect("a draft has one");
    for words in [
        &["show", "secret"][..],
        &["history", "secret"],
        &["history", "--json"],
        &["diff"],
        &["diff", "--json"],
    ] {
        assert!(!told(&home, &sim, words).contains(&key), "{words:?}");
    }
    assert!(told(&home, &sim, &["show", "secret", "--json"]).contains(&key));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_upstream_wrote_steers_a_terminal() {
    let sim = Sim::builder().media(1).list_api("blog", 1).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let nasty = "x\u{1b}[2J\u{202e}gpj\r\nSAFE";
    let edit = Edit::AddContent {
        endpoint: "blog".to_owned(),
        id: Some("nasty".to_owned()),
        status: Status::Publish,
        fields: Some(fields(&serde_json::json!({
            "title": nasty, "body": format!("<p>{nasty}</p><p>&#27;[2J&#x202e;</p>"), nasty: {nasty: [nasty]},
        }))),
        place: 0,
    };
    sim.edit(edit).expect("added");
    let medium = sim.media_ids().remove(0);
    let alt = Some(nasty.to_owned());
    sim.edit(Edit::SetAlt {
        id: medium.clone(),
        alt,
        touch: true,
    })
    .expect("set");
    sim.edit(Edit::RenameApi {
        endpoint: "blog".to_owned(),
        name: nasty.to_owned(),
    })
    .expect("named");
    home.sync(&sim).await.expect_complete();
    let again = Edit::EditBody {
        endpoint: "blog".to_owned(),
        id: "nasty".to_owned(),
        fields: fields(&serde_json::json!({"title": "t", "body": format!("<p>2{nasty}</p>")})),
    };
    sim.edit(again).expect("edited");
    home.sync(&sim).await.expect_complete();
    for words in [
        &["show", "nasty"][..],
        &["show", &medium],
        &["show", "blog"],
        &["history", "-n0"],
        &["history", "nasty"],
        &["diff", "1", "2"],
        &["diff", "2", "3"],
        &["diff", "--run", "2"],
    ] {
        let text = told(&home, &sim, words);
        let is_bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(is_bad), "{words:?}\n{text:?}");
        assert!(
            text.lines().all(|line| !line.starts_with("SAFE")),
            "{words:?}\n{text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_come_when_they_are_asked_for() {
    let (sim, home) = story().await;
    let text = told(&home, &sim, &["diff", "1", "2", "--color", "always"]);
    assert!(
        text.contains("\u{1b}[31m- <p>一つ 100 円</p>\u{1b}[0m"),
        "{text}"
    );
    assert!(!told(&home, &sim, &["diff", "1", "2"]).contains('\u{1b}'));
    assert!(!told(&home, &sim, &["diff", "--color", "never"]).contains('\u{1b}'));
}

/// What `prune` removed is not taken for what never was.
#[tokio::test(flavor = "multi_thread")]
async fn history_that_was_pruned_is_said_to_be_so() {
    let (sim, home) = story().await;
    home.sync_with(&sim, Setup::default()).await;
    let conn = Connection::open(home.database()).expect("it opens");
    // As `prune` does it.
    conn.execute_batch(
        "DELETE FROM contents_history WHERE id = 'hello' AND valid_from = (SELECT min(valid_from) FROM contents_history
             WHERE id = 'hello');
         INSERT INTO prunes (program, started_at, superseded_before)
         SELECT 'test', finished_at, finished_at FROM runs WHERE id = 3;",
    )
    .expect("pruned");
    drop(conn);
    let value = json(&home, &sim, &["history", "hello"]);
    let words: Vec<&str> = value["changes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|change| change["change"].as_str().expect("a word"))
        .collect();
    assert_eq!(words, ["deleted", "known"]);
    assert!(value["whole_since"].is_string());
    for words in [&["history", "hello"][..], &["diff", "1"]] {
        let text = told(&home, &sim, words);
        assert!(
            text.contains("is not whole: `prune` has removed parts of it"),
            "{text}"
        );
    }
    let message = refused(&home, &sim, &["show", "hello", "--at", "1"]);
    assert!(
        message.contains("(`prune` has removed parts of the history before that)"),
        "{message}"
    );
    assert!(!told(&home, &sim, &["diff", "4"]).contains("not whole"));
    // Whether it was there before the first kept version, nobody can say.
    let text = told(&home, &sim, &["diff", "1", "2"]);
    assert!(text.contains("\n? known     blog/hello"), "{text}");
    assert!(text.ends_with("\n\ncontents: 1 known\n"), "{text}");
    let value = json(&home, &sim, &["diff", "1", "2"]);
    assert_eq!(value["changes"][0]["change"], "known");
    let counts = &value["summary"]["contents"];
    assert_eq!(
        (&counts["known"], &counts["created"]),
        (&1.into(), &0.into())
    );
    // What was removed whole has no name any more.
    let message = refused(&home, &sim, &["show", "blog/was-here"]);
    assert!(
        message.contains("in what is kept of the past") && message.contains("`prune` has removed"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_created_a_content_is_told_of_its_first_version() {
    let sim = Sim::builder().media(1).list_api("blog", 1).start().await;
    let home = Sandbox::new();
    let id = sim.content_ids("blog").remove(0);
    let made = Edit::SetCreatedBy {
        endpoint: "blog".to_owned(),
        id: id.clone(),
        member: "m_maker".to_owned(),
    };
    sim.edit(made).expect("made");
    home.sync(&sim).await.expect_complete();
    let text = told(&home, &sim, &["history", &id]);
    assert!(text.ends_with("  by m_maker\n"), "{text}");
    let value = json(&home, &sim, &["history", &id]);
    assert_eq!(value["changes"][0]["by"], "m_maker");
    let sql = "SELECT by FROM changes WHERE kind = 'content' AND endpoint = 'blog'";
    assert_eq!(home.texts(sql), ["m_maker"]);
}
