//! Bodies: too long, too slow, broken off, and not wanted.

use super::*;

fn limits() -> Limits {
    Limits { body: 1000, ..Limits::default() }
}

#[tokio::test]
async fn a_body_may_be_as_long_as_the_limit() {
    let gate = Gate::start(limits());
    let mut client = gate.connect().await;
    for length in [0, 1, 1000] {
        let body = "x".repeat(length);
        let reply = client.post("/", &body).await;
        assert_eq!((reply.status, reply.body.len()), (200, length));
    }
    client
        .send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        .await;
    assert_eq!(client.reply().await.body, b"abcde");
    gate.stop().await;
}

#[tokio::test]
async fn a_longer_one_is_refused_and_the_client_sees_it() {
    let gate = Gate::start(limits());
    let chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (head, body) in [
        (head("/", 1001), "x".repeat(1001)),
        // More than the sockets' buffers hold: the client writes it all before it reads.
        (head("/", 6 << 20), "x".repeat(6 << 20)),
        (chunked.into(), "3E9\r\n".to_owned() + &"x".repeat(1001) + "\r\n0\r\n\r\n"),
        (chunked.into(), "200\r\n".to_owned() + &("x".repeat(512) + "\r\n200\r\n").repeat(10_000)),
    ] {
        let mut client = gate.connect().await;
        client.send(&head).await;
        soon(client.0.write_all(body.as_bytes())).await.unwrap();
        let reply = client.reply().await;
        assert_eq!((reply.status, &reply.headers["connection"]), (413, &HeaderValue::from_static("close")));
        assert_eq!(reply.headers["x-amzn-errortype"], "RequestEntityTooLargeException");
        assert!(String::from_utf8(reply.body).unwrap().contains("larger than 1000 bytes"));
        client.closed().await;
    }
    let mut client = gate.connect_http2().await;
    for (length, status) in [(1001, 413), (3 << 20, 413), (1000, 200)] {
        let response = soon(client.send_request(post("/", "x".repeat(length)))).await.unwrap();
        assert_eq!(response.status(), status, "{length}");
    }
    gate.stop().await;
}

#[tokio::test]
async fn a_body_that_nobody_reads_does_not_hide_the_answer() {
    let gate = Gate::start(limits());
    let mut client = gate.connect().await;
    let body = "x".repeat(6 << 20);
    client.send(head("/ignore", body.len())).await;
    soon(client.0.write_all(body.as_bytes())).await.unwrap();
    assert_eq!(client.reply().await.status, 403);
    client.closed().await;
    gate.stop().await;
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_before_it_sends() {
    let gate = Gate::start(limits());
    let ask = |length: usize| head("/", length).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let mut client = gate.connect().await;
    client.send(ask(3)).await;
    assert_eq!(client.reply().await.status, 100);
    client.send("abc").await;
    assert_eq!(client.reply().await.body, b"abc");
    client.send(ask(1001)).await;
    assert_eq!(client.reply().await.status, 413);
    client.closed().await;
    gate.stop().await;
}

#[tokio::test]
async fn a_slow_body_is_given_up() {
    let gate = Gate::start(Limits { body_timeout: SHORT, ..limits() });
    let mut client = gate.connect().await;
    client.send(head("/", 100) + "a").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, &reply.headers["connection"]), (408, &HeaderValue::from_static("close")));
    assert!(String::from_utf8(reply.body).unwrap().contains("within 0.15 s"));
    client.closed().await;

    let mut dribbler = gate.connect().await;
    dribbler.send(head("/", 900)).await;
    dribbler.dribble(b'x').await;

    let mut raw = gate.connect().await;
    // `POST /` without END_STREAM, and no DATA frame ever. The answer names the stream: HEADERS, then the body.
    raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x03\x01\x04\0\0\0\x01\x83\x86\x84").await;
    Probe::pass(&gate.probe.failed).await;
    Probe::pass(&gate.probe.failed).await;
    Probe::pass(&gate.probe.failed).await;
    let failures = gate.probe.failures.lock().unwrap().clone();
    assert_eq!(failures, vec![BodyError::Timeout { after: SHORT }; 3]);
    drop((raw, dribbler));
    gate.stop().await;
}

#[tokio::test]
async fn a_broken_body_is_told_from_a_client_that_left() {
    let gate = Gate::start(limits());
    let mut gone = gate.connect().await;
    gone.send(head("/", 100) + "a").await;
    drop(gone);
    Probe::pass(&gate.probe.failed).await;

    let mut chunked = gate.connect().await;
    chunked.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").await;
    assert_eq!(chunked.reply().await.status, 400);
    chunked.closed().await;

    let mut client = gate.connect_http2().await;
    let mut request = post("/", "abc");
    request.headers_mut().insert("content-length", HeaderValue::from_static("100"));
    assert!(soon(client.send_request(request)).await.is_err());
    Probe::pass(&gate.probe.failed).await;
    Probe::pass(&gate.probe.failed).await;
    let failures = gate.probe.failures.lock().unwrap().clone();
    assert_eq!(failures, [BodyError::ClientGone, BodyError::Malformed, BodyError::ClientGone]);
    gate.stop().await;
}
