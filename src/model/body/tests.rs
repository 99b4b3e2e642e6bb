use super::*;
use proptest::prelude::*;
use serde_json::json;

fn digest(body: &Value) -> BodyDigest {
    BodyDigest::of(&body.to_string())
}

fn mentions(body: &Value) -> Vec<(String, &'static str, String)> {
    digest(body)
        .mentions
        .into_iter()
        .map(|m| (m.field, m.place.as_str(), m.at.path))
        .collect()
}

#[test]
fn every_kind_of_field_names_its_files() {
    let url = |name: &str| format!("https://images.microcms-assets.io/assets/aa/bb/{name}");
    let body = json!({
        "id": "x", "createdAt": "2026-01-01T00:00:00.000Z",
        "image": {"url": url("one.png"), "height": 1, "width": 1},
        "gallery": [{"url": url("two.png")}, {"url": url("%E4%B8%89.png")}],
        "file": {"url": "https://files.microcms-assets.io/assets/aa/bb/four.pdf", "fileSize": 3},
        "body": format!("<p>a<img src=\"{}?w=300&amp;h=2\" alt=\"b\"><a href='{}'>c</a></p>", url("five.png"), url("six.pdf")),
        "note": format!("see ({}), or {}。", url("seven(1).png"), url("8.png")),
        "repeat": [{"fieldId": "part", "title of": {"url": "//cdn.example.jp/assets/aa/bb/nine.png"}}],
        "old": "<img srcset=\"https://x.example/assets/a/b/10.png 1x, https://x.example/assets/a/b/11.png 2x\">",
        "name": url("it's.png"),
        "link": "https://example.com/page", "other": "http://example.com/some.page/",
    });
    let expected = [
        ("$.body", "html", "/assets/aa/bb/five.png"),
        ("$.body", "html", "/assets/aa/bb/six.pdf"),
        ("$.file.url", "field", "/assets/aa/bb/four.pdf"),
        ("$.gallery[0].url", "field", "/assets/aa/bb/two.png"),
        ("$.gallery[1].url", "field", "/assets/aa/bb/三.png"),
        ("$.image.url", "field", "/assets/aa/bb/one.png"),
        ("$.name", "text", "/assets/aa/bb/it's.png"),
        ("$.note", "text", "/assets/aa/bb/seven(1).png"),
        ("$.note", "text", "/assets/aa/bb/8.png"),
        ("$.old", "html", "/assets/a/b/10.png"),
        ("$.old", "html", "/assets/a/b/11.png"),
        (
            "$.repeat[0].\"title of\".url",
            "field",
            "/assets/aa/bb/nine.png",
        ),
    ];
    let expected: Vec<_> = expected
        .map(|(field, place, path)| (field.to_owned(), place, path.to_owned()))
        .into();
    let mut found = mentions(&body);
    // Within a field in its order, whatever the order of the fields.
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(found, expected);
}

#[test]
fn the_same_url_twice_in_a_field_is_one_place() {
    let body = json!({"body": "<img src=\"https://a.b/assets/1/2/3.png\"><img src=\"https://a.b/assets/1/2/3.png\">"});
    assert_eq!(mentions(&body).len(), 1);
}

#[test]
fn the_text_is_what_people_read() {
    let body = json!({
        "id": "not-this", "title": "夏季休業の<お知らせ>",
        "body": "<h2 id=\"h1\">見出し</h2><p>東京<strong>タワー</strong>&amp;&nbsp;a &lt; b &#x3042;</p><ul><li>一</li><li>二</li></ul>\
                 <script>var x;</script><!-- hidden --><img src=\"https://a.b/assets/1/2/3.png\" alt=\"猫\">",
        "image": {"url": "https://a.b/assets/1/2/3.png", "alt": "犬"},
        "number": 3, "tags": ["赤", "青"], "part": {"fieldId": "not-this-either", "text": "1 < 2"},
    });
    assert_eq!(
        digest(&body).text,
        "夏季休業の<お知らせ>\n見出し\n東京タワー&\u{a0}a < b あ\n一\n二\n猫\n犬\n赤\n青\n1 < 2"
    );
}

#[test]
fn what_is_no_json_says_nothing() {
    assert_eq!(BodyDigest::of("{"), BodyDigest::default());
    assert_eq!(BodyDigest::of("null"), BodyDigest::default());
}

proptest! {
    #[test]
    fn no_text_is_too_strange(text in "\\PC{0,40}|[<>&;/a\"' :.#x(-]{0,40}") {
        let found = digest(&json!({"a": text, "url": text}));
        for mention in found.mentions {
            prop_assert!(text.contains(&mention.url));
        }
    }

    #[test]
    fn a_url_is_found_whatever_stands_around_it(
        name in "[a-zあ-ん0-9_~!*'()-]{1,12}", before in "[ 、。「(]?[a-zあ ]{0,5}", after in "[ 、。」\n<\"][a-zあ ]{0,5}",
    ) {
        let encoded = percent_encoding::utf8_percent_encode(&name, percent_encoding::NON_ALPHANUMERIC);
        let url = format!("https://images.microcms-assets.io/assets/aa/bb/{encoded}.png");
        let path = format!("/assets/aa/bb/{name}.png");
        let texts = [
            json!({"t": format!("{before} {url}{after}")}),
            json!({"t": format!("<p>{before}<img src=\"{url}?w=1&amp;h=2\"></p>")}),
            json!({"t": {"url": url}}),
        ];
        for body in texts {
            let found = digest(&body).mentions;
            prop_assert_eq!(found.len(), 1, "{}", body);
            prop_assert_eq!(&found[0].at.path, &path);
        }
    }
}

