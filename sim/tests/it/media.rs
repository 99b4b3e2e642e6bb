//! `GET /api/v2/media`: the token walk.

use std::collections::BTreeSet;
use std::time::Duration;

use microcms_sim::{Edit, Route, Sim, TokenMode, TotalCount, When};

use crate::client::{Got, ids, management, next};

fn token(page: &Got) -> String {
    page.json()["token"]
        .as_str()
        .expect("the answer carries a token")
        .to_owned()
}

/// Walks to the first empty page with the newest token; returns all ids.
async fn walk(sim: &Sim, limit: usize) -> Vec<String> {
    let mut page = management(sim, &format!("/api/v2/media?limit={limit}")).await;
    let (mut seen, mut newest) = (Vec::new(), token(&page));
    loop {
        assert_eq!(page.status, 200);
        let batch = ids(&page.json()["media"]);
        if batch.is_empty() {
            return seen;
        }
        seen.extend(batch);
        page = management(sim, &next(&newest)).await;
        newest = page.json()["token"].as_str().map_or(newest, str::to_owned);
    }
}

#[tokio::test]
async fn a_walk_lists_every_medium_once_in_every_token_mode() {
    for mode in [TokenMode::Same, TokenMode::Rotating, TokenMode::FirstOnly] {
        let sim = Sim::builder().media(250).token_mode(mode).start().await;
        let seen = walk(&sim, 100).await;
        assert_eq!(seen, sim.media_ids(), "{mode:?}");
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 250);
    }
}

#[tokio::test]
async fn the_first_answer_has_a_token_even_when_nothing_is_left() {
    let sim = Sim::builder().media(3).start().await;
    let page = management(&sim, "/api/v2/media").await;
    assert_eq!(
        (
            page.json()["media"].as_array().unwrap().len(),
            &page.json()["totalCount"]
        ),
        (3, &3.into())
    );
    let past = management(&sim, &next(&token(&page))).await;
    assert_eq!(
        (past.status, past.json()["media"].as_array().unwrap().len()),
        (200, 0)
    );
}

#[tokio::test]
async fn each_use_of_a_token_returns_the_next_batch() {
    let sim = Sim::builder().media(30).start().await;
    let token = token(&management(&sim, "/api/v2/media?limit=10").await);
    let second = ids(&management(&sim, &next(&token)).await.json()["media"]);
    let third = ids(&management(&sim, &next(&token)).await.json()["media"]);
    assert_eq!(
        (second, third),
        (
            sim.media_ids()[10..20].to_vec(),
            sim.media_ids()[20..].to_vec()
        )
    );
}

#[tokio::test]
async fn a_rotated_token_is_refused_when_it_is_old() {
    let sim = Sim::builder()
        .media(30)
        .token_mode(TokenMode::Rotating)
        .start()
        .await;
    let first = token(&management(&sim, "/api/v2/media").await);
    let second = token(&management(&sim, &next(&first)).await);
    assert_ne!(first, second);
    assert_eq!(
        management(&sim, &next(&first)).await.refusal(),
        (400, "BadRequest".into())
    );
    assert_eq!(management(&sim, &next(&second)).await.status, 200);
}

#[tokio::test]
async fn only_the_first_answer_carries_a_token_in_that_mode() {
    let sim = Sim::builder()
        .media(30)
        .token_mode(TokenMode::FirstOnly)
        .start()
        .await;
    let token = token(&management(&sim, "/api/v2/media").await);
    let page = management(&sim, &next(&token)).await;
    assert_eq!((page.status, page.json().get("token")), (200, None));
}

#[tokio::test]
async fn a_token_expires_and_each_use_renews_it() {
    let life = Duration::from_millis(400);
    let sim = Sim::builder().media(100).token_life(life).start().await;
    let token = token(&management(&sim, "/api/v2/media").await);
    for _ in 0..3 {
        tokio::time::sleep(life / 2).await;
        assert_eq!(management(&sim, &next(&token)).await.status, 200);
    }
    tokio::time::sleep(life * 2).await;
    assert_eq!(
        management(&sim, &next(&token)).await.refusal(),
        (400, "BadRequest".into())
    );
    let ages = sim.counters().token_ages_ms;
    assert_eq!(ages.len(), 4);
    assert!(
        ages[..3].iter().all(|age| (200..400).contains(age)) && ages[3] >= 800,
        "{ages:?}"
    );
}

#[tokio::test]
async fn a_token_may_live_on_for_a_while() {
    let (life, grace) = (Duration::from_millis(50), Duration::from_secs(60));
    let sim = Sim::builder()
        .media(100)
        .token_life(life)
        .token_grace(grace)
        .start()
        .await;
    let token = token(&management(&sim, "/api/v2/media").await);
    tokio::time::sleep(life * 2).await;
    assert_eq!(management(&sim, &next(&token)).await.status, 200);
}

#[tokio::test]
async fn unknown_and_unencoded_tokens_are_refused() {
    let sim = Sim::builder().media(30).start().await;
    assert_eq!(
        management(&sim, "/api/v2/media?token=abc").await.refusal(),
        (400, "BadRequest".into())
    );
    let token = token(&management(&sim, "/api/v2/media").await);
    assert!(token.contains('+') && token.contains('/') && token.ends_with("=="));
    // An unencoded plus arrives as a space.
    let raw = management(&sim, &format!("/api/v2/media?token={token}")).await;
    assert_eq!(raw.refusal(), (400, "BadRequest".into()));
}

