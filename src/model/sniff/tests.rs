use super::*;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
const HTML: &[u8] = b"<!DOCTYPE html>\n<html><head><title>502</title>";
const JSON: &[u8] = br#"{"message":"forbidden"}"#;
const S3: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code>";
const SVG: &[u8] =
    b"<?xml version=\"1.0\"?>\n<!-- made by hand -->\n<svg xmlns=\"http://www.w3.org/2000/svg\">";

/// File name, whether it is an image, content type, first bytes.
type Accepted<'a> = (&'a str, bool, Option<&'a str>, &'a [u8]);
/// The same, and the reason.
type Refused<'a> = (&'a str, bool, Option<&'a str>, &'a [u8], &'a str);

fn verdict(
    file_name: &str,
    is_image: bool,
    content_type: Option<&str>,
    head: &[u8],
) -> Result<(), NotTheFile> {
    check(&Answer {
        file_name,
        is_image,
        content_type,
        head,
        total_bytes: head.len() as u64,
        has_told_end: true,
        saved_bytes: None,
    })
}

#[test]
fn a_file_that_is_what_it_is_called_passes() {
    let table: &[Accepted<'_>] = &[
        ("a.png", true, Some("image/png"), PNG),
        ("a.png", true, None, PNG),
        (
            "a.png",
            true,
            Some("application/octet-stream"),
            b"\x01unknown bytes\xfe",
        ),
        // The bytes are what is backed up; a wrong header does not make them wrong.
        ("a.png", true, Some("text/html"), PNG),
        ("a.JPG", true, Some("image/webp"), b"\xff\xd8\xff\xe0"),
        ("a.svg", true, Some("image/svg+xml"), SVG),
        ("a.svg", true, Some("text/html"), SVG),
        (
            "a.svg",
            true,
            Some("application/xml"),
            b"<!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\"><svg/>",
        ),
        ("a.html", false, Some("text/html; charset=utf-8"), HTML),
        ("a.htm", false, None, HTML),
        ("a.xhtml", false, Some("application/xhtml+xml"), HTML),
        ("a.md", false, Some("text/markdown"), HTML),
        ("a.txt", false, Some("text/plain"), HTML),
        ("a.txt", false, Some("text/plain"), JSON),
        (
            "a.xls",
            false,
            Some("application/vnd.ms-excel"),
            b"<html><table>",
        ),
        ("a.json", false, Some("application/json"), JSON),
        ("a.json", false, Some("text/html"), JSON),
        ("a.geojson", false, Some("application/geo+json"), JSON),
        ("a.xml", false, Some("application/xml"), S3),
        ("a.csv", false, Some("text/csv"), b"<a>,<b>\n"),
        ("a.csv", false, Some("text/html"), b"id,name\n"),
        ("a.pdf", false, Some("application/pdf"), b"%PDF-1.7"),
        ("a.pdf", false, Some("text/xml"), b"%PDF-1.7"),
        (
            "a.bin",
            false,
            Some("application/octet-stream"),
            b"{\"a\":1}",
        ),
        (
            "noextension",
            false,
            Some("application/octet-stream"),
            b"\0\x01",
        ),
        ("noextension", false, None, b"<svg>"),
        ("empty.txt", false, Some("text/plain"), b""),
        ("empty.csv", false, Some("text/html"), b""),
        ("empty.sqlite", false, None, b""),
        ("empty", false, None, b""),
        // Files under a wrong name, of a wrong type or both.
        ("a.png", true, Some("text/plain"), b"BM\x36\0\0\0"),
        ("a.png", true, Some("text/plain"), b"\xff\xd8\xff\xe0"),
        ("a.png", true, Some("image/png"), SVG),
        ("a.png", true, None, b"<svg:svg xmlns:svg=\"\">"),
        (
            "a.jpg",
            true,
            Some("text/plain"),
            b"\x8aPDF or so\xff %PDF-1.4",
        ),
        ("noextension", true, Some("image/svg+xml"), b"<svg/>"),
        ("a.pdf", false, Some("text/plain"), b"%PDF-1.4\n1 0 obj"),
        ("a.mp3", false, Some("text/plain"), b"\xff\xfb\x90\x00"),
        ("a.docx", false, Some("text/plain"), b"{\\rtf1\\ansi"),
        ("a.png", true, Some("text/csv"), b"id,name\n"),
        ("a.xlsx", false, Some("text/csv"), b"id,name\n1,2\n"),
        ("a.bin", false, Some("text/plain"), b"words"),
        // What its host calls a file of that kind, or nothing at all.
        ("a.webp", true, Some("image/webp"), b"words"),
        ("a.pdf", false, None, b"words"),
        ("a.mp4", false, Some("video/mp4"), b"words"),
        (
            "a.txt",
            false,
            Some("text/plain"),
            b"upstream connect error",
        ),
        ("a.svg", true, Some("text/plain"), b"<svg/>"),
        (
            "a.svg",
            true,
            Some("text/plain"),
            b"\xef\xbb\xbf\n <!-- drawn",
        ),
        ("a.svg", true, Some("image/svg+xml"), b"words of a designer"),
        ("a.svg", true, Some("text/plain"), b"\x1f\x8b\x08"),
        (
            "a.eps",
            false,
            Some("text/plain"),
            b"%!PS-Adobe-3.0 EPSF-3.0",
        ),
        ("a.ai", false, Some("text/plain"), b"%PDF-1.5"),
        ("a.rtf", false, Some("text/plain"), b"{\\rtf1\\ansi"),
        ("a.zip", false, None, b"\x07\x08no words"),
        ("a.mp4", false, Some("video/mp4"), b"\0\0\0 ftypisom"),
    ];
    for (name, is_image, content_type, head) in table {
        let verdict = verdict(name, *is_image, *content_type, head);
        assert_eq!(verdict, Ok(()), "{name} as {content_type:?}");
    }
}

