//! What fronts say, and who listens.

use super::*;
use crate::{
    finding::{Accounts, ApiError, Caller, Enforcement, Member, Proof},
    identity::{
        ClientCertificate, Fixed, Identity, Kind, Mapping, MappingRule,
        testing::{self, Server},
    },
    net::Client,
};
use http::Request;
use jiff::SignedDuration;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

const FRONT: [u8; 4] = [10, 0, 0, 1];
const STRANGER: [u8; 4] = [192, 0, 2, 1];
const ROLE: &str = "arn:aws:iam::222222222222:role/triage";
const SESSION: &str = "arn:aws:sts::222222222222:assumed-role/triage/i-0abc";
const ALB: &str = "arn:aws:elasticloadbalancing:eu-west-1:111111111111:loadbalancer/app/front/0123456789abcdef";

fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn trusted() -> Trust {
    Trust::new(vec!["10.0.0.0/8".parse().unwrap()], Vec::new()).unwrap()
}

fn identity_of(kinds: Vec<Kind>) -> Identity {
    let member = Member { name: "payments".into(), groups: Vec::new() };
    Identity::new(
        kinds,
        Arc::new(Accounts::new("111111111111".parse().unwrap(), [("222222222222".parse().unwrap(), member)])),
    )
}

fn identity(front: Front) -> Identity {
    identity_of(vec![Kind::Header(Header::new(trusted(), front))])
}

fn api_gateway() -> Front {
    let [account, principal] = ["x-account", "x-arn"].map(HeaderName::from_static);
    Front::ApiGateway(ApiGateway::new(account, principal, Enforcement::Refuse))
}

fn identify_as(identity: &Identity, headers: &[(&str, &str)], peer: &Peer) -> Result<Caller, ApiError> {
    run(false, identify_at(identity, headers, peer, now()))
}

async fn identify_at(
    identity: &Identity,
    headers: &[(&str, &str)],
    peer: &Peer,
    at: Timestamp,
) -> Result<Caller, ApiError> {
    let request = headers.iter().fold(Request::patch("/"), |request, (name, value)| request.header(*name, *value));
    let head = request.body(()).unwrap().into_parts().0;
    identity.begin(&head, peer, || at)?.finish(b"{}").await
}

/// In a runtime of its own. If it is `paused`, time goes on as soon as there is nothing but time to wait for.
fn run<T>(paused: bool, future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(paused).build().unwrap().block_on(future)
}

fn identify(identity: &Identity, headers: &[(&str, &str)]) -> Result<Caller, ApiError> {
    identify_as(identity, headers, &Peer::new((FRONT, 1).into()))
}

#[track_caller]
fn refused(result: Result<Caller, ApiError>, status: u16, code: &str, told: &str) {
    let error = result.unwrap_err();
    assert_eq!((error.status, error.code), (status, code), "{}", error.message);
    assert!(error.message.contains(told), "`{told}` is not in: {}", error.message);
}

#[test]
fn an_api_gateway_names_account_and_arn() {
    let identity = identity(api_gateway());
    for arn in [ROLE, SESSION] {
        let caller = identify(&identity, &[("x-account", "222222222222"), ("x-arn", arn)]).unwrap();
        assert_eq!((caller.account.as_str(), &*caller.principal), ("222222222222", ROLE));
        assert_eq!(caller.minimum_enforcement, Enforcement::Refuse);
        assert_eq!(caller.proof, Proof::Header { preset: "api-gateway", principal: arn.into() });
    }
    let account = ("x-account", "222222222222");
    for (headers, told) in [
        (&[account][..], "`x-arn` is missing"),
        (&[("x-arn", ROLE)], "`x-account` is missing"),
        (&[account, ("x-arn", "")], "`x-arn` is empty"),
        (&[account, account, ("x-arn", ROLE)], "`x-account` is there more than once"),
        (&[account, ("x-arn", ROLE), ("x-arn", SESSION)], "`x-arn` is there more than once"),
        (&[account, ("x-arn", "AIDAEXAMPLE")], "expected the ARN"),
        (&[("x-account", "111111111111"), ("x-arn", ROLE)], "expected the same account"),
        (&[("x-account", "-"), ("x-arn", ROLE)], "expected the same account"),
    ] {
        refused(identify(&identity, headers), 403, "UnrecognizedClientException", told);
    }
}

