//! A body before it is sent: a part of some bytes, made piece by piece.

use bytes::Bytes;

use crate::bytes::{ByteSource, Reader};
use crate::form::Form;

/// The rest of a body. Gigabytes are made as they are sent.
#[derive(Debug)]
pub(crate) struct Payload {
    /// Boxed, as answers are passed about a lot.
    source: Box<ByteSource>,
    at: u64,
    end: u64,
    /// Where a spoilt body began; every 97th byte from there is different.
    spoilt_from: Option<u64>,
    /// Made with the first piece: not while the service is locked.
    reader: Option<Box<Reader>>,
}

impl Payload {
    /// The bytes `from..end` of a source.
    pub(crate) fn part(source: ByteSource, from: u64, end: u64) -> Self {
        Self {
            source: Box::new(source),
            at: from,
            end,
            spoilt_from: None,
            reader: None,
        }
    }

    pub(crate) fn empty() -> Self {
        Bytes::new().into()
    }

    /// What is left.
    pub(crate) const fn len(&self) -> u64 {
        self.end.saturating_sub(self.at)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Damages the bytes, not their number.
    pub(crate) const fn spoil(mut self) -> Self {
        self.spoilt_from = Some(self.at);
        self
    }

    /// Takes the next bytes off.
    pub(crate) fn take(&mut self, most: u64) -> Bytes {
        let (from, to) = (self.at, self.end.min(self.at.saturating_add(most)));
        self.at = to;
        let piece = self
            .reader
            .get_or_insert_with(|| Box::new(self.source.reader()))
            .read(from..to);
        let Some(start) = self.spoilt_from else {
            return piece;
        };
        let spoilt = (from..).zip(&piece).map(|(at, byte)| {
            let is_hit = (at - start).is_multiple_of(97);
            if is_hit { byte ^ 0x20 } else { *byte }
        });
        spoilt.collect()
    }

    /// Takes all that is left; not for gigabytes.
    pub(crate) fn take_all(&mut self) -> Bytes {
        self.take(u64::MAX)
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        let (form, end) = (Form::Other, bytes.len() as u64);
        Self::part(ByteSource::Given { form, bytes }, 0, end)
    }
}
