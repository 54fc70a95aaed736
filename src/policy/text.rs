//! Policy text before Cedar reads it: cut into single policies, and measured.
//!
//! Cedar's parser may report only one of several syntax errors of a text, so each policy is parsed alone. And the parser
//! recurses: 150 nested parentheses overflow a stack of 2 MiB, which aborts the process and cannot be caught. So nesting
//! and size are bounded here, by looking at tokens only.
//!
//! The tokens are those of Cedar's grammar. Whatever is no token becomes [`Kind::Unknown`] and is left to Cedar to report.

use std::ops::Range;

/// The deepest nesting of a policy: brackets, prefix operators, `if`s and chains of `.` that are open at once.
pub const MAX_NESTING: usize = 50;

/// The most terms in a policy's conditions: operands of `&&`, `||`, `+`, `-` and `*`, all its clauses together.
///
/// Cedar evaluates a chain of operators by recursion, and on a stack too small for it a `forbid` errors, which lets
/// through what it should deny: 600 terms do that on 2 MiB, 300 on 1 MiB.
pub const MAX_TERMS: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Number,
    /// With its quotes.
    String,
    /// `?principal` and its like.
    Slot,
    Symbol,
    Unknown,
}

#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Range<usize>,
}

/// The text of what should be one policy: from its first token to its `;`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    source: &'a str,
    pub(super) tokens: &'a [Token],
}

/// Text that cannot be cut into tokens: a string that never ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unterminated {
    /// Where the quotation mark stands that is most likely the odd one.
    pub(super) at: usize,
}

/// A bound that a policy exceeds, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Excess {
    Nesting(Range<usize>),
    Terms(Range<usize>),
}

/// Cuts text into tokens, leaving out white space and comments.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Unterminated> {
    let mut tokens = Vec::new();
    let mut first_multiline = None;
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let (kind, length) = match c {
            _ if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '/' if rest.starts_with("//") => {
                at += rest.find(['\n', '\r']).unwrap_or(rest.len());
                continue;
            }
            '"' => {
                let Some(length) = string_length(rest) else {
                    return Err(Unterminated { at: first_multiline.unwrap_or(at) });
                };
                if first_multiline.is_none() && rest[..length].contains('\n') {
                    first_multiline = Some(at);
                }
                (Kind::String, length)
            }
            '?' if rest[1..].starts_with(is_word_start) => (Kind::Slot, 1 + word_length(&rest[1..])),
            _ if is_word_start(c) => (Kind::Word, word_length(rest)),
            '0'..='9' => (Kind::Number, rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())),
            _ if ["::", "==", "!=", "<=", ">=", "||", "&&"].iter().any(|symbol| rest.starts_with(symbol)) => {
                (Kind::Symbol, 2)
            }
            '@' | '.' | ',' | ';' | ':' | '(' | ')' | '{' | '}' | '[' | ']' | '<' | '>' | '+' | '-' | '*' | '/'
            | '%' | '!' | '=' => (Kind::Symbol, 1),
            _ => (Kind::Unknown, c.len_utf8()),
        };
        tokens.push(Token { kind, span: at..at + length });
        at += length;
    }
    Ok(tokens)
}

