//! Traces: which one a request belongs to is carried to the backend and into the log; spans go to a collector, if one is configured.

use crate::support::{
    client::signed,
    fleet::{PAYMENTS, good},
    gate::{Gate, Place},
    upstream::{Received, Upstream},
};
use std::net::SocketAddr;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A good update, with these header lines besides.
fn traced(address: SocketAddr, lines: &[&str]) -> Vec<u8> {
    let body = good("f");
    let request = signed(address, &PAYMENTS, AsRef::<[u8]>::as_ref(&body));
    let at = request.windows(2).position(|window| window == b"\r\n").unwrap() + 2;
    let (first, rest) = request.split_at(at);
    let lines: String = lines.iter().flat_map(|line| [*line, "\r\n"]).collect();
    [first, lines.as_bytes(), rest].concat()
}

/// What a request says in this header.
fn header<'r>(request: &'r Received, name: &str) -> Option<&'r str> {
    let line = request.head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
    Some(line.split_once(':').unwrap().1.trim())
}

#[test]
fn the_trace_of_a_request_goes_to_the_backend_and_into_the_log() {
    let upstream = Upstream::accepting();
    let place = Place::new(&upstream.url(), "");
    place.edit("findings-gate.toml", "level = \"info\"", "level = \"debug\"");
    let gate = Gate::start(place);
    let mut client = gate.connect();
    let parent = format!("traceparent: 00-{TRACE}-{CALLER}-01");
    client.send(&traced(gate.address, &[&parent, "tracestate: a=1", "tracestate: b=2"]));
    assert_eq!(client.read().status, 200);
    let received = upstream.received();
    let told = header(&received[0], "traceparent").unwrap();
    assert!(told.starts_with(&format!("00-{TRACE}-")) && told.ends_with("-01"), "{told}");
    assert!(!told.contains(CALLER), "the call is made in a span of the gate's own: {told}");
    assert_eq!(header(&received[0], "tracestate"), Some("a=1,b=2"));
    gate.wait_for_log(&["\"event\":\"request_served\"", &format!("\"trace_id\":\"{TRACE}\"")]);

    // One that nobody can read is another trace; what went with it goes no further.
    client.send(&traced(gate.address, &["traceparent: 00-nonsense", "tracestate: a=1"]));
    let id = client.read().headers["x-amzn-requestid"].replace('-', "");
    let received = upstream.received();
    assert_eq!(header(&received[1], "traceparent").unwrap()[..36], format!("00-{id}-"));
    assert_eq!(header(&received[1], "tracestate"), None);
    // Who says nothing of a trace has none.
    client.send(&traced(gate.address, &["tracestate: a=1"]));
    assert_eq!(client.read().status, 200);
    assert!(!upstream.received()[2].header_names().iter().any(|name| name.starts_with("trace")));
    gate.goes_on();
}

#[test]
fn a_backend_that_is_not_to_know_is_told_of_no_trace() {
    let upstream = Upstream::accepting();
    let gate = Gate::start(Place::new(&upstream.url(), "[traces]\nbackend = \"off\"\n"));
    let mut client = gate.connect();
    client.send(&traced(gate.address, &[&format!("traceparent: 00-{TRACE}-{CALLER}-01")]));
    assert_eq!(client.read().status, 200);
    assert_eq!(header(&upstream.received()[0], "traceparent"), None);
    // Of a denial the log tells the trace all the same.
    client.send(format!("GET /nothing HTTP/1.1\r\nhost: x\r\ntraceparent: 00-{TRACE}-{CALLER}-01\r\n\r\n").as_bytes());
    assert_eq!(client.read().status, 403);
    gate.goes_on();
}

#[cfg(not(feature = "otlp"))]
#[test]
fn a_build_that_exports_nothing_refuses_to_be_asked_for_it() {
    let place = Place::new("http://127.0.0.1:9", "[traces]\nendpoint = \"http://127.0.0.1:4318\"\n");
    let output = crate::support::gate::program(&place.path("")).arg("check").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("--features otlp"), "{told}");
}

