//! Bodies on the wire: whole, cut, stalled or dripping, and counted.

use std::future::Future;
use std::io::Read;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzEncoder;
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, HeaderValue, VARY};
use hyper::{Response, StatusCode};
use tokio::time::{Sleep, sleep};

use crate::counters::Entry;
use crate::meter::Meter;
use crate::payload::Payload;
use crate::request::Closing;
use crate::routes::{Answer, Length};

/// Why a connection ends without an answer: a fault asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fault dropped the connection")]
pub(crate) struct Dropped;

/// How a body flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// At once.
    Plain,
    /// So many bytes, then the connection breaks.
    Cut { after: u64, chunked: bool },
    /// So many bytes, then nothing for ever.
    Stall { after: u64 },
    /// Slowly.
    Drip { bytes_per_second: u64 },
}

/// The largest piece that is handed out at once.
const PIECE: u64 = 64 * 1024;

/// How long a cut waits, so that what was written before it gets out.
const FLUSH: Duration = Duration::from_millis(20);

/// A body on its way.
#[derive(Debug)]
pub(crate) struct SimBody {
    rest: Payload,
    flow: Flow,
    is_sized: bool,
    pause: Option<Pin<Box<Sleep>>>,
    /// Where bytes are booked when they are handed out; `None` if the socket's meter books them.
    entry: Option<Entry>,
    /// Books the end of the request when the body is dropped.
    _closing: Option<Closing>,
}

impl SimBody {
    /// A body that nobody counts.
    pub(crate) fn plain(rest: Bytes) -> Self {
        Self {
            rest: rest.into(),
            flow: Flow::Plain,
            is_sized: true,
            pause: None,
            entry: None,
            _closing: None,
        }
    }

    fn piece(&mut self, most: u64) -> Frame<Bytes> {
        let piece = self.rest.take(most.min(PIECE));
        if let Some(entry) = &self.entry {
            entry.sent(piece.len() as u64);
        }
        Frame::data(piece)
    }

    /// Ready once the pause is over; begins it at the first call.
    fn paused(&mut self, length: Duration, context: &mut Context<'_>) -> Poll<()> {
        let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(length)));
        pause.as_mut().poll(context)
    }
}

impl Body for SimBody {
    type Data = Bytes;
    type Error = Dropped;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Dropped>>> {
        match self.flow {
            Flow::Plain if self.rest.is_empty() => Poll::Ready(None),
            Flow::Plain => Poll::Ready(Some(Ok(self.piece(u64::MAX)))),
            Flow::Cut { after: 0, .. } => self.paused(FLUSH, context).map(|()| Some(Err(Dropped))),
            Flow::Stall { after: 0 } => Poll::Pending,
            Flow::Cut { after, chunked } => {
                let piece = self.piece(after);
                let left =
                    after.saturating_sub(piece.data_ref().map_or(0, |data| data.len() as u64));
                // A body that is shorter than the cut is cut at its end.
                let after = if self.rest.is_empty() { 0 } else { left };
                self.flow = Flow::Cut { after, chunked };
                Poll::Ready(Some(Ok(piece)))
            }
            Flow::Stall { after } => {
                let piece = self.piece(after);
                let left =
                    after.saturating_sub(piece.data_ref().map_or(0, |data| data.len() as u64));
                self.flow = Flow::Stall {
                    after: if self.rest.is_empty() { 0 } else { left },
                };
                Poll::Ready(Some(Ok(piece)))
            }
            Flow::Drip { .. } if self.rest.is_empty() => Poll::Ready(None),
            Flow::Drip { bytes_per_second } => {
                // Ten pieces a second, or one byte at a time when it is slower than that.
                let per_piece = (bytes_per_second / 10).max(1);
                let wait = Duration::from_secs(per_piece)
                    / u32::try_from(bytes_per_second.max(1)).unwrap_or(u32::MAX);
                match self.paused(wait, context) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(()) => {
                        self.pause = None;
                        Poll::Ready(Some(Ok(self.piece(per_piece))))
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && matches!(self.flow, Flow::Plain)
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_sized {
            SizeHint::with_exact(self.rest.len())
        } else {
            SizeHint::default()
        }
    }
}

/// The answer as it goes over the wire.
pub(crate) fn respond(
    mut answer: Answer,
    flow: Flow,
    compress: bool,
    (entry, meter): (Entry, Option<&Meter>),
    closing: Closing,
) -> Response<SimBody> {
    let is_packed = compress && answer.is_json;
    let body = if is_packed {
        pack(&answer.body.take_all()).into()
    } else {
        answer.body
    };
    let chunked =
        matches!(flow, Flow::Cut { chunked: true, .. }) || answer.length == Length::Untold;
    let told = match answer.length {
        Length::Told(len) => len,
        Length::Exact | Length::Untold => body.len(),
    };
    let has_body = answer.status != 304 && answer.status != 204;
    let entry = match meter.filter(|_| !chunked) {
        Some(meter) => {
            meter.begin(entry, body.len());
            None
        }
        None => Some(entry),
    };
    let body = SimBody {
        rest: body,
        flow,
        // A cut body must not know its true end, or the server would complain instead of sending it.
        is_sized: !chunked,
        pause: None,
        entry,
        _closing: Some(closing),
    };
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    for (name, value) in answer.extra {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            headers.insert(name, value);
        }
    }
    if is_packed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
    if !chunked && has_body {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(told));
    }
    response
}

/// Packs with gzip, repeatably.
pub(crate) fn pack(body: &[u8]) -> Bytes {
    let mut packed = Vec::new();
    // Reading from memory into memory cannot fail.
    let _read = GzEncoder::new(body, Compression::fast()).read_to_end(&mut packed);
    Bytes::from(packed)
}
