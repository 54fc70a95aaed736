//! TCP connections whose small writes go out together.
//!
//! A write wakes whoever waits for it at the other end. Where that is another process of the same machine, as a sidecar's client and
//! most things that stand between a gate and AWS are, to wake it may cost the writer more than all else about the write. So what the
//! tasks of a worker write in one turn of its event loop is held until each of them had its turn, and goes out then, one write
//! after the other: the first one wakes the other end, and the next ones find it awake. On a worker that has nothing else to do, that is at
//! once. `docs/performance.md` says what else makes a gate fast.
//!
//! A turn's writes go out where [`send_turns`] runs on the thread; elsewhere each goes out by itself.

use hyper_util::client::legacy::connect::{Connected, Connection};
use std::{
    cell::RefCell,
    fmt,
    future::poll_fn,
    io::{self, IoSlice},
    mem,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicBool,
            Ordering::{AcqRel, Acquire, Release},
        },
    },
    task::{Context, Poll, Waker, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// Up to here a write is held, and copied for that, unless more than this would be held of its connection. `writev` takes the kernel 150
/// to 200 ns longer than `send`, so that to copy the pieces of a small one together pays also where it goes out by itself.
const SMALL: usize = 8 * 1024;

/// So many writes do not wait for others: who comes first in a long turn need not wait for its end.
const MOST_TOGETHER: usize = 32;

/// A connection.
pub(crate) struct Tcp {
    read: OwnedReadHalf,
    outbox: Arc<Outbox>,
}

/// What a connection has to send.
struct Outbox {
    sending: Mutex<Sending>,
    /// Whether there is a rest or an error: its task has to look.
    blocked: AtomicBool,
}

struct Sending {
    write: OwnedWriteHalf,
    /// How many bytes of it are held.
    held: usize,
    /// What the kernel did not take yet of what was held.
    rest: Vec<u8>,
    /// Why that cannot be sent. The next write or flush is told.
    error: Option<io::Error>,
    /// The task that wrote last.
    task: Option<Waker>,
}

/// What the tasks of a thread have written in this turn.
struct Turn {
    writes: Vec<(Arc<Outbox>, usize)>,
    /// Of all writes, one after the other.
    bytes: Vec<u8>,
    /// Who sends them at the end of the turn, if anybody does.
    sender: Option<Waker>,
}

thread_local! {
    static TURN: RefCell<Turn> = const { RefCell::new(Turn { writes: Vec::new(), bytes: Vec::new(), sender: None }) };
}

impl Turn {
    /// Holds a write of a connection until the end of the turn.
    fn hold(&mut self, outbox: &Arc<Outbox>, pieces: &[IoSlice<'_>], length: usize) {
        append(pieces, &mut self.bytes);
        self.writes.push((Arc::clone(outbox), length));
        // It is behind all tasks that are to run in this turn, as long as none of them wakes another.
        if let (1, Some(sender)) = (self.writes.len(), &self.sender) {
            sender.wake_by_ref();
        }
    }
}

/// Sends what is held on this thread.
fn send_held() {
    let (mut writes, mut bytes) =
        TURN.with_borrow_mut(|turn| (mem::take(&mut turn.writes), mem::take(&mut turn.bytes)));
    let mut left = &bytes[..];
    for (outbox, length) in writes.drain(..) {
        let (own, others) = left.split_at(length);
        left = others;
        outbox.send(own);
    }
    bytes.clear();
    // Their memory is for the next turn.
    TURN.with_borrow_mut(|turn| {
        if turn.writes.is_empty() {
            (turn.writes, turn.bytes) = (writes, bytes);
        }
    });
}

/// Lets the writes of this thread go out together, as long as it is not dropped. It is to be run as a task of its own, whose turn comes
/// after that of the tasks that are woken already.
pub(crate) async fn send_turns() {
    let _ends = Ends;
    poll_fn(|cx| {
        TURN.with_borrow_mut(|turn| {
            if !turn.sender.as_ref().is_some_and(|sender| sender.will_wake(cx.waker())) {
                turn.sender = Some(cx.waker().clone());
            }
        });
        send_held();
        Poll::<()>::Pending
    })
    .await;
}

/// From here on each write goes out by itself.
struct Ends;

impl Drop for Ends {
    fn drop(&mut self) {
        // When the thread ends there may be no turn any more.
        let _ = TURN.try_with(|turn| turn.borrow_mut().sender = None).map(|()| send_held());
    }
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Sending> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a write that was held. What the kernel does not take, the connection's own task goes on with: a connection that is gone has
    /// none, and its rest goes with it.
    fn send(&self, bytes: &[u8]) {
        let mut sending = self.lock();
        sending.held -= bytes.len();
        if sending.error.is_some() {
            return;
        }
        let cx = &mut Context::from_waker(Waker::noop());
        let mut left = bytes;
        while sending.rest.is_empty() && !left.is_empty() {
            match written(Pin::new(&mut sending.write).poll_write(cx, left)) {
                Poll::Ready(Ok(written)) => left = &left[written..],
                Poll::Ready(Err(error)) => {
                    sending.error = Some(error);
                    left = &[];
                }
                Poll::Pending => break,
            }
        }
        sending.rest.extend_from_slice(left);
        if sending.is_blocked() && !self.blocked.swap(true, AcqRel) {
            let task = sending.task.clone();
            drop(sending);
            if let Some(task) = task {
                task.wake();
            }
        }
    }

    /// Waits until the kernel has all that was written before.
    fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sending = self.lock();
        if sending.held > 0 {
            drop(sending);
            send_held();
            sending = self.lock();
        }
        let sent = sending.poll_rest(cx);
        if let Some(error) = sending.error.take() {
            self.blocked.store(false, Release);
            return Poll::Ready(Err(error));
        }
        self.blocked.store(sent.is_pending(), Release);
        sent.map(Ok)
    }
}

impl Sending {
    fn is_blocked(&self) -> bool {
        self.error.is_some() || !self.rest.is_empty()
    }

    /// Sends the rest. Ready when there is none: it was sent, or cannot be.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.rest.is_empty() {
            match ready!(written(Pin::new(&mut self.write).poll_write(cx, &self.rest))) {
                Ok(written) => drop(self.rest.drain(..written)),
                Err(error) => {
                    self.error = Some(error);
                    self.rest.clear();
                }
            }
        }
        self.rest = Vec::new();
        Poll::Ready(())
    }
}

