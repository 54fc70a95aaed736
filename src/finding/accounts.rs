//! Which account administers which: the fleets that a gate serves.

use super::{AccountId, Role};
use std::{collections::HashMap, fmt};

/// What is known of a member account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Member {
    /// A name for people, such as `payments`; empty when none was given.
    pub name: String,
    /// The groups it belongs to, as policies name them: `Group::"ou/prod"`.
    pub groups: Vec<String>,
}

/// An administrator and its members, as they are said: what [`Accounts::of`] puts together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fleet {
    /// The account that administers the others.
    pub administrator: AccountId,
    /// A name for people; empty when none was given.
    pub name: String,
    /// The accounts that it administers.
    pub members: Vec<(AccountId, Member)>,
}

/// Fleets that are none together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFleets {
    /// There is not one.
    #[error("there is no fleet: expected at least one administrator")]
    None,
    /// An account has two places. Security Hub gives it one (guide, "Managing administrator and member accounts": an account
    /// cannot be both at the same time, nor a member of two administrators).
    #[error("account {account} is {first} and {second}: an account has one place in one fleet")]
    Twice {
        /// Which account.
        account: AccountId,
        /// What it is.
        first: Place,
        /// And what it is besides.
        second: Place,
    },
}

/// What an account is, in which fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The fleet, by its administrator.
    pub fleet: AccountId,
    /// What the account is in it.
    pub role: Role,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.role {
            Role::Administrator => f.write_str("an administrator"),
            Role::Member => write!(f, "a member of the administrator {}", self.fleet),
        }
    }
}

/// Administrators and their members: one fleet or several, each with one administrator. An account is in one of them at the most.
///
/// Looking an account up costs the same for 3 members as for several times 11,000.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounts {
    /// INVARIANT: at least one; the places in `known` are places in here, and each administrator is known at its own.
    fleets: Vec<(AccountId, String)>,
    known: HashMap<AccountId, Known, foldhash::quality::RandomState>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    /// Which of the fleets.
    fleet: u32,
    /// Nothing for its administrator.
    member: Option<Member>,
}

impl Accounts {
    /// One fleet. The administrator is no member of its own; the configuration refuses one that says so, and here it is
    /// left out.
    pub fn new(administrator: AccountId, members: impl IntoIterator<Item = (AccountId, Member)>) -> Self {
        let known = |(account, member)| (account, Known { fleet: 0, member: Some(member) });
        let mut known: HashMap<_, _, _> = members.into_iter().map(known).collect();
        known.insert(administrator, Known { fleet: 0, member: None });
        Self { fleets: vec![(administrator, String::new())], known }
    }

    /// These fleets.
    ///
    /// # Errors
    ///
    /// There is none, or an account has two places.
    pub fn of(fleets: impl IntoIterator<Item = Fleet>) -> Result<Self, InvalidFleets> {
        let mut accounts = Self { fleets: Vec::new(), known: HashMap::default() };
        for Fleet { administrator, name, members } in fleets {
            let fleet = u32::try_from(accounts.fleets.len()).unwrap_or(u32::MAX);
            accounts.fleets.push((administrator, name));
            accounts.add(administrator, Known { fleet, member: None })?;
            for (account, member) in members {
                accounts.add(account, Known { fleet, member: Some(member) })?;
            }
        }
        if accounts.fleets.is_empty() { Err(InvalidFleets::None) } else { Ok(accounts) }
    }

    fn add(&mut self, account: AccountId, known: Known) -> Result<(), InvalidFleets> {
        if let Some(first) = self.known.get(&account) {
            return Err(InvalidFleets::Twice { account, first: self.place(first), second: self.place(&known) });
        }
        self.known.insert(account, known);
        Ok(())
    }

    fn place(&self, known: &Known) -> Place {
        let role = if known.member.is_some() { Role::Member } else { Role::Administrator };
        Place { fleet: self.fleets[known.fleet as usize].0, role }
    }

    /// The administrators, one of each fleet, in the order in which they were said. There is at least one.
    pub fn administrators(&self) -> impl ExactSizeIterator<Item = AccountId> {
        self.fleets.iter().map(|(administrator, _)| *administrator)
    }

    /// The fleets in the order in which they were said: their administrators and names. There is at least one.
    pub fn fleets(&self) -> impl ExactSizeIterator<Item = (AccountId, &str)> {
        self.fleets.iter().map(|(administrator, name)| (*administrator, &**name))
    }