/// A collector that is no more than a socket.
#[cfg(feature = "otlp")]
mod export {
    use super::*;
    use crate::support::{
        fleet::{SECURITY, finding, update},
        upstream::Reply,
    };
    use serde_json::{Value, json};
    use std::collections::HashMap;

    const SECRET: &str = "a-token-of-the-collector";

    fn start(upstream: &Upstream, collector: &str, sample: &str, more: &str) -> (Gate, SocketAddr) {
        let traces = format!(
            "[admin]\naddress = \"127.0.0.1:0\"\n[traces]\nendpoint = \"{collector}\"\nsample = \"{sample}\"\n\
             attributes = [\"deployment.environment.name=test\"]\n{more}"
        );
        let place = Place::new(&upstream.url(), &traces);
        place.edit("findings-gate.toml", "pack:baseline", "pack:transitions");
        place.write("headers.txt", &format!("authorization: Bearer {SECRET}\n"));
        place.private("headers.txt");
        let gate = Gate::start(place);
        let out = gate.wait_for_output(&["administered at http://"]);
        let admin = out.split_once("http://").unwrap().1.trim().parse().unwrap();
        (gate, admin)
    }

    /// All spans that came, by their names.
    fn spans(collector: &Upstream) -> HashMap<String, Vec<Value>> {
        let mut spans: HashMap<String, Vec<Value>> = HashMap::new();
        for request in collector.received() {
            assert!(request.head.starts_with("POST /v1/traces HTTP/1.1"), "{}", request.head);
            let body = request.json();
            let resource = &body["resourceSpans"][0];
            let told = resource["resource"].to_string();
            assert!(told.contains("findings-gate") && told.contains("deployment.environment.name"), "{told}");
            for span in resource["scopeSpans"][0]["spans"].as_array().unwrap() {
                spans.entry(span["name"].as_str().unwrap().to_owned()).or_default().push(span.clone());
            }
        }
        spans
    }

    fn number(span: &Value, member: &str) -> u128 {
        span[member].as_str().unwrap().parse().unwrap()
    }

    fn attributes(span: &Value) -> HashMap<String, String> {
        let attributes = span["attributes"].as_array().unwrap().iter();
        let value = |value: &Value| value.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        attributes.map(|one| (one["key"].as_str().unwrap().to_owned(), value(&one["value"]))).collect()
    }

