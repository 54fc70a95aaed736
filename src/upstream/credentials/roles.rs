//! Credentials of a role for each caller.

use super::{
    AwsSettings, Fetched, Source,
    kept::{Kept, Now},
    names,
    own::Own,
    sts::{Question, Sts},
};
use crate::{
    finding::{AccountId, CallerTemplate, Proof},
    upstream::Whose,
};
use quick_cache::sync::Cache;
use std::{convert::Infallible, pin::Pin, sync::Arc, time::Duration};

/// Sets of credentials that are kept. One of a caller that calls no more makes room.
const MOST: usize = 4096;

/// Which role, and what its sessions are called.
#[derive(Debug, Clone)]
pub struct AssumeRoleSettings {
    /// The role's ARN, by the caller's account.
    pub arn: CallerTemplate,
    /// What the role's owner wants to hear, so that the gate is not led to another's role.
    pub external_id: Option<String>,
    /// The session's name.
    pub session_name: CallerTemplate,
    /// Who asked, which stays with everything that is done, also through further roles.
    pub source_identity: Option<CallerTemplate>,
    /// The session's tags.
    pub tags: Vec<(String, CallerTemplate)>,
    /// How long a session is good for.
    pub duration: Duration,
    /// Where STS is; its own endpoint in the Region if nothing.
    pub endpoint: Option<String>,
}

/// Credentials of roles. Each set is for one caller, by its account, principal and proof, and for one role and all that the templates
/// make of the caller, so that no caller's request is signed with what another's name is on.
pub(super) struct Roles {
    own: Arc<Own>,
    sts: Arc<Sts>,
    settings: AssumeRoleSettings,
    known: Cache<Key, Arc<Kept>>,
}

/// Whose a set of credentials is. What the templates make of two callers may be the same by intent or by accident; one caller's
/// session is for no other all the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    question: Arc<Question>,
    account: AccountId,
    principal: Arc<str>,
    proof: Option<Proof>,
}

impl Roles {
    pub(super) fn new(own: Arc<Own>, aws: &AwsSettings, settings: AssumeRoleSettings) -> Arc<Self> {
        let sts = Arc::new(Sts::new(Arc::clone(&own), aws, &settings));
        Arc::new(Self { own, sts, settings, known: Cache::new(MOST) })
    }

    pub(super) fn own(&self) -> &Own {
        &self.own
    }

    pub(super) async fn get(&self, call: Whose<'_>) -> Fetched {
        let key = self.key(call);
        let made = self.known.get_or_insert_with(&key, || Ok::<_, Infallible>(Arc::default()));
        let kept = match made {
            Ok(kept) => kept,
            Err(never) => match never {},
        };
        let source: Arc<dyn Source> = Arc::new(Asking { sts: Arc::clone(&self.sts), question: key.question });
        kept.get(self.own.courier(), &source).await
    }

    pub(super) fn doubt(&self, call: Whose<'_>) {
        if let Some(kept) = self.known.get(&self.key(call)) {
            kept.doubt(Now::read());
        }
    }

    fn key(&self, call: Whose<'_>) -> Key {
        let Whose { account, by } = call;
        let question = Arc::new(self.question(call));
        Key { question, account, principal: Arc::clone(&by.principal), proof: by.proof.clone() }
    }

    fn question(&self, call: Whose<'_>) -> Question {
        let AssumeRoleSettings { arn, session_name, source_identity, tags, .. } = &self.settings;
        let Whose { account, by } = call;
        Question {
            arn: names::arn(arn, account),
            session_name: names::name(session_name, account, by),
            source_identity: source_identity.as_ref().map(|template| names::name(template, account, by)),
            tags: tags.iter().map(|(key, template)| (key.clone(), names::tag(template, account, by))).collect(),
        }
    }
}

struct Asking {
    sts: Arc<Sts>,
    question: Arc<Question>,
}

impl Source for Asking {
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Fetched> + Send + '_>> {
        Box::pin(self.sts.assume(&self.question))
    }
}