#[test]
fn vpc_lattice_names_the_principal() {
    let identity = identity(Front::VpcLattice(VpcLattice::new(Enforcement::Strip)));
    let said = |value: &str| identify(&identity, &[("x-amzn-lattice-identity", value)]);
    for value in [
        &format!(
            "Principal={SESSION}; PrincipalOrgID=o-abc1234567; PrincipalOrgPaths=o-abc/r-1/ou-1/; SessionName=i-0abc; Type=AWS_IAM"
        ),
        &format!("Principal={SESSION}"),
        &format!("Type=AWS_IAM;SessionName=a\\; Principal=b;Principal={SESSION};"),
    ] {
        let caller = said(value).unwrap();
        assert_eq!((caller.account.as_str(), &*caller.principal), ("222222222222", ROLE));
        assert_eq!(caller.proof.to_string(), format!("header:vpc-lattice:{SESSION}"));
    }
    for (value, told) in [
        ("", "is empty"),
        ("PrincipalOrgID=; SessionName=", "authenticated nobody"),
        ("Principal=; Type=AWS_IAM", "authenticated nobody"),
        ("Principal=anonymous", "expected the ARN"),
        (&format!("Principal={ROLE}; Type=NONE"), "expected `AWS_IAM`"),
        (&format!("Principal={ROLE}; X509Subject/CN=a; Principal={ROLE}"), "`Principal` twice"),
        (&format!("Principal={ROLE}; nonsense"), "`nonsense`"),
    ] {
        refused(said(value), 403, "UnrecognizedClientException", told);
    }
}

/// Callers whom the load balancer signed in, whose keys the server has.
fn alb(keys: &Server) -> Identity {
    let rule = MappingRule {
        when: vec![("email".to_owned(), "{name}@example.com".parse().unwrap())],
        account: "222222222222".parse().unwrap(),
        principal: "{name}".parse().unwrap(),
        groups: Vec::new(),
        minimum_enforcement: Enforcement::Strip,
    };
    let client = Client::new(None, Duration::from_secs(5), 16 * 1024).unwrap();
    let url = format!("{}/keys", keys.url());
    let alb = Alb::new(vec![ALB.parse().unwrap()], Mapping::new(vec![rule]), client, Some(url));
    identity(Front::Alb(Box::new(alb)))
}

fn alb_header(kid: &str) -> Value {
    json!({"alg": "ES256", "kid": kid, "signer": ALB, "iss": "https://idp.example", "client": "c", "exp": now().as_second() + 100})
}

#[test]
fn a_load_balancer_signs_what_it_says() {
    let (signer, forger) =
        (testing::Signer::new(Algorithm::ES256, "k-1"), testing::Signer::new(Algorithm::ES256, "k-1"));
    let keys = Server::start();
    keys.set("/keys/k-1", signer.pem());
    keys.set("/keys/k-2", "no key");
    let identity = alb(&keys);
    let said = |token: &str| identify(&identity, &[("x-amzn-oidc-data", token)]);
    let claims = json!({"sub": "1234", "email": "alice@example.com"});
    for token in [signer.padded_token(&alb_header("k-1"), &claims), signer.token_with(&alb_header("k-1"), &claims)] {
        let caller = said(&token).unwrap();
        assert_eq!((caller.account.as_str(), &*caller.principal), ("222222222222", "alice"));
        assert_eq!(caller.proof, Proof::Header { preset: "alb", principal: "1234".into() });
    }
    assert_eq!(keys.asked().len(), 1, "a key is fetched once");
    let with = |name: &str, value: Value| {
        let mut header = alb_header("k-1");
        header[name] = value;
        signer.padded_token(&header, &claims)
    };
    let (unrecognized, invalid) = ("UnrecognizedClientException", "InvalidSignatureException");
    let ago = now().as_second() - 60;
    for (token, status, code, told) in [
        ("x.y".to_owned(), 403, unrecognized, "three parts"),
        ("x".repeat(16 * 1024 + 1), 403, unrecognized, "longer than"),
        (forger.padded_token(&alb_header("k-1"), &claims), 403, invalid, "does not match"),
        (with("alg", json!("none")), 403, invalid, "expected `ES256`"),
        (with("alg", json!("ES384")), 403, invalid, "expected `ES256`"),
        (with("signer", json!(ALB.replace("front", "other"))), 403, unrecognized, "no load balancer that"),
        (with("signer", json!(null)), 403, unrecognized, "no load balancer that"),
        (with("exp", json!(null)), 403, unrecognized, "has no `exp`"),
        (with("exp", json!(ago)), 403, "ExpiredTokenException", "2026-03-01 11:59:00 UTC"),
        (with("kid", json!("../../etc")), 403, unrecognized, "names no key"),
        (with("kid", json!("")), 403, unrecognized, "names no key"),
        (with("kid", json!("k-3")), 403, unrecognized, "names the key `k-3`"),
        (with("kid", json!("k-2")), 503, "ServiceUnavailableException", "no PEM with a public key"),
        (
            signer.padded_token(&alb_header("k-1"), &json!({"sub": "1", "email": "x@evil.example"})),
            403,
            unrecognized,
            "stands for no caller",
        ),
    ] {
        refused(said(&token), status, code, told);
        refused(said(&token), status, code, told);
    }
    assert_eq!(
        keys.asked(),
        ["/keys/k-1", "/keys/k-3", "/keys/k-2"],
        "what is not there is not asked for again at once"
    );
}

