//! From a request to its caller.

use super::{
    Fixed,
    sigv4::{self, SigV4},
};
use crate::finding::{AccountId, Accounts, ApiError, Caller, Enforcement, Proof};
use http::request::Parts;
use jiff::Timestamp;
use std::sync::Arc;

/// A kind of proof that a listener accepts.
#[derive(Debug)]
pub enum Kind {
    /// Everything is one caller. Its proof is always present, so kinds after it are never asked.
    Fixed(Fixed),
    /// A signature by an issued key. Its proof is present when the request has an `Authorization` header of an AWS
    /// scheme, or a presigned query (which is then refused).
    SigV4(SigV4),
}

/// The proofs that a listener accepts, and the accounts that they may speak for.
///
/// Holds no state of a request: share it between threads, and replace it as a whole when accounts or keys change.
#[derive(Debug)]
pub struct Identity {
    kinds: Vec<Kind>,
    accounts: Arc<Accounts>,
}

/// A request whose head was found good. What remains to be checked needs its body.
#[derive(Debug)]
#[must_use = "the caller is not proven before `finish`"]
pub struct Pending<'a> {
    accounts: &'a Accounts,
    claim: Claim<'a>,
}

#[derive(Debug)]
enum Claim<'a> {
    Proven(Caller),
    SigV4(sigv4::Claim<'a>),
}

impl Identity {
    /// Kinds of proof, in the order in which they are looked for.
    pub fn new(kinds: Vec<Kind>, accounts: Arc<Accounts>) -> Self {
        Self { kinds, accounts }
    }

    /// Checks all that the head of a request can tell, before its body is read. `now` tells the server's time, and is asked by
    /// the proofs that depend on it.
    pub fn begin<'a>(&'a self, head: &Parts, now: impl FnOnce() -> Timestamp) -> Result<Pending<'a>, ApiError> {
        for kind in &self.kinds {
            let claim = match kind {
                Kind::Fixed(Fixed { account, principal, minimum_enforcement }) => {
                    Claim::Proven(caller(&self.accounts, *account, principal, Proof::Fixed, *minimum_enforcement)?)
                }
                Kind::SigV4(sigv4) if sigv4::is_present(head) => Claim::SigV4(sigv4.begin(head, now())?),
                Kind::SigV4(_) => continue,
            };
            return Ok(Pending { accounts: &self.accounts, claim });
        }
        Err(ApiError::missing_authentication(
            "Missing Authentication Token: the request carries no proof of who sends it. This gate expects an AWS \
             Signature Version 4 in the header `Authorization`: give the client an access key that the gate's owner \
             issued, and let it sign its requests.",
        ))
    }
}

impl Pending<'_> {
    /// Checks what the body decides. `body` is the body as it was received, before any parsing.
    pub fn finish(self, body: &[u8]) -> Result<Caller, ApiError> {
        match self.claim {
            Claim::Proven(caller) => Ok(caller),
            Claim::SigV4(claim) => {
                // Only after the proof: a stranger does not learn which accounts are in the fleet.
                let key = claim.finish(body)?;
                let proof = Proof::SigV4 { access_key_id: Arc::clone(&key.id) };
                caller(self.accounts, key.account, &key.principal, proof, key.minimum_enforcement)
            }
        }
    }
}

fn caller(
    accounts: &Accounts,
    account: AccountId,
    principal: &Arc<str>,
    proof: Proof,
    minimum_enforcement: Enforcement,
) -> Result<Caller, ApiError> {
    let Some(role) = accounts.role(account) else {
        // Clients compare the beginning of this message.
        return Err(ApiError::invalid_access(format!(
            "Account {account} is not subscribed to AWS Security Hub: it is neither the administrator nor a member in \
             this gate's accounts file. Ask the gate's owner to add it."
        )));
    };
    Ok(Caller { account, role, principal: Arc::clone(principal), proof, minimum_enforcement })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{finding::Role, identity::Keys};
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

    fn fixed(account: &str) -> Kind {
        Kind::Fixed(Fixed::new(account.parse().unwrap(), "sidecar").minimum_enforcement(Enforcement::Refuse))
    }

    fn sigv4() -> Kind {
        Kind::SigV4(SigV4::new(Keys::default(), "eu-west-1"))
    }

    #[test]
    fn everything_on_a_fixed_listener_is_its_caller() {
        let identity = Identity::new(vec![fixed("111111111111")], accounts());
        for authorization in [None, Some("AWS4-HMAC-SHA256 whatever"), Some("Bearer x")] {
            let pending = identity.begin(&head(authorization), || Timestamp::UNIX_EPOCH).unwrap();
            let expected = Caller {
                account: "111111111111".parse().unwrap(),
                role: Role::Administrator,
                principal: "sidecar".into(),
                proof: Proof::Fixed,
                minimum_enforcement: Enforcement::Refuse,
            };
            assert_eq!(pending.finish(b"{}").unwrap(), expected);
        }
    }

    #[test]
    fn an_account_outside_the_fleet_is_told_so_in_the_words_that_clients_match_on() {
        let identity = Identity::new(vec![fixed("999999999999")], accounts());
        let error = identity.begin(&head(None), || Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!((error.status, error.code), (401, "InvalidAccessException"));
        assert!(error.message.starts_with("Account 999999999999 is not subscribed to AWS Security Hub"));
        assert!(error.message.contains("neither the administrator nor a member"));
    }

    #[test]
    fn the_first_proof_present_decides_and_a_bad_one_never_falls_through() {
        let now = Timestamp::UNIX_EPOCH;
        let both = Identity::new(vec![sigv4(), fixed("111111111111")], accounts());
        assert_eq!(both.begin(&head(None), || now).unwrap().finish(b"").unwrap().proof, Proof::Fixed);
        for bad in
            ["AWS4-HMAC-SHA256 nonsense", "aws4-hmac-sha256 x", "AWS4-ECDSA-P256-SHA256 x", "AWS AKID:sig", "AWS"]
        {
            let error = both.begin(&head(Some(bad)), || now).unwrap_err();
            assert_eq!((error.status, error.code), (403, "IncompleteSignatureException"), "{bad}");
        }
        let fixed_first = Identity::new(vec![fixed("111111111111"), sigv4()], accounts());
        assert!(fixed_first.begin(&head(Some("AWS4-HMAC-SHA256 nonsense")), || now).is_ok());
    }

    #[test]
    fn no_proof_is_no_entry() {
        for (kinds, authorization) in [(vec![sigv4()], None), (vec![sigv4()], Some("Bearer x")), (vec![], None)] {
            let error =
                Identity::new(kinds, accounts()).begin(&head(authorization), || Timestamp::UNIX_EPOCH).unwrap_err();
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
