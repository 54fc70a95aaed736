//! The policies that can apply to a caller and an action.
//!
//! Cedar looks at every policy that it is handed, so a gate with a thousand policies for other teams would pay for all of
//! them. What is left out here is left out by its scope alone: Cedar evaluates the scope first and stops there, so a
//! policy that is left out could neither have matched nor failed.

use super::{
    Rule,
    footprint::Footprint,
    probe::{Unknown, probe},
    schema,
};
use crate::finding::{Action, Role};
use cedar_policy::{ActionConstraint, EntityUid, Policy, PolicyId, PolicySet, PrincipalConstraint};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock},
};

/// Policies that are asked together.
#[derive(Debug)]
pub(super) struct Sets {
    /// The policies that count.
    pub(super) enforced: PolicySet,
    /// All policies, where some are in shadow.
    pub(super) with_shadow: Option<PolicySet>,
}

impl Sets {
    /// Of all the rules given, as they are asked while something is `unknown`.
    pub(super) fn of(rules: &[&Rule], unknown: Unknown) -> Result<Self, String> {
        let ask = |rule: &Rule| match unknown {
            Unknown::Nothing => Ok(rule.policy.clone()),
            _ => probe(&rule.policy, unknown),
        };
        let set = |with_shadow: bool| {
            let policies = rules.iter().filter(|rule| with_shadow || !rule.shadow).map(|rule| ask(rule));
            let policies = policies.collect::<Result<Vec<Policy>, String>>()?;
            PolicySet::from_policies(policies).map_err(|error| error.to_string())
        };
        let shadowed = rules.iter().any(|rule| rule.shadow);
        Ok(Self { enforced: set(false)?, with_shadow: shadowed.then(|| set(true)).transpose()? })
    }
}

/// The policies that can apply to an action, and what they read.
#[derive(Debug)]
pub(super) struct Slice {
    /// For questions in which everything is known.
    pub(super) sets: Sets,
    /// For the others, where that makes a difference.
    probes: Option<Sets>,
    /// What any of them reads.
    pub(super) footprint: Footprint,
}

impl Slice {
    /// Of all the rules given, which read that much, for one action.
    fn of(rules: &[&Rule], footprint: Footprint, action: Action) -> Result<Self, String> {
        let unknown = if action.is_removal() { Unknown::Removal } else { Unknown::State };
        let depends = footprint.reads_state() || unknown == Unknown::Removal && footprint.value;
        let probes = depends.then(|| Sets::of(rules, unknown)).transpose()?;
        Ok(Self { sets: Sets::of(rules, Unknown::Nothing)?, probes, footprint })
    }

    /// The policies that count and read more of a finding than whether it lies in the caller's fleet. One in shadow does not count:
    /// it must change no verdict.
    pub(super) fn telling_findings_apart(&self) -> impl Iterator<Item = &PolicyId> {
        let tells = |policy: &&Policy| Footprint::of([*policy]).tells_findings_apart();
        self.sets.enforced.policies().filter(tells).map(Policy::id)
    }

    /// The policies to ask with.
    pub(super) fn sets(&self, unknown: Unknown) -> &Sets {
        match &self.probes {
            Some(probes) if unknown != Unknown::Nothing => probes,
            _ => &self.sets,
        }
    }
}

/// The rules by role and action, and among those by the entity that their scope names.
#[derive(Debug)]
pub(super) struct Index {
    entries: HashMap<(Role, Action), Entry>,
    /// What each rule reads, by its place. To find out takes Cedar another reading of the policy's text.
    footprints: Vec<Footprint>,
}

#[derive(Debug)]
struct Entry {
    /// The slice of callers whom no scope names.
    common: Arc<Slice>,
    /// Rules for every caller of the role, by their place.
    any: Vec<usize>,
    /// Rules whose scope names an entity: the caller itself, its account, one of its groups, its fleet.
    named: HashMap<EntityUid, Vec<usize>>,
}

