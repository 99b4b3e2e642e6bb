//! The bytes of media: made on demand from the seed, so that they need no memory.
//!
//! A file starts and ends like a real one of its kind, so that whoever sniffs the
//! content sees an image or a PDF; between is noise.

use std::cell::OnceCell;
use std::ops::Range;

use bytes::Bytes;
use flate2::Crc;

use crate::form::Form;
use crate::mix::{Noise, mix_all, salt};

/// Where the bytes of one medium come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ByteSource {
    /// Made from the seed; another `version` is other bytes.
    Made {
        form: Form,
        key: u64,
        version: u32,
        width: u32,
        height: u32,
        wanted: u64,
    },
    /// Given by a test.
    Given { form: Form, bytes: Bytes },
}

impl ByteSource {
    pub(crate) const fn form(&self) -> Form {
        match self {
            Self::Made { form, .. } | Self::Given { form, .. } => *form,
        }
    }

    /// The length without making the bytes.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Made { form, wanted, .. } => {
                let frame = form.head(0, 0, 0).len() as u64 + form.tail_len();
                (*wanted).max(frame + 1)
            }
            Self::Given { bytes, .. } => bytes.len() as u64,
        }
    }

    /// The bytes, all in memory; the same at every call.
    pub(crate) fn bytes(&self) -> Bytes {
        match self {
            Self::Given { bytes, .. } => bytes.clone(),
            Self::Made { .. } => self.reader().read(0..self.len()),
        }
    }

    /// Makes single parts of the bytes.
    pub(crate) fn reader(&self) -> Reader {
        Reader::new(self)
    }

    /// A validator that changes exactly when the bytes do, quotes included.
    pub(crate) fn etag(&self) -> String {
        let key = match self {
            Self::Made { key, version, .. } => mix_all(&[*key, u64::from(*version), salt("etag")]),
            Self::Given { bytes, .. } => bytes.iter().fold(salt("given"), |h, b| {
                (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
            }),
        };
        format!("\"{key:016x}{:016x}\"", mix_all(&[key]))
    }

    /// The same, shorter or longer; given bytes are cut or stay as they are.
    pub(crate) fn of_length(&self, size: u64) -> Self {
        match self.clone() {
            Self::Made {
                form,
                key,
                version,
                width,
                height,
                ..
            } => Self::Made {
                form,
                key,
                version,
                width,
                height,
                wanted: size,
            },
            Self::Given { form, bytes } => Self::Given {
                form,
                bytes: bytes.slice(..place(size).min(bytes.len())),
            },
        }
    }

    /// Other bytes of the same kind: the next version.
    pub(crate) fn next_version(&self, key: u64) -> Self {
        match self {
            Self::Made {
                form,
                key,
                version,
                width,
                height,
                wanted,
            } => Self::Made {
                form: *form,
                key: *key,
                version: version + 1,
                width: *width,
                height: *height,
                wanted: wanted + 1,
            },
            Self::Given { form, bytes } => {
                let wanted = bytes.len() as u64 + 1;
                Self::Made {
                    form: *form,
                    key,
                    version: 1,
                    width: 1,
                    height: 1,
                    wanted,
                }
            }
        }
    }
}

/// From this length on, the noise repeats, but for [`Reader::mark`]: gigabytes of it
/// must not cost a test its patience.
const BLOCK: u64 = 1024 * 1024;

/// Makes any part of the bytes, with the memory of a block at most.
#[derive(Debug)]
pub(crate) enum Reader {
    Given(Bytes),
    Made {
        form: Form,
        key: u64,
        head: Vec<u8>,
        /// The noise, or its first block.
        block: Vec<u8>,
        noise_len: u64,
        /// Made when it is first read, for it can depend on all the noise.
        tail: OnceCell<Vec<u8>>,
    },
}

impl Reader {
    fn new(source: &ByteSource) -> Self {
        let ByteSource::Made {
            form,
            key,
            version,
            width,
            height,
            ..
        } = source
        else {
            return Self::Given(source.bytes());
        };
        let len_of = |noise_len: u64| u32::try_from(noise_len).unwrap_or(u32::MAX);
        let frame = form.head(0, 0, 0).len() as u64 + form.tail_len();
        let noise_len = source.len().saturating_sub(frame);
        let mut block = vec![0; place(noise_len.min(BLOCK))];
        Noise::new(&[*key, u64::from(*version)]).fill(&mut block);
        if form.is_text() {
            block.iter_mut().for_each(|byte| *byte = letter(*byte));
        }
        Self::Made {
            form: *form,
            key: mix_all(&[*key, u64::from(*version)]),
            head: form.head(*width, *height, len_of(noise_len)),
            block,
            noise_len,
            tail: OnceCell::new(),
        }
    }

    /// This part of the bytes; what lies beyond their end is left out.
    pub(crate) fn read(&self, part: Range<u64>) -> Bytes {
        match self {
            Self::Given(bytes) => {
                let end = place(part.end).min(bytes.len());
                bytes.slice(place(part.start).min(end)..end)
            }
            Self::Made {
                head, noise_len, ..
            } => {
                let mut out = Vec::with_capacity(place(part.end.saturating_sub(part.start)));
                let head_len = head.len() as u64;
                out.extend_from_slice(within(head, &part, 0));
                let noise = part.start.max(head_len)..part.end.min(head_len + noise_len);
                self.noise(
                    noise.start.saturating_sub(head_len)..noise.end.saturating_sub(head_len),
                    &mut out,
                );
                let tail_at = head_len + noise_len;
                if part.end > tail_at {
                    out.extend_from_slice(within(self.tail(), &part, tail_at));
                }
                Bytes::from(out)
            }
        }
    }