fn is_word_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn word_length(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// The length of the string that starts `text`, both quotation marks included.
fn string_length(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Cuts a file's tokens into policies.
///
/// A `;` ends a policy. Inside brackets it is a mistake; there it ends the policy only if another one seems to start after
/// it, so that one mistake is reported once.
pub(super) fn pieces<'a>(source: &'a str, tokens: &'a [Token]) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    let (mut start, mut depth) = (0, 0_usize);
    for (i, token) in tokens.iter().enumerate() {
        match &source[token.span.clone()] {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            ";" => {
                let next = tokens.get(i + 1).map(|next| &source[next.span.clone()]);
                if depth == 0 || matches!(next, None | Some("@" | "permit" | "forbid")) {
                    pieces.push(Piece { source, tokens: &tokens[start..=i] });
                    (start, depth) = (i + 1, 0);
                }
            }
            _ => {}
        }
    }
    if start < tokens.len() {
        pieces.push(Piece { source, tokens: &tokens[start..] });
    }
    pieces
}

impl<'a> Piece<'a> {
    /// Tokens of a text that are one policy.
    pub(super) fn new(source: &'a str, tokens: &'a [Token]) -> Self {
        Self { source, tokens }
    }

    /// Where the policy lies in the file. (A piece has at least one token.)
    pub(super) fn span(&self) -> Range<usize> {
        let start = self.tokens.first().map_or(0, |token| token.span.start);
        let end = self.tokens.last().map_or(start, |token| token.span.end);
        start..end
    }

    /// The policy's text, comments included.
    pub(super) fn text(&self) -> &'a str {
        &self.source[self.span()]
    }

    /// What a token says.
    pub(super) fn word(&self, token: &Token) -> &'a str {
        &self.source[token.span.clone()]
    }

    /// Where these tokens stand one after the other for the first time.
    pub(super) fn find(&self, words: &[&str]) -> Option<Range<usize>> {
        let found = self
            .tokens
            .windows(words.len())
            .find(|window| window.iter().zip(words).all(|(token, word)| self.word(token) == *word))?;
        Some(found.first()?.span.start..found.last()?.span.end)
    }

    /// The annotations in front of the policy: name, and value where one stands in brackets.
    pub(super) fn annotations(&self) -> Vec<(&'a Token, Option<&'a Token>)> {
        let mut annotations = Vec::new();
        let mut rest = self.tokens;
        while let [at, name, after @ ..] = rest {
            if self.word(at) != "@" {
                break;
            }
            rest = after;
            let mut value = None;
            if let [open, text, close, after @ ..] = after
                && self.word(open) == "("
                && self.word(close) == ")"
            {
                value = Some(text);
                rest = after;
            }
            annotations.push((name, value));
        }
        annotations
    }

    /// Where `permit` or `forbid` stands.
    pub(super) fn effect(&self) -> Range<usize> {
        let effect = self.tokens.iter().find(|token| matches!(self.word(token), "permit" | "forbid"));
        effect.map_or_else(|| self.span(), |token| token.span.clone())
    }

    /// The first place, if any, where the policy grows beyond what is safe to parse and to evaluate.
    pub(super) fn excess(&self) -> Option<Excess> {
        // One entry for each bracket that is open: what nests besides it.
        let mut levels = vec![Level::default()];
        let (mut terms, mut clauses) = (1, 0);
        let mut after_operand = false;
        for token in self.tokens {
            let word = self.word(token);
            let level = levels.last_mut()?;
            let mut ends_operand = false;
            match word {
                "(" | "[" => {
                    level.chain += usize::from(after_operand);
                    levels.push(Level::default());
                }
                "{" => levels.push(Level::default()),
                ")" | "]" | "}" => {
                    if levels.len() > 1 {
                        levels.pop();
                    }
                    ends_operand = true;
                }
                "!" | "." => level.chain += 1,
                "-" if !after_operand => level.chain += 1, // else it subtracts
                "&&" | "||" | "+" | "-" | "*" => {
                    level.chain = 0;
                    terms += 1;
                }
                "==" | "!=" | "<" | "<=" | ">" | ">=" | "then" | "else" | "in" | "has" | "like" | "is" => {
                    level.chain = 0;
                }
                "," | ";" | "@" => *level = Level::default(),
                "if" => level.ifs += 1,
                "when" | "unless" => {
                    *level = Level::default();
                    clauses += 1;
                    terms += usize::from(clauses > 1);
                }
                _ => ends_operand = true,
            }
            after_operand = ends_operand;
            if levels.iter().map(|level| 1 + level.chain + level.ifs).sum::<usize>() > MAX_NESTING + 1 {
                return Some(Excess::Nesting(token.span.clone()));
            }
            if terms > MAX_TERMS {
                return Some(Excess::Terms(token.span.clone()));
            }
        }
        None
    }
}

/// What nests at one level of brackets.
#[derive(Default)]
struct Level {
    /// Prefix operators and member accesses of the operand under way.
    chain: usize,
    /// `if`s, each inside the branches of the one before.
    ifs: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use cedar_policy::PolicySet;
    use proptest::prelude::*;

    fn cut(text: &str) -> Vec<String> {
        let tokens = tokens(text).unwrap();
        pieces(text, &tokens).iter().map(|piece| piece.text().to_owned()).collect()
    }

    fn excess(condition: &str) -> Option<Excess> {
        let text = format!("permit (principal, action, resource) when {{ {condition} }};");
        let tokens = tokens(&text).unwrap();
        pieces(&text, &tokens)[0].excess()
    }

    #[test]
    fn a_file_is_cut_at_semicolons_outside_strings_and_comments() {
        let text = "// one; two\n@id(\"a;\\\"b\") permit (principal, action, resource); // c;\rforbid();\n";
        assert_eq!(cut(text), ["@id(\"a;\\\"b\") permit (principal, action, resource);", "forbid();"]);
        assert_eq!(
            cut("permit (a; b) ; forbid (x; @id(\"y\") permit();"),
            ["permit (a; b) ;", "forbid (x;", "@id(\"y\") permit();"]
        );
        assert_eq!(cut(" // nothing\n"), [""; 0]);
        assert_eq!(cut("permit ()"), ["permit ()"]);
    }

