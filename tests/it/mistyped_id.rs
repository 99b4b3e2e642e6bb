//! A service id with a slip in it at the very first run.

use crate::support::{Expect as _, Program, Sandbox};
use microcms_sim::Sim;
use std::process::Output;

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slip_in_the_first_service_id_claims_nothing() {
    let sim = Sim::builder().media(3).list_api("blog", 3).start().await;
    let home = Sandbox::new();
    // Nobody answers at what the slip leads to.
    let mut slip = Program::sync(&home, &sim)
        .set("SERVICE__MANAGEMENT_URL", "http://127.0.0.1:9")
        .set("SERVICE__CONTENT_URL", "http://127.0.0.1:9")
        .set("LIMITS__CONNECT_TIMEOUT", "1s");
    slip.0
        .env("MICROCMS_SERVICE_ID", "dmeo")
        .arg("--only")
        .arg("assets");
    slip.run();
    assert_eq!(
        home.texts("SELECT value FROM meta WHERE key = 'service_id'"),
        ["dmeo"]
    );

    let output = Program::command(&["status"], &home, &sim).run();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(6), "{text}");
    assert!(
        text.starts_with("UNSAFE: ") && text.contains("nothing was saved yet"),
        "{text}"
    );
    assert!(!text.contains("dmeo"), "{text}");
    let output = Program::command(&["doctor", "--offline"], &home, &sim).run();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));

    let output = Program::sync(&home, &sim).run();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let mut other = Program::sync(&home, &sim);
    other.0.env("MICROCMS_SERVICE_ID", "dmeo");
    let output = other.run();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let words = format!(
        "is the backup of service `{}`, not of `dmeo`",
        sim.service_id()
    );
    assert!(text.contains(&words), "{text}");
    assert!(
        text.contains("give each service its own `storage.database`"),
        "{text}"
    );
    home.sync(&sim).await.expect_complete();
}
