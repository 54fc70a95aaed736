//! Callers that something in front of the gate names.

use crate::{
    issuer::{Server, Signer},
    support::{
        client::{PATH, Response, with_body},
        fleet::{PAYMENTS, good},
        gate::{Gate, Place},
        upstream::Upstream,
    },
};
use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use serde_json::json;

const ALB: &str = "arn:aws:elasticloadbalancing:eu-west-1:111111111111:loadbalancer/app/front/0123456789abcdef";
const GATEWAY: &str = "x-findings-gate-caller-account: 222222222222\r\n\
                       x-findings-gate-caller-arn: arn:aws:sts::222222222222:assumed-role/triage/i-0abc\r\n";
const LATTICE: &str = "x-amzn-lattice-identity: Principal=arn:aws:sts::222222222222:assumed-role/triage/i-0abc; \
                       PrincipalOrgID=o-abc1234567; SessionName=i-0abc; Type=AWS_IAM\r\n";

/// A gate that listens to a front in this network first, and then takes signatures.
fn gate(upstream: &Upstream, network: &str, front: &str) -> Gate {
    let place = Place::new(&upstream.url(), "");
    let header = format!("[[identity]]\nkind = \"header\"\nfrom = [\"{network}\"]\n{front}\n");
    place.edit("findings-gate.toml", "[[identity]]\n", &format!("{header}[[identity]]\n"));
    Gate::start(place)
}

fn send(gate: &Gate, lines: &str) -> Response {
    let head = format!("PATCH {PATH} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n{lines}", gate.address);
    let mut client = gate.connect();
    client.send(&with_body(&head, good("f").as_bytes()));
    client.read()
}

/// The presets, what each front sends, and the server that has the load balancer's key.
fn fronts() -> (Vec<(String, String)>, Server) {
    let signer = Signer::new(Algorithm::ES256, "k-1");
    let keys = Server::start();
    keys.set("/alb/k-1", signer.pem());
    let header = json!({"alg": "ES256", "kid": "k-1", "signer": ALB, "exp": Timestamp::now().as_second() + 120});
    let token = signer.padded_token(&header, &json!({"sub": "1", "email": "triage@example.com"}));
    let alb = format!(
        "preset = \"alb\"\nsigner = [\"{ALB}\"]\nkeys_url = \"{}/alb\"\n\
         [[identity.rule]]\nwhen = {{ email = \"{{name}}@example.com\" }}\naccount = \"{}\"\nprincipal = \"{{name}}\"",
        keys.url(),
        PAYMENTS.account
    );
    let fronts = [
        ("preset = \"api-gateway\"".to_owned(), GATEWAY.to_owned()),
        ("preset = \"vpc-lattice\"".to_owned(), LATTICE.to_owned()),
        (alb, format!("x-amzn-oidc-data: {token}\r\n")),
    ];
    (fronts.into(), keys)
}

#[test]
fn a_trusted_front_says_who_is_calling() {
    let (fronts, _keys) = fronts();
    for (preset, headers) in fronts {
        let upstream = Upstream::accepting();
        let gate = gate(&upstream, "127.0.0.0/8", &preset);
        assert_eq!(send(&gate, &headers).processed(), ["f"], "{preset}");
        let [update] = &upstream.updates()[..] else { panic!("{preset}") };
        let head = update.head.to_ascii_lowercase();
        assert!(head.contains("x-findings-gate-account: 222222222222"), "{head}");
        for own in ["caller-arn", "lattice", "oidc"] {
            assert!(!head.contains(own), "{head}");
        }
        // A header that comes twice is one too many, even if both are the same.
        let first = headers.split_inclusive("\r\n").next().unwrap();
        send(&gate, &format!("{headers}{first}")).is_error(403, "UnrecognizedClientException", "more than once");
        assert_eq!(upstream.updates().len(), 1);
        // A front that names nobody leaves the request to the next proof.
        gate.goes_on();
    }
}

#[test]
fn the_same_headers_from_anybody_else_are_as_if_they_were_not_there() {
    let (fronts, keys) = fronts();
    for (preset, headers) in fronts {
        let upstream = Upstream::accepting();
        let gate = gate(&upstream, "192.0.2.0/24", &preset);
        for more in ["", "x-forwarded-for: 192.0.2.1\r\n", "forwarded: for=192.0.2.1\r\n", "x-real-ip: 192.0.2.1\r\n"] {
            let response = send(&gate, &format!("{headers}{more}"));
            response.is_error(403, "MissingAuthenticationTokenException", "no proof of who sends it");
        }
        assert_eq!(upstream.received(), [], "{preset}");
        // Beside a good signature they change nothing: who signed is who calls.
        gate.goes_on();
    }
    assert_eq!(keys.asked(), [""; 0], "a stranger's token is not even checked");
}
