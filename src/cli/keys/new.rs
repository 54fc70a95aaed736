//! Making a key, and writing it down.

use crate::{
    cli::Failure,
    config::Secret,
    finding::{AccountId, Enforcement},
};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use std::fmt::Write;

/// What ids of issued keys begin with, so that nobody takes one for AWS's (`AKIA`, `ASIA`).
const PREFIX: &str = "FGAK";
/// As AWS's ids have it (RFC 4648, section 6): nothing in it is mistaken for something else.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// As AWS's secrets have it.
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A key that is to be written.
#[derive(Debug)]
pub(super) struct New {
    pub(super) id: String,
    pub(super) secret: Secret,
    pub(super) account: AccountId,
    pub(super) principal: String,
    pub(super) minimum_enforcement: Enforcement,
}

impl New {
    /// Its table in a keys file.
    pub(super) fn table(&self) -> String {
        let mut table = "[[key]]\n".to_owned();
        let mut line = |key: &str, value: &str| {
            // Writing to a string cannot fail.
            let _ = writeln!(table, "{key} = {}", toml::Value::String(value.to_owned()));
        };
        line("id", &self.id);
        line("secret", self.secret.expose());
        line("account", self.account.as_str());
        line("principal", &self.principal);
        if self.minimum_enforcement != Enforcement::Strip {
            line("minimum_enforcement", self.minimum_enforcement.as_str());
        }
        table
    }
}

/// An id of 20 characters, of which 16 are random: 80 bits, so that no two are alike.
pub(super) fn id() -> Result<String, Failure> {
    Ok(format!("{PREFIX}{}", random::<16>(BASE32)?))
}

/// A secret of 40 random characters: 240 bits.
pub(super) fn secret() -> Result<Secret, Failure> {
    random::<40>(BASE64).map(Secret::new)
}

/// Random characters of an alphabet, all equally likely: its size divides 256.
fn random<const LENGTH: usize>(alphabet: &[u8]) -> Result<String, Failure> {
    let mut bytes = [0; LENGTH];
    let none = |_| Failure::broke("the system gives no random numbers");
    SystemRandom::new().fill(&mut bytes).map_err(none)?;
    Ok(bytes.iter().map(|byte| char::from(alphabet[usize::from(*byte) % alphabet.len()])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_and_secrets_are_random_and_of_their_alphabets() {
        let ids: HashSet<String> = (0..100).map(|_| id().unwrap()).collect();
        let secrets: HashSet<String> = (0..100).map(|_| secret().unwrap().expose().to_owned()).collect();
        assert_eq!((ids.len(), secrets.len()), (100, 100));
        for (texts, length, alphabet) in [(&ids, 20, &BASE32[..]), (&secrets, 40, BASE64)] {
            assert!(texts.iter().all(|text| text.len() == length && text.bytes().all(|byte| alphabet.contains(&byte))));
        }
        assert!(ids.iter().all(|id| id.starts_with("FGAK")));
        let used: HashSet<u8> = secrets.iter().flat_map(|secret| secret.bytes()).collect();
        assert_eq!(used.len(), 64, "4,000 characters leave none of 64 out but in one of 10^25 runs");
    }

    #[test]
    fn a_table_quotes_what_it_must() {
        let new = New {
            id: "FGAKX".into(),
            secret: Secret::new("a/b+c"),
            account: "222222222222".parse().unwrap(),
            principal: "the \"bot\" \\ of payments".into(),
            minimum_enforcement: Enforcement::Refuse,
        };
        let table: toml::Table = new.table().parse().unwrap();
        let key = &table["key"][0];
        assert_eq!(key["principal"].as_str(), Some("the \"bot\" \\ of payments"));
        assert_eq!((key["secret"].as_str(), key["minimum_enforcement"].as_str()), (Some("a/b+c"), Some("refuse")));
        assert!(!format!("{new:?}").contains("a/b+c"));
    }
}
