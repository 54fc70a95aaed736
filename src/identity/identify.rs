//! From a request to its caller.

use super::{
    Fixed, Header, Jwt, Mtls, Peer, header,
    identified::Identified,
    jwt::{self, Presented},
    sigv4::{self, SigV4},
    sts::{self, Sts},
};
use crate::finding::{Accounts, ApiError, Caller, Proof};
use http::request::Parts;
use jiff::Timestamp;
use std::sync::Arc;

/// A kind of proof that a listener accepts.
#[derive(Debug)]
pub enum Kind {
    /// Everything is one caller. Its proof is always present, so kinds after it are never asked.
    Fixed(Fixed),
    /// A client certificate. Its proof is present when the connection has one.
    Mtls(Mtls),
    /// A token of one issuer. Its proof is present when the request has a bearer token that says it is of that issuer. One that is of no
    /// identity's issuer is the first such identity's to refuse.
    Jwt(Jwt),
    /// The word of a trusted front. Its proof is present when the front sent the request and says who is calling.
    Header(Header),
    /// A signature by an issued key. Its proof is present when the request has an `Authorization` header of an AWS
    /// scheme, or a presigned query (which is then refused).
    SigV4(SigV4),
    /// A presigned GetCallerIdentity. Its proof is present when the request has a header `x-findings-gate-sts-token`.
    Sts(Box<Sts>),
}

/// The proofs that a listener accepts, and the accounts that they may speak for.
///
/// Holds no state of a request: share it between threads, and replace it as a whole when accounts or keys change.
#[derive(Debug)]
pub struct Identity {
    kinds: Vec<Kind>,
    accounts: Arc<Accounts>,
}

/// A request whose head was found good. What remains to be checked needs its body, or an answer from somebody else.
#[derive(Debug)]
#[must_use = "the caller is not proven before `finish`"]
pub struct Pending<'a> {
    accounts: &'a Accounts,
    claim: Claim<'a>,
}

