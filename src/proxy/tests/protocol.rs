//! HTTP/1.1 and HTTP/2, as they should be.

use super::*;
use crate::{net::body::read, proxy::RunError};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

#[tokio::test]
async fn http1_keeps_the_connection_and_answers_in_order() {
    let gate = Gate::with_workers(Limits::default(), 2);
    let mut client = gate.connect().await;
    for body in ["one", "two"] {
        let reply = client.post("/", body).await;
        assert_eq!((reply.status, reply.body.as_slice()), (200, body.as_bytes()));
        assert!(reply.headers.contains_key("date"));
        assert!(!reply.headers.contains_key("connection"));
    }
    client.send([head("/", 1), "1".into(), head("/", 1), "2".into(), head("/", 1), "3".into()].concat()).await;
    for body in [b"1", b"2", b"3"] {
        assert_eq!(client.reply().await.body, body);
    }
    assert_eq!(gate.stop().await, DrainReport::default());
}

#[tokio::test]
async fn http2_comes_in_on_the_same_port() {
    let gate = Gate::start(Limits::default());
    let mut client = gate.connect_http2().await;
    let held: Vec<_> = (0..10).map(|_| client.send_request(post("/hold", ""))).collect();
    for _ in 0..10 {
        Probe::pass(&gate.probe.held).await;
    }
    let body = "x".repeat(100_000);
    let response = soon(client.send_request(post("/", body.clone()))).await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, http::Version::HTTP_2));
    assert!(response.headers().contains_key("date"));
    assert_eq!(read(response.into_body(), 100_000).await.unwrap(), body);
    gate.probe.release.add_permits(10);
    for response in held {
        assert_eq!(soon(response).await.unwrap().status(), 200);
    }
    assert_eq!(gate.stop().await, DrainReport::default());
}

#[tokio::test]
async fn http2_gives_small_windows_and_reads_large_bodies_through_them() {
    let gate = Gate::start(Limits::default());
    let mut raw = gate.connect().await;
    raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    let (mut stream, mut connection) = (65_535, 65_535);
    // SETTINGS, then WINDOW_UPDATE of the connection (RFC 9113, 6.5 and 6.9), before or after the acknowledgement of ours.
    while connection == 65_535 {
        let mut head = [0; 9];
        soon(raw.0.read_exact(&mut head)).await.unwrap();
        let mut payload = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
        soon(raw.0.read_exact(&mut payload)).await.unwrap();
        let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
        match head[3] {
            4 => {
                let window = payload.chunks(6).find(|setting| setting[..2] == [0, 4]);
                stream = window.map_or(stream, |setting| number(&setting[2..]));
            }
            8 => connection += number(&payload),
            other => panic!("frame {other}"),
        }
    }
    assert_eq!((stream, connection), (64 << 10, 128 << 10));
    drop(raw);

    let mut client = gate.connect_http2().await;
    let body = "x".repeat(1 << 20);
    let response = soon(client.send_request(post("/", body.clone()))).await.unwrap();
    assert_eq!(read(response.into_body(), 1 << 20).await.unwrap(), body);
    gate.stop().await;
}

#[tokio::test]
async fn a_head_in_pieces_is_one_head() {
    let gate = Gate::start(Limits::default());
    for cut in [1, 3, 4, 23, 24, 25, 60] {
        let mut client = gate.connect().await;
        client.0.get_ref().set_nodelay(true).unwrap();
        let request = head("/", 2) + "ok";
        for piece in [&request[..cut], &request[cut..]] {
            client.send(piece).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(client.reply().await.body, b"ok", "{cut}");
    }
    gate.stop().await;
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let gate = Gate::start(Limits::default());
    for garbage in ["\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "GET\r\n\r\n"] {
        let mut client = gate.connect().await;
        client.send(garbage).await;
        assert_eq!(client.reply().await.status, 400, "{garbage}");
        client.closed().await;
    }
    gate.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_does_not_cut_its_request_short() {
    let gate = Gate::start(Limits::default());
    let mut http1 = gate.connect().await;
    http1.send(head("/hold", 0)).await;
    let mut http2 = gate.connect_http2().await;
    let on_http2 = tokio::spawn(http2.send_request(post("/hold", "")));
    Probe::pass(&gate.probe.held).await;
    Probe::pass(&gate.probe.held).await;
    drop(http1);
    on_http2.abort();
    drop(http2);
    assert!(on_http2.await.unwrap_err().is_cancelled());
    // Once another request went through, the server has seen both go.
    assert_eq!(gate.connect().await.post("/", "x").await.status, 200);
    gate.probe.release.add_permits(2);
    Probe::pass(&gate.probe.ended).await;
    Probe::pass(&gate.probe.ended).await;
    gate.stop().await;
}

#[test]
fn no_worker_begins_when_one_has_no_service() {
    let listener = Listener::bind(([127, 0, 0, 1], 0).into(), NonZeroUsize::new(3).unwrap()).unwrap();
    let address = listener.address();
    let (_trigger, shutdown) = Shutdown::by_trigger();
    let asked = AtomicUsize::new(0);
    let make = |index| {
        asked.fetch_add(1, SeqCst);
        if index == 1 { Err("no service") } else { Ok(Rc::new(Never)) }
    };
    let error = run(listener, &LiveLimits::new(Limits::default()), make, &shutdown).unwrap_err();
    assert!(matches!(error, RunError::Service("no service")));
    assert_eq!(asked.load(SeqCst), 3);
    assert!(std::net::TcpStream::connect(address).is_err());
}

struct Never;

impl Service for Never {
    async fn call(self: Rc<Self>, _: Request<RequestBody>, _: Rc<Peer>) -> Response<Full<Bytes>> {
        std::future::pending().await
    }

    fn body_limit(&self) -> usize {
        0
    }
}
