//! A file that is still arriving.

use std::io::{self, Read as _};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::digest::Digest;
use super::error::MirrorError;
use super::open::{Inner, Mirror};
use super::temp::{KEPT_PREFIX, TempFile};
use crate::model::sniff::HEAD_BYTES;

/// How much is gathered before it goes to the disk. A file below this size costs one write, and none at all when it
/// turns out to be what the mirror has already.
const BUFFER_BYTES: usize = 256 * 1024;

/// Once there is a file on the disk, so much goes there by itself, without being copied together first.
const WRITTEN_ALONE: usize = BUFFER_BYTES / 4;

/// A file of this length is flushed before it waits for its place; what is shorter is flushed with others.
const FLUSHED_ALONE: u64 = 4 * 1024 * 1024;

/// A file that is still arriving: its bytes so far, hashed and counted. Dropped unfinished, it leaves nothing behind.
#[derive(Debug)]
pub struct Partial {
    inner: Arc<Inner>,
    hint: String,
    hasher: Sha256,
    bytes: u64,
    head: Vec<u8>,
    buffer: Vec<u8>,
    temp: Option<TempFile>,
}

/// The beginning of a file that stays on the disk, so that a later process can go on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// How many bytes of it are flushed.
    pub bytes: u64,
    /// Their SHA-256: a power cut may leave a file of the right length and other bytes.
    pub sha256: Digest,
}

/// What is known beforehand about the whole.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expect {
    /// The length announced, in bytes.
    pub len: Option<u64>,
}

/// A whole file that nobody sees yet. Dropped unpublished, it leaves nothing behind.
#[derive(Debug)]
pub struct Finished {
    pub(super) inner: Arc<Inner>,
    pub(super) body: Body,
    pub(super) hint: String,
    digest: Digest,
    bytes: u64,
    head: Vec<u8>,
}

/// Where the bytes of a finished file are.
#[derive(Debug)]
pub(super) enum Body {
    Memory(Vec<u8>),
    Temp(TempFile),
}

impl Partial {
    /// `expected` is how long the whole is said to be: memory for it is taken at once, up to a limit.
    pub(super) fn new(inner: Arc<Inner>, hint: &str, expected: u64) -> Self {
        let room = usize::try_from(expected).map_or(BUFFER_BYTES, |all| all.min(BUFFER_BYTES));
        Self {
            inner,
            hint: hint.to_owned(),
            hasher: Sha256::new(),
            bytes: 0,
            head: Vec::with_capacity(room.min(HEAD_BYTES)),
            buffer: Vec::with_capacity(room),
            temp: None,
        }
    }

    /// Appends bytes. Blocks on the disk about once in 256 KiB.
    ///
    /// # Errors
    /// When the disk is full or fails; the file is then worthless and should be dropped.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), MirrorError> {
        self.count(bytes);
        let is_large = self.temp.is_some() && bytes.len() >= WRITTEN_ALONE;
        if !is_large && self.buffer.len() + bytes.len() <= BUFFER_BYTES {
            self.buffer.extend_from_slice(bytes);
            return Ok(());
        }
        self.spill(bytes)
            .map_err(MirrorError::io("write a temporary file for", &self.hint))
    }

    fn count(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        let missing = HEAD_BYTES.saturating_sub(self.head.len());
        self.head.extend(bytes.iter().take(missing));
    }

    /// Returns how many bytes were written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the bytes of the file so far that stand right before its end, `most` at most: what a host
    /// that goes on where another answer broke off has to repeat. Reads the disk.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn tail(&mut self, most: usize) -> Result<Vec<u8>, MirrorError> {
        let Some(temp) = &mut self.temp else {
            let from = self.buffer.len().saturating_sub(most);
            return Ok(self.buffer.get(from..).unwrap_or_default().to_vec());
        };
        let written = if self.buffer.is_empty() {
            Ok(())
        } else {
            temp.write(&self.buffer)
        };
        self.buffer.clear();
        written
            .and_then(|()| temp.tail(most))
            .map_err(MirrorError::io("read the temporary file for", &self.hint))
    }

    /// The first bytes, 512 at most: what `model::sniff` and `model::ending` look at.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Returns the bytes from an offset on, `most` at most and fewer only at the end of what is here. Reads the
    /// disk where they are on it.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn read(&mut self, from: u64, most: usize) -> Result<Vec<u8>, MirrorError> {
        if self.temp.is_none() {
            let from = usize::try_from(from).unwrap_or(usize::MAX);
            let bytes = self.buffer.get(from..).unwrap_or_default();
            return Ok(bytes.get(..most).unwrap_or(bytes).to_vec());
        }
        let spilled = if self.buffer.is_empty() {
            Ok(())
        } else {
            self.spill(&[])
        };
        let read = spilled.and_then(|()| match &self.temp {
            Some(temp) => temp.read(from, most),
            None => Ok(Vec::new()),
        });
        read.map_err(MirrorError::io("read the temporary file for", &self.hint))
    }

    /// Flushes what came so far and keeps it on the disk, in the place of what was kept for the same
    /// medium before: [`Mirror::resume`] goes on from there, in this process or a later one. From then on
    /// dropping this leaves the file; [`Partial::discard`] removes it.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub fn keep(&mut self) -> Result<Kept, MirrorError> {
        let name = kept_name(&self.hint);
        let kept = self.spill(&[]).and_then(|()| match &mut self.temp {
            Some(temp) => temp.keep(&name),
            None => Ok(()),
        });
        kept.map_err(MirrorError::io("keep the temporary file for", &self.hint))?;
        Ok(Kept {
            bytes: self.bytes,
            sha256: Digest::finish(self.hasher.clone()),
        })
    }

    /// Drops the file and leaves nothing behind, whether it was kept or not.
    pub fn discard(mut self) {
        if let Some(temp) = &mut self.temp {
            temp.let_go();
        }
    }

    /// Ends the file: checks its length and writes its bytes (a small file stays in memory until it is published, and only a
    /// large one is flushed here already). It stays invisible.
    ///
    /// # Errors
    /// When the length is not the expected one, or the disk is full or fails. Nothing is left behind.
    pub fn finish(mut self, expect: Expect) -> Result<Finished, MirrorError> {
        if let Some(expected) = expect.len.filter(|expected| *expected != self.bytes) {
            return Err(MirrorError::Length {
                asset: self.hint,
                expected,
                got: self.bytes,
            });
        }
        let body = if self.temp.is_some() {
            self.spill(&[])
                .map_err(MirrorError::io("write a temporary file for", &self.hint))?;
            self.temp.take()
        } else {
            None
        };
        let body = match body {
            Some(mut temp) => {
                // Whole, it is no beginning any more: either it gets its place or it goes.
                temp.let_go();
                if self.bytes >= FLUSHED_ALONE {
                    temp.sync()
                        .map_err(MirrorError::io("flush the temporary file for", &self.hint))?;
                }
                Body::Temp(temp)
            }
            None => Body::Memory(self.buffer),
        };
        Ok(Finished {
            inner: self.inner,
            body,
            hint: self.hint,
            digest: Digest::finish(self.hasher),
            bytes: self.bytes,
            head: self.head,
        })
    }

    /// Writes what was gathered, then `more`.
    fn spill(&mut self, more: &[u8]) -> io::Result<()> {
        let temp = match &mut self.temp {
            Some(temp) => temp,
            None => self.temp.insert(self.inner.temp.create(&self.hint)?),
        };
        for bytes in [self.buffer.as_slice(), more] {
            if !bytes.is_empty() {
                temp.write(bytes)?;
            }
        }
        self.buffer.clear();
        Ok(())
    }
}