    /// Whether there is more than one fleet.
    pub fn has_several_fleets(&self) -> bool {
        self.fleets.len() > 1
    }

    /// What the account is, or nothing for an account outside of all fleets.
    pub fn role(&self, account: AccountId) -> Option<Role> {
        self.known.get(&account).map(|known| self.place(known).role)
    }

    /// The fleet that the account is in, by its administrator; nothing for an account outside of all.
    pub fn fleet_of(&self, account: AccountId) -> Option<AccountId> {
        self.known.get(&account).map(|known| self.place(known).fleet)
    }

    /// Whether what the one account has is nothing to the other's fleet. So it is if they are of different fleets, and where there
    /// are several, if either is in none: whose it is cannot be said then. Of an account that the only fleet does not have, it is
    /// not certain that it is a stranger's: it may have become a member a moment ago. Policies tell (`resource in principal.fleet`).
    pub fn are_apart(&self, one: AccountId, other: AccountId) -> bool {
        // Most gates have one fleet, where nothing needs to be looked up.
        if !self.has_several_fleets() || one == other {
            return false;
        }
        let first = self.fleet_of(one);
        first.is_none() || first != self.fleet_of(other)
    }

    /// What is known of a member account.
    pub fn member(&self, account: AccountId) -> Option<&Member> {
        self.known.get(&account)?.member.as_ref()
    }

    /// The groups of an account; none for administrators and for accounts outside of all fleets.
    pub fn groups(&self, account: AccountId) -> &[String] {
        self.member(account).map_or(&[], |member| &member.groups)
    }

    /// How many accounts there are, administrators among them.
    pub fn count(&self) -> usize {
        self.known.len()
    }

    /// All accounts, administrators among them, in no particular order.
    pub fn all(&self) -> impl ExactSizeIterator<Item = AccountId> {
        self.known.keys().copied()
    }

    /// The members of all fleets, in no particular order.
    pub fn members(&self) -> impl Iterator<Item = (AccountId, &Member)> {
        self.known.iter().filter_map(|(account, known)| Some((*account, known.member.as_ref()?)))
    }

