//! Who there is to ask, and where findings may lie: what the policies distinguish of callers and accounts.

use super::{
    lenses::OWN,
    pose::Poser,
    space::{MOST_EXAMPLES, Space},
    variants::Place,
};
use crate::{
    finding::{AccountId, Accounts, Action, Role},
    policy::{Named, Rule},
    workbench::{CallerFixture, Fleet},
};
use std::{collections::BTreeSet, sync::Arc};

/// What policies distinguish.
///
/// It can be that of several sets together: then it tells apart whatever one of them does, which is what comparing them needs.
#[derive(Debug)]
pub struct Domain {
    rules: Vec<Rule>,
    callers: Vec<Who>,
    places: Vec<(PlaceKind, Place)>,
    accounts: Arc<Accounts>,
    poser: Poser,
    notes: Vec<String>,
}

/// One of the callers that policies distinguish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// `member`, `member in ou/prod`, and so on.
    pub name: String,
    /// A caller of this kind.
    pub caller: CallerFixture,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlaceKind {
    /// The administrator's account.
    Administrator,
    /// An account that nobody names.
    Fleet,
    Outside,
    Named,
}

/// With more groups than this, callers in several of them are tried only in all at once.
const MOST_GROUPS: usize = 3;

impl Domain {
    /// What these policies distinguish. Their ids need not be unique: they may be of several sets.
    ///
    /// # Errors
    ///
    /// A policy that cannot be analysed, which no policy is that was loaded.
    pub fn of<'r>(rules: impl IntoIterator<Item = &'r Rule>) -> Result<Self, String> {
        let rules: Vec<Rule> = rules.into_iter().cloned().collect();
        let named = Named::of(&rules)?;
        let mut notes = Vec::new();
        let unasked = ["BatchUpdateFindingsV2", "CreateAutomationRule", "BatchUpdateAutomationRules"];
        let unasked = unasked.into_iter().filter(|operation| named.operations.contains(*operation));
        notes.extend(unasked.map(|operation| {
            format!("{operation} is not asked here, although policies name it: only BatchUpdateFindings and BatchImportFindings are")
        }));
        let mut fleets = named.fleets.iter().filter_map(|id| AccountId::parse(id));
        let administrator = fleets.next().or_else(|| AccountId::parse(Fleet::ADMINISTRATOR)).ok_or("no account")?;
        notes.extend(
            fleets.map(|fleet| {
                format!("nobody asks from fleet {fleet}: a question is of one fleet, here {administrator}")
            }),
        );
        let named_accounts: BTreeSet<AccountId> = named.accounts.iter().filter_map(|id| AccountId::parse(id)).collect();
        // Accounts that no policy tells apart from any other.
        let apart = |account: &AccountId| {
            let principal = CallerFixture::plain(Role::Member, *account).principal();
            *account != administrator
                && !named_accounts.contains(account)
                && !named.arns.texts.contains(&principal)
                && !named.arns.likes.iter().any(|like| like.matches(&principal))
        };
        let mut pool = (2..=8_u64)
            .map(|digit| digit * 111_111_111_111)
            .chain(500_000_000_001..)
            .filter_map(|number| AccountId::parse(&format!("{number:012}")))
            .filter(apart);
        let mut next = || pool.next().ok_or("no account is left");
        let (member, another) = (next()?, next()?);
        let outside = AccountId::parse("999999999999").filter(apart).map_or_else(&mut next, Ok)?;
        let mut callers = vec![
            Who { name: "administrator".into(), caller: CallerFixture::plain(Role::Administrator, administrator) },
            Who { name: "member".into(), caller: CallerFixture::plain(Role::Member, member) },
        ];
        let place = |kind, name: &str, account| (kind, Place { name: name.to_owned(), account });
        let mut places = vec![
            place(PlaceKind::Administrator, "administrator", administrator),
            place(PlaceKind::Fleet, "fleet", another),
        ];
        for groups in subsets(&named.groups) {
            let joined = groups.join(" and ");
            let account = next()?;
            let caller = CallerFixture { groups, ..CallerFixture::plain(Role::Member, account) };
            callers.push(Who { name: format!("member in {joined}"), caller });
            places.push(place(PlaceKind::Named, &joined, account));
        }
        // A proof may put any caller in a group, and its account with the findings in it is none the more there.
        for groups in subsets(&named.caller_groups) {
            let joined = groups.join(" and ");
            for role in [Role::Administrator, Role::Member] {
                let account = if role == Role::Administrator { administrator } else { member };
                let caller = CallerFixture { principal_groups: groups.clone(), ..CallerFixture::plain(role, account) };
                callers.push(Who { name: format!("{role} who is in {joined}"), caller });
            }
        }
        for account in named_accounts.iter().copied().filter(|account| *account != administrator) {
            let caller = CallerFixture::plain(Role::Member, account);
            callers.push(Who { name: format!("member of {account}"), caller });
            places.push(place(PlaceKind::Named, account.as_str(), account));
        }
        places.push(place(PlaceKind::Outside, "outside", outside));
        let of_role = |role| if role == Role::Administrator { administrator } else { member };
        for (role, principal) in &named.principals {
            let said =
                principal.split(':').nth(4).and_then(AccountId::parse).filter(|account| *account != administrator);
            let account = if *role == Role::Member { said.unwrap_or(member) } else { administrator };
            let caller = CallerFixture { principal: Some(principal.clone()), ..CallerFixture::plain(*role, account) };
            callers.push(Who { name: format!("{role} {principal}"), caller });
        }
        let arns = named.arns.texts.iter().map(|text| (text.clone(), text.clone()));
        let like = named.arns.likes.iter().map(|like| (like.shown.clone(), like.witness("x")));
        for (shown, principal) in arns.chain(like) {
            for role in [Role::Administrator, Role::Member] {
                let caller =
                    CallerFixture { principal: Some(principal.clone()), ..CallerFixture::plain(role, of_role(role)) };
                callers.push(Who { name: format!("{role} with ARN {shown}"), caller });
            }
        }
        let kinds = [
            named.groups.is_empty(),
            named_accounts.is_empty(),
            named.principals.is_empty(),
            named.arns.texts.is_empty() && named.arns.likes.is_empty(),
        ];
        if kinds.iter().filter(|none| !**none).count() > 1 || named.groups.len() > MOST_GROUPS {
            notes.push("callers are told apart by one thing at a time; one that is named in several ways (say, by its account and by a group) may get another answer".to_owned());
        }
        let fleet: Vec<AccountId> = places
            .iter()
            .filter(|(kind, _)| matches!(kind, PlaceKind::Fleet | PlaceKind::Named))
            .map(|(_, place)| place.account)
            .collect();
        for who in &mut callers {
            if who.caller.role == Role::Administrator {
                who.caller.fleet.clone_from(&fleet);
            }
        }
        let accounts = Arc::new(Fleet::of(callers.iter().map(|who| &who.caller))?.accounts());
        let poser = Poser::new(accounts.clone())?;
        Ok(Self { rules, callers, places, accounts, poser, notes })
    }

    /// The callers.
    pub fn callers(&self) -> &[Who] {
        &self.callers
    }

    /// The accounts that they, and the findings, are of: those of the snapshot that is asked.
    pub fn accounts(&self) -> &Arc<Accounts> {
        &self.accounts
    }

    /// What is not told apart, or not asked, in words.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Everything that the policies distinguish in what one of the callers may ask for with an action.
    ///
    /// # Errors
    ///
    /// A policy that cannot be analysed, which no policy is that was loaded.
    pub fn space<'d>(&'d self, who: &'d Who, action: Action) -> Result<Space<'d>, String> {
        self.space_within(MOST_EXAMPLES, who, action)
    }

    /// The same with another limit on how many examples are tried.
    pub(super) fn space_within<'d>(&'d self, most: usize, who: &'d Who, action: Action) -> Result<Space<'d>, String> {
        Space::new(&self.rules, &self.poser, who, self.places_of(&who.caller), action, most)
    }

    /// Where findings may lie, as this caller would say.
    pub(super) fn places_of(&self, caller: &CallerFixture) -> Vec<Place> {
        let own = Place { name: OWN.to_owned(), account: caller.account };
        let others = self.places.iter().map(|(_, place)| place).filter(|place| place.account != caller.account);
        std::iter::once(own).chain(others.cloned()).collect()
    }
}

/// The sets of groups that callers may be in.
fn subsets(groups: &BTreeSet<String>) -> Vec<Vec<String>> {
    let all: Vec<&String> = groups.iter().collect();
    let chosen = |bits: usize| (0..all.len()).filter(|at| bits & 1 << at != 0).map(|at| all[at].clone()).collect();
    if all.len() <= MOST_GROUPS {
        return (1..1_usize << all.len()).map(chosen).collect();
    }
    groups.iter().map(|group| vec![group.clone()]).chain([groups.iter().cloned().collect()]).collect()
}
