//! A file that is still arriving.

use std::io;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::digest::Digest;
use super::error::MirrorError;
use super::open::Inner;
use super::temp::TempFile;
use crate::model::sniff::HEAD_BYTES;

/// How much is gathered before it goes to the disk. A file below this size costs one write, and none at all when it
/// turns out to be what the mirror has already.
const BUFFER_BYTES: usize = 256 * 1024;

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
    pub(super) fn new(inner: Arc<Inner>, hint: &str) -> Self {
        Self {
            inner,
            hint: hint.to_owned(),
            hasher: Sha256::new(),
            bytes: 0,
            head: Vec::new(),
            buffer: Vec::new(),
            temp: None,
        }
    }

    /// Appends bytes. Blocks on the disk about once in 256 KiB.
    ///
    /// # Errors
    /// When the disk is full or fails; the file is then worthless and should be dropped.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), MirrorError> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        let missing = HEAD_BYTES.saturating_sub(self.head.len());
        self.head.extend(bytes.iter().take(missing));
        if self.buffer.len() + bytes.len() <= BUFFER_BYTES {
            self.buffer.extend_from_slice(bytes);
            return Ok(());
        }
        self.spill(bytes)
            .map_err(MirrorError::io("write a temporary file for", &self.hint))
    }

    /// Returns how many bytes were written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Ends the file: checks its length and flushes its bytes to the disk (a small file stays in memory until it is published).
    /// It stays invisible.
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
                temp.sync()
                    .map_err(MirrorError::io("flush the temporary file for", &self.hint))?;
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
        if self.buffer.len() + more.len() <= 2 * BUFFER_BYTES {
            self.buffer.extend_from_slice(more);
            temp.write(&self.buffer)?;
        } else {
            temp.write(&self.buffer)?;
            temp.write(more)?;
        }
        self.buffer.clear();
        Ok(())
    }
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

    /// The first bytes, 512 at most: what `model::sniff` looks at.
    pub fn head(&self) -> &[u8] {
        &self.head
    }
}
