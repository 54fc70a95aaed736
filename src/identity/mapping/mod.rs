//! From what a proof says to an account and a principal, by ordered rules.
//!
//! A proof says *attributes*: the names in a certificate, the claims of a token. A [`MappingRule`] compares some of them with patterns whose
//! `{name}` parts capture text, and its templates put what was captured into an account, a principal and groups. The first rule whose
//! patterns all match decides; one that matches and makes no account is a refusal, and no later rule is asked.

mod pattern;

pub use pattern::{InvalidPattern, Pattern, Template};

use super::identified::Identified;
use crate::finding::{AccountId, Enforcement, Proof};
use std::{collections::BTreeMap, sync::Arc};

/// What was captured, by name.
pub(super) type Captured<'t> = BTreeMap<Arc<str>, &'t str>;

/// Rules in their order.
#[derive(Debug, Clone, Default)]
pub struct Mapping(Vec<MappingRule>);

/// One rule.
#[derive(Debug, Clone)]
pub struct MappingRule {
    /// Attributes and the patterns that they must match, all of them.
    pub when: Vec<(String, Pattern)>,
    /// What makes the account id.
    pub account: Template,
    /// What makes the principal.
    pub principal: Template,
    /// What makes groups that the caller is in besides its account's.
    pub groups: Vec<Template>,
    /// What a denial does to these callers at the least.
    pub minimum_enforcement: Enforcement,
}

/// Why no caller comes of a proof that is good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unmapped {
    /// No rule matches.
    #[error("none of the identity's rules matches it")]
    NoRule,
    /// Two values of one attribute match, and make different callers.
    #[error("it has several values of `{0}` that match one rule and make different callers")]
    Ambiguous(String),
    /// The account that a rule makes is none.
    #[error("rule {rule} (counted from 0) makes the account `{made}` of it, which is no account id of twelve digits")]
    NoAccount {
        /// Which rule.
        rule: usize,
        /// What it makes.
        made: String,
    },
    /// The principal that a rule makes is empty, too long or has control characters.
    #[error(
        "rule {rule} (counted from 0) makes no principal of it: expected 1 to 2048 bytes without control characters"
    )]
    NoPrincipal {
        /// Which rule.
        rule: usize,
    },
    /// A group that a rule makes is empty, too long or has control characters. Without it, what policies forbid that group would be
    /// permitted.
    #[error(
        "rule {rule} (counted from 0) makes a group of it that is none: expected 1 to 2048 bytes without control characters"
    )]
    NoGroup {
        /// Which rule.
        rule: usize,
    },
}

/// The longest principal and group: that of an ARN in the API model of IAM.
const LONGEST: usize = 2048;

impl Mapping {
    /// These rules.
    pub fn new(rules: Vec<MappingRule>) -> Self {
        Self(rules)
    }

    /// The attributes that the rules compare, some perhaps several times.
    pub(super) fn attributes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|rule| &rule.when).map(|(attribute, _)| attribute.as_str())
    }

    /// Who it is. `said` gives the values of an attribute; `proof` is how it was proven.
    pub(super) fn apply<'s>(&self, said: impl Fn(&str) -> Vec<&'s str>, proof: &Proof) -> Result<Identified, Unmapped> {
        for (index, rule) in self.0.iter().enumerate() {
            if let Some(captured) = rule.matches(&said)? {
                return rule.make(index, &captured, proof.clone());
            }
        }
        Err(Unmapped::NoRule)
    }
}

