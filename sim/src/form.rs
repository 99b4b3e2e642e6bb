//! The kinds of files: their names, types, and how they start and end.

use flate2::Crc;

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
    pub(crate) fn head(self, width: u32, height: u32, noise_len: u32) -> Vec<u8> {
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
            Self::Jpeg => b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x48\0\x48\0\0\xff\xda\0\x08\x01\x01\0\0\x3f\0".to_vec(),
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

    /// How long [`Form::tail`] is.
    pub(crate) fn tail_len(self) -> u64 {
        self.tail(0).len() as u64
    }

    /// Whether [`Form::tail`] depends on the noise.
    pub(crate) const fn is_summed(self) -> bool {
        matches!(self, Self::Png)
    }

    /// What stands after the noise, whose checksum is `sum` (with the name of its chunk).
    pub(crate) fn tail(self, sum: u32) -> Vec<u8> {
        match self {
            Self::Png => {
                let mut tail = sum.to_be_bytes().to_vec();
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

    pub(crate) const fn is_text(self) -> bool {
        matches!(self, Self::Svg | Self::Csv)
    }
}

fn crc(bytes: &[u8]) -> u32 {
    let mut sum = Crc::new();
    sum.update(bytes);
    sum.sum()
}
