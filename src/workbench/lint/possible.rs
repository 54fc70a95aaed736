//! Whether facts can hold together: intervals, equalities, closed vocabularies and patterns, over what the question fixes.
//!
//! It never says that something is impossible which is possible; what it does not understand it takes to be possible.

use super::facts::{Case, Claim, Constant, Fact, Term};
use super::glob::Glob;
use super::question::{Kind, VOCABULARIES};
use std::collections::{BTreeMap, BTreeSet};

/// What is taken to be known besides the facts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limits {
    /// The ranges that the API gives some numbers.
    OfTheApi,
    /// Nothing.
    None,
}

/// Whether the facts can hold together in a question of this kind.
pub(super) fn possible(case: &[Fact], kind: &Kind, limits: Limits) -> bool {
    let contradicted = case
        .iter()
        .enumerate()
        .any(|(i, fact)| case[..i].iter().any(|other| other.holds != fact.holds && other.claim == fact.claim));
    if contradicted {
        return false;
    }
    let mut world = World { kind, values: BTreeMap::new(), numbers: Numbers::default(), inside: BTreeMap::new() };
    case.iter().all(|fact| world.admits(fact)) && world.is_possible(limits)
}

/// Whether the facts leave no way for this one not to hold.
pub(super) fn entails(case: &Case, fact: &Fact, kind: &Kind) -> bool {
    if case.iter().any(|known| known.is(fact)) {
        return true;
    }
    let mut against = case.clone();
    against.push(fact.opposite());
    !possible(&against, kind, Limits::OfTheApi)
}

/// The fewest of the facts that cannot hold together.
pub(super) fn core(case: &[Fact], kind: &Kind, limits: Limits) -> Case {
    let mut core = case.to_vec();
    let mut at = 0;
    while at < core.len() {
        let without: Case = core.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, fact)| fact.clone()).collect();
        if possible(&without, kind, limits) {
            at += 1;
        } else {
            core = without;
        }
    }
    core
}

struct World<'k> {
    kind: &'k Kind,
    values: BTreeMap<String, Values>,
    numbers: Numbers,
    /// The account that a variable is in.
    inside: BTreeMap<String, String>,
}

/// What a term can be.
#[derive(Default)]
struct Values {
    /// One of these; anything when it is nothing.
    among: Option<BTreeSet<Constant>>,
    /// None of these.
    excluded: BTreeSet<Constant>,
    like: Vec<Glob>,
    unlike: Vec<Glob>,
}

impl World<'_> {
    /// Takes a fact in; false if it cannot hold whatever the others are.
    fn admits(&mut self, Fact { claim, holds, .. }: &Fact) -> bool {
        let holds = *holds;
        match claim {
            Claim::True => return holds,
            Claim::OfType(name, kind) => return self.kind.type_of(name).is_none_or(|known| (known == kind) == holds),
            Claim::Less(Term::Constant(one), Term::Constant(two)) => return (one < two) == holds,
            Claim::Same(Term::Constant(one), Term::Constant(two)) => return (one == two) == holds,
            Claim::Less(one, two) => {
                let Some((one, two)) = node(one).zip(node(two)) else { return true };
                if holds { self.numbers.less(one, two, 1) } else { self.numbers.less(two, one, 0) }
            }
            Claim::Same(one, two) if holds => {
                if let Some((one, two)) = node(one).zip(node(two)) {
                    self.numbers.less(one.clone(), two.clone(), 0);
                    self.numbers.less(two, one, 0);
                }
            }
            Claim::Same(..) | Claim::Other(_) => {}
            Claim::Among(name, constants) => return self.among(name, constants, holds),
            Claim::Like(name, glob) => {
                let values = self.values.entry(name.clone()).or_default();
                if holds { &mut values.like } else { &mut values.unlike }.push(glob.clone());
            }
            Claim::Within(name, target) => return self.within(name, target, holds),
        }
        true
    }

    fn among(&mut self, name: &str, constants: &BTreeSet<Constant>, holds: bool) -> bool {
        if name == "action" {
            let action = Constant::Entity("Action".to_owned(), self.kind.action.clone());
            return constants.contains(&action) == holds;
        }
        let values = self.values.entry(name.to_owned()).or_default();
        if !holds {
            values.excluded.extend(constants.iter().cloned());
            return true;
        }
        let numbers: Option<Vec<i64>> = constants
            .iter()
            .map(|constant| match constant {
                Constant::Number(number) => Some(*number),
                _ => None,
            })
            .collect();
        if let Some((least, most)) = numbers.and_then(|n| n.iter().min().copied().zip(n.iter().max().copied())) {
            self.numbers.between(name, least, most);
        }
        values.among = Some(match &values.among {
            Some(known) => known.intersection(constants).cloned().collect(),
            None => constants.clone(),
        });
        true
    }

    fn within(&mut self, name: &str, target: &Term, holds: bool) -> bool {
        let Term::Constant(Constant::Entity(kind, id)) = target else { return true };
        if name == "action" && kind == "Action" {
            return self.kind.is_within(id) == holds;
        }
        // A caller and a finding are in one account each.
        if holds && kind == "Account" && matches!(name, "principal" | "resource") {
            let first = self.inside.entry(name.to_owned()).or_insert_with(|| id.clone());
            return first == id;
        }
        true
    }

    fn is_possible(&mut self, limits: Limits) -> bool {
        if limits == Limits::OfTheApi {
            for name in self.numbers.names() {
                if let Some((least, most)) = self.kind.limits(&name) {
                    self.numbers.between(&name, least, most);
                }
            }
            for (name, values) in &self.values {
                if values.excluded.iter().any(|constant| matches!(constant, Constant::Number(_)))
                    && let Some((least, most)) = self.kind.limits(name)
                {
                    self.numbers.between(name, least, most);
                }
            }
        }
        let Some(ranges) = self.numbers.ranges() else { return false };
        self.values.iter().all(|(name, values)| values.are_possible(ranges.get(name).copied()))
    }
}