impl Mirror {
    /// Opens what was kept of a file, to go on behind it. `None` if it is not there, or not what was
    /// kept; it is removed then. Reads and hashes it: as long as that takes, this blocks.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn resume(&self, hint: &str, kept: &Kept) -> Result<Option<Partial>, MirrorError> {
        let failed = || MirrorError::io("read the kept part of", hint);
        let Some((mut temp, file)) = self.inner.temp.reopen(&kept_name(hint)).map_err(failed())?
        else {
            return Ok(None);
        };
        let mut partial = Partial::new(Arc::clone(&self.inner), hint, 0);
        let mut source = file.take(kept.bytes);
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = source.read(&mut buffer).map_err(failed())?;
            match buffer.get(..read) {
                Some([]) | None => break,
                Some(bytes) => partial.count(bytes),
            }
        }
        let is_whole =
            partial.bytes == kept.bytes && Digest::finish(partial.hasher.clone()) == kept.sha256;
        if !is_whole {
            temp.let_go();
            return Ok(None);
        }
        temp.cut_at(kept.bytes).map_err(failed())?;
        partial.temp = Some(temp);
        Ok(Some(partial))
    }

    /// Removes what was kept of a file, if anything was.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn drop_kept(&self, hint: &str) -> Result<(), MirrorError> {
        self.inner
            .temp
            .remove_kept(&kept_name(hint))
            .map_err(MirrorError::io("remove the kept part of", hint))
    }

    /// Removes kept parts of files other than those named, and returns how many.
    ///
    /// # Errors
    /// When the folder of temporary files cannot be read or changed.
    pub fn sift_kept<'a>(
        &self,
        wanted: impl IntoIterator<Item = &'a str>,
    ) -> Result<u64, MirrorError> {
        let wanted: std::collections::HashSet<String> = wanted.into_iter().map(kept_name).collect();
        self.inner
            .temp
            .sift_kept(|name| wanted.contains(name))
            .map_err(MirrorError::io("clear", "the folder of temporary files"))
    }
}

/// The name of what is kept for a medium: its id may hold anything.
fn kept_name(hint: &str) -> String {
    let digest = Digest::of(hint.as_bytes()).to_string();
    format!("{KEPT_PREFIX}{}", digest.get(..32).unwrap_or(&digest))
}

impl Finished {
    /// The SHA-256 of the bytes.
    pub fn sha256(&self) -> Digest {
        self.digest
    }

    /// How many bytes there are.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many of them take room in memory, and how many lie on the disk without being flushed.
    pub fn unflushed(&self) -> (u64, u64) {
        match &self.body {
            Body::Memory(bytes) => (bytes.capacity() as u64, 0),
            Body::Temp(_) if self.bytes < FLUSHED_ALONE => (0, self.bytes),
            Body::Temp(_) => (0, 0),
        }
    }

    /// The first bytes, 512 at most: what `model::sniff` looks at.
    pub fn head(&self) -> &[u8] {
        &self.head
    }
}
