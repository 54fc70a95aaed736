//! Where a policy that loaded, and what it says, stands in its file: Cedar's tree does not tell, its tokens do.

use super::code::Code;
use super::problem::{Problem, Source};
use super::rule::Rule;
use super::text::{self, Piece, Token};
use std::{collections::HashMap, ops::Range, sync::Arc};

/// Policy files, cut into their policies.
#[derive(Debug)]
pub struct Texts {
    files: Vec<File>,
    /// By file, line and column of the first token: the file, and which of its policies.
    starts: HashMap<(Arc<str>, usize, usize), (usize, usize)>,
}

#[derive(Debug)]
struct File {
    source: Source,
    tokens: Vec<Token>,
    /// The tokens of each policy.
    policies: Vec<Range<usize>>,
}

/// A policy where it was written.
#[derive(Debug)]
pub struct Located<'t> {
    source: &'t Source,
    piece: Piece<'t>,
    id: Arc<str>,
}

impl Texts {
    /// Cuts the texts that policies were loaded from. Text that cannot be cut has no policies here.
    pub fn new<'t>(texts: impl IntoIterator<Item = &'t super::PolicyText>) -> Self {
        let mut files = Vec::new();
        let mut starts = HashMap::new();
        for text in texts {
            let source = Source::new(&text.name, &text.text);
            let tokens = text::tokens(&source.text).unwrap_or_default();
            let mut policies = Vec::new();
            let mut first = 0;
            for piece in text::pieces(&source.text, &tokens) {
                let (line, column) = source.position(piece.span().start);
                starts.insert((Arc::clone(&source.name), line, column), (files.len(), policies.len()));
                policies.push(first..first + piece.tokens.len());
                first += piece.tokens.len();
            }
            files.push(File { source, tokens, policies });
        }
        Self { files, starts }
    }

    /// Where a policy stands, if it was loaded from these texts.
    pub fn locate(&self, rule: &Rule) -> Option<Located<'_>> {
        let origin = &rule.origin;
        let (file, policy) = *self.starts.get(&(Arc::clone(&origin.file), origin.line, origin.column))?;
        let File { source, tokens, policies } = self.files.get(file)?;
        let tokens = tokens.get(policies.get(policy)?.clone())?;
        Some(Located { source, piece: Piece::new(&source.text, tokens), id: Arc::clone(&rule.id) })
    }
}

impl<'t> Located<'t> {
    /// Where `permit` or `forbid` stands: what is marked when it is the policy as a whole.
    pub fn effect(&self) -> Range<usize> {
        self.piece.effect()
    }

    /// The policy in its file, from its first annotation to its `;`.
    pub fn span(&self) -> Range<usize> {
        self.piece.span()
    }

    /// The policy as it was written.
    pub fn text(&self) -> &'t str {
        self.piece.text()
    }

    /// The whole file.
    pub fn file(&self) -> (&'t str, &'t str) {
        (&self.source.name, &self.source.text)
    }

    /// Where an annotation stands, from its `@`.
    pub fn annotation(&self, name: &str) -> Option<Range<usize>> {
        let (found, value) = self.piece.annotations().into_iter().find(|(found, _)| self.piece.word(found) == name)?;
        let end = value.map_or(found.span.end, |value| value.span.end + 1);
        Some(found.span.start.saturating_sub(1)..end)
    }

    /// Where these tokens stand one after the other for the first time; parentheses between them do not count.
    pub fn find(&self, words: &[impl AsRef<str>]) -> Option<Range<usize>> {
        let is_parenthesis = |word: &str| matches!(word, "(" | ")");
        let tokens: Vec<&Token> =
            self.piece.tokens.iter().filter(|token| !is_parenthesis(self.piece.word(token))).collect();
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).filter(|word| !is_parenthesis(word)).collect();
        if words.is_empty() {
            return None;
        }
        let found = tokens
            .windows(words.len())
            .find(|window| window.iter().zip(&words).all(|(token, word)| self.piece.word(token) == *word))?;
        let start = found.first()?.span.start;
        let last = found.last()?;
        // A call ends with its parenthesis.
        let after = self.piece.tokens.iter().filter(|token| token.span.start >= last.span.end);
        let between = &self.source.text[start..last.span.end];
        let open = between.matches('(').count().saturating_sub(between.matches(')').count());
        let closing = after.take_while(|token| self.piece.word(token) == ")").take(open).last();
        Some(start..closing.map_or(last.span.end, |token| token.span.end))
    }

    /// Line and column, both counted from 1, of a place in the file.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        self.source.position(offset)
    }

    /// A problem of this policy.
    pub fn problem(
        &self,
        code: &'static Code,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Problem {
        let mut problem = self.source.problem(code, span, message).help(help);
        problem.policy = Some(Arc::clone(&self.id));
        problem
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PolicyText, code::VALIDATION, load};
    use super::*;

    const TEXT: &str = "// é\n@id(\"a\") @shadow\npermit (principal, action, resource)\nwhen { (1 < 2) && [\"x\"].contains(resource.id) };\n\
                        @id(\"b\")\nforbid (principal, action, resource);\n";

    #[test]
    fn what_a_policy_says_is_found_where_it_says_it() {
        let text = PolicyText { name: "a.cedar".into(), text: TEXT.into() };
        let rules = load(std::slice::from_ref(&text)).unwrap().rules().to_vec();
        let texts = Texts::new([&text]);
        let [a, b] = [0, 1].map(|i| texts.locate(&rules[i]).unwrap());
        let shown = |range: Option<Range<usize>>| range.map(|range| &TEXT[range]);
        assert_eq!(shown(a.annotation("shadow")), Some("@shadow"));
        assert_eq!(shown(a.annotation("id")), Some("@id(\"a\")"));
        assert_eq!(shown(a.find(&["1", "<", "2", "&&"])), Some("1 < 2) &&"));
        assert_eq!(
            shown(a.find(&["[", "\"x\"", "]", ".", "contains", "(", "resource", ".", "id", ")"])),
            Some("[\"x\"].contains(resource.id)")
        );
        assert_eq!(a.find(&["forbid"]), None);
        assert_eq!(shown(Some(b.effect())), Some("forbid"));
        assert!(b.text().starts_with("@id(\"b\")") && b.text().ends_with(';'));
        let problem = b.problem(&VALIDATION, b.effect(), "m", "h");
        let place = problem.place.as_ref().unwrap();
        assert_eq!((place.line, place.column, problem.end()), (6, 1, Some((6, 7))));
    }
}