impl MappingRule {
    /// What the patterns capture; nothing if one does not match. A name that stands in two patterns must capture the same text.
    fn matches<'s>(&self, said: &impl Fn(&str) -> Vec<&'s str>) -> Result<Option<Captured<'s>>, Unmapped> {
        let mut all = Captured::new();
        for (attribute, pattern) in &self.when {
            let mut of_attribute: Option<Captured<'s>> = None;
            for value in said(attribute) {
                let Some(captured) = pattern.captures(value) else { continue };
                if captured.iter().any(|(name, text)| all.get(name).is_some_and(|known| known != text)) {
                    continue;
                }
                if of_attribute.as_ref().is_some_and(|other| *other != captured) {
                    return Err(Unmapped::Ambiguous(attribute.clone()));
                }
                of_attribute = Some(captured);
            }
            let Some(captured) = of_attribute else { return Ok(None) };
            all.extend(captured);
        }
        Ok(Some(all))
    }

    fn make(&self, rule: usize, captured: &Captured<'_>, proof: Proof) -> Result<Identified, Unmapped> {
        let fits = |text: &String| (1..=LONGEST).contains(&text.len()) && !text.contains(char::is_control);
        let account = self.account.fill(captured);
        let Some(account) = AccountId::parse(&account) else {
            return Err(Unmapped::NoAccount { rule, made: account.chars().take(64).collect() });
        };
        let principal = self.principal.fill(captured);
        if !fits(&principal) {
            return Err(Unmapped::NoPrincipal { rule });
        }
        let groups: Vec<String> = self.groups.iter().map(|group| group.fill(captured)).collect();
        if !groups.iter().all(fits) {
            return Err(Unmapped::NoGroup { rule });
        }
        Ok(Identified {
            account,
            principal: principal.into(),
            groups: groups.into_iter().map(Arc::from).collect(),
            region: None,
            proof,
            minimum_enforcement: self.minimum_enforcement,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(when: &[(&str, &str)], account: &str, principal: &str) -> MappingRule {
        let pattern = |(name, text): &(&str, &str)| ((*name).to_owned(), text.parse().unwrap());
        let when: Vec<(String, Pattern)> = when.iter().map(pattern).collect();
        let template = |text: &str| text.parse::<Template>().unwrap();
        MappingRule {
            when,
            account: template(account),
            principal: template(principal),
            groups: vec![template("team/{team}")],
            minimum_enforcement: Enforcement::Strip,
        }
    }

    fn apply(rules: &[MappingRule], said: &[(&str, &'static str)]) -> Result<(String, String, Vec<String>), Unmapped> {
        let values = |name: &str| said.iter().filter(|(known, _)| *known == name).map(|(_, value)| *value).collect();
        Mapping::new(rules.to_vec()).apply(values, &Proof::Fixed).map(|found| {
            let groups = found.groups.iter().map(ToString::to_string).collect();
            (found.account.to_string(), found.principal.to_string(), groups)
        })
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let rules = [
            rule(&[("uri", "spiffe://a/{account}/{team}/{name}")], "{account}", "{team}/{name}"),
            rule(&[("uri", "spiffe://a/{team}"), ("dns", "{host}.example")], "333333333333", "{host}"),
        ];
        let found = |account: &str, principal: &str, group: &str| {
            Ok((account.to_owned(), principal.to_owned(), vec![group.to_owned()]))
        };
        assert_eq!(
            apply(&rules, &[("uri", "spiffe://a/222222222222/pay/bot")]),
            found("222222222222", "pay/bot", "team/pay")
        );
        assert_eq!(
            apply(&rules, &[("uri", "spiffe://a/pay"), ("dns", "bot.example")]),
            found("333333333333", "bot", "team/pay")
        );
        for said in [&[][..], &[("uri", "spiffe://a/pay")], &[("uri", "spiffe://b/222222222222/pay/bot")]] {
            assert_eq!(apply(&rules, said), Err(Unmapped::NoRule));
        }
    }

    #[test]
    fn a_rule_that_matches_and_makes_no_account_refuses_and_no_later_one_is_asked() {
        let rules = [
            rule(&[("uri", "spiffe://a/{account}/{team}/{name}")], "{account}", "{name}"),
            rule(&[("uri", "{team*}")], "333333333333", "anybody"),
        ];
        assert_eq!(
            apply(&rules, &[("uri", "spiffe://a/22222222222x/pay/bot")]),
            Err(Unmapped::NoAccount { rule: 0, made: "22222222222x".into() })
        );
    }

    #[test]
    fn a_group_that_is_none_is_never_left_out() {
        let mut of_team = rule(&[("uri", "spiffe://a/{team*}")], "222222222222", "bot");
        of_team.groups = vec!["all".parse().unwrap(), "{team}".parse().unwrap()];
        let long: &'static str = format!("spiffe://a/{}", "x".repeat(LONGEST + 1)).leak();
        for uri in ["spiffe://a/", "spiffe://a/pay\u{7}", long] {
            let found = apply(std::slice::from_ref(&of_team), &[("uri", uri)]);
            assert_eq!(found, Err(Unmapped::NoGroup { rule: 0 }), "{uri:?}");
        }
        let longest: &'static str = &long[..long.len() - 1];
        assert_eq!(apply(&[of_team], &[("uri", longest)]).unwrap().2, ["all", &"x".repeat(LONGEST)]);
    }

    #[test]
    fn values_that_make_different_callers_are_refused() {
        let rules = [rule(&[("uri", "spiffe://a/{account}/{team}")], "{account}", "{team}")];
        let two = [("uri", "spiffe://a/222222222222/pay"), ("uri", "spiffe://a/333333333333/pay")];
        assert_eq!(apply(&rules, &two), Err(Unmapped::Ambiguous("uri".into())));
        let same = [("uri", "spiffe://a/222222222222/pay"), ("uri", "spiffe://a/222222222222/pay"), ("uri", "x")];
        assert!(apply(&rules, &same).is_ok());
    }

    #[test]
    fn a_name_captures_one_text() {
        let rules = [rule(&[("a", "{team}"), ("b", "{team}/{account}")], "{account}", "{team}")];
        assert!(apply(&rules, &[("a", "pay"), ("b", "pay/222222222222")]).is_ok());
        assert_eq!(apply(&rules, &[("a", "pay"), ("b", "ops/222222222222")]), Err(Unmapped::NoRule));
    }
}
