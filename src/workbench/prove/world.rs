//! What is true of every question that the gate asks: the assumptions of every proof.

use crate::policy::schema;
use cedar_policy::{
    EntityUid, Policy, PolicyId, PolicySet, RequestEnv,
    pst::{self, Clause, Expr, StaticPolicy},
};
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    str::FromStr,
    sync::{Arc, LazyLock},
};

/// The facts, as their readers read them.
pub const WORLD_TEXT: &str = include_str!("world.cedar");

/// How many accounts, groups or fleets policies may name for all pairs of them to be told apart. Beyond that facts are left out,
/// which leaves more unproved and proves nothing wrong.
const MOST_NAMES: usize = 12;

/// A fact: a forbid that matches no question that the gate asks.
#[derive(Debug, Clone)]
pub(super) struct Fact {
    pub(super) policy: Policy,
    condition: Arc<Expr>,
}

/// A kind of question, by which facts are found.
type Kind = (String, String);

fn kind(env: &RequestEnv) -> Kind {
    (env.principal().to_string(), env.action().id().unescaped().to_owned())
}

/// The facts of the text, by the kinds of questions that they are about.
static WORLD: LazyLock<HashMap<Kind, Vec<Fact>>> = LazyLock::new(|| {
    let mut world: HashMap<Kind, Vec<Fact>> = HashMap::new();
    for fact in fixed() {
        for env in fact.policy.get_valid_request_envs(schema()) {
            world.entry(kind(&env)).or_default().push(fact.clone());
        }
    }
    world
});

/// The facts of the text.
pub(super) fn fixed() -> Vec<Fact> {
    let set = PolicySet::from_str(WORLD_TEXT).expect("the embedded facts are policies");
    let named = set.policies().map(|policy| {
        let id = policy.annotation("id").expect("every fact has an @id");
        Fact::of(&policy.new_id(PolicyId::new(format!("world: {id}")))).expect("every fact is one `unless`")
    });
    named.collect()
}

impl Fact {
    fn of(policy: &Policy) -> Option<Self> {
        let tree = policy.to_pst().ok()?;
        match &tree.body().clauses()[..] {
            [Clause::Unless(condition)] => Some(Self { policy: policy.clone(), condition: condition.clone() }),
            _ => None,
        }
    }

    fn parse(id: usize, role: &str, condition: fmt::Arguments<'_>) -> Option<Self> {
        let text = format!("forbid (principal is {role}, action, resource) unless {{ {condition} }};");
        Self::of(&Policy::parse(Some(PolicyId::new(format!("world: names {id}"))), text).ok()?)
    }
}

/// The facts about questions of this kind: those of the text, and those about the accounts, groups and fleets that the policies
/// name.
pub(super) fn facts<'p>(env: &RequestEnv, policies: impl IntoIterator<Item = &'p Policy>) -> Vec<Fact> {
    let mut facts = WORLD.get(&kind(env)).cloned().unwrap_or_default();
    facts.extend(about_names(env, &Names::of(policies)));
    facts
}

/// The policy, restricted to questions that the gate asks.
pub(super) fn within(policy: &Policy, facts: &[Fact]) -> Result<Policy, String> {
    let Ok(pst::Policy::Static(tree)) = policy.to_pst() else { return Err("a policy without a tree".to_owned()) };
    let body = tree.body().clone();
    let given = facts.iter().map(|fact| Clause::When(fact.condition.clone()));
    let clauses: Vec<Clause> = given.chain(body.clauses().iter().cloned()).collect();
    let body = body.try_with_clauses(clauses).map_err(|error| error.to_string())?;
    let tree = StaticPolicy::try_from(body).map_err(|error| error.to_string())?;
    Policy::from_pst(pst::Policy::Static(tree)).map_err(|error| error.to_string())
}

/// The accounts, groups and fleets that policies name.
#[derive(Debug, Default)]
struct Names {
    accounts: BTreeSet<EntityUid>,
    groups: BTreeSet<EntityUid>,
    fleets: BTreeSet<EntityUid>,
}

impl Names {
    fn of<'p>(policies: impl IntoIterator<Item = &'p Policy>) -> Self {
        let mut names = Self::default();
        for literal in policies.into_iter().flat_map(Policy::entity_literals) {
            match literal.type_name().basename() {
                "Account" => names.accounts.insert(literal),
                "Group" => names.groups.insert(literal),
                "Fleet" => names.fleets.insert(literal),
                _ => false,
            };
        }
        names
    }
}

/// What policy/request.rs makes of accounts: a finding lies in one account, a caller in its own and in the groups that its proof puts it
/// in, an account in its groups and in its fleet, whose id is its administrator's account. An administrator's account has no groups,
/// and an account that has any is a member's, and in a fleet (`Accounts::groups`).
///
/// A gate may serve several fleets, and a question is of one, the caller's: of a finding of another fleet no policy is asked (`decide` of
/// gate/decide.rs, by `Accounts::are_apart`). So what lies in some fleet, or in a group of accounts, lies in the caller's fleet, and
/// one fleet is all that an example needs.
fn about_names(env: &RequestEnv, names: &Names) -> Vec<Fact> {
    let role = env.principal().basename();
    let administers = role == "Administrator";
    let mut facts = Vec::new();
    let mut add = |condition: fmt::Arguments<'_>| facts.extend(Fact::parse(facts.len(), role, condition));
    for account in &names.accounts {
        add(format_args!(
            "!(resource in {account} && resource in principal.account) || principal.account == {account}"
        ));
        add(format_args!("!(principal in {account}) || principal.account == {account}"));
    }
    for group in &names.groups {
        // Not the other way round: a proof puts its caller in groups, and not the account.
        add(format_args!("!(principal.account in {group}) || principal in {group}"));
    }
    for fleet in &names.fleets {
        add(format_args!("(principal in {fleet}) == (principal.account in {fleet})"));
    }
    for name in names.groups.iter().chain(&names.fleets) {
        add(format_args!("!(resource in principal.account) || (resource in {name}) == (principal.account in {name})"));
    }
    if administers {
        for group in &names.groups {
            add(format_args!("!(principal.account in {group})"));
            add(format_args!("!(resource in {group}) || resource in principal.fleet"));
        }
        for fleet in &names.fleets {
            let account = format_args!("Account::{}", quoted(fleet)).to_string();
            add(format_args!("!(principal in {fleet} || resource in {fleet}) || principal.fleet == {fleet}"));
            add(format_args!("(principal.fleet == {fleet}) == (principal.account == {account})"));
        }
    } else {
        for fleet in &names.fleets {
            let account = format_args!("Account::{}", quoted(fleet)).to_string();
            add(format_args!("!(principal in {fleet}) || principal.account != {account}"));
        }
    }
    if names.accounts.len() + names.groups.len() + names.fleets.len() > MOST_NAMES {
        return facts;
    }
    for account in &names.accounts {
        for other in names.accounts.iter().filter(|other| *other > account) {
            add(format_args!("!(resource in {account} && resource in {other})"));
        }
        for name in names.groups.iter().chain(&names.fleets) {
            add(format_args!("!(resource in {account}) || (resource in {name}) == ({account} in {name})"));
        }
    }
    for fleet in &names.fleets {
        for other in names.fleets.iter().filter(|other| *other != fleet) {
            add(format_args!("!(principal in {fleet} && (principal in {other} || resource in {other}))"));
        }
    }
    facts
}

/// The id of an entity as a Cedar string.
fn quoted(uid: &EntityUid) -> String {
    format!("\"{}\"", uid.id().escaped())
}
