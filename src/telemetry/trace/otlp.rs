//! Spans in the words of OTLP: the JSON form of `ExportTraceServiceRequest` (OTLP 1.x, "JSON Protobuf Encoding"), in which ids are hexadecimal and
//! 64-bit numbers are strings.

use super::{Attribute, Span, Value};
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

/// `Status.code`: what is no failure is left unset, as it is for whoever reads to judge.
const ERROR: u8 = 2;
/// `Span.flags`: the trace is sampled.
const SAMPLED: u32 = 1;

/// The body of one export.
pub(super) fn request(resource: &serde_json::Value, spans: &[Span]) -> Vec<u8> {
    let spans: Vec<serde_json::Value> = spans.iter().map(span).collect();
    let scope = json!({"name": "findings-gate", "version": env!("CARGO_PKG_VERSION")});
    let request = json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": spans}]}]});
    request.to_string().into_bytes()
}

/// The resource: who tells of these spans.
pub(super) fn resource(service: &str, attributes: &[(String, String)]) -> serde_json::Value {
    let own = [("service.name", service), ("service.version", env!("CARGO_PKG_VERSION"))];
    let others = attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let all: Vec<_> = own.into_iter().chain(others).map(|(name, value)| text(name, value)).collect();
    json!({"attributes": all})
}

/// How many spans of an export that was taken the collector has rejected all the same.
pub(super) fn rejected(answer: &[u8]) -> usize {
    let answer: serde_json::Value = serde_json::from_slice(answer).unwrap_or_default();
    let rejected = &answer["partialSuccess"]["rejectedSpans"];
    let number = rejected.as_u64().or_else(|| rejected.as_str()?.parse().ok());
    number.and_then(|number| usize::try_from(number).ok()).unwrap_or(0)
}

fn span(span: &Span) -> serde_json::Value {
    let attributes: Vec<_> = span.attributes.iter().map(attribute).collect();
    let mut written = json!({
        "traceId": span.trace.to_string(),
        "spanId": span.id.to_string(),
        "name": span.name,
        "kind": span.kind as u8,
        "startTimeUnixNano": nanos(span.began),
        "endTimeUnixNano": nanos(span.began + span.took),
        "attributes": attributes,
        "flags": SAMPLED,
    });
    if let Some(parent) = span.parent {
        written["parentSpanId"] = parent.to_string().into();
    }
    if let Some(state) = &span.state {
        written["traceState"] = (**state).into();
    }
    if span.failed {
        written["status"] = json!({"code": ERROR});
    }
    written
}

fn attribute((name, value): &Attribute) -> serde_json::Value {
    match value {
        Value::Text(value) => text(name, value),
        Value::Number(number) => json!({"key": name, "value": {"intValue": number.to_string()}}),
    }
}

fn text(name: &str, value: &str) -> serde_json::Value {
    json!({"key": name, "value": {"stringValue": value}})
}

fn nanos(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{SpanId, SpanKind, TraceId},
        *,
    };
    use std::time::Duration;

    #[test]
    fn a_span_is_written_as_the_protocol_has_it() {
        let of = |parent, failed| Span {
            trace: TraceId::new(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736).unwrap(),
            id: SpanId::new(0xb7),
            parent,
            state: parent.map(|_| "a=1".into()),
            name: "decide".into(),
            kind: SpanKind::Internal,
            began: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            took: Duration::from_nanos(5),
            attributes: vec![("rpc.method", "GetFindings".into()), ("findings_gate.findings", 7_usize.into())],
            failed,
        };
        let resource = resource("gate", &[("deployment.environment.name".to_owned(), "prod".to_owned())]);
        let written = request(&resource, &[of(None, false), of(Some(SpanId::new(0xab)), true)]);
        let written: serde_json::Value = serde_json::from_slice(&written).unwrap();
        let resource = &written["resourceSpans"][0];
        assert_eq!(
            resource["resource"]["attributes"][0],
            json!({"key": "service.name", "value": {"stringValue": "gate"}})
        );
        assert_eq!(resource["resource"]["attributes"][2]["key"], "deployment.environment.name");
        let spans = &resource["scopeSpans"][0]["spans"];
        let first = json!({
            "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "00000000000000b7", "name": "decide", "kind": 1,
            "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000000000005", "flags": 1,
            "attributes": [
                {"key": "rpc.method", "value": {"stringValue": "GetFindings"}},
                {"key": "findings_gate.findings", "value": {"intValue": "7"}},
            ],
        });
        assert_eq!(spans[0], first);
        assert_eq!((&spans[1]["parentSpanId"], &spans[1]["traceState"]), (&json!("00000000000000ab"), &json!("a=1")));
        assert_eq!(spans[1]["status"], json!({"code": 2}));
    }

    #[test]
    fn what_a_collector_rejects_is_read() {
        for (answer, expected) in [
            ("{}", 0),
            ("", 0),
            (r#"{"partialSuccess":{"rejectedSpans":"3"}}"#, 3),
            (r#"{"partialSuccess":{"rejectedSpans":2,"errorMessage":"x"}}"#, 2),
            (r#"{"partialSuccess":{}}"#, 0),
        ] {
            assert_eq!(rejected(answer.as_bytes()), expected, "{answer}");
        }
    }
}
