//! More than the gate takes at once.

use super::*;

fn bounded(change: impl FnOnce(&mut Limits)) -> Gate {
    let mut limits = Limits { queue_wait: PATIENCE * 10, ..Limits::default() };
    change(&mut limits);
    Gate::start(limits)
}

/// A request that is under way until it is released.
async fn hold(gate: &Gate) -> Client {
    let mut client = gate.connect().await;
    client.send(head("/hold", 0)).await;
    Probe::pass(&gate.probe.held).await;
    client
}

fn is_turned_away(reply: &Reply) {
    assert_eq!(reply.status, 503);
    assert_eq!(reply.headers["x-amzn-errortype"], "ServiceUnavailableException");
    assert_eq!(reply.headers["retry-after"], "1");
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!((&body["Code"], &body["__type"]), (&body["__type"], &"ServiceUnavailableException".into()));
    assert!(reply.headers.contains_key("x-amzn-requestid"));
}

#[tokio::test]
async fn what_is_too_much_is_turned_away_unread() {
    let gate = bounded(|limits| (limits.requests, limits.queue) = (1, 0));
    let mut under_way = hold(&gate).await;
    // Its body never comes, and is not waited for.
    let mut second = gate.connect().await;
    second.send(head("/", 1000)).await;
    is_turned_away(&second.reply().await);
    second.closed().await;
    // Where nothing is left unread the connection stays.
    let mut third = gate.connect().await;
    is_turned_away(&third.post("/", "").await);
    let mut http2 = gate.connect_http2().await;
    assert_eq!(soon(http2.send_request(post("/", "x"))).await.unwrap().status(), 503);
    gate.probe.release.add_permits(1);
    assert_eq!(under_way.reply().await.body, b"held");
    assert_eq!(third.post("/", "now").await.body, b"now");
    assert_eq!(soon(http2.send_request(post("/", "x"))).await.unwrap().status(), 200);
    assert_eq!(gate.stop().await, DrainReport::default());
}

#[tokio::test]
async fn what_waits_is_answered_when_there_is_room() {
    for workers in [1, 2] {
        let limits = Limits { requests: 1, queue: 2, queue_wait: PATIENCE * 10, ..Limits::default() };
        let gate = Gate::with_workers(limits, workers);
        let mut under_way = hold(&gate).await;
        let mut waiting = Vec::new();
        for _ in 0..2 {
            let mut client = gate.connect().await;
            client.send(head("/", 1) + "x").await;
            waiting.push(client);
        }
        // Which of the three is the one too many is not known, but that it is one.
        let mut last = gate.connect().await;
        last.send(head("/", 1) + "x").await;
        waiting.push(last);
        let mut turned_away = None;
        soon(async {
            while turned_away.is_none() {
                for (at, client) in waiting.iter_mut().enumerate() {
                    let mut byte = [0];
                    let peeked = timeout(SHORT / 10, client.0.get_ref().peek(&mut byte)).await;
                    if peeked.is_ok() {
                        turned_away = Some(at);
                        break;
                    }
                }
            }
        })
        .await;
        is_turned_away(&waiting.remove(turned_away.unwrap()).reply().await);
        gate.probe.release.add_permits(1);
        assert_eq!(under_way.reply().await.body, b"held");
        for mut client in waiting {
            assert_eq!(client.reply().await.body, b"x");
        }
        gate.stop().await;
    }
}

#[tokio::test]
async fn waiting_ends_and_so_does_a_wait_whose_client_went() {
    let gate = bounded(|limits| (limits.requests, limits.queue, limits.queue_wait) = (1, 10, SHORT));
    let mut under_way = hold(&gate).await;
    let mut second = gate.connect().await;
    is_turned_away(&second.post("/", "x").await);
    let mut gone = gate.connect().await;
    gone.send(head("/", 1) + "x").await;
    drop(gone);
    gate.probe.release.add_permits(1);
    assert_eq!(under_way.reply().await.body, b"held");
    assert_eq!(gate.connect().await.post("/", "x").await.status, 200);
    gate.stop().await;
}

#[tokio::test]
async fn bodies_take_only_so_much_memory() {
    let gate = bounded(|limits| (limits.body, limits.bodies, limits.queue) = (1000, 1500, 0));
    let mut first = gate.connect().await;
    first.send(head("/", 1000) + "x").await;
    let refused = |text: String| async {
        let mut client = gate.connect().await;
        client.send(text).await;
        client.reply().await
    };
    // That the first is there shows in what becomes of others.
    soon(async {
        while refused(head("/", 501)).await.status != 503 {
            tokio::time::sleep(SHORT / 10).await;
        }
    })
    .await;
    // As much as is left fits in, and what nobody will read needs nothing.
    assert_eq!(gate.connect().await.post("/", &"x".repeat(500)).await.status, 200);
    assert_eq!(refused(head("/", 1001)).await.status, 413);
    // Without a length it may be the longest.
    is_turned_away(&refused("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned()).await);
    first.send("x".repeat(999)).await;
    assert_eq!(first.reply().await.body.len(), 1000);
    gate.stop().await;
}

#[tokio::test]
async fn answers_that_nobody_takes_count_too_until_their_time_is_up() {
    let gate = bounded(|limits| (limits.idle_timeout, limits.queue) = (SHORT * 4, 0));
    for http2 in [false, true] {
        let mut slow = gate.connect().await;
        let mut slow_http2 = gate.connect_http2().await;
        let answer = if http2 {
            Some(soon(slow_http2.send_request(post("/large", ""))).await.unwrap())
        } else {
            slow.send(head("/large", 0)).await;
            slow.line().await.unwrap();
            None
        };
        // As much as all bodies together may take lies there.
        is_turned_away(&gate.connect().await.post("/", "x").await);
        soon(async {
            while gate.connect().await.post("/", "x").await.status != 200 {
                tokio::time::sleep(SHORT / 10).await;
            }
        })
        .await;
        if let Some(answer) = answer {
            assert!(soon(read_body(answer.into_body(), 1 << 30, PATIENCE)).await.is_err());
        } else {
            let mut taken = Vec::new();
            let _ = soon(slow.0.read_to_end(&mut taken)).await;
            assert!(taken.len() < 64 << 20);
        }
    }
    gate.stop().await;
}

#[tokio::test]
async fn one_connection_leaves_room_for_others() {
    let gate = bounded(|limits| (limits.requests, limits.queue) = (8, 0));
    let mut greedy = gate.connect_http2().await;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(greedy.send_request(post("/hold", "")));
        Probe::pass(&gate.probe.held).await;
    }
    assert_eq!(soon(greedy.send_request(post("/", "x"))).await.unwrap().status(), 503);
    assert_eq!(gate.connect().await.post("/", "x").await.status, 200);
    gate.probe.release.add_permits(2);
    for response in held {
        assert_eq!(soon(response).await.unwrap().status(), 200);
    }
    assert_eq!(soon(greedy.send_request(post("/", "x"))).await.unwrap().status(), 200);
    gate.stop().await;
}
