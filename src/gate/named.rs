//! The findings of a request: how it names them, which they are, and whose.

use crate::finding::{AccountId, FindingsV2, Identifier, IdentifierV2};
use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
};

/// The findings that a request names, in its order.
#[derive(Debug, Clone, Copy)]
pub enum Findings<'u> {
    /// By ProductArn and Id, which may prove whose they are.
    Asff(&'u [Identifier<'u>]),
    /// In terms of OCSF.
    Ocsf {
        /// As the request names them.
        names: &'u FindingsV2<'u>,
        /// Which they are: one a name.
        named: &'u [Named<'u>],
    },
}

/// Which finding a name in terms of OCSF means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named<'a> {
    /// This one.
    Finding {
        /// `cloud.account.uid`: the account that owns it. With the identifier it is the finding's name; what is another
        /// account's has another name.
        account: AccountId,
        /// `finding_info.uid` and `metadata.product.uid`
        identifier: Identifier<'a>,
    },
    /// The backend knows none of that name.
    Missing,
    /// It could not be found out.
    Unresolved,
}

/// Why there is nothing to ask the policies about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unnamed {
    /// The name says one owner and proves another.
    Contradicted,
    /// There is no such finding.
    Missing,
    /// It is not known which finding is meant.
    Unresolved,
}

impl<'a> Named<'a> {
    /// The finding of a name that says all of it.
    pub fn of(name: &IdentifierV2<'a>) -> Self {
        let IdentifierV2 { account, finding_uid, product_uid } = name.clone();
        Self::Finding { account, identifier: Identifier { id: finding_uid, product_arn: product_uid } }
    }
}

impl<'u> Findings<'u> {
    /// How many they are.
    #[expect(clippy::len_without_is_empty, reason = "a request without findings is none")]
    pub fn len(self) -> usize {
        match self {
            Self::Asff(identifiers) => identifiers.len(),
            Self::Ocsf { names, .. } => names.len(),
        }
    }

    /// The finding at this place by ProductArn and Id; nothing where it is not known which it is.
    pub fn identifier(self, place: usize) -> Option<&'u Identifier<'u>> {
        match self {
            Self::Asff(identifiers) => identifiers.get(place),
            Self::Ocsf { named, .. } => match named.get(place)? {
                Named::Finding { identifier, .. } => Some(identifier),
                Named::Missing | Named::Unresolved => None,
            },
        }
    }

    /// The finding at this place, and whose it is, where its name says that.
    pub(super) fn named(self, place: usize) -> Result<(&'u Identifier<'u>, Option<AccountId>), Unnamed> {
        match self {
            Self::Asff(identifiers) => Ok((&identifiers[place], identifiers[place].owner())),
            Self::Ocsf { named, .. } => match &named[place] {
                Named::Finding { account, identifier } if identifier.owner().is_none_or(|owner| owner == *account) => {
                    Ok((identifier, Some(*account)))
                }
                Named::Finding { .. } => Err(Unnamed::Contradicted),
                Named::Missing => Err(Unnamed::Missing),
                Named::Unresolved => Err(Unnamed::Unresolved),
            },
        }
    }

    /// Whose the finding at this place is, where its name proves that.
    pub fn owner(self, place: usize) -> Option<AccountId> {
        self.named(place).ok().and_then(|(_, owner)| owner)
    }

    /// Whether it was looked up which findings they are: then nobody who may not see one may learn that there is one.
    pub(super) fn are_looked_up(self) -> bool {
        matches!(self, Self::Ocsf { names: FindingsV2::MetadataUids(_), .. })
    }

    /// For each finding the place where it came first; nothing of one that is alone.
    pub(super) fn first_places(self) -> Vec<usize> {
        match self {
            Self::Asff(identifiers) => first_places(identifiers.iter().map(ByTail)),
            Self::Ocsf { names, .. } => first_places((0..names.len()).map(|place| names.get(place))),
        }
    }
}

/// An identifier that is hashed by the end of its id, which is where ids differ; it is compared whole. Ids that are made to
/// end alike cost a comparison each, and there are at most a hundred.
#[derive(PartialEq, Eq)]
struct ByTail<'i>(&'i Identifier<'i>);

impl Hash for ByTail<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let id = self.0.id.as_bytes();
        id[id.len().saturating_sub(16)..].hash(state);
    }
}

fn first_places<N: Hash + Eq>(names: impl ExactSizeIterator<Item = N>) -> Vec<usize> {
    if names.len() == 1 {
        return Vec::new();
    }
    let mut first = HashMap::with_capacity_and_hasher(names.len(), foldhash::fast::RandomState::default());
    names.enumerate().map(|(place, name)| *first.entry(name).or_insert(place)).collect()
}
