//! Accounts, and the caller that acts for one.

use super::{Accounts, Enforcement};
use std::{fmt, str::FromStr, sync::Arc};

/// An AWS account id: twelve decimal digits, leading zeros included.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct AccountId([u8; 12]);

/// Text that is no account id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an AWS account id: expected twelve digits, such as `111122223333`")]
pub struct InvalidAccountId(pub String);

impl AccountId {
    /// The account id that `text` spells out, or nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: [u8; 12] = text.as_bytes().try_into().ok()?;
        digits.iter().all(u8::is_ascii_digit).then_some(Self(digits))
    }

    /// The twelve digits.
    #[expect(clippy::missing_panics_doc, reason = "twelve ASCII digits are UTF-8")]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("ASCII digits")
    }
}

impl FromStr for AccountId {
    type Err = InvalidAccountId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or_else(|| InvalidAccountId(text.to_owned()))
    }
}

impl TryFrom<String> for AccountId {
    type Error = InvalidAccountId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl serde::Serialize for AccountId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an account is to Security Hub. An account is never both (guide, "Effects of an administrator-member
/// relationship").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees and updates the findings of every account in its fleet, its own included.
    Administrator,
    /// Sees and updates its own findings.
    Member,
}

impl Role {
    /// `administrator` or `member`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Member => "member",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a caller proved who it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Proof {
    /// A signature that an issued key made.
    SigV4 {
        /// The key's id (not its secret).
        access_key_id: Arc<str>,
    },
    /// A client certificate.
    Mtls {
        /// Its first URI, else its first DNS name, else its subject.
        name: Arc<str>,
    },
    /// A presigned GetCallerIdentity, which STS answered.
    Sts {
        /// STS's id of the principal: of a user `AIDA…`, of a role's session `AROA…:SESSION`. CloudTrail has the same.
        user_id: Arc<str>,
        /// The name of the role's session; nothing for who is no session.
        session: Option<Arc<str>>,
    },
    /// A token that an issuer signed.
    Jwt {
        /// Who issued it.
        issuer: Arc<str>,
        /// Whom it is about, in the issuer's words; empty if it does not say.
        subject: Arc<str>,
    },
    /// The word of a trusted front.
    Header {
        /// What the front is, such as `api-gateway`.
        preset: &'static str,
        /// Whom it named, in its words.
        principal: Arc<str>,
    },
    /// Everything on this listener is this caller.
    Fixed,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SigV4 { access_key_id } => write!(f, "sigv4:{access_key_id}"),
            Self::Mtls { name } => write!(f, "mtls:{name}"),
            Self::Sts { user_id, .. } => write!(f, "sts:{user_id}"),
            Self::Jwt { issuer, subject } => write!(f, "jwt:{issuer}:{subject}"),
            Self::Header { preset, principal } => write!(f, "header:{preset}:{principal}"),
            Self::Fixed => f.write_str("fixed"),
        }
    }
}

/// Who is calling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account that it acts for.
    pub account: AccountId,
    /// What that account is, by the accounts file.
    pub role: Role,
    /// The principal's ARN or name, as the proof gives it.
    pub principal: Arc<str>,
    /// The groups that the proof puts it in, besides those of its account.
    pub groups: Arc<[Arc<str>]>,
    /// The Region that it signed its request for; nothing where its proof names none.
    pub region: Option<Arc<str>>,
    /// How that was proven.
    pub proof: Proof,
    /// What a denial does to this caller at the least: [`Enforcement::Refuse`] for a client that is known to overlook
    /// `UnprocessedFindings`.
    pub minimum_enforcement: Enforcement,
}

impl Caller {
    /// Whether it may learn how a finding of this account is, or that there is one. A member may not of another account's, nor an
    /// administrator of another fleet's: not even a refusal, or the time that it takes, may depend on it.
    pub fn sees(&self, owner: AccountId, accounts: &Accounts) -> bool {
        self.sees_in_fleet(owner) && !accounts.are_apart(self.account, owner)
    }

    /// The same among what is known to be its own fleet's: what was looked up for it, say, which its administrator asked for.
    pub fn sees_in_fleet(&self, owner: AccountId) -> bool {
        self.role == Role::Administrator || owner == self.account
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn account_ids_are_twelve_ascii_digits() {
        assert_eq!("012345678901".parse::<AccountId>().unwrap().as_str(), "012345678901");
        for bad in ["", "12345678901", "1234567890123", "12345678901x", "１２３４５６７８９０１２", " 12345678901"]
        {
            assert_eq!(AccountId::parse(bad), None, "{bad}");
        }
    }
}
