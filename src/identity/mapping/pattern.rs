//! Patterns that capture, and templates that use what was captured.

use super::Captured;
use std::{collections::BTreeSet, str::FromStr, sync::Arc};

/// What ends a `{name}`: none of these is ever captured by one. They are what separates the parts of the names that there are: URIs
/// and ARNs, subjects of Kubernetes, distinguished names. DNS names are separated by dots, which ARNs have within their parts: a
/// `{name}` ends at a dot only where the pattern has one behind it.
const SEPARATORS: [char; 6] = ['/', ':', ',', '=', '@', '\\'];

/// Text with `{name}` for one part of a name, and perhaps `{name*}` at its end for all that is left.
///
/// There is one way in which a pattern matches a text, or none: behind a `{name}` stands a separator, a dot or the end, and what
/// a `{name}` takes never has that in it. So nobody can move text from one part to another by a name with more separators than was
/// thought of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

/// Text with `{name}` for what a pattern captured under that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Part(Arc<str>),
    Rest(Arc<str>),
}

/// Why a text is no pattern, or no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    /// It has no text.
    #[error("text that is not empty")]
    Empty,
    /// A brace that opens or closes nothing.
    #[error("each `{{` to be closed by a `}}`, with a name of letters, digits and `_` between")]
    Brace,
    /// A name that stands twice.
    #[error("`{{{0}}}` to stand once")]
    Repeated(Arc<str>),
    /// A part that nothing ends.
    #[error("`/`, `:`, `,`, `=`, `@`, `.` or the end behind `{{{0}}}`")]
    Open(Arc<str>),
    /// All that is left, and then more.
    #[error("`{{{0}*}}` to stand at the end")]
    NotLast(Arc<str>),
    /// A template that asks for the rest.
    #[error("`{{{0}}}` without the `*`: here it is put in, not captured")]
    Star(Arc<str>),
}

fn pieces(text: &str) -> Result<Vec<Piece>, InvalidPattern> {
    if text.is_empty() {
        return Err(InvalidPattern::Empty);
    }
    let (mut pieces, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let end = rest.find(['{', '}']).unwrap_or(rest.len());
        if end > 0 {
            pieces.push(Piece::Text(rest[..end].to_owned()));
            rest = &rest[end..];
            continue;
        }
        let (name, behind) =
            rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).ok_or(InvalidPattern::Brace)?;
        let (bare, is_rest) = name.strip_suffix('*').map_or((name, false), |bare| (bare, true));
        if bare.is_empty() || !bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(InvalidPattern::Brace);
        }
        pieces.push(if is_rest { Piece::Rest(bare.into()) } else { Piece::Part(bare.into()) });
        rest = behind;
    }
    Ok(pieces)
}

impl FromStr for Pattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let pieces = pieces(text)?;
        let mut names = BTreeSet::new();
        for (index, piece) in pieces.iter().enumerate() {
            let next = pieces.get(index + 1);
            match piece {
                Piece::Text(_) => continue,
                Piece::Rest(name) if next.is_some() => return Err(InvalidPattern::NotLast(Arc::clone(name))),
                Piece::Part(name) => match next {
                    None => {}
                    Some(Piece::Text(text)) if text.starts_with(SEPARATORS) || text.starts_with('.') => {}
                    Some(_) => return Err(InvalidPattern::Open(Arc::clone(name))),
                },
                Piece::Rest(_) => {}
            }
            if let Piece::Part(name) | Piece::Rest(name) = piece
                && !names.insert(Arc::clone(name))
            {
                return Err(InvalidPattern::Repeated(Arc::clone(name)));
            }
        }
        Ok(Self(pieces))
    }
}

impl Pattern {
    /// The names that it captures.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Part(name) | Piece::Rest(name) => Some(name),
        })
    }

    /// Whether it matches a text.
    pub(in crate::identity) fn matches(&self, text: &str) -> bool {
        self.captures(text).is_some()
    }

    /// What it captures of a text; nothing if it does not match.
    pub(super) fn captures<'t>(&self, text: &'t str) -> Option<Captured<'t>> {
        let (mut captured, mut rest) = (Captured::new(), text);
        for (index, piece) in self.0.iter().enumerate() {
            match piece {
                Piece::Text(text) => rest = rest.strip_prefix(text.as_str())?,
                Piece::Rest(name) => {
                    captured.insert(Arc::clone(name), rest).is_none().then_some(())?;
                    rest = "";
                }
                Piece::Part(name) => {
                    let ends_at_dot = matches!(self.0.get(index + 1), Some(Piece::Text(text)) if text.starts_with('.'));
                    let ends = |c: char| SEPARATORS.contains(&c) || ends_at_dot && c == '.';
                    let end = rest.find(ends).unwrap_or(rest.len());
                    let (part, behind) = rest.split_at(end);
                    (!part.is_empty()).then_some(())?;
                    captured.insert(Arc::clone(name), part);
                    rest = behind;
                }
            }
        }
        rest.is_empty().then_some(captured)
    }
}

