//! What a statement's `Condition` asks of the requests of one operation.
//!
//! A request has a key or not, and its operators say of both what holds. So a condition is taken apart by questions: for each
//! question of the gate, whether it may be missing, and what must hold of its values where it is not.

use super::{
    Options, Refusal,
    expression::{self, Clause, Matcher, Values},
    keys::{self, Domain, Key, Leaf},
    operator::{Kind, Operator, Order, Quantifier},
    parse::{Statement, Test},
    pattern::{Case, Pattern},
};
use crate::finding::{Action, Operation, Timestamp, timestamp};

/// What must hold of a request: all of it.
#[derive(Debug, Default)]
pub(super) struct Condition {
    /// Of the caller and the time, in Cedar.
    pub(super) always: Vec<String>,
    /// Of what is asked.
    pub(super) units: Vec<Unit>,
}

/// What must hold of one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) question: Action,
    /// Whether it holds where it is not asked.
    pub(super) absent: bool,
    /// What holds of its values where it is: all of it; nothing if it does not hold.
    pub(super) present: Option<Vec<Atom>>,
}

/// What must hold of the values of a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Atom {
    pub(super) leaf: Leaf,
    pub(super) quantifier: Quantifier,
    pub(super) values: Values,
}

/// What a test says.
enum Says {
    Always(bool),
    /// In Cedar, of the caller and the time.
    Cedar(String),
    /// Of a leaf: what of it where it is missing, and where it is there.
    Of(Leaf, bool, Option<Atom>),
}

type Why = (String, Option<String>);

fn why<T>(reason: impl Into<String>) -> Result<T, Why> {
    Err((reason.into(), None))
}

impl Condition {
    /// What `statement` asks of the requests of `operation`; nothing if it holds of none.
    pub(super) fn of(
        statement: &Statement,
        operation: Operation,
        options: &Options,
    ) -> Result<Option<Self>, Box<Refusal>> {
        let mut condition = Self::default();
        for test in &statement.tests {
            let says = says(statement, test, operation, options)
                .map_err(|(reason, help)| Refusal::new(statement, &test.path, reason, help))?;
            match says {
                Says::Always(true) => {}
                Says::Always(false) => return Ok(None),
                Says::Cedar(expression) => condition.always.push(expression),
                Says::Of(leaf, absent, present) => condition.unit(leaf).and(absent, present),
            }
        }
        condition.units.retain(|unit| !(unit.absent && unit.present.as_ref().is_some_and(Vec::is_empty)));
        let never = |unit: &Unit| !unit.absent && unit.present.is_none();
        Ok(Some(condition).filter(|condition| !condition.units.iter().any(never)))
    }

    fn unit(&mut self, leaf: Leaf) -> &mut Unit {
        let question = leaf.question();
        let at = self.units.iter().position(|unit| unit.question == question).unwrap_or_else(|| {
            self.units.push(Unit { question, absent: true, present: Some(Vec::new()) });
            self.units.len() - 1
        });
        &mut self.units[at]
    }
}

impl Unit {
    fn and(&mut self, absent: bool, present: Option<Atom>) {
        self.absent &= absent;
        let (Some(atoms), Some(atom)) = (&mut self.present, present) else {
            self.present = None;
            return;
        };
        match &atom.values {
            Values::Places(places) => {
                let known = atoms.iter_mut().find(|known| known.leaf == atom.leaf);
                if let Some(Atom { values: Values::Places(both), .. }) = known {
                    both.retain(|place| places.contains(place));
                } else {
                    atoms.push(atom);
                }
            }
            Values::Texts(clauses) => {
                let constants = clauses.iter().map(Clause::constant).collect::<Vec<_>>();
                if constants.contains(&Some(false)) {
                    // There is at least one value, and this holds of none.
                    self.present = None;
                    return;
                }
                if constants.contains(&None) {
                    atoms.push(atom);
                }
            }
        }
        let size = |leaf: Leaf| if let Domain::Closed(words) = leaf.domain() { words.len() } else { 0 };
        let is_nothing = |atom: &Atom| matches!(&atom.values, Values::Places(places) if places.is_empty());
        let is_all = |atom: &Atom| matches!(&atom.values, Values::Places(places) if places.len() == size(atom.leaf));
        if atoms.iter().any(is_nothing) {
            self.present = None;
        } else {
            atoms.retain(|atom| !is_all(atom));
        }
    }
}

