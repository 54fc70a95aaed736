//! Deciding an import: what becomes of each of its findings, and what is left to forward.

use super::{
    Asked, Findings, Knowledge, Known, Ruling,
    explain::{self, Done},
    ruling::rule,
};
use crate::{
    finding::{
        AccountId, ApiError, BatchImport, Caller, Change, Enforcement, FieldSet, Governed, Identifier, NotImportable,
        Operation, Target,
    },
    policy::Judge,
};
use jiff::Timestamp;

/// What was decided on an import.
#[derive(Debug)]
pub struct ImportDecision<'u> {
    /// What becomes of each finding, in the order of the request.
    pub fates: Vec<ImportFate<'u>>,
}

/// What becomes of an imported finding.
#[derive(Debug)]
pub enum ImportFate<'u> {
    /// It came before in the same request, at this place: whether it is new cannot be told, so it is not forwarded.
    Duplicate(usize),
    /// It is no finding that could be imported.
    Invalid(&'u NotImportable),
    /// Its identifier proves that it is this account's, and it says that it is another's.
    Foreign {
        /// Whose it is.
        owner: AccountId,
        /// Whose it says that it is.
        said: AccountId,
        /// What that does.
        enforcement: Enforcement,
    },
    /// The policies decided.
    Ruled {
        /// What they were asked.
        changes: Vec<Change<'u>>,
        /// What they said.
        ruling: Ruling<'u>,
    },
}

impl ImportFate<'_> {
    /// The strictest enforcement that the finding met.
    pub fn enforcement(&self) -> Option<Enforcement> {
        match self {
            Self::Duplicate(_) | Self::Invalid(_) => None,
            Self::Foreign { enforcement, .. } => Some(*enforcement),
            Self::Ruled { ruling, .. } => ruling.enforcement,
        }
    }

    /// The fields that it is forwarded with: none of them perhaps, for there is more to a finding. Nothing if it is not forwarded.
    pub fn forwarded(&self) -> Option<FieldSet> {
        match self {
            Self::Ruled { ruling, .. } if ruling.enforcement.is_none_or(|met| met == Enforcement::Strip) => {
                Some(ruling.kept)
            }
            _ => None,
        }
    }

    /// Whether it is forwarded as it came.
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Ruled { ruling, .. } if ruling.enforcement.is_none())
    }

    /// Why it is denied.
    pub(super) fn why(&self) -> String {
        match self {
            Self::Foreign { owner, said, .. } => explain::foreign(*owner, *said),
            Self::Ruled { changes, ruling } => explain::denials(changes, ruling),
            Self::Duplicate(_) | Self::Invalid(_) => String::new(),
        }
    }
}

impl ImportDecision<'_> {
    /// The findings, by their places, about which another decision may be made once it is known whether and how they are. Until
    /// then the decision denies what depends on it.
    pub fn depends_on_state(&self) -> Vec<usize> {
        let open =
            |fate: &ImportFate<'_>| matches!(fate, ImportFate::Ruled { ruling, .. } if ruling.depends_on_state());
        self.fates.iter().enumerate().filter(|(_, fate)| open(fate)).map(|(place, _)| place).collect()
    }
}

/// AWS lets an account import its own findings only, and denies the whole call otherwise. Where the gate signs, AWS sees another
/// account than the caller's, so the gate holds everybody to it, administrators too.
///
/// # Errors
///
/// What the caller reads of a finding that says it is another account's.
pub fn own_account(caller: &Caller, request: &BatchImport) -> Result<(), ApiError> {
    let Some(place) = request.first_foreign(caller.account) else { return Ok(()) };
    Err(ApiError::access_denied(format!(
        "`Findings[{place}].AwsAccountId` is {}, and an account imports its own findings only: account {} is not authorized to \
         perform securityhub:{} for it, and nothing was imported",
        request.findings[place].account,
        caller.account,
        Operation::BatchImportFindings,
    )))
}

