//! Automation rules: updates that Security Hub makes by itself to the findings that meet a rule's criteria.
//!
//! Sources: API model, *AutomationRules*; lengths of names and descriptions from the CloudFormation schema.

use super::{
    Criteria, InvalidBody, Text, Update, body,
    criteria::CriteriaReader,
    number::Whole,
    object::{List, Word, object, repeated, required},
    text::{TextRule, length_within, not_blank},
    update::{UpdateReader, words, write_list},
    vocabulary::vocabulary,
};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use std::fmt;

/// How many rules one request may name, and how many an account may have (guide).
pub const MAX_RULES: usize = 100;

vocabulary! {
    /// `RuleStatus`: whether a rule is applied.
    RuleStatus {
        /// It is.
        Enabled = "ENABLED",
        /// It is kept, and not applied.
        Disabled = "DISABLED",
    }
}

/// A CreateAutomationRule request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateRule<'a> {
    /// Tags of the rule itself, in the order of the request; empty if there are none.
    pub tags: Vec<(Text<'a>, Text<'a>)>,
    /// Whether it is to be applied; the API's default is not documented.
    pub status: Option<RuleStatus>,
    /// 1 to 1000: rules with lower numbers come first.
    pub order: u32,
    /// 1 to 256 characters.
    pub name: Text<'a>,
    /// 1 to 1024 characters.
    pub description: Text<'a>,
    /// Whether later rules are passed over for a finding that meets this one; false by default.
    pub is_terminal: Option<bool>,
    /// Which findings.
    pub criteria: Criteria,
    /// What the rule's one action updates in them: the same nine fields as BatchUpdateFindings.
    pub update: Update<'a>,
}

/// A BatchUpdateAutomationRules request: at least one rule, at most [`MAX_RULES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateRules<'a> {
    /// The changed rules, in the order of the request.
    pub rules: Vec<UpdateRule<'a>>,
}

/// What to change in one rule; at least one member besides the ARN is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateRule<'a> {
    /// Which rule.
    pub arn: Text<'a>,
    /// Replaces `RuleStatus`.
    pub status: Option<RuleStatus>,
    /// Replaces `RuleOrder`; 1 to 1000.
    pub order: Option<u32>,
    /// Replaces `RuleName`.
    pub name: Option<Text<'a>>,
    /// Replaces `Description`.
    pub description: Option<Text<'a>>,
    /// Replaces `IsTerminal`.
    pub is_terminal: Option<bool>,
    /// Replaces the criteria as a whole.
    pub criteria: Option<Criteria>,
    /// Replaces the action as a whole.
    pub update: Option<Update<'a>>,
}

/// A BatchDeleteAutomationRules or BatchGetAutomationRules request: at least one ARN, at most [`MAX_RULES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleArns<'a> {
    /// The rules, in the order of the request.
    pub arns: Vec<Text<'a>>,
}

impl<'a> CreateRule<'a> {
    /// Reads a request, strictly, as [`super::BatchUpdate::parse`] does.
    pub fn parse(body: &'a [u8]) -> Result<Self, InvalidBody> {
        body::parse(body, CreateRuleReader)
    }

    /// Appends the request, made anew from what was parsed.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let mut members = Members::open(out);
        if !self.tags.is_empty() {
            members.add("Tags", |out| {
                write_list(&self.tags, *b"{}", out, |(key, value), out| {
                    key.write_json(out);
                    out.push(b':');
                    value.write_json(out);
                });
            });
        }
        let Self { status, order, name, description, is_terminal, criteria, update, .. } = self;
        members.add_rule(*status, Some(*order), Some(name), Some(description), *is_terminal);
        members.add_effect(Some(criteria), Some(update));
        members.close();
    }
}

impl<'a> UpdateRules<'a> {
    /// Reads a request, strictly, as [`super::BatchUpdate::parse`] does.
    pub fn parse(body: &'a [u8]) -> Result<Self, InvalidBody> {
        body::parse(body, UpdateRulesReader)
    }

    /// Appends the request for some of its rules, made anew from what was parsed.
    pub fn write_json(&self, rules: impl IntoIterator<Item = usize>, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"UpdateAutomationRulesRequestItems":["#);
        for (count, index) in rules.into_iter().enumerate() {
            if count > 0 {
                out.push(b',');
            }
            self.rules[index].write_json(out);
        }
        out.extend_from_slice(b"]}");
    }
}

impl UpdateRule<'_> {
    /// Appends what is asked of the rule, made anew from what was parsed.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let Self { arn, status, order, name, description, is_terminal, criteria, update } = self;
        let mut members = Members::open(out);
        members.add("RuleArn", |out| arn.write_json(out));
        members.add_rule(*status, *order, name.as_ref(), description.as_ref(), *is_terminal);
        members.add_effect(criteria.as_ref(), update.as_ref());
        members.close();
    }
}

