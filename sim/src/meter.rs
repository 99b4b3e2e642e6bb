//! Counts body bytes where they leave: at the socket, not where they are made. A
//! server makes some hundred kilobytes ahead, and a client that goes never gets them.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::counters::Entry;

/// The end of a head.
const BLANK_LINE: &[u8] = b"\r\n\r\n";

/// What one connection is writing. Only for answers of HTTP/1 whose length is told:
/// frames and chunks stand between the body's bytes otherwise.
#[derive(Debug)]
pub(crate) struct Meter {
    /// Guards the answer under way.
    answer: Mutex<Option<Metering>>,
    /// Held for reading while bytes are written and booked, so that whoever holds it
    /// for writing sees every byte booked that a client can have got.
    gate: Arc<RwLock<()>>,
}

#[derive(Debug)]
struct Metering {
    entry: Entry,
    /// How much of [`BLANK_LINE`] was just written.
    matched: usize,
    /// How many bytes of the body are still to come.
    left: u64,
}

impl Metering {
    fn wrote(&mut self, mut bytes: &[u8]) {
        while self.matched < BLANK_LINE.len() {
            let Some((first, rest)) = bytes.split_first() else {
                return;
            };
            bytes = rest;
            self.matched = if BLANK_LINE.get(self.matched) == Some(first) {
                self.matched + 1
            } else {
                usize::from(*first == b'\r')
            };
        }
        let body = (bytes.len() as u64).min(self.left);
        self.left -= body;
        self.entry.sent(body);
    }
}

impl Meter {
    pub(crate) const fn new(gate: Arc<RwLock<()>>) -> Self {
        Self {
            answer: Mutex::new(None),
            gate,
        }
    }

    /// An answer follows whose body is so long.
    pub(crate) fn begin(&self, entry: Entry, body: u64) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Metering {
            entry,
            matched: 0,
            left: body,
        });
    }

    /// Writes something and books what was taken of it.
    fn write(
        &self,
        buffers: &[IoSlice<'_>],
        write: impl FnOnce() -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let _booked = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let written = ready!(write())?;
        let mut answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(metering) = answer.as_mut() {
            let mut rest = written;
            for buffer in buffers {
                let taken = rest.min(buffer.len());
                metering.wrote(buffer.get(..taken).unwrap_or_default());
                rest -= taken;
            }
        }
        Poll::Ready(Ok(written))
    }
}

/// A stream whose writes are metered.
#[derive(Debug)]
pub(crate) struct Metered<S> {
    pub(crate) stream: S,
    pub(crate) meter: Arc<Meter>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, meter } = self.get_mut();
        meter.write(&[IoSlice::new(buffer)], || {
            Pin::new(stream).poll_write(context, buffer)
        })
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, meter } = self.get_mut();
        meter.write(buffers, || {
            Pin::new(stream).poll_write_vectored(context, buffers)
        })
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    fn metered(body: u64) -> (Metered<Vec<u8>>, Entry) {
        let meter = Arc::new(Meter::new(Arc::default()));
        let entry = Entry::alone();
        meter.begin(entry.clone(), body);
        let stream = Vec::new();
        (Metered { stream, meter }, entry)
    }

    #[tokio::test]
    async fn only_the_body_is_counted_however_the_writes_are_cut() {
        let answer = b"HTTP/1.1 200 OK\r\nx: \r\r\n\r\n\r\n\r\nbody\r\n\r\n!";
        let body = b"\r\n\r\nbody\r\n\r\n!".len() as u64;
        for size in 1..answer.len() {
            let (mut stream, entry) = metered(body);
            for piece in answer.chunks(size) {
                stream.write_all(piece).await.unwrap();
            }
            assert_eq!(entry.bytes(), body, "{size}");
            assert_eq!(stream.stream, answer);
        }
    }

    #[tokio::test]
    async fn what_follows_the_body_is_not_counted() {
        let (mut stream, entry) = metered(2);
        let parts = [
            b"HTTP/1.1 200 OK\r\n".as_slice(),
            b"\r\nab",
            b"HTTP/1.1 400",
        ];
        let slices = parts.map(IoSlice::new);
        let written = stream.write_vectored(&slices).await.unwrap();
        assert_eq!((written, entry.bytes()), (33, 2));
    }
}
