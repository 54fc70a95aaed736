//! From policy texts to checked policies, or to every problem that they have.

use super::problem::{LoadError, Problem, Source};
use super::property::{self, Property};
use super::rule::{Annotations, Origin, Rule, annotations, is_bidi_control};
use super::schema::schema;
use super::text::{self, Excess, Kind as TokenKind, MAX_NESTING, MAX_TERMS, Piece};
use super::{code, diagnose, lint};
use cedar_policy::{Policy, PolicyId, PolicySet, ValidationMode, Validator};
use std::collections::{HashMap, hash_map::Entry};
use std::{
    ops::Range,
    sync::{Arc, LazyLock},
    thread,
};

/// The longest policy file, in bytes.
pub const MAX_FILE: usize = 1 << 20;

/// The most policies in one set.
pub const MAX_POLICIES: usize = 10_000;

/// Cedar's parser and validator recurse. This is far more than a policy within [`MAX_NESTING`] and [`MAX_TERMS`] needs, and
/// only what is touched is ever allocated.
const STACK: usize = 64 << 20;

/// How far a policy may follow attributes from one entity to the next: to the caller's and the finding's own data, and to the
/// maps that belong to it, which is all that a question carries.
const DEREFERENCES: u32 = 2;

/// A policy file that somebody has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyText {
    /// What the user calls it: the path as it was written.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// Policies that parsed, passed strict validation without a warning, and have unique names.
#[derive(Debug, Clone)]
pub struct Policies {
    rules: Vec<Rule>,
}

impl Policies {
    /// The policies, sorted by `@id`.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The policy of that `@id`.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        let at = self.rules.binary_search_by(|rule| rule.id.as_ref().cmp(id)).ok()?;
        self.rules.get(at)
    }
}

/// Checks policy texts and makes one set of them.
///
/// # Errors
///
/// Every problem in every text, each with its place. Nothing is loaded unless everything is right: a policy that was left
/// out would be a forbid that does not forbid.
pub fn load(texts: &[PolicyText]) -> Result<Policies, LoadError> {
    on_a_large_stack(|| load_here(texts).map_err(LoadError::new))
}

/// Checks texts with properties, which are checked as policies are. They stay in their order; no text at all has none.
///
/// # Errors
///
/// Every problem in every text, each with its place.
pub fn load_properties(texts: &[PolicyText]) -> Result<Vec<Property>, LoadError> {
    on_a_large_stack(|| load_properties_here(texts).map_err(LoadError::new))
}

/// Does what recurses with Cedar's trees on a stack that is large enough for it.
pub(super) fn on_a_large_stack<T: Send>(what: impl FnOnce() -> Result<T, LoadError> + Send) -> Result<T, LoadError> {
    let on_thread = thread::scope(|scope| {
        let builder = thread::Builder::new().name("policy-load".into()).stack_size(STACK);
        let thread = builder.spawn_scoped(scope, what);
        thread.map(thread::ScopedJoinHandle::join)
    });
    match on_thread {
        Ok(Ok(done)) => done,
        Ok(Err(_panic)) => Err(LoadError::new(vec![Problem::general(
            &code::FAULT,
            "the policies made the parser fail",
            "this is a fault of the program: please report it, with the policies that cause it",
        )])),
        Err(error) => Err(LoadError::new(vec![Problem::general(
            &code::FAULT,
            format!("no thread to parse the policies on: {error}"),
            "free some memory or raise the limit on threads, and load again",
        )])),
    }
}

/// Whether a policy passes strict validation without a warning, as all that are loaded do.
pub fn is_valid(policy: &Policy) -> bool {
    static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| Validator::new(schema().clone()));
    PolicySet::from_policies([policy.clone()]).is_ok_and(|set| {
        VALIDATOR.validate_with_level(&set, ValidationMode::Strict, DEREFERENCES).validation_passed_without_warnings()
    })
}

