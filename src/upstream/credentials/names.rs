//! What a role's session is called, so that CloudTrail tells who asked.

use crate::{
    finding::{AccountId, CallerPart, CallerTemplate},
    upstream::OnBehalf,
};
use aws_lc_rs::digest;
use std::{borrow::Cow, fmt::Write as _};

/// STS takes 2 to 64 characters for a session name and for a source identity (AssumeRole, API reference).
const LONGEST_NAME: usize = 64;
/// And up to 256 for a tag's value.
const LONGEST_TAG: usize = 256;

/// What STS lets a session's name have: `[\w+=,.@-]`, of ASCII.
pub(super) fn fits_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '=' | ',' | '.' | '@' | '-')
}

/// What it lets a tag's value have: `[\p{L}\p{Z}\p{N}_.:/=+\-@]`, of which the spaces but the plain one are left out.
pub(super) fn fits_tag(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, ' ' | '_' | '.' | ':' | '/' | '=' | '+' | '-' | '@')
}

/// The role's ARN for an account.
pub(super) fn arn(template: &CallerTemplate, account: AccountId) -> String {
    template.fill(|part| match part {
        CallerPart::Account => Cow::Owned(account.to_string()),
        // The configuration lets it name nothing else.
        CallerPart::Principal | CallerPart::Role | CallerPart::Proof => Cow::Borrowed(""),
    })
}

/// A session name or a source identity.
pub(super) fn name(template: &CallerTemplate, account: AccountId, by: &OnBehalf) -> String {
    let mut name = reduced(&filled(template, account, by), fits_name, LONGEST_NAME);
    while name.len() < 2 {
        name.push('_');
    }
    name
}

/// A tag's value.
pub(super) fn tag(template: &CallerTemplate, account: AccountId, by: &OnBehalf) -> String {
    reduced(&filled(template, account, by), fits_tag, LONGEST_TAG)
}

fn filled(template: &CallerTemplate, account: AccountId, by: &OnBehalf) -> String {
    template.fill(|part| match part {
        CallerPart::Account => Cow::Owned(account.to_string()),
        CallerPart::Principal => Cow::Borrowed(&by.principal),
        CallerPart::Role => Cow::Borrowed(by.role.as_str()),
        CallerPart::Proof => {
            by.proof.as_ref().map_or(Cow::Borrowed("findings-gate"), |proof| Cow::Owned(proof.to_string()))
        }
    })
}

/// Bytes of a SHA-256 that tell names apart, two digits each.
const TELLING: usize = 8;

/// The text with `-` for each character that does not fit, and cut to its length. Then two callers might have one name, so what
/// was changed has sixteen hexadecimal digits at its end, of the SHA-256 of all of it. So has what ends in such digits by itself:
/// else a caller could be called what another's name is changed to.
fn reduced(text: &str, fits: fn(char) -> bool, longest: usize) -> String {
    if text.chars().all(fits) && text.chars().count() <= longest && !ends_in_digits(text) {
        return text.to_owned();
    }
    let kept = longest - 1 - 2 * TELLING;
    let mut out: String = text.chars().map(|c| if fits(c) { c } else { '-' }).take(kept).collect();
    out.push('-');
    for byte in &digest::digest(&digest::SHA256, text.as_bytes()).as_ref()[..TELLING] {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// Whether a text ends in a `-` and at least eight hexadecimal digits, as what was changed does, and did with eight of them.
fn ends_in_digits(text: &str) -> bool {
    let end = text.rsplit_once('-').map_or("", |(_, end)| end);
    end.len() >= 8 && end.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Proof, Role};

    fn by(principal: &str) -> OnBehalf {
        let proof = Some(Proof::SigV4 { access_key_id: "AKIAPAYMENTS".into() });
        OnBehalf { principal: principal.into(), role: Role::Member, proof }
    }

    #[test]
    fn names_have_what_sts_lets_them_have_and_tell_callers_apart() {
        let account = "222222222222".parse().unwrap();
        let template: CallerTemplate = "{principal}".parse().unwrap();
        let long = format!("arn:aws:iam::222222222222:role/{}", "x".repeat(100));
        for (principal, expected) in [
            ("triage@example.com", "triage@example.com"),
            ("x", "x_"),
            ("arn:aws:iam::222222222222:role/triage", "arn-aws-iam--222222222222-role-triage-844a40e7b7ad78c8"),
            ("", "__"),
        ] {
            assert_eq!(name(&template, account, &by(principal)), expected);
        }
        let changed = name(&template, account, &by("role/a/b"));
        let old = &changed[..changed.len() - 8];
        let names: Vec<String> =
            ["role/a/b", &changed, old, "role/a-b", "role/a:b", "rôle", &long, &format!("{long}y")]
                .iter()
                .map(|principal| name(&template, account, &by(principal)))
                .collect();
        for (at, name) in names.iter().enumerate() {
            assert!((2..=64).contains(&name.len()) && name.chars().all(fits_name), "{name}");
            assert!(!names[..at].contains(name), "{name}");
        }
    }

    #[test]
    fn the_page_shows_a_name_as_it_comes() {
        let principal = "arn:aws:iam::222222222222:role/triage";
        let name = name(&"{principal}".parse().unwrap(), "222222222222".parse().unwrap(), &by(principal));
        let page = include_str!("../../../docs/upstream.md");
        assert!(page.contains(&format!("`{principal}` becomes `{name}`")), "{name}");
    }

    #[test]
    fn tags_and_arns_are_filled() {
        let account: AccountId = "222222222222".parse().unwrap();
        let caller = by("arn:aws:iam::222222222222:role/triage");
        for (template, expected) in [
            ("{principal}", "arn:aws:iam::222222222222:role/triage"),
            ("{account} {role} {proof}", "222222222222 member sigv4:AKIAPAYMENTS"),
        ] {
            assert_eq!(tag(&template.parse().unwrap(), account, &caller), expected);
        }
        let gate = OnBehalf::gate();
        assert_eq!(
            tag(&"{principal} {role} {proof}".parse().unwrap(), account, &gate),
            "findings-gate administrator findings-gate"
        );
        let long = tag(&"{principal}".parse().unwrap(), account, &by(&"é*".repeat(300)));
        assert_eq!(long.chars().count(), LONGEST_TAG);
        assert!(long.starts_with("é-é-") && long.chars().all(fits_tag), "{long}");
        assert_eq!(
            arn(&"arn:aws:iam::{account}:role/gate".parse().unwrap(), account),
            "arn:aws:iam::222222222222:role/gate"
        );
    }
}