    /// The members of one fleet, in no particular order; none of what is no administrator. It looks at every account.
    pub fn members_of(&self, administrator: AccountId) -> impl Iterator<Item = (AccountId, &Member)> {
        let fleet = self.known.get(&administrator).filter(|known| known.member.is_none()).map(|known| known.fleet);
        let of_fleet = move |(_, known): &(&AccountId, &Known)| Some(known.fleet) == fleet;
        let members = self.known.iter().filter(of_fleet);
        members.filter_map(|(account, known)| Some((*account, known.member.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Caller, Enforcement, Proof};

    fn id(text: &str) -> AccountId {
        text.parse().unwrap()
    }

    fn of(name: &str) -> Member {
        Member { name: name.into(), groups: vec!["ou/prod".into()] }
    }

    const FIRST: &str = "111111111111";
    const PAYMENTS: &str = "222222222222";
    const SEARCH: &str = "333333333333";
    const SECOND: &str = "666666666666";
    const STRANGER: &str = "999999999999";

    fn fleet(administrator: &str, members: &[&str]) -> Fleet {
        let members = members.iter().map(|account| (id(account), of(account))).collect();
        Fleet { administrator: id(administrator), name: String::new(), members }
    }

    fn two() -> Accounts {
        Accounts::of([fleet(FIRST, &[PAYMENTS]), fleet(SECOND, &[SEARCH])]).unwrap()
    }

    fn caller(account: &str, accounts: &Accounts) -> Caller {
        Caller {
            account: id(account),
            role: accounts.role(id(account)).unwrap(),
            principal: "p".into(),
            groups: std::sync::Arc::default(),
            region: None,
            proof: Proof::Fixed,
            minimum_enforcement: Enforcement::Strip,
        }
    }

    #[test]
    fn the_administrator_is_no_member() {
        let accounts = Accounts::new(id(FIRST), [(id(FIRST), of("self")), (id(PAYMENTS), of("payments"))]);
        assert_eq!(accounts.role(id(FIRST)), Some(Role::Administrator));
        assert_eq!(accounts.role(id(PAYMENTS)), Some(Role::Member));
        assert_eq!(accounts.role(id(STRANGER)), None);
        assert_eq!(accounts.groups(id(PAYMENTS)), ["ou/prod"]);
        assert!(accounts.groups(id(FIRST)).is_empty());
        assert_eq!(accounts.administrators().collect::<Vec<_>>(), [id(FIRST)]);
        assert_eq!(accounts.members().count(), 1);
    }

    #[test]
    fn each_fleet_has_its_own() {
        let accounts = two();
        let known = |account: &str| (accounts.role(id(account)), accounts.fleet_of(id(account)));
        assert_eq!(known(FIRST), (Some(Role::Administrator), Some(id(FIRST))));
        assert_eq!(known(PAYMENTS), (Some(Role::Member), Some(id(FIRST))));
        assert_eq!(known(SEARCH), (Some(Role::Member), Some(id(SECOND))));
        assert_eq!(known(SECOND), (Some(Role::Administrator), Some(id(SECOND))));
        assert_eq!(known(STRANGER), (None, None));
        let members = |of: &str| accounts.members_of(id(of)).map(|(account, _)| account).collect::<Vec<_>>();
        assert_eq!((members(FIRST), members(SECOND)), (vec![id(PAYMENTS)], vec![id(SEARCH)]));
        assert!(members(PAYMENTS).is_empty() && members(STRANGER).is_empty());
        assert_eq!(accounts.all().len(), 4);
    }

    #[test]
    fn an_account_has_one_place() {
        let place = |fleet, role| Place { fleet: id(fleet), role };
        for (fleets, account, first, second) in [
            (
                [fleet(FIRST, &[PAYMENTS, PAYMENTS]), fleet(SECOND, &[])],
                PAYMENTS,
                (FIRST, Role::Member),
                (FIRST, Role::Member),
            ),
            (
                [fleet(FIRST, &[PAYMENTS]), fleet(SECOND, &[PAYMENTS])],
                PAYMENTS,
                (FIRST, Role::Member),
                (SECOND, Role::Member),
            ),
            (
                [fleet(FIRST, &[SECOND]), fleet(SECOND, &[])],
                SECOND,
                (FIRST, Role::Member),
                (SECOND, Role::Administrator),
            ),
            ([fleet(FIRST, &[]), fleet(SECOND, &[FIRST])], FIRST, (FIRST, Role::Administrator), (SECOND, Role::Member)),
            ([fleet(FIRST, &[FIRST]), fleet(SECOND, &[])], FIRST, (FIRST, Role::Administrator), (FIRST, Role::Member)),
            ([fleet(FIRST, &[]), fleet(FIRST, &[])], FIRST, (FIRST, Role::Administrator), (FIRST, Role::Administrator)),
        ] {
            let expected = InvalidFleets::Twice {
                account: id(account),
                first: place(first.0, first.1),
                second: place(second.0, second.1),
            };
            assert_eq!(Accounts::of(fleets), Err(expected));
        }
        assert_eq!(Accounts::of([]), Err(InvalidFleets::None));
    }

    /// Who sees whose findings: of one fleet, and of two.
    #[test]
    fn an_administrator_sees_its_own_fleet() {
        let one = Accounts::new(id(FIRST), [(id(PAYMENTS), of("payments"))]);
        let two = two();
        for (accounts, account, seen) in [
            // An account that is not in the file may be new in the only fleet.
            (&one, FIRST, &[FIRST, PAYMENTS, SEARCH, SECOND, STRANGER][..]),
            (&one, PAYMENTS, &[PAYMENTS]),
            (&two, FIRST, &[FIRST, PAYMENTS]),
            (&two, PAYMENTS, &[PAYMENTS]),
            (&two, SEARCH, &[SEARCH]),
            (&two, SECOND, &[SEARCH, SECOND]),
        ] {
            let caller = caller(account, accounts);
            let sees = |owner: &&&str| caller.sees(id(owner), accounts);
            let all = [FIRST, PAYMENTS, SEARCH, SECOND, STRANGER];
            assert_eq!(all.iter().filter(sees).copied().collect::<Vec<_>>(), seen, "{account}");
        }
        assert!(two.are_apart(id(STRANGER), id(FIRST)) && two.are_apart(id(FIRST), id(STRANGER)));
        assert!(!two.are_apart(id(STRANGER), id(STRANGER)) && !two.are_apart(id(FIRST), id(PAYMENTS)));
    }
}
