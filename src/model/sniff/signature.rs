//! What the first bytes of known formats look like, and what no format but text looks like.

use super::HEAD_BYTES;

/// Returns whether a body begins like an image of a common binary format.
pub(super) fn is_image(head: &[u8]) -> bool {
    match head {
        [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..]
        | [0xff, 0xd8, 0xff, ..]
        | [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..]
        | [b'I', b'I', b'*', 0, ..]
        | [b'M', b'M', 0, b'*', ..] => true,
        [b'R', b'I', b'F', b'F', _, _, _, _, form @ ..] => form.starts_with(b"WEBP"),
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => {
            [b"avif", b"avis", b"heic", b"heix", b"mif1"]
                .iter()
                .any(|known| brand.starts_with(*known))
        }
        _ => false,
    }
}

/// Returns whether a body begins like a file of any binary format that is known here, whichever it is: a
/// file under the wrong ending is still the file.
pub(super) fn is_known(head: &[u8]) -> bool {
    const STARTS: &[&[u8]] = &[
        // Images.
        b"BM",
        b"\0\0\x01\0",
        b"\0\0\x02\0",
        b"8BPS",
        b"\xff\x0a",
        b"\0\0\0\x0cJXL ",
        b"\0\0\0\x0cjP  ",
        b"\xff\x4f\xff\x51",
        b"II+\0",
        b"MM\0+",
        b"II\xbc",
        // Documents and fonts.
        b"\xd0\xcf\x11\xe0",
        b"{\\rtf",
        b"\0\x01\0\0",
        b"OTTO",
        b"true",
        b"ttcf",
        b"wOFF",
        b"wOF2",
        b"\0asm",
        b"glTF",
        // Archives.
        b"PK",
        b"\x1f\x8b",
        b"\x1f\x9d",
        b"BZh",
        b"\xfd7zXZ\0",
        b"\x28\xb5\x2f\xfd",
        b"7z\xbc\xaf\x27\x1c",
        b"Rar!",
        // Sound and film.
        b"RIFF",
        b"RIFX",
        b"RF64",
        b"FORM",
        b"OggS",
        b"fLaC",
        b"ID3",
        b"\x1a\x45\xdf\xa3",
        b"FLV\x01",
        b"\0\0\x01",
        b"\x30\x26\xb2\x75",
    ];
    is_image(head)
        || STARTS.iter().any(|start| head.starts_with(start))
        // Readers look for it in the first 1,024 bytes; junk before it is usual.
        || head.windows(5).any(|window| window == b"%PDF-")
        // A frame of MPEG sound without a tag before it.
        || matches!(head, [0xff, second, ..] if second & 0xe0 == 0xe0)
        || matches!(
            head.get(4..8),
            Some(b"ftyp" | b"moov" | b"mdat" | b"wide" | b"free" | b"skip" | b"pnot")
        )
}

/// Returns whether all of the first bytes are text, in ASCII or UTF-8.
pub(super) fn is_text(head: &[u8]) -> bool {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The last character may be cut where the head ends.
        Err(err) if err.error_len().is_none() && head.len() >= HEAD_BYTES => {
            let whole = head.get(..err.valid_up_to());
            whole
                .and_then(|whole| std::str::from_utf8(whole).ok())
                .unwrap_or_default()
        }
        Err(_) => return false,
    };
    let is_control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\x0c');
    !text.trim().is_empty() && !text.contains(is_control)
}
