//! Reading what is expected, strictly: what is misspelt or could not fail is no expectation.

use super::expect::{ChangeExpectation, ChangeName, Expectation, Ids};
use crate::{
    finding::{Action, Enforcement},
    policy::{Reason, nearest},
};
use serde::{Deserialize, Deserializer, de};
use serde_saphyr::Spanned;
use std::{collections::BTreeSet, fmt};

/// The reasons that an expectation may name; that a policy forbids is told by the policy.
const REASONS: [Reason; 4] = [Reason::NoGrant, Reason::OwnerUnknown, Reason::PolicyError, Reason::StateUnavailable];

impl<'de> Deserialize<'de> for Expectation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ExpectationReader)
    }
}

struct ExpectationReader;

impl<'de> de::Visitor<'de> for ExpectationReader {
    type Value = Expectation;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with outcome, by, kept, lookup or changes such as Workflow.Status")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Expectation, A::Error> {
        let mut expectation = Expectation::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "outcome" => expectation.outcome = Some(map.next_value()?),
                "by" => expectation.by = Some(map.next_value::<OneOrMore>()?.0),
                "kept" => expectation.kept = Some(map.next_value()?),
                "lookup" => expectation.lookup = Some(map.next_value()?),
                _ => {
                    let Some(name) = ChangeName::parse(&key) else { return Err(unknown(&key)) };
                    let value: Spanned<ChangeExpectation> = map.next_value()?;
                    let line = usize::try_from(value.referenced.line()).unwrap_or(0);
                    expectation.changes.push((name, ChangeExpectation { line, ..value.value }));
                }
            }
        }
        if expectation.is_empty() {
            return Err(de::Error::custom("nothing is expected: such a case could not fail"));
        }
        Ok(expectation)
    }
}

fn unknown<E: de::Error>(key: &str) -> E {
    let actions = Action::ALL.iter().map(|action| action.as_str());
    let action = key.split('[').next().unwrap_or(key);
    let near = nearest(action, actions.clone().chain(["outcome", "by", "kept", "lookup"]));
    let near = near.map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
    let actions = actions.collect::<Vec<_>>().join(", ");
    E::custom(format_args!("unknown `{key}`{near} expected outcome, by, kept, lookup, or a change: {actions}"))
}

/// One id, or a list of them.
struct OneOrMore(BTreeSet<String>);

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Ids::deserialize(deserializer)? {
            Ids::Exactly(ids) => Ok(Self(ids)),
            Ids::Any | Ids::Contains(_) => Err(de::Error::custom(
                "`by` is exact: expected a policy id, or a list of them; `contains` belongs to a change, such as \
                 `Workflow.Status: { deny: { contains: [...] } }`",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Ids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Containing {
            contains: BTreeSet<String>,
        }
        impl<'de> de::Visitor<'de> for Reader {
            type Value = Ids;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a policy id, a list of them, or an object with contains")
            }

            fn visit_str<E: de::Error>(self, id: &str) -> Result<Ids, E> {
                Ok(Ids::Exactly(BTreeSet::from([id.to_owned()])))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Ids, A::Error> {
                BTreeSet::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(Ids::Exactly)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Ids, A::Error> {
                let Containing { contains } = Containing::deserialize(de::value::MapAccessDeserializer::new(map))?;
                if contains.is_empty() {
                    return Err(de::Error::custom("`contains` names no policy, so it would hold of any"));
                }
                Ok(Ids::Contains(contains))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for ChangeExpectation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ChangeReader)
    }
}

struct ChangeReader;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeMembers {
    #[serde(default)]
    allow: Option<Ids>,
    #[serde(default)]
    deny: Option<Ids>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    advice: Option<Advice>,
    #[serde(default)]
    enforcement: Option<Enforcement>,
    #[serde(default)]
    shadow: Option<Box<ChangeExpectation>>,
}

/// One advice, or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Advice {
    One(String),
    Several(Vec<String>),
}

impl<'de> de::Visitor<'de> for ChangeReader {
    type Value = ChangeExpectation;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("allow, deny, no-grant, or an object with allow, deny, reason, advice, enforcement or shadow")
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<ChangeExpectation, E> {
        let nothing = ChangeExpectation::default();
        Ok(match word {
            "allow" => ChangeExpectation { allow: Some(Ids::Any), ..nothing },
            "deny" => ChangeExpectation { deny: Some(Ids::Any), ..nothing },
            _ => ChangeExpectation { reason: Some(reason(word)?), ..nothing },
        })
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<ChangeExpectation, A::Error> {
        let members = ChangeMembers::deserialize(de::value::MapAccessDeserializer::new(map))?;
        let ChangeMembers { allow, deny, reason: why, advice, enforcement, shadow } = members;
        let advice = advice.map(|advice| match advice {
            Advice::One(advice) => vec![advice],
            Advice::Several(advice) => advice,
        });
        let reason = why.as_deref().map(reason).transpose()?;
        let expectation = ChangeExpectation { line: 0, allow, deny, reason, advice, enforcement, shadow };
        if expectation.shadow.as_ref().is_some_and(|shadow| shadow.shadow.is_some()) {
            return Err(de::Error::custom("`shadow` within `shadow`: there is one such answer"));
        }
        if expectation.is_empty() {
            return Err(de::Error::custom("nothing is expected of this change"));
        }
        if expectation.allow.is_some()
            && (expectation.deny.is_some()
                || expectation.reason.is_some()
                || expectation.advice.is_some()
                || expectation.enforcement.is_some())
        {
            return Err(de::Error::custom("a change is allowed or denied: `allow` stands alone"));
        }
        Ok(expectation)
    }
}

fn reason<E: de::Error>(word: &str) -> Result<Reason, E> {
    REASONS.into_iter().find(|reason| reason.as_str() == word).ok_or_else(|| {
        let words = REASONS.map(Reason::as_str).join(", ");
        E::custom(format_args!("got `{word}`, expected allow, deny, {words}, or an object"))
    })
}
