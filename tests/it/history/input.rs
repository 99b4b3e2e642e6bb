//! What goes in that should not, and what lies there that cannot be read.

use super::{ask, json, refused, told};
use crate::support::{Expect as _, Program, Sandbox};
use microcms_sim::{Edit, Fault, Occasion, Route, Sim, Status};
use rusqlite::Connection;

const COMMANDS: [&[&str]; 3] = [&["history"], &["show", "blog/a"], &["diff"]];

async fn service() -> Sim {
    let sim = Sim::builder()
        .media(2)
        .list_api("blog", 3)
        .list_api("news", 1)
        .object_api("settings")
        .start()
        .await;
    for (endpoint, id) in [("blog", "a"), ("blog", "twin"), ("news", "twin")] {
        let added = Edit::AddContent {
            endpoint: endpoint.to_owned(),
            id: Some(id.to_owned()),
            status: Status::Publish,
            fields: None,
            place: 0,
        };
        sim.edit(added).expect("added");
    }
    sim
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_cannot_be_read_fails_and_nothing_is_made() {
    let sim = service().await;
    let good = Sandbox::new();
    good.sync(&sim).await.expect_complete();
    let edit = |home: &Sandbox, sql: &str| {
        std::fs::copy(good.database(), home.database()).expect("a copy");
        let conn = Connection::open(home.database()).expect("it opens");
        conn.execute_batch(sql).expect(sql);
    };
    type Spoil<'a> = &'a dyn Fn(&Sandbox);
    let cases: [(Spoil<'_>, &str); 4] = [
        (&|_| {}, "there is no backup yet"),
        (
            &|home| edit(home, "PRAGMA user_version = 99;"),
            "is newer than this program",
        ),
        (
            &|home| std::fs::write(home.database(), b"my notes, which are no database").expect("w"),
            "is not a SQLite database",
        ),
        (
            &|home| {
                let mut bytes = std::fs::read(good.database()).expect("it reads");
                bytes.iter_mut().skip(4096).for_each(|byte| *byte = 0x55);
                std::fs::write(home.database(), bytes).expect("written");
            },
            "damaged",
        ),
    ];
    for (spoil, words) in cases {
        let home = Sandbox::new();
        spoil(&home);
        let before = crate::support::files(&home.path("."));
        for command in COMMANDS {
            for form in [command.to_vec(), [command, &["--json"]].concat()] {
                let said = ask(&home, &sim, &form);
                assert_eq!(
                    (said.code, &*said.text),
                    (1, ""),
                    "{form:?} {}",
                    said.message
                );
                assert!(said.message.contains(words), "{words}\n{}", said.message);
                assert!(said.message.contains("hint: "), "{}", said.message);
            }
        }
        assert_eq!(crate::support::files(&home.path(".")), before, "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_nothing_is_known_of_is_wrong_usage() {
    let sim = service().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    for (time, words) in [
        (
            "2001-01-01",
            "nothing is known of 2001-01-01 23:59:59 +09:00: the first run began at 2",
        ),
        ("2999-01-01", "2999-01-01 23:59:59 +09:00 has not come yet"),
        (
            "the other day",
            "`the other day` is no time: expected RFC 3339",
        ),
        (
            "99",
            "there was no run 99\nhint: there is run 1 alone; `status` lists it",
        ),
    ] {
        let forms: [&[&str]; 5] = [
            &["show", "blog/a", "--at", time],
            &["history", "--since", time],
            &["history", "--until", time],
            &["diff", time],
            &["diff", "1", time],
        ];
        for form in forms {
            let message = refused(&home, &sim, form);
            assert!(message.contains(words), "{form:?}\n{message}");
        }
    }
    // Two moments of one second are told apart.
    let conn = Connection::open(home.database()).expect("it opens");
    let edit = "UPDATE runs SET started_at = strftime('%Y-%m-%dT%H:%M:%S.003Z', started_at)";
    conn.execute_batch(edit).expect("edited");
    drop(conn);
    let began = home.texts("SELECT started_at FROM runs").remove(0);
    let just_before = began.replace(".003Z", ".002Z");
    let message = refused(&home, &sim, &["diff", &just_before]);
    let told = |milli| message.contains(&format!(".{milli} +09:00"));
    assert!(told("002") && told("003"), "{message}");
    // Tokyo is the default zone of the schedule, if nothing else is said; times are told in it.
    let message = refused(&home, &sim, &["diff", "now", "1"]);
    assert!(message.contains("T1 is later than T2"), "{message}");
    let message = refused(&home, &sim, &["diff", "--run", "7"]);
    assert!(message.contains("there was no run 7"), "{message}");
    refused(&home, &sim, &["diff", "1", "--run", "1"]);
    let message = refused(&home, &sim, &["history", "--since", "now", "--until", "1"]);
    assert!(
        message.contains(" +09:00) is later than --until ("),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_found_however_people_know_them() {
    let sim = service().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let medium = sim.truth().media[0].clone();
    let id = |words: &[&str]| {
        json(&home, &sim, words)["id"]
            .as_str()
            .expect("an id")
            .to_owned()
    };
    assert_eq!(id(&["show", "a"]), "a");
    let with_query = format!("{}?w=300", medium.url);
    for name in [&*medium.id, &*medium.name, &*medium.url, &*with_query] {
        assert_eq!(id(&["show", name]), medium.id, "{name}");
    }
    assert_eq!(json(&home, &sim, &["show", "blog"])["kind"], "api");
    let content = json(&home, &sim, &["show", "settings"]);
    assert_eq!(
        (&content["kind"], &content["endpoint"]),
        (&"content".into(), &"settings".into())
    );
    assert_eq!(
        json(&home, &sim, &["show", "settings", "--only", "apis"])["kind"],
        "api"
    );

    for (only, hint) in [
        ("contents", "hint: it is a medium: leave out `--only`"),
        ("apis", "hint: it is a medium: leave out `--only`"),
    ] {
        let message = refused(&home, &sim, &["show", &medium.name, "--only", only]);
        assert!(message.contains(hint), "{message}");
        assert!(!message.contains("did you mean"), "{message}");
    }
    let message = refused(&home, &sim, &["show", "blog/a", "--only", "media"]);
    assert!(
        message.contains("hint: it is a content: leave out `--only`"),
        "{message}"
    );

    // Two contents of one id, and an API that a content is called like.
    for command in ["show", "history"] {
        let message = refused(&home, &sim, &[command, "twin"]);
        assert!(message.contains("`twin` names 2 things"), "{message}");
        assert!(
            message.contains("hint: say which: `blog/twin`, `news/twin`"),
            "{message}"
        );
    }
    let named_so = Edit::AddContent {
        endpoint: "news".to_owned(),
        id: Some("blog".to_owned()),
        status: Status::Publish,
        fields: None,
        place: 0,
    };
    sim.edit(named_so).expect("added");
    home.sync(&sim).await.expect_complete();
    let message = refused(&home, &sim, &["show", "blog"]);
    assert!(
        message.contains("`blog --only apis`, `news/blog`"),
        "{message}"
    );
    assert_eq!(json(&home, &sim, &["show", "news/blog"])["kind"], "content");
    assert_eq!(
        json(&home, &sim, &["show", "blog", "--only", "apis"])["kind"],
        "api"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_name_is_told_with_the_nearest_ones() {
    let sim = service().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    for (words, nearest) in [
        (
            &["show", "twni"][..],
            "did you mean `blog/twin` or `news/twin`?",
        ),
        (&["show", "blgo/twin"], "did you mean `blog/twin`?"),
        (&["history", "blogg"], "did you mean `blog`?"),
        (&["diff", "--id", "twim"], "did you mean `blog/twin`"),
        (
            &["show", "nothing-like-that-at-all"],
            "lists what changed last",
        ),
        (&["show", ""], "lists what changed last"),
    ] {
        let message = refused(&home, &sim, words);
        assert!(
            message.contains("nothing is called"),
            "{words:?}\n{message}"
        );
        assert!(message.contains(nearest), "{words:?}\n{message}");
    }
    for (words, text, hint) in [
        (
            &["history", "--endpoint", "newz"][..],
            "there is no API `newz`",
            "did you mean `news`?",
        ),
        (
            &["diff", "--endpoint", "setings"],
            "there is no API `setings`",
            "did you mean `settings`?",
        ),
        // Not the content of that name.
        (
            &["history", "--endpoint", "twin"],
            "there is no API `twin`",
            "the APIs are `blog`, `news`, `settings`",
        ),
    ] {
        let message = refused(&home, &sim, words);
        assert!(
            message.contains(text) && message.contains(hint),
            "{message}"
        );
    }
    // Nothing that SQL would understand is understood.
    let message = refused(&home, &sim, &["show", "a' OR '1'='1"]);
    assert!(message.contains("nothing is called"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_under_way_disturbs_nobody_who_looks() {
    let sim = service().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let added = Edit::AddMedium {
        name: "slow.png".to_owned(),
        bytes: None,
        path: None,
        alt: None,
        tags: Vec::new(),
    };
    sim.edit(added).expect("added");
    for route in [Route::Image, Route::File] {
        sim.fault(route, Occasion::Every, Fault::Stall { after: Some(10) });
    }
    let budget = Connection::open(home.database()).expect("it opens");
    budget
        .execute_batch("UPDATE runs SET recent_requests = NULL")
        .expect("forgotten");
    drop(budget);
    let mut sync = Program::sync(&home, &sim).start();
    let begun = std::time::Instant::now();
    while home.count("SELECT count(*) FROM assets WHERE state = 'owed'") < 1 {
        assert!(sync.ended().is_none() && begun.elapsed().as_secs() < 30);
        tokio::task::yield_now().await;
    }
    let text = told(&home, &sim, &["history", "-n", "1"]);
    assert!(
        text.contains("created   medium") && text.contains("slow.png"),
        "{text}"
    );
    assert!(told(&home, &sim, &["diff"]).contains("media: 1 created"));
    assert!(told(&home, &sim, &["show", "slow.png"]).contains("owed, no bytes are here"));
    let before = told(&home, &sim, &["diff", "--run", "1", "--stat"]);
    assert!(before.contains("media: 2 created"), "{before}");
    sync.signal("KILL");
    sync.wait(std::time::Duration::from_secs(10));
    // Also behind a run that died, whose log lies there.
    assert!(told(&home, &sim, &["diff", "1"]).contains("media: 1 created"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_early_is_no_trouble() {
    let sim = Sim::builder()
        .list_api("blog", 300)
        .body_bytes(20_000)
        .start()
        .await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let binary = env!("CARGO_BIN_EXE_microcms-backup");
    for command in ["history -n0", "diff --run 1", "show blog --only apis"] {
        let mut program = Program::wrapped(
            &[
                "bash",
                "-c",
                &format!("set -o pipefail; \"$0\" {command} | head -n 1"),
                binary,
            ],
            &home,
            &sim,
        );
        program.0.env("PATH", "/usr/bin:/bin");
        let output = program.run();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{command}");
        assert_eq!(output.status.code(), Some(0), "{command}");
        assert_eq!(
            output.stdout.iter().filter(|b| **b == b'\n').count(),
            1,
            "{command}"
        );
    }
    // A full disk behind stdout is one.
    let mut full = Program::command(&["diff", "--run", "1"], &home, &sim);
    full.0.stdout(
        std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .expect("there"),
    );
    let output = full.run();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("stdout could not be written"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_was_printed_means_what_it_was_printed_for() {
    let sim = service().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    // Nothing else was seen in the second of the change.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let fields = [("title".to_owned(), "the new one".into())];
    sim.edit(Edit::EditBody {
        endpoint: "blog".into(),
        id: "a".into(),
        fields: fields.into_iter().collect(),
    })
    .expect("edited");
    home.sync(&sim).await.expect_complete();
    let history = told(&home, &sim, &["history", "blog/a", "-n", "1"]);
    let printed = history.get(..26).expect("a time");
    assert!(printed.ends_with(" +09:00"), "{history}");
    let rfc_3339 = printed.replacen(' ', "T", 1).replace(' ', "");
    let local = printed.get(..19).expect("without its offset");
    for time in [printed, &rfc_3339, local] {
        let shown = told(&home, &sim, &["show", "blog/a", "--at", time]);
        assert!(shown.contains("the new one"), "{time}\n{shown}");
        let since = told(&home, &sim, &["history", "blog/a", "--since", time]);
        assert!(since.contains("changed"), "{time}\n{since}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_look_the_same_are_told_apart() {
    let sim = service().await;
    let home = Sandbox::new();
    // As a Mac writes it, and twice.
    for (name, path) in [
        (
            "カ\u{3099}イト\u{3099}.png",
            "/assets/sim/one/%E3%82%AB%E3%82%99%E3%82%A4%E3%83%88%E3%82%99.png",
        ),
        ("two.png", "/assets/sim/two/two.png"),
        ("two.png", "/assets/sim/three/two.png"),
    ] {
        let added = Edit::AddMedium {
            name: name.to_owned(),
            bytes: None,
            path: Some(path.to_owned()),
            alt: None,
            tags: Vec::new(),
        };
        sim.edit(added).expect("added");
    }
    home.sync(&sim).await.expect_complete();
    let truth = sim.truth();
    let of_mac = truth
        .media
        .iter()
        .find(|medium| medium.url.contains("/one/"))
        .expect("it is there");
    let message = refused(&home, &sim, &["show", "ガイド.png"]);
    let hint = format!(
        "did you mean `カ\u{3099}イト\u{3099}.png` (`{}`)?",
        of_mac.id
    );
    assert!(message.contains(&hint), "{message}");

    let message = refused(&home, &sim, &["show", "two.png"]);
    assert!(message.contains("`two.png` names 2 things"), "{message}");
    for medium in truth
        .media
        .iter()
        .filter(|medium| medium.url.ends_with("/two.png"))
    {
        let line = format!("`{}` ({}, ", medium.id, medium.url);
        assert!(message.contains(&line), "{line}\n{message}");
    }
    assert!(!message.contains("--only"), "{message}");
    let made = message.matches(", made ").count();
    assert!(
        made == 2 && message.matches(" +09:00)").count() == 2,
        "{message}"
    );

    // One of the two is there no more.
    let id = truth.media.last().expect("it is there").id.clone();
    sim.edit(Edit::DeleteMedium { id: id.clone() })
        .expect("deleted");
    while home.count("SELECT count(*) FROM media WHERE deleted_at IS NOT NULL") == 0 {
        home.sync(&sim).await;
    }
    for command in ["show", "history", "diff"] {
        let words = if command == "diff" {
            &["diff", "--id", "two.png"][..]
        } else {
            &[command, "two.png"]
        };
        let message = refused(&home, &sim, words);
        let mut lines = message
            .lines()
            .filter(|line| line.contains(", deleted at "));
        let line = lines.next().unwrap_or_default();
        assert!(
            line.contains(&id) && line.ends_with(" +09:00)"),
            "{message}"
        );
        assert_eq!(lines.next(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_nothing_it_is_said_where_that_is() {
    let sim = Sim::builder().start().await;
    let home = Sandbox::new();
    for command in COMMANDS {
        let mut program =
            Program::command(command, &home, &sim).set("STORAGE__DATABASE", "b.sqlite3");
        program.0.current_dir(home.path("."));
        let output = program.run();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let place = home.path("b.sqlite3");
        let words = format!(
            "there is no backup yet: `{}` does not exist",
            place.display()
        );
        assert!(said.contains(&words), "{said}");
    }
    home.sync(&sim).await.expect_complete();
    assert_eq!(told(&home, &sim, &["history"]), "nothing was saved yet\n");
    assert_eq!(
        told(&home, &sim, &["history", "--only", "media"]),
        "nothing changed in that time\n"
    );
}