    #[test]
    fn spans_come_to_the_collector_each_a_part_of_the_request_s() {
        let (upstream, collector) = (Upstream::accepting(), Upstream::start(|_| Reply::json("200 OK", &json!({}))));
        let (gate, _) = start(&upstream, &collector.url(), "0", "headers = \"headers.txt\"\n");
        let mut client = gate.connect();
        // Not recorded: the caller says so, or says nothing and none is to begin here.
        client.send(&traced(gate.address, &[&format!("traceparent: 00-{TRACE}-{CALLER}-00")]));
        assert_eq!(client.read().status, 200);
        client.send(&traced(gate.address, &[]));
        assert_eq!(client.read().status, 200);
        // A value that the gate looks the finding up for, with a text that is nobody's business.
        let note = "the text of a note";
        let change = json!({"Severity": {"Label": "HIGH"}, "Note": {"Text": note, "UpdatedBy": "ana"}});
        let body = update(&[finding(PAYMENTS.account, "f")], change);
        let request = String::from_utf8(signed(gate.address, &PAYMENTS, AsRef::<[u8]>::as_ref(&body))).unwrap();
        let line = format!("\r\ntraceparent: 00-{TRACE}-{CALLER}-01\r\ntracestate: a=1\r\n");
        client.send(request.replacen("\r\n", &line, 1).as_bytes());
        let id = client.read().headers["x-amzn-requestid"].clone();

        let server = "PATCH /findings/batchupdate";
        gate.wait_until(|| spans(&collector).contains_key(server));
        let spans = spans(&collector);
        let one = |name: &str| {
            let [span] = &spans[name][..] else { panic!("{name}: {spans:#?}") };
            span
        };
        let own = one(server);
        assert_eq!((&own["traceId"], &own["parentSpanId"], &own["kind"]), (&json!(TRACE), &json!(CALLER), &json!(2)));
        assert_eq!(own["traceState"], "a=1");
        let said = attributes(own);
        assert_eq!(said["findings_gate.request_id"], id);
        assert_eq!((&*said["http.response.status_code"], &*said["rpc.method"]), ("200", "BatchUpdateFindings"));
        for name in ["identify", "decide", "look up", "SecurityHub/BatchUpdateFindings"] {
            for part in &spans[name] {
                assert_eq!((&part["traceId"], &part["parentSpanId"]), (&json!(TRACE), &own["spanId"]), "{part}");
                assert!(number(part, "startTimeUnixNano") >= number(own, "startTimeUnixNano"), "{part} {own}");
                assert!(number(part, "endTimeUnixNano") <= number(own, "endTimeUnixNano"), "{part} {own}");
            }
        }
        // The backend was told of the span of the call to it.
        let call = one("SecurityHub/BatchUpdateFindings");
        assert_eq!((&call["kind"], &*attributes(call)["http.response.status_code"]), (&json!(3), "200"));
        let asked = upstream.received().into_iter().rfind(|request| request.head.starts_with("PATCH ")).unwrap();
        let told = format!("00-{TRACE}-{}-01", call["spanId"].as_str().unwrap());
        assert_eq!(header(&asked, "traceparent"), Some(&*told));
        for request in collector.received() {
            assert_eq!(header(&request, "authorization"), Some(&*format!("Bearer {SECRET}")));
            for secret in [note, "ana", PAYMENTS.secret, PAYMENTS.id, SECRET] {
                assert!(!request.text().contains(secret), "{secret} in {}", request.text());
            }
        }
        assert!(!gate.log().contains(SECRET));
        gate.goes_on();
    }

    #[test]
    fn a_trace_that_begins_here_has_the_request_s_id_and_the_last_spans_come_at_the_end() {
        let (upstream, collector) = (Upstream::accepting(), Upstream::start(|_| Reply::json("200 OK", &json!({}))));
        let (gate, _) = start(&upstream, &collector.url(), "1", "");
        let mut client = gate.connect();
        let id = client.update(&SECURITY, good("f")).headers["x-amzn-requestid"].replace('-', "");
        drop(client);
        gate.signal("TERM");
        assert!(gate.ended().0.success());
        let spans = spans(&collector);
        let [own] = &spans["PATCH /findings/batchupdate"][..] else { panic!("{spans:?}") };
        assert_eq!((&own["traceId"], &own["parentSpanId"]), (&json!(id), &Value::Null));
    }

    #[test]
    fn a_collector_that_fails_or_hangs_holds_nothing_up() {
        let upstream = Upstream::accepting();
        let collector = Upstream::start(|_| Reply::answer("400 Bad Request", &[], "no"));
        let (gate, admin) = start(&upstream, &collector.url(), "1", "");
        assert_eq!(gate.connect().update(&PAYMENTS, good("f")).status, 200);
        gate.wait_for_log(&["\"event\":\"trace_export_failed\"", "status 400"]);
        let failed = |admin: SocketAddr| {
            let mut client = crate::support::client::Client::connect(admin);
            client.send(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n");
            let text = String::from_utf8(client.read().body).unwrap();
            let series = "findings_gate_trace_spans_total{result=\"failed\"} ";
            text.lines().find_map(|line| line.strip_prefix(series)).unwrap().parse::<u64>().unwrap()
        };
        gate.wait_until(|| failed(admin) >= 4);
        gate.goes_on();

        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (gate, _) = start(&upstream, &format!("http://{}", nobody.local_addr().unwrap()), "1", "");
        for _ in 0..20 {
            assert_eq!(gate.connect().update(&PAYMENTS, good("f")).status, 200);
        }
        gate.signal("TERM");
        assert!(gate.ended().0.success(), "it ends without the collector");
    }
}
