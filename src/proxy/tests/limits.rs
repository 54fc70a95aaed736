//! Every connection ends in bounded time, and there are only so many.

use super::*;
use crate::net::body::read;

fn short(change: impl FnOnce(&mut Limits)) -> Gate {
    let mut limits = Limits::default();
    change(&mut limits);
    Gate::start(limits)
}

/// What an HTTP/2 client sends first: the preface and an empty SETTINGS frame.
const HTTP2_OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn a_connection_must_come_to_the_point() {
    let gate = short(|limits| limits.head_timeout = SHORT);
    gate.connect().await.closed().await;
    for opening in [
        b"PRI * HT".as_slice(),
        b"POST / HTTP/1.1\r\nHost: x\r\n",
        HTTP2_OPENING,
        // Two bytes of a frame that was to be longer.
        &[HTTP2_OPENING, b"\0\0\x20\x01\x04\0\0\0\x01\x82\x87"].concat(),
    ] {
        let mut client = gate.connect().await;
        client.send(opening).await;
        client.closed().await;
    }
    gate.stop().await;
}

#[tokio::test]
async fn dribbling_does_not_buy_time() {
    let gate = short(|limits| limits.head_timeout = SHORT);
    for opening in [b"".as_slice(), b"POST / HTTP/1.1\r\nX: ", &[HTTP2_OPENING, b"\0\x40\0\x01\x04\0\0\0\x01"].concat()]
    {
        let mut client = gate.connect().await;
        client.send(opening).await;
        client.dribble(b'P').await;
    }
    let mut second_head = gate.connect().await;
    assert_eq!(second_head.post("/", "x").await.status, 200);
    second_head.dribble(b'P').await;
    gate.stop().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let gate = short(|limits| limits.idle_timeout = SHORT);
    let mut http1 = gate.connect().await;
    assert_eq!(http1.post("/", "x").await.status, 200);
    http1.closed().await;

    let mut http2 = gate.connect_http2().await;
    assert_eq!(soon(http2.send_request(post("/", "x"))).await.unwrap().status(), 200);
    soon(async {
        while http2.ready().await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    })
    .await;
    gate.stop().await;
}