    #[test]
    fn the_odd_quotation_mark_is_looked_for_where_a_string_crosses_lines() {
        assert_eq!(tokens("a \"b").unwrap_err(), Unterminated { at: 2 });
        assert_eq!(tokens("@id(\"x)\n@id(\"y\")").unwrap_err(), Unterminated { at: 4 });
        assert!(tokens("@doc(\"x\ny\")").is_ok());
    }

    #[test]
    fn annotations_are_found_with_and_without_values() {
        let text = "@shadow @id(\"a\") permit (principal, action, resource);";
        let tokens = tokens(text).unwrap();
        let piece = pieces(text, &tokens)[0];
        let found: Vec<_> =
            piece.annotations().iter().map(|(n, v)| (piece.word(n), v.map(|v| piece.word(v)))).collect();
        assert_eq!(found, [("shadow", None), ("id", Some("\"a\""))]);
        assert_eq!(piece.effect(), 17..23);
    }

    #[test]
    fn nesting_is_bounded_in_every_form_it_takes() {
        // The clause's own brace is the first level.
        let nest = |open: &str, close: &str, n: usize| format!("{}true{}", open.repeat(n), close.repeat(n));
        for (open, close) in [("(", ")"), ("[", "]"), ("{\"a\": ", "}"), ("!", ""), ("-", ""), ("!(", ")")] {
            let each = open.chars().filter(|c| "([{!-".contains(*c)).count();
            let most = (MAX_NESTING - 1) / each;
            assert_eq!(excess(&nest(open, close, most)), None, "{open}");
            assert!(matches!(excess(&nest(open, close, most + 1)), Some(Excess::Nesting(_))), "{open}");
        }
        for (head, link) in
            [("context", ".a"), ("context", "[\"a\"]"), ("a", "(1)"), ("if a then b else ", "if a then b else ")]
        {
            assert_eq!(excess(&format!("{head}{}", link.repeat(40))), None, "{link}");
            assert!(matches!(excess(&format!("{head}{}", link.repeat(60))), Some(Excess::Nesting(_))), "{link}");
        }
    }

    #[test]
    fn what_stands_side_by_side_is_no_nesting() {
        for flat in ["!a && ", "(a) && ", "context.a.b.c.d == 1 && ", "a.b(c.d) && ", "-1 < a && "] {
            assert_eq!(excess(&format!("{}true", flat.repeat(MAX_TERMS - 1))), None, "{flat}");
        }
        assert_eq!(excess(&format!("[{}].contains(context.key)", "\"a.b\", ".repeat(5_000))), None);
        assert_eq!(excess("context.note.text like \"((((((((((((((((((((((((((((((((((((((((((((((((((((((((\""), None);
        assert_eq!(excess(&format!("true // {}\n", "(".repeat(500))), None);
    }

    #[test]
    fn terms_are_bounded_over_all_clauses() {
        for operator in ["&&", "||", "+", "-", "*"] {
            let chain = |n: usize| vec!["1"; n].join(operator);
            assert_eq!(excess(&chain(MAX_TERMS)), None, "{operator}");
            assert!(matches!(excess(&chain(MAX_TERMS + 1)), Some(Excess::Terms(_))), "{operator}");
        }
        let clauses = |n: usize| format!("true }} {} when {{ true", "unless { false }".repeat(n - 2));
        assert_eq!(excess(&clauses(MAX_TERMS)), None);
        assert!(matches!(excess(&clauses(MAX_TERMS + 1)), Some(Excess::Terms(_))));
    }

    proptest! {
        /// Cutting never hides or invents anything: the policies found one by one are those that Cedar finds in the whole.
        #[test]
        fn cutting_agrees_with_cedar(parts in prop::collection::vec(prop::sample::select(vec![
            "permit (principal, action, resource);", "forbid (principal, action, resource) when { 1 < 2 };",
            "@id(\"a;b\")", "@shadow ", "\"", "\\", "\\\"", "// c\n", "// c;\r", "//", "\r", "\n", "\u{2003}", ";", "(", "}", "é",
            "permit (principal, action, resource) when { context.a like \"*;//\\\"\" };",
        ]), 0..8)) {
            let text = parts.concat();
            let whole = text.parse::<PolicySet>().ok().map(|set| set.policies().map(ToString::to_string).collect::<Vec<_>>());
            let alone = tokens(&text).ok().and_then(|tokens| {
                pieces(&text, &tokens)
                    .iter()
                    .map(|piece| cedar_policy::Policy::parse(None, piece.text()).ok().map(|policy| policy.to_string()))
                    .collect::<Option<Vec<_>>>()
            });
            let sorted = |list: Option<Vec<String>>| list.map(|mut list| { list.sort(); list });
            prop_assert_eq!(sorted(whole), sorted(alone));
        }
    }
}
