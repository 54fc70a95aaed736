//! Which findings one call asks for together.
//!
//! A filter joins its values by OR, and the filters are joined by AND: a call for (P1, A) and (P2, B) is answered with (P1, B) and
//! (P2, A), too, where there are such findings. So what a call costs goes by the product of its ids and its products, and whoever
//! imports findings can make them large and many. Their look-ups must not spoil those of other accounts.

use crate::finding::{AccountId, Identifier};
use std::{collections::BTreeSet, sync::Arc};

/// How many names the ids and products of a call may make if several accounts share it. A finding has up to 240 KB (guide), so the
/// answer keeps below 8 MiB, whatever findings there are.
const MOST_OF_SEVERAL: usize = 30;
/// The same for a call on behalf of one account: a page (API model). What it spoils is its own.
const MOST_OF_ONE: usize = 100;

/// The look-ups of a call that is being put together.
#[derive(Debug)]
pub(super) struct Mix {
    most: usize,
    names: Vec<Arc<Identifier<'static>>>,
    /// How many different ids they have.
    ids: usize,
    /// How many different products they have.
    products: usize,
    accounts: BTreeSet<AccountId>,
}

impl Mix {
    /// Nothing yet, and never more than `most`.
    pub(super) fn new(most: usize) -> Self {
        Self { most, names: Vec::new(), ids: 0, products: 0, accounts: BTreeSet::new() }
    }

    /// Whether it holds as much as the call may ask for.
    pub(super) fn is_full(&self) -> bool {
        self.names.len() >= self.most
    }

    /// Whether it has a look-up of this account's.
    pub(super) fn has_of(&self, account: AccountId) -> bool {
        self.accounts.contains(&account)
    }

    /// Whether it asks for findings of this one's product.
    pub(super) fn has_product_of(&self, name: &Identifier<'_>) -> bool {
        self.names.iter().any(|known| known.product_arn == name.product_arn)
    }

    /// Whether an account's look-up may join.
    pub(super) fn takes(&self, account: AccountId, name: &Identifier<'_>) -> bool {
        let ids = self.ids + usize::from(!self.has_id_of(name));
        let products = self.products + usize::from(!self.has_product_of(name));
        let alone = self.accounts.iter().all(|known| *known == account);
        !self.is_full() && ids * products <= if alone { MOST_OF_ONE } else { MOST_OF_SEVERAL }
    }

    fn has_id_of(&self, name: &Identifier<'_>) -> bool {
        self.names.iter().any(|known| known.id == name.id)
    }

    pub(super) fn add(&mut self, account: AccountId, name: Arc<Identifier<'static>>) {
        self.ids += usize::from(!self.has_id_of(&name));
        self.products += usize::from(!self.has_product_of(&name));
        self.accounts.insert(account);
        self.names.push(name);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::call::BATCH, *};

    fn account(number: usize) -> AccountId {
        AccountId::parse(&format!("{number:012}")).unwrap()
    }

    fn name(product: usize, id: usize) -> Arc<Identifier<'static>> {
        Arc::new(Identifier { id: id.to_string().into(), product_arn: product.to_string().into() })
    }

    /// How many of these look-ups of the accounts, in turn, a call takes.
    fn taken(accounts: usize, names: impl Iterator<Item = Arc<Identifier<'static>>>) -> usize {
        let mut mix = Mix::new(BATCH);
        for (at, name) in names.enumerate() {
            let account = account(at % accounts);
            if mix.takes(account, &name) {
                mix.add(account, name);
            }
        }
        mix.names.len()
    }

    #[test]
    fn what_a_call_may_be_answered_with_is_bounded() {
        let different = || (0..50).map(|at| name(at, at));
        assert_eq!([1, 2, 50].map(|accounts| taken(accounts, different())), [10, 5, 5]);
        assert_eq!(taken(50, (0..50).map(|id| name(0, id))), 20, "of one product");
        assert_eq!(taken(50, (0..50).map(|id| name(id % 2, id))), 15, "of two products");
        assert_eq!(taken(2, (0..50).map(|product| name(product, 0))), 20, "of one id");
        assert_eq!(taken(2, (0..50).map(|at| name(at % 5, at / 5 % 6))), 20, "all that the filters ask for");
    }
}
