use super::*;
use crate::model::{Endpoint, EndpointKind, Status};

#[test]
fn a_medium_keeps_its_text_and_survives_odd_fields() {
    let item = r#"{"id":"m1","url":"https://images.microcms-assets.io/assets/a/b/%E7%8C%AB.png","width":"12","height":null,"alt":7,"new":[1]}"#;
    let body = format!(r#"{{"media":[ {item} ],"totalCount":1,"token":""}}"#);
    let answer = media_list(body.as_bytes()).unwrap();
    assert_eq!((answer.total_count, answer.token), (Some(1), None));
    let served = serve_medium(answer.listed[0].clone()).unwrap();
    assert_eq!((served.id.as_str(), served.metadata.as_str()), ("m1", item));
    let medium = read_medium(&served.metadata).unwrap();
    assert_eq!(
        (medium.width, medium.height, &medium.updated_at),
        (None, None, &None)
    );
    assert_eq!(
        (medium.file_name.as_str(), medium.metadata.as_str()),
        ("猫.png", item)
    );
}

#[test]
fn an_object_type_listing_is_one_content_named_by_its_endpoint() {
    let body = br#"{"status":["PUBLISH"],"updatedAt":"2026-01-01T00:00:00Z","draftKey":null}"#;
    let ContentsAnswer::Object(object) = contents_list(body, "settings", None).unwrap() else {
        panic!("a page")
    };
    assert_eq!(
        (object.id.as_str(), object.status),
        ("settings", Status::Publish)
    );
    let of_a_list = contents_list(body, "settings", Some(EndpointKind::List));
    assert!(of_a_list.unwrap_err().contains("as the answer of a list"));
    assert!(contents_list(body, "settings", Some(EndpointKind::Object)).is_ok());
    assert!(contents_list(br#"{"message":"hm"}"#, "settings", None).is_err());
    assert!(contents_list(br#"{"contents":[]}"#, "blog", None).is_err());
}

#[test]
fn the_total_of_a_listing_may_be_spelled_as_a_fraction_or_as_text() {
    for total in ["3", "3.0", "\"3\""] {
        let body = format!(r#"{{"contents":[],"totalCount":{total}}}"#);
        let ContentsAnswer::Page { total_count, .. } =
            contents_list(body.as_bytes(), "x", None).unwrap()
        else {
            panic!("an object")
        };
        assert_eq!(total_count, 3, "{total}");
    }
    assert!(contents_list(br#"{"contents":[],"totalCount":"many"}"#, "x", None).is_err());
}

#[test]
fn statuses_may_be_new_or_missing() {
    let read = |text: &str| read_content(text, None).unwrap().status;
    assert_eq!(
        read(r#"{"id":"a","status":["PUBLISH_AND_DRAFT"]}"#),
        Status::PublishAndDraft
    );
    assert_eq!(
        read(r#"{"id":"a","status":["DRAFT","PUBLISH"]}"#),
        Status::PublishAndDraft
    );
    assert_eq!(
        read(r#"{"id":"a","status":["NEU","DRAFT"]}"#),
        Status::Other("NEU,DRAFT".into())
    );
    assert_eq!(
        read(r#"{"id":"a","status":["NEU"]}"#),
        Status::Other("NEU".to_owned())
    );
    assert_eq!(read(r#"{"id":"a"}"#), Status::Other(String::new()));
}

#[test]
fn both_generations_of_the_api_list_are_read() {
    let body = r#"{"apis":[{"name":"ブログ","endpoint":"blog","type":"list"},{"apiName":"設定","apiEndpoint":"settings","apiType":["OBJECT"]}]}"#;
    assert_eq!(
        apis(body.as_bytes()).unwrap(),
        [
            entry("blog", "ブログ", Ok(EndpointKind::List)),
            entry("settings", "設定", Ok(EndpointKind::Object)),
        ]
    );
}

fn entry(
    endpoint: &str,
    name: &str,
    kind: Result<EndpointKind, String>,
) -> Result<ApiEntry, String> {
    Ok(ApiEntry {
        endpoint: Endpoint::parse(endpoint).unwrap(),
        name: name.to_owned(),
        kind,
    })
}

#[test]
fn an_api_that_is_listed_oddly_keeps_no_other_from_being_read() {
    let usable = [
        (
            r#"{"name":7,"endpoint":"a","type":"list"}"#,
            entry("a", "a", Ok(EndpointKind::List)),
        ),
        (
            r#"{"name":"new","apiName":"old","endpoint":"a","apiEndpoint":"b","type":"LIST","apiType":"object"}"#,
            entry("a", "new", Ok(EndpointKind::List)),
        ),
        (
            r#"{"name":"n","endpoint":"a","type":"tree"}"#,
            entry("a", "n", Err("tree".to_owned())),
        ),
        (
            r#"{"name":"n","endpoint":"a"}"#,
            entry("a", "n", Err(String::new())),
        ),
    ];
    let unusable = [
        "null",
        "7",
        r#"{"name":"n","type":"list"}"#,
        r#"{"endpoint":7,"type":"list"}"#,
        r#"{"endpoint":"a/b","type":"list"}"#,
        r#"{"endpoint":"a","endpoint":"b","type":"list"}"#,
        r#"{"endpoint":"a","type":"list","\ud800":1}"#,
    ];
    let good = r#"{"name":"Good","endpoint":"good","type":"list"}"#;
    let read = |item: &str| {
        let body = format!(r#"{{"apis":[{item},{good}]}}"#);
        let [first, second] = apis(body.as_bytes()).unwrap().try_into().unwrap();
        assert_eq!(
            second,
            entry("good", "Good", Ok(EndpointKind::List)),
            "{item}"
        );
        first
    };
    for (item, expected) in usable {
        assert_eq!(read(item), expected, "{item}");
    }
    for item in unusable {
        assert!(read(item).is_err(), "{item}");
    }
    assert!(
        apis(br#"{"apis":null}"#).is_err()
            && apis(b"{}").is_err()
            && apis(br#"{"apis":{}}"#).is_err()
    );
}

#[test]
fn json_that_is_not_about_what_was_asked_is_no_answer() {
    assert_eq!(
        body_of(br#"{"id":"a","x":1}"#, "a").unwrap().text,
        r#"{"id":"a","x":1}"#
    );
    assert_eq!(
        body_of(br#"{"id":"b"}"#, "a").unwrap_err(),
        "it is about `b`"
    );
    assert_eq!(body_of(b"{}", "a").unwrap_err(), "it has no `id`");
    for none in [
        "{}",
        r#"{"message":"Internal"}"#,
        "[]",
        "null",
        r#""x""#,
        "",
    ] {
        let body = none.as_bytes();
        assert!(
            body_object(body).is_err() && schema(body).is_err(),
            "{none}"
        );
    }
    let without_dates = br#"{"title":"t"}"#;
    assert_eq!(
        body_object(without_dates).unwrap().text.as_bytes(),
        without_dates
    );
    assert!(body_object(br#"{"message":"hello","createdAt":null}"#).is_ok());
    let page = br#"{"contents":[{"id":"a"}],"totalCount":1,"offset":0,"limit":10}"#;
    assert!(body_object(page).is_err(), "a page of a list");
    let own = br#"{"contents":[],"totalCount":1,"offset":0,"limit":10,"updatedAt":"x"}"#;
    assert!(body_object(own).is_ok(), "fields of its own");
    for form in [r#"{"apiFields":[]}"#, r#"{"fields":[]}"#] {
        assert_eq!(schema(form.as_bytes()).unwrap(), form);
    }
}

#[test]
fn what_is_not_json_is_named() {
    let said = |body: &[u8]| media_list(body).unwrap_err();
    assert_eq!(said(b""), "it is empty");
    assert_eq!(said(b"  <!doctype html>"), "it is an HTML page");
    assert_eq!(
        said(br#"{"media":[{"id":"#),
        "its JSON ends early, after 16 bytes"
    );
    assert_eq!(said(br#"{"medium":[]}"#), "it has no `media`");
    assert!(said(br#"{"media":{}}"#).starts_with("it is not the expected JSON: "));
    let deep = format!(
        r#"{{"id":"m","x":{}1{}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    let answer = media_list(format!(r#"{{"media":[{deep}],"totalCount":1}}"#).as_bytes()).unwrap();
    let served = serve_medium(answer.listed[0].clone()).unwrap();
    assert_eq!(served.id.as_str(), "m");
    let why = read_medium(&served.metadata).unwrap_err();
    assert!(why.contains("deeper"), "{why}");
    assert_eq!(
        message(br#"{"message":"GET is\u0007 forbidden."}"#).unwrap(),
        "GET is\u{fffd} forbidden."
    );
}

#[test]
fn a_value_of_another_type_is_as_good_as_none_and_half_a_character_is_named() {
    let odd =
        r#"{"id":"m1","url":{"\ud83d\ude00":1},"width":[1,{"a":2}],"updatedAt":7,"alt":"\udfff"}"#;
    let medium = read_medium(odd).unwrap();
    assert_eq!(
        (medium.url.as_str(), medium.width, medium.updated_at),
        ("", None, None)
    );
    let half = read_medium(r#"{"id":"m1","url":"a\ud800"}"#).unwrap_err();
    assert!(half.contains("half of a character"), "{half}");
    let content = read_content(r#"{"id":"a","status":{"x":1},"draftKey":""}"#, None).unwrap();
    assert_eq!(
        (content.status, content.draft_key),
        (Status::Other(String::new()), None)
    );
}

#[test]
fn only_the_id_and_the_status_of_what_is_listed_are_read_at_once() {
    let item = r#"{"id":"a","status":["DRAFT"],"updatedAt":1,"updatedAt":2}"#;
    let body = format!(r#"{{"contents":[{item}],"totalCount":1}}"#);
    let ContentsAnswer::Page { contents, .. } = contents_list(body.as_bytes(), "x", None).unwrap()
    else {
        panic!("an object")
    };
    let ContentsItem::Content(content) = &contents[0] else {
        panic!("{:?}", contents[0])
    };
    assert_eq!(content.status, Status::Draft);
    let why = read_content(&content.metadata, None).unwrap_err();
    assert!(why.contains("duplicate field"), "{why}");
}

#[test]
fn an_odd_item_keeps_no_other_from_being_read() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    let odd = [
        (r#"{"status":["DRAFT"]}"#, "it has no `id` that is text"),
        (r#"{"id":null}"#, "it has no `id` that is text"),
        (r#"{"id":7}"#, "it has no `id` that is text"),
        ("null", "it cannot be read"),
        (r#"{"id":""}"#, "not a usable content id"),
        (r#"{"id":"a","id":"b"}"#, "duplicate field"),
    ];
    let readable = r#"{"id":"good","status":["DRAFT"]}"#;
    let named = [
        r#"{"id":"named","status":1,"status":2}"#.to_owned(),
        r#"{"id":"named","\ud800":1}"#.to_owned(),
        format!(r#"{{"id":"named","x":{deep}}}"#),
    ];
    let page = |item: &str| {
        let body = format!(r#"{{"contents":[{item},{readable}],"totalCount":2}}"#);
        match contents_list(body.as_bytes(), "x", None).unwrap() {
            ContentsAnswer::Page { contents, .. } => {
                let [first, second] = contents.try_into().unwrap();
                assert_eq!(second.key(), "good", "{item}");
                first
            }
            ContentsAnswer::Object(_) => panic!("an object"),
        }
    };
    for (item, said) in odd {
        let ContentsItem::Odd(odd) = page(item) else {
            panic!("{item} has no id")
        };
        assert_eq!((odd.key, odd.place), (format!("\n{item}"), 0));
        assert!(odd.why.contains(said), "{item}: {}", odd.why);
    }
    for item in named {
        let ContentsItem::Content(content) = page(&item) else {
            panic!("{item} has an id")
        };
        assert_eq!((content.id.as_str(), &content.metadata), ("named", &item));
        assert!(read_content(&content.metadata, None).is_err(), "{item}");
    }
}

#[test]
fn brackets_in_texts_do_not_count_as_depth() {
    let fits = |body: &str| nests_reasonably(body.as_bytes());
    assert!(fits(&format!(r#"{{"a":"{}\""}}"#, "[".repeat(500))));
    assert!(fits(&format!(r#"["\\","{}"]"#, "[".repeat(500))));
    assert!(!fits(&format!(r#"["\"",{}"#, "[".repeat(500))));
    assert!(fits(&format!(r#"["never closed {}"#, "[".repeat(500))));
    assert!(fits("\"\\") && fits(""));
}

#[test]
fn a_size_is_the_same_number_however_it_is_spelled() {
    let width = |spelled: &str| {
        let item = format!(r#"{{"id":"m1","url":"https://h/a.png","width":{spelled}}}"#);
        read_medium(&item).unwrap().width
    };
    for spelled in ["1200", "1200.0", "1.2e3", "1200.000"] {
        assert_eq!(width(spelled), Some(1200), "{spelled}");
    }
    for odd in [
        "1200.5", "\"1200\"", "null", "1e300", "-1e300", "[1200]", "true",
    ] {
        assert_eq!(width(odd), None, "{odd}");
    }
    assert_eq!(width("-3"), Some(-3));
}

#[test]
fn a_content_with_two_bodies_has_none() {
    let page = |a: &str, b: &str| {
        let item = |title: &str| format!(r#"{{"id":"a","title":"{title}"}}"#);
        let (a, b) = (item(a), item(b));
        body_list(format!(r#"{{"contents":[{a},{b},{{"id":"c"}}]}}"#).as_bytes())
    };
    assert_eq!(page("x", "x").unwrap().len(), 3);
    assert_eq!(page("x", "y").unwrap_err(), "`a` has two bodies in it");
}

#[test]
fn a_text_that_is_odd_is_not_quoted_at_length() {
    let long = format!("\u{202e}{}", "あ".repeat(1_000_000));
    let medium = format!(r#"{{"id":["{long}"]}}"#);
    let api = format!(r#"{{"apis":["{long}"]}}"#);
    let list = format!(r#"{{"media":"{long}","totalCount":1}}"#);
    let other = format!(r#"{{"id":"{long}"}}"#);
    let twins = format!(r#"{{"contents":[{{"id":"{long}","a":1}},{{"id":"{long}","a":2}}]}}"#);
    let whys = [
        read_medium(&medium).unwrap_err(),
        media_list(list.as_bytes()).unwrap_err(),
        apis(api.as_bytes()).unwrap().remove(0).unwrap_err(),
        read_content(&format!("\"{long}\""), None).unwrap_err(),
        content_detail(format!("\"{long}\"").as_bytes(), "x").unwrap_err(),
        body_of(other.as_bytes(), "x").unwrap_err(),
        body_list(twins.as_bytes()).unwrap_err(),
        body_list(format!(r#"{{"contents":["{long}"]}}"#).as_bytes()).unwrap_err(),
        service_name(format!(r#"{{"name":["{long}"]}}"#).as_bytes()).unwrap_err(),
    ];
    for why in whys {
        assert!(
            why.chars().count() < 260,
            "{} characters",
            why.chars().count()
        );
        assert!(!why.contains('\u{202e}'), "{why}");
    }
    let kind = format!(r#"{{"apis":[{{"endpoint":"blog","type":"{long}"}}]}}"#);
    let entry = apis(kind.as_bytes()).unwrap().remove(0).unwrap();
    assert!(entry.kind.unwrap_err().chars().count() <= 200);
}

#[test]
fn what_the_service_says_cannot_steer_a_terminal() {
    let said = message("{\"message\":\"no\u{202e} right\u{200b}\\u001b[2J\"}".as_bytes());
    assert_eq!(said.as_deref(), Some("no\u{fffd} right\u{fffd}\u{fffd}[2J"));
}
