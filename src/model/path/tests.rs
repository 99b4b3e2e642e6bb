use proptest::prelude::*;

use super::*;

const HOST: &str = "images.microcms-assets.io";

fn path_of(url: &str) -> String {
    RelPath::for_url(url)
        .expect("the URL has a path")
        .as_str()
        .to_owned()
}

/// The safe form with its digits cut out, so that tables stay readable.
fn tail_of_safe(url: &str) -> String {
    let path = RelPath::for_url(url).expect("the URL has a path");
    let parts: Vec<_> = path.as_str().split('/').collect();
    assert_eq!(parts.len(), 4, "`{path}` has not the safe form");
    assert_eq!(parts[1], UNSAFE_FOLDER);
    assert!(
        parts[2].len() == 16 && parts[2].bytes().all(|b| b.is_ascii_hexdigit()),
        "{path}"
    );
    assert_eq!(path, RelPath::fallback(url).unwrap());
    assert!(path.is_fallback());
    parts[3].to_owned()
}

#[test]
fn an_ordinary_url_is_its_own_path() {
    let table = [
        (
            "https://h.io/assets/aa/bb/logo.png",
            "h.io/assets/aa/bb/logo.png",
        ),
        ("https://h.io/a.png?w=100&h=2#top", "h.io/a.png"),
        ("HTTPS://H.IO/A.PNG", "h.io/A.PNG"),
        ("https://h.io:443/a.png", "h.io/a.png"),
        ("https://h.io:8443/a.png", "h.io_8443/a.png"),
        (
            "http://127.0.0.1:8181/assets/a.png",
            "127.0.0.1_8181/assets/a.png",
        ),
        ("http://[::1]:8181/a.png", "[::1]_8181/a.png"),
        ("https://h.io/%E5%86%99%E7%9C%9F.png", "h.io/写真.png"),
        ("https://h.io/写真.png", "h.io/写真.png"),
        ("https://h.io/a%20b.png", "h.io/a b.png"),
        ("https://h.io/a+b.png", "h.io/a+b.png"),
        ("https://h.io/a%2Bb.png", "h.io/a+b.png"),
        ("https://h.io/%402x.png", "h.io/@2x.png"),
        // Decoded once, not twice.
        ("https://h.io/a%252Fb.png", "h.io/a%2Fb.png"),
        ("https://h.io/100%25.png", "h.io/100%.png"),
        ("https://h.io/100%.png", "h.io/100%.png"),
        // macOS puts a narrow no-break space into the names of its screenshots.
        (
            "https://h.io/9.41%E2%80%AFAM.png",
            "h.io/9.41\u{202f}AM.png",
        ),
        ("https://h.io/trailing.%20", "h.io/trailing. "),
        ("https://h.io/CON", "h.io/CON"),
        ("https://h.io/.htaccess", "h.io/.htaccess"),
        ("https://h.io/a/_unsafe/b", "h.io/a/_unsafe/b"),
        ("https://h.io/...", "h.io/..."),
        (
            "https://h.io/protected/ap-northeast-1:0f-1/service/s/media/a.png",
            "h.io/protected/ap-northeast-1:0f-1/service/s/media/a.png",
        ),
    ];
    for (url, expected) in table {
        assert_eq!(path_of(url), expected, "{url}");
        assert!(!RelPath::for_url(url).unwrap().is_fallback(), "{url}");
    }
}

#[test]
fn composed_and_decomposed_names_are_two_files() {
    let composed = path_of("https://h.io/%E3%81%8C.png");
    let decomposed = path_of("https://h.io/%E3%81%8B%E3%82%99.png");
    assert_ne!(composed, decomposed);
    assert!(composed.ends_with("\u{304c}.png") && decomposed.ends_with("\u{304b}\u{3099}.png"));
}

