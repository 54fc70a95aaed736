//! What a set of policies can read: two questions that agree in it have the same answer.
//!
//! The engine shares and caches verdicts by this. So whatever is not understood here counts as reading everything.

use super::{attribute::Attribute, pattern::Pattern};
use crate::finding::AccountId;
use cedar_policy::{
    Policy,
    pst::{BinaryOp, Clause, EntityType, Expr, Literal, ResourceConstraint, Var},
};
use std::collections::BTreeSet;

/// What policies read of the finding and of the question.
#[expect(clippy::struct_excessive_bools, reason = "each says whether one thing is read; they depend on nothing")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Footprint {
    /// Which finding it is: both parts of its identifier, and its owner.
    pub(super) identity: bool,
    /// `resource.id`
    pub(super) id: TextRead,
    /// `resource.productArn`
    pub(super) product_arn: TextRead,
    /// Whether it lies in these; their truth, one by one, is all that is read of the owner.
    pub(super) ancestors: BTreeSet<Ancestor>,
    /// The finding as it is.
    pub(super) state: StateRead,
    /// Whether an import creates the finding.
    pub(super) is_new: bool,
    /// The proposed value, in any of its parts.
    pub(super) value: bool,
    /// Which fields travel with it.
    pub(super) fields: bool,
    /// The note that travels with it.
    pub(super) note: bool,
    /// The keys and values that travel with it.
    pub(super) user_defined_fields: KeysRead,
    /// What the caller called.
    pub(super) operation: bool,
    /// The time of the request.
    pub(super) now: bool,
}

/// What is read of a finding as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct StateRead {
    /// These, as a whole. The two maps are here if they are read in another way than by key.
    pub(super) attributes: BTreeSet<Attribute>,
    /// Keys of `resource.resourceTags`
    pub(super) resource_tags: KeysRead,
    /// Keys of `resource.userDefinedFields`
    pub(super) user_defined_fields: KeysRead,
}

impl StateRead {
    fn everything() -> Self {
        Self { attributes: Attribute::ALL.iter().copied().collect(), ..Self::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.attributes.is_empty() && self.resource_tags.is_empty() && self.user_defined_fields.is_empty()
    }

    fn extend(&mut self, other: &Self) {
        self.attributes.extend(&other.attributes);
        self.resource_tags.extend(&other.resource_tags);
        self.user_defined_fields.extend(&other.user_defined_fields);
    }
}

/// What is read of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeysRead {
    /// What it has under these keys.
    Keys(BTreeSet<String>),
    /// All of it.
    All,
}

impl Default for KeysRead {
    fn default() -> Self {
        Self::Keys(BTreeSet::new())
    }
}

impl KeysRead {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Keys(keys) if keys.is_empty())
    }

    fn extend(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::All, _) => {}
            (_, Self::All) => *self = Self::All,
            (Self::Keys(keys), Self::Keys(others)) => keys.extend(others.iter().cloned()),
        }
    }
}

/// What is read of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TextRead {
    /// Whether it is like these; their truth, one by one, is all that is read of it.
    Matches(BTreeSet<Pattern>),
    /// All of it.
    Whole,
}

impl Default for TextRead {
    fn default() -> Self {
        Self::Matches(BTreeSet::new())
    }
}

impl TextRead {
    /// With more patterns than this, it costs less to take the text as a whole.
    const MOST: usize = 32;

    fn add(&mut self, pattern: Pattern) {
        if let Self::Matches(patterns) = self {
            patterns.insert(pattern);
            if patterns.len() > Self::MOST {
                *self = Self::Whole;
            }
        }
    }

    fn extend(&mut self, other: &Self) {
        match other {
            Self::Matches(patterns) => patterns.iter().for_each(|pattern| self.add(pattern.clone())),
            Self::Whole => *self = Self::Whole,
        }
    }
}

/// Something that a finding may lie in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ancestor {
    /// `principal.account`
    CallerAccount,
    /// `principal.fleet`
    CallerFleet,
    /// `Account::"…"`
    Account(AccountId),
    /// `Group::"…"`
    Group(String),
    /// `Fleet::"…"`
    Fleet(AccountId),
}

