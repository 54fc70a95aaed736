//! Tokens of pages, as the gate gives them to its callers.
//!
//! A backend's token continues a query, whoever sends it. So none goes to a client as it is: the gate's own carries it, and is
//! good only for the account, the role, the Region and the operation that it was given for, which an HMAC holds it to. Nothing is kept
//! for it, so each worker takes what another gave, and each gate with the same key.
//!
//! `fg1.` mac `.` question `.` the backend's token. Mac and question are in hexadecimal digits. The question is the request that
//! the page belongs to, as the gate forwarded it: a client may send a token and nothing else, and must get on with the very
//! same, narrowed query.

use crate::finding::{Caller, Operation};
use aws_lc_rs::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use std::fmt;

/// What a token of this form begins with.
const VERSION: &str = "fg1.";
/// What the key signs, in this version: nothing else that the same bytes might be used for signs the like.
const PURPOSE: &str = "findings-gate page token 2";
/// The longest question that a token carries, in bytes. Ten attributes with twenty values of 160 bytes each fit.
const LONGEST_QUESTION: usize = 32 * 1024;
/// The longest token of a backend that is carried, in bytes. Twice as long as those of the embedded backend are, which carry
/// the filters; AWS's are shorter by far.
const LONGEST_TOKEN: usize = 1024 * 1024;

/// Seals and opens tokens. All workers of a gate share one key.
#[derive(Clone)]
pub struct PageTokens(hmac::Key);

/// What a caller's token continues.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Continued<'a> {
    /// The backend's token.
    pub(super) token: &'a str,
    /// The request that it continues; absent if it was too long to be carried.
    pub(super) question: Option<Vec<u8>>,
}

impl PageTokens {
    /// The bytes that a key has at the least: as many as the hash gives.
    pub const SHORTEST_KEY: usize = 32;

    /// Tokens under a key of this process's own. Fails when the system has no randomness to give.
    pub fn random() -> Result<Self, aws_lc_rs::error::Unspecified> {
        let mut secret = [0; Self::SHORTEST_KEY];
        SystemRandom::new().fill(&mut secret)?;
        Ok(Self::new(&secret))
    }

    /// Tokens under a key that several gates may have; its bytes should be random.
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The token to give a caller for one of the backend's in a Region, which is the route's; nothing if that is too long to come back.
    pub(super) fn seal(
        &self,
        operation: Operation,
        caller: &Caller,
        region: &str,
        token: &str,
        question: &[u8],
    ) -> Option<String> {
        if token.len() > LONGEST_TOKEN {
            return None;
        }
        let question = if question.len() > LONGEST_QUESTION { String::new() } else { hex(question) };
        let tag = hmac::sign(&self.0, &bound(operation, caller, region, &question, token));
        Some(format!("{VERSION}{}.{question}.{token}", hex(tag.as_ref())))
    }

    /// What a token continues, if this gate gave it, as it is, to this caller for this operation in this Region.
    pub(super) fn open<'a>(
        &self,
        operation: Operation,
        caller: &Caller,
        region: &str,
        sealed: &'a str,
    ) -> Option<Continued<'a>> {
        let (tag, rest) = sealed.strip_prefix(VERSION)?.split_once('.')?;
        let (question, token) = rest.split_once('.')?;
        if question.len() > 2 * LONGEST_QUESTION || token.len() > LONGEST_TOKEN {
            return None;
        }
        hmac::verify(&self.0, &bound(operation, caller, region, question, token), &unhex(tag)?).ok()?;
        let question = if question.is_empty() { None } else { Some(unhex(question)?) };
        Some(Continued { token, question })
    }
}

impl fmt::Debug for PageTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageTokens")
    }
}