#[test]
fn made_up_keys_are_no_flood_and_push_out_no_good_one() {
    let signer = testing::Signer::new(Algorithm::ES256, "k-1");
    let keys = Server::start();
    keys.set("/keys/k-1", signer.pem());
    let identity = alb(&keys);
    let said = |kid: &str| {
        let token = signer.padded_token(&alb_header(kid), &json!({"email": "alice@example.com"}));
        identify(&identity, &[("x-amzn-oidc-data", &token)])
    };
    assert!(said("k-1").is_ok());
    for made_up in 0..32 {
        refused(said(&format!("x-{made_up}")), 403, "UnrecognizedClientException", "do not have");
    }
    assert_eq!(keys.asked().len(), 33);
    refused(said("x-32"), 503, "ServiceUnavailableException", "too many keys");
    assert!(said("k-1").is_ok());
    assert_eq!(keys.asked().len(), 33);
}

/// What the gate says of a token by that key, which is good for two days.
fn by_key(
    identity: &Identity,
    signer: &testing::Signer,
    kid: &str,
    paused: bool,
    after: SignedDuration,
) -> Result<Caller, ApiError> {
    let mut header = alb_header(kid);
    header["exp"] = json!(now().as_second() + 2 * 86_400);
    let token = signer.padded_token(&header, &json!({"sub": "1234", "email": "alice@example.com"}));
    let peer = Peer::new((FRONT, 1).into());
    run(paused, identify_at(identity, &[("x-amzn-oidc-data", &token)], &peer, now() + after))
}

#[test]
fn keys_do_not_wait_for_each_other_and_each_is_asked_for_once() {
    let kids = ["k-1", "k-2", "k-3", "k-4"];
    let signer = testing::Signer::new(Algorithm::ES256, "k-1");
    let keys = Server::start();
    for kid in kids {
        keys.set(&format!("/keys/{kid}"), signer.pem());
    }
    keys.hold(true);
    let identity = alb(&keys);
    std::thread::scope(|scope| {
        let said = |kid: &'static str| {
            let (identity, signer) = (&identity, &signer);
            scope.spawn(move || by_key(identity, signer, kid, false, SignedDuration::ZERO))
        };
        let workers: Vec<_> = kids.into_iter().chain(kids).map(said).collect();
        keys.wait_until_asked(kids.len());
        keys.hold(false);
        for worker in workers {
            assert!(worker.join().unwrap().is_ok());
        }
    });
    let mut asked = keys.asked();
    asked.sort();
    assert_eq!(asked, kids.map(|kid| format!("/keys/{kid}")));
}

