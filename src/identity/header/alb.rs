//! An Application Load Balancer that signs users in, and says in a signed token who they are.
//!
//! The header is `x-amzn-oidc-data` (Application Load Balancers, "Authenticate users"): a JWT by ES256 that is padded against the rules of
//! JWTs, with the load balancer's ARN as `signer` and the end of its validity as `exp` in its own header. The key is at
//! `https://public-keys.auth.elb.<region>.amazonaws.com/<kid>`, as PEM.

use super::{Claim as HeaderClaim, refused, shown, single};
use crate::{
    finding::{ApiError, Proof},
    identity::{
        Mapping,
        began::Began,
        flights::Flights,
        identified::Identified,
        jwt::{Padding, Token, VerifyingKey, expired, time},
    },
    net::Client,
};
use http::{HeaderMap, HeaderName, StatusCode, Uri};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::Algorithm;
use rustls::pki_types::{SubjectPublicKeyInfoDer, pem::PemObject};
use std::{
    collections::VecDeque,
    fmt,
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The header.
pub(super) const DATA: HeaderName = HeaderName::from_static("x-amzn-oidc-data");

/// The longest token, in bytes: load balancers take claims of up to 11 KiB (its quota) from an identity provider.
const LONGEST: usize = 16 * 1024;
/// How many keys are remembered. A load balancer has one at a time.
const MOST_KEYS: usize = 32;
/// How long a key is used before it is asked for again: one that is withdrawn is not good for ever. Nobody says how long it is good.
const KEY_HOLDS: SignedDuration = SignedDuration::from_hours(24);
/// How many keys are asked for at a time. Each is a request that somebody waits for, for as long as the client's time limit.
const MOST_FLIGHTS: usize = 8;
/// How many keys that are none are remembered, and asked for within [`FAILURE`].
const MOST_FAILURES: usize = 32;
/// How long it is remembered that there is no such key, or that it could not be had.
const FAILURE: SignedDuration = SignedDuration::from_secs(10);

/// Callers whom load balancers signed in.
#[derive(Debug)]
pub struct Alb {
    signers: Vec<Signer>,
    mapping: Mapping,
    keys: Keys,
}

/// The ARN of a load balancer, `arn:aws:elasticloadbalancing:eu-west-1:111111111111:loadbalancer/app/name/0123456789abcdef`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    arn: String,
    region: String,
    /// Of `amazonaws.com` in its partition.
    domain: &'static str,
}

/// Text that is no ARN of a load balancer: the end of the sentence "expected …".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the ARN of an Application Load Balancer, such as \
     `arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/front/0123456789abcdef`"
)]
pub struct InvalidSigner;

impl FromStr for Signer {
    type Err = InvalidSigner;

    fn from_str(arn: &str) -> Result<Self, InvalidSigner> {
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", partition, "elasticloadbalancing", region, account, resource] = parts[..] else {
            return Err(InvalidSigner);
        };
        let domain = match partition {
            "aws" | "aws-us-gov" => "amazonaws.com",
            "aws-cn" => "amazonaws.com.cn",
            _ => return Err(InvalidSigner),
        };
        // The region becomes a part of a host's name.
        let is_region = !region.is_empty()
            && region.len() <= 32
            && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let is_account = crate::finding::AccountId::parse(account).is_some();
        if !is_region || !is_account || !resource.starts_with("loadbalancer/app/") {
            return Err(InvalidSigner);
        }
        Ok(Self { arn: arn.to_owned(), region: region.to_owned(), domain })
    }
}

impl Signer {
    /// Where a key of it is. `kid` has nothing in it that has a meaning in URLs.
    fn key_url(&self, base: Option<&str>, kid: &str) -> Result<Uri, http::uri::InvalidUri> {
        let Self { region, domain, .. } = self;
        match base {
            Some(base) => format!("{}/{kid}", base.trim_end_matches('/')),
            // GovCloud publishes its keys in buckets (ibid.).
            None if region.starts_with("us-gov-") => {
                format!("https://s3-{region}.amazonaws.com/aws-elb-public-keys-prod-{region}/{kid}")
            }
            None => format!("https://public-keys.auth.elb.{region}.{domain}/{kid}"),
        }
        .parse()
    }
}

/// A token that is not proven wrong so far.
#[derive(Debug)]
pub(in crate::identity) struct Claim<'a> {
    alb: &'a Alb,
    token: Token<'a>,
    signer: &'a Signer,
    kid: String,
    began: Began,
}

impl Alb {
    /// Callers whom one of `signers` signed in, by rules whose attributes are the claims. `keys_url` is where keys are instead of at
    /// AWS: the key id is put behind it.
    pub fn new(signers: Vec<Signer>, mapping: Mapping, client: Client, keys_url: Option<String>) -> Self {
        let keys = Keys { client, base: keys_url, known: Mutex::default(), flights: Flights::new(MOST_FLIGHTS) };
        Self { signers, mapping, keys }
    }