#[tokio::test]
async fn pings_do_not_keep_http2_open() {
    let gate = short(|limits| limits.idle_timeout = SHORT);
    let mut client = gate.connect().await;
    // `GET /` in one HEADERS frame that ends the stream, with names and values from HPACK's static table.
    client.send([HTTP2_OPENING, b"\0\0\x03\x01\x05\0\0\0\x01\x82\x86\x84"].concat()).await;
    soon(async {
        let mut scratch = [0; 1024];
        loop {
            let ended = tokio::select! {
                read = client.0.get_mut().read(&mut scratch) => read.map_or(true, |read| read == 0),
                () = tokio::time::sleep(SHORT / 10) => false,
            };
            if ended || client.0.write_all(b"\0\0\x08\x06\0\0\0\0\0\0\0\0\0\0\0\0\0").await.is_err() {
                break;
            }
        }
    })
    .await;
    gate.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_not_taken_is_given_up() {
    let gate = short(|limits| {
        limits.idle_timeout = SHORT;
        limits.connections = 1;
    });
    let mut slow = gate.connect().await;
    slow.send(head("/large", 0)).await;
    // The only place is free again once the connection that takes nothing is gone.
    assert_eq!(gate.connect().await.post("/", "x").await.status, 200);
    let mut taken = Vec::new();
    let _ = soon(slow.0.read_to_end(&mut taken)).await;
    assert!(taken.len() < 64 << 20);
    gate.stop().await;
}

#[tokio::test]
async fn asking_for_more_buys_no_time_to_take_an_answer() {
    let gate = short(|limits| (limits.idle_timeout, limits.queue) = (SHORT * 2, 0));
    let mut client = gate.connect_http2().await;
    let untaken = soon(client.send_request(post("/large", ""))).await.unwrap();
    // One request that is under way all the time, and others that come and go.
    let held = client.send_request(post("/hold", ""));
    soon(async {
        while client.ready().await.is_ok() && client.send_request(post("/", "")).await.is_ok() {
            tokio::time::sleep(SHORT / 5).await;
        }
    })
    .await;
    drop((untaken, held));
    gate.probe.release.add_permits(1);
    gate.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_being_taken_is_not_cut_for_a_newcomer() {
    let gate = short(|limits| (limits.connections, limits.bodies) = (2, 512 << 20));
    let mut taking = gate.connect_http2().await;
    let answer = soon(taking.send_request(post("/large", ""))).await.unwrap();
    let mut idle = gate.connect().await;
    assert_eq!(idle.post("/", "x").await.status, 200);
    // The connection that has idled the longest has an answer to be taken, and so the other one goes.
    assert_eq!(gate.connect().await.post("/", "new").await.body, b"new");
    idle.closed().await;
    // It was not told to go either.
    assert_eq!(soon(taking.send_request(post("/", "x"))).await.unwrap().status(), 200);
    assert_eq!(soon(read(answer.into_body(), 64 << 20)).await.unwrap().len(), 64 << 20);
    gate.stop().await;
}

#[tokio::test]
async fn a_slow_handler_is_not_an_idle_connection() {
    let gate = short(|limits| {
        limits.idle_timeout = SHORT;
        limits.head_timeout = SHORT;
    });
    let mut client = gate.connect().await;
    client.send(head("/hold", 0)).await;
    Probe::pass(&gate.probe.held).await;
    // A connection that came later was closed for its silence, twice over, and this one is still there.
    gate.connect().await.closed().await;
    gate.connect().await.closed().await;
    gate.probe.release.add_permits(1);
    assert_eq!(client.reply().await.body, b"held");
    gate.stop().await;
}

#[tokio::test]
async fn heads_are_bounded_in_count_and_bytes() {
    let gate = short(|limits| {
        limits.header_count = 5;
        limits.header_bytes = 1000;
    });
    let request = |count: usize, length: usize| {
        let headers = "a: b\r\n".repeat(count - 1);
        let request = format!("GET / HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        request.replace("host: x", &format!("host: {}", "x".repeat(length - (request.len() - 1))))
    };
    for (count, length, status) in [(5, 1000, 200), (6, 500, 431), (2, 1001, 431), (2, 5000, 431)] {
        let mut client = gate.connect().await;
        client.send(request(count, length)).await;
        let reply = client.reply().await;
        assert_eq!(reply.status, status, "{count} headers, {length} bytes");
        if count > 5 {
            assert_eq!(reply.headers["x-amzn-errortype"], "RequestHeaderFieldsTooLargeException");
            assert!(String::from_utf8(reply.body).unwrap().contains("has 6 headers, this gate reads 5"));
        }
    }
    let mut client = gate.connect_http2().await;
    // hyper's client adds a `content-length`.
    for (count, length, status) in [(4, 10, 200), (5, 10, 431), (1, 2000, 431)] {
        let mut request = post("/", "");
        for _ in 0..count {
            request.headers_mut().append("a", HeaderValue::from_str(&"b".repeat(length / count)).unwrap());
        }
        assert_eq!(soon(client.send_request(request)).await.unwrap().status(), status, "{count} {length}");
    }
    gate.stop().await;
}

#[tokio::test]
async fn a_full_gate_takes_no_connection_until_one_ends() {
    for workers in [1, 2] {
        let gate = Gate::with_workers(Limits { connections: 2, ..Limits::default() }, workers);
        let mut busy = Vec::new();
        for _ in 0..2 {
            let mut client = gate.connect().await;
            client.send(head("/hold", 0)).await;
            Probe::pass(&gate.probe.held).await;
            busy.push(client);
        }
        let mut third = gate.connect().await;
        third.send(head("/hold", 0)).await;
        // Somebody asks for its place again and again, and has none to give up.
        assert!(timeout(SHORT * 2, gate.probe.held.acquire()).await.is_err());
        gate.probe.release.add_permits(2);
        for client in &mut busy {
            assert_eq!(client.reply().await.body, b"held");
        }
        drop(busy.pop());
        Probe::pass(&gate.probe.held).await;
        gate.probe.release.add_permits(1);
        assert_eq!(third.reply().await.body, b"held");
        gate.stop().await;
    }
}

#[tokio::test]
async fn who_idles_the_longest_gives_its_place_to_who_has_none() {
    let gate = short(|limits| limits.connections = 3);
    let mut first = gate.connect().await;
    let mut http2 = gate.connect_http2().await;
    let mut last = gate.connect().await;
    assert_eq!(first.post("/", "x").await.status, 200);
    assert_eq!(soon(http2.send_request(post("/", "x"))).await.unwrap().status(), 200);
    assert_eq!(last.post("/", "x").await.status, 200);

    let mut new = gate.connect().await;
    assert_eq!(new.post("/", "new").await.body, b"new");
    first.closed().await;
    let mut newer = gate.connect().await;
    assert_eq!(newer.post("/", "newer").await.body, b"newer");
    soon(async {
        while http2.ready().await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    })
    .await;
    for client in [&mut last, &mut new, &mut newer] {
        assert_eq!(client.post("/", "still").await.body, b"still");
    }
    gate.stop().await;
}

#[tokio::test]
async fn whoever_idles_with_any_worker_gives_way() {
    let gate = Gate::with_workers(Limits { connections: 4, ..Limits::default() }, 4);
    let mut kept = Vec::new();
    for _ in 0..40 {
        let mut client = gate.connect().await;
        assert_eq!(client.post("/", "x").await.status, 200);
        kept.push(client);
    }
    gate.stop().await;
}

#[tokio::test]
async fn resetting_streams_does_not_get_more_requests_in() {
    let gate = short(|limits| limits.streams = 2);
    let mut client = gate.connect_http2().await;
    for _ in 0..2 {
        let stream = tokio::spawn(client.send_request(post("/hold", "")));
        Probe::pass(&gate.probe.held).await;
        stream.abort();
        assert!(stream.await.unwrap_err().is_cancelled());
    }
    soon(client.ready()).await.unwrap();
    assert_eq!(soon(client.send_request(post("/", ""))).await.unwrap().status(), 503);
    gate.probe.release.add_permits(2);
    Probe::pass(&gate.probe.ended).await;
    Probe::pass(&gate.probe.ended).await;
    assert_eq!(soon(client.send_request(post("/", ""))).await.unwrap().status(), 200);
    gate.stop().await;
}
