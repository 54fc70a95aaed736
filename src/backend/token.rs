//! Page tokens: the question, and how far its answer has got.
//!
//! A token carries the whole question, so it works without the rest of the body, and it is signed, so it can only be one
//! that this backend gave to this account, for this operation. Nothing is kept for it.

use super::json::Object;
use crate::finding::{AccountId, Operation};
use aws_lc_rs::hmac;
use jiff::Timestamp;
use rusqlite::types::Value as Sql;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    /// The account that may use it.
    account: String,
    pub(super) filters: Object,
    pub(super) sort: Value,
    pub(super) page_size: usize,
    /// When the first page was asked for.
    #[serde(with = "instant")]
    pub(super) now: Timestamp,
    /// The last finding of the page before, and its sort keys.
    seq: i64,
    keys: Vec<Key>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Key {
    Integer(i64),
    Real(f64),
    Text(String),
}

impl Token {
    pub(super) fn new(
        account: AccountId,
        question: (Object, Value, usize, Timestamp),
        position: (i64, Vec<Sql>),
    ) -> Self {
        let (filters, sort, page_size, now) = question;
        let (seq, keys) = position;
        let key = |key| match key {
            Sql::Integer(number) => Key::Integer(number),
            Sql::Real(number) => Key::Real(number),
            Sql::Text(text) => Key::Text(text),
            Sql::Null | Sql::Blob(_) => Key::Text(String::new()), // no sort key is either
        };
        let keys = keys.into_iter().map(key).collect();
        Self { account: account.to_string(), filters, sort, page_size, now, seq, keys }
    }

    /// The sort keys and the number of the last finding of the page before.
    pub(super) fn position(&self) -> (Vec<Sql>, i64) {
        let sql = |key: &Key| match key {
            Key::Integer(number) => Sql::Integer(*number),
            Key::Real(number) => Sql::Real(*number),
            Key::Text(text) => Sql::Text(text.clone()),
        };
        (self.keys.iter().map(sql).collect(), self.seq)
    }

    /// The token as a client carries it.
    pub(super) fn sealed(&self, operation: Operation, key: &hmac::Key) -> String {
        let body = serde_json::to_vec(self).unwrap_or_default(); // plain data with string keys always serialises
        let signature = hmac::sign(key, &signed(operation, &body));
        hex(signature.as_ref().iter().chain(&body))
    }

    /// Reads a token that was given to this account by this operation.
    pub(super) fn open(text: &str, operation: Operation, key: &hmac::Key, account: AccountId) -> Option<Self> {
        let bytes = unhex(text)?;
        let (signature, body) = bytes.split_at_checked(32)?;
        hmac::verify(key, &signed(operation, body), signature).ok()?;
        let token: Self = serde_json::from_slice(body).ok()?;
        (token.account == account.as_str()).then_some(token)
    }
}

/// What is signed: the body, and before it the operation. GetFindings is signed without, as it was before there were others;
/// the body begins with a brace, which no name does.
fn signed(operation: Operation, body: &[u8]) -> Vec<u8> {
    let name = if operation == Operation::GetFindings { "" } else { operation.name() };
    [name.as_bytes(), body].concat()
}

/// An instant as text.
mod instant {
    use super::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(instant: &Timestamp, writer: S) -> Result<S::Ok, S::Error> {
        writer.collect_str(instant)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(reader: D) -> Result<Timestamp, D::Error> {
        String::deserialize(reader)?.parse().map_err(D::Error::custom)
    }
}

pub(super) fn hex<'a>(bytes: impl Iterator<Item = &'a u8>) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble & 15)]);
    bytes.flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn token(account: AccountId) -> Token {
        let filters = json!({"Id": [{"Value": "ä", "Comparison": "EQUALS"}]}).as_object().unwrap().clone();
        let question = (filters, json!([]), 7, "2024-01-01T00:00:00Z".parse().unwrap());
        Token::new(account, question, (3, vec![Sql::Text("x".into()), Sql::Real(0.5), Sql::Integer(-1)]))
    }

    #[test]
    fn only_the_account_it_was_given_to_can_use_it_and_only_as_it_is() {
        let [account, other] = ["111111111111", "222222222222"].map(|id| AccountId::parse(id).unwrap());
        let [key, other_key] = [[1; 32], [2; 32]].map(|secret| hmac::Key::new(hmac::HMAC_SHA256, &secret));
        let token = token(account);
        let (operation, other_operation) = (Operation::GetFindings, Operation::ListAutomationRules);
        let open = |sealed: &str| Token::open(sealed, operation, &key, account);
        let sealed = token.sealed(operation, &key);
        let foreign = token.sealed(other_operation, &key);
        assert_eq!(Token::open(&foreign, other_operation, &key, account), Some(token.clone()));
        assert_eq!(open(&foreign), None);
        assert_eq!(Token::open(&sealed, other_operation, &key, account), None);
        assert_eq!(open(&sealed), Some(token));
        assert_eq!(Token::open(&sealed, operation, &key, other), None);
        assert_eq!(Token::open(&sealed, operation, &other_key, account), None);
        for at in 0..sealed.len() {
            let mut forged = sealed.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(open(std::str::from_utf8(&forged).unwrap()), None, "at {at}");
        }
    }

    proptest! {
        #[test]
        fn hex_round_trips(bytes: Vec<u8>) {
            prop_assert_eq!(unhex(&hex(bytes.iter())), Some(bytes));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}") {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &[0; 32]);
            let account = AccountId::parse("111111111111").unwrap();
            prop_assert_eq!(Token::open(&text, Operation::GetFindings, &key, account), None);
        }
    }
}
