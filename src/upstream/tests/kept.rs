//! Connections that are kept, and those that are not.

use super::*;

#[tokio::test]
async fn a_connection_is_used_again_only_after_an_answer_that_allows_it() {
    let close = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}";
    let old = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    let more = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    for (first, kept) in [(OK, true), (close, false), (old, false), (more, false)] {
        let mut backend = Backend::start([Then::Answer(first.into()), Then::Answer(OK.into())]).await;
        let upstream = Upstream::http(backend.settings()).unwrap();
        for call in ["one", "two"] {
            assert_eq!(ask(&upstream, call).await.unwrap().body, "{}", "{first}");
            assert!(soon(backend.requests.recv()).await.unwrap().ends_with(call));
        }
        assert_eq!(backend.connections(), if kept { 1 } else { 2 }, "{first}");
        assert!(backend.requests.try_recv().is_err(), "{first}: it was sent twice");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_left_with_its_connection() {
    let large = format!("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n{}", "x".repeat(1001));
    let backend = Backend::start([Then::Answer(large), Then::Answer(OK.into())]).await;
    let upstream = Upstream::http(HttpSettings { response_limit: 1000, ..backend.settings() }).unwrap();
    ask(&upstream, "x").await.unwrap_err();
    assert_eq!(ask(&upstream, "x").await.unwrap().body, "{}");
    assert_eq!(backend.connections(), 2);
}

#[tokio::test]
async fn unused_connections_are_bounded_in_number() {
    for most in [0, 1, 3] {
        let mut backend = Backend::start([Then::Answer(OK.into())]).await;
        let upstream = Upstream::http(HttpSettings { idle_connections: most, ..backend.settings() }).unwrap();
        let calls = || Box::pin(async { tokio::join!(ask(&upstream, "a"), ask(&upstream, "b"), ask(&upstream, "c")) });
        calls().await.0.unwrap();
        assert_eq!(backend.connections(), 3);
        for _ in most..3 {
            soon(backend.closed.recv()).await.unwrap();
        }
        calls().await.0.unwrap();
        assert_eq!(backend.connections(), 6 - most, "{most} are kept");
    }
}

#[tokio::test]
async fn unused_connections_are_bounded_in_time() {
    // While no call comes.
    let mut backend = Backend::start([Then::Answer(OK.into())]).await;
    let upstream = Upstream::http(HttpSettings { idle_timeout: SHORT, ..backend.settings() }).unwrap();
    for opened in 1..=2 {
        tokio::join!(ask(&upstream, "x"), ask(&upstream, "y")).0.unwrap();
        assert_eq!(backend.connections(), 2 * opened);
        for _ in 0..2 {
            soon(backend.closed.recv()).await.unwrap();
        }
    }
    // And with the way to the backend itself.
    let upstream = Upstream::http(backend.settings()).unwrap();
    ask(&upstream, "x").await.unwrap();
    drop(upstream);
    soon(backend.closed.recv()).await.unwrap();
}

#[tokio::test]
async fn a_call_that_is_given_up_takes_its_connection_with_it() {
    let mut backend = Backend::start([Then::Hang(String::new())]).await;
    let upstream = Upstream::http(backend.settings()).unwrap();
    let asking = ask(&upstream, "x");
    tokio::select! {
        _ = asking => panic!("there is no answer"),
        request = soon(backend.requests.recv()) => drop(request.unwrap()),
    }
    // The backend hears of it only when it writes, but the next call does not wait behind it.
    tokio::select! {
        _ = ask(&upstream, "y") => panic!("there is no answer"),
        request = soon(backend.requests.recv()) => assert!(request.unwrap().ends_with('y')),
    }
    assert_eq!(backend.connections(), 2);
}

/// Its pieces come one by one, and every one must wake the call.
#[tokio::test]
async fn a_large_answer_comes_whole() {
    let body = "0123456789abcdef".repeat(7 * 64 * 1024);
    let chunk = &body[..1024];
    let chunks = format!("400\r\n{chunk}\r\n").repeat(body.len() / 1024);
    for answer in [
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"),
    ] {
        let backend = Backend::start([Then::Answer(answer)]).await;
        let upstream = Upstream::http(backend.settings()).unwrap();
        for _ in 0..2 {
            assert!(ask(&upstream, "x").await.unwrap().body == body);
        }
        assert_eq!(backend.connections(), 1);
    }
}

/// Tasks hand the connections on to one another; each must be woken for its own call.
#[tokio::test]
async fn many_tasks_share_the_connections() {
    let backend = Backend::start([Then::Answer(OK.into())]).await;
    let upstream = Upstream::http(HttpSettings { idle_connections: 4, ..backend.settings() }).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let upstream = upstream.clone();
        tasks.spawn(async move {
            for _ in 0..16 {
                assert_eq!(ask(&upstream, "x").await.unwrap().body, "{}");
                tokio::task::yield_now().await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}
