//! Planning: which calls to make upstream.

use super::{
    Decision, Fate, Wire,
    explain::{self, Done},
};
use crate::finding::{Enforcement, FieldSet};

/// The calls to make upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Nothing is forwarded, and the whole call is refused with this message.
    Refuse {
        /// Why, by which policy, and what to do.
        message: String,
    },
    /// One call a group, none where no finding keeps a field.
    Forward {
        /// In the order in which their first findings come.
        groups: Vec<Group>,
    },
}

/// Findings that keep the same fields: one upstream call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The fields to forward.
    pub fields: FieldSet,
    /// The findings, by their places in the request, in its order.
    pub findings: Vec<usize>,
}

impl Plan {
    /// Plans what was decided. `decision_id` goes into the message of a refusal.
    pub fn new(request: &impl Wire, decision: &Decision<'_>, decision_id: &str) -> Self {
        let refused = decision.fates.iter().position(|fate| fate.enforcement() == Some(Enforcement::Refuse));
        if let Some(place) = refused {
            let why = match &decision.fates[place] {
                Fate::Ruled(ruling) => explain::denials(&decision.changes, ruling),
                fate => explain::why_unasked(fate).to_owned(),
            };
            let message = explain::refusal(request.name(place), &why, Done::Updated, decision_id);
            return Self::Refuse { message };
        }
        let mut groups: Vec<Group> = Vec::new();
        for (place, fate) in decision.fates.iter().enumerate() {
            let Fate::Ruled(ruling) = fate else { continue };
            if !ruling.forwards() {
                continue;
            }
            match groups.iter_mut().find(|group| group.fields == ruling.kept) {
                Some(group) => group.findings.push(place),
                None => groups.push(Group { fields: ruling.kept, findings: vec![place] }),
            }
        }
        Self::Forward { groups }
    }
}