/// A write of something that wrote nothing has failed.
fn written(write: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
    write.map(|written| {
        written.and_then(|written| if written == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(written) })
    })
}

impl From<TcpStream> for Tcp {
    fn from(stream: TcpStream) -> Self {
        let (read, write) = stream.into_split();
        let sending = Sending { write, held: 0, rest: Vec::new(), error: None, task: None };
        Self { read, outbox: Arc::new(Outbox { sending: Mutex::new(sending), blocked: AtomicBool::new(false) }) }
    }
}

impl Tcp {
    fn poll_write_pieces(&self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let length = pieces.iter().map(|piece| piece.len()).sum();
        if length == 0 {
            return Poll::Ready(Ok(0));
        }
        let is_small = length <= SMALL;
        let together = is_small && TURN.with_borrow(|turn| turn.sender.is_some());
        let mut sending = self.outbox.lock();
        if sending.is_blocked() || sending.held > 0 && (!together || sending.held + length > SMALL) {
            drop(sending);
            ready!(self.outbox.poll_sent(cx))?;
            sending = self.outbox.lock();
        }
        if together {
            sending.held += length;
            if !sending.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
                sending.task = Some(cx.waker().clone());
            }
            drop(sending);
            let many = TURN.with_borrow_mut(|turn| {
                turn.hold(&self.outbox, pieces, length);
                turn.writes.len() >= MOST_TOGETHER
            });
            if many {
                send_held();
            }
            return Poll::Ready(Ok(length));
        }
        match pieces {
            [only] => Pin::new(&mut sending.write).poll_write(cx, only),
            pieces if is_small => {
                let mut joined = Vec::with_capacity(length);
                append(pieces, &mut joined);
                Pin::new(&mut sending.write).poll_write(cx, &joined)
            }
            pieces => Pin::new(&mut sending.write).poll_write_vectored(cx, pieces),
        }
    }
}

