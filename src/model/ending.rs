//! Does a body end as its format ends, or was it cut off before it came here?
//!
//! A host that announces neither a length nor chunks and hangs up sends a body that is whole as far as HTTP goes,
//! wherever it was cut. The format tells. It is no proof: readers are lenient, so there are files without an end that
//! somebody uploaded just so. What lacks its end is suspect, and whether it comes twice alike decides. What a host
//! itself says to be whole is taken for whole: files without an end are more common than hosts that miscount.

use super::sniff::is_drawing;
use std::fmt;

/// How much of the end of a JPEG, a PNG or a ZIP archive is searched: whatever stands behind the mark.
const TAIL: u64 = 66 * 1024;
/// Within so many bytes of the end the mark mostly stands.
const SHORT_TAIL: u64 = 1024;
const PDF_TAIL: u64 = 4 * 1024;
/// How many parts of a file are gone through. What has more is not judged.
const PARTS: usize = 256;

/// A format whose end is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// PNG: the chunk `IEND`.
    Png,
    /// GIF: the trailer.
    Gif,
    /// JPEG: the marker "end of image" behind the last "start of scan".
    Jpeg,
    /// WebP, WAV, AVI: the length is in the head.
    Riff,
    /// PDF: `%%EOF`.
    Pdf,
    /// ZIP and what is made of it, as office documents: the end of its directory.
    Zip,
    /// MP4, MOV, AVIF, HEIC: boxes that tell their lengths.
    Boxes,
    /// SVG: its element is closed.
    Svg,
}

impl Format {
    /// Tells the format by the first bytes. `None`: one whose end is not known here.
    pub fn of(head: &[u8]) -> Option<Self> {
        Some(match head {
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Self::Png,
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Self::Gif,
            [0xff, 0xd8, 0xff, ..] => Self::Jpeg,
            [b'R', b'I', b'F', b'F', ..] => Self::Riff,
            [b'%', b'P', b'D', b'F', b'-', ..] => Self::Pdf,
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Self::Zip,
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => Self::Boxes,
            // In characters of one byte, where its end can be looked for.
            _ if !head.contains(&0) && is_drawing(head) => Self::Svg,
            _ => return None,
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Png => "PNG image",
            Self::Gif => "GIF image",
            Self::Jpeg => "JPEG image",
            Self::Riff => "RIFF file",
            Self::Pdf => "PDF document",
            Self::Zip => "ZIP archive",
            Self::Boxes => "file of the MPEG-4 family",
            Self::Svg => "SVG image",
        })
    }
}

/// Returns the format of a body that lacks its end; `None` if it has it, or nobody knows how it should end.
///
/// `head` are the first bytes of a body of `total` bytes. `read` returns those from an offset on, as many as
/// asked for, fewer only at the end; it is asked for some ten kilobytes in all.
///
/// # Errors
/// What `read` returns.
pub fn lacking<E>(
    head: &[u8],
    total: u64,
    mut read: impl FnMut(u64, usize) -> Result<Vec<u8>, E>,
) -> Result<Option<Format>, E> {
    let Some(format) = Format::of(head) else {
        return Ok(None);
    };
    let has_end = match format {
        Format::Png => tail_has(total, 0, TAIL, &mut read, |tail| {
            holds(tail, b"IEND\xae\x42\x60\x82")
        })?,
        Format::Gif => tail_has(total, 0, SHORT_TAIL, &mut read, |tail| {
            let is_filling = |byte: &u8| matches!(byte, 0 | b'\r' | b'\n' | b' ');
            tail.iter().rev().find(|byte| !is_filling(byte)) == Some(&b';')
        })?,
        Format::Jpeg => {
            let scan = scan_at(total, &mut read)?;
            tail_has(total, scan, TAIL, &mut read, |tail| {
                holds(tail, b"\xff\xd9")
            })?
        }
        Format::Riff => has_riff_length(head, total),
        Format::Pdf => tail_has(total, 0, PDF_TAIL, &mut read, |tail| holds(tail, b"%%EOF"))?,
        Format::Zip => tail_has(total, 0, TAIL, &mut read, |tail| {
            // The record has 22 bytes at least.
            let starts = tail.len().saturating_sub(22 - 4);
            tail.get(..starts)
                .is_some_and(|starts| holds(starts, b"PK\x05\x06"))
        })?,
        Format::Boxes => are_boxes_whole(total, &mut read)?,
        Format::Svg => tail_has(total, 0, TAIL, &mut read, is_closed)?,
    };
    Ok((!has_end).then_some(format))
}

