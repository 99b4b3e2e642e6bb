//! `doctor`: each thing that can be in the way is named, with what helps, and nothing is changed.

use crate::support::{NOBODY, Program, Sandbox};
use microcms_sim::{ContentRights, Edit, Fault, ManagementRights, Occasion, Route, Sim};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

const KEY: &str = "the-very-secret-key-0123456789";

async fn service() -> Sim {
    Sim::builder()
        .api_key(KEY)
        .service_name("テスト\u{1b}[2J")
        .media(30)
        .list_api("blog", 40)
        .published_list_api("news", 5)
        .object_api("settings")
        .start()
        .await
}

/// What `doctor` found, by name.
#[derive(Debug)]
struct Found {
    code: i32,
    checks: Vec<Value>,
}

impl Found {
    /// The states of all checks of this name.
    fn states(&self, name: &str) -> Vec<&str> {
        let of_name = self.checks.iter().filter(|check| check["name"] == name);
        of_name
            .map(|check| check["state"].as_str().expect("a word"))
            .collect()
    }

    /// The one check whose text has these words.
    #[track_caller]
    fn about(&self, words: &str) -> (&str, &str) {
        let has_words = |check: &&Value| {
            check["text"]
                .as_str()
                .is_some_and(|text| text.contains(words))
        };
        let found: Vec<&Value> = self.checks.iter().filter(has_words).collect();
        assert_eq!(found.len(), 1, "{words}: {self:#?}");
        let help = found[0]["help"].as_str().unwrap_or("");
        (found[0]["state"].as_str().expect("a word"), help)
    }

    #[track_caller]
    fn expect_failures(&self, expected: usize) {
        let fails = |check: &&Value| check["state"] == "fail";
        let count = self.checks.iter().filter(fails).count();
        assert_eq!(count, expected, "{self:#?}");
    }
}

fn examined(program: Program) -> Found {
    let output = program.run();
    let code = output.status.code().expect("a number");
    let text = String::from_utf8(output.stdout).expect("text");
    let errors = String::from_utf8(output.stderr).expect("text");
    assert!(
        !text.contains(KEY) && !errors.contains(KEY),
        "{text}{errors}"
    );
    let value: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (&value["version"], &value["exit_code"]),
        (&1.into(), &code.into())
    );
    let checks = value["checks"].as_array().expect("a list").clone();
    Found { code, checks }
}

fn doctor(home: &Sandbox, sim: &Sim) -> Program {
    Program::command(&["doctor", "--json"], home, sim)
}

/// A backup, with its budget's memory cleared: the ten requests of ten seconds count on across runs,
/// and waiting for them is not the matter here.
async fn backed_up(sim: &Sim) -> Sandbox {
    let home = Sandbox::new();
    fs::set_permissions(home.path("."), Permissions::from_mode(0o700)).expect("a mode");
    home.sync(sim).await;
    edit(&home, "UPDATE runs SET recent_requests = NULL");
    sim.forget_requests();
    home
}

