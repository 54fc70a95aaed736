//! Reading a solver's counterexample: what it says of a question and of the entities around it.

use cedar_policy::EntityUid;
use cedar_policy_symcc::Env;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A counterexample, in the form that Cedar writes as JSON.
pub(super) struct Model<'e> {
    env: &'e Env,
    pub(super) principal: Entity,
    pub(super) resource: Entity,
    pub(super) context: Map<String, Value>,
    entities: BTreeMap<(String, String), Value>,
}

/// One entity of it.
pub(super) struct Entity {
    pub(super) uid: EntityUid,
    pub(super) attributes: Map<String, Value>,
}

impl<'e> Model<'e> {
    /// Reads a counterexample; nothing where it is not whole.
    pub(super) fn of(env: &'e Env) -> Option<Self> {
        let mut entities = BTreeMap::new();
        for entity in env.entities.iter() {
            let uid = entity.uid();
            let key = (uid.type_name().basename().to_owned(), uid.id().unescaped().to_owned());
            entities.insert(key, entity.to_json_value().ok()?);
        }
        let context = env.request.context()?.to_json_value().ok()?;
        let entity = |uid: &EntityUid| Entity {
            uid: uid.clone(),
            attributes: part(&entities, uid.type_name().basename(), uid.id().unescaped(), "attrs"),
        };
        Some(Self {
            env,
            principal: entity(env.request.principal()?),
            resource: entity(env.request.resource()?),
            context: context.as_object()?.clone(),
            entities,
        })
    }

    /// The action's name.
    pub(super) fn action(&self) -> Option<&'e str> {
        Some(self.env.request.action()?.id().unescaped())
    }

    /// The tags of an entity that an attribute names.
    pub(super) fn tags(&self, reference: &Value) -> Map<String, Value> {
        match (entity_id(reference), reference["__entity"]["type"].as_str()) {
            (Some(id), Some(kind)) => part(&self.entities, kind, id, "tags"),
            _ => Map::new(),
        }
    }

    /// What an entity lies in, of one type, by its ids.
    pub(super) fn ancestors(&self, uid: &EntityUid, kind: &str) -> BTreeSet<String> {
        let all = self.env.entities.ancestors(uid).into_iter().flatten();
        all.filter(|uid| uid.type_name().basename() == kind).map(|uid| uid.id().unescaped().to_owned()).collect()
    }

    /// What an account lies in.
    pub(super) fn ancestors_of_account(&self, id: &str, kind: &str) -> BTreeSet<String> {
        let uid = self.env.entities.iter().map(cedar_policy::Entity::uid);
        let account = uid.into_iter().find(|uid| uid.type_name().basename() == "Account" && uid.id().unescaped() == id);
        account.map(|uid| self.ancestors(&uid, kind)).unwrap_or_default()
    }
}

fn part(entities: &BTreeMap<(String, String), Value>, kind: &str, id: &str, part: &str) -> Map<String, Value> {
    let entity = entities.get(&(kind.to_owned(), id.to_owned()));
    entity.and_then(|entity| entity[part].as_object().cloned()).unwrap_or_default()
}

/// The id of an entity that a value is.
pub(super) fn entity_id(value: &Value) -> Option<&str> {
    value["__entity"]["id"].as_str()
}

/// A word of a closed vocabulary, or a text.
pub(super) fn word(value: &Value) -> Option<&str> {
    entity_id(value).or_else(|| value.as_str())
}

/// A decimal, as it is written.
pub(super) fn decimal(value: &Value) -> Option<f64> {
    let extension = &value["__extn"];
    extension["arg"].as_str().or_else(|| extension["args"][0].as_str())?.parse().ok()
}

/// An instant that a request or a finding can have.
pub(super) fn instant(value: &Value) -> Option<Timestamp> {
    // By nanoseconds: in the last second that there is, jiff's milliseconds end early.
    Timestamp::from_nanosecond(i128::from(milliseconds(value)?) * 1_000_000).ok()
}

/// A datetime or a duration in milliseconds: what Cedar writes is a call, perhaps of a call.
fn milliseconds(value: &Value) -> Option<i64> {
    let extension = &value["__extn"];
    let first = if extension["arg"].is_null() { &extension["args"][0] } else { &extension["arg"] };
    match extension["fn"].as_str()? {
        "datetime" => {
            let text = first.as_str()?;
            let text = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
            crate::finding::timestamp::parse(&text).map(Timestamp::as_millisecond)
        }
        "duration" => first.as_str()?.strip_suffix("ms")?.parse().ok(),
        "offset" => milliseconds(first)?.checked_add(milliseconds(&extension["args"][1])?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn instants_are_calls_of_calls() {
        let at = |arg: &str| json!({ "__extn": { "fn": "datetime", "arg": arg } });
        let duration = json!({ "__extn": { "fn": "duration", "arg": "1500ms" } });
        let offset = json!({ "__extn": { "fn": "offset", "args": [at("1970-01-01"), duration] } });
        assert_eq!(instant(&offset).unwrap().to_string(), "1970-01-01T00:00:01.5Z");
        assert_eq!(instant(&at("2027-01-31T12:00:00Z")).unwrap().to_string(), "2027-01-31T12:00:00Z");
        for none in [json!(1), json!({ "__extn": { "fn": "ip", "arg": "::1" } }), at("soon")] {
            assert_eq!(instant(&none), None, "{none}");
        }
        assert_eq!(decimal(&json!({ "__extn": { "fn": "decimal", "arg": "-1.5" } })), Some(-1.5));
    }
}
