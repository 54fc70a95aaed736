//! The words that a site uses where the API takes any text.

use super::glob::Glob;
use super::{Subject, codes, visit, words};
use crate::policy::{Problem, nearest};
use cedar_policy::pst::{BinaryOp, Expr, Literal};
use serde::Deserialize;

/// A site's vocabulary: the words that its policies may compare with. A list that is not there allows every word. In a word,
/// `*` stands for any text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Vocabulary {
    /// Keys of UserDefinedFields: `ticket`, `ticket/*`.
    pub user_defined_keys: Option<Vec<String>>,
    /// Types of findings.
    pub types: Option<Vec<String>>,
    /// Keys of the tags of resources.
    pub resource_tag_keys: Option<Vec<String>>,
    /// Types of resources: `AwsS3Bucket`.
    pub resource_types: Option<Vec<String>>,
    /// Groups of accounts: `ou/prod`.
    pub groups: Option<Vec<String>>,
    /// Names of products: `GuardDuty`.
    pub product_names: Option<Vec<String>>,
    /// Security controls: `IAM.1`.
    pub security_controls: Option<Vec<String>>,
}

/// A text that is no vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidVocabulary(pub String);

impl std::str::FromStr for Vocabulary {
    type Err = InvalidVocabulary;

    /// Reads TOML.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let vocabulary: Self =
            toml::from_str(text).map_err(|error| InvalidVocabulary(error.to_string().trim_end().to_owned()))?;
        if vocabulary == Self::default() {
            let lists =
                "user_defined_keys, types, resource_tag_keys, resource_types, groups, product_names, security_controls";
            return Err(InvalidVocabulary(format!("it has no list of words: expected one or more of {lists}")));
        }
        Ok(vocabulary)
    }
}

/// What a text is.
#[derive(Debug, Clone, Copy)]
enum Sort {
    UserDefinedKey,
    Type,
    ResourceTagKey,
    ResourceType,
    ProductName,
    SecurityControl,
}

impl Sort {
    fn name(self) -> &'static str {
        match self {
            Self::UserDefinedKey => "key of UserDefinedFields",
            Self::Type => "type of findings",
            Self::ResourceTagKey => "key of a resource's tags",
            Self::ResourceType => "type of resources",
            Self::ProductName => "product",
            Self::SecurityControl => "security control",
        }
    }

    fn words(self, vocabulary: &Vocabulary) -> Option<&[String]> {
        match self {
            Self::UserDefinedKey => &vocabulary.user_defined_keys,
            Self::Type => &vocabulary.types,
            Self::ResourceTagKey => &vocabulary.resource_tag_keys,
            Self::ResourceType => &vocabulary.resource_types,
            Self::ProductName => &vocabulary.product_names,
            Self::SecurityControl => &vocabulary.security_controls,
        }
        .as_deref()
    }

    /// What a term is, in the questions that a policy is about.
    fn of(term: &Expr, subject: &Subject<'_>) -> Option<Self> {
        let all = |actions: &[&str]| subject.kinds.iter().all(|kind| actions.contains(&kind.action.as_str()));
        match words::words(term).join(" ").as_str() {
            "context . key" => Some(Self::UserDefinedKey),
            "context . value" if all(&["Types", "Types.Remove"]) => Some(Self::Type),
            "resource . types" => Some(Self::Type),
            "resource . resourceTypes" => Some(Self::ResourceType),
            "resource . productName" => Some(Self::ProductName),
            "resource . securityControlId" => Some(Self::SecurityControl),
            _ => None,
        }
    }

    /// Whose keys these are.
    fn of_map(map: &Expr) -> Option<Self> {
        match words::words(map).join(" ").as_str() {
            "resource . userDefinedFields" | "context . userDefinedFields" => Some(Self::UserDefinedKey),
            "resource . resourceTags" => Some(Self::ResourceTagKey),
            _ => None,
        }
    }
}

pub(super) fn lint(subject: &Subject<'_>, vocabulary: &Vocabulary, found: &mut Vec<Problem>) {
    let mut told = Vec::new();
    let mut unknown = |sort: Sort, text: &str, pattern: Option<Glob>, whole: &Expr| {
        let Some(list) = sort.words(vocabulary) else { return };
        let written = pattern.unwrap_or_else(|| Glob::exactly(text));
        if list.iter().any(|word| Glob::parse(word).meets(&written)) || told.contains(&text.to_owned()) {
            return;
        }
        told.push(text.to_owned());
        let literal = subject.located.find(&[words::quoted(text)]).unwrap_or_else(|| subject.place(whole));
        let help = nearest(text, list.iter().map(String::as_str)).map_or_else(
            || format!("the vocabulary has {}", super::listed(list)),
            |near| format!("did you mean `{near}`?"),
        );
        let message = format!("`{}` is no {} of this site", text.escape_debug(), sort.name());
        found.push(subject.problem(&codes::UNKNOWN_WORD, literal, message, help));
    };
    for condition in subject.conditions() {
        visit(condition, &mut |expression| match expression {
            Expr::BinaryOp { op: BinaryOp::HasTag | BinaryOp::GetTag, left, right } => {
                if let (Some(sort), Some(text)) = (Sort::of_map(left), text(right)) {
                    unknown(sort, text, None, expression);
                }
            }
            Expr::BinaryOp { op: BinaryOp::Eq | BinaryOp::NotEq, left, right } => {
                for (term, literal) in [(left, right), (right, left)] {
                    if let (Some(sort), Some(text)) = (Sort::of(term, subject), text(literal)) {
                        unknown(sort, text, None, expression);
                    }
                }
            }
            Expr::BinaryOp { op: BinaryOp::Contains | BinaryOp::ContainsAll | BinaryOp::ContainsAny, left, right } => {
                for (term, literals) in [(left, right), (right, left)] {
                    let Some(sort) = Sort::of(term, subject) else { continue };
                    match &**literals {
                        Expr::Set(elements) => {
                            elements
                                .iter()
                                .filter_map(|element| text(element))
                                .for_each(|text| unknown(sort, text, None, expression));
                        }
                        literal => text(literal).into_iter().for_each(|text| unknown(sort, text, None, expression)),
                    }
                }
            }
            Expr::Like { expr, pattern } => {
                if let Some(sort) = Sort::of(expr, subject) {
                    let written = words::words(expression).pop().unwrap_or_default();
                    unknown(sort, written.trim_matches('"'), Some(Glob::of(pattern)), expression);
                }
            }
            _ => {}
        });
    }
    groups(subject, vocabulary, found);
}

fn groups(subject: &Subject<'_>, vocabulary: &Vocabulary, found: &mut Vec<Problem>) {
    let Some(groups) = &vocabulary.groups else { return };
    let literals: std::collections::BTreeSet<_> = subject.rule.policy.entity_literals().into_iter().collect();
    for literal in literals.iter().filter(|literal| literal.type_name().to_string() == "Group") {
        let id = literal.id().unescaped();
        if groups.iter().any(|word| Glob::parse(word).includes(&Glob::exactly(id))) {
            continue;
        }
        let help = nearest(id, groups.iter().map(String::as_str)).map_or_else(
            || format!("the vocabulary has {}", super::listed(groups)),
            |near| format!("did you mean `{near}`?"),
        );
        let message = format!("`{}` is no group of this site", id.escape_debug());
        found.push(subject.problem(
            &codes::UNKNOWN_WORD,
            subject.place_of(&words::entity_words("Group", id)),
            message,
            help,
        ));
    }
}

fn text(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Literal(Literal::String(text)) => Some(text),
        _ => None,
    }
}