impl<'a> RuleArns<'a> {
    /// Reads a request, strictly, as [`super::BatchUpdate::parse`] does.
    pub fn parse(body: &'a [u8]) -> Result<Self, InvalidBody> {
        body::parse(body, RuleArnsReader)
    }

    /// Appends the request, made anew from what was parsed.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"AutomationRulesArns":"#);
        write_list(&self.arns, *b"[]", out, Text::write_json);
        out.push(b'}');
    }
}

/// Appends the actions of a rule with this update: a list of one.
pub(super) fn write_actions(update: &Update<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"[{"Type":"FINDING_FIELDS_UPDATE","FindingFieldsUpdate":"#);
    update.write_json(out);
    out.extend_from_slice(b"}]");
}

impl Update<'_> {
    /// The update as the `Actions` of an automation rule, in JSON.
    pub fn to_rule_actions(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_actions(self, &mut out);
        out
    }
}

/// Writes an object member by member.
struct Members<'a>(&'a mut Vec<u8>);

impl<'a> Members<'a> {
    fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self(out)
    }

    fn add(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.0.ends_with(b"{") {
            self.0.push(b',');
        }
        self.0.extend_from_slice(format!(r#""{name}":"#).as_bytes());
        write(self.0);
    }

    fn add_rule(
        &mut self,
        status: Option<RuleStatus>,
        order: Option<u32>,
        name: Option<&Text<'_>>,
        description: Option<&Text<'_>>,
        is_terminal: Option<bool>,
    ) {
        if let Some(status) = status {
            self.add("RuleStatus", |out| out.extend_from_slice(format!(r#""{status}""#).as_bytes()));
        }
        if let Some(order) = order {
            self.add("RuleOrder", |out| out.extend_from_slice(order.to_string().as_bytes()));
        }
        if let Some(name) = name {
            self.add("RuleName", |out| name.write_json(out));
        }
        if let Some(description) = description {
            self.add("Description", |out| description.write_json(out));
        }
        if let Some(is_terminal) = is_terminal {
            self.add("IsTerminal", |out| out.extend_from_slice(is_terminal.to_string().as_bytes()));
        }
    }

    fn add_effect(&mut self, criteria: Option<&Criteria>, update: Option<&Update<'_>>) {
        if let Some(criteria) = criteria {
            self.add("Criteria", |out| criteria.write_json(out));
        }
        if let Some(update) = update {
            self.add("Actions", |out| write_actions(update, out));
        }
    }

    fn close(self) {
        self.0.push(b'}');
    }
}

// ---- readers ----

const NAME: TextRule = TextRule {
    holds: |text| length_within(text, 1, 256) && not_blank(text),
    expected: "a name of 1 to 256 characters, not blank",
};
const DESCRIPTION: TextRule = TextRule {
    holds: |text| length_within(text, 1, 1024) && not_blank(text),
    expected: "a description of 1 to 1024 characters, not blank",
};
const RULE_ARN: TextRule = TextRule {
    holds: |text| length_within(text, 1, 2048) && not_blank(text),
    expected: "the ARN of an automation rule, of at most 2048 characters",
};
const TAG_KEY: TextRule = TextRule {
    holds: |text| {
        // The API model's `[a-zA-Z+-=._:/]`, in which `+-=` is a range.
        let allowed = |c: char| c.is_ascii_alphabetic() || ('+'..='=').contains(&c) || matches!(c, '_');
        length_within(text, 1, 128) && text.chars().all(allowed) && !text.starts_with("aws:")
    },
    expected: "a tag key of 1 to 128 letters, digits or +,-./:;<=_ that does not begin with aws:",
};
const TAG_VALUE: TextRule =
    TextRule { holds: |text| length_within(text, 0, 256), expected: "a tag value of at most 256 characters" };

/// API model, RuleOrderValue.
const ORDER: Whole = Whole { min: 1, max: 1000 };
const STATUS: Word<RuleStatus> =
    Word::new(RuleStatus::parse, || words(RuleStatus::ALL.iter().map(|word| word.as_str())));

object! {
    CreateRuleReader -> CreateRule<'de>, "an object with RuleOrder, RuleName, Description, Criteria and Actions", {
        tags: "Tags" = TagsReader,
        status: "RuleStatus" = STATUS,
        order: "RuleOrder" = ORDER,
        name: "RuleName" = NAME,
        description: "Description" = DESCRIPTION,
        is_terminal: "IsTerminal" = Flag,
        criteria: "Criteria" = CriteriaReader,
        actions: "Actions" = ActionsReader,
    } => |tags: Option<_>, status, order, name, description, is_terminal, criteria, actions| Ok(CreateRule {
        tags: tags.unwrap_or_default(), status, order: required(order, "RuleOrder")?, name: required(name, "RuleName")?,
        description: required(description, "Description")?, is_terminal, criteria: required(criteria, "Criteria")?,
        update: required(actions, "Actions")?,
    })
}

object! {
    UpdateRulesReader -> UpdateRules<'de>, "an object with UpdateAutomationRulesRequestItems", {
        rules: "UpdateAutomationRulesRequestItems" = List {
            element: UpdateRuleReader, min: 1, max: MAX_RULES, expected: "a list of 1 to 100 rules to update",
        },
    } => |rules| Ok(UpdateRules { rules: required(rules, "UpdateAutomationRulesRequestItems")? })
}

object! {
    UpdateRuleReader -> UpdateRule<'de>, "an object with RuleArn and what to update", {
        arn: "RuleArn" = RULE_ARN,
        status: "RuleStatus" = STATUS,
        order: "RuleOrder" = ORDER,
        name: "RuleName" = NAME,
        description: "Description" = DESCRIPTION,
        is_terminal: "IsTerminal" = Flag,
        criteria: "Criteria" = CriteriaReader,
        actions: "Actions" = ActionsReader,
    } => |arn, status, order, name, description, is_terminal, criteria, update| {
        let rule = UpdateRule {
            arn: required(arn, "RuleArn")?, status, order, name, description, is_terminal, criteria, update,
        };
        let UpdateRule { status: None, order: None, name: None, description: None, is_terminal: None, criteria: None,
                         update: None, .. } = rule else { return Ok(rule) };
        Err(de::Error::custom("nothing to update, expected at least one member besides RuleArn"))
    }
}

object! {
    RuleArnsReader -> RuleArns<'de>, "an object with AutomationRulesArns", {
        arns: "AutomationRulesArns" = List {
            element: RULE_ARN, min: 1, max: MAX_RULES, expected: "a list of 1 to 100 rule ARNs",
        },
    } => |arns| Ok(RuleArns { arns: required(arns, "AutomationRulesArns")? })
}