    /// Goes on with the keys that another one has, if they are from the same place.
    pub(super) fn keep_keys_of(&self, earlier: &Self) {
        self.keys.keep_those_of(&earlier.keys);
    }

    pub(super) fn begin<'a>(&'a self, headers: &'a HeaderMap, now: Timestamp) -> Result<HeaderClaim<'a>, ApiError> {
        let text = single(headers, &DATA)?;
        if text.len() > LONGEST {
            return Err(refused(format!("The token in `{DATA}` is longer than {LONGEST} bytes")));
        }
        let token = Token::parse(text, Padding::Allowed)
            .map_err(|malformed| refused(format!("The token in `{DATA}` {malformed}")))?;
        if token.header.alg != "ES256" {
            return Err(ApiError::invalid_signature(format!(
                "The token in `{DATA}` has the `alg` `{}`: expected `ES256`, as load balancers sign.",
                shown(&token.header.alg)
            )));
        }
        let signer = token.header.signer.as_deref().unwrap_or_default();
        let Some(signer) = self.signers.iter().find(|known| known.arn == signer) else {
            return Err(refused(format!(
                "The token in `{DATA}` is signed by `{}`, which is no load balancer that this gate is configured for",
                shown(signer)
            )));
        };
        let is_id = |kid: &&str| {
            (1..=64).contains(&kid.len()) && kid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let Some(kid) = token.header.kid.as_deref().filter(is_id).map(str::to_owned) else {
            return Err(refused(format!("The token in `{DATA}` names no key (`kid`) of a load balancer")));
        };
        let claim = Claim { alb: self, token, signer, kid, began: Began::at(now) };
        match self.keys.at_hand(&claim.kid, now) {
            Some(key) => claim.verify(&key?).map(HeaderClaim::Proven),
            None => Ok(HeaderClaim::Alb(claim)),
        }
    }
}

impl Claim<'_> {
    pub(super) async fn finish(self) -> Result<Identified, ApiError> {
        let key = self.alb.keys.find(self.signer, &self.kid, self.began).await?;
        self.verify(&key)
    }

    fn verify(&self, key: &VerifyingKey) -> Result<Identified, ApiError> {
        let Self { alb, token, began, .. } = self;
        if !key.verifies(Algorithm::ES256, token.signed.as_bytes(), &token.signature) {
            return Err(ApiError::invalid_signature(format!(
                "The token in `{DATA}` is not signed by the load balancer: its signature does not match."
            )));
        }
        let Some(end) = &token.header.exp else {
            return Err(refused(format!("The token in `{DATA}` has no `exp` in its header")));
        };
        if let Some(expired) = expired(time(end), began.at) {
            return Err(expired);
        }
        let subject = token.claims.text("sub").unwrap_or_default();
        let proof = Proof::Header { preset: "alb", principal: subject.into() };
        token.claims.identified(&alb.mapping, &proof).map_err(|unmapped| {
            refused(format!(
                "The load balancer signed somebody in who stands for no caller of this gate: {unmapped}. The `sub` is `{}`. Ask the \
                 gate's owner to add a rule",
                shown(subject)
            ))
        })
    }
}

/// The keys of load balancers, which all workers share.
struct Keys {
    client: Client,
    base: Option<String>,
    known: Mutex<Known>,
    /// The keys that are being asked for.
    flights: Flights<String, Result<VerifyingKey, ApiError>>,
}

/// What came of the last fetches, the newest in front. What failed does not push out what is good.
#[derive(Default)]
struct Known {
    /// The last [`MOST_KEYS`], and when.
    keys: VecDeque<(String, VerifyingKey, Timestamp)>,
    /// The last [`MOST_FAILURES`], and when.
    failures: VecDeque<(String, ApiError, Timestamp)>,
}

impl Known {
    /// A key that still counts. A request that began a little earlier than the one that asked sees it ahead.
    fn key(&self, kid: &str, now: Timestamp) -> Option<&VerifyingKey> {
        let counts = |at: &Timestamp| now.duration_since(*at).abs() < KEY_HOLDS;
        self.keys.iter().find(|(known, _, at)| known == kid && counts(at)).map(|(_, key, _)| key)
    }

    /// Failures that still count, as keys do.
    fn failures(&self, now: Timestamp) -> impl Iterator<Item = (&str, &ApiError)> {
        let counts = move |at: &Timestamp| now.duration_since(*at).abs() < FAILURE;
        self.failures.iter().filter(move |(_, _, at)| counts(at)).map(|(kid, error, _)| (&**kid, error))
    }
}

impl Keys {
    /// What is known of a key without asking.
    fn at_hand(&self, kid: &str, now: Timestamp) -> Option<Result<VerifyingKey, ApiError>> {
        let known = self.known();
        if let Some(key) = known.key(kid, now) {
            return Some(Ok(key.clone()));
        }
        known.failures(now).find(|(known, _)| *known == kid).map(|(_, error)| Err(error.clone()))
    }