impl Values {
    fn are_possible(&self, range: Option<(i128, i128)>) -> bool {
        let vocabulary = self.among.iter().chain([&self.excluded]).flatten().find_map(|constant| match constant {
            Constant::Entity(kind, _) => VOCABULARIES.get(kind).map(|values| (kind, values)),
            _ => None,
        });
        let all = vocabulary
            .map(|(kind, values)| values.iter().map(|value| Constant::Entity(kind.clone(), value.clone())).collect());
        let fits = |constant: &Constant| match constant {
            _ if self.excluded.contains(constant) => false,
            Constant::Number(number) => range.is_none_or(|(least, most)| (least..=most).contains(&i128::from(*number))),
            Constant::Text(text) => {
                let text = Glob::exactly(text);
                self.like.iter().all(|glob| glob.includes(&text))
                    && !self.unlike.iter().any(|glob| glob.includes(&text))
            }
            Constant::Entity(..) => true,
        };
        if let Some(constants) = self.among.as_ref().or(all.as_ref()) {
            return constants.iter().any(fits);
        }
        if let Some((least, most)) = range {
            // A range that is short enough to be excluded number by number.
            let length = usize::try_from(most - least).unwrap_or(usize::MAX);
            let excluded =
                |number: i128| i64::try_from(number).is_ok_and(|n| self.excluded.contains(&Constant::Number(n)));
            if length < self.excluded.len() && (least..=most).all(excluded) {
                return false;
            }
        }
        let meet = self.like.iter().enumerate().all(|(i, one)| self.like[..i].iter().all(|two| one.meets(two)));
        let any = Glob::parse("*");
        let nothing_left =
            self.unlike.iter().any(|no| no.includes(&any) || self.like.iter().any(|yes| no.includes(yes)));
        meet && !nothing_left
    }
}

/// What a number is compared as: a term, or `0` that constants are counted from.
type Node = (Option<String>, i128);

fn node(term: &Term) -> Option<Node> {
    match term {
        Term::Open(name) => Some((Some(name.clone()), 0)),
        Term::Constant(Constant::Number(number)) => Some((None, i128::from(*number))),
        Term::Constant(_) => None,
    }
}

/// Differences of whole numbers: `one - two <= most`.
#[derive(Default)]
struct Numbers {
    most: BTreeMap<(Option<String>, Option<String>), i128>,
}

impl Numbers {
    /// `one + by <= two`
    fn less(&mut self, (one, first): Node, (two, second): Node, by: i128) {
        let most = second - first - by;
        let known = self.most.entry((one, two)).or_insert(most);
        *known = most.min(*known);
    }

    fn between(&mut self, name: &str, least: i64, most: i64) {
        let term = (Some(name.to_owned()), 0);
        self.less((None, i128::from(least)), term.clone(), 0);
        self.less(term, (None, i128::from(most)), 0);
    }

    fn names(&self) -> BTreeSet<String> {
        self.most.keys().flat_map(|(one, two)| [one, two]).flatten().cloned().collect()
    }

    /// The range of each term that has one; nothing if the numbers contradict each other.
    fn ranges(&self) -> Option<BTreeMap<String, (i128, i128)>> {
        let nodes: Vec<Option<String>> = std::iter::once(None).chain(self.names().into_iter().map(Some)).collect();
        let mut most: Vec<Vec<Option<i128>>> = nodes
            .iter()
            .map(|one| nodes.iter().map(|two| self.most.get(&(one.clone(), two.clone())).copied()).collect())
            .collect();
        for through in 0..nodes.len() {
            for one in 0..nodes.len() {
                for two in 0..nodes.len() {
                    let Some(sum) = most[one][through].zip(most[through][two]).map(|(a, b)| a + b) else { continue };
                    most[one][two] = Some(most[one][two].map_or(sum, |known| known.min(sum)));
                }
            }
        }
        if (0..nodes.len()).any(|node| most[node][node].is_some_and(|most| most < 0)) {
            return None;
        }
        let ranges = nodes.iter().enumerate().skip(1).filter_map(|(at, name)| {
            let (least, most) = (most[0][at].map(|most| -most)?, most[at][0]?);
            Some((name.clone()?, (least, most)))
        });
        Some(ranges.collect())
    }
}
