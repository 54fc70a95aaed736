//! What was listed with what the accounts file says, and lists that are not believed at once.

use crate::finding::{AccountId, Accounts, Fleet, InvalidFleets};
use std::collections::{BTreeMap, BTreeSet};

/// The members of each administrator.
pub type Listed = BTreeMap<AccountId, BTreeSet<AccountId>>;

/// The accounts: administrators, names and groups as the file says, members as they were listed. A fleet that was never listed has the members
/// that the file gives it.
///
/// # Errors
///
/// An account is listed in two fleets, or is an administrator and listed as a member.
pub fn merge(said: &Accounts, listed: &Listed) -> Result<Accounts, InvalidFleets> {
    let fleet = |(administrator, name): (AccountId, &str)| {
        let members = match listed.get(&administrator) {
            Some(members) => {
                members.iter().map(|account| (*account, said.member(*account).cloned().unwrap_or_default())).collect()
            }
            None => said.members_of(administrator).map(|(account, member)| (account, member.clone())).collect(),
        };
        Fleet { administrator, name: name.to_owned(), members }
    };
    Accounts::of(said.fleets().map(fleet))
}

/// A list that lost more of a fleet's members than fleets lose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Doubt {
    /// Whose fleet.
    pub(super) administrator: AccountId,
    /// How many members it had.
    pub(super) before: usize,
    /// How many of them are left.
    pub(super) left: usize,
}

/// Each fleet of which more than half of the members that `known` has are gone in `new`. A fleet that had members and has none is one of them.
pub(super) fn doubts(known: &Listed, new: &Listed) -> Vec<Doubt> {
    let of = |(administrator, members): (&AccountId, &BTreeSet<AccountId>)| {
        let before = known.get(administrator)?;
        let left = before.intersection(members).count();
        let doubt = Doubt { administrator: *administrator, before: before.len(), left };
        ((before.len() - left) * 2 > before.len()).then_some(doubt)
    };
    new.iter().filter_map(of).collect()
}

/// `new` with what was known before in the place of the lists that are not believed. An account that a list which is believed has is no
/// member of another fleet any more: Security Hub lets nobody have two administrators.
pub(super) fn without(new: Listed, disbelieved: &BTreeSet<AccountId>, before: &Listed) -> Listed {
    let (doubtful, mut believed): (Listed, Listed) = new.into_iter().partition(|(of, _)| disbelieved.contains(of));
    let kept: Listed = doubtful
        .into_keys()
        .map(|administrator| {
            let members = before.get(&administrator).into_iter().flatten();
            let is_elsewhere = |account: &AccountId| believed.values().any(|members| members.contains(account));
            (administrator, members.copied().filter(|account| !is_elsewhere(account)).collect())
        })
        .collect();
    believed.extend(kept);
    believed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Member, Place, Role};

    fn id(number: u64) -> AccountId {
        format!("{number:012}").parse().unwrap()
    }

    fn listed(fleets: &[(u64, &[u64])]) -> Listed {
        fleets.iter().map(|(of, members)| (id(*of), members.iter().map(|number| id(*number)).collect())).collect()
    }

    fn said() -> Accounts {
        let member = |name: &str| Member { name: name.into(), groups: vec![format!("ou/{name}")] };
        let fleet = |of, name: &str, members| Fleet { administrator: id(of), name: name.into(), members };
        let first = vec![(id(11), member("payments")), (id(12), member("search"))];
        Accounts::of([fleet(1, "americas", first), fleet(2, "", vec![(id(21), member("billing"))])]).unwrap()
    }

    #[test]
    fn members_are_those_of_the_list_with_what_the_file_says() {
        let accounts = merge(&said(), &listed(&[(1, &[11, 13])])).unwrap();
        let mut known: Vec<_> = accounts.members().map(|(account, member)| (account, &*member.name)).collect();
        known.sort_unstable();
        // 12 is no member any more, 13 has no name, and of the fleet that was not listed the file speaks.
        assert_eq!(known, [(id(11), "payments"), (id(13), ""), (id(21), "billing")]);
        assert_eq!(accounts.groups(id(11)), ["ou/payments"]);
        assert_eq!(accounts.fleet_of(id(13)), Some(id(1)));
        assert_eq!(accounts.fleets().next(), Some((id(1), "americas")));
        assert_eq!(merge(&said(), &Listed::new()).unwrap(), said());
        // A member may change its administrator.
        let moved = merge(&said(), &listed(&[(1, &[11]), (2, &[12])])).unwrap();
        assert_eq!((moved.fleet_of(id(12)), moved.groups(id(12))), (Some(id(2)), &["ou/search".to_owned()][..]));
    }

    #[test]
    fn one_account_in_two_fleets_is_no_list() {
        let member = |fleet| Place { fleet: id(fleet), role: Role::Member };
        let twice = |account, first, second| Err(InvalidFleets::Twice { account: id(account), first, second });
        assert_eq!(merge(&said(), &listed(&[(1, &[11]), (2, &[11])])), twice(11, member(1), member(2)));
        let administrator = Place { fleet: id(2), role: Role::Administrator };
        assert_eq!(merge(&said(), &listed(&[(1, &[2])])), twice(2, member(1), administrator));
    }

    #[test]
    fn each_fleet_that_loses_most_of_its_members_is_doubted() {
        let known = listed(&[(1, &[11, 12, 13, 14]), (2, &[]), (3, &[31, 32])]);
        for (first, third, expected) in [
            (&[11, 12, 13, 14, 15][..], &[31, 32][..], &[][..]),
            (&[11, 12], &[31], &[]),
            (&[11, 12, 16, 17], &[31, 32], &[]),
            (&[11], &[31, 32], &[(1, 4, 1)]),
            // As many as before, but others.
            (&[11, 16, 17, 18], &[31, 32], &[(1, 4, 1)]),
            (&[], &[31, 32], &[(1, 4, 0)]),
            // One does not hide the other.
            (&[11], &[], &[(1, 4, 1), (3, 2, 0)]),
            (&[], &[33, 34], &[(1, 4, 0), (3, 2, 0)]),
        ] {
            let doubts = doubts(&known, &listed(&[(1, first), (2, &[21]), (3, third)]));
            let expected: Vec<_> = expected
                .iter()
                .map(|(of, before, left)| Doubt { administrator: id(*of), before: *before, left: *left })
                .collect();
            assert_eq!(doubts, expected, "{first:?} {third:?}");
        }
        assert_eq!(doubts(&Listed::new(), &known), []);
    }

    #[test]
    fn what_is_not_believed_stays_as_it_was_and_the_rest_is_new() {
        let before = listed(&[(1, &[11, 12]), (2, &[21, 22])]);
        for (new, disbelieved, expected) in [
            (listed(&[(1, &[]), (2, &[21, 23])]), &[1][..], listed(&[(1, &[11, 12]), (2, &[21, 23])])),
            (listed(&[(1, &[]), (2, &[])]), &[1, 2], before.clone()),
            (listed(&[(1, &[13]), (2, &[])]), &[2], listed(&[(1, &[13]), (2, &[21, 22])])),
            // Who has another administrator now is in one fleet, not in two.
            (listed(&[(1, &[]), (2, &[21, 22, 11])]), &[1], listed(&[(1, &[12]), (2, &[11, 21, 22])])),
            (listed(&[(1, &[13]), (2, &[23])]), &[], listed(&[(1, &[13]), (2, &[23])])),
        ] {
            let disbelieved = disbelieved.iter().map(|of| id(*of)).collect();
            assert_eq!(without(new, &disbelieved, &before), expected);
        }
    }
}
