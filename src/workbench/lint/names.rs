//! Accounts, groups and principals that the accounts file does not know.

use super::{Subject, codes, words};
use crate::finding::{AccountId, Accounts, Role};
use crate::policy::{Named, Problem, nearest};
use std::collections::BTreeSet;

pub(super) fn lint(subject: &Subject<'_>, accounts: &Accounts, proofs_give_groups: bool, found: &mut Vec<Problem>) {
    // A policy without a syntax tree is none that was loaded.
    let of_callers = Named::of([subject.rule]).unwrap_or_default().caller_groups;
    let literals: BTreeSet<_> = subject.rule.policy.entity_literals().into_iter().collect();
    for literal in literals {
        let (kind, id) = (literal.type_name().to_string(), literal.id().unescaped());
        let shown = format!("`{}`", words::joined(&words::entity_words(&kind, id)));
        let told = match kind.as_str() {
            "Account" => account(id, &shown, accounts),
            "Fleet" => fleet(id, &shown, accounts),
            "Group" if proofs_give_groups && of_callers.contains(id) => None,
            "Group" => group(id, &shown, accounts),
            "Member" | "Administrator" => principal(&kind, id, &shown, accounts),
            _ => None,
        };
        if let Some((code, message, help)) = told {
            found.push(subject.problem(code, subject.place_of(&words::entity_words(&kind, id)), message, help));
        }
    }
}

type Told = Option<(&'static crate::policy::Code, String, String)>;

fn account(id: &str, shown: &str, accounts: &Accounts) -> Told {
    let unknown = AccountId::parse(id).is_some_and(|id| accounts.role(id).is_none());
    unknown.then(|| {
        let known: Vec<String> = accounts.all().map(|id| id.to_string()).collect();
        let help = match nearest(id, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `Account::\"{near}\"`?"),
            None => "add the account to the accounts file, or remove it here: nobody calls from it".to_owned(),
        };
        (&codes::UNKNOWN_ACCOUNT, format!("{shown} is not in the accounts file"), help)
    })
}

fn fleet(id: &str, shown: &str, accounts: &Accounts) -> Told {
    let administrators: Vec<String> = accounts.administrators().map(|id| id.to_string()).collect();
    (!administrators.iter().any(|administrator| administrator == id)).then(|| {
        let (message, help) = match &administrators[..] {
            [administrator] => (
                format!("{shown} has nobody in it: the fleet of the accounts file is its administrator's"),
                format!("write `Fleet::\"{administrator}\"`"),
            ),
            several => (
                format!("{shown} has nobody in it: the fleets of the accounts file are their administrators'"),
                match nearest(id, several.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `Fleet::\"{near}\"`?"),
                    None => format!("the accounts file has {}", super::listed(several.iter().map(String::as_str))),
                },
            ),
        };
        (&codes::UNKNOWN_ACCOUNT, message, help)
    })
}

fn group(id: &str, shown: &str, accounts: &Accounts) -> Told {
    let groups: BTreeSet<&str> =
        accounts.members().flat_map(|(_, member)| &member.groups).map(String::as_str).collect();
    (!groups.contains(id)).then(|| {
        let help = match nearest(id, groups.iter().copied()) {
            Some(near) => format!("did you mean `Group::\"{near}\"`?"),
            None if groups.is_empty() => "the accounts file has no groups: give its members `groups`".to_owned(),
            None => format!("the accounts file has {}", super::listed(groups)),
        };
        (&codes::EMPTY_GROUP, format!("nobody is in {shown}"), help)
    })
}

fn principal(kind: &str, id: &str, shown: &str, accounts: &Accounts) -> Told {
    let account = id.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(3)).and_then(AccountId::parse)?;
    let (message, help) = match (accounts.role(account), kind) {
        (None, _) => (
            format!("{shown} never calls: its account {account} is not in the accounts file"),
            "add the account to the accounts file, or remove the principal here".to_owned(),
        ),
        (Some(Role::Member), "Administrator") => {
            (format!("{shown} never calls: {account} is a member's account"), format!("write `Member::\"{id}\"`"))
        }
        (Some(Role::Administrator), "Member") => (
            format!(
                "{shown} never calls: {account} is {} administrator's account",
                if accounts.has_several_fleets() { "an" } else { "the" }
            ),
            format!("write `Administrator::\"{id}\"`"),
        ),
        _ => return None,
    };
    Some((&codes::FOREIGN_PRINCIPAL, message, help))
}
