//! Credentials of a role for each caller.

use super::{
    AwsSettings, Fetched, Source,
    kept::{Kept, Now},
    names,
    own::Own,
    sts::{Question, Sts},
};
use crate::{finding::CallerTemplate, upstream::Whose};
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

/// Credentials of roles. Each set is for one role and all that the templates make of a caller, so that no caller's request is signed
/// with what another's name is on.
pub(super) struct Roles {
    own: Arc<Own>,
    sts: Arc<Sts>,
    settings: AssumeRoleSettings,
    known: Cache<Arc<Question>, Arc<Kept>>,
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
        let question = Arc::new(self.question(call));
        let made = self.known.get_or_insert_with(&question, || Ok::<_, Infallible>(Arc::default()));
        let kept = match made {
            Ok(kept) => kept,
            Err(never) => match never {},
        };
        let source: Arc<dyn Source> = Arc::new(Asking { sts: Arc::clone(&self.sts), question });
        kept.get(self.own.courier(), &source).await
    }

    pub(super) fn doubt(&self, call: Whose<'_>) {
        if let Some(kept) = self.known.get(&self.question(call)) {
            kept.doubt(Now::read());
        }
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
