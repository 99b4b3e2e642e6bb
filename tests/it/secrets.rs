//! The key goes to the two APIs, and nowhere else.

use crate::support::{Listener, Program, Sandbox};
use microcms_sim::{Fault, Occasion, Route, Sim};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_this_machine_is_asked_without_a_proxy_and_no_answer_can_spread_the_key() {
    let sim = Sim::builder().media(2).list_api("blog", 2).start().await;
    let home = Sandbox::new();
    // Nobody listens there.
    let heart = Listener::start();
    let sync = || {
        let mut program = Program::sync(&home, &sim).set("NOTIFY__HEARTBEAT", heart.url("/beat"));
        for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
            program.0.env(name, "http://127.0.0.1:9");
        }
        program.run()
    };
    let output = sync();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    heart.until("the heartbeat comes", |heard| heard.len() >= 2);

    let words = format!("bad key {} given", sim.api_key());
    sim.fault(Route::Media, Occasion::Every, Fault::status(403, &words));
    let output = sync();
    assert_ne!(output.status.code(), Some(0));
    let said = format!("{output:?}");
    assert!(said.contains("bad key"), "{said}");
    assert!(!said.contains(&sim.api_key()), "{said}");
    let stored =
        home.texts("SELECT ifnull(error, '') FROM runs UNION SELECT ifnull(detail, '') FROM walks");
    assert!(
        stored.iter().any(|text| text.contains("bad key")),
        "{stored:?}"
    );
    assert!(
        !stored.iter().any(|text| text.contains(&sim.api_key())),
        "{stored:?}"
    );
}
