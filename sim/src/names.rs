//! File names as people upload them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::mix::Noise;

/// How a medium's URL path is laid out (facts sheet 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `/assets/{service}/{medium}/{name}`
    Two,
    /// `/assets/{medium}/{name}`, as in old examples of the docs.
    One,
    /// `/protected/ap-northeast-1:{uuid}/service/{id}/media/{name}`, before 2021.
    Legacy,
}

/// Real URLs show `@` and spaces encoded; `+` stands as it is.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'+')
    .remove(b'(')
    .remove(b')');

/// Percent-encodes a file name for a URL path.
pub(crate) fn encode(name: &str) -> String {
    utf8_percent_encode(name, IN_PATH).to_string()
}

/// The first media get these, so that the smallest service has the hard cases.
const HARD: &[(&str, Layout)] = &[
    ("logo.png", Layout::Two),
    ("スクリーンショット 2025-03-01 9.41.00.png", Layout::Two),
    ("hero image.jpg", Layout::Legacy),
    ("icon@2x.png", Layout::Two),
    ("a+b.jpg", Layout::Two),
    // "ガ": composed (NFC), then base letter and mark (NFD), as macOS uploads it.
    ("ガイド.pdf", Layout::Two),
    ("カ\u{3099}イト\u{3099}.pdf", Layout::Two),
    ("README", Layout::Two),
    (
        "Screenshot 2025-01-02 at 3.04.05\u{202f}PM.png",
        Layout::Two,
    ),
    ("image.png", Layout::Two),
    ("image.png", Layout::Two),
    ("会社案内(最終版).pdf", Layout::Legacy),
    ("100%.csv", Layout::Two),
    ("movie.mp4", Layout::Two),
    ("chart.svg", Layout::One),
    ("archive.tar.zip", Layout::Two),
    (".htaccess", Layout::Two),
    ("trailing dot.", Layout::Two),
    ("CON.png", Layout::Two),
    ("-rf.gif", Layout::Two),
    ("what?#&=.webp", Layout::Two),
    ("絵文字🎉.png", Layout::Two),
    ("LOGO.PNG", Layout::Two),
    ("\u{202e}gnp.exe", Layout::Two),
];

/// Where the very long name stands: right after the hard ones.
const LONG: usize = HARD.len();

const STEMS: &[&str] = &[
    "photo",
    "IMG_",
    "写真",
    "banner",
    "DSC0",
    "資料",
    "thumb-",
    "Untitled ",
    "logo",
    "図",
];
const EXTENSIONS: &[&str] = &[
    "png", "jpg", "jpg", "jpg", "webp", "gif", "JPG", "jpeg", "svg", "pdf", "csv", "mp4",
];

/// The name and layout of the medium with this serial number.
pub(crate) fn name_of(seed: u64, serial: u32) -> (String, Layout) {
    let index = serial as usize;
    if let Some((name, layout)) = HARD.get(index) {
        return ((*name).to_owned(), *layout);
    }
    if index == LONG {
        // 100 letters of 3 bytes: over the 255 bytes that a file system takes.
        return (format!("{}.jpg", "長い名前".repeat(25)), Layout::Two);
    }
    let mut noise = Noise::new(&[seed, u64::from(serial), crate::mix::salt("name")]);
    let name = format!(
        "{}{}.{}",
        noise.pick(STEMS),
        noise.below(10_000),
        noise.pick(EXTENSIONS)
    );
    let layout = match noise.below(100) {
        0..=2 => Layout::Legacy,
        3 => Layout::One,
        _ => Layout::Two,
    };
    (name, layout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_like_the_real_ones() {
        assert_eq!(encode("icon@2x.png"), "icon%402x.png");
        assert_eq!(encode("hero image+1.jpg"), "hero%20image+1.jpg");
        assert_eq!(encode("ス.png"), "%E3%82%B9.png");
        assert_eq!(encode("\u{202f}"), "%E2%80%AF");
    }

    #[test]
    fn one_of_the_first_names_is_too_long_for_a_file_system() {
        assert!((0..30).any(|serial| name_of(1, serial).0.len() > 255));
    }
}
