//! The two budgets.

use std::time::Duration;

use microcms_sim::Sim;

use crate::client::{content, management};

#[tokio::test]
async fn budgets_are_off_unless_asked_for() {
    let sim = Sim::builder().list_api("blog", 1).start().await;
    for _ in 0..80 {
        assert_eq!(content(&sim, "/api/v1/blog?limit=0").await.status, 200);
        assert_eq!(management(&sim, "/api/v1/service").await.status, 200);
    }
}

#[tokio::test]
async fn the_management_budget_ends_in_a_bare_429() {
    let sim = Sim::builder()
        .management_budget(3, Duration::from_millis(600))
        .start()
        .await;
    for _ in 0..3 {
        assert_eq!(management(&sim, "/api/v1/service").await.status, 200);
    }
    let refused = management(&sim, "/api/v1/service").await;
    assert_eq!(refused.refusal(), (429, "Too Many Requests".into()));
    for name in [
        "retry-after",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
    ] {
        assert_eq!(refused.header(name), None, "{name}");
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(management(&sim, "/api/v1/service").await.status, 200);
}

#[tokio::test]
async fn the_content_budget_tells_limit_and_reset() {
    let sim = Sim::builder()
        .list_api("blog", 1)
        .content_budget(2, Duration::from_secs(30))
        .start()
        .await;
    for _ in 0..2 {
        assert_eq!(content(&sim, "/api/v1/blog").await.status, 200);
    }
    let refused = content(&sim, "/api/v1/blog").await;
    assert_eq!(
        refused.refusal(),
        (429, "Too many requests, please try again later.".into())
    );
    assert_eq!(
        (
            refused.header("x-ratelimit-limit"),
            refused.header("x-ratelimit-remaining")
        ),
        (Some("2"), Some("0"))
    );
    let reset: i64 = refused
        .header("x-ratelimit-reset")
        .unwrap()
        .parse()
        .unwrap();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    assert!(
        (0..=31).contains(&(reset - i64::try_from(now).unwrap())),
        "{reset} {now}"
    );
    // The budgets do not touch each other.
    assert_eq!(management(&sim, "/api/v1/service").await.status, 200);
}

#[tokio::test]
async fn a_refused_request_takes_no_page() {
    let sim = Sim::builder()
        .media(30)
        .management_budget(1, Duration::from_millis(400))
        .start()
        .await;
    let token = management(&sim, "/api/v2/media").await.json()["token"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        management(&sim, &crate::client::next(&token)).await.status,
        429
    );
    tokio::time::sleep(Duration::from_millis(500)).await;
    let page = management(&sim, &crate::client::next(&token)).await.json();
    assert_eq!(crate::client::ids(&page["media"]), sim.media_ids()[10..20]);
}

#[tokio::test]
async fn the_real_numbers_are_one_call_away() {
    let sim = Sim::builder().with_budgets().start().await;
    for _ in 0..10 {
        assert_eq!(management(&sim, "/api/v1/service").await.status, 200);
    }
    assert_eq!(management(&sim, "/api/v1/service").await.status, 429);
}