#[test]
fn an_error_page_is_refused_with_a_reason() {
    let utf16: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(HTML.iter().flat_map(|byte| [*byte, 0]))
        .collect();
    let table: &[Refused<'_>] = &[
        (
            "a.png",
            true,
            Some("text/html"),
            HTML,
            "answered with an HTML page (`text/html`) where an image is expected",
        ),
        (
            "a.png",
            true,
            Some("TEXT/HTML; charset=UTF-8"),
            b"Sorry",
            "answered with an HTML page (`text/html`) where an image is expected",
        ),
        (
            "a.png",
            false,
            Some("image/png"),
            HTML,
            "answered with what begins like an HTML page where an image is expected",
        ),
        (
            "noextension",
            true,
            None,
            HTML,
            "answered with what begins like an HTML page where an image is expected",
        ),
        (
            "a.png",
            true,
            None,
            b"\xef\xbb\xbf \r\n<HTML>",
            "answered with what begins like an HTML page where an image is expected",
        ),
        (
            "a.png",
            true,
            None,
            &utf16,
            "answered with what begins like an HTML page where an image is expected",
        ),
        (
            "a.png",
            true,
            None,
            b"<!-- cached --><body class=x>",
            "answered with what begins like an HTML page where an image is expected",
        ),
        (
            "a.png",
            true,
            Some("image/png"),
            JSON,
            "answered with what begins like a JSON answer where an image is expected",
        ),
        (
            "a.png",
            true,
            None,
            b"[ {\n",
            "answered with what begins like a JSON answer where an image is expected",
        ),
        (
            "a.png",
            true,
            Some("application/json"),
            b"x",
            "answered with a JSON answer (`application/json`) where an image is expected",
        ),
        (
            "a.png",
            true,
            Some("application/xml"),
            b"x",
            "answered with an XML error (`application/xml`) where an image is expected",
        ),
        (
            "a.png",
            true,
            Some("image/png"),
            S3,
            "answered with what begins like an XML error where an image is expected",
        ),
        (
            "a.png",
            true,
            Some("image/png"),
            b"",
            "answered with an empty body where an image is expected",
        ),
        (
            "a.png",
            true,
            Some("text/plain; charset=utf-8"),
            b"upstream connect error or disconnect/reset before headers",
            "answered with a text (`text/plain`) where an image is expected",
        ),
        (
            "a.svg",
            true,
            Some("text/plain"),
            b"upstream connect error or disconnect/reset before headers",
            "answered with a text (`text/plain`) where an SVG image is expected",
        ),
        (
            "a.svgz",
            true,
            Some("text/plain"),
            b"upstream connect error or disconnect/reset before headers",
            "answered with a text (`text/plain`) where a text file is expected",
        ),
        (
            "a.eps",
            false,
            Some("text/plain"),
            b"upstream connect error or disconnect/reset before headers",
            "answered with a text (`text/plain`) where a text file is expected",
        ),
        (
            "a.ai",
            false,
            Some("text/plain"),
            b"upstream connect error or disconnect/reset before headers",
            "answered with a text (`text/plain`) where a text file is expected",
        ),
        (
            "a.rtf",
            false,
            Some("text/plain"),
            b"upstream connect error or disconnect/reset before headers",
            "answered with a text (`text/plain`) where a text file is expected",
        ),
        (
            "a.pdf",
            false,
            Some("application/pdf"),
            b"",
            "answered with an empty body where a file is expected",
        ),
        (
            "a.zip",
            false,
            None,
            b"",
            "answered with an empty body where a file is expected",
        ),
        (
            "a.svg",
            true,
            Some("image/svg+xml"),
            b"",
            "answered with an empty body where an SVG image is expected",
        ),
        (
            "a.svg",
            true,
            Some("text/html"),
            HTML,
            "answered with what begins like an HTML page where an SVG image is expected",
        ),
        (
            "a.svg",
            false,
            Some("image/svg+xml"),
            S3,
            "answered with what begins like an XML error where an SVG image is expected",
        ),
        (
            "a.pdf",
            false,
            Some("text/html"),
            b"x",
            "answered with an HTML page (`text/html`) where a file is expected",
        ),
        (
            "a.pdf",
            false,
            Some("application/pdf"),
            JSON,
            "answered with what begins like a JSON answer where a file is expected",
        ),
        (
            "a.zip",
            false,
            Some("application/xml"),
            S3,
            "answered with what begins like an XML error where a file is expected",
        ),
        (
            "noextension",
            false,
            Some("text/html"),
            b"x",
            "answered with an HTML page (`text/html`) where a file is expected",
        ),
        (
            "noextension",
            false,
            Some("application/json"),
            JSON,
            "answered with a JSON answer (`application/json`) where a file is expected",
        ),
        (
            "noextension",
            false,
            None,
            HTML,
            "answered with what begins like an HTML page where a file is expected",
        ),
        (
            "a.json",
            false,
            Some("text/html"),
            HTML,
            "answered with what begins like an HTML page where a text file is expected",
        ),
        (
            "a.txt",
            false,
            Some("text/html"),
            HTML,
            "answered with what begins like an HTML page where a text file is expected",
        ),
        (
            "a.csv",
            false,
            Some("application/json"),
            JSON,
            "answered with what begins like a JSON answer where a text file is expected",
        ),
        (
            "a.css",
            false,
            Some("application/xml"),
            S3,
            "answered with what begins like an XML error where a text file is expected",
        ),
    ];
    for (name, is_image, content_type, head, expected) in table {
        let reason = verdict(name, *is_image, *content_type, head).expect_err(name);
        assert_eq!(reason.to_string(), *expected, "{name} as {content_type:?}");
    }
}

