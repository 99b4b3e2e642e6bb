//! What an export wrote: a list of paths and digests, one a line, so that it is read and written without
//! being held.

use std::io::{self, BufRead, Write};

use sha2::{Digest as _, Sha256};

/// The form of the list.
const VERSION: u64 = 1;
/// The list's last line.
const END: &str = "]}";

/// A digest of a file's bytes.
pub(super) type Sum = [u8; 32];

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Line {
    /// Relative to the folder.
    pub(super) path: String,
    /// The id of the content in it, where the path does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    /// Hex; `None` where the file was about to be removed.
    pub(super) sha256: Option<String>,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Head {
    version: u64,
    service: String,
}

/// Which of the files in a folder an export wrote. 32 bytes a file, so that a million fit in memory.
#[derive(Debug, Default)]
pub(super) struct Written(Vec<([u8; 16], [u8; 16])>);

impl Written {
    pub(super) fn add(&mut self, line: &Line) {
        let sum = line.sha256.as_deref().and_then(|sum| hex::decode(sum).ok());
        let sum: Sum = sum.and_then(|sum| sum.try_into().ok()).unwrap_or_default();
        self.0
            .push((half(&sum_of(line.path.as_bytes())), half(&sum)));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// To be called once after the last [`Written::add`].
    pub(super) fn sort(&mut self) {
        self.0.sort_unstable();
    }

    /// Returns whether the file was written by an export.
    pub(super) fn has(&self, path: &str) -> bool {
        let key = half(&sum_of(path.as_bytes()));
        let at = self.0.partition_point(|(found, _)| *found < key);
        self.0.get(at).is_some_and(|(found, _)| *found == key)
    }

    /// Returns whether these are bytes that an export wrote there.
    pub(super) fn wrote(&self, path: &str, sum: &Sum) -> bool {
        let entry = (half(&sum_of(path.as_bytes())), half(sum));
        self.0.binary_search(&entry).is_ok()
    }
}

fn half(sum: &Sum) -> [u8; 16] {
    let mut half = [0; 16];
    half.iter_mut().zip(sum).for_each(|(to, from)| *to = *from);
    half
}

/// Returns the digest of bytes.
pub(super) fn sum_of(bytes: &[u8]) -> Sum {
    Sha256::digest(bytes).into()
}

/// Reads a list: `Ok(None)` where it is none of this program's. `each` gets its files.
pub(super) fn read(
    mut from: impl BufRead,
    mut each: impl FnMut(Line),
) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line)?;
    let head = String::from_utf8_lossy(&line);
    let head = head.trim_end().strip_suffix(",\"files\":[");
    let head = head.and_then(|head| serde_json::from_str::<Head>(&format!("{head}}}")).ok());
    let Some(head) = head.filter(|head| head.version == VERSION) else {
        return Ok(None);
    };
    loop {
        line.clear();
        if from.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        if text == END {
            return Ok(Some(head.service));
        }
        match serde_json::from_str(text.strip_suffix(',').unwrap_or(text)) {
            Ok(line) => each(line),
            Err(_) => return Ok(None),
        }
    }
}

/// Reads the notes of an export that may have been cut off: as far as they go.
pub(super) fn read_notes(from: impl BufRead, mut each: impl FnMut(Line)) -> io::Result<()> {
    for text in from.split(b'\n') {
        if let Ok(line) = serde_json::from_slice(&text?) {
            each(line);
        }
    }
    Ok(())
}

/// Writes a list.
#[derive(Debug)]
pub(super) struct Writer<W> {
    to: W,
    is_first: bool,
}

impl<W: Write> Writer<W> {
    pub(super) fn begin(mut to: W, service: &str) -> io::Result<Self> {
        let head = Head {
            version: VERSION,
            service: service.to_owned(),
        };
        let head = serde_json::to_string(&head)?;
        let open = head.strip_suffix('}').unwrap_or(&head);
        write!(to, "{open},\"files\":[")?;
        Ok(Self { to, is_first: true })
    }

    pub(super) fn add(&mut self, line: &Line) -> io::Result<()> {
        let comma = if self.is_first { "" } else { "," };
        self.is_first = false;
        write!(self.to, "{comma}\n{}", serde_json::to_string(line)?)
    }

    pub(super) fn end(mut self) -> io::Result<W> {
        write!(self.to, "\n{END}\n")?;
        self.to.flush()?;
        Ok(self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(path: &str, bytes: &[u8]) -> Line {
        Line {
            path: path.to_owned(),
            id: path.contains('~').then(|| "日本\"語".to_owned()),
            sha256: Some(hex::encode(sum_of(bytes))),
        }
    }

    #[test]
    fn a_list_is_json_and_comes_back_and_a_cut_one_is_refused() {
        let lines = [line("a.json", b"a"), line("b~1.json", b"b")];
        let mut writer = Writer::begin(Vec::new(), "svc\"x").unwrap();
        for line in &lines {
            writer.add(line).unwrap();
        }
        let bytes = writer.end().unwrap();
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(json["files"].as_array().unwrap().len(), 2);
        let mut found = Vec::new();
        let service = read(&*bytes, |line| found.push(line)).unwrap();
        assert_eq!((service.as_deref(), &*found), (Some("svc\"x"), &lines[..]));
        for cut in 0..bytes.len() - 2 {
            assert_eq!(read(&bytes[..cut], |_| ()).unwrap(), None, "{cut}");
        }
    }

    #[test]
    fn notes_are_read_as_far_as_they_go() {
        let text = serde_json::to_string(&line("a", b"a")).unwrap();
        let mut found = Vec::new();
        let notes = format!("{text}\n{}", text.get(..20).unwrap());
        read_notes(notes.as_bytes(), |line| found.push(line.path)).unwrap();
        assert_eq!(found, ["a"]);
    }

    #[test]
    fn what_was_written_is_told_from_what_somebody_changed() {
        let mut written = Written::default();
        for (path, bytes) in [("a", b"1"), ("b", b"2"), ("a", b"3")] {
            written.add(&line(path, bytes));
        }
        written.sort();
        assert!(written.has("a") && written.has("b") && !written.has("c"));
        assert!(written.wrote("a", &sum_of(b"1")) && written.wrote("a", &sum_of(b"3")));
        assert!(!written.wrote("a", &sum_of(b"2")) && !written.wrote("c", &sum_of(b"1")));
    }
}