fn says(statement: &Statement, test: &Test, operation: Operation, options: &Options) -> Result<Says, Why> {
    let key = Key::parse(&test.key).map_err(|unknown| (unknown.reason, unknown.help))?;
    let null = if test.operator.kind == Kind::Null { Some(null(test)?) } else { None };
    let missing = |null: Option<(bool, bool)>| null.map_or(test.operator.on_missing_key(), |(absent, _)| absent);
    match key {
        Key::Leaf(leaf) if leaf.operation() == operation => {
            let Some((absent, present)) = null else {
                let atom = atom(statement, test, leaf)?;
                return Ok(Says::Of(leaf, test.operator.on_missing_key(), Some(atom)));
            };
            let anything = Atom { leaf, quantifier: Quantifier::One, values: Values::Texts(Vec::new()) };
            Ok(Says::Of(leaf, absent, present.then_some(anything)))
        }
        Key::TargetAccount if operation == Operation::BatchImportFindings => {
            null.map_or_else(|| account(statement, test, true), |(_, present)| Ok(Says::Always(present)))
        }
        Key::Leaf(_) | Key::Object(_) | Key::TargetAccount => Ok(Says::Always(missing(null))),
        _ if null.is_some() => Ok(Says::Always(null.is_some_and(|(_, present)| present))),
        Key::CurrentTime => time(test),
        Key::PrincipalAccount => account(statement, test, false),
        Key::PrincipalArn => principal_arn(statement, test),
        Key::RequestedRegion => region(statement, test, options),
    }
}

/// What `Null` says of a missing key, and of one that is there.
fn null(test: &Test) -> Result<(bool, bool), Why> {
    let (mut absent, mut present) = (false, false);
    for value in &test.values {
        match value.to_ascii_lowercase().as_str() {
            "true" => absent = true,
            "false" => present = true,
            other => return why(format!("`Null` with {other:?}, which is neither true nor false")),
        }
    }
    Ok((absent, present))
}

/// The values as patterns: with wildcards if the operator has them.
fn patterns(statement: &Statement, test: &Test) -> Vec<Pattern> {
    let wild = matches!(test.operator.kind, Kind::Like | Kind::Arn);
    let read = if wild { Pattern::parse } else { Pattern::literal };
    test.values.iter().map(|value| read(value, statement.syntax)).collect()
}

fn no_variable(pattern: &Pattern) -> Result<(), Why> {
    match pattern.variable() {
        None => Ok(()),
        Some(name) => Err((
            format!(
                "the policy variable `${{{name}}}` in {:?}, which no attribute of the gate's is",
                pattern.written()
            ),
            Some("`${aws:PrincipalArn}` can be carried over, as a whole value of a text".to_owned()),
        )),
    }
}

fn atom(statement: &Statement, test: &Test, leaf: Leaf) -> Result<Atom, Why> {
    let Operator { quantifier, kind, negated, .. } = test.operator;
    match kind {
        Kind::Equals | Kind::EqualsIgnoreCase | Kind::Like => {}
        _ => {
            return Err((
                format!("`{}` on a key whose type is String", test.written),
                Some("use a string operator, such as StringEquals with a list of the values".to_owned()),
            ));
        }
    }
    if leaf.is_many() && quantifier == Quantifier::One {
        return Err((
            format!(
                "`{}` on `{}`, of which a request may have several values: what IAM makes of that is not documented",
                test.written,
                leaf.path()
            ),
            Some(format!("say which: `ForAnyValue:{0}` or `ForAllValues:{0}`", test.written)),
        ));
    }
    let patterns = patterns(statement, test);
    let values = match leaf.domain() {
        Domain::Closed(words) => {
            patterns.iter().try_for_each(no_variable)?;
            let case = if kind == Kind::EqualsIgnoreCase { Case::Insensitive } else { Case::Sensitive };
            let accepts = |word: &String| patterns.iter().any(|pattern| pattern.matches(word, case)) != negated;
            Values::Places((0..words.len()).filter(|place| accepts(&words[*place])).collect())
        }
        Domain::Open => Values::Texts(vec![clause(test, &patterns)?]),
        Domain::Opaque => {
            return Err((
                format!(
                    "`{}` on `{}`: how IAM writes its value as a text is not documented",
                    test.written,
                    leaf.path()
                ),
                Some("whether it is there can be carried over: `Null`".to_owned()),
            ));
        }
    };
    // Of one value, any and all are the same.
    let quantifier = if leaf.is_many() { quantifier } else { Quantifier::One };
    Ok(Atom { leaf, quantifier, values })
}

/// A test of a text that can be any.
fn clause(test: &Test, patterns: &[Pattern]) -> Result<Clause, Why> {
    const MOST: usize = 60;
    let Operator { kind, negated, .. } = test.operator;
    if kind == Kind::EqualsIgnoreCase {
        return why(format!("`{}`: Cedar does not compare texts without regard to capitals", test.written));
    }
    let matcher = |pattern: &Pattern| {
        if pattern.only_variable().is_some_and(|name| name.eq_ignore_ascii_case("aws:PrincipalArn")) {
            return Ok(Matcher::PrincipalArn);
        }
        no_variable(pattern)?;
        if pattern.has_single_wildcard() {
            return why(format!(
                "the wildcard `?` in {:?}: Cedar's `like` has none for one character",
                pattern.written()
            ));
        }
        Ok(pattern.as_literal().map_or_else(|| Matcher::Like(pattern.clone()), Matcher::Is))
    };
    let any = patterns.iter().map(matcher).collect::<Result<Vec<_>, Why>>()?;
    if any.iter().filter(|matcher| matches!(matcher, Matcher::Like(_))).count() > MOST {
        return why(format!("more than {MOST} patterns in one list, which makes too long a policy"));
    }
    Ok(Clause { negated, any })
}

