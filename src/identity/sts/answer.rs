//! What STS answers: whom a request was signed by, or why it does not say.
//!
//! STS writes JSON where it is asked for it, and XML otherwise; what speaks its API in other places often knows XML only. Both are read
//! strictly: an answer that is not understood is no answer.

use crate::{finding::AccountId, identity::arn::Principal};
use quick_xml::{Reader, escape::resolve_predefined_entity, events::Event};
use serde::Deserialize;
use std::{ops::RangeInclusive, sync::Arc};

/// The lengths of an ARN and of a user id, in bytes (API model of STS).
const ARN: RangeInclusive<usize> = 20..=2048;
const USER_ID: RangeInclusive<usize> = 1..=256;
/// How deep an answer in XML is nested at the most; STS's are three deep.
const DEEPEST: usize = 8;

/// Who signed a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signer {
    pub(super) account: AccountId,
    /// Whom policies name: a user's ARN, and for a session of a role the role's.
    pub(super) principal: Arc<str>,
    /// STS's own id of it, such as `AROAEXAMPLE:session`.
    pub(super) user_id: Arc<str>,
    /// The name of the role's session.
    pub(super) session: Option<Arc<str>>,
}

/// Why an answer says nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("neither JSON nor XML")]
    Format,
    #[error("not what GetCallerIdentity answers with")]
    Shape,
    #[error("about a principal of a kind that is not known here, or of another account than it says")]
    Principal,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Success {
    get_caller_identity_response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Response {
    get_caller_identity_result: Said,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Said {
    account: String,
    arn: String,
    user_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failure {
    error: Coded,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Coded {
    code: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Xml,
}

impl Format {
    fn of(content_type: &str) -> Option<Self> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        match kind.to_ascii_lowercase().as_str() {
            "application/json" => Some(Self::Json),
            "text/xml" | "application/xml" => Some(Self::Xml),
            _ => None,
        }
    }
}

/// Who signed, by a successful answer.
pub(super) fn signer(content_type: &str, body: &[u8]) -> Result<Signer, Unreadable> {
    let Said { account, arn, user_id } = match Format::of(content_type).ok_or(Unreadable::Format)? {
        Format::Json => {
            let success: Success = serde_json::from_slice(body).map_err(|_| Unreadable::Shape)?;
            success.get_caller_identity_response.get_caller_identity_result
        }
        Format::Xml => {
            let leaves = leaves(body).ok_or(Unreadable::Shape)?;
            let within = |name: &str| only(&leaves, &["GetCallerIdentityResponse", "GetCallerIdentityResult", name]);
            match (within("Account"), within("Arn"), within("UserId")) {
                (Some(account), Some(arn), Some(user_id)) => Said { account, arn, user_id },
                _ => return Err(Unreadable::Shape),
            }
        }
    };
    let fits =
        |text: &str, length: RangeInclusive<usize>| length.contains(&text.len()) && !text.contains(char::is_control);
    if !fits(&arn, ARN) || !fits(&user_id, USER_ID) {
        return Err(Unreadable::Shape);
    }
    let account = AccountId::parse(&account).ok_or(Unreadable::Shape)?;
    // A role itself signs nothing: its sessions do.
    let signs = |principal: &Principal| {
        principal.account == account && (principal.session.is_some() || !principal.name.contains(":role/"))
    };
    let Principal { name, session, .. } = Principal::parse(&arn).filter(signs).ok_or(Unreadable::Principal)?;
    Ok(Signer { account, principal: name, user_id: user_id.into(), session })
}

/// The code of an error, if the answer is one of STS.
pub(super) fn error_code(content_type: &str, body: &[u8]) -> Option<String> {
    let code = match Format::of(content_type)? {
        Format::Json => serde_json::from_slice::<Failure>(body).ok()?.error.code,
        Format::Xml => only(&leaves(body)?, &["ErrorResponse", "Error", "Code"])?,
    };
    // It goes into a message.
    let fits = (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    fits.then_some(code)
}

/// The text of the one element at a path.
fn only(leaves: &[(Vec<String>, String)], path: &[&str]) -> Option<String> {
    let mut found = leaves.iter().filter(|(known, _)| known == path);
    let (_, text) = found.next()?;
    found.next().is_none().then(|| text.clone())
}

/// The elements of a document that hold no others, each with its path and its text. Nothing for a document that is not well formed, and for one
/// with what STS has no use for, such as a document type, which could define entities.
fn leaves(body: &[u8]) -> Option<Vec<(Vec<String>, String)>> {
    let mut reader = Reader::from_str(std::str::from_utf8(body).ok()?);
    let (mut leaves, mut path, mut text) = (Vec::new(), Vec::<String>::new(), String::new());
    // Whether the element that is open has had no other in it.
    let mut is_leaf = false;
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                if path.len() == DEEPEST || path.is_empty() && !leaves.is_empty() {
                    return None;
                }
                path.push(std::str::from_utf8(start.name().as_ref()).ok()?.to_owned());
                text.clear();
                is_leaf = true;
            }
            Event::End(_) => {
                if is_leaf {
                    leaves.push((path.clone(), std::mem::take(&mut text)));
                }
                path.pop()?;
                is_leaf = false;
            }
            Event::Text(part) => text.push_str(&part.decode().ok()?),
            Event::GeneralRef(entity) => match entity.resolve_char_ref().ok()? {
                Some(character) => text.push(character),
                None => text.push_str(resolve_predefined_entity(&entity.decode().ok()?)?),
            },
            Event::Empty(_) => is_leaf = false,
            Event::Decl(_) => {}
            Event::Eof => return path.is_empty().then_some(leaves),
            Event::CData(_) | Event::Comment(_) | Event::PI(_) | Event::DocType(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json(account: &str, arn: &str) -> String {
        serde_json::json!({"GetCallerIdentityResponse": {
            "GetCallerIdentityResult": {"Account": account, "Arn": arn, "UserId": "AROAEXAMPLE:alice"},
            "ResponseMetadata": {"RequestId": "01234567-89ab-cdef-0123-456789abcdef"},
        }})
        .to_string()
    }

    fn xml(account: &str, arn: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\n<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  \
             <GetCallerIdentityResult>\n  <Arn>{arn}</Arn>\n    <UserId>AROAEXAMPLE:alice</UserId>\n    <Account>{account}</Account>\n  \
             </GetCallerIdentityResult>\n  <ResponseMetadata><RequestId>01234567</RequestId></ResponseMetadata>\n\
             </GetCallerIdentityResponse>\n"
        )
    }

    const ROLE: &str = "arn:aws:sts::222222222222:assumed-role/triage/alice";

    #[test]
    fn whom_policies_name_is_the_role_or_the_user() {
        for (arn, principal, session) in [
            (ROLE, "arn:aws:iam::222222222222:role/triage", Some("alice")),
            (
                "arn:aws-cn:sts::222222222222:assumed-role/AWSReservedSSO_Ops_0123/alice@example.com",
                "arn:aws-cn:iam::222222222222:role/AWSReservedSSO_Ops_0123",
                Some("alice@example.com"),
            ),
            ("arn:aws:iam::222222222222:user/bots/triage", "arn:aws:iam::222222222222:user/bots/triage", None),
            ("arn:aws:iam::222222222222:root", "arn:aws:iam::222222222222:root", None),
            ("arn:aws:sts::222222222222:federated-user/bob", "arn:aws:sts::222222222222:federated-user/bob", None),
        ] {
            for (kind, body) in [
                ("application/json", json("222222222222", arn)),
                ("text/xml", xml("222222222222", arn)),
                ("Application/XML; charset=utf-8", xml("222222222222", arn)),
            ] {
                let signer = signer(kind, body.as_bytes()).unwrap();
                assert_eq!(signer.account.as_str(), "222222222222");
                assert_eq!((&*signer.principal, signer.session.as_deref()), (principal, session));
                assert_eq!(&*signer.user_id, "AROAEXAMPLE:alice");
            }
        }
    }

    #[test]
    fn what_is_not_understood_is_nobody() {
        for arn in [
            "arn:aws:sts::333333333333:assumed-role/triage/alice",
            "arn:aws:sts::222222222222:assumed-role/triage",
            "arn:aws:sts::222222222222:assumed-role//alice",
            "arn:aws:sts::222222222222:assumed-role/triage/",
            "arn:aws:sts::222222222222:assumed-role/a/b/alice",
            "arn:aws:sts:eu-west-1:222222222222:assumed-role/triage/alice",
            "arn:AWS:sts::222222222222:assumed-role/triage/alice",
            "arn:aws:iam::222222222222:role/triage",
            "arn:aws:iam::222222222222:user/",
            "arn:aws:ec2::222222222222:instance/i-0123",
        ] {
            for (kind, body) in
                [("application/json", json("222222222222", arn)), ("text/xml", xml("222222222222", arn))]
            {
                assert_eq!(signer(kind, body.as_bytes()), Err(Unreadable::Principal), "{arn}");
            }
        }
        let (json, xml) = (json("222222222222", ROLE), xml("222222222222", ROLE));
        for (kind, body, wrong) in [
            ("", json.clone(), Unreadable::Format),
            ("text/html", json.clone(), Unreadable::Format),
            ("text/xml", json.clone(), Unreadable::Shape),
            ("application/json", xml.clone(), Unreadable::Shape),
            ("application/json", json.replace("\"222222222222\"", "222222222222"), Unreadable::Shape),
            ("application/json", json.replace("\"Arn\"", "\"Account\":\"333333333333\",\"Arn\""), Unreadable::Shape),
            ("application/json", json.replace("UserId", "Userid"), Unreadable::Shape),
            ("application/json", json.replace("AROAEXAMPLE:alice", "A\\u0000"), Unreadable::Shape),
            ("application/json", format!("{json}x"), Unreadable::Shape),
            ("text/xml", xml.replace("</Account>", "</Account><Account>333333333333</Account>"), Unreadable::Shape),
            ("text/xml", xml.replace("<Account>222222222222", "<Account>2222<x/>22222222"), Unreadable::Shape),
            ("text/xml", xml.replace("<UserId>", "<UserId><!-- x -->"), Unreadable::Shape),
            (
                "text/xml",
                xml.replace("<GetCallerIdentityR", "<!DOCTYPE x [<!ENTITY y \"z\">]><GetCallerIdentityR"),
                Unreadable::Shape,
            ),
            ("text/xml", xml.replace("alice</UserId>", "&alice;</UserId>"), Unreadable::Shape),
            ("text/xml", xml.replace("</GetCallerIdentityResponse>", ""), Unreadable::Shape),
            ("text/xml", xml.replace("</UserId>", "</Userid>"), Unreadable::Shape),
            ("text/xml", format!("{xml}{xml}"), Unreadable::Shape),
            ("text/xml", xml.replace("GetCallerIdentityResult", "GetSessionTokenResult"), Unreadable::Shape),
            ("text/xml", format!("{}{}", "<a>".repeat(9), "</a>".repeat(9)), Unreadable::Shape),
            ("text/xml", String::new(), Unreadable::Shape),
        ] {
            assert_eq!(signer(kind, body.as_bytes()), Err(wrong), "{kind}: {body}");
        }
    }

    #[test]
    fn entities_are_what_they_stand_for() {
        let arn = "arn:aws:iam::222222222222:user/a&amp;b&#x2F;&#99;";
        let signer = signer("text/xml", xml("222222222222", arn).as_bytes()).unwrap();
        assert_eq!(&*signer.principal, "arn:aws:iam::222222222222:user/a&b/c");
    }

    #[test]
    fn errors_have_a_code_or_are_none_of_sts() {
        let json =
            r#"{"Error":{"Code":"SignatureDoesNotMatch","Message":"s3cret","Type":"Sender"},"RequestId":"1e37"}"#;
        let xml = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
                   <Code>InvalidClientTokenId</Code><Message>x</Message></Error><RequestId>1e37</RequestId></ErrorResponse>";
        for (kind, body, code) in [
            ("application/json", json, Some("SignatureDoesNotMatch")),
            ("text/xml", xml, Some("InvalidClientTokenId")),
            ("text/html", "<html>Forbidden</html>", None),
            ("text/xml", "<html>Forbidden</html>", None),
            ("application/json", r#"{"Error":{"Code":"<script>"}}"#, None),
            ("application/json", r#"{"Error":{"Code":""}}"#, None),
        ] {
            assert_eq!(error_code(kind, body.as_bytes()).as_deref(), code, "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_breaks_the_reader(body: Vec<u8>, text in "[<>/a&;#x0-9!\\[\\]? -]{0,64}") {
            for kind in ["application/json", "text/xml"] {
                let _ = (signer(kind, &body), error_code(kind, text.as_bytes()));
            }
        }
    }
}
