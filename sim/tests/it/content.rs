//! The Content API.

use microcms_sim::{ContentRights, Edit, Sim, Status};
use serde_json::Value;

use crate::client::{content, get, ids, send};

async fn sim() -> Sim {
    Sim::builder()
        .media(40)
        .list_api("blog", 120)
        .list_api("tags", 9)
        .object_api("settings")
        .start()
        .await
}

/// The first content in this state.
fn one(sim: &Sim, status: Status) -> microcms_sim::TruthContent {
    sim.truth()
        .contents
        .into_iter()
        .find(|c| c.endpoint == "blog" && c.status == status)
        .unwrap()
}

fn set_rights(sim: &Sim, rights: ContentRights) {
    sim.edit(Edit::SetContentRights {
        endpoint: None,
        rights,
    })
    .unwrap();
}

#[tokio::test]
async fn a_list_pages_by_offset_in_the_admin_order() {
    let sim = sim().await;
    let visible: Vec<String> = sim
        .truth()
        .contents_of("blog")
        .filter(|c| c.published.is_some())
        .map(|c| c.id.clone())
        .collect();
    let mut seen = Vec::new();
    for offset in [0, 100] {
        let page = content(&sim, &format!("/api/v1/blog?limit=100&offset={offset}"))
            .await
            .json();
        assert_eq!(page["totalCount"], visible.len());
        assert_eq!(
            (&page["limit"], &page["offset"]),
            (&100.into(), &offset.into())
        );
        seen.extend(ids(&page["contents"]));
    }
    assert_eq!(seen, visible);
    assert_eq!(
        content(&sim, "/api/v1/blog").await.json()["contents"]
            .as_array()
            .unwrap()
            .len(),
        10
    );
    assert_eq!(
        content(&sim, "/api/v1/blog?limit=").await.json()["limit"],
        10
    );
}

#[tokio::test]
async fn bodies_are_the_truth_in_lists_and_details() {
    let sim = sim().await;
    let truth = sim.truth();
    for chunk in truth.contents_of("blog").collect::<Vec<_>>().chunks(50) {
        let wanted: Vec<&str> = chunk.iter().map(|c| c.id.as_str()).collect();
        let path = format!("/api/v1/blog?depth=0&limit=100&ids={}", wanted.join(","));
        let text = content(&sim, &path).await.text();
        for published in chunk.iter().filter_map(|c| c.published.as_ref()) {
            assert!(text.contains(published.as_str()), "{published}");
        }
    }
    let closed = one(&sim, Status::Closed);
    let path = format!("/api/v1/blog/{}?depth=0", closed.id);
    assert_eq!(content(&sim, &path).await.text(), closed.published.unwrap());
}