    /// The key, fetched if need be. All who want the same at a time are one question, and nobody waits for the answer to another.
    async fn find(&self, signer: &Signer, kid: &str, began: Began) -> Result<VerifyingKey, ApiError> {
        let too_many = || {
            Err(ApiError::unavailable(format!(
                "The token in `{DATA}` cannot be checked: too many keys that load balancers do not have were asked for. Try again in \
                 some seconds."
            )))
        };
        let found = self.flights.answer(kid.to_owned(), async || {
            let now = began.now();
            // Between the look at the head and now, another flight may have landed.
            if let Some(known) = self.at_hand(kid, now) {
                return known;
            }
            if self.known().failures(now).count() >= MOST_FAILURES {
                return too_many();
            }
            let fetched = self.fetch(signer, kid).await;
            // It counts from when it is known: a failure that took its time would be forgotten at once.
            self.keep(kid, &fetched, began.now());
            fetched
        });
        found.await.unwrap_or_else(too_many)
    }

    fn keep(&self, kid: &str, fetched: &Result<VerifyingKey, ApiError>, at: Timestamp) {
        let mut known = self.known();
        match fetched {
            Ok(key) => {
                known.keys.retain(|(known, ..)| known != kid);
                known.keys.push_front((kid.to_owned(), key.clone(), at));
                known.keys.truncate(MOST_KEYS);
            }
            Err(error) => {
                known.failures.push_front((kid.to_owned(), error.clone(), at));
                known.failures.truncate(MOST_FAILURES);
            }
        }
    }

    /// Goes on with the keys that another one has, if they are from the same place. What failed is asked again.
    fn keep_those_of(&self, earlier: &Self) {
        if self.base == earlier.base && self.client.trusts_as(&earlier.client) {
            let keys = earlier.known().keys.clone();
            self.known().keys = keys;
        }
    }

    async fn fetch(&self, signer: &Signer, kid: &str) -> Result<VerifyingKey, ApiError> {
        let unavailable = |why: &dyn fmt::Display| {
            ApiError::unavailable(format!(
                "The token in `{DATA}` cannot be checked, because the key `{kid}` of `{}` cannot be had: {why}. Nothing is wrong with the \
                 token so far: try again.",
                signer.arn
            ))
        };
        let url = signer.key_url(self.base.as_deref(), kid).map_err(|error| unavailable(&error))?;
        let fetched = self.client.get(&url).await.map_err(|error| unavailable(&error))?;
        match fetched.status {
            StatusCode::OK => {}
            // Buckets say 403 of what they do not have.
            StatusCode::NOT_FOUND | StatusCode::FORBIDDEN => {
                return Err(refused(format!(
                    "The token in `{DATA}` names the key `{kid}`, which load balancers in {} do not have",
                    signer.region
                )));
            }
            status => return Err(unavailable(&format_args!("`{url}` answered with status {status}"))),
        }
        let der = SubjectPublicKeyInfoDer::from_pem_slice(&fetched.body)
            .map_err(|_| unavailable(&format_args!("`{url}` is no PEM with a public key")))?;
        Ok(VerifyingKey::p256_from_der(&der))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Each change is whole before anything that could panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("client", &self.client).field("base", &self.base).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:elasticloadbalancing:eu-west-1:111111111111:loadbalancer/app/front/0123456789abcdef";

    #[test]
    fn keys_are_where_the_load_balancer_is() {
        for (arn, base, expected) in [
            (ARN, None, "https://public-keys.auth.elb.eu-west-1.amazonaws.com/k-1"),
            (ARN, Some("http://127.0.0.1:9/keys/"), "http://127.0.0.1:9/keys/k-1"),
            (
                &*ARN.replace("arn:aws:", "arn:aws-cn:").replace("eu-west-1", "cn-north-1"),
                None,
                "https://public-keys.auth.elb.cn-north-1.amazonaws.com.cn/k-1",
            ),
            (
                &*ARN.replace("arn:aws:", "arn:aws-us-gov:").replace("eu-west-1", "us-gov-west-1"),
                None,
                "https://s3-us-gov-west-1.amazonaws.com/aws-elb-public-keys-prod-us-gov-west-1/k-1",
            ),
        ] {
            let signer: Signer = arn.parse().unwrap();
            assert_eq!(signer.key_url(base, "k-1").unwrap().to_string(), expected);
        }
    }

    #[test]
    fn signers_are_load_balancers() {
        for (from, to) in [
            ("arn:aws:", "arn:x:"),
            ("elasticloadbalancing", "s3"),
            ("eu-west-1", ""),
            ("eu-west-1", "evil.example/"),
            ("111111111111", "1"),
            ("loadbalancer/app/", "loadbalancer/net/"),
            ("0123456789abcdef", "0123:4"),
        ] {
            assert_eq!(ARN.replace(from, to).parse::<Signer>(), Err(InvalidSigner), "{to}");
        }
    }
}