#[test]
fn any_start_of_an_image_passes_whatever_follows() {
    for length in 0..=PNG.len() {
        let head = &PNG[..length];
        let answer = Answer {
            file_name: "a.png",
            is_image: true,
            content_type: Some("image/png"),
            head,
            total_bytes: 9,
            ..Answer::default()
        };
        assert_eq!(check(&answer), Ok(()), "{length}");
    }
}

#[test]
fn a_minified_page_is_a_page_too() {
    for head in [
        &b"<!doctype html><html><body>Please log in"[..],
        b"<!DOCTYPE HTML><head>",
        b"<!DOCTYPE html>x",
        b"<!doctype html",
    ] {
        assert!(
            verdict("a.png", true, Some("image/png"), head).is_err(),
            "{head:?}"
        );
    }
    assert!(verdict("a.svg", true, None, b"<!DOCTYPE svg><svg/>").is_ok());
}

#[test]
fn an_empty_body_is_a_file_only_where_it_takes_nothing_away_and_somebody_said_so() {
    let judge = |file_name: &str, has_told_end, saved_bytes| {
        let answer = Answer {
            file_name,
            has_told_end,
            saved_bytes,
            ..Answer::default()
        };
        check(&answer).map_err(|reason| reason.to_string())
    };
    for name in ["a.txt", "a.json", "a.html", "a.unheard-of", "a.db"] {
        assert_eq!(judge(name, true, None), Ok(()), "{name}");
        assert_eq!(judge(name, true, Some(0)), Ok(()), "{name}");
        assert!(judge(name, false, None).is_err(), "{name}");
        assert_eq!(
            judge(name, true, Some(7)).unwrap_err(),
            "answered with an empty body where a file of 7 bytes was saved before"
        );
    }
    for name in ["a.pdf", "a.mp4", "a.zip", "a.png", "a.svg"] {
        assert!(judge(name, true, None).is_err(), "{name}");
    }
}

#[test]
fn a_character_that_is_cut_where_the_head_ends_is_text_all_the_same() {
    let words = "あ".repeat(200);
    let head = &words.as_bytes()[..HEAD_BYTES];
    let plain = Some("text/plain");
    assert!(verdict("a.png", true, plain, head).is_err());
    assert!(verdict("a.png", true, None, head).is_ok());
    assert!(
        verdict("a.png", true, plain, &head[..100]).is_ok(),
        "a body that ends so is no text"
    );
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_check_panic(
        head in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..HEAD_BYTES),
        name in "[a-z]{1,4}\\.(png|pdf|svg|txt|mp4|html|bin)",
        is_image in proptest::prelude::any::<bool>(),
    ) {
        drop(verdict(&name, is_image, Some("text/plain"), &head));
    }
}
