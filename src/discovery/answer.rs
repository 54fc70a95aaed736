//! What answers of ListMembers and GetAdministratorAccount say. Members that the gate does not need are passed over: AWS adds some.

use crate::finding::AccountId;
use serde::Deserialize;

/// A page of ListMembers.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Those that are members now.
    pub(super) members: Vec<AccountId>,
    /// What asks for the next page.
    pub(super) next: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawPage {
    members: Vec<RawMember>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawMember {
    account_id: AccountId,
    member_status: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawAdministrator {
    administrator: Option<RawMember>,
}

/// Whether an account with this status is a member now. The API reference (`Member`, `MemberStatus`) has Created, Invited, Enabled, Removed,
/// Resigned, Deleted and AccountSuspended, the service writes them in capitals, too, and of older invitations says Associated. One that is
/// missing or new counts for no member: who is none cannot call, which is told, and who is one for no reason can.
fn is_member(status: Option<&str>) -> bool {
    status.is_some_and(|status| ["ENABLED", "ASSOCIATED"].iter().any(|good| status.eq_ignore_ascii_case(good)))
}

impl Page {
    /// Reads a page, or says why it is none.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let RawPage { members, next_token } = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let members = members.into_iter().filter(|member| is_member(member.member_status.as_deref()));
        let members = members.map(|member| member.account_id).collect();
        Ok(Self { members, next: next_token.filter(|token| !token.is_empty()) })
    }
}

/// Whose member an account is; nothing for one that is nobody's.
pub(super) fn administrator(body: &[u8]) -> Result<Option<AccountId>, String> {
    let RawAdministrator { administrator } = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let administrator = administrator.filter(|of| is_member(of.member_status.as_deref()) || of.member_status.is_none());
    Ok(administrator.map(|of| of.account_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_a_member_now_counts() {
        let statuses = [
            "Enabled",
            "ENABLED",
            "Associated",
            "Created",
            "Invited",
            "Resigned",
            "Removed",
            "Deleted",
            "AccountSuspended",
            "",
        ];
        let members: Vec<String> = (0..)
            .zip(statuses)
            .map(|(number, status)| {
                format!(r#"{{"AccountId":"20000000000{number}","MemberStatus":"{status}","Email":"x"}}"#)
            })
            .chain([r#"{"AccountId":"300000000000"}"#.to_owned()])
            .collect();
        let page = Page::read(format!(r#"{{"Members":[{}],"NextToken":"t"}}"#, members.join(",")).as_bytes()).unwrap();
        let expected = ["200000000000", "200000000001", "200000000002"].map(|id| id.parse().unwrap());
        assert_eq!(page, Page { members: expected.to_vec(), next: Some("t".to_owned()) });
    }

    #[test]
    fn what_is_no_answer_is_told() {
        for body in ["", "[]", "{}", r#"{"Members":null}"#, r#"{"Members":[{"AccountId":"1"}]}"#, r#"{"Members":[]} x"#]
        {
            assert!(Page::read(body.as_bytes()).is_err(), "{body}");
        }
        let none = Page { members: Vec::new(), next: None };
        assert_eq!(Page::read(br#"{"Members":[],"NextToken":""}"#), Ok(none));
        for (body, expected) in [
            ("{}", None),
            (r#"{"Administrator":null}"#, None),
            (r#"{"Administrator":{"AccountId":"111111111111","MemberStatus":"Enabled"}}"#, Some("111111111111")),
            (r#"{"Administrator":{"AccountId":"111111111111"}}"#, Some("111111111111")),
            (r#"{"Administrator":{"AccountId":"111111111111","MemberStatus":"Resigned"}}"#, None),
        ] {
            assert_eq!(administrator(body.as_bytes()), Ok(expected.and_then(AccountId::parse)), "{body}");
        }
        assert!(administrator(b"x").is_err());
    }
}