#[test]
fn a_hostile_or_impossible_name_gets_a_safe_one() {
    let long = format!("https://h.io/{}.png", "あ".repeat(200));
    let deep = format!("https://h.io/{}x.png", "a/".repeat(31));
    let wide = format!(
        "https://h.io/{}x.png",
        format!("{}/", "a".repeat(250)).repeat(5)
    );
    let table = [
        ("https://h.io/a/../b.png", "b.png"),
        ("https://h.io/a/%2e%2E/b.png", "b.png"),
        ("https://h.io/./b.png", "b.png"),
        ("https://h.io/..", "file"),
        ("https://h.io/%2e%2e", "file"),
        ("https://h.io//b.png", "b.png"),
        ("https://h.io/a/", "file"),
        ("https://h.io/", "file"),
        ("https://h.io", "file"),
        ("https://h.io?a=/b.png", "file"),
        ("https://h.io/..%2F..%2Fetc%2Fpasswd", "_.._etc_passwd"),
        ("https://h.io/..%5C..%5Cboot.ini", "_.._boot.ini"),
        ("https://h.io/a\\b.png", "a_b.png"),
        ("https://h.io\\a\\b.png", "file"),
        ("https:/h.io/b.png", "b.png"),
        (" https://h.io/b.png", "b.png"),
        ("https:///h.io/b.png", "b.png"),
        ("https://h.io/a%00b.png", "a_b.png"),
        ("https://h.io/a\tb.png", "a_b.png"),
        ("https://h.io/a%0Ab.png", "a_b.png"),
        ("https://h.io/a%7Fb.png", "a_b.png"),
        ("https://h.io/a%C2%9Bb.png", "a_b.png"),
        ("https://h.io/gpj.%E2%80%AEexe", "gpj._exe"),
        ("https://h.io/a%E2%81%A6b.png", "a_b.png"),
        ("https://h.io/a%E2%80%8Eb.png", "a_b.png"),
        ("https://h.io/a%D8%9Cb.png", "a_b.png"),
        ("https://h.io/a%E2%80%A8b.png", "a_b.png"),
        ("https://h.io/%FF%FE.png", "\u{fffd}\u{fffd}.png"),
        ("https://h.io/_unsafe/0123456789abcdef/b.png", "b.png"),
        ("https://h.io/.tmp/b.png", "b.png"),
        (deep.as_str(), "x.png"),
        (wide.as_str(), "x.png"),
    ];
    for (url, expected) in table {
        assert_eq!(tail_of_safe(url), expected, "{url}");
    }
    let tail = tail_of_safe(&long);
    assert!(
        tail.len() <= SAFE_NAME_BYTES && tail.starts_with('あ') && tail.ends_with(".png"),
        "{tail}"
    );
}

#[test]
fn the_deepest_and_longest_allowed_names_stay_as_they_are() {
    let deep = format!("https://h.io/{}x.png", "a/".repeat(30));
    assert_eq!(path_of(&deep).split('/').count(), MAX_SEGMENTS);
    let long = format!("https://h.io/{}", "a".repeat(MAX_SEGMENT_BYTES));
    assert!(!RelPath::for_url(&long).unwrap().is_fallback());
    assert!(RelPath::for_url(&format!("{long}a")).unwrap().is_fallback());
}

#[test]
fn two_spellings_of_one_path_have_different_fallbacks() {
    let (plain, encoded) = ("https://h.io/A.png", "https://h.io/%41.png");
    assert_eq!(path_of(plain), path_of(encoded));
    assert_ne!(
        RelPath::fallback(plain).unwrap(),
        RelPath::fallback(encoded).unwrap()
    );
}

#[test]
fn what_is_no_web_address_is_an_error_that_names_it_without_its_query() {
    let table = [
        ("logo.png?key=secret", "`logo.png` is not an absolute URL"),
        ("", "`` is not an absolute URL"),
        ("https://", "`https://` is not an absolute URL"),
        (
            "ftp://u:secret@h.io/a",
            "`ftp://h.io/a` is not an http or https URL",
        ),
        (
            "data:text/plain,x",
            "`data:text/plain,x` is not an http or https URL",
        ),
        (
            "https://.tmp/a",
            "the host of `https://.tmp/a` cannot be the name of a folder",
        ),
        (
            "https://../a",
            "the host of `https://../a` cannot be the name of a folder",
        ),
        (
            "no\u{1b}[31m\nurl",
            "`no\u{fffd}[31m\u{fffd}url` is not an absolute URL",
        ),
    ];
    for (url, expected) in table {
        let error = RelPath::for_url(url).expect_err(url);
        assert_eq!(error.to_string(), expected);
        assert!(RelPath::fallback(url).is_err());
    }
}

#[test]
fn a_stored_path_that_breaks_a_rule_is_refused() {
    for path in [
        "",
        "a",
        "/a/b",
        "a//b",
        "a/",
        "a/..",
        "../a",
        "a/./b",
        ".tmp/a",
        "a/b\\c",
        "a/b\nc",
        "a/b\0",
        "a/\u{202e}b",
    ] {
        assert!(RelPath::parse(path).is_err(), "{path:?}");
    }
    assert!(RelPath::parse("a/b").is_ok());
    assert!(RelPath::parse(&format!("a/{}", "b".repeat(256))).is_err());
    assert!(
        RelPath::parse(
            &"a/"
                .repeat(32)
                .trim_end_matches('/')
                .replace("a", &"b".repeat(33))
        )
        .is_err()
    );
}

#[test]
fn a_file_name_is_always_something_to_print() {
    let table = [
        ("https://h.io/a/%E5%86%99%E7%9C%9F.png?w=1", "写真.png"),
        ("https://h.io/a+b%20c.png", "a+b c.png"),
        ("https://h.io/..%2Fa.png", ".._a.png"),
        ("https://h.io/a%1B%5B2Jb.png", "a_[2Jb.png"),
        ("https://h.io/gpj.%E2%80%AEexe", "gpj._exe"),
        ("https://h.io/", "file"),
        ("https://h.io", "file"),
        ("https://h.io/%2e%2e", "file"),
        ("not a url", "file"),
        ("", "file"),
    ];
    for (url, expected) in table {
        assert_eq!(file_name(url), expected, "{url}");
    }
}

