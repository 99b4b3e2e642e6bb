//! The bytes of an asset on their way.

use super::error::RemoteError;
use super::gate::LineGate;
use super::meter::Meter;
use super::throttle::Throttle;
use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use std::io::Write as _;
use std::time::Duration;
use tokio::time::Instant;

/// In so many read time-outs at least this many bytes must arrive (with 30 s, about 100 bytes a
/// second). A host that sends a byte now and then would keep a run from ever ending.
const TRICKLE_TIMEOUTS: u32 = 5;
const TRICKLE_BYTES: usize = 16 * 1024;
/// Packed bytes that are unpacked at a time: a thousandfold of that is what a hostile body makes of it.
const PACKED_BYTES: usize = 4 * 1024;

/// Bytes on their way.
#[derive(Debug)]
pub struct AssetBody {
    /// What comes, as the host announced it; `None` where it did not, or where the body is encoded on
    /// the way.
    pub length: Option<u64>,
    /// As the host said.
    pub content_type: Option<String>,
    /// As the host said, verbatim.
    pub etag: Option<String>,
    /// As the host said, verbatim.
    pub last_modified: Option<String>,
    /// Whether the host says that it can send parts of this.
    pub offers_ranges: bool,
    /// Whether the bytes are the host's own: a body that is encoded on the way has no parts to ask for.
    pub is_plain: bool,
    /// Whether the host says where this ends: an end that is told cannot be a connection that broke.
    pub has_told_end: bool,
    pub(super) line: Line,
}

/// Where the bytes come from.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) answer: reqwest::Response,
    pub(super) unpack: Option<MultiGzDecoder<Vec<u8>>>,
    /// Came already, and is not unpacked yet.
    pub(super) packed: Bytes,
    pub(super) host: String,
    pub(super) what: String,
    pub(super) meter: Meter,
    pub(super) gate: LineGate,
    pub(super) throttle: Throttle,
    pub(super) read_timeout: Duration,
    pub(super) pace: Pace,
}

/// How fast a body comes, counted in the time that was spent waiting for it: not while downloads
/// hold, nor while the disk is slow.
#[derive(Debug, Default)]
pub(super) struct Pace {
    waited: Duration,
    bytes: usize,
}

impl Pace {
    /// Adds a piece. `false`: what comes is a trickle.
    fn goes_on(&mut self, waited: Duration, bytes: usize, period: Duration) -> bool {
        self.waited += waited;
        self.bytes += bytes;
        if self.waited < period {
            return true;
        }
        let is_enough = self.bytes >= TRICKLE_BYTES;
        *self = Self::default();
        is_enough
    }
}

impl AssetBody {
    /// Returns the next bytes, `None` at the end.
    ///
    /// # Errors
    /// A body that ends before its announced length, breaks its framing, stalls for longer than the
    /// read time-out, or trickles for several of them.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, RemoteError> {
        self.line.chunk().await
    }
}

impl Line {
    async fn chunk(&mut self) -> Result<Option<Bytes>, RemoteError> {
        loop {
            if !self.packed.is_empty() {
                let slice = self.packed.split_to(self.packed.len().min(PACKED_BYTES));
                let plain = self.unpack(Some(&slice))?;
                if !plain.is_empty() {
                    return Ok(Some(plain));
                }
                continue;
            }
            self.gate.pass().await;
            let begun = Instant::now();
            let piece = match tokio::time::timeout(self.read_timeout, self.answer.chunk()).await {
                Ok(Ok(piece)) => piece,
                Ok(Err(err)) => {
                    return Err(RemoteError::Lost {
                        what: self.what.clone(),
                        source: err.without_url(),
                    });
                }
                Err(_elapsed) => {
                    return Err(RemoteError::TimedOut {
                        what: self.what.clone(),
                        after: self.read_timeout,
                    });
                }
            };
            let waited = begun.elapsed();
            let len = piece.as_ref().map_or(0, Bytes::len);
            self.meter.bytes(&self.host, len);
            self.throttle.take(len).await;
            let period = self.read_timeout * TRICKLE_TIMEOUTS;
            if !self.pace.goes_on(waited, len, period) && piece.is_some() {
                return Err(RemoteError::Unreadable {
                    what: self.what.clone(),
                    why: format!("fewer than {TRICKLE_BYTES} bytes came within {period:?}"),
                });
            }
            if self.unpack.is_none() {
                return Ok(piece);
            }
            match piece {
                Some(bytes) => self.packed = bytes,
                None => {
                    let plain = self.unpack(None)?;
                    self.unpack = None;
                    if !plain.is_empty() {
                        return Ok(Some(plain));
                    }
                    return Ok(None);
                }
            }
        }
    }

    /// Unpacks more, or (`None`) what is left at the end.
    fn unpack(&mut self, packed: Option<&[u8]>) -> Result<Bytes, RemoteError> {
        let Some(decoder) = &mut self.unpack else {
            return Ok(Bytes::new());
        };
        let step = match packed {
            Some(bytes) => decoder.write_all(bytes),
            None => decoder.try_finish(),
        };
        step.map_err(|err| RemoteError::Unreadable {
            what: self.what.clone(),
            why: format!("its gzip body is damaged: {err}"),
        })?;
        Ok(Bytes::from(std::mem::take(decoder.get_mut())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_no_trickle_and_a_trickle_is_found_out() {
        let period = Duration::from_secs(150);
        let second = Duration::from_secs(1);
        let mut pace = Pace::default();
        // Slow but steady: 200 bytes a second, for an hour.
        assert!((0..3_600).all(|_| pace.goes_on(second, 200, period)));
        let mut pace = Pace::default();
        let held = (0..)
            .take_while(|_| pace.goes_on(second, 50, period))
            .count();
        assert_eq!(held, 149);
        // A short end after a long start is no reason.
        let mut pace = Pace::default();
        assert!(pace.goes_on(Duration::from_secs(149), 10_000_000, period));
        assert!(pace.goes_on(Duration::from_secs(20), 1, period));
    }
}
