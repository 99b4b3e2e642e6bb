//! The bytes of media: made on demand from the seed, so that they need no memory.
//!
//! A file starts and ends like a real one of its kind, so that whoever sniffs the
//! content sees an image or a PDF; between is noise.

use bytes::Bytes;
use flate2::Crc;

use crate::mix::{Noise, mix_all, salt};

/// The kind of a file, decided by its name's extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Png,
    Jpeg,
    Gif,
    Webp,
    Svg,
    Pdf,
    Mp4,
    Csv,
    Zip,
    Other,
}

impl Form {
    pub(crate) fn of_name(name: &str) -> Self {
        let extension = name
            .rsplit_once('.')
            .map_or("", |(_, ext)| ext)
            .to_ascii_lowercase();
        match extension.as_str() {
            "png" => Self::Png,
            "jpg" | "jpeg" => Self::Jpeg,
            "gif" => Self::Gif,
            "webp" => Self::Webp,
            "svg" => Self::Svg,
            "pdf" => Self::Pdf,
            "mp4" => Self::Mp4,
            "csv" => Self::Csv,
            "zip" => Self::Zip,
            _ => Self::Other,
        }
    }

    /// Whether the image host serves it (decided by MIME type at upload).
    pub(crate) const fn is_image(self) -> bool {
        matches!(
            self,
            Self::Png | Self::Jpeg | Self::Gif | Self::Webp | Self::Svg
        )
    }

    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Svg => "image/svg+xml",
            Self::Pdf => "application/pdf",
            Self::Mp4 => "video/mp4",
            Self::Csv => "text/csv",
            Self::Zip => "application/zip",
            Self::Other => "application/octet-stream",
        }
    }

    /// What stands before the noise. Its length does not depend on the arguments.
    fn head(self, width: u32, height: u32, noise_len: u32) -> Vec<u8> {
        match self {
            Self::Png => {
                let mut ihdr = b"IHDR".to_vec();
                ihdr.extend(width.to_be_bytes());
                ihdr.extend(height.to_be_bytes());
                ihdr.extend([8, 2, 0, 0, 0]);
                let mut head = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
                head.extend(&ihdr);
                head.extend(crc(&ihdr).to_be_bytes());
                head.extend(noise_len.to_be_bytes());
                head.extend(b"IDAT");
                head
            }
            Self::Jpeg => b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x48\0\x48\0\0".to_vec(),
            Self::Gif => {
                let mut head = b"GIF89a".to_vec();
                head.extend(width.to_le_bytes().iter().take(2));
                head.extend(height.to_le_bytes().iter().take(2));
                head.extend([0, 0, 0]);
                head
            }
            Self::Webp => {
                let mut head = b"RIFF".to_vec();
                head.extend(noise_len.saturating_add(12).to_le_bytes());
                head.extend(b"WEBPVP8 ");
                head.extend(noise_len.to_le_bytes());
                head
            }
            Self::Svg => {
                format!("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:010}\" height=\"{height:010}\"><desc>")
                    .into_bytes()
            }
            Self::Pdf => b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\n".to_vec(),
            Self::Mp4 => {
                let mut head = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom".to_vec();
                head.extend(noise_len.saturating_add(8).to_be_bytes());
                head.extend(b"mdat");
                head
            }
            Self::Csv => b"id,value\n1,".to_vec(),
            Self::Zip => b"PK\x03\x04".to_vec(),
            Self::Other => Vec::new(),
        }
    }

    /// What stands after the noise.
    fn tail(self, noise: &[u8]) -> Vec<u8> {
        match self {
            Self::Png => {
                let mut sum = Crc::new();
                sum.update(b"IDAT");
                sum.update(noise);
                let mut tail = sum.sum().to_be_bytes().to_vec();
                tail.extend(b"\0\0\0\0IEND\xae\x42\x60\x82");
                tail
            }
            Self::Jpeg => b"\xff\xd9".to_vec(),
            Self::Gif => b";".to_vec(),
            Self::Svg => b"</desc></svg>\n".to_vec(),
            Self::Pdf => b"\n%%EOF\n".to_vec(),
            Self::Csv => b"\n".to_vec(),
            Self::Zip => b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(),
            Self::Webp | Self::Mp4 | Self::Other => Vec::new(),
        }
    }

    const fn is_text(self) -> bool {
        matches!(self, Self::Svg | Self::Csv)
    }
}

fn crc(bytes: &[u8]) -> u32 {
    let mut sum = Crc::new();
    sum.update(bytes);
    sum.sum()
}

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
                let frame = form.head(0, 0, 0).len() + form.tail(&[]).len();
                (*wanted).max(frame as u64 + 1)
            }
            Self::Given { bytes, .. } => bytes.len() as u64,
        }
    }

    /// The bytes; the same at every call.
    pub(crate) fn bytes(&self) -> Bytes {
        match self {
            Self::Given { bytes, .. } => bytes.clone(),
            Self::Made {
                form,
                key,
                version,
                width,
                height,
                ..
            } => {
                let frame = form.head(0, 0, 0).len() + form.tail(&[]).len();
                let noise_len = usize::try_from(self.len())
                    .unwrap_or(usize::MAX)
                    .saturating_sub(frame);
                let mut noise = vec![0; noise_len];
                Noise::new(&[*key, u64::from(*version)]).fill(&mut noise);
                if form.is_text() {
                    noise.iter_mut().for_each(|byte| *byte = b'a' + *byte % 26);
                }
                let mut out = form.head(
                    *width,
                    *height,
                    u32::try_from(noise_len).unwrap_or(u32::MAX),
                );
                out.extend(&noise);
                out.extend(form.tail(&noise));
                Bytes::from(out)
            }
        }
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

#[cfg(test)]
mod tests {
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
            assert_eq!(crc(&rest[4..8 + len]), sum);
            names.push(String::from_utf8_lossy(&rest[4..8]).into_owned());
            rest = &rest[12 + len..];
        }
        assert_eq!(names, ["IHDR", "IDAT", "IEND"]);
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