    /// Appends a part of the noise.
    fn noise(&self, part: Range<u64>, out: &mut Vec<u8>) {
        let Self::Made { block, .. } = self else {
            return;
        };
        let mut at = part.start;
        while at < part.end {
            let (repetition, start) = (at / BLOCK, at % BLOCK);
            let end = (start + (part.end - at)).min(block.len() as u64);
            let from = out.len();
            out.extend_from_slice(block.get(place(start)..place(end)).unwrap_or_default());
            let mark = self.mark(repetition);
            let marked = mark.iter().skip(place(start));
            for (byte, mark) in out.iter_mut().skip(from).zip(marked) {
                *byte = *mark;
            }
            // A block that is shorter than a repetition ends the noise.
            at += (end - start).max(1);
        }
    }

    /// What each repetition of the block starts with, so that no two are alike.
    fn mark(&self, repetition: u64) -> Vec<u8> {
        match self {
            Self::Made { form, key, .. } if repetition > 0 => {
                let mark = mix_all(&[*key, repetition]).to_le_bytes();
                let letters = |byte: &u8| if form.is_text() { letter(*byte) } else { *byte };
                mark.iter().map(letters).collect()
            }
            Self::Made { .. } | Self::Given(_) => Vec::new(),
        }
    }

    fn tail(&self) -> &[u8] {
        let Self::Made {
            form,
            noise_len,
            tail,
            ..
        } = self
        else {
            return &[];
        };
        tail.get_or_init(|| {
            let mut sum = Crc::new();
            sum.update(b"IDAT");
            let (mut at, mut piece) = (0, Vec::new());
            while form.is_summed() && at < *noise_len {
                let end = (at + BLOCK).min(*noise_len);
                piece.clear();
                self.noise(at..end, &mut piece);
                sum.update(&piece);
                at = end;
            }
            form.tail(sum.sum())
        })
    }
}

/// What of a text that stands at `at` lies in this part.
fn within<'a>(text: &'a [u8], part: &Range<u64>, at: u64) -> &'a [u8] {
    let from = place(part.start.saturating_sub(at));
    let to = place(part.end.saturating_sub(at)).min(text.len());
    text.get(from..to).unwrap_or_default()
}

const fn letter(byte: u8) -> u8 {
    b'a' + byte % 26
}

fn place(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn made(form: Form, wanted: u64) -> ByteSource {
        ByteSource::Made {
            form,
            key: 9,
            version: 0,
            width: 640,
            height: 480,
            wanted,
        }
    }

    #[test]
    fn the_length_is_known_before_the_bytes_are_made() {
        let forms = [
            Form::Png,
            Form::Jpeg,
            Form::Gif,
            Form::Webp,
            Form::Svg,
            Form::Pdf,
            Form::Mp4,
            Form::Csv,
            Form::Zip,
            Form::Other,
        ];
        for form in forms {
            for wanted in [0, 1, 100, 5_000] {
                let source = made(form, wanted);
                assert_eq!(
                    source.bytes().len() as u64,
                    source.len(),
                    "{form:?} {wanted}"
                );
            }
        }
    }

    #[test]
    fn a_png_has_its_size_and_sound_chunks() {
        let bytes = made(Form::Png, 1000).bytes();
        assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
        assert_eq!(bytes[16..24], [0, 0, 2, 128, 0, 0, 1, 224]);
        let mut rest = &bytes[8..];
        let mut names = Vec::new();
        while !rest.is_empty() {
            let len = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
            let sum = u32::from_be_bytes(rest[8 + len..12 + len].try_into().unwrap());
            let mut made = Crc::new();
            made.update(&rest[4..8 + len]);
            assert_eq!(made.sum(), sum);
            names.push(String::from_utf8_lossy(&rest[4..8]).into_owned());
            rest = &rest[12 + len..];
        }
        assert_eq!(names, ["IHDR", "IDAT", "IEND"]);
    }

    #[test]
    fn any_part_is_that_of_the_whole() {
        for form in [Form::Png, Form::Csv, Form::Mp4, Form::Other] {
            for wanted in [40, 1_000, BLOCK + 5, 3 * BLOCK] {
                let source = made(form, wanted);
                let (whole, total) = (source.bytes(), source.len());
                let reader = source.reader();
                for start in [0, 1, 7, 50, BLOCK - 3, BLOCK + 70, 2 * BLOCK + 3, total - 9] {
                    for len in [0, 1, 30, BLOCK + 100] {
                        let (start, end) = (start.min(total), (start + len).min(total));
                        let part = reader.read(start..end);
                        let expected = &whole[place(start)..place(end)];
                        assert!(part == expected, "{form:?} {wanted} {start} {end}");
                    }
                }
            }
        }
    }

    #[test]
    fn no_two_blocks_of_a_long_file_are_alike() {
        for form in [Form::Mp4, Form::Csv] {
            let bytes = made(form, 5 * BLOCK).bytes();
            let blocks: HashSet<&[u8]> = bytes[100..].chunks_exact(place(BLOCK)).collect();
            assert_eq!(blocks.len(), 4, "{form:?}");
        }
    }

    #[test]
    fn another_version_has_other_bytes_and_another_etag() {
        let first = made(Form::Jpeg, 300);
        let second = first.next_version(1);
        assert_ne!(first.bytes(), second.bytes());
        assert_ne!(first.etag(), second.etag());
        assert_eq!(first.etag(), made(Form::Jpeg, 300).etag());
    }
}
