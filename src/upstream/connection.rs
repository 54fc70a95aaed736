//! One connection to the backend, and one exchange at a time over it.

use super::bell::Listener;
use crate::net::tcp::Tcp;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    client::conn::http1,
    rt::{Read, ReadBufCursor, Write},
};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    future::poll_fn,
    io::{self, IoSlice},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};
use tokio::{
    task::unconstrained,
    time::{Instant, Sleep, sleep_until},
};

/// TCP, or TLS over it, which remembers whether anything was to be written to it.
pub(super) struct Stream {
    inner: MaybeHttpsStream<TokioIo<Tcp>>,
    wrote: Arc<AtomicBool>,
}

/// An answer with more headers than this leaves their memory behind; with fewer, the next request uses it again.
const HEADERS_KEPT: usize = 64;

/// A connection. Whoever makes a call over it owns it meanwhile, and drives it: hyper's half that reads and writes is polled
/// by the task that waits for the answer. In a task of its own, as is usual, it would cost each call two changes of task.
///
/// Head and body of an answer come from the driver through channels. As it is the waiting task itself that drives, nobody has
/// to be woken for them, and they are polled with a waker that does nothing (and outside of tokio's budget, which would
/// hold them back and count on that waker).
pub(super) struct Connection {
    sender: http1::SendRequest<Payload>,
    /// Nothing once it has ended.
    driver: Option<Driver>,
    /// Goes off at some call's deadline, this one's or an earlier one's. Set anew only once it has gone off, so that a call
    /// that is answered in time moves no timer.
    alarm: Pin<Box<Sleep>>,
    /// To the bell that the driver and the alarm have.
    listener: Listener,
    /// Whether hyper began to write the last request. An attempt is enough: what came of it cannot be known.
    wrote: Arc<AtomicBool>,
    /// The memory of the last answer's headers.
    headers: HeaderMap,
}

/// Why an exchange came to nothing.
#[derive(Debug)]
pub(super) enum Interrupted {
    /// hyper gave the request back whole: the connection had ended before it began to write.
    Unsent(hyper::Error),
    /// It ended during the exchange, or what came was not HTTP.
    Broken(hyper::Error),
    /// The deadline passed.
    Late,
}

impl Connection {
    /// Takes a stream that is connected.
    pub(super) async fn new(stream: MaybeHttpsStream<TokioIo<Tcp>>, deadline: Instant) -> hyper::Result<Self> {
        let wrote = Arc::new(AtomicBool::new(false));
        let (sender, driver) = http1::handshake(Stream { inner: stream, wrote: Arc::clone(&wrote) }).await?;
        let alarm = Box::pin(sleep_until(deadline));
        let listener = Listener::new(Arc::default());
        Ok(Self { sender, driver: Some(driver), alarm, listener, wrote, headers: HeaderMap::new() })
    }

    /// Whether another call may follow, as far as the last one showed. What the backend did since then shows when the next
    /// begins, and gives it back unsent.
    pub(super) fn is_done(&self) -> bool {
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Ends a call: if the backend closes the connection while it is unused, nobody is woken for it.
    pub(super) fn rest(&self) {
        self.listener.leave();
    }

    /// An empty map for the next request's headers.
    pub(super) fn headers(&mut self) -> HeaderMap {
        std::mem::take(&mut self.headers)
    }

    /// Takes back the headers of an answer that was read.
    pub(super) fn keep_headers(&mut self, mut headers: HeaderMap) {
        if headers.capacity() <= HEADERS_KEPT {
            headers.clear();
            self.headers = headers;
        }
    }

    /// Whether any of the last request may have been sent.
    pub(super) fn has_sent(&self) -> bool {
        self.wrote.load(Relaxed)
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: Request<Payload>,
        deadline: Instant,
    ) -> Result<Response<Incoming>, Interrupted> {
        let Self { sender, driver, alarm, listener, wrote, .. } = self;
        wrote.store(false, Relaxed);
        let mut response = pin!(unconstrained(sender.try_send_request(request)));
        poll_fn(|cx| {
            listener.listen(cx, |cx| {
                drive(driver, cx);
                if let Poll::Ready(response) = response.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    return Poll::Ready(response.map_err(|mut error| match error.take_message() {
                        Some(_) => Interrupted::Unsent(error.into_error()),
                        None => Interrupted::Broken(error.into_error()),
                    }));
                }
                poll_late(alarm, deadline, cx).map(|()| Err(Interrupted::Late))
            })
        })
        .await
    }

    /// The body of an answer, which comes while it is read.
    pub(super) fn receive(&mut self, body: Incoming, deadline: Instant) -> Receiving<'_> {
        Receiving { connection: self, body, deadline }
    }
}

type Driver = http1::Connection<Stream, Payload>;

/// Reads and writes what can be read and written now. A driver that has ended is dropped, which fails what still waits for it.
fn drive(driver: &mut Option<Driver>, cx: &mut Context<'_>) {
    if let Some(running) = driver
        && Pin::new(running).poll(cx).is_ready()
    {
        *driver = None;
    }
}

/// Ready when `deadline` has passed; else the task is woken then.
fn poll_late(alarm: &mut Pin<Box<Sleep>>, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
    if deadline < alarm.deadline() {
        alarm.as_mut().reset(deadline);
    }
    while alarm.as_mut().poll(cx).is_ready() {
        if alarm.deadline() >= deadline {
            return Poll::Ready(());
        }
        alarm.as_mut().reset(deadline);
    }
    Poll::Pending
}

/// The body of an answer.
pub(super) struct Receiving<'c> {
    connection: &'c mut Connection,
    body: Incoming,
    deadline: Instant,
}

impl Body for Receiving<'_> {
    type Data = Bytes;
    type Error = Interrupted;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Interrupted>>> {
        let Self { connection: Connection { driver, alarm, listener, .. }, body, deadline } = self.get_mut();
        let mut frame =
            unconstrained(poll_fn(|_| Pin::new(&mut *body).poll_frame(&mut Context::from_waker(Waker::noop()))));
        listener.listen(cx, |cx| {
            let mut there = Pin::new(&mut frame).poll(cx);
            if there.is_pending() {
                drive(driver, cx);
                there = Pin::new(&mut frame).poll(cx);
            }
            match there {
                Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(Interrupted::Broken))),
                Poll::Pending => poll_late(alarm, *deadline, cx).map(|()| Some(Err(Interrupted::Late))),
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A request's body.
pub(super) struct Payload(Option<Bytes>);

impl Payload {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self(Some(bytes))
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

impl Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.wrote.store(true, Relaxed);
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.wrote.store(true, Relaxed);
        Pin::new(&mut self.inner).poll_write_vectored(cx, pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn a_call_ends_at_its_own_deadline_whatever_the_alarm_is_set_to() {
        let (soon, later, far) = (Duration::from_millis(2), Duration::from_millis(40), Duration::from_hours(1));
        for (set_to, in_time) in [(soon, later), (later, soon), (far, soon), (soon, soon)] {
            let now = Instant::now();
            let mut alarm = Box::pin(sleep_until(now + set_to));
            let late = poll_fn(|cx| poll_late(&mut alarm, now + in_time, cx));
            tokio::time::timeout(Duration::from_secs(10), late).await.expect("it goes off");
            assert!(Instant::now() >= now + in_time, "{set_to:?} {in_time:?}");
        }
    }
}
