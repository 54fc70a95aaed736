//! Conditions in Cedar, as text.

use super::pattern::{Part, Pattern};

/// Which values a test accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Values {
    /// Those at these places of a closed vocabulary, in order.
    Places(Vec<usize>),
    /// Those for which all of these hold.
    Texts(Vec<Clause>),
}

/// One of these matches, or none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clause {
    pub(super) negated: bool,
    pub(super) any: Vec<Matcher>,
}

/// What a text is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Matcher {
    Is(String),
    Like(Pattern),
    /// The caller's ARN.
    PrincipalArn,
}

impl Clause {
    /// What it says of every text, if it says the same of all.
    pub(super) fn constant(&self) -> Option<bool> {
        let everything = |matcher: &Matcher| matches!(matcher, Matcher::Like(pattern) if pattern.is_everything());
        if self.any.is_empty() {
            return Some(self.negated);
        }
        self.any.iter().any(everything).then_some(!self.negated)
    }

    /// In Cedar, of the text at `path`.
    fn at(&self, path: &str) -> String {
        let literals: Vec<String> = self.any.iter().filter_map(Matcher::literal).collect();
        let mut any = Vec::new();
        match (&*literals, self.negated && self.any.len() == 1) {
            ([], _) => {}
            ([one], true) => return format!("{path} != {one}"),
            ([one], false) => any.push(format!("{path} == {one}")),
            (several, _) => any.push(format!("[{}].contains({path})", several.join(", "))),
        }
        any.extend(self.any.iter().filter_map(|matcher| match matcher {
            Matcher::Like(pattern) => Some(format!("{path} like {}", like(pattern))),
            Matcher::PrincipalArn => Some(format!("{path} == principal.arn")),
            Matcher::Is(_) => None,
        }));
        let any = or(any);
        if self.negated { not(&any) } else { any }
    }
}

impl Matcher {
    fn literal(&self) -> Option<String> {
        match self {
            Self::Is(text) => Some(string(text)),
            _ => None,
        }
    }
}

/// What a text at `path` must be, each of the returned.
pub(super) fn texts(clauses: &[Clause], path: &str) -> Vec<String> {
    clauses.iter().map(|clause| clause.at(path)).collect()
}

/// `context.value == WorkflowStatus::"NEW"` and the like: one of some words out of all.
pub(super) fn words(kind: &str, accepted: &[&str], all: &[&str], path: &str) -> String {
    let name = |word: &&str| format!("{kind}::{}", string(word));
    let others: Vec<&str> = all.iter().copied().filter(|word| !accepted.contains(word)).collect();
    match (accepted, &*others) {
        ([one], _) => format!("{path} == {}", name(one)),
        (_, [one]) => format!("{path} != {}", name(one)),
        (several, _) => format!("[{}].contains({path})", several.iter().map(name).collect::<Vec<_>>().join(", ")),
    }
}

/// One of some numbers out of 0 to 100.
pub(super) fn numbers(accepted: &[usize], path: &str) -> String {
    let others: Vec<usize> = (0..=100).filter(|number| !accepted.contains(number)).collect();
    match (accepted, &*others) {
        ([one], _) => format!("{path} == {one}"),
        (_, [one]) => format!("{path} != {one}"),
        ([first, .., last], _) if last - first + 1 == accepted.len() => match (*first, *last) {
            (0, last) => format!("{path} <= {last}"),
            (first, 100) => format!("{path} >= {first}"),
            (first, last) => format!("({path} >= {first} && {path} <= {last})"),
        },
        (several, _) => {
            let several: Vec<String> = several.iter().map(ToString::to_string).collect();
            format!("[{}].contains({path})", several.join(", "))
        }
    }
}

/// One of them holds.
pub(super) fn or(mut any: Vec<String>) -> String {
    match any.len() {
        1 => any.remove(0),
        _ => format!("({})", any.join(" || ")),
    }
}

/// All of them hold.
pub(super) fn and(all: &[String]) -> String {
    all.join(" && ")
}

/// It does not hold.
pub(super) fn not(expression: &str) -> String {
    let is_grouped = expression.starts_with('(') || expression.ends_with(')') && !expression.contains(' ');
    if is_grouped { format!("!{expression}") } else { format!("!({expression})") }
}

/// A string of Cedar's. What is not plainly visible is escaped, so that it reads as what it says.
pub(super) fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    text.chars().for_each(|c| push(c, &mut quoted));
    quoted.push('"');
    quoted
}

/// A pattern of Cedar's `like`, of one with no `?` and no variable.
fn like(pattern: &Pattern) -> String {
    let mut quoted = String::from("\"");
    for part in pattern.parts() {
        match part {
            Part::Char('*') => quoted.push_str("\\*"),
            Part::Char(c) => push(*c, &mut quoted),
            Part::Many | Part::One | Part::Segment | Part::Variable(_) => quoted.push('*'),
        }
    }
    quoted.push('"');
    quoted
}

fn push(c: char, out: &mut String) {
    if matches!(c, '"' | '\\') {
        out.push('\\');
        out.push(c);
    } else if c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric() {
        out.push(c);
    } else {
        out.extend(c.escape_unicode());
    }
}

#[cfg(test)]
mod tests {
    use super::{super::pattern::Syntax, *};

    fn clause(negated: bool, any: &[Matcher]) -> String {
        Clause { negated, any: any.to_vec() }.at("x")
    }

    #[test]
    fn clauses_in_cedar() {
        let is = |text: &str| Matcher::Is(text.to_owned());
        let like = |text: &str| Matcher::Like(Pattern::parse(text, Syntax::V2012));
        assert_eq!(clause(false, &[is("a")]), r#"x == "a""#);
        assert_eq!(clause(true, &[is("a")]), r#"x != "a""#);
        assert_eq!(clause(false, &[is("a"), is("b")]), r#"["a", "b"].contains(x)"#);
        assert_eq!(clause(true, &[is("a"), is("b")]), r#"!(["a", "b"].contains(x))"#);
        assert_eq!(clause(false, &[is("a"), like("b*")]), r#"(x == "a" || x like "b*")"#);
        assert_eq!(clause(true, &[like("b*")]), r#"!(x like "b*")"#);
        assert_eq!(clause(true, &[like("${*}\"*")]), r#"!(x like "\*\"*")"#);
        assert_eq!(clause(false, &[Matcher::PrincipalArn]), "x == principal.arn");
        assert_eq!(string("é\n\u{202e}\\"), r#""é\u{a}\u{202e}\\""#);
    }

    #[test]
    fn numbers_in_cedar() {
        let range = |from: usize, to: usize| (from..=to).collect::<Vec<_>>();
        assert_eq!(numbers(&[5], "x"), "x == 5");
        assert_eq!(numbers(&range(0, 99), "x"), "x != 100");
        assert_eq!(numbers(&range(0, 9), "x"), "x <= 9");
        assert_eq!(numbers(&range(90, 100), "x"), "x >= 90");
        assert_eq!(numbers(&range(10, 19), "x"), "(x >= 10 && x <= 19)");
        assert_eq!(numbers(&[1, 3], "x"), "[1, 3].contains(x)");
    }
}
