//! The Management API apart from media.

use microcms_sim::{ApiKind, Edit, ManagementRights, SchemaFormat, Sim};

use crate::client::{get, ids, management, send};

async fn sim() -> Sim {
    Sim::builder()
        .media(5)
        .list_api("blog", 120)
        .object_api("settings")
        .start()
        .await
}

#[tokio::test]
async fn the_service_tells_its_name() {
    let sim = Sim::builder().service_name("テストサービス").start().await;
    assert_eq!(
        management(&sim, "/api/v1/service").await.text(),
        r#"{"name":"テストサービス"}"#
    );
}

#[tokio::test]
async fn apis_are_listed_with_name_endpoint_and_type() {
    let sim = sim().await;
    let got = management(&sim, "/api/v1/apis").await.json();
    let kinds: Vec<(&str, &str)> = got["apis"]
        .as_array()
        .unwrap()
        .iter()
        .map(|api| {
            (
                api["endpoint"].as_str().unwrap(),
                api["type"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(kinds, [("blog", "list"), ("settings", "object")]);
    assert!(got["apis"][0]["name"].is_string());
}

#[tokio::test]
async fn schemas_come_in_both_forms() {
    let sim = Sim::builder()
        .list_api("blog", 1)
        .schema_format(SchemaFormat::A)
        .start()
        .await;
    let a = management(&sim, "/api/v1/apis/blog").await;
    assert_eq!(a.text(), sim.truth().endpoints[0].schema);
    let a = a.json();
    assert!(
        a["customFields"][0]["createdAt"].is_string()
            && a["customFields"][0]["position"].is_array()
    );
    sim.edit(Edit::SetSchemaFormat {
        format: SchemaFormat::B,
    })
    .unwrap();
    let b = management(&sim, "/api/v1/apis/blog").await.json();
    assert_eq!(b["customFields"][0].get("createdAt"), None);
    assert!(b["customFields"][0]["fieldOrderByColumn"].is_array());
    let kinds = |schema: &serde_json::Value| -> Vec<String> {
        schema["apiFields"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| f["kind"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(kinds(&a), kinds(&b));
    assert_eq!(management(&sim, "/api/v1/apis/nowhere").await.status, 404);
}

#[tokio::test]
async fn metadata_is_listed_in_order_and_is_the_truth() {
    let sim = sim().await;
    let truth = sim.truth();
    let mut texts = Vec::new();
    for offset in [0, 100] {
        let page = management(
            &sim,
            &format!("/api/v1/contents/blog?limit=100&offset={offset}"),
        )
        .await
        .json();
        assert_eq!(
            (&page["totalCount"], &page["offset"]),
            (&120.into(), &offset.into())
        );
        texts.extend(
            page["contents"]
                .as_array()
                .unwrap()
                .iter()
                .map(ToString::to_string),
        );
    }
    let expected: Vec<&String> = truth
        .contents_of("blog")
        .map(|content| &content.metadata)
        .collect();
    assert_eq!(texts.iter().collect::<Vec<_>>(), expected);
    let first = &truth.contents[0];
    let detail = management(&sim, &format!("/api/v1/contents/blog/{}", first.id)).await;
    assert_eq!(detail.text(), first.metadata);
    assert_eq!(
        ids(&management(&sim, "/api/v1/contents/blog").await.json()["contents"]).len(),
        10
    );
}

#[tokio::test]
async fn metadata_has_the_documented_shape() {
    let sim = sim().await;
    let page = management(&sim, "/api/v1/contents/blog?limit=100")
        .await
        .json();
    let mut states = std::collections::BTreeSet::new();
    for item in page["contents"].as_array().unwrap() {
        let keys: Vec<&str> = item
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(
            keys,
            [
                "id",
                "createdAt",
                "updatedAt",
                "publishedAt",
                "revisedAt",
                "closedAt",
                "status",
                "customStatus",
                "draftKey",
                "createdBy",
                "updatedBy",
                "reservationTime",
            ]
        );
        let state = item["status"][0].as_str().unwrap();
        assert_eq!(
            item["draftKey"].is_string(),
            state.contains("DRAFT"),
            "{item}"
        );
        assert_eq!(item["publishedAt"].is_null(), state == "DRAFT");
        assert_eq!(item["closedAt"].is_string(), state == "CLOSED");
        states.insert(state.to_owned());
    }
    assert_eq!(states.len(), 4, "{states:?}");
}

#[tokio::test]
async fn an_object_api_lists_one_metadata_object() {
    let sim = sim().await;
    let got = management(&sim, "/api/v1/contents/settings").await;
    assert_eq!(got.json().get("contents"), None);
    assert_eq!(
        got.text(),
        sim.truth().contents_of("settings").next().unwrap().metadata
    );
}

#[tokio::test]
async fn refusals_have_the_documented_status_and_words() {
    let sim = sim().await;
    let url = format!("{}/api/v1/service", sim.management_url());
    let forbidden = (403, "Forbidden".to_owned());
    assert_eq!(get(&url, &[]).await.refusal(), forbidden);
    assert_eq!(
        get(&url, &[("x-microcms-api-key", "wrong")])
            .await
            .refusal(),
        forbidden
    );
    let key = sim.api_key();
    let post = send("POST", &url, &[("x-microcms-api-key", &key)])
        .await
        .unwrap();
    assert_eq!(post.refusal(), (405, "Method Not Allowed".into()));
    assert_eq!(
        management(&sim, "/api/v9/x").await.refusal(),
        (404, "Not Found".into())
    );
    for path in ["/api/v1/contents/nowhere", "/api/v1/contents/blog/nowhere"] {
        assert_eq!(
            management(&sim, path).await.refusal(),
            (404, "Content not found".into())
        );
    }
    for (query, message) in [
        ("limit=-1", "Limit: must be no less than 0."),
        ("limit=101", "limit must be less than or equal to 100"),
        ("offset=-1", "Offset: must be no less than 0"),
        ("offset=x", "Invalid integer in query (offset=x)"),
    ] {
        let got = management(&sim, &format!("/api/v1/contents/blog?{query}")).await;
        assert_eq!(got.refusal(), (400, message.into()));
    }
    sim.edit(Edit::SetMaxAnswerBytes { bytes: 3_000 }).unwrap();
    assert_eq!(
        management(&sim, "/api/v1/contents/blog?limit=100")
            .await
            .status,
        400
    );
    assert_eq!(
        management(&sim, "/api/v1/contents/blog?limit=2")
            .await
            .status,
        200
    );
    sim.edit(Edit::RejectIp { on: true }).unwrap();
    assert_eq!(
        management(&sim, "/api/v1/service").await.refusal(),
        (400, "IP address rejected.".into())
    );
}

#[tokio::test]
async fn each_permission_opens_its_routes_alone() {
    let none = ManagementRights::none();
    let routes = [
        (
            "/api/v1/service",
            ManagementRights {
                service: true,
                ..none
            },
        ),
        ("/api/v1/apis", ManagementRights { apis: true, ..none }),
        ("/api/v1/apis/blog", ManagementRights { apis: true, ..none }),
        (
            "/api/v1/contents/blog",
            ManagementRights {
                contents: true,
                ..none
            },
        ),
        (
            "/api/v2/media",
            ManagementRights {
                media: true,
                ..none
            },
        ),
    ];
    let sim = sim().await;
    for (_, rights) in &routes {
        sim.edit(Edit::SetManagementRights { rights: *rights })
            .unwrap();
        for (path, needed) in &routes {
            let expected = if needed == rights { 200 } else { 403 };
            assert_eq!(
                management(&sim, path).await.status,
                expected,
                "{path} with {rights:?}"
            );
        }
    }
}

#[tokio::test]
async fn whole_apis_come_and_go() {
    let sim = sim().await;
    sim.edit(Edit::AddApi {
        endpoint: "news".into(),
        kind: ApiKind::List,
        contents: 3,
    })
    .unwrap();
    assert_eq!(
        management(&sim, "/api/v1/contents/news").await.json()["totalCount"],
        3
    );
    sim.edit(Edit::DeleteApi {
        endpoint: "blog".into(),
    })
    .unwrap();
    assert_eq!(management(&sim, "/api/v1/contents/blog").await.status, 404);
    assert_eq!(
        management(&sim, "/api/v1/apis").await.json()["apis"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert!(
        sim.edit(Edit::AddApi {
            endpoint: "news".into(),
            kind: ApiKind::Object,
            contents: 0
        })
        .is_err()
    );
    let before = management(&sim, "/api/v1/apis/news").await.text();
    sim.edit(Edit::AddField {
        endpoint: "news".into(),
        field: "subtitle".into(),
    })
    .unwrap();
    assert_ne!(management(&sim, "/api/v1/apis/news").await.text(), before);
}