#[tokio::test]
async fn limit_and_image_only_are_refused_beside_a_token() {
    let sim = Sim::builder().media(30).start().await;
    let token = token(&management(&sim, "/api/v2/media").await);
    for more in ["&limit=10", "&imageOnly=true"] {
        assert_eq!(
            management(&sim, &format!("{}{more}", next(&token)))
                .await
                .status,
            400,
            "{more}"
        );
    }
    // A refusal takes no page with it.
    let page = management(&sim, &next(&token)).await;
    assert_eq!(ids(&page.json()["media"]), sim.media_ids()[10..20]);
    // An empty token is none: a first request may carry it beside a limit.
    assert_eq!(
        management(&sim, "/api/v2/media?limit=5&token=")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn limits_and_booleans_are_checked_with_the_documented_words() {
    let sim = Sim::builder().media(3).start().await;
    for (query, message) in [
        ("limit=-1", "Limit: must be no less than 0."),
        ("limit=101", "limit must be less than or equal to 100"),
        ("limit=xxx", "Invalid integer in query (limit=xxx)"),
        ("imageOnly=xxx", "Invalid boolean in query (imageOnly=xxx)"),
    ] {
        assert_eq!(
            management(&sim, &format!("/api/v2/media?{query}"))
                .await
                .refusal(),
            (400, message.into())
        );
    }
    let none = management(&sim, "/api/v2/media?limit=0").await.json();
    assert_eq!(
        (none["media"].as_array().unwrap().len(), &none["totalCount"]),
        (0, &3.into())
    );
}

#[tokio::test]
async fn a_walk_is_a_snapshot() {
    for (mode, last_total) in [(TotalCount::Snapshot, 30), (TotalCount::Live, 29)] {
        let sim = Sim::builder().media(30).total_count(mode).start().await;
        let before = sim.truth();
        let (gone, edited) = (before.media[25].id.clone(), before.media[15].id.clone());
        sim.on(
            Route::Media,
            1,
            When::After,
            Edit::DeleteMedium { id: gone.clone() },
        );
        sim.on(
            Route::Media,
            1,
            When::After,
            Edit::SetAlt {
                id: edited,
                alt: Some("new".into()),
                touch: true,
            },
        );
        let token = token(&management(&sim, "/api/v2/media").await);
        let second = management(&sim, &next(&token)).await.json();
        assert_eq!(second["media"][5].to_string(), before.media[15].listing);
        let third = management(&sim, &next(&token)).await.json();
        assert_eq!(
            third["media"][5]["id"],
            gone.as_str(),
            "deleted, but in the snapshot"
        );
        assert_eq!(third["totalCount"], last_total, "{mode:?}");
        assert_eq!(
            management(&sim, "/api/v2/media").await.json()["totalCount"],
            29
        );
    }
}

#[tokio::test]
async fn both_forms_show_what_they_document() {
    let sim = Sim::builder().media(100).start().await;
    let new = management(&sim, "/api/v2/media?limit=100").await.json();
    for item in new["media"].as_array().unwrap() {
        assert!(
            item["createdAt"].is_string()
                && item["updatedAt"].is_string()
                && item["tags"].is_array()
        );
    }
    let with_alt = new["media"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item.get("alt").is_some())
        .count();
    assert!(
        (1..100).contains(&with_alt),
        "alt is absent when unset: {with_alt}"
    );
    sim.edit(Edit::SetOldMediaForm { on: true }).unwrap();
    let old = management(&sim, "/api/v2/media?limit=100").await.json();
    for item in old["media"].as_array().unwrap() {
        let keys: Vec<&String> = item.as_object().unwrap().keys().collect();
        assert!(
            keys.iter()
                .all(|key| ["id", "url", "width", "height"].contains(&key.as_str())),
            "{keys:?}"
        );
    }
}

#[tokio::test]
async fn searches_filter_and_say_404_without_a_hit() {
    let sim = Sim::builder().media(100).start().await;
    let total = |path: String| {
        let sim = &sim;
        async move {
            management(sim, &path).await.json()["totalCount"]
                .as_u64()
                .unwrap()
        }
    };
    let images = sim
        .truth()
        .media
        .iter()
        .filter(|m| m.content_type.starts_with("image/"))
        .count() as u64;
    assert!(images < 100);
    assert_eq!(total("/api/v2/media?imageOnly=true".into()).await, images);
    assert_eq!(total("/api/v2/media?fileName=movie.mp4".into()).await, 1);
    assert!(
        total("/api/v2/media?tags=animals,drawings".into()).await
            < total("/api/v2/media?tags=animals".into()).await
    );
    let none = management(&sim, "/api/v2/media?fileName=nowhere").await;
    assert_eq!(none.refusal(), (404, "Content not found".into()));
}

#[tokio::test]
async fn no_media_are_an_empty_list_or_404_as_asked() {
    let sim = Sim::builder().start().await;
    assert_eq!(
        management(&sim, "/api/v2/media").await.json()["totalCount"],
        0
    );
    let sim = Sim::builder().empty_media_is_404().start().await;
    assert_eq!(management(&sim, "/api/v2/media").await.status, 404);
}

#[tokio::test]
async fn the_legacy_list_pages_by_offset() {
    let sim = Sim::builder().media(30).start().await;
    let page = management(&sim, "/api/v1/media?limit=7&offset=20")
        .await
        .json();
    assert_eq!(ids(&page["media"]), sim.media_ids()[20..27]);
    assert_eq!(
        (&page["totalCount"], &page["limit"], &page["offset"]),
        (&30.into(), &7.into(), &20.into())
    );
    assert_eq!(page["media"][0].get("updatedAt"), None);
}