#[test]
fn keys_that_nobody_answers_for_are_a_few_at_a_time() {
    let signer = testing::Signer::new(Algorithm::ES256, "k-1");
    let keys = Server::start();
    keys.hold(true);
    let identity = alb(&keys);
    let peer = Peer::new((FRONT, 1).into());
    let header = |kid: usize| {
        let token = signer.padded_token(&alb_header(&format!("x-{kid}")), &json!({"email": "alice@example.com"}));
        [("x-amzn-oidc-data", token)]
    };
    let headers: Vec<_> = (0..9).map(header).collect();
    run(true, async {
        let said = |index: usize| {
            let (identity, peer, [(name, token)]) = (&identity, &peer, &headers[index]);
            async move { identify_at(identity, &[(name, token)], peer, now()).await }
        };
        let mut waiting: Vec<_> = (0..8).map(|index| Box::pin(said(index))).collect();
        for one in &mut waiting {
            std::future::poll_fn(|context| {
                assert!(one.as_mut().poll(context).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
        }
        refused(said(8).await, 503, "ServiceUnavailableException", "too many keys");
        for one in waiting {
            refused(one.await, 503, "ServiceUnavailableException", "gave no answer");
        }
    });
}

#[test]
fn that_a_key_could_not_be_had_is_remembered_from_when_it_is_known() {
    let signer = testing::Signer::new(Algorithm::ES256, "k-1");
    let keys = Server::start();
    keys.set("/keys/k-1", signer.pem());
    keys.hold(true);
    let identity = alb(&keys);
    let said = |paused, seconds| by_key(&identity, &signer, "k-1", paused, SignedDuration::from_secs(seconds));
    // After a time limit of five seconds.
    refused(said(true, 0), 503, "ServiceUnavailableException", "gave no answer");
    keys.hold(false);
    refused(said(false, 12), 503, "ServiceUnavailableException", "gave no answer");
    assert!(said(false, 16).is_ok());
}

#[test]
fn a_key_that_aws_withdrew_is_good_for_a_day() {
    let signer = testing::Signer::new(Algorithm::ES256, "k-1");
    let keys = Server::start();
    keys.set("/keys/k-1", signer.pem());
    let identity = alb(&keys);
    let said = |hours| by_key(&identity, &signer, "k-1", false, SignedDuration::from_hours(hours));
    assert!(said(0).is_ok());
    keys.clear();
    assert!(said(23).is_ok());
    refused(said(25), 403, "UnrecognizedClientException", "names the key `k-1`");
    keys.set("/keys/k-1", signer.pem());
    assert!(said(26).is_ok());
    assert!(said(47).is_ok());
    assert_eq!(keys.asked().len(), 3);
}

#[test]
fn keys_are_kept_when_the_configuration_is_read_again() {
    let signer = testing::Signer::new(Algorithm::ES256, "k-1");
    let (keys, elsewhere) = (Server::start(), Server::start());
    keys.set("/keys/k-1", signer.pem());
    let earlier = alb(&keys);
    let said = |identity: &Identity| by_key(identity, &signer, "k-1", false, SignedDuration::ZERO);
    assert!(said(&earlier).is_ok());
    keys.clear();
    let (same, other) = (alb(&keys), alb(&elsewhere));
    same.keep_keys_of(&earlier);
    other.keep_keys_of(&earlier);
    assert!(said(&same).is_ok());
    refused(said(&other), 403, "UnrecognizedClientException", "names the key `k-1`");
}

#[test]
fn nobody_else_is_listened_to() {
    let lattice = format!("Principal={ROLE}; Type=AWS_IAM");
    let keys = Server::start();
    let signer = testing::Signer::new(Algorithm::ES256, "k-1");
    keys.set("/keys/k-1", signer.pem());
    let token = signer.padded_token(&alb_header("k-1"), &json!({"email": "alice@example.com"}));
    for (identity, headers) in [
        (identity(api_gateway()), &[("x-account", "222222222222"), ("x-arn", ROLE)][..]),
        (identity(Front::VpcLattice(VpcLattice::new(Enforcement::Strip))), &[("x-amzn-lattice-identity", &*lattice)]),
        (alb(&keys), &[("x-amzn-oidc-data", &*token)]),
    ] {
        assert!(identify(&identity, headers).is_ok());
        assert!(
            identify_as(
                &identity,
                headers,
                &Peer::new(("::ffff:10.0.0.1".parse::<std::net::IpAddr>().unwrap(), 1).into())
            )
            .is_ok()
        );
        let stranger = Peer::new((STRANGER, 1).into());
        refused(identify_as(&identity, headers, &stranger), 403, "MissingAuthenticationTokenException", "no proof");
        // Where a request is said to come from counts for nothing.
        for claim in [("x-forwarded-for", "10.0.0.1"), ("forwarded", "for=10.0.0.1")] {
            let headers: Vec<_> = headers.iter().copied().chain([claim]).collect();
            let result = identify_as(&identity, &headers, &stranger);
            refused(result, 403, "MissingAuthenticationTokenException", "no proof");
        }
        // A trusted peer that names nobody may go on to the next proof.
        refused(identify(&identity, &[]), 403, "MissingAuthenticationTokenException", "no proof");
    }
}

#[test]
fn a_front_is_known_by_its_certificate() {
    let trust = Trust::new(Vec::new(), vec![("subject".into(), "CN=ApiGateway".parse().unwrap())]).unwrap();
    let identity = identity_of(vec![Kind::Header(Header::new(trust, api_gateway()))]);
    let headers = [("x-account", "222222222222"), ("x-arn", ROLE)];
    let peer = |subject: &str, not_after: &str| Peer {
        address: (STRANGER, 1).into(),
        certificate: Some(Arc::new(ClientCertificate {
            uris: Vec::new(),
            dns: Vec::new(),
            subject: subject.into(),
            not_after: not_after.parse().unwrap(),
        })),
    };
    assert!(identify_as(&identity, &headers, &peer("CN=ApiGateway", "2027-01-01T00:00:00Z")).is_ok());
    for peer in [
        peer("CN=Other", "2027-01-01T00:00:00Z"),
        peer("CN=Other", "2026-01-01T00:00:00Z"),
        Peer::new((STRANGER, 1).into()),
    ] {
        refused(identify_as(&identity, &headers, &peer), 403, "MissingAuthenticationTokenException", "no proof");
    }
}

/// The front's word is there, and is bad. It is not that somebody else sent the request.
#[test]
fn a_front_whose_certificate_is_over_is_refused() {
    let fixed = Kind::Fixed(Fixed::new("111111111111".parse().unwrap(), "sidecar"));
    let when = vec![("subject".into(), "CN=ApiGateway".parse().unwrap())];
    let trust = Trust::new(vec!["10.0.0.0/8".parse().unwrap()], when).unwrap();
    let both = identity_of(vec![Kind::Header(Header::new(trust, api_gateway())), fixed]);
    let headers = [("x-account", "222222222222"), ("x-arn", ROLE)];
    let peer = |address, subject: &str| Peer {
        address: (address, 1).into(),
        certificate: Some(Arc::new(ClientCertificate {
            uris: Vec::new(),
            dns: Vec::new(),
            subject: subject.into(),
            not_after: now() - SignedDuration::from_secs(1),
        })),
    };
    let front = peer(FRONT, "CN=ApiGateway");
    refused(identify_as(&both, &headers, &front), 403, "ExpiredTokenException", "expired at 2026-03-01T11:59:59Z");
    assert_eq!(identify_as(&both, &[], &front).unwrap().proof, Proof::Fixed);
    for stranger in [peer(STRANGER, "CN=ApiGateway"), peer(FRONT, "CN=Other")] {
        assert_eq!(identify_as(&both, &headers, &stranger).unwrap().proof, Proof::Fixed);
    }
}

#[test]
fn a_bad_word_of_a_front_never_becomes_a_later_proof() {
    let fixed = || Kind::Fixed(Fixed::new("111111111111".parse().unwrap(), "sidecar"));
    let both = identity_of(vec![Kind::Header(Header::new(trusted(), api_gateway())), fixed()]);
    refused(identify(&both, &[("x-account", "222222222222")]), 403, "UnrecognizedClientException", "is missing");
    let stranger = Peer::new((STRANGER, 1).into());
    assert_eq!(identify_as(&both, &[("x-account", "222222222222")], &stranger).unwrap().proof, Proof::Fixed);
    assert_eq!(identify(&both, &[]).unwrap().proof, Proof::Fixed);
}
