use super::*;
use proptest::prelude::*;
use std::convert::Infallible;

/// Judges bytes in memory, as they would be read from a file, and returns how many were asked for.
fn judge(bytes: &[u8]) -> (Option<Format>, usize) {
    let mut asked = 0;
    let head = &bytes[..bytes.len().min(512)];
    let lacking = lacking(head, bytes.len() as u64, |from, most| {
        let from = usize::try_from(from).unwrap().min(bytes.len());
        let read = &bytes[from..bytes.len().min(from.saturating_add(most))];
        asked += read.len();
        Ok::<_, Infallible>(read.to_vec())
    });
    (lacking.unwrap(), asked)
}

fn noise(length: usize) -> Vec<u8> {
    // No 0xff: none of the marks begins by chance.
    (0..length)
        .map(|i| u8::try_from((i * 7 + i / 251) % 255).unwrap())
        .collect()
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 8).unwrap();
    [&length.to_be_bytes()[..], kind, body].concat()
}

/// A JPEG with a small picture in its head, as cameras write it.
fn jpeg(length: usize) -> Vec<u8> {
    let small = [&b"\xff\xd8\xff\xdb"[..], &noise(3_000), b"\xff\xd9"].concat();
    let told = u16::try_from(small.len() + 2).unwrap();
    [
        &b"\xff\xd8\xff\xe1"[..],
        &told.to_be_bytes(),
        &small,
        b"\xff\xff\xdb\0\x04ab\xff\xda\0\x08123456",
        &noise(length),
        b"\xff\xd9",
    ]
    .concat()
}

fn drawing(start: &[u8], end: &[u8], length: usize) -> Vec<u8> {
    [start, &b"<path d=\"M0 0\"/>".repeat(length / 16 + 1), end].concat()
}

fn files(length: usize) -> Vec<(Format, Vec<u8>)> {
    let noise = noise(length);
    let with = |start: &[u8], end: &[u8]| [start, &noise, end].concat();
    let riff = u32::try_from(length + 4).unwrap().to_le_bytes();
    let long = u64::try_from(length + 16).unwrap().to_be_bytes();
    vec![
        (
            Format::Png,
            with(b"\x89PNG\r\n\x1a\n", b"\0\0\0\0IEND\xae\x42\x60\x82"),
        ),
        (Format::Gif, with(b"GIF89a", b"\0;")),
        (Format::Jpeg, jpeg(length)),
        (
            Format::Riff,
            with(&[b"RIFF", &riff[..], b"WEBP"].concat(), b""),
        ),
        (Format::Pdf, with(b"%PDF-1.7\n", b"\n%%EOF\n")),
        (
            Format::Zip,
            with(b"PK\x03\x04", &[&b"PK\x05\x06"[..], &[0; 18]].concat()),
        ),
        (
            Format::Svg,
            drawing(b"<svg xmlns=\"x\">", b"</svg>\n", length),
        ),
        (
            Format::Svg,
            drawing(
                b"<?xml version=\"1.0\"?>\n<!-- a -->\n<a:svg>",
                b"</a:svg>",
                length,
            ),
        ),
        (
            Format::Boxes,
            [
                boxed(b"ftyp", b"isom\0\0\0\0"),
                boxed(b"mdat", &noise),
                boxed(b"moov", b"12345678"),
            ]
            .concat(),
        ),
        (
            Format::Boxes,
            [
                boxed(b"ftyp", b"isom\0\0\0\0"),
                [&b"\0\0\0\x01mdat"[..], &long, &noise].concat(),
            ]
            .concat(),
        ),
    ]
}

#[test]
fn a_whole_file_has_its_end_and_one_that_was_cut_off_has_not() {
    for length in [100, 5_000, 300_000] {
        for (format, file) in files(length) {
            assert_eq!(judge(&file).0, None, "{format} of {length}");
            for kept in [file.len() - 2, file.len() / 2, file.len() * 4 / 5] {
                assert_eq!(
                    judge(&file[..kept]).0,
                    Some(format),
                    "{format}: {kept} of {}",
                    file.len()
                );
            }
        }
    }
}

#[test]
fn what_stands_behind_the_end_does_no_harm() {
    for (format, file) in files(3_000) {
        for behind in [&b"\0"[..], b"\r\n", &[0; 700]] {
            let longer = [&file, behind].concat();
            assert_eq!(judge(&longer).0, None, "{format}");
        }
    }
    for (format, file) in files(3_000) {
        let longer = [&file[..], &noise(50_000)].concat();
        let is_searched = matches!(format, Format::Png | Format::Jpeg | Format::Zip);
        if is_searched {
            assert_eq!(judge(&longer).0, None, "{format}");
        }
    }
}

#[test]
fn lengths_that_say_nothing_are_not_judged() {
    let riff = |told: u32| [&b"RIFF"[..], &told.to_le_bytes(), b"WAVEfmt 1234"].concat();
    for told in [0, u32::MAX, 4 + 8, 4 + 9] {
        assert_eq!(judge(&riff(told)).0, None, "{told}");
    }
    assert_eq!(judge(&riff(4 + 10)).0, Some(Format::Riff));
    let ftyp = boxed(b"ftyp", b"isom\0\0\0\0");
    for rest in [
        &b"\0\0\0\0mdat and all that follows"[..],
        b"\0\0\0\x02odd.",
        b"abc",
    ] {
        assert_eq!(judge(&[&ftyp, rest].concat()).0, None, "{rest:?}");
    }
}

#[test]
fn what_has_no_known_end_passes_and_is_not_read() {
    for bytes in [&b""[..], b"hello", b"OggS", b"\x1f\x8b\x08"] {
        assert_eq!(judge(bytes), (None, 0), "{bytes:?}");
    }
}

#[test]
fn little_is_read_of_a_long_file() {
    for (format, file) in files(3_000_000) {
        assert!(judge(&file).1 <= 8 * 1024, "{format}");
        let (lacks, asked) = judge(&file[..file.len() - 3]);
        assert_eq!(lacks, Some(format));
        assert!(asked <= 80 * 1024, "{format}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_read_without_end(
        start in 0_usize..9,
        noise in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let starts = files(10);
        let start = starts.get(start).map_or(&[][..], |(_, file)| &file[..file.len().min(12)]);
        let bytes = [start, &noise].concat();
        let (_, asked) = judge(&bytes);
        prop_assert!(asked <= 4 * bytes.len() + 16 * PARTS);
    }
}

#[test]
fn a_drawing_ends_where_its_own_element_does() {
    let lacks = |text: &str| judge(text.as_bytes()).0 == Some(Format::Svg);
    for whole in [
        "<svg/>",
        "<svg></svg>",
        "<svg><g/></svg \n><!-- a -->",
        "<x:svg><x:g/></x:svg>",
    ] {
        assert!(!lacks(whole), "{whole}");
    }
    for cut in [
        "<svg>",
        "<svg><g/>",
        "<x:svg><x:g/>",
        "<svg><a href=\":svg>\"/>",
        "<svg><text>svg>",
    ] {
        assert!(lacks(cut), "{cut}");
    }
}