fn load_here(texts: &[PolicyText]) -> Result<Policies, Vec<Problem>> {
    let mut loader = Loader::new(Kind::Policies);
    for text in texts {
        loader.file(&Source::new(&text.name, &text.text));
    }
    let Loader { mut rules, met, mut problems, .. } = loader;
    if met == 0 && problems.is_empty() {
        let message = if texts.is_empty() { "there is no policy file" } else { "no file has a policy in it" };
        problems.push(Problem::general(
            &code::NO_POLICY,
            message,
            "without a policy every change would be denied: write one, or start from the pack `baseline`",
        ));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    rules.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Policies { rules })
}

fn load_properties_here(texts: &[PolicyText]) -> Result<Vec<Property>, Vec<Problem>> {
    let mut loader = Loader::new(Kind::Properties);
    for text in texts {
        loader.file(&Source::new(&text.name, &text.text));
    }
    let Loader { properties, met, mut problems, .. } = loader;
    if met == 0 && problems.is_empty() && !texts.is_empty() {
        let help = "a property is a permit with an `@id`: the questions of which none may be allowed";
        problems.push(Problem::general(&code::NO_POLICY, "no file has a property in it", help));
    }
    if problems.is_empty() { Ok(properties) } else { Err(problems) }
}

/// What a text is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Policies,
    Properties,
}

struct Loader {
    kind: Kind,
    validator: Validator,
    rules: Vec<Rule>,
    properties: Vec<Property>,
    /// How many policies were met, right or wrong.
    met: usize,
    /// Where each `@id` was first used.
    ids: HashMap<Arc<str>, String>,
    problems: Vec<Problem>,
}

