//! A closed loop: every connection sends its next request when it has read the answer to the one before.

use super::{proxy::Proxy, traffic::Exchange};
use memchr::memmem;
use rustls::pki_types::ServerName;
use std::{
    cell::Cell,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsConnector;

/// Connections, each with one request under way.
pub(crate) const CONNECTIONS: usize = 32;

/// How long an answer may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a proxy did in a while.
pub(crate) struct Figures {
    /// Requests a second.
    pub(crate) rate: f64,
    /// CPU time of the proxy, in microseconds a request, where the system tells it.
    pub(crate) cpu: Option<f64>,
}

struct Shared {
    exchanges: Rc<[Exchange]>,
    answered: Cell<u32>,
    stop: Cell<bool>,
}

/// Loads the proxy for `length`, after a fourth of that to warm up. Every answer is compared with what it must be.
///
/// Panics when an answer is another, or none comes. To be called within a [`tokio::task::LocalSet`].
pub(crate) async fn load(proxy: &Proxy, exchanges: &Rc<[Exchange]>, length: Duration) -> Figures {
    let clock = &proxy.clock;
    let shared = Rc::new(Shared { exchanges: Rc::clone(exchanges), answered: Cell::new(0), stop: Cell::new(false) });
    let mut clients = JoinSet::new();
    for number in 0..CONNECTIONS {
        let stream = TcpStream::connect(proxy.address).await.expect("the proxy accepts connections");
        stream.set_nodelay(true).expect("a TCP socket");
        match &proxy.tls {
            None => clients.spawn_local(client(stream, Rc::clone(&shared), number)),
            Some(tls) => {
                let name = ServerName::try_from("localhost").expect("a name");
                let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.expect("a handshake");
                clients.spawn_local(client(stream, Rc::clone(&shared), number))
            }
        };
    }
    sleep(length / 4).await;
    let (began, answered, cpu) = (Instant::now(), shared.answered.get(), clock.read().await);
    sleep(length).await;
    let (elapsed, answered, now) = (began.elapsed(), shared.answered.get() - answered, clock.read().await);
    shared.stop.set(true);
    while let Some(ended) = clients.join_next().await {
        ended.expect("a client found every answer right");
    }
    Figures {
        rate: f64::from(answered) / elapsed.as_secs_f64(),
        cpu: now.zip(cpu).map(|(now, before)| (now - before) / 1e3 / f64::from(answered)),
    }
}

async fn client(mut stream: impl AsyncRead + AsyncWrite + Unpin, shared: Rc<Shared>, number: usize) {
    let mut buffer = Vec::with_capacity(128 * 1024);
    for exchange in shared.exchanges.iter().cycle().skip(number) {
        if shared.stop.get() {
            return;
        }
        stream.write_all(&exchange.request).await.expect("the proxy keeps its connections");
        buffer.clear();
        timeout(PATIENCE, receive(&mut stream, &mut buffer, exchange)).await.expect("an answer comes in time");
        shared.answered.set(shared.answered.get() + 1);
    }
}

/// Reads one answer.
async fn receive(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>, exchange: &Exchange) {
    let mut expected = None;
    while expected.is_none_or(|(_, end)| buffer.len() < end) {
        let read = stream.read_buf(buffer).await.expect("the proxy keeps its connections");
        assert!(read > 0, "the proxy closed a connection amid {:?}", String::from_utf8_lossy(buffer));
        if expected.is_none() {
            expected = memmem::find(buffer, b"\r\n\r\n").map(|head| (head + 4, head + 4 + length(&buffer[..head])));
        }
    }
    let (body, _) = expected.expect("the loop ends with a head");
    assert!(
        buffer.starts_with(b"HTTP/1.1 200 ") && buffer[body..] == *exchange.answer,
        "expected 200 with {:?}, got {:?}",
        String::from_utf8_lossy(&exchange.answer),
        String::from_utf8_lossy(buffer)
    );
}

/// The length of the body that comes after this head.
fn length(head: &[u8]) -> usize {
    let head = str::from_utf8(head).expect("a head in ASCII");
    let field = head.lines().filter_map(|line| line.split_once(':'));
    field
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .find_map(|(_, value)| value.trim().parse().ok())
        .unwrap_or_else(|| panic!("expected an answer with a Content-Length, got {head:?}"))
}
