//! Stopping: nothing that was accepted is lost, and nothing holds it up for ever.

use super::*;

#[tokio::test]
async fn what_is_under_way_is_answered_and_what_is_idle_closed() {
    let gate = Gate::start(Limits::default());
    let mut idle = gate.connect().await;
    assert_eq!(idle.post("/", "x").await.status, 200);
    let mut http1 = gate.connect().await;
    http1.send(head("/hold", 0)).await;
    let mut http2 = gate.connect_http2().await;
    let on_http2 = http2.send_request(post("/hold", ""));
    let on_http2 = tokio::spawn(on_http2);
    Probe::pass(&gate.probe.held).await;
    Probe::pass(&gate.probe.held).await;

    gate.begin_stop().await;
    idle.closed().await;
    // After GOAWAY the connection takes no further request.
    assert!(soon(http2.send_request(post("/", ""))).await.is_err());
    assert!(!gate.thread.is_finished());

    gate.probe.release.add_permits(2);
    let reply = http1.reply().await;
    assert_eq!((reply.status, &reply.headers["connection"]), (200, &HeaderValue::from_static("close")));
    http1.closed().await;
    assert_eq!(soon(on_http2).await.unwrap().unwrap().status(), 200);
    assert_eq!(gate.stopped().await, DrainReport { finished: 2, cut: 0 });
}

#[tokio::test]
async fn an_announced_stop_turns_clients_elsewhere_and_nobody_away() {
    for workers in [1, 2] {
        let gate = Gate::with_workers(Limits::default(), workers);
        let mut before = gate.connect().await;
        assert_eq!(before.post("/", "x").await.status, 200);
        let mut silent = gate.connect().await;
        assert_eq!(silent.post("/", "x").await.status, 200);
        let mut http2 = gate.connect_http2().await;
        gate.trigger.announce();
        // Each worker hears of it by itself.
        soon(async {
            for _ in 0..workers * 10 {
                let mut new = gate.connect().await;
                while !new.post("/", "x").await.headers.contains_key("connection") {}
                new.closed().await;
            }
        })
        .await;
        let reply = before.post("/", "x").await;
        assert_eq!((reply.status, &reply.headers["connection"]), (200, &HeaderValue::from_static("close")));
        before.closed().await;
        // HTTP/2 is told when the stop comes, and loses nothing.
        for _ in 0..3 {
            assert_eq!(soon(http2.send_request(post("/", "x"))).await.unwrap().status(), 200);
        }
        assert!(!gate.thread.is_finished());
        gate.begin_stop().await;
        silent.closed().await;
        assert_eq!(gate.stopped().await, DrainReport::default());
    }
}

#[tokio::test]
async fn what_waits_for_a_place_is_answered_too() {
    let gate = Gate::start(Limits { connections: 1, ..Limits::default() });
    let mut first = gate.connect().await;
    first.send(head("/hold", 0)).await;
    Probe::pass(&gate.probe.held).await;
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let mut client = gate.connect().await;
        client.send(head("/", 1) + "x").await;
        waiting.push(client);
    }
    gate.begin_stop().await;
    gate.probe.release.add_permits(1);
    assert_eq!(first.reply().await.status, 200);
    drop(first);
    for mut client in waiting {
        assert_eq!(client.reply().await.body, b"x");
        client.closed().await;
    }
    assert_eq!(gate.stopped().await, DrainReport { finished: 6, cut: 0 });
}

#[tokio::test]
async fn half_a_request_may_be_completed() {
    let gate = Gate::start(Limits::default());
    let request = head("/", 4) + "abcd";
    let mut clients = Vec::new();
    for sent in [20, request.len() - 2] {
        let mut client = gate.connect().await;
        assert_eq!(client.post("/", "").await.status, 200);
        client.send(&request[..sent]).await;
        clients.push((client, sent));
    }
    // Its request came in after the halves, so the server has them.
    let mut held = gate.connect().await;
    held.send(head("/hold", 0)).await;
    Probe::pass(&gate.probe.held).await;
    gate.begin_stop().await;
    for (mut client, sent) in clients {
        client.send(&request[sent..]).await;
        let reply = client.reply().await;
        assert_eq!(
            (reply.body.as_slice(), &reply.headers["connection"]),
            (b"abcd".as_slice(), &HeaderValue::from_static("close"))
        );
    }
    gate.probe.release.add_permits(1);
    assert_eq!(held.reply().await.status, 200);
    held.closed().await;
    assert_eq!(gate.stopped().await, DrainReport { finished: 3, cut: 0 });
}

#[tokio::test]
async fn the_deadline_cuts_what_is_left() {
    let gate = Gate::start(Limits { drain_timeout: SHORT, ..Limits::default() });
    let mut http1 = gate.connect().await;
    http1.send(head("/hold", 0)).await;
    let mut http2 = gate.connect_http2().await;
    let on_http2 = http2.send_request(post("/hold", ""));
    Probe::pass(&gate.probe.held).await;
    Probe::pass(&gate.probe.held).await;
    assert_eq!(gate.stop().await, DrainReport { finished: 0, cut: 2 });
    assert!(http1.try_reply().await.is_err());
    assert!(soon(on_http2).await.is_err());
}

#[tokio::test]
async fn an_immediate_stop_does_not_wait() {
    let gate = Gate::with_workers(Limits::default(), 2);
    let mut client = gate.connect().await;
    client.send(head("/hold", 0)).await;
    Probe::pass(&gate.probe.held).await;
    gate.trigger.graceful();
    gate.trigger.immediate();
    assert_eq!(gate.stopped().await, DrainReport { finished: 0, cut: 1 });
    assert!(client.try_reply().await.is_err());
}

#[tokio::test]
async fn clients_that_say_nothing_do_not_hold_a_stop_up() {
    let gate = Gate::start(Limits::default());
    let silent = gate.connect().await;
    let mut half = gate.connect().await;
    half.send("PRI * HT").await;
    assert_eq!(gate.connect().await.post("/", "x").await.status, 200);
    assert_eq!(gate.stop().await, DrainReport::default());
    silent.closed().await;
    half.closed().await;
}

#[tokio::test]
async fn what_was_sent_before_the_stop_is_answered() {
    for workers in [1, 2].repeat(20) {
        let gate = Gate::with_workers(Limits::default(), workers);
        let mut idle = gate.connect().await;
        assert_eq!(idle.post("/", "x").await.status, 200);
        // Both are in the kernel's hands before the stop is asked for: one in an idle connection, one in the accept queue.
        idle.send(head("/", 4) + "idle").await;
        let mut new = gate.connect().await;
        new.send(head("/", 3) + "new").await;
        gate.trigger.graceful();
        for (mut client, body) in [(idle, b"idle".as_slice()), (new, b"new")] {
            let reply = client.reply().await;
            assert_eq!((reply.status, reply.body.as_slice()), (200, body));
            client.closed().await;
        }
        assert_eq!(gate.stopped().await.cut, 0);
    }
}
