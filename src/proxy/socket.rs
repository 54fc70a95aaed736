//! A client's socket as hyper sees it: it remembers what told the protocol, and closes without losing an answer.

use super::{connection::State, stream::Stream};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, ReadBuf};

/// What every HTTP/2 client sends first, and no HTTP/1 request begins with (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How much of a request that nobody wants any more is read before the connection is given up.
const LINGER_BYTES: usize = 8 * 1024 * 1024;

/// The protocol that a client chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// A client's socket.
pub(super) struct Socket {
    io: TokioIo<Stream>,
    state: Rc<State>,
    /// The bytes read to tell the protocol, how many there are, and how many hyper has had.
    opening: [u8; 24],
    opened: usize,
    replayed: usize,
    finished: bool,
    linger: usize,
}

impl Socket {
    pub(super) fn new(stream: Stream, state: Rc<State>) -> Self {
        let io = TokioIo::new(stream);
        Self { io, state, opening: [0; 24], opened: 0, replayed: 0, finished: false, linger: LINGER_BYTES }
    }

    /// Tells the protocol from the first bytes: as many as it takes, which is one for most of HTTP/1.1.
    pub(super) fn poll_protocol(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Protocol>> {
        loop {
            if self.opening[..self.opened] != PREFACE[..self.opened] {
                return Poll::Ready(Ok(Protocol::Http1));
            }
            if self.opened == PREFACE.len() {
                return Poll::Ready(Ok(Protocol::Http2));
            }
            let mut buffer = ReadBuf::new(&mut self.opening[self.opened..]);
            ready!(Pin::new(self.io.inner_mut()).poll_read(cx, &mut buffer))?;
            match buffer.filled().len() {
                0 => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                read => self.opened += read,
            }
        }
    }

    /// Closing a socket that has unread bytes makes the kernel send RST, and that may take an answer away from a client that is
    /// still sending. So after our end of the stream is closed, what still comes is read and thrown away: until the client
    /// closes too, or sends too much, or takes too long (the connection's own timer).
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut scratch = [MaybeUninit::uninit(); 8192];
        while self.linger > 0 && self.state.lingers() {
            let mut buffer = ReadBuf::uninit(&mut scratch);
            match ready!(self.io.inner_mut().poll_drain(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    self.linger = self.linger.saturating_sub(buffer.filled().len());
                }
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Read for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.replayed < self.opened {
            let rest = &self.opening[self.replayed..self.opened];
            let replay = &rest[..rest.len().min(buffer.remaining())];
            buffer.put_slice(replay);
            self.replayed += replay.len();
            if self.replayed == self.opened && buffer.remaining() > 0 {
                // The rest of the head is mostly there already. Whatever comes of it, there are bytes to hand on.
                let _ = Pin::new(&mut self.io).poll_read(cx, buffer);
            }
            return Poll::Ready(Ok(()));
        }
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        if read.is_ready() {
            self.state.heard();
        }
        read
    }
}

impl Write for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.state.flushes(flushed.is_pending());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.finished {
            ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
            self.finished = true;
            self.state.finished();
        }
        self.poll_linger(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, pieces)
    }
}