impl Index {
    pub(super) fn new(rules: &[Rule]) -> Result<Self, String> {
        let groups = action_groups();
        let mut index = Self {
            entries: HashMap::new(),
            footprints: rules.iter().map(|rule| Footprint::of([&rule.policy])).collect(),
        };
        for role in [Role::Administrator, Role::Member] {
            for action in Action::ALL.iter().copied() {
                let (mut any, mut named) = (Vec::new(), HashMap::<EntityUid, Vec<usize>>::new());
                for (place, rule) in rules.iter().enumerate() {
                    if !action_matches(&rule.policy, super::names::action_uid(action), &groups) {
                        continue;
                    }
                    match rule.policy.principal_constraint() {
                        PrincipalConstraint::Any => any.push(place),
                        PrincipalConstraint::Is(kind) if names(&kind, role) => any.push(place),
                        PrincipalConstraint::IsIn(kind, uid) if names(&kind, role) => {
                            named.entry(uid).or_default().push(place);
                        }
                        PrincipalConstraint::Is(_) | PrincipalConstraint::IsIn(..) => {}
                        PrincipalConstraint::In(uid) | PrincipalConstraint::Eq(uid) => {
                            named.entry(uid).or_default().push(place);
                        }
                    }
                }
                let common = index.slice_of(rules, &any, action)?;
                index.entries.insert((role, action), Entry { common, any, named });
            }
        }
        Ok(index)
    }

    /// The slice of the rules at these places.
    fn slice_of(&self, rules: &[Rule], places: &[usize], action: Action) -> Result<Arc<Slice>, String> {
        let mut footprint = Footprint::default();
        for place in places {
            footprint.extend(&self.footprints[*place]);
        }
        let chosen: Vec<&Rule> = places.iter().map(|place| &rules[*place]).collect();
        Slice::of(&chosen, footprint, action).map(Arc::new)
    }

    /// The slice for a caller: `lineage` is the caller itself and all that it lies in.
    pub(super) fn slice(
        &self,
        rules: &[Rule],
        role: Role,
        action: Action,
        lineage: &[EntityUid],
    ) -> Result<Arc<Slice>, String> {
        let entry = &self.entries[&(role, action)];
        let mut named: Vec<usize> = lineage.iter().filter_map(|uid| entry.named.get(uid)).flatten().copied().collect();
        if named.is_empty() {
            return Ok(entry.common.clone());
        }
        named.extend(&entry.any);
        self.slice_of(rules, &named, action)
    }

    /// The slices of callers whom no scope names.
    pub(super) fn common(&self) -> impl Iterator<Item = (Role, Action, &Slice)> {
        self.entries.iter().map(|((role, action), entry)| (*role, *action, &*entry.common))
    }
}

/// Whether a policy can apply to some caller of a role who asks for an action, by its scope alone.
pub(super) fn can_apply(policy: &Policy, role: Role, action: Action) -> bool {
    static GROUPS: LazyLock<HashMap<EntityUid, HashSet<EntityUid>>> = LazyLock::new(action_groups);
    let of_role = match policy.principal_constraint() {
        PrincipalConstraint::Is(kind) | PrincipalConstraint::IsIn(kind, _) => names(&kind, role),
        PrincipalConstraint::Eq(uid) if matches!(uid.type_name().to_string().as_str(), "Member" | "Administrator") => {
            names(uid.type_name(), role)
        }
        _ => true,
    };
    of_role && action_matches(policy, super::names::action_uid(action), &GROUPS)
}

fn names(kind: &cedar_policy::EntityTypeName, role: Role) -> bool {
    kind.to_string()
        == match role {
            Role::Administrator => "Administrator",
            Role::Member => "Member",
        }
}

/// Each action with the groups that it lies in.
fn action_groups() -> HashMap<EntityUid, HashSet<EntityUid>> {
    let entities = schema().action_entities().expect("the embedded schema has actions");
    let lies_in = |uid: &EntityUid| entities.ancestors(uid).into_iter().flatten().cloned().collect();
    entities.iter().map(|action| (action.uid(), lies_in(&action.uid()))).collect()
}

fn action_matches(policy: &Policy, action: &EntityUid, groups: &HashMap<EntityUid, HashSet<EntityUid>>) -> bool {
    let lies_in = |uid: &EntityUid| uid == action || groups.get(action).is_some_and(|groups| groups.contains(uid));
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => uid == *action,
        ActionConstraint::In(uids) => uids.iter().any(lies_in),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{load, pack};

    #[test]
    fn a_slice_reads_what_its_policies_read() {
        for name in ["baseline", "strict", "transitions"] {
            let rules = load(&pack(name).unwrap()).unwrap().rules().to_vec();
            for (role, action, slice) in Index::new(&rules).unwrap().common() {
                let together =
                    Footprint::of(slice.sets.with_shadow.as_ref().unwrap_or(&slice.sets.enforced).policies());
                assert_eq!(slice.footprint, together, "{name} {role:?} {action:?}");
            }
        }
    }
}