fn principal_arn(statement: &Statement, test: &Test) -> Result<Says, Why> {
    let patterns = patterns(statement, test);
    match test.operator.kind {
        Kind::Equals | Kind::EqualsIgnoreCase | Kind::Like => {}
        // An ARN of a principal has five colons. A pattern with as many matches part by part what it matches as a whole.
        Kind::Arn if patterns.iter().all(|pattern| pattern.written().matches(':').count() == 5) => {}
        Kind::Arn => return why("a pattern that does not have the six parts of an ARN"),
        _ => return why(format!("`{}` on `aws:PrincipalArn`, which is a text", test.written)),
    }
    patterns.iter().try_for_each(no_variable)?;
    let clause = clause(test, &patterns)?;
    Ok(match clause.constant() {
        Some(holds) => Says::Always(holds),
        None => Says::Cedar(expression::and(&expression::texts(&[clause], "principal.arn"))),
    })
}

/// A test of the caller's account. With `imported`, of the account of an imported finding: the gate refuses those of others.
fn account(statement: &Statement, test: &Test, imported: bool) -> Result<Says, Why> {
    let Operator { kind, negated, .. } = test.operator;
    if !matches!(kind, Kind::Equals | Kind::EqualsIgnoreCase | Kind::Like) {
        return why(format!("`{}` on the id of an account, which is a text", test.written));
    }
    let mut accounts = Vec::new();
    for pattern in &patterns(statement, test) {
        let own = pattern.only_variable().is_some_and(|name| name.eq_ignore_ascii_case("aws:PrincipalAccount"));
        if pattern.is_everything() || imported && own {
            return Ok(Says::Always(!negated));
        }
        no_variable(pattern)?;
        let Some(literal) = pattern.as_literal() else {
            return why(format!(
                "the pattern {:?} for ids of accounts, which are entities to Cedar",
                pattern.written()
            ));
        };
        // What is no account's id is no account's.
        accounts.extend(keys::account(&literal).map(|account| format!("Account::\"{account}\"")));
    }
    Ok(match (&*accounts, negated) {
        ([], negated) => Says::Always(negated),
        ([one], false) => Says::Cedar(format!("principal.account == {one}")),
        ([one], true) => Says::Cedar(format!("principal.account != {one}")),
        (several, false) => Says::Cedar(format!("[{}].contains(principal.account)", several.join(", "))),
        (several, true) => Says::Cedar(format!("!([{}].contains(principal.account))", several.join(", "))),
    })
}

fn time(test: &Test) -> Result<Says, Why> {
    let Kind::Date(order) = test.operator.kind else {
        return why(format!("`{}` on `aws:CurrentTime`, which is a time", test.written));
    };
    let symbol = match order {
        Order::Equals => "==",
        Order::Less => "<",
        Order::LessOrEqual => "<=",
        Order::Greater => ">",
        Order::GreaterOrEqual => ">=",
    };
    let read = |value: &String| {
        let midnight = format!("{value}T00:00:00Z");
        let instant = timestamp::parse(value).or_else(|| timestamp::parse(&midnight)).filter(is_whole_second);
        let problem = format!("{value:?} is no time in whole seconds such as \"2026-01-31T12:00:00Z\"");
        instant.map(|instant| format!("context.now {symbol} datetime(\"{instant}\")")).ok_or((problem, None))
    };
    let any = expression::or(test.values.iter().map(read).collect::<Result<_, Why>>()?);
    Ok(Says::Cedar(if test.operator.negated { expression::not(&any) } else { any }))
}

fn is_whole_second(instant: &Timestamp) -> bool {
    instant.subsec_nanosecond() == 0
}

fn region(statement: &Statement, test: &Test, options: &Options) -> Result<Says, Why> {
    let Some(hub) = &options.hub else {
        return Err((
            "`aws:RequestedRegion`: it is not said of which Region the hub behind the gate is".to_owned(),
            Some("say so: `--hub arn:aws:securityhub:eu-west-1:111122223333:hub/default`".to_owned()),
        ));
    };
    let Operator { kind, negated, .. } = test.operator;
    let case = match kind {
        Kind::Equals | Kind::Like => Case::Sensitive,
        Kind::EqualsIgnoreCase => Case::Insensitive,
        _ => return why(format!("`{}` on `aws:RequestedRegion`, which is a text", test.written)),
    };
    let patterns = patterns(statement, test);
    patterns.iter().try_for_each(no_variable)?;
    Ok(Says::Always(patterns.iter().any(|pattern| pattern.matches(hub.region(), case)) != negated))
}