object! {
    ActionReader -> Update<'de>, "an object with Type and FindingFieldsUpdate", {
        kind: "Type" = Word::new(|text| (text == "FINDING_FIELDS_UPDATE").then_some(()),
                                 || "FINDING_FIELDS_UPDATE".to_owned()),
        update: "FindingFieldsUpdate" = UpdateReader,
    } => |kind: Option<()>, update| {
        required(kind, "Type")?;
        required(update, "FindingFieldsUpdate")
    }
}

/// Reads `Actions`: exactly one.
#[derive(Clone, Copy)]
struct ActionsReader;

impl<'de> DeserializeSeed<'de> for ActionsReader {
    type Value = Update<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let mut actions = List { element: ActionReader, min: 1, max: 1, expected: "a list of one action" }
            .deserialize(deserializer)?;
        required(actions.pop(), "Actions")
    }
}

/// Reads `true` or `false`.
#[derive(Clone, Copy)]
struct Flag;

impl<'de> DeserializeSeed<'de> for Flag {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Flag {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true or false")
    }

    fn visit_bool<E>(self, value: bool) -> Result<bool, E> {
        Ok(value)
    }
}

/// Reads `Tags`.
#[derive(Clone, Copy)]
struct TagsReader;

impl TagsReader {
    const MOST: usize = 50;
}

impl<'de> DeserializeSeed<'de> for TagsReader {
    type Value = Vec<(Text<'de>, Text<'de>)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TagsReader {
    type Value = Vec<(Text<'de>, Text<'de>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of 1 to 50 tags with a string each")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut tags: Vec<(Text<'de>, Text<'de>)> = Vec::new();
        while let Some(key) = map.next_key_seed(TAG_KEY)? {
            if tags.iter().any(|(known, _)| *known == key) {
                return Err(repeated(&key));
            }
            if tags.len() == Self::MOST {
                return Err(de::Error::custom("more than 50 tags, expected 1 to 50"));
            }
            tags.push((key, map.next_value_seed(TAG_VALUE)?));
        }
        if tags.is_empty() {
            return Err(de::Error::custom("an empty object, expected 1 to 50 tags"));
        }
        Ok(tags)
    }
}

#[cfg(test)]
#[path = "rule_tests.rs"]
mod tests;
