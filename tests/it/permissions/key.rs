//! The key follows no redirect, and stands in no file and in no log.

use super::{KEY, assert_nothing_lost, assert_secret};
use crate::support::Sandbox;
use microcms_sim::{Fault, Occasion, Route, Sim};

#[tokio::test(flavor = "multi_thread")]
async fn the_key_follows_no_redirect_and_stands_in_no_file() {
    for route in [
        Route::Media,
        Route::Apis,
        Route::MetadataList,
        Route::ContentList,
        Route::Schema,
    ] {
        for status in [301, 302, 307, 308] {
            let sim = Sim::builder()
                .api_key(KEY)
                .media(3)
                .list_api("blog", 5)
                .start()
                .await;
            let location = format!("{}{{path}}", sim.foreign_url());
            sim.fault(route, 1, Fault::Redirect { status, location });
            let home = Sandbox::new();
            let report = home.sync(&sim).await;
            assert!(!report.verdict.safe);
            assert_eq!(sim.counters().of(Route::Foreign), 0, "{route:?} {status}");
            assert_eq!(sim.counters().keys_at_wrong_hosts, 0);
            let redirected = report
                .problems
                .iter()
                .find(|p| p.message.contains("redirect"));
            let hint = redirected.and_then(|p| p.hint.clone()).expect("a hint");
            assert!(hint.contains("content_url"), "{route:?}: {hint}");
            assert_secret(&home, &report);
            assert_nothing_lost(&home, &sim);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asset_host_never_sees_the_key_wherever_it_redirects() {
    let sim = Sim::builder().api_key(KEY).media(12).start().await;
    let location = format!("{}{{path}}", sim.foreign_url());
    sim.fault(
        Route::Image,
        Occasion::EachNth(2),
        Fault::Redirect {
            status: 302,
            location,
        },
    );
    let home = Sandbox::new();
    let report = home.sync(&sim).await;
    let counters = sim.counters();
    assert_eq!(
        (counters.keys_at_asset_hosts, counters.keys_at_wrong_hosts),
        (0, 0)
    );
    assert_eq!(
        counters.of(Route::Foreign),
        0,
        "it is not on the list of hosts"
    );
    assert_secret(&home, &report);
}

#[test]
fn the_key_the_draft_keys_and_the_page_tokens_stand_in_no_log_however_loud() {
    let sim = Sim::builder()
        .api_key(KEY)
        .media(120)
        .list_api("blog", 40)
        .start_blocking();
    sim.fault(Route::Content, 1, Fault::Garbage);
    sim.fault(Route::Media, 2, Fault::status(503, ""));
    let location = format!("{}{{path}}", sim.foreign_url());
    sim.fault(
        Route::Schema,
        1,
        Fault::Redirect {
            status: 302,
            location,
        },
    );
    let folder = tempfile::tempdir().expect("a folder");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_microcms-backup"))
        .args(["-vvvv", "sync", "--json", "--report", "report.json"])
        .current_dir(folder.path())
        .env("MICROCMS_API_KEY", KEY)
        .env("MICROCMS_SERVICE_ID", "demo")
        .env(
            "MICROCMS_BACKUP__SERVICE__MANAGEMENT_URL",
            sim.management_url(),
        )
        .env("MICROCMS_BACKUP__SERVICE__CONTENT_URL", sim.content_url())
        .env(
            "MICROCMS_BACKUP__ASSETS__HOSTS",
            format!("{},{}", sim.image_host(), sim.file_host()),
        )
        .env("RUST_LOG", "trace")
        .output()
        .expect("the binary starts");
    let told = [
        output.stdout,
        output.stderr,
        std::fs::read(folder.path().join("report.json")).unwrap_or_default(),
    ]
    .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    .join("\n");
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("began a run"), "{told}");
    assert!(told.to_lowercase().contains("trace"), "loud enough: {told}");
    let draft_keys = sim
        .truth()
        .contents
        .into_iter()
        .filter_map(|content| content.draft_key);
    let tokens = sim.requests().into_iter().filter_map(|request| {
        let (_, token) = request.path.split_once("token=")?;
        Some(token.to_owned())
    });
    let secrets: Vec<String> = draft_keys.chain(tokens).chain([KEY.to_owned()]).collect();
    assert!(secrets.len() > 3);
    for secret in secrets {
        let line = told.lines().find(|line| line.contains(&secret));
        assert!(line.is_none(), "{secret} in {line:?}");
    }
}