impl FromStr for Template {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let pieces = pieces(text)?;
        let star = pieces.iter().find_map(|piece| if let Piece::Rest(name) = piece { Some(name) } else { None });
        match star {
            Some(name) => Err(InvalidPattern::Star(Arc::clone(name))),
            None => Ok(Self(pieces)),
        }
    }
}

impl Template {
    /// The names that it puts in.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Part(name) | Piece::Rest(name) => Some(name),
        })
    }

    /// The text with what was captured; nothing stands for what was not, which the configuration refuses beforehand.
    pub(super) fn fill(&self, captured: &Captured<'_>) -> String {
        let text = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Part(name) | Piece::Rest(name) => captured.get(name).copied().unwrap_or_default().to_owned(),
        };
        self.0.iter().map(text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_way_to_match_or_none() {
        for (pattern, text, captured) in [
            ("plain", "plain", Some("")),
            ("plain", "plainer", None),
            ("{a}", "x", Some("a=x")),
            ("{a}", "", None),
            ("{a}", "x/y", None),
            ("{a*}", "x/y", Some("a=x/y")),
            ("{a*}", "", Some("a=")),
            ("spiffe://td/account/{account}/ns/{ns}", "spiffe://td/account/222/ns/x", Some("account=222 ns=x")),
            ("spiffe://td/account/{account}/ns/{ns}", "spiffe://td/account/222/ns/x/ns/y", None),
            ("spiffe://td/{a}/{b}", "spiffe://td/x", None),
            ("spiffe://td/{a}/{b}", "spiffe://td//x", None),
            ("spiffe://td/{a}/{b*}", "spiffe://td/x/y/z", Some("a=x b=y/z")),
            ("system:serviceaccount:{ns}:{name}", "system:serviceaccount:pay:bot.v2", Some("name=bot.v2 ns=pay")),
            ("system:serviceaccount:{ns}:{name}", "system:serviceaccount:pay:bot:x", None),
            ("{name}.{team}.example", "bot.pay.example", Some("name=bot team=pay")),
            ("{name}.{team}.example", "a.bot.pay.example", None),
            ("{name}.example", "bot.example.example", None),
            ("CN={name},OU={team}", "CN=bot v2,OU=pay", Some("name=bot v2 team=pay")),
            ("CN={name},OU={team}", "CN=bot,OU=x,OU=pay", None),
            // A comma within a value is written `\,`, and an equals sign as it is: neither makes one value look like two.
            ("CN={name},OU={team}", r"CN=bot\,OU=pay", None),
            ("CN={name},OU={team},O=Example", r"CN=bot\,OU=pay,O=Example", None),
            ("CN={host},UID={name},O=Example", r"CN=h\,UID=admin,O=Example", None),
            ("CN={name},O=Example", r"CN=a\+b,O=Example", None),
            ("arn:aws:iam::{account}:role/{role*}", "arn:aws:iam::222:role/a/b", Some("account=222 role=a/b")),
            ("user-{name}@example", "user-bot@example", Some("name=bot")),
        ] {
            let found = pattern.parse::<Pattern>().unwrap().captures(text).map(|captured| {
                captured.iter().map(|(name, text)| format!("{name}={text}")).collect::<Vec<_>>().join(" ")
            });
            assert_eq!(found.as_deref(), captured, "{pattern} {text}");
        }
    }

    #[test]
    fn what_could_match_in_two_ways_is_no_pattern() {
        for (text, error) in [
            ("", InvalidPattern::Empty),
            ("{", InvalidPattern::Brace),
            ("a}", InvalidPattern::Brace),
            ("{}", InvalidPattern::Brace),
            ("{a b}", InvalidPattern::Brace),
            ("{{a}}", InvalidPattern::Brace),
            ("{a}{b}", InvalidPattern::Open("a".into())),
            ("{a}-{b}", InvalidPattern::Open("a".into())),
            ("{a*}/b", InvalidPattern::NotLast("a".into())),
            ("{a}/{a}", InvalidPattern::Repeated("a".into())),
        ] {
            assert_eq!(text.parse::<Pattern>(), Err(error), "{text}");
        }
        assert_eq!("{a*}".parse::<Template>(), Err(InvalidPattern::Star("a".into())));
        assert!("{a}{b}-{a}".parse::<Template>().is_ok());
    }
}