/// Looks for the end in the last bytes, `most` at most and none before `from`. The last few are looked at first.
fn tail_has<E>(
    total: u64,
    from: u64,
    most: u64,
    read: &mut impl FnMut(u64, usize) -> Result<Vec<u8>, E>,
    is_end: impl Fn(&[u8]) -> bool,
) -> Result<bool, E> {
    let mut before = None;
    for span in [SHORT_TAIL.min(most), most] {
        let at = total.saturating_sub(span).max(from).min(total);
        if before == Some(at) {
            break;
        }
        before = Some(at);
        let bytes = read(at, usize::try_from(total - at).unwrap_or(usize::MAX))?;
        if is_end(&bytes) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns whether the end of an SVG closes its element (`</svg>`, `</x:svg >`), or is all of an empty one (`<svg/>`).
fn is_closed(tail: &[u8]) -> bool {
    const NAME: &[u8] = b"svg";
    let ends = tail.windows(NAME.len()).enumerate().rev();
    let mut ends = ends.filter(|(_, name)| *name == NAME);
    let is_end = ends.any(|(at, _)| {
        let (before, after) = tail.split_at(at);
        let after = after.strip_prefix(NAME).unwrap_or(after).trim_ascii_start();
        let tag = before
            .rsplit(|byte| *byte == b'<')
            .next()
            .unwrap_or_default();
        let is_name = tag == b"/" || (tag.starts_with(b"/") && tag.ends_with(b":"));
        is_name && after.starts_with(b">")
    });
    let begins = |pair: &&[u8]| matches!(pair, [b'<', name] if name.is_ascii_alphabetic());
    is_end
        || (tail.trim_ascii_end().ends_with(b"/>") && tail.windows(2).filter(begins).count() == 1)
}

fn holds(bytes: &[u8], mark: &[u8]) -> bool {
    bytes.windows(mark.len()).rev().any(|window| window == mark)
}

/// Returns where the picture of a JPEG begins: what stands before it may hold a small picture with an end of its own.
/// Where the markers do not lead there, the place up to which they lead.
fn scan_at<E>(
    total: u64,
    read: &mut impl FnMut(u64, usize) -> Result<Vec<u8>, E>,
) -> Result<u64, E> {
    let mut at = 2;
    for _part in 0..PARTS {
        let length = match read(at, 4)?.as_slice() {
            // Filling before a marker.
            [0xff, 0xff, ..] => 1,
            [0xff, 0xda | 0xd9, ..] => break,
            [0xff, 0x01 | 0xd0..=0xd8, ..] => 2,
            [0xff, 0xc0..=0xcf | 0xdb..=0xef | 0xfe, high, low] => {
                2 + u64::from(u16::from_be_bytes([*high, *low]))
            }
            _ => break,
        };
        at += length;
        if at >= total {
            break;
        }
    }
    Ok(at)
}

/// The length in the head counts what follows it. Writers that do not know it leave it empty, and some forget the
/// byte that fills up an odd one.
fn has_riff_length(head: &[u8], total: u64) -> bool {
    let Some([a, b, c, d]) = head.get(4..8) else {
        return false;
    };
    match u32::from_le_bytes([*a, *b, *c, *d]) {
        0 | u32::MAX => true,
        told => u64::from(told) + 8 <= total + 1,
    }
}

/// Goes from box to box: none may reach beyond the end. What is no box is not judged.
fn are_boxes_whole<E>(
    total: u64,
    read: &mut impl FnMut(u64, usize) -> Result<Vec<u8>, E>,
) -> Result<bool, E> {
    let mut at = 0;
    for _part in 0..PARTS {
        let bytes = read(at, 16)?;
        let length = match bytes.as_slice() {
            // To the end, however far that is.
            [0, 0, 0, 0, ..] => return Ok(true),
            [0, 0, 0, 1, _, _, _, _, long @ ..] => match long.try_into() {
                Ok(long) => u64::from_be_bytes(long),
                Err(_cut) => return Ok(false),
            },
            [a, b, c, d, _, _, _, _, ..] => u64::from(u32::from_be_bytes([*a, *b, *c, *d])),
            // Filling, if anything.
            _ => return Ok(true),
        };
        if length < 8 {
            return Ok(true);
        }
        match at.checked_add(length) {
            Some(end) if end < total => at = end,
            Some(end) => return Ok(end == total),
            None => return Ok(false),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