#[test]
fn a_name_with_spaces_and_a_sentence_right_behind_a_url_are_told_apart() {
    let paths = |text: &str| -> Vec<String> {
        let body = serde_json::json!({ "text": text }).to_string();
        let found = BodyDigest::of(&body).mentions.into_iter();
        found.map(|mention| mention.at.path).collect()
    };
    for text in [
        "<p><a href='//x.jp/assets/a/b/写真 23.png'>c</a></p>",
        "<p><img src=\"https://x.jp/assets/a/b/%E5%86%99%E7%9C%9F 23.png?w=1\"></p>",
        "画像はhttps://x.jp/assets/a/b/%E5%86%99%E7%9C%9F%2023.pngです。",
    ] {
        assert_eq!(paths(text), ["/assets/a/b/写真 23.png"], "{text}");
    }
    assert_eq!(
        paths("<p><img srcset=\"https://x.jp/a.png 1x, https://x.jp/b.png 2x\"></p>"),
        ["/a.png", "/b.png"]
    );
}

#[test]
fn a_body_with_half_an_emoji_or_a_number_too_large_says_the_rest() {
    let url = "https://images.microcms-assets.io/assets/aa/bb/one.png";
    let body =
        format!(r#"{{"title":"cut \ud83d","image":{{"url":"{url}"}},"n":1e400,"note":"after"}}"#);
    let digest = BodyDigest::of(&body);
    assert_eq!(digest.mentions.len(), 1, "{digest:?}");
    assert_eq!(digest.mentions[0].url, url);
    assert!(digest.text.contains("cut \u{fffd}") && digest.text.contains("after"));
}

/// What takes the square of its length at some place takes days here, and milliseconds otherwise.
#[test]
fn no_text_takes_long() {
    let n = 1 << 20;
    let texts = [
        format!("<p>x</p>{}", "<a".repeat(n)),
        format!("<p>x</p>{}\">", "<a".repeat(n)),
        format!("<p>x</p>{}", "<a \"<b '".repeat(n / 4)),
        format!("<p>x</p>{}", "<script></SCRIPT>".repeat(n / 8)),
        format!("<p>x</p>{}", "&".repeat(n)),
        "<a".repeat(n),
        format!("https://h.example/a.png{}", ")".repeat(n)),
        format!("https://h.example/{}", "あ".repeat(n)),
        format!("https://h.example/?{}", "あ".repeat(n)),
        "https://h.example/a.pngあ".repeat(n / 8),
        "//".repeat(n),
        (0..n / 8)
            .map(|number| format!("https://h.example/{number}.png "))
            .collect(),
        format!("<img src=\"{}\">", "https://h.example/a.png ".repeat(n / 8)),
        format!("<img src='{}", "https://h.example/a b.png".repeat(n / 8)),
    ];
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for text in texts {
            let digest = digest(&json!({ "text": text }));
            done.send(digest.mentions.len()).unwrap();
        }
    });
    for number in 0..14 {
        let answer = is_done.recv_timeout(std::time::Duration::from_secs(120));
        assert!(answer.is_ok(), "text {number} is read for ever");
    }
}

#[test]
fn what_looks_like_a_tag_and_is_none_is_kept() {
    let text = |html: &str| digest(&json!({ "text": html })).text;
    assert_eq!(text("<p>a <b c <i>d</i></p>"), "a <b c d");
    assert_eq!(text("<p>a<SCRIPT>b</x></Script>c</p>"), "ac");
    assert_eq!(text("<p title=\"a > b\">c</p>"), "c");
    assert_eq!(
        text("<p>&#0000065;&unknown;&amp&lt;</p>"),
        "A&unknown;&amp<"
    );
}

/// The same as seen from the end.
fn ends_like_a_file(url: &str) -> bool {
    let url = url.split(['?', '#']).next().unwrap_or(url);
    url.rsplit_once('/')
        .and_then(|(_, name)| name.rsplit_once('.'))
        .is_some_and(|(_, ending)| {
            (2..=5).contains(&ending.len()) && ending.bytes().all(|b| b.is_ascii_alphanumeric())
        })
}

proptest! {
    #[test]
    fn an_ending_is_the_same_both_ways(url in "[a-c1./?#あ-]{0,24}") {
        prop_assert_eq!(mentions::has_ending(&url), ends_like_a_file(&url), "{}", url);
    }
}