#[derive(Debug)]
enum Claim<'a> {
    Settled(Settled<'a>),
    Jwt(jwt::Claim<'a>),
    Header(header::Claim<'a>),
    Sts(sts::Claim<'a>),
}

/// A request whose proof was found good as far as somebody else had to be asked. What remains to be checked needs its body.
#[derive(Debug)]
#[must_use = "the caller is not proven before `finish`"]
pub struct Asked<'a> {
    accounts: &'a Accounts,
    claim: Settled<'a>,
}

#[derive(Debug)]
enum Settled<'a> {
    Proven(Caller),
    SigV4(sigv4::Claim<'a>),
}

impl Kind {
    /// What a request must carry for this kind, as a part of a sentence.
    fn expected(&self) -> &'static str {
        match self {
            Self::Fixed(_) => "nothing",
            Self::Mtls(_) => "a client certificate in the TLS handshake",
            Self::Jwt(_) => "a token in the header `Authorization` (`Bearer …`)",
            Self::Header(_) => "a request by way of the service in front of it, which says who is calling",
            Self::SigV4(_) => {
                "an AWS Signature Version 4 in the header `Authorization` (give the client an access key that the gate's owner \
                 issued, and let it sign its requests)"
            }
            Self::Sts(_) => {
                "a presigned STS GetCallerIdentity in the header `x-findings-gate-sts-token` (as `findings-gate token` makes it)"
            }
        }
    }
}

impl Identity {
    /// Kinds of proof, in the order in which they are looked for.
    pub fn new(kinds: Vec<Kind>, accounts: Arc<Accounts>) -> Self {
        Self { kinds, accounts }
    }

    /// Goes on with what another one has fetched. An issuer that is down when the configuration is read again then stops nobody.
    pub fn keep_keys_of(&self, earlier: &Self) {
        for kind in &self.kinds {
            for other in &earlier.kinds {
                match (kind, other) {
                    (Kind::Jwt(jwt), Kind::Jwt(other)) => jwt.keep_keys_of(other),
                    (Kind::Header(header), Kind::Header(other)) => header.keep_keys_of(other),
                    _ => {}
                }
            }
        }
    }

    /// Checks all that the head of a request and its connection can tell, before its body is read. `now` tells the server's time, and is
    /// asked by the proofs that depend on it.
    pub fn begin<'a>(
        &'a self,
        head: &'a Parts,
        peer: &'a Peer,
        now: impl Fn() -> Timestamp,
    ) -> Result<Pending<'a>, ApiError> {
        let accounts = &*self.accounts;
        let mut presented = None;
        let proven =
            |identified: Identified| identified.caller(accounts).map(|caller| Claim::Settled(Settled::Proven(caller)));
        for kind in &self.kinds {
            let claim = match kind {
                Kind::Fixed(fixed) => proven(fixed.identified())?,
                Kind::Mtls(mtls) => match &peer.certificate {
                    Some(certificate) => proven(mtls.identify(certificate, now())?)?,
                    None => continue,
                },
                Kind::Jwt(jwt) => {
                    let bearer = presented.get_or_insert_with(|| Presented::of(head));
                    match bearer.take_if(|token| self.decides(jwt, token)) {
                        Some(token) => Claim::Jwt(jwt.begin(token, now())?),
                        None => continue,
                    }
                }
                Kind::Header(header) if header.is_present(head, peer) => {
                    Claim::Header(header.begin(head, peer, now())?)
                }
                Kind::SigV4(sigv4) if sigv4::is_present(head) => {
                    Claim::Settled(Settled::SigV4(sigv4.begin(head, now())?))
                }
                Kind::Sts(sts) if sts::is_present(head) => match sts.begin(head, now())? {
                    sts::Begun::Known(identified) => proven(identified)?,
                    sts::Begun::Unknown(claim) => Claim::Sts(claim),
                },
                Kind::Header(_) | Kind::SigV4(_) | Kind::Sts(_) => continue,
            };
            return Ok(Pending { accounts, claim });
        }
        Err(self.missing())
    }

    /// Whether a bearer token is this identity's, which is asked in their order: it says so, or it is nobody's.
    fn decides(&self, jwt: &Jwt, token: &Presented<'_>) -> bool {
        jwt.issues(token) || !self.kinds.iter().any(|kind| matches!(kind, Kind::Jwt(other) if other.issues(token)))
    }

    #[cold]
    fn missing(&self) -> ApiError {
        let expected: Vec<&str> = self.kinds.iter().map(Kind::expected).collect();
        let expected = match &expected[..] {
            [] => "no proof at all, so nobody can call".to_owned(),
            several => several.join(", or "),
        };
        ApiError::missing_authentication(format!(
            "Missing Authentication Token: the request carries no proof of who sends it. This gate expects {expected}."
        ))
    }
}

impl<'a> Pending<'a> {
    /// Asks whom the proof makes it ask: an issuer for its keys, or STS. To be done before the body is read, so that nobody unproven
    /// makes the gate keep one; only a signature cannot be checked without.
    pub async fn ask(self) -> Result<Asked<'a>, ApiError> {
        let accounts = self.accounts;
        // Large: each in a box, so that where nobody is asked this is a small future.
        let identified = match self.claim {
            Claim::Settled(claim) => return Ok(Asked { accounts, claim }),
            Claim::Jwt(claim) => Box::pin(claim.finish()).await?,
            Claim::Header(claim) => Box::pin(claim.finish()).await?,
            Claim::Sts(claim) => Box::pin(claim.finish()).await?,
        };
        Ok(Asked { accounts, claim: Settled::Proven(identified.caller(accounts)?) })
    }

    /// Checks all the rest at once.
    pub async fn finish(self, body: &[u8]) -> Result<Caller, ApiError> {
        self.ask().await?.finish(body)
    }
}

