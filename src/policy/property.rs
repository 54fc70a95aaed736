//! Properties: what must be true of a set of policies, written as policies themselves.
//!
//! A property speaks of questions as a permit does. `never`: no question that it matches is allowed. `always`: every question that it
//! matches is allowed. So there is no second language to learn, and the same checks find its misspelt names.

use super::code;
use super::load::PolicyText;
use super::problem::{Problem, Source, nearest};
use super::rule::{self, Annotations, Fault, Origin};
use super::text::Piece;
use cedar_policy::{Effect, Policy};
use std::{fmt, sync::Arc};

/// How the names of files of properties end. They lie beside the policies, and no loader of policies reads them.
pub const PROPERTIES: &str = ".properties.cedar";

/// The annotations that a property may carry.
const ANNOTATIONS: [&str; 3] = ["id", "expect", "doc"];

/// What must be true of a set of policies.
#[derive(Debug, Clone)]
pub struct Property {
    /// Its `@id`: unique over all properties, and the name that reports call it by.
    pub id: Arc<str>,
    /// `@expect`: what must be true of the questions that it matches.
    pub expect: Expect,
    /// `@doc`: what it says in plain words.
    pub doc: Option<Arc<str>>,
    /// The questions: a permit under the property's `@id`.
    pub policy: Policy,
    /// Where it was written.
    pub origin: Origin,
}

/// What must be true of the questions that a property matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    /// None is allowed.
    #[default]
    Never,
    /// All are allowed.
    Always,
}

impl Expect {
    /// Both.
    pub const ALL: &[Self] = &[Self::Never, Self::Always];

    /// `never` or `always`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Always => "always",
        }
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The properties that hold of every set of policies that a gate should serve with: nobody reaches beyond the accounts they
/// answer for.
pub fn built_in() -> PolicyText {
    PolicyText { name: "built in".to_owned(), text: include_str!("built_in.properties.cedar").to_owned() }
}

/// Reads the annotations of a property that Cedar could parse; what is wrong with it goes to `problems`.
pub(super) fn annotations(
    source: &Source,
    piece: &Piece<'_>,
    policy: &Policy,
    problems: &mut Vec<Problem>,
) -> Annotations {
    let mut read = Annotations::default();
    let mut named = false;
    for (name, token) in piece.annotations() {
        let key = piece.word(name);
        let value = policy.annotation(key).unwrap_or_default();
        let whole = name.span.start.saturating_sub(1)..name.span.end;
        let mut span = token.map_or_else(|| whole.clone(), |token| token.span.clone());
        let outcome = match key {
            "id" => {
                named = true;
                rule::id(value).map(|id| read.id = Some((id, span.clone())))
            }
            "expect" => expect(value).map(|expect| read.expect = expect),
            "doc" => {
                read.doc = Some(value.into());
                Ok(())
            }
            unknown => {
                let near = nearest(unknown, ANNOTATIONS);
                named |= near == Some("id");
                span = whole;
                Err(is_unknown(unknown, near))
            }
        };
        problems
            .extend(outcome.err().map(|(message, help)| source.problem(&code::ANNOTATION, span, message).help(help)));
    }
    if !named {
        let problem = source.problem(&code::ANNOTATION, piece.effect(), "this property has no `@id`");
        problems.push(problem.help("write `@id(\"a-short-name\")` before it: reports call the property by that name"));
    }
    if policy.effect() == Effect::Forbid {
        let problem = source.problem(&code::VALIDATION, piece.effect(), "a property is written as a permit");
        problems.push(problem.help(
            "write `permit` for the questions that it is about, and `@expect(\"never\")` if none of them may be allowed",
        ));
    }
    read
}

fn expect(value: &str) -> Result<Expect, Fault> {
    Expect::ALL.iter().copied().find(|expect| expect.as_str() == value).ok_or_else(|| {
        let near = nearest(value, Expect::ALL.iter().map(|expect| expect.as_str()));
        let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
        let help = "`never`: no question that it matches is allowed (the default); `always`: all of them are";
        (format!("`{}` is nothing to expect", value.escape_debug()), near + help)
    })
}

fn is_unknown(key: &str, near: Option<&str>) -> Fault {
    if rule::ANNOTATIONS.contains(&key) {
        let help = "this file has properties, which are proved and never enforced; policies go into files that end in \
                    `.cedar` only";
        return (format!("`@{key}` on a property"), help.to_owned());
    }
    let near = near.map(|near| format!("did you mean `@{near}`? ")).unwrap_or_default();
    (format!("unknown annotation `@{key}`"), near + "a property may carry `@id`, `@expect` and `@doc`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::load_properties;

    fn text(text: &str) -> PolicyText {
        PolicyText { name: "a.properties.cedar".to_owned(), text: text.to_owned() }
    }

    fn told(properties: &str) -> Vec<String> {
        let error = load_properties(&[text(properties)]).unwrap_err();
        let shown = |problem: &Problem| format!("{problem} [{}]", problem.help.as_deref().unwrap_or_default());
        error.problems().iter().map(shown).collect()
    }

    #[test]
    fn properties_say_what_to_expect() {
        let properties = load_properties(&[
            text(
                r#"@id("b") @expect("always") @doc("All of it.") permit (principal, action, resource);
                   @id("a") permit (principal is Member, action, resource);"#,
            ),
            built_in(),
        ]);
        let properties = properties.unwrap();
        let shown: Vec<_> = properties.iter().map(|p| (&*p.id, p.expect, p.doc.as_deref(), p.origin.line)).collect();
        assert_eq!(shown[..2], [("b", Expect::Always, Some("All of it."), 1), ("a", Expect::Never, None, 2)]);
        assert_eq!(shown.len(), 4);
        assert_eq!(properties[0].policy.id().to_string(), "b");
        assert!(load_properties(&[]).unwrap().is_empty());
    }

    #[test]
    fn what_is_wrong_with_a_property_is_told_as_of_a_policy() {
        for (properties, expected) in [
            ("permit (principal, action, resource);", "this property has no `@id` [write `@id("),
            (
                r#"@id("a") forbid (principal, action, resource);"#,
                "policy `a`: a property is written as a permit [write",
            ),
            (
                r#"@id("a") @expect("newer") permit (principal, action, resource);"#,
                "policy `a`: `newer` is nothing to expect [did you mean `never`?",
            ),
            (
                r#"@id("a") @expekt("never") permit (principal, action, resource);"#,
                "policy `a`: unknown annotation `@expekt` [did you mean `@expect`?",
            ),
            (
                r#"@id("a") @shadow permit (principal, action, resource);"#,
                "policy `a`: `@shadow` on a property [this file has",
            ),
            (
                r#"@id("a") permit (principal, action == Action::"Note", resource) when { context.valu == 1 };"#,
                "policy `a`: ",
            ),
            (
                r#"@id("a") permit (principal, action, resource); @id("a") permit (principal, action, resource);"#,
                "policy `a`: the `@id` `a` is used twice",
            ),
            (
                r#"@id("a") permit (principal, action, resource) when { context.value like "SEC };"#,
                "a string that starts here",
            ),
            ("// nothing", "no file has a property in it"),
        ] {
            let told = told(properties);
            assert!(told[0].starts_with(expected), "{told:?}\n{expected}");
        }
    }
}