impl Footprint {
    /// What the policies read, together.
    pub(super) fn of<'p>(policies: impl IntoIterator<Item = &'p Policy>) -> Self {
        let mut footprint = Self::default();
        for policy in policies {
            footprint.read_policy(policy);
        }
        footprint
    }

    /// Adds what `other` reads.
    pub(super) fn extend(&mut self, other: &Self) {
        self.identity |= other.identity;
        self.id.extend(&other.id);
        self.product_arn.extend(&other.product_arn);
        self.ancestors.extend(other.ancestors.iter().cloned());
        self.state.extend(&other.state);
        self.is_new |= other.is_new;
        self.value |= other.value;
        self.fields |= other.fields;
        self.note |= other.note;
        self.user_defined_fields.extend(&other.user_defined_fields);
        self.operation |= other.operation;
        self.now |= other.now;
    }

    fn everything(&mut self) {
        (self.identity, self.value, self.fields, self.note) = (true, true, true, true);
        (self.is_new, self.operation, self.now) = (true, true, true);
        self.state = StateRead::everything();
        self.user_defined_fields = KeysRead::All;
    }

    /// Whether it reads how the finding is, which may not be known.
    pub(super) fn reads_state(&self) -> bool {
        self.is_new || !self.state.is_empty()
    }

    /// Whether it reads more of a finding than whether it lies in the caller's fleet: whether two findings of the fleet could
    /// have different verdicts.
    pub(super) fn tells_findings_apart(&self) -> bool {
        let texts = [&self.id, &self.product_arn].into_iter().any(|text| *text != TextRead::default());
        let ancestors = self.ancestors.iter().any(|ancestor| *ancestor != Ancestor::CallerFleet);
        self.identity || texts || ancestors || self.reads_state()
    }

    fn read_policy(&mut self, policy: &Policy) {
        let Ok(policy) = policy.to_pst() else { return self.everything() };
        let body = policy.body();
        match &body.resource {
            ResourceConstraint::Any | ResourceConstraint::Is(_) => {}
            ResourceConstraint::In(target) | ResourceConstraint::IsIn(_, target) => match target {
                cedar_policy::pst::EntityOrSlot::Entity(uid) => self.read_ancestor(&uid.ty, &uid.eid),
                cedar_policy::pst::EntityOrSlot::Slot(_) => self.everything(),
            },
            ResourceConstraint::Eq(_) => self.identity = true,
        }
        for clause in body.clauses() {
            match clause {
                Clause::When(condition) | Clause::Unless(condition) => self.read(condition),
            }
        }
    }

    fn read(&mut self, expression: &Expr) {
        match expression {
            Expr::Literal(_) | Expr::Var(Var::Principal | Var::Action) => {}
            Expr::GetAttr { expr, attr } => self.read_attribute(expr, attr),
            Expr::HasAttr { expr, attrs } => self.read_attribute(expr, &attrs.head),
            Expr::BinaryOp { op: BinaryOp::In, left, right } if is_var(left, &Var::Resource) => self.read_in(right),
            Expr::Is { expr, in_expr, .. } if is_var(expr, &Var::Resource) => {
                if let Some(target) = in_expr {
                    self.read_in(target);
                }
            }
            // What an entity lies in that is spelt out is known only while it is in the store: that depends on the finding.
            Expr::BinaryOp { op: BinaryOp::In, left, .. } | Expr::Is { expr: left, in_expr: Some(_), .. }
                if !matches!(**left, Expr::Var(_) | Expr::GetAttr { .. }) =>
            {
                self.everything();
            }
            Expr::Is { expr, in_expr, .. } => {
                self.read(expr);
                if let Some(target) = in_expr {
                    self.read(target);
                }
            }
            Expr::BinaryOp { op: BinaryOp::GetTag | BinaryOp::HasTag, left, right } => {
                self.read(right);
                match (self.map(left), &**right) {
                    (Some(KeysRead::Keys(keys)), Expr::Literal(Literal::String(key))) => {
                        keys.insert(key.to_string());
                    }
                    (Some(KeysRead::All), Expr::Literal(Literal::String(_))) => {}
                    (Some(keys), _) => *keys = KeysRead::All,
                    (None, _) => self.everything(),
                }
            }
            Expr::Like { expr, pattern } => match self.text(expr) {
                Some(text) => text.add(Pattern::of(pattern)),
                None => self.read(expr),
            },
            Expr::BinaryOp { op: BinaryOp::Eq | BinaryOp::NotEq, left, right } => match (&**left, &**right) {
                (text, Expr::Literal(Literal::String(literal))) | (Expr::Literal(Literal::String(literal)), text) => {
                    match self.text(text) {
                        Some(text) => text.add(Pattern::exactly(literal)),
                        None => self.read(text),
                    }
                }
                _ => {
                    self.read(left);
                    self.read(right);
                }
            },
            Expr::UnaryOp { expr, .. } => self.read(expr),
            Expr::BinaryOp { left, right, .. } => {
                self.read(left);
                self.read(right);
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                self.read(cond);
                self.read(then_expr);
                self.read(else_expr);
            }
            Expr::Set(elements) => elements.iter().for_each(|element| self.read(element)),
            Expr::Record(members) => members.values().for_each(|member| self.read(member)),
            // The finding or the context as a whole, and whatever a later Cedar may add.
            _ => self.everything(),
        }
    }

    /// What is read of the text that an expression stands for, if it is one of the finding's.
    fn text(&mut self, expression: &Expr) -> Option<&mut TextRead> {
        match expression {
            Expr::GetAttr { expr, attr } if is_var(expr, &Var::Resource) => match &**attr {
                "id" => Some(&mut self.id),
                "productArn" => Some(&mut self.product_arn),
                _ => None,
            },
            _ => None,
        }
    }

    /// The map that an expression stands for, if it is one of the finding's or of the update's.
    fn map(&mut self, expression: &Expr) -> Option<&mut KeysRead> {
        let Expr::GetAttr { expr, attr } = expression else { return None };
        match (&**expr, &**attr) {
            (Expr::Var(Var::Resource), "userDefinedFields") => Some(&mut self.state.user_defined_fields),
            (Expr::Var(Var::Resource), "resourceTags") => Some(&mut self.state.resource_tags),
            (Expr::Var(Var::Context), "userDefinedFields") => Some(&mut self.user_defined_fields),
            _ => None,
        }
    }

    fn read_attribute(&mut self, of: &Expr, attribute: &str) {
        if is_var(of, &Var::Resource) {
            match (attribute, Attribute::named(attribute)) {
                ("id", _) => self.id = TextRead::Whole,
                ("productArn", _) => self.product_arn = TextRead::Whole,
                ("isNew", _) => self.is_new = true,
                (_, Some(attribute)) => {
                    self.state.attributes.insert(attribute);
                }
                (_, None) => self.everything(),
            }
        } else if is_var(of, &Var::Context) {
            match attribute {
                "fields" => self.fields = true,
                "note" => self.note = true,
                "now" => self.now = true,
                "operation" => self.operation = true,
                "userDefinedFields" => self.user_defined_fields = KeysRead::All,
                _ => self.value = true,
            }
        } else if matches!(of, Expr::Var(_) | Expr::GetAttr { .. } | Expr::BinaryOp { op: BinaryOp::GetTag, .. }) {
            self.read(of);
        } else {
            // An entity that is spelt out is in the store for some findings only.
            self.everything();
        }
    }

    /// `resource in target`
    fn read_in(&mut self, target: &Expr) {
        match target {
            Expr::Literal(Literal::EntityUID(uid)) => self.read_ancestor(&uid.ty, &uid.eid),
            Expr::GetAttr { expr, attr } if is_var(expr, &Var::Principal) && attr == "account" => {
                self.ancestors.insert(Ancestor::CallerAccount);
            }
            Expr::GetAttr { expr, attr } if is_var(expr, &Var::Principal) && attr == "fleet" => {
                self.ancestors.insert(Ancestor::CallerFleet);
            }
            Expr::Set(targets) => targets.iter().for_each(|target| self.read_in(target)),
            other => {
                self.identity = true;
                self.read(other);
            }
        }
    }

    fn read_ancestor(&mut self, kind: &EntityType, id: &str) {
        let account = AccountId::parse(id);
        match (kind.to_string().as_str(), account) {
            ("Group", _) => {
                self.ancestors.insert(Ancestor::Group(id.to_owned()));
            }
            ("Account", Some(account)) => {
                self.ancestors.insert(Ancestor::Account(account));
            }
            ("Fleet", Some(account)) => {
                self.ancestors.insert(Ancestor::Fleet(account));
            }
            _ => self.identity = true,
        }
    }
}

