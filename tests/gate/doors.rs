//! Methods and paths that are almost the right ones.

use crate::{
    baseline,
    support::{
        client::{PATH, signed_head, with_body},
        fleet::{PAYMENTS, SECURITY, good},
        gate::Gate,
        upstream::Upstream,
    },
};

/// A good update, signed for this method and target, with further header lines.
fn request(gate: &Gate, method: &str, target: &str, more: &str) -> Vec<u8> {
    let body = good("f");
    let head = signed_head(gate.address, &PAYMENTS, method, target, body.as_bytes());
    with_body(&(head + more), body.as_bytes())
}

#[test]
fn only_the_very_method_and_path_lead_through() {
    let upstream = Upstream::accepting();
    let gate = baseline(&upstream);
    let mut client = gate.connect();
    for (method, target, told) in [
        ("POST", PATH, "BatchUpdateFindings is `PATCH`"),
        ("PUT", PATH, "BatchUpdateFindings is `PATCH`"),
        ("GET", PATH, "BatchUpdateFindings is `PATCH`"),
        ("DELETE", PATH, "BatchUpdateFindings is `PATCH`"),
        ("patch", PATH, "not in upper case"),
        ("PATCH", "/findings/batchupdate/", "ends in a slash"),
        ("PATCH", "/findings//batchupdate", "empty segment"),
        ("PATCH", "//findings/batchupdate", "empty segment"),
        ("PATCH", "/findings/batch%75pdate", "percent-encoded"),
        ("PATCH", "/findings%2fbatchupdate", "percent-encoded"),
        ("PATCH", "/findings/./batchupdate", "dot segments"),
        ("PATCH", "/findings/x/../batchupdate", "dot segments"),
        ("PATCH", "/Findings/BatchUpdate", "right case"),
        ("PATCH", "/findings/batchupdate?", "query string"),
        ("PATCH", "/findings/batchupdate?X-Amz-Target=x", "query string"),
        ("PATCH", "/findings/batchupdate;v=1", "check the endpoint"),
        ("PATCH", "/", "check the endpoint"),
        ("PATCH", "/findings", "UpdateFindings is closed"),
        ("POST", "/findings", "GetFindings is closed"),
        ("POST", "/findings/import", "BatchImportFindings is closed"),
        ("PATCH", "/findingsv2/batchupdatev2", "BatchUpdateFindingsV2 is closed"),
        ("POST", "/automationrules/create", "CreateAutomationRule is closed"),
    ] {
        client.send(&request(&gate, method, target, ""));
        client.read().is_error(403, "AccessDeniedException", told);
    }
    assert_eq!(upstream.received(), []);
    client.send(&request(&gate, "PATCH", PATH, ""));
    assert_eq!(client.read().processed(), ["f"]);
    gate.goes_on();
}

#[test]
fn an_update_by_filter_is_told_the_way_that_policies_decide_on() {
    let upstream = Upstream::accepting();
    let gate = baseline(&upstream);
    let body = r#"{"Filters":{},"RecordState":"ARCHIVED"}"#;
    for key in [&PAYMENTS, &SECURITY] {
        let mut client = gate.connect();
        let head = signed_head(gate.address, key, "PATCH", "/findings", body.as_bytes());
        client.send(&with_body(&head, body.as_bytes()));
        let response = client.read();
        response.is_error(403, "AccessDeniedException", "it changes every finding that a filter matches");
        response.is_error(
            403,
            "AccessDeniedException",
            "update them through BatchUpdateFindings, which policies decide on",
        );
        response.is_error(
            403,
            "AccessDeniedException",
            "Workflow.Status RESOLVED or SUPPRESSED where RecordState would be",
        );
    }
    assert_eq!(upstream.received(), []);
    gate.goes_on();
}

#[test]
fn no_header_replaces_the_method() {
    let upstream = Upstream::accepting();
    let gate = baseline(&upstream);
    let mut client = gate.connect();
    for header in ["X-HTTP-Method-Override", "x-http-method", "X-METHOD-OVERRIDE"] {
        client.send(&request(&gate, "PATCH", PATH, &format!("{header}: POST\r\n")));
        client.read().is_error(403, "AccessDeniedException", &header.to_ascii_lowercase());
    }
    assert_eq!(upstream.received(), []);
    gate.goes_on();
}

#[test]
fn an_absolute_target_must_name_this_host() {
    let upstream = Upstream::accepting();
    let gate = baseline(&upstream);
    let mut client = gate.connect();
    client.send(&request(&gate, "PATCH", &format!("http://{}{PATH}", gate.address), ""));
    assert_eq!(client.read().processed(), ["f"]);
    client.send(&request(&gate, "PATCH", &format!("http://securityhub.eu-west-1.amazonaws.com{PATH}"), ""));
    let (status, _, message) = client.read().error();
    assert_eq!(status, 403);
    assert!(message.contains("differ"), "{message}");
    assert_eq!(upstream.received().len(), 1);
    gate.goes_on();
}

#[test]
fn a_tunnel_is_not_dug() {
    let upstream = Upstream::accepting();
    let gate = baseline(&upstream);
    let mut client = gate.connect();
    client.send(format!("CONNECT {0} HTTP/1.1\r\nhost: {0}\r\n\r\n", gate.address).as_bytes());
    assert_eq!(client.read().status, 403);
    assert_eq!(upstream.received(), []);
    gate.goes_on();
}