fn edit(home: &Sandbox, sql: &str) {
    let conn = rusqlite::Connection::open(home.database()).expect("it opens");
    conn.execute_batch(sql).expect(sql);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_lacks_what_the_rows_say_is_told() {
    let sim = service().await;
    let home = backed_up(&sim).await;
    let offline = || {
        examined(Program::command(
            &["doctor", "--offline", "--json"],
            &home,
            &sim,
        ))
    };
    assert_eq!(offline().states("mirror"), ["ok"]);
    fs::rename(home.path("mirror"), home.path("elsewhere")).expect("moved");
    let found = offline();
    let (state, help) = found.about("is missing");
    assert_eq!(state, "warn");
    assert!(help.contains("mount"), "{help}");
    // As the folder below a volume that is not mounted.
    fs::create_dir(home.path("mirror")).expect("a folder");
    assert_eq!(offline().about("lacks 24 of 24 files").0, "warn");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_in_the_way_it_says_so_and_asks_little() {
    let sim = service().await;
    let home = backed_up(&sim).await;
    let found = examined(doctor(&home, &sim));
    assert_eq!(found.code, 0, "{found:#?}");
    found.expect_failures(0);
    assert_eq!(found.states("right"), ["ok"; 7], "{found:#?}");
    for words in [
        "メディアの取得 (Retrieve Media): 30 media",
        "コンテンツの取得 (一覧・詳細) (Retrieve Content, List/Detail): tried with `blog`",
        "API情報の取得（一覧・詳細） (Retrieve API Information): 3 APIs",
        "サービス情報の取得 (Retrieve Service Information): granted; not needed",
        "GET: for all 3 APIs",
        "下書きコンテンツの全取得 (all drafts): off",
        "公開終了コンテンツの全取得 (all closed contents): granted",
        "agrees with the service's",
        "from the environment variable MICROCMS_API_KEY",
        "free: no run is under way",
        "opens and is undamaged",
        "are closed to others",
    ] {
        assert_eq!(found.about(words).0, "ok", "{words}");
    }
    let counters = sim.counters();
    assert_eq!(
        (counters.keys_at_asset_hosts, counters.keys_at_wrong_hosts),
        (0, 0)
    );
    let asked = |site: &str| {
        sim.request_lines()
            .iter()
            .filter(|line| line.contains(site))
            .count()
    };
    assert!(counters.total <= 12, "{:?}", sim.request_lines());
    assert_eq!(
        asked("/api/v1/service") + asked("/api/v1/apis") + asked("/api/v2/media"),
        3
    );

    // The same for eyes: nothing that the service wrote moves the cursor.
    let output = Program::command(&["doctor"], &home, &sim).run();
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.ends_with("\nnothing is in the way\n"), "{text}");
    assert!(
        text.contains("answers for the service `テスト\u{fffd}[2J`"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'));
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_run_the_rights_are_tried_all_the_same_and_nothing_is_made() {
    let sim = service().await;
    let home = Sandbox::new();
    let found = examined(doctor(&home, &sim));
    assert_eq!(found.code, 0, "{found:#?}");
    assert_eq!(found.states("right"), ["ok"; 7], "{found:#?}");
    assert_eq!(found.about("none yet; `sync` makes `").0, "ok");
    assert_eq!(fs::read_dir(home.path(".")).expect("a folder").count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_without_its_database_is_told() {
    let sim = service().await;
    let home = backed_up(&sim).await;
    let offline = || Program::command(&["doctor", "--json", "--offline"], &home, &sim);
    let elsewhere = home.path("elsewhere.sqlite3");
    let found = examined(offline().path("STORAGE__DATABASE", elsewhere));
    let (state, help) = found.about("none yet, though the mirror `");
    assert!(state == "warn" && help.contains("not mounted"), "{help}");
    let empty = examined(
        offline()
            .path("STORAGE__DATABASE", home.path("elsewhere.sqlite3"))
            .path("STORAGE__MIRROR", home.path("empty")),
    );
    assert_eq!(empty.about("none yet; `sync` makes `").0, "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_right_that_is_missing_is_named_as_the_admin_screen_does() {
    let sim = service().await;
    let home = backed_up(&sim).await;
    let all = ManagementRights::all();
    for (rights, words) in [
        (
            ManagementRights {
                media: false,
                ..all
            },
            "メディアの取得 (Retrieve Media): not granted",
        ),
        (
            ManagementRights {
                contents: false,
                ..all
            },
            "コンテンツの取得 (一覧・詳細) (Retrieve Content, List/Detail): not granted",
        ),
        (
            ManagementRights { apis: false, ..all },
            "API情報の取得（一覧・詳細） (Retrieve API Information): not granted",
        ),
    ] {
        sim.edit(Edit::SetManagementRights { rights }).expect("set");
        let found = examined(doctor(&home, &sim));
        assert_eq!(found.code, 4, "{words}");
        let (state, help) = found.about(words);
        assert_eq!(state, "fail");
        assert!(help.contains("tab マネジメントAPI（ベータ）"), "{help}");
        found.expect_failures(1);
    }
    // With the APIs named, their list is a comfort.
    let rights = ManagementRights {
        apis: false,
        service: false,
        ..all
    };
    sim.edit(Edit::SetManagementRights { rights }).expect("set");
    let found = examined(doctor(&home, &sim).set("SERVICE__ENDPOINTS", "blog"));
    assert_eq!(found.code, 0, "{found:#?}");
    assert_eq!(found.about("API情報の取得").0, "warn");
    assert_eq!(found.about("サービス情報の取得").0, "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_content_rights_are_told_apart_api_by_api() {
    let sim = service().await;
    let home = backed_up(&sim).await;
    let set = |endpoint: Option<&str>, rights| {
        let endpoint = endpoint.map(str::to_owned);
        sim.edit(Edit::SetContentRights { endpoint, rights })
            .expect("set");
    };
    set(None, ContentRights::published_only());
    let found = examined(doctor(&home, &sim));
    assert_eq!(found.code, 4);
    let (state, help) =
        found.about("公開終了コンテンツの全取得 (all closed contents): not for blog");
    assert_eq!(state, "fail");
    assert!(help.contains("デフォルト権限"), "{help}");

    set(None, ContentRights::everything());
    let found = examined(doctor(&home, &sim));
    assert_eq!(found.code, 4);
    let (state, help) =
        found.about("下書きコンテンツの全取得 (all drafts): granted for blog: it hides");
    assert_eq!(state, "fail");
    assert!(help.contains("switch it off"), "{help}");
    // Where nothing is hidden yet, it is a warning.
    edit(
        &home,
        "DELETE FROM contents WHERE status = 'PUBLISH_AND_DRAFT'",
    );
    let found = examined(doctor(&home, &sim));
    assert_eq!(found.code, 0, "{found:#?}");
    assert_eq!(found.about("下書きコンテンツの全取得").0, "warn");

    set(None, ContentRights::backup());
    set(Some("news"), ContentRights::none());
    let found = examined(doctor(&home, &sim));
    assert_eq!(found.code, 4);
    assert_eq!(found.about("GET: not for news: ").0, "fail");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_since_the_last_run_is_not_taken_for_a_right() {
    let sim = service().await;
    let home = backed_up(&sim).await;
    let ids = home.texts(
        "SELECT min(id) FROM contents WHERE endpoint = 'blog' AND status = 'DRAFT'
         UNION ALL SELECT min(id) FROM contents WHERE endpoint = 'blog' AND status = 'CLOSED'",
    );
    let [draft, closed] = ids.try_into().expect("one of each");
    let endpoint = || "blog".to_owned();
    sim.edit(Edit::Publish {
        endpoint: endpoint(),
        id: draft,
    })
    .expect("published");
    sim.edit(Edit::DeleteContent {
        endpoint: endpoint(),
        id: closed,
    })
    .expect("deleted");
    let found = examined(doctor(&home, &sim));
    assert_eq!(found.code, 0, "{found:#?}");
    assert_eq!(found.about("下書きコンテンツの全取得").0, "skip");
    assert_eq!(found.about("公開終了コンテンツの全取得").0, "skip");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_a_missing_one_and_a_stopped_plan_are_four() {
    let sim = service().await;
    let home = backed_up(&sim).await;
    let wrong = |key: &str| {
        let mut program = doctor(&home, &sim);
        program.0.env("MICROCMS_API_KEY", key);
        examined(program)
    };
    let found = wrong("another-key");
    assert_eq!(found.code, 4);
    assert_eq!(
        found.about("the Management API refuses every question").0,
        "fail"
    );
    assert_eq!(found.about("does not know the key").0, "fail");
    let found = wrong("");
    assert_eq!(found.code, 4);
    assert_eq!(found.about("MICROCMS_API_KEY is set but empty").0, "fail");
    assert_eq!(found.about("not asked without a key").0, "skip");

    sim.edit(Edit::StopService { on: true }).expect("stopped");
    let found = examined(doctor(&home, &sim));
    assert_eq!(found.code, 4, "{found:#?}");
    let (state, help) = found.about("API is stopped");
    assert!(state == "fail" && help.contains("quota"), "{help}");
    sim.edit(Edit::StopService { on: false }).expect("started");
    sim.edit(Edit::RejectIp { on: true }).expect("rejected");
    let found = examined(doctor(&home, &sim));
    assert_eq!(found.code, 4, "{found:#?}");
    assert_eq!(found.states("management API"), ["fail"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_are_not_there_are_named_and_the_rest_is_checked() {
    let sim = service().await;
    let home = backed_up(&sim).await;
    let program = doctor(&home, &sim)
        .set("SERVICE__MANAGEMENT_URL", format!("http://{NOBODY}"))
        .set("ASSETS__HOSTS", format!("{},{NOBODY}", sim.image_host()));
    let found = examined(program);
    assert_eq!(found.code, 1, "{found:#?}");
    assert_eq!(found.states("management API"), ["fail"]);
    assert_eq!(found.states("content API"), ["ok"]);
    assert_eq!(found.states("asset host"), ["ok", "fail"]);
    assert_eq!(found.states("clock"), ["ok"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_cannot_be_had_are_named_and_the_rest_is_checked() {
    let sim = service().await;
    let home = Sandbox::new();
    let mut program =
        doctor(&home, &sim).set("SERVICE__MANAGEMENT_URL", format!("https://{NOBODY}"));
    program.0.env("SSL_CERT_FILE", "/nonexistent");
    program.0.env("SSL_CERT_DIR", "/nonexistent");
    let found = examined(program);
    assert_eq!(found.code, 1);
    assert_eq!(found.states("certificates"), ["fail"]);
    assert_eq!(found.states("mirror"), ["ok"]);
    let certificates = found
        .checks
        .iter()
        .find(|check| check["name"] == "certificates");
    let help = certificates.and_then(|check| check["help"].as_str());
    assert!(help.is_some_and(|help| help.contains("SSL_CERT_FILE or SSL_CERT_DIR is set")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_off_is_seen() {
    let sim = service().await;
    let home = backed_up(&sim).await;
    let headers = [("date", "Sat, 21 Nov 2020 14:22:58 GMT")];
    let old = Fault::Status {
        status: 403,
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        body: r#"{"message":"Forbidden"}"#.to_owned(),
        consumed: false,
    };
    for route in [
        Route::Service,
        Route::Apis,
        Route::Media,
        Route::MetadataList,
    ] {
        sim.fault(route, Occasion::Every, old.clone());
    }
    let found = examined(doctor(&home, &sim));
    let (state, help) = found.about("ahead of the service's");
    assert!(state == "fail" && help.contains("NTP"), "{help}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_others_can_read_and_places_that_cannot_be_used_are_named() {
    let sim = service().await;
    let home = backed_up(&sim).await;
    let offline = || Program::command(&["doctor", "--json", "--offline"], &home, &sim);
    assert_eq!(examined(offline()).code, 0);
    assert_eq!(sim.counters().total, 0);

    fs::set_permissions(home.database(), Permissions::from_mode(0o644)).expect("a mode");
    fs::set_permissions(home.path("mirror"), Permissions::from_mode(0o777)).expect("a mode");
    let key = home.path("key");
    fs::write(&key, KEY).expect("written");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).expect("a mode");
    let mut program = offline().path("SERVICE__API_KEY_FILE", key);
    program.0.env_remove("MICROCMS_API_KEY");
    let found = examined(program);
    assert_eq!(found.code, 0, "{found:#?}");
    let (state, help) = found.about("has mode 0644: others can read drafts and draft keys");
    assert!(state == "warn" && help.starts_with("chmod 600 '"), "{help}");
    assert_eq!(
        found.about("has mode 0777: others can change or remove").0,
        "warn"
    );
    assert_eq!(found.about("can be read by others (mode 0644)").0, "warn");
    assert_eq!(found.about("from the file `").0, "ok");

    // A database that is named without a folder lies in the one that this is started in.
    fs::set_permissions(home.path("."), Permissions::from_mode(0o777)).expect("a mode");
    let mut program = offline().set("STORAGE__DATABASE", "backup.sqlite3");
    program.0.current_dir(home.path("."));
    let found = examined(program);
    let (state, help) = found.about("`.` has mode 0777: others can change or remove");
    assert!(state == "warn" && help == "chmod go-w '.'", "{help}");
    fs::set_permissions(home.path("."), Permissions::from_mode(0o700)).expect("a mode");

    let in_the_way = home.path("file");
    fs::write(&in_the_way, "x").expect("written");
    let found = examined(offline().path("STORAGE__MIRROR", in_the_way));
    assert_eq!(found.code, 1);
    assert_eq!(found.states("mirror"), ["fail"]);

    let other = home.path("other.sqlite3");
    fs::write(&other, "my notes, which are no database").expect("written");
    let found = examined(offline().path("STORAGE__DATABASE", other));
    assert_eq!(found.code, 1);
    assert_eq!(found.about("is not a SQLite database").0, "fail");

    let found = examined(
        offline()
            .set("LIMITS__DOWNLOADS", "many")
            .set("SCHEDULE__CRON", "never"),
    );
    assert_eq!(found.code, 2);
    assert_eq!(found.states("configuration"), ["fail", "fail"]);
}