fn is_var(expression: &Expr, var: &Var) -> bool {
    matches!(expression, Expr::Var(found) if found == var)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cedar_policy::pst::PatternElem;
    use std::str::FromStr;

    fn footprint(condition: &str) -> Footprint {
        scoped(&format!("permit (principal, action, resource) when {{ {condition} }};"))
    }

    fn scoped(policy: &str) -> Footprint {
        Footprint::of([&Policy::from_str(policy).unwrap()])
    }

    #[test]
    fn it_names_what_a_condition_reads() {
        let account = AccountId::parse("111122223333").unwrap();
        let equals = |text| TextRead::Matches([Pattern::exactly(text)].into());
        let like = |start: &str| {
            let elements = start.chars().map(PatternElem::Char).chain([PatternElem::Wildcard]);
            TextRead::Matches([Pattern::of(&elements.collect::<Vec<_>>())].into())
        };
        let lies_in = |ancestor: Ancestor| Footprint { ancestors: [ancestor].into(), ..Footprint::default() };
        for (condition, expected) in [
            ("principal.arn like \"*admin*\"", Footprint::default()),
            ("context.value > 5", Footprint { value: true, ..Footprint::default() }),
            ("context.value in [SeverityLabel::\"HIGH\"]", Footprint { value: true, ..Footprint::default() }),
            ("principal in Group::\"g\"", Footprint::default()),
            ("context.rank > 5 || context has note", Footprint { value: true, note: true, ..Footprint::default() }),
            ("context.note.text like \"*SEC*\"", Footprint { note: true, ..Footprint::default() }),
            ("context.fields.contains(Field::\"Note\")", Footprint { fields: true, ..Footprint::default() }),
            ("resource.id like \"x*\"", Footprint { id: like("x"), ..Footprint::default() }),
            ("resource.productArn == \"x\"", Footprint { product_arn: equals("x"), ..Footprint::default() }),
            ("!(\"x\" != resource.productArn)", Footprint { product_arn: equals("x"), ..Footprint::default() }),
            (
                "[\"x\"].contains(resource.id) && resource.id like \"x*\"",
                Footprint { id: TextRead::Whole, ..Footprint::default() },
            ),
            ("resource.id == principal.arn", Footprint { id: TextRead::Whole, ..Footprint::default() }),
            (
                "resource.id == resource.productArn",
                Footprint { id: TextRead::Whole, product_arn: TextRead::Whole, ..Footprint::default() },
            ),
            ("resource in principal.account", lies_in(Ancestor::CallerAccount)),
            ("resource in principal.fleet", lies_in(Ancestor::CallerFleet)),
            ("resource in Account::\"111122223333\"", lies_in(Ancestor::Account(account))),
            ("resource in [Group::\"ou/prod\"]", lies_in(Ancestor::Group("ou/prod".into()))),
            ("resource is Finding in Fleet::\"111122223333\"", lies_in(Ancestor::Fleet(account))),
            (
                "if resource is Finding then context.key == \"x\" else false",
                Footprint { value: true, ..Footprint::default() },
            ),
        ] {
            assert_eq!(footprint(condition), expected, "{condition}");
        }
    }

    #[test]
    fn many_patterns_are_the_whole_text() {
        let condition =
            |count: usize| (0..count).map(|at| format!("resource.id like \"x{at}*\"")).collect::<Vec<_>>().join(" || ");
        assert!(matches!(footprint(&condition(TextRead::MOST)).id, TextRead::Matches(_)));
        assert_eq!(footprint(&condition(TextRead::MOST + 1)).id, TextRead::Whole);
    }

    #[test]
    fn scopes_count_too() {
        assert_eq!(scoped("permit (principal, action, resource is Finding);"), Footprint::default());
        assert!(scoped("permit (principal, action, resource == Finding::\"x\");").identity);
        assert_eq!(
            scoped("permit (principal, action, resource in Group::\"g\");").ancestors,
            [Ancestor::Group("g".into())].into()
        );
    }

    #[test]
    fn what_is_not_understood_reads_everything() {
        for condition in [
            "resource == Finding::\"x\"",
            "[resource].contains(resource)",
            "resource in principal",
            "resource in (if true then principal.account else principal.account)",
            "principal in resource",
            "{a: resource}.a == resource",
            "context == {value: 1}",
            "resource.other == 1",
            "resource.hasTag(\"x\")",
            "{a: resource}.a.id == \"x\"",
            "(if principal is Member then resource else resource).id == \"x\"",
            "Account::\"111122223333\" in Group::\"g\"",
            "Finding::\"x\" is Finding in Group::\"g\"",
            "{a: Account::\"111122223333\"}.a in Group::\"g\"",
            "Finding::\"x\".id == \"x\"",
            "Finding::\"x\" has id",
            "principal in [Finding::\"x\", resource]",
        ] {
            assert!(footprint(condition).identity, "{condition}");
        }
    }
}