impl Loader {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            validator: Validator::new(schema().clone()),
            rules: Vec::new(),
            properties: Vec::new(),
            met: 0,
            ids: HashMap::new(),
            problems: Vec::new(),
        }
    }

    fn file(&mut self, source: &Source) {
        let before = self.problems.len();
        self.check_file(source);
        self.problems[before..].sort_by_key(Problem::position);
    }

    fn check_file(&mut self, source: &Source) {
        if source.text.len() > MAX_FILE {
            let message = format!("the file has {} bytes; at most {MAX_FILE} are read", source.text.len());
            self.problems.push(source.problem(&code::TOO_LARGE, 0..0, message).help("split it into several files"));
            return;
        }
        let hidden = source.text.char_indices().filter(|(_, c)| is_bidi_control(*c));
        self.problems.extend(hidden.take(1).map(|(at, c)| {
            let message = format!("the character `{}` changes how the text around it is shown", c.escape_unicode());
            source
                .problem(&code::HIDDEN_CHARACTER, at..at + c.len_utf8(), message)
                .help("remove it: a policy must read as what it says")
        }));
        let tokens = match text::tokens(&source.text) {
            Ok(tokens) => tokens,
            Err(text::Unterminated { at }) => {
                let problem = source.problem(&code::SYNTAX, at..at + 1, "a string that starts here never ends");
                self.problems.push(problem.help("close it with `\"`; inside a string, write `\\\"`"));
                return;
            }
        };
        let pieces = text::pieces(&source.text, &tokens);
        let room = MAX_POLICIES.saturating_sub(self.met);
        self.met += pieces.len();
        for piece in pieces.iter().take(room) {
            self.policy(source, piece);
        }
        if let Some(first_beyond) = pieces.get(room) {
            let message = format!("this is policy {} of the set; at most {MAX_POLICIES} are read", MAX_POLICIES + 1);
            let problem = source.problem(&code::TOO_LARGE, first_beyond.span(), message);
            self.problems.push(problem.help("one policy can speak of many accounts: put them in a `Group`"));
        }
    }

    fn policy(&mut self, source: &Source, piece: &Piece<'_>) {
        if let Some(problem) = unreadable(source, piece) {
            self.problems.push(problem);
            return;
        }
        let policy = match Policy::parse(None, piece.text()) {
            Ok(policy) => policy,
            Err(errors) => {
                self.problems.extend(diagnose::syntax(source, piece, &errors));
                return;
            }
        };
        let before = self.problems.len();
        let read = match self.kind {
            Kind::Policies => annotations,
            Kind::Properties => property::annotations,
        };
        let Annotations { id, enforcement, advice, shadow, expect, doc } =
            read(source, piece, &policy, &mut self.problems);
        // Cedar's messages and the policies in memory call it by its `@id`.
        let name = id.as_ref().map_or("without an @id", |(id, _)| id);
        let policy = policy.new_id(PolicyId::new(name));
        let linted = lint::check(source, piece, &policy);
        self.problems.extend(self.validate(source, piece, &policy, !linted.is_empty()));
        self.problems.extend(linted);
        let Some((id, id_at)) = id else { return };
        let repeated = self.repeated(source, &id, id_at);
        self.problems.extend(repeated);
        for problem in &mut self.problems[before..] {
            problem.policy = Some(Arc::clone(&id));
        }
        let offset = piece.span().start;
        let (line, column) = source.position(offset);
        let origin = Origin { file: Arc::clone(&source.name), line, column, offset, text: piece.text().into() };
        let effect = policy.effect();
        match self.kind {
            Kind::Policies => self.rules.push(Rule { id, effect, enforcement, advice, shadow, policy, origin }),
            Kind::Properties => self.properties.push(Property { id, expect, doc, policy, origin }),
        }
    }

    /// Notes where an `@id` stands, or tells that it stands elsewhere already.
    fn repeated(&mut self, source: &Source, id: &Arc<str>, at: Range<usize>) -> Option<Problem> {
        let (line, column) = source.position(at.start);
        match self.ids.entry(Arc::clone(id)) {
            Entry::Vacant(entry) => {
                entry.insert(format!("{}:{line}:{column}", source.name));
                None
            }
            Entry::Occupied(entry) => Some(
                source
                    .problem(
                        &code::REPEATED_ID,
                        at,
                        format!("the `@id` `{id}` is used twice: here and at {}", entry.get()),
                    )
                    .help("give each policy its own name, over all files"),
            ),
        }
    }

    fn validate(&self, source: &Source, piece: &Piece<'_>, policy: &Policy, explained: bool) -> Vec<Problem> {
        match PolicySet::from_policies([policy.clone()]) {
            Ok(set) => {
                let result = self.validator.validate_with_level(&set, ValidationMode::Strict, DEREFERENCES);
                diagnose::validation(source, piece, policy, &result, explained)
            }
            Err(error) => vec![source.problem(&code::VALIDATION, piece.span(), error.to_string())],
        }
    }
}

/// Why a policy must not, or need not, be given to the parser.
pub(super) fn unreadable(source: &Source, piece: &Piece<'_>) -> Option<Problem> {
    match piece.excess() {
        Some(Excess::Nesting(at)) => {
            let problem =
                source.problem(&code::TOO_LARGE, at, format!("this policy is nested more than {MAX_NESTING} deep"));
            return Some(problem.help("deeper ones could fail when they are asked, and a forbid that fails does not forbid: write several policies"));
        }
        Some(Excess::Terms(at)) => {
            let problem = source.problem(
                &code::TOO_LARGE,
                at,
                format!("this policy has more than {MAX_TERMS} terms in its conditions"),
            );
            return Some(problem.help(
                "longer ones could fail when they are asked, and a forbid that fails does not forbid: write several \
                 policies (together they are an \"or\"), or a set: `[…].contains(context.value)`",
            ));
        }
        None => {}
    }
    let slot = piece.tokens.iter().find(|token| token.kind == TokenKind::Slot)?;
    let message = format!("a template: `{}` would have to be filled in", piece.word(slot));
    let help = "templates are not linked here: write the entity itself, or put the accounts in a `Group` and use `in`";
    Some(source.problem(&code::TEMPLATE, slot.span.clone(), message).help(help))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod traps;