/// What is signed. The parts before the last have no NUL in them, so no two tokens give the same bytes.
fn bound(operation: Operation, caller: &Caller, region: &str, question: &str, token: &str) -> Vec<u8> {
    let Caller { account, role, .. } = caller;
    [PURPOSE, operation.name(), account.as_str(), role.as_str(), region, question, token].join("\0").into_bytes()
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// Lower-case digits only: no two texts stand for the same bytes.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Enforcement, Proof, Role};
    use proptest::prelude::*;

    fn caller(account: &str, role: Role) -> Caller {
        Caller {
            account: account.parse().unwrap(),
            role,
            principal: "p".into(),
            groups: std::sync::Arc::default(),
            region: None,
            proof: Proof::Fixed,
            minimum_enforcement: Enforcement::Strip,
        }
    }

    const HERE: &str = "eu-west-1";
    const READ: Operation = Operation::GetFindings;

    fn payments() -> Caller {
        caller("222222222222", Role::Member)
    }

    fn callers() -> [(Operation, Caller); 5] {
        [
            (READ, payments()),
            (READ, caller("222222222222", Role::Administrator)),
            (READ, caller("333333333333", Role::Member)),
            (READ, caller("111111111111", Role::Administrator)),
            (Operation::BatchImportFindings, payments()),
        ]
    }

    #[test]
    fn a_token_is_good_for_whom_and_what_it_was_given_for() {
        let tokens = PageTokens::random().unwrap();
        let sealed: Vec<_> = callers()
            .iter()
            .map(|(operation, caller)| tokens.seal(*operation, caller, HERE, "up.stream\0=", b"{\"a\":1}").unwrap())
            .collect();
        for (given, sealed) in sealed.iter().enumerate() {
            for (used, (operation, caller)) in callers().iter().enumerate() {
                let opened = tokens.open(*operation, caller, HERE, sealed);
                let expected = Continued { token: "up.stream\0=", question: Some(b"{\"a\":1}".into()) };
                assert_eq!(opened, (given == used).then_some(expected), "{given} {used}");
            }
        }
    }

    /// The proof may name no Region: then it is the route's.
    #[test]
    fn a_token_is_good_in_one_region() {
        let tokens = PageTokens::random().unwrap();
        let sealed = tokens.seal(READ, &payments(), HERE, "t", b"").unwrap();
        assert!(tokens.open(READ, &payments(), HERE, &sealed).is_some());
        for other in ["eu-west-2", "eu-west-", "", "eu-west-1\0"] {
            assert_eq!(tokens.open(READ, &payments(), other, &sealed), None, "{other}");
        }
    }

    #[test]
    fn gates_with_one_key_take_each_other_s_tokens() {
        let [one, same, other] = [[1; 32], [1; 32], [2; 32]].map(|secret| PageTokens::new(&secret));
        let sealed = one.seal(READ, &payments(), HERE, "t", b"").unwrap();
        assert_eq!(same.open(READ, &payments(), HERE, &sealed), Some(Continued { token: "t", question: None }));
        assert_eq!(other.open(READ, &payments(), HERE, &sealed), None);
        let [one, other] = [PageTokens::random().unwrap(), PageTokens::random().unwrap()];
        assert_eq!(other.open(READ, &payments(), HERE, &one.seal(READ, &payments(), HERE, "t", b"").unwrap()), None);
    }

    #[test]
    fn what_is_changed_cut_or_moved_is_no_token() {
        let tokens = PageTokens::new(&[7; 32]);
        let sealed = tokens.seal(READ, &payments(), HERE, "token", b"question").unwrap();
        for at in 0..sealed.len() {
            let mut forged = sealed.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(tokens.open(READ, &payments(), HERE, &String::from_utf8(forged).unwrap()), None, "at {at}");
            assert_eq!(tokens.open(READ, &payments(), HERE, &sealed[..at]), None, "up to {at}");
        }
        let question = hex(b"question");
        for forged in [
            format!("{sealed}x"),
            sealed.replace("fg1.", "fg2."),
            sealed.replace("fg1.", "FG1."),
            sealed.replace(&question, &question.to_uppercase()),
            // The dot moved from one part into another.
            sealed.replace(&format!(".{question}.token"), &format!("..{question}.token")),
            sealed.replace(&format!(".{question}.token"), &format!(".{question}token.")),
            "token".to_owned(),
            String::new(),
        ] {
            assert_eq!(tokens.open(READ, &payments(), HERE, &forged), None, "{forged}");
        }
    }

    #[test]
    fn lengths_are_bounded() {
        let tokens = PageTokens::new(&[7; 32]);
        let (longest, question) = ("t".repeat(LONGEST_TOKEN), vec![b'q'; LONGEST_QUESTION]);
        let sealed = tokens.seal(READ, &payments(), HERE, &longest, &question).unwrap();
        let opened = tokens.open(READ, &payments(), HERE, &sealed).unwrap();
        assert_eq!((opened.token, opened.question), (&*longest, Some(question.clone())));
        assert_eq!(tokens.seal(READ, &payments(), HERE, &(longest + "t"), b""), None);
        let too_long = [&question[..], b"q"].concat();
        let sealed = tokens.seal(READ, &payments(), HERE, "t", &too_long).unwrap();
        assert_eq!(tokens.open(READ, &payments(), HERE, &sealed), Some(Continued { token: "t", question: None }));
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", PageTokens::new(b"wJalrXUtnFEMI")), "PageTokens");
    }

    proptest! {
        #[test]
        fn a_token_comes_back_as_it_was(token in "\\PC{0,60}", question: Vec<u8>) {
            let tokens = PageTokens::new(&[7; 32]);
            let sealed = tokens.seal(READ, &payments(), HERE, &token, &question).unwrap();
            let expected = Continued { token: &token, question: (!question.is_empty()).then_some(question) };
            prop_assert_eq!(tokens.open(READ, &payments(), HERE, &sealed), Some(expected));
            for (operation, caller) in &callers()[1..] {
                prop_assert_eq!(tokens.open(*operation, caller, HERE, &sealed), None);
            }
        }

        #[test]
        fn no_text_is_a_token_by_chance(text in "(fg1\\.)?[0-9a-f]{0,70}\\.?\\PC{0,20}\\.?\\PC{0,20}") {
            prop_assert_eq!(PageTokens::new(&[7; 32]).open(READ, &payments(), HERE, &text), None);
        }
    }
}
