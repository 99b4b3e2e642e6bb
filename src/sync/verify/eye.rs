//! Looking at one place: is what lies there what should lie there?

use super::pace::Pace;
use crate::mirror::{Digest, Hashed, Lying, MirrorError, Reader};
use crate::model::{DifferenceKind, RelPath, Slice, chain};
use std::sync::Arc;

/// What looks at files.
#[derive(Clone, Debug)]
pub(super) struct Eye {
    pub(super) reader: Reader,
    pub(super) pace: Arc<Pace>,
    /// Whose turn it is to be read, not only looked at.
    pub(super) slice: Slice,
}

/// Where bytes lie.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place<'a> {
    Mirror(&'a RelPath),
    Archive(&'a Digest),
}

/// What should lie there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// `None`: any length.
    pub(super) bytes: Option<u64>,
    pub(super) sha256: Digest,
}

impl Wanted {
    pub(super) fn words(&self) -> String {
        match self.bytes {
            Some(bytes) => format!("{bytes} bytes with SHA-256 {}", self.sha256),
            None => format!("bytes with SHA-256 {}", self.sha256),
        }
    }
}

/// What lies there instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) kind: DifferenceKind,
    pub(super) found: String,
    /// Whether the device failed to read it: new bytes in its place lie elsewhere on it.
    pub(super) is_device_failure: bool,
}

/// What a look came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Right,
    Wrong(Wrong),
    /// A stop was asked for before it was clear.
    Stopped,
}

impl Eye {
    /// Looks at a place; reads it if `reads` says so.
    pub(super) fn look(&self, place: Place<'_>, wanted: &Wanted, reads: bool) -> Look {
        let lying = match place {
            Place::Mirror(path) => self.reader.lying(path),
            Place::Archive(digest) => self.reader.archived_lying(digest),
        };
        match lying {
            Err(err) => unreadable(&err),
            Ok(Lying::Nothing) => wrong(DifferenceKind::Missing, "nothing"),
            Ok(Lying::Other(what)) => wrong(DifferenceKind::NotAFile, what),
            Ok(Lying::File(bytes)) if wanted.bytes.is_some_and(|wanted| wanted != bytes) => {
                wrong(DifferenceKind::Size, &format!("{bytes} bytes"))
            }
            Ok(Lying::File(_)) if !reads => Look::Right,
            Ok(Lying::File(_)) => self.read(place, wanted),
        }
    }

    fn read(&self, place: Place<'_>, wanted: &Wanted) -> Look {
        match self.hash(place) {
            Ok(Some(found)) if found.sha256 == wanted.sha256 => Look::Right,
            Ok(Some(found)) => wrong(
                DifferenceKind::Bytes,
                &format!("bytes with SHA-256 {}", found.sha256),
            ),
            // It was there a moment ago.
            Ok(None) => wrong(DifferenceKind::Missing, "nothing"),
            Err(_) if self.pace.is_stopping() => Look::Stopped,
            Err(err) => unreadable(&err),
        }
    }

    fn hash(&self, place: Place<'_>) -> Result<Option<Hashed>, MirrorError> {
        let heed = &mut |bytes| self.pace.heed(bytes);
        let found = match place {
            Place::Mirror(path) => self.reader.hash_heeding(path, heed),
            Place::Archive(digest) => self.reader.hash_archived_heeding(digest, heed),
        }?;
        self.pace.read_one();
        Ok(found)
    }
}

fn wrong(kind: DifferenceKind, found: &str) -> Look {
    Look::Wrong(Wrong {
        kind,
        found: found.to_owned(),
        is_device_failure: false,
    })
}

fn unreadable(err: &MirrorError) -> Look {
    Look::Wrong(Wrong {
        kind: DifferenceKind::Unreadable,
        found: chain(err),
        is_device_failure: err.is_device_failure(),
    })
}