fn append(pieces: &[IoSlice<'_>], to: &mut Vec<u8>) {
    for piece in pieces {
        to.extend_from_slice(piece);
    }
}

impl AsyncRead for Tcp {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Whoever waits for an answer to what is held, and has nothing to write, may never ask for more than to read.
        if self.outbox.blocked.load(Acquire) {
            let _ = self.outbox.lock().poll_rest(cx);
        }
        Pin::new(&mut self.read).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_pieces(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_pieces(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// What is held counts as flushed: it goes out in this turn.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.outbox.blocked.load(Acquire) { self.outbox.poll_sent(cx) } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.outbox.poll_sent(cx))?;
        Pin::new(&mut self.outbox.lock().write).poll_shutdown(cx)
    }
}

/// Of a connection that was made by [`hyper_util`]'s connector, nothing needs to be told.
impl Connection for Tcp {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl fmt::Debug for Tcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tcp").field(self.read.as_ref()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{pin::pin, time::Duration};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        runtime,
        task::{JoinHandle, yield_now},
        time::timeout,
    };

    /// Two ends of a connection.
    async fn pair() -> (Tcp, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connecting = TcpStream::connect(listener.local_addr().unwrap());
        let (one, other) = tokio::join!(connecting, listener.accept());
        (one.unwrap().into(), other.unwrap().0)
    }

    /// Lets the writes of this thread go out together.
    async fn together() -> JoinHandle<()> {
        let sends = tokio::spawn(send_turns());
        while !TURN.with_borrow(|turn| turn.sender.is_some()) {
            yield_now().await;
        }
        sends
    }

    async fn write(tcp: &mut Tcp, bytes: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| Pin::new(&mut *tcp).poll_write(cx, bytes)).await
    }

    async fn read(stream: &mut TcpStream, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        timeout(Duration::from_secs(10), stream.read_exact(&mut bytes)).await.expect("it comes").unwrap();
        bytes
    }

    fn is_empty(stream: &TcpStream) -> bool {
        matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    #[tokio::test]
    async fn the_writes_of_a_turn_go_out_at_its_end() {
        let sends = together().await;
        let ((mut one, mut one_end), (mut other, mut other_end)) = (pair().await, pair().await);
        for bytes in ["a", "b"] {
            write(&mut one, bytes.as_bytes()).await.unwrap();
            write(&mut other, bytes.as_bytes()).await.unwrap();
        }
        poll_fn(|cx| Pin::new(&mut one).poll_flush(cx)).await.unwrap();
        assert_eq!(TURN.with_borrow(|turn| turn.writes.len()), 4);
        assert!(is_empty(&one_end) && is_empty(&other_end));
        assert_eq!((read(&mut one_end, 2).await, read(&mut other_end, 2).await), (b"ab".to_vec(), b"ab".to_vec()));

        // The last of many finds that they are enough.
        for _ in 1..MOST_TOGETHER {
            write(&mut one, b"c").await.unwrap();
            assert!(is_empty(&one_end));
        }
        write(&mut one, b"c").await.unwrap();
        assert_eq!(TURN.with_borrow(|turn| turn.writes.len()), 0);
        assert_eq!(read(&mut one_end, MOST_TOGETHER).await, [b'c'; MOST_TOGETHER]);

        // One that is too large to be held does not overtake those that are.
        let large = vec![b'e'; SMALL + 1];
        write(&mut one, b"d").await.unwrap();
        let written = write(&mut one, &large).await.unwrap();
        assert_eq!(TURN.with_borrow(|turn| turn.writes.len()), 0);
        assert_eq!(read(&mut one_end, 1 + written).await, [b"d", &large[..written]].concat());

        // Of one connection no more is held than a small write.
        for bytes in [[b'f'; SMALL / 2 + 1], [b'g'; SMALL / 2 + 1]] {
            write(&mut one, &bytes).await.unwrap();
        }
        assert_eq!(TURN.with_borrow(|turn| turn.writes.len()), 1);
        let came = read(&mut one_end, SMALL + 2).await;
        assert_eq!((came[0], came[SMALL / 2], came[SMALL / 2 + 1]), (b'f', b'f', b'g'));

        // Whoever ends this sends what is left, and holds no more.
        write(&mut one, b"f").await.unwrap();
        sends.abort();
        assert!(sends.await.unwrap_err().is_cancelled());
        assert_eq!(read(&mut one_end, 1).await, b"f");
        write(&mut one, b"g").await.unwrap();
        assert_eq!(TURN.with_borrow(|turn| turn.writes.len()), 0);
        assert_eq!(read(&mut one_end, 1).await, b"g");
    }

    #[tokio::test]
    async fn what_is_held_comes_before_the_end() {
        let sends = together().await;
        let (mut closed, mut closed_end) = pair().await;
        write(&mut closed, b"closed").await.unwrap();
        closed.shutdown().await.unwrap();
        let (mut dropped, mut dropped_end) = pair().await;
        write(&mut dropped, b"dropped").await.unwrap();
        drop(dropped);
        for (stream, expected) in [(&mut closed_end, "closed"), (&mut dropped_end, "dropped")] {
            let mut came = String::new();
            timeout(Duration::from_secs(10), stream.read_to_string(&mut came)).await.unwrap().unwrap();
            assert_eq!(came, expected);
        }
        sends.abort();
    }

    #[tokio::test]
    async fn whoever_is_not_read_has_to_wait_and_is_woken() {
        let sends = together().await;
        let (mut tcp, mut end) = pair().await;
        let mut written = 0;
        // The kernel takes some megabytes, and then one write more is kept.
        while !tcp.outbox.blocked.load(Acquire) {
            written += write(&mut tcp, &[b'x'; SMALL]).await.unwrap();
            yield_now().await;
        }
        assert!(timeout(Duration::ZERO, tcp.flush()).await.is_err());
        {
            let mut last = pin!(write(&mut tcp, b"y"));
            assert!(timeout(Duration::ZERO, last.as_mut()).await.is_err());
            let (last, came) = tokio::join!(last, read(&mut end, written));
            assert!(last.is_ok() && came.iter().all(|byte| *byte == b'x'));
        }
        assert_eq!(read(&mut end, 1).await, b"y");
        tcp.flush().await.unwrap();
        assert!(!tcp.outbox.lock().is_blocked());

        // Also one who only reads sends the rest.
        written = 0;
        while !tcp.outbox.blocked.load(Acquire) {
            written += write(&mut tcp, &[b'x'; SMALL]).await.unwrap();
            yield_now().await;
        }
        let answers = async {
            read(&mut end, written).await;
            end.write_all(b"z").await.unwrap();
        };
        let mut answer = [0];
        let (read_it, ()) = tokio::join!(tcp.read(&mut answer), answers);
        assert_eq!((read_it.unwrap(), answer), (1, *b"z"));
        tcp.flush().await.unwrap();

        // Nobody waits for what is left of a connection that is gone.
        while !tcp.outbox.blocked.load(Acquire) {
            write(&mut tcp, &[b'x'; SMALL]).await.unwrap();
            yield_now().await;
        }
        let outbox = Arc::downgrade(&tcp.outbox);
        drop(tcp);
        let gone = async {
            while outbox.strong_count() > 0 {
                yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), gone).await.unwrap();
        sends.abort();
    }

    #[tokio::test]
    async fn a_write_that_failed_is_told_with_the_next() {
        let sends = together().await;
        let (mut tcp, end) = pair().await;
        end.set_zero_linger().unwrap();
        drop(end);
        let fails = async {
            loop {
                if let Err(error) = write(&mut tcp, b"x").await {
                    return error;
                }
                yield_now().await;
            }
        };
        let error = timeout(Duration::from_secs(10), fails).await.unwrap();
        assert!(matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset), "{error}");
        sends.abort();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn all_comes_in_order(
            sizes in prop::collection::vec(prop_oneof![1..64_usize, 4000..9000_usize, Just(SMALL), 100_000..400_000_usize], 1..40),
            reads in prop::collection::vec(1..200_000_usize, 1..8),
            holds in any::<bool>(),
        ) {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let (sent, came) = runtime.block_on(async {
                let sends = if holds { Some(together().await) } else { None };
                let (mut tcp, mut end) = pair().await;
                let parts: Vec<Vec<u8>> = (0_u8..).zip(&sizes).map(|(at, size)| vec![at; *size]).collect();
                let sent = parts.concat();
                let writing = async move {
                    for part in parts {
                        let (head, body) = part.split_at(part.len() / 3);
                        let mut left = [head, body];
                        while left.iter().any(|piece| !piece.is_empty()) {
                            let pieces = left.map(IoSlice::new);
                            let mut written = poll_fn(|cx| Pin::new(&mut tcp).poll_write_vectored(cx, &pieces)).await.unwrap();
                            for piece in &mut left {
                                let of_piece = written.min(piece.len());
                                (*piece, written) = (&piece[of_piece..], written - of_piece);
                            }
                        }
                        tcp.flush().await.unwrap();
                    }
                    tcp.shutdown().await.unwrap();
                };
                let reading = async move {
                    let mut came = Vec::new();
                    for size in reads.iter().cycle() {
                        let mut buffer = vec![0; *size];
                        match end.read(&mut buffer).await.unwrap() {
                            0 => break,
                            read => came.extend_from_slice(&buffer[..read]),
                        }
                        yield_now().await;
                    }
                    came
                };
                let ((), came) = timeout(Duration::from_mins(1), async { tokio::join!(writing, reading) }).await.unwrap();
                if let Some(sends) = sends {
                    sends.abort();
                }
                (sent, came)
            });
            prop_assert!(sent == came, "{} bytes were sent, {} came", sent.len(), came.len());
        }
    }
}