impl Asked<'_> {
    /// Checks what the body decides. `body` is the body as it was received, before any parsing.
    pub fn finish(self, body: &[u8]) -> Result<Caller, ApiError> {
        match self.claim {
            Settled::Proven(caller) => Ok(caller),
            Settled::SigV4(claim) => {
                let (key, region) = claim.finish(body)?;
                let identified = Identified {
                    account: key.account,
                    principal: Arc::clone(&key.principal),
                    groups: Arc::default(),
                    region: Some(Arc::clone(region)),
                    proof: Proof::SigV4 { access_key_id: Arc::clone(&key.id) },
                    minimum_enforcement: key.minimum_enforcement,
                };
                identified.caller(self.accounts)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        finding::{Enforcement, Role},
        identity::Keys,
    };
    use http::Request;

    fn accounts() -> Arc<Accounts> {
        Arc::new(Accounts::new("111111111111".parse().unwrap(), []))
    }

    fn head(authorization: Option<&str>) -> Parts {
        let mut request = Request::patch("/findings/batchupdate");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn peer() -> Peer {
        Peer::new(([127, 0, 0, 1], 1).into())
    }

    /// The caller, by its head and no body.
    fn identify(identity: &Identity, head: &Parts) -> Result<Caller, ApiError> {
        let peer = peer();
        let pending = identity.begin(head, &peer, || Timestamp::UNIX_EPOCH)?;
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(pending.finish(b"{}"))
    }

    fn fixed(account: &str) -> Kind {
        Kind::Fixed(Fixed::new(account.parse().unwrap(), "sidecar").minimum_enforcement(Enforcement::Refuse))
    }

    fn sigv4() -> Kind {
        Kind::SigV4(SigV4::new(Keys::default(), ["eu-west-1"]))
    }

    #[test]
    fn everything_on_a_fixed_listener_is_its_caller() {
        let identity = Identity::new(vec![fixed("111111111111")], accounts());
        for authorization in [None, Some("AWS4-HMAC-SHA256 whatever"), Some("Bearer x")] {
            let expected = Caller {
                account: "111111111111".parse().unwrap(),
                role: Role::Administrator,
                principal: "sidecar".into(),
                groups: Arc::default(),
                region: None,
                proof: Proof::Fixed,
                minimum_enforcement: Enforcement::Refuse,
            };
            assert_eq!(identify(&identity, &head(authorization)).unwrap(), expected);
        }
    }

    #[test]
    fn an_account_outside_the_fleet_is_told_so_in_the_words_that_clients_match_on() {
        let identity = Identity::new(vec![fixed("999999999999")], accounts());
        let error = identify(&identity, &head(None)).unwrap_err();
        assert_eq!((error.status, error.code), (401, "InvalidAccessException"));
        assert!(error.message.starts_with("Account 999999999999 is not subscribed to AWS Security Hub"));
        assert!(error.message.contains("neither the administrator nor a member"));
    }

    #[test]
    fn the_first_proof_present_decides_and_a_bad_one_never_falls_through() {
        let both = Identity::new(vec![sigv4(), fixed("111111111111")], accounts());
        assert_eq!(identify(&both, &head(None)).unwrap().proof, Proof::Fixed);
        for bad in
            ["AWS4-HMAC-SHA256 nonsense", "aws4-hmac-sha256 x", "AWS4-ECDSA-P256-SHA256 x", "AWS AKID:sig", "AWS"]
        {
            let error = identify(&both, &head(Some(bad))).unwrap_err();
            assert_eq!((error.status, error.code), (403, "IncompleteSignatureException"), "{bad}");
        }
        let fixed_first = Identity::new(vec![fixed("111111111111"), sigv4()], accounts());
        assert!(identify(&fixed_first, &head(Some("AWS4-HMAC-SHA256 nonsense"))).is_ok());
    }

    #[test]
    fn no_proof_is_no_entry() {
        for (kinds, authorization) in [(vec![sigv4()], None), (vec![sigv4()], Some("Bearer x")), (vec![], None)] {
            let error = identify(&Identity::new(kinds, accounts()), &head(authorization)).unwrap_err();
            assert_eq!((error.status, error.code), (403, "MissingAuthenticationTokenException"));
        }
    }

    #[test]
    fn an_identity_is_shared_between_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Identity>();
        shared::<Pending<'_>>();
    }
}