#[tokio::test]
async fn an_object_api_answers_the_object_without_an_id() {
    let sim = sim().await;
    let got = content(&sim, "/api/v1/settings?depth=0").await;
    assert_eq!(got.json().get("id"), None);
    let truth = sim.truth();
    let object = truth.contents_of("settings").next().unwrap();
    assert_eq!(Some(got.text()), object.published);
    assert_eq!(
        content(&sim, &format!("/api/v1/settings/{}", object.id))
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn drafts_and_closed_contents_need_their_rights() {
    let sim = sim().await;
    let (draft, closed) = (one(&sim, Status::Draft), one(&sim, Status::Closed));
    for (rights, sees_draft, sees_closed) in [
        (ContentRights::published_only(), 404, 404),
        (ContentRights::backup(), 404, 200),
        (ContentRights::everything(), 200, 200),
    ] {
        set_rights(&sim, rights);
        assert_eq!(
            content(&sim, &format!("/api/v1/blog/{}", draft.id))
                .await
                .status,
            sees_draft
        );
        assert_eq!(
            content(&sim, &format!("/api/v1/blog/{}", closed.id))
                .await
                .status,
            sees_closed
        );
        let list = content(
            &sim,
            &format!("/api/v1/blog?ids={},{}", draft.id, closed.id),
        )
        .await
        .json();
        assert_eq!(
            list["totalCount"],
            u64::from(sees_draft == 200) + u64::from(sees_closed == 200)
        );
    }
}

#[tokio::test]
async fn a_draft_key_shows_the_draft_of_its_content() {
    let sim = sim().await;
    for status in [Status::Draft, Status::PublishAndDraft] {
        let item = one(&sim, status);
        let key = item.draft_key.unwrap();
        let got = content(
            &sim,
            &format!("/api/v1/blog/{}?depth=0&draftKey={key}", item.id),
        )
        .await;
        assert_eq!(Some(got.text()), item.draft, "{status:?}");
        let list = content(
            &sim,
            &format!("/api/v1/blog?depth=0&ids={}&draftKey={key}", item.id),
        )
        .await;
        assert_eq!(list.json()["contents"][0].to_string(), got.text());
        let wrong = content(
            &sim,
            &format!("/api/v1/blog/{}?depth=0&draftKey=wrong", item.id),
        )
        .await;
        assert_eq!(
            wrong.status,
            if status == Status::Draft { 404 } else { 200 }
        );
    }
}

#[tokio::test]
async fn the_right_to_all_drafts_hides_the_published_body() {
    let sim = sim().await;
    let item = one(&sim, Status::PublishAndDraft);
    let path = format!("/api/v1/blog/{}?depth=0", item.id);
    assert_ne!(item.published, item.draft);
    assert_eq!(Some(content(&sim, &path).await.text()), item.published);
    set_rights(&sim, ContentRights::everything());
    assert_eq!(Some(content(&sim, &path).await.text()), item.draft);
    // Filters still match the published values.
    let published: Value = serde_json::from_str(item.published.as_ref().unwrap()).unwrap();
    let filter = format!("title[equals]{}", published["title"].as_str().unwrap());
    let filter: String = filter.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let list = content(&sim, &format!("/api/v1/blog?depth=0&filters={filter}"))
        .await
        .json();
    assert_eq!(Some(list["contents"][0].to_string()), item.draft);
}

#[tokio::test]
async fn relations_are_embedded_to_the_depth_that_is_asked() {
    let sim = Sim::builder().published_list_api("blog", 4).start().await;
    let ids = sim.content_ids("blog");
    // A chain: each content refers to the next one.
    for pair in ids.windows(2) {
        let fields = serde_json::json!({"category": {"id": pair[1]}, "related": []});
        let fields = fields.as_object().unwrap().clone();
        sim.edit(Edit::EditBody {
            endpoint: "blog".into(),
            id: pair[0].clone(),
            fields,
        })
        .unwrap();
    }
    for depth in 0..=3 {
        let got = content(&sim, &format!("/api/v1/blog/{}?depth={depth}", ids[0]))
            .await
            .json();
        let mut level = &got;
        for id in &ids[1..=depth] {
            level = &level["category"];
            assert_eq!(level["id"], id.as_str());
            assert!(level["title"].is_string(), "embedded at depth {depth}");
        }
        if depth < 3 {
            assert_eq!(level["category"], serde_json::json!({"id": ids[depth + 1]}));
        }
    }
    for wrong in ["4", "-1", "x"] {
        let got = content(&sim, &format!("/api/v1/blog?depth={wrong}")).await;
        assert_eq!(got.refusal(), (400, "invalid parameter.".into()));
    }
}

#[tokio::test]
async fn unreadable_relations_are_null_or_dropped() {
    let sim = Sim::builder()
        .published_list_api("blog", 6)
        .published_list_api("tags", 1)
        .start()
        .await;
    let (blog, tag) = (sim.content_ids("blog"), sim.content_ids("tags").remove(0));
    let fields = serde_json::json!({
        "category": {"id": tag}, "related": [{"id": blog[1]}, {"id": blog[2]}],
    });
    let fields = fields.as_object().unwrap().clone();
    let id = blog[0].clone();
    sim.edit(Edit::EditBody {
        endpoint: "blog".into(),
        id: id.clone(),
        fields,
    })
    .unwrap();
    let show = || async {
        content(&sim, &format!("/api/v1/blog/{}?depth=0", blog[0]))
            .await
            .json()
    };
    assert_eq!(ids(&show().await["related"]), blog[1..3]);
    sim.edit(Edit::Close {
        endpoint: "blog".into(),
        id: blog[1].clone(),
    })
    .unwrap();
    sim.edit(Edit::Close {
        endpoint: "tags".into(),
        id: tag.clone(),
    })
    .unwrap();
    assert_eq!(
        show().await["category"]["id"],
        tag.as_str(),
        "the key may read closed contents"
    );
    set_rights(&sim, ContentRights::published_only());
    let shown = show().await;
    assert_eq!(
        (ids(&shown["related"]), &shown["category"]),
        (vec![blog[2].clone()], &Value::Null)
    );
}

#[tokio::test]
async fn fields_filters_orders_and_search_work_together() {
    let sim = sim().await;
    let page = content(
        &sim,
        "/api/v1/blog?limit=100&fields=id,eyecatch.url&depth=0",
    )
    .await
    .json();
    for item in page["contents"].as_array().unwrap() {
        assert!(
            item.as_object()
                .unwrap()
                .keys()
                .all(|key| key == "id" || key == "eyecatch")
        );
    }
    let filter = "/api/v1/blog?limit=100&filters=price[greater_than]500000[and]featured[equals]true&orders=-price";
    let hits = content(&sim, filter).await.json();
    let prices: Vec<u64> = hits["contents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["price"].as_u64().unwrap())
        .collect();
    assert!(!prices.is_empty() && prices.iter().all(|price| *price > 500_000));
    assert!(prices.is_sorted_by(|a, b| a >= b), "{prices:?}");
    let bad = content(&sim, "/api/v1/blog?filters=price[is]1").await;
    assert_eq!(bad.refusal(), (400, "invalid parameter.".into()));
    assert_eq!(
        content(&sim, "/api/v1/blog?q=no-such-text").await.json()["totalCount"],
        0
    );
    let none = content(
        &sim,
        "/api/v1/blog?filters=updatedAt[greater_than]2030-01-01T00:00:00Z",
    )
    .await;
    assert_eq!(none.json()["totalCount"], 0);
}

#[tokio::test]
async fn numbers_are_checked_with_the_documented_words() {
    let sim = sim().await;
    for (query, message) in [
        ("limit=101", "Invalid 'limit' value."),
        ("limit=-1", "Invalid 'limit' value."),
        ("offset=-1", "Invalid 'offset' value."),
        ("offset=x", "Invalid 'offset' value."),
    ] {
        let got = content(&sim, &format!("/api/v1/blog?{query}")).await;
        assert_eq!(got.refusal(), (400, message.into()), "{query}");
    }
    assert_eq!(
        content(&sim, "/api/v1/blog?limit=0").await.json()["contents"],
        Value::Array(vec![])
    );
}

#[tokio::test]
async fn refusals_have_the_documented_status_and_words() {
    let sim = sim().await;
    let url = format!("{}/api/v1/blog", sim.content_url());
    let invalid = (401, "X-MICROCMS-API-KEY header is invalid.".to_owned());
    assert_eq!(get(&url, &[]).await.refusal(), invalid);
    assert_eq!(
        get(&url, &[("x-microcms-api-key", "wrong")])
            .await
            .refusal(),
        invalid
    );
    assert_eq!(content(&sim, "/api/v1/nowhere").await.status, 404);
    assert_eq!(content(&sim, "/api/v1/blog/nowhere").await.status, 404);
    assert_eq!(
        content(&sim, "/api/v1//blog").await.refusal(),
        (400, "Invalid request".into())
    );
    let key = sim.api_key();
    let put = send("PUT", &url, &[("x-microcms-api-key", &key)])
        .await
        .unwrap();
    assert_eq!(put.refusal(), (400, "PUT is forbidden.".into()));
    let long = format!("/api/v1/blog?ids={}", "x".repeat(9_000));
    assert_eq!(content(&sim, &long).await.status, 414);
    let none = ContentRights::none();
    sim.edit(Edit::SetContentRights {
        endpoint: Some("tags".into()),
        rights: none,
    })
    .unwrap();
    assert_eq!(
        content(&sim, "/api/v1/tags").await.refusal(),
        (400, "GET is forbidden.".into())
    );
    assert_eq!(content(&sim, "/api/v1/blog").await.status, 200);
    sim.edit(Edit::StopService { on: true }).unwrap();
    let stopped = "API is stopped for demo service. Please upgrade your plan.";
    assert_eq!(
        content(&sim, "/api/v1/blog").await.refusal(),
        (400, stopped.into())
    );
    sim.edit(Edit::StopService { on: false }).unwrap();
    sim.edit(Edit::RejectIp { on: true }).unwrap();
    assert_eq!(
        content(&sim, "/api/v1/blog").await.refusal(),
        (400, "IP address rejected.".into())
    );
}

#[tokio::test]
async fn an_answer_over_the_limit_is_refused_until_the_page_is_smaller() {
    let sim = Sim::builder()
        .published_list_api("blog", 20)
        .max_answer_bytes(20_000)
        .body_bytes(3_000)
        .start()
        .await;
    let too_long = "Response body size is too long. Check your url parameters.";
    assert_eq!(
        content(&sim, "/api/v1/blog?limit=20&depth=0")
            .await
            .refusal(),
        (400, too_long.into())
    );
    assert_eq!(
        content(&sim, "/api/v1/blog?limit=4&depth=0").await.status,
        200
    );
    assert_eq!(
        content(&sim, "/api/v1/blog?limit=20&fields=id")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn answers_tell_the_time_and_are_compressed_on_demand() {
    let sim = sim().await;
    let plain = content(&sim, "/api/v1/blog").await;
    assert!(plain.header("x-current-date-time").unwrap().ends_with('Z'));
    assert_eq!(plain.header("content-encoding"), None);
    let url = format!("{}/api/v1/blog", sim.content_url());
    let key = sim.api_key();
    let packed = get(
        &url,
        &[
            ("x-microcms-api-key", &key),
            ("accept-encoding", "br, gzip"),
        ],
    )
    .await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.starts_with(&[0x1f, 0x8b]) && packed.body.len() < plain.body.len());
    let sim = Sim::builder().list_api("blog", 9).gzip(false).start().await;
    let url = format!("{}/api/v1/blog", sim.content_url());
    let bare = get(
        &url,
        &[
            ("x-microcms-api-key", &sim.api_key()),
            ("accept-encoding", "gzip"),
        ],
    )
    .await;
    assert_eq!(bare.header("content-encoding"), None);
}

#[tokio::test]
async fn a_second_key_has_rights_of_its_own() {
    let (management, content) = (
        microcms_sim::ManagementRights::none(),
        ContentRights::everything(),
    );
    let sim = Sim::builder()
        .list_api("blog", 40)
        .other_key("drafts", management, content)
        .start()
        .await;
    let drafts = [("x-microcms-api-key", "drafts")];
    let all = get(&format!("{}/api/v1/blog", sim.content_url()), &drafts)
        .await
        .json();
    assert_eq!(all["totalCount"], 40);
    assert_eq!(
        get(&format!("{}/api/v1/apis", sim.management_url()), &drafts)
            .await
            .status,
        403
    );
}
