//! Many requests: on one connection, over HTTP/2, and all at once.

use crate::{
    baseline,
    support::{
        PATIENCE,
        client::{PATH, signed},
        fleet::{Key, PAYMENTS, REGION, SEARCH, SECURITY, finding, good, update},
        upstream::Upstream,
    },
};
use bytes::Bytes;
use findings_gate::{identity::sign, proxy::read_body};
use http::{Request, Version};
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// Suppresses one's own finding: the administrator may, members may not.
fn suppress(account: &str, id: &str) -> String {
    update(&[finding(account, id)], json!({"Workflow": {"Status": "SUPPRESSED"}}))
}

#[test]
fn each_request_of_a_connection_has_its_own_caller() {
    let upstream = Upstream::accepting();
    let gate = baseline(&upstream);
    let mut client = gate.connect();
    let callers = [&SECURITY, &PAYMENTS, &SEARCH, &PAYMENTS, &SECURITY, &SEARCH];
    // All in one piece, before any answer is read.
    let pipelined: Vec<u8> = callers
        .iter()
        .enumerate()
        .flat_map(|(at, key)| signed(gate.address, key, suppress(SEARCH.account, &format!("f{at}")).as_bytes()))
        .collect();
    client.send(&pipelined);
    let mut decisions = Vec::new();
    for (at, key) in callers.iter().enumerate() {
        let response = client.read();
        let (processed, unprocessed) = (response.processed(), response.unprocessed());
        let id = format!("f{at}");
        if **key == SECURITY {
            assert_eq!((processed, unprocessed), (vec![id], Vec::new()));
        } else {
            assert_eq!(processed, [""; 0]);
            assert_eq!(unprocessed[0].0, id);
            let policy = if **key == SEARCH { "members-do-not-suppress" } else { "members-stay-in-their-account" };
            assert!(unprocessed[0].2.contains(policy), "{}", unprocessed[0].2);
        }
        decisions.push(response.headers["x-findings-gate-decision"].clone());
    }
    decisions.sort();
    decisions.dedup();
    assert_eq!(decisions.len(), callers.len(), "each decision has an id of its own");
    let received = upstream.take();
    assert!(received.iter().all(|request| request.head.contains("x-findings-gate-account: 111111111111\r\n")));
    assert_eq!(received.len(), 2);
    // And one after the other, with a refusal between.
    client.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(client.read().status, 403);
    assert_eq!(client.update(&PAYMENTS, good("last")).processed(), ["last"]);
}

/// Sends an update over HTTP/2 by prior knowledge.
async fn send(
    client: &mut http2::SendRequest<Full<Bytes>>,
    address: SocketAddr,
    key: &Key,
    body: String,
) -> (u16, Value) {
    let request = Request::patch(format!("http://{address}{PATH}")).version(Version::HTTP_2);
    let (mut head, ()) = request.header("content-type", "application/json").body(()).unwrap().into_parts();
    sign(&mut head, body.as_bytes(), &address.to_string(), (key.id, key.secret), REGION, Timestamp::now()).unwrap();
    // `:authority` says it.
    head.headers.remove("host");
    client.ready().await.unwrap();
    let response = client.send_request(Request::from_parts(head, Full::new(Bytes::from(body)))).await.unwrap();
    let status = response.status().as_u16();
    let body = read_body(response.into_body(), 1 << 20, PATIENCE).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn http2_by_prior_knowledge_works_to_the_end() {
    let upstream = Upstream::accepting();
    let gate = baseline(&upstream);
    let socket = TokioIo::new(TcpStream::connect(gate.address).await.unwrap());
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), socket).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut streams = Vec::new();
    for at in 0..20 {
        let (mut client, address) = (client.clone(), gate.address);
        let key = [SECURITY, PAYMENTS][at % 2];
        let body = suppress(PAYMENTS.account, &format!("f{at}"));
        streams.push(tokio::spawn(async move { send(&mut client, address, &key, body).await }));
    }
    for (at, stream) in streams.into_iter().enumerate() {
        let (status, body) = tokio::time::timeout(PATIENCE, stream).await.unwrap().unwrap();
        assert_eq!(status, 200);
        let list = ["ProcessedFindings", "UnprocessedFindings"][at % 2];
        assert_eq!(body[list].as_array().unwrap().len(), 1, "{body}");
        assert!(body[list].to_string().contains(&format!("\"f{at}\"")), "{body}");
    }
    let (status, body) =
        send(&mut client, gate.address, &Key { secret: "wrong-secret-0123456789", ..PAYMENTS }, good("f")).await;
    assert_eq!((status, &body["Code"]), (403, &json!("InvalidSignatureException")));
    let received = upstream.take();
    assert_eq!(received.len(), 10);
    assert!(received.iter().all(|request| request.head.starts_with("PATCH /findings/batchupdate HTTP/1.1\r\n")));
    gate.goes_on();
    connection.abort();
}

#[test]
fn two_hundred_at_once_get_each_their_own_answer() {
    const COUNT: usize = 200;
    let (upstream, latch) = Upstream::held();
    let gate = baseline(&upstream);
    let callers = [SECURITY, PAYMENTS, SEARCH];
    // Of each caller: its own finding, and one of PAYMENTS.
    let body = |at: usize| {
        let key = callers[at % 3];
        let findings = [finding(key.account, &format!("own-{at}")), finding(PAYMENTS.account, &format!("other-{at}"))];
        update(&findings, json!({"Workflow": {"Status": "NOTIFIED"}, "Confidence": at % 100}))
    };
    let mut clients: Vec<_> = (0..COUNT)
        .map(|at| {
            let mut client = gate.connect();
            client.send(&signed(gate.address, &callers[at % 3], body(at).as_bytes()));
            client
        })
        .collect();
    // Every one of them is under way before the first is answered.
    let received = upstream.wait_for(COUNT);
    latch.open();
    for (at, client) in clients.iter_mut().enumerate() {
        let response = client.read();
        let (own, other) = (format!("own-{at}"), format!("other-{at}"));
        let told: Vec<_> = response.unprocessed().into_iter().map(|(id, code, _)| format!("{id} {code}")).collect();
        match at % 3 {
            0 => assert_eq!((response.processed(), told), (vec![own, other], vec![])),
            1 => assert_eq!(
                (response.processed(), told),
                (
                    vec![own.clone(), other.clone()],
                    vec![format!("{own} PartialUpdate"), format!("{other} PartialUpdate")]
                )
            ),
            _ => assert_eq!(
                (response.processed(), told),
                (vec![own.clone()], vec![format!("{own} PartialUpdate"), format!("{other} AccessDenied")])
            ),
        }
    }
    assert_eq!(received.len(), COUNT);
    for request in received {
        let administrator = request.head.contains("x-findings-gate-account: 111111111111\r\n");
        let confidence = request.json().get("Confidence").cloned();
        assert_eq!(confidence.is_some(), administrator, "{request:?}");
        let number: usize = request.ids()[0].trim_start_matches("own-").parse().unwrap();
        assert!(confidence.is_none_or(|confidence| confidence == number % 100));
        assert!(request.head.contains(&format!("x-findings-gate-account: {}\r\n", callers[number % 3].account)));
    }
    gate.goes_on();
}
