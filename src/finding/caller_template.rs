//! Texts that say who a caller is.

use std::{borrow::Cow, fmt, str::FromStr};

/// Something of a caller that a template may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerPart {
    /// `{account}`: the account that it acts for.
    Account,
    /// `{principal}`: its principal's ARN or name.
    Principal,
    /// `{role}`: `administrator` or `member`.
    Role,
    /// `{proof}`: how it proved who it is, such as `sigv4:AKIAPAYMENTS`.
    Proof,
}

impl CallerPart {
    const ALL: [Self; 4] = [Self::Account, Self::Principal, Self::Role, Self::Proof];

    fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Principal => "principal",
            Self::Role => "role",
            Self::Proof => "proof",
        }
    }
}

/// A text with `{account}`, `{principal}`, `{role}` and `{proof}` for what is the caller's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerTemplate(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Part(CallerPart),
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a text in which braces stand only in `{{account}}`, `{{principal}}`, `{{role}}` and `{{proof}}`")]
pub struct InvalidTemplate;

impl FromStr for CallerTemplate {
    type Err = InvalidTemplate;

    fn from_str(text: &str) -> Result<Self, InvalidTemplate> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let end = rest.find(['{', '}']).unwrap_or(rest.len());
            if end > 0 {
                pieces.push(Piece::Text(rest[..end].to_owned()));
                rest = &rest[end..];
                continue;
            }
            let (name, behind) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).ok_or(InvalidTemplate)?;
            let part = CallerPart::ALL.into_iter().find(|part| part.name() == name).ok_or(InvalidTemplate)?;
            pieces.push(Piece::Part(part));
            rest = behind;
        }
        if pieces.is_empty() { Err(InvalidTemplate) } else { Ok(Self(pieces)) }
    }
}

impl CallerTemplate {
    /// What is written out in it.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Part(_) => None,
        })
    }

    /// What it names of a caller.
    pub fn parts(&self) -> impl Iterator<Item = CallerPart> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Part(part) => Some(*part),
        })
    }

    /// The text with what `value` gives for each part.
    pub fn fill<'v>(&self, value: impl Fn(CallerPart) -> Cow<'v, str>) -> String {
        let mut out = String::with_capacity(64);
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Part(part) => out.push_str(&value(*part)),
            }
        }
        out
    }
}

/// As it was written.
impl fmt::Display for CallerTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => f.write_str(text)?,
                Piece::Part(part) => write!(f, "{{{}}}", part.name())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_put_in_and_nothing_else_has_braces() {
        let value = |part: CallerPart| Cow::Owned(format!("<{}>", part.name()));
        for (text, filled) in [
            ("arn:aws:iam::{account}:role/gate", "arn:aws:iam::<account>:role/gate"),
            ("{principal}{role}", "<principal><role>"),
            ("by {proof}", "by <proof>"),
            ("plain", "plain"),
        ] {
            let template: CallerTemplate = text.parse().unwrap();
            assert_eq!((template.fill(value), template.to_string()), (filled.to_owned(), text.to_owned()));
        }
        for bad in ["", "{", "}", "{}", "{Account}", "{account", "account}", "{{account}}", "{name}"] {
            assert_eq!(bad.parse::<CallerTemplate>(), Err(InvalidTemplate), "{bad}");
        }
    }

    /// What is put in is not read again.
    #[test]
    fn a_value_with_braces_stays_a_value() {
        let template: CallerTemplate = "{principal}/{role}".parse().unwrap();
        assert_eq!(template.fill(|_| Cow::Borrowed("{account}")), "{account}/{account}");
    }
}