#[test]
fn an_asset_is_fetched_encrypted_or_from_this_machine() {
    let accepted = [
        (
            "https://Images.microcms-assets.io/a.png",
            "images.microcms-assets.io",
        ),
        ("https://h.io:443/a.png", "h.io"),
        ("https://h.io:8443/a.png", "h.io:8443"),
        ("http://127.0.0.1:8181/a.png", "127.0.0.1:8181"),
        ("http://127.9.9.9/a.png", "127.9.9.9"),
        ("http://localhost/a.png", "localhost"),
        ("http://[::1]:80/a.png", "[::1]"),
    ];
    for (url, key) in accepted {
        let asset = AssetUrl::parse(url).expect(url);
        assert_eq!(asset.host_key(), key);
        assert_eq!(asset.as_str(), url);
        assert_eq!(asset.rel_path(), RelPath::for_url(url).unwrap());
        let beside = RelPath::fallback(&format!("{url}#an id")).unwrap();
        assert_eq!(asset.safe_path("an id"), beside);
    }
    for url in [
        "http://h.io/a.png",
        "http://localhost.h.io/a",
        "http://128.0.0.1/a",
        "http://[::ffff:127.0.0.1]/a",
        "https://user@h.io/a",
        "https://user:pass@h.io/a",
        "https://:pass@h.io/a",
        "ftp://h.io/a",
        "/a.png",
        "file:///etc/passwd",
    ] {
        let error = AssetUrl::parse(url).expect_err(url);
        assert!(!error.to_string().contains("pass@"), "{error}");
    }
}

#[test]
fn a_shown_asset_url_keeps_its_query_to_itself() {
    let asset = AssetUrl::parse(&format!("https://{HOST}/a.png?draftKey=secret")).unwrap();
    assert_eq!(asset.to_string(), format!("https://{HOST}/a.png"));
    assert_eq!(asset.file_name(), "a.png");
}

/// URL texts that lean towards the difficult: encoded dots and slashes, controls, odd schemes, long parts.
fn url_text() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        "[a-z0-9]{0,8}(\\.png)?",
        Just("..".to_owned()),
        Just("%2e%2E".to_owned()),
        Just("%2F..%2f".to_owned()),
        Just("_unsafe".to_owned()),
        Just(".tmp".to_owned()),
        Just("%E2%80%AE".to_owned()),
        "%[0-9A-F]{2}(%[0-9A-F]{2}){0,4}",
        "\\PC{0,20}",
        any::<String>(),
        "[あ-ん]{60,120}",
    ];
    let start = prop_oneof![
        Just("https://h.io/".to_owned()),
        Just("https://h.io/assets/".to_owned()),
        Just("http://127.0.0.1:8181/".to_owned()),
        Just("https:\\\\h.io\\".to_owned()),
        any::<String>(),
        "https://[a-z.]{1,12}/",
    ];
    (start, prop::collection::vec(segment, 0..40))
        .prop_map(|(start, parts)| start + &parts.join("/"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_url_leads_out_of_the_mirror(url in url_text()) {
        for path in [RelPath::for_url(&url), RelPath::fallback(&url)].into_iter().flatten() {
            prop_assert!(!path.as_str().starts_with(['/', '.']));
            prop_assert!(path.as_str().len() <= MAX_PATH_BYTES);
            for segment in path.as_str().split('/') {
                prop_assert!(!matches!(segment, "" | "." | ".."), "{}", path);
                prop_assert!(segment.len() <= MAX_SEGMENT_BYTES && !segment.chars().any(is_hostile));
            }
            prop_assert_eq!(&RelPath::parse(path.as_str()).unwrap(), &path);
        }
    }

    #[test]
    fn two_urls_never_share_a_safe_path(a in url_text(), b in url_text()) {
        prop_assume!(a != b);
        if let (Ok(a), Ok(b)) = (RelPath::fallback(&a), RelPath::fallback(&b)) {
            prop_assert_ne!(a, b);
        }
    }

    #[test]
    fn the_short_look_at_a_text_misses_nothing(text in "[ -~\u{7f}\u{80}\u{e9}\u{202e}\u{0}\n]{0,12}") {
        let is_hostile = text.chars().any(|c| c != '/' && is_hostile(c));
        prop_assert!(!is_plain(&text) || !is_hostile, "{text:?}");
    }

    #[test]
    fn a_parsed_text_is_kept_as_it_is(text in "\\PC{0,40}/\\PC{0,40}") {
        if let Ok(path) = RelPath::parse(&text) {
            prop_assert_eq!(path.as_str(), text);
        }
    }

    #[test]
    fn every_file_name_is_printable(text in any::<String>()) {
        let name = file_name(&text);
        prop_assert!(!name.is_empty() && !name.chars().any(is_hostile));
    }
}