/// Decides an import by what is known of its findings: one that the backend does not have is new, and is judged as it will be.
///
/// That all of them are of the caller's account is for [`own_account`] to tell before.
pub fn decide_import<'u>(
    judge: &mut impl Judge,
    caller: &Caller,
    request: &'u BatchImport,
    now: Timestamp,
    knowledge: Knowledge<'u>,
) -> ImportDecision<'u> {
    let originals = Findings::Asff(&request.identifiers).first_places();
    let findings = request.identifiers.iter().zip(&request.findings).enumerate();
    let fates = findings.map(|(place, (identifier, finding))| {
        if let Some(original) = originals.get(place).filter(|original| **original != place) {
            return ImportFate::Duplicate(*original);
        }
        let governed = match &finding.governed {
            Ok(governed) => governed,
            Err(invalid) => return ImportFate::Invalid(invalid),
        };
        let said = finding.account;
        if let Some(owner) = identifier.owner().filter(|owner| *owner != said) {
            let enforcement = Enforcement::Reject.max(caller.minimum_enforcement);
            return ImportFate::Foreign { owner, said, enforcement };
        }
        let asked = asked(identifier, governed, now);
        let target = target(identifier, said, governed, knowledge.of(place));
        let ruling = rule(judge, caller, &asked, &[], &target);
        ImportFate::Ruled { changes: asked.changes, ruling }
    });
    ImportDecision { fates: fates.collect() }
}

fn asked<'u>(identifier: &'u Identifier<'u>, governed: &'u Governed, now: Timestamp) -> Asked<'u> {
    Asked {
        findings: Findings::Asff(std::slice::from_ref(identifier)),
        changes: governed.changes(),
        circumstances: governed.circumstances(now),
        fields: governed.fields(),
        // An import speaks for the provider: what customers have put into a finding stays (guide, "Using
        // FindingProviderFields"), so nothing of theirs is dropped.
        replaces: None,
    }
}

fn target<'u>(
    identifier: &'u Identifier<'u>,
    owner: AccountId,
    governed: &'u Governed,
    known: Known<'u>,
) -> Target<'u> {
    let (state, is_new) = match known {
        Known::State(state) if state.account == owner => (Some(state), Some(false)),
        Known::Missing => (Some(governed.created()), Some(true)),
        // Only another account has a finding of that name, which a product of several accounts may give twice. To this account it
        // is as if there were none: nothing that it is told may depend on it.
        Known::State(_) if identifier.owner().is_none() => (Some(governed.created()), Some(true)),
        // A backend that gives a finding to another account than its name proves is not believed.
        Known::State(_) | Known::Nothing => (None, None),
    };
    Target { identifier, owner, state, is_new }
}

/// What to forward of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportPlan {
    /// Nothing is forwarded, and the whole call is refused with this message.
    Refuse {
        /// Why, by which policy, and what to do.
        message: String,
    },
    /// One call with these findings, by their places in the request and in its order, each with the fields that it keeps. No call
    /// if there is none.
    Forward {
        /// The findings.
        findings: Vec<(usize, FieldSet)>,
    },
}

impl ImportPlan {
    /// Plans what was decided. `decision_id` goes into the message of a refusal.
    pub fn new(request: &BatchImport, decision: &ImportDecision<'_>, decision_id: &str) -> Self {
        let refuses = |fate: &ImportFate<'_>| fate.enforcement() == Some(Enforcement::Refuse);
        if let Some(place) = decision.fates.iter().position(refuses) {
            let why = decision.fates[place].why();
            let message = explain::refusal(&request.identifiers[place].id, &why, Done::Imported, decision_id);
            return Self::Refuse { message };
        }
        let findings = decision.fates.iter().enumerate();
        Self::Forward { findings: findings.filter_map(|(place, fate)| Some((place, fate.forwarded()?))).collect() }
    }
}
