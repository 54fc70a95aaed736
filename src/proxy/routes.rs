//! The backend of each Region.

use crate::{
    finding::{Accounts, ApiError, Caller},
    state::FleetStates,
    telemetry::metrics::UpstreamMetrics,
    upstream::{Readiness, Upstream},
};
use std::sync::Arc;

/// The way to the backend of one Region.
#[derive(Debug, Clone)]
pub struct Route {
    /// The Region, as callers sign for it.
    pub region: Arc<str>,
    /// Where to.
    pub upstream: Upstream,
    /// What looks findings up there, with a cache and a quota of its own; nothing where they are not looked up.
    pub states: Option<Arc<FleetStates>>,
    /// What counts them.
    pub counts: Arc<UpstreamMetrics>,
}

/// The ways to the backends of all Regions.
#[derive(Debug, Clone)]
pub struct Routes {
    /// That of callers whose proof names no Region.
    first: Route,
    others: Box<[Route]>,
}

impl Routes {
    /// `first` is for callers whose proof names no Region.
    pub fn new(first: Route, others: impl IntoIterator<Item = Route>) -> Self {
        Self { first, others: others.into_iter().collect() }
    }

    /// The same backends with connections of their own.
    #[must_use]
    pub fn for_worker(&self) -> Self {
        let own = |route: &Route| Route { upstream: route.upstream.for_worker(), ..route.clone() };
        Self { first: own(&self.first), others: self.others.iter().map(own).collect() }
    }

    /// Whether requests can be signed now, for every Region.
    pub fn readiness(&self) -> Readiness {
        let mut all = self.all().map(|route| route.upstream.readiness());
        all.find(|readiness| *readiness != Readiness::Ready).unwrap_or(Readiness::Ready)
    }

    /// Forgets what was looked up of fleets that are no more. To be called when accounts are replaced.
    pub fn keep(&self, accounts: &Accounts) {
        self.all().filter_map(|route| route.states.as_ref()).for_each(|states| states.keep(accounts));
    }

    /// The way to the backend of callers whose proof names no Region.
    pub fn first(&self) -> &Upstream {
        &self.first.upstream
    }

    /// Whether findings are looked up.
    pub(super) fn look_up(&self) -> bool {
        self.first.states.is_some()
    }

    /// Refuses a caller that signed for a Region that is not here. Its proof has refused it before, if it was told of the same Regions.
    pub(super) fn check(&self, caller: &Caller) -> Result<(), ApiError> {
        if self.find(caller).is_some() {
            return Ok(());
        }
        let regions: Vec<_> = self.all().map(|route| &*route.region).collect();
        Err(ApiError::access_denied(format!(
            "this gate has no findings backend in the Region {}: sign for one of {}",
            caller.region.as_deref().unwrap_or_default(),
            regions.join(", ")
        )))
    }

    /// The route of a caller, after [`Routes::check`].
    pub(super) fn of(&self, caller: &Caller) -> &Route {
        self.find(caller).unwrap_or(&self.first)
    }

    /// There are few, so looking at each is cheaper than looking it up.
    fn find(&self, caller: &Caller) -> Option<&Route> {
        match &caller.region {
            Some(region) => self.all().find(|route| route.region == *region),
            None => Some(&self.first),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Route> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        finding::{Enforcement, Proof, Role},
        upstream::{Answer, Call, Failure, InProcess},
    };
    use std::pin::Pin;

    struct Nobody;

    impl InProcess for Nobody {
        fn call(&self, _: Call) -> Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send + '_>> {
            Box::pin(std::future::pending())
        }
    }

    fn routes(regions: &[&str]) -> Routes {
        let mut routes = regions.iter().map(|region| Route {
            region: (*region).into(),
            upstream: Upstream::embedded(Arc::new(Nobody)),
            states: None,
            counts: Arc::default(),
        });
        Routes::new(routes.next().unwrap(), routes)
    }

    fn caller(region: Option<&str>) -> Caller {
        Caller {
            account: "222222222222".parse().unwrap(),
            role: Role::Member,
            principal: "triage".into(),
            groups: [].into(),
            region: region.map(Into::into),
            proof: Proof::Fixed,
            minimum_enforcement: Enforcement::Strip,
        }
    }

    #[test]
    fn a_caller_goes_to_the_region_that_it_signed_for() {
        let two = routes(&["eu-west-1", "us-east-1"]);
        for (region, expected) in
            [(None, "eu-west-1"), (Some("eu-west-1"), "eu-west-1"), (Some("us-east-1"), "us-east-1")]
        {
            two.check(&caller(region)).unwrap();
            assert_eq!(&*two.of(&caller(region)).region, expected);
        }
        let error = two.check(&caller(Some("ap-south-1"))).unwrap_err();
        assert_eq!((error.status, error.code), (403, "AccessDeniedException"));
        assert!(error.message.contains("Region ap-south-1: sign for one of eu-west-1, us-east-1"), "{}", error.message);
        let one = routes(&["eu-west-1"]);
        assert_eq!(&*one.of(&caller(Some("eu-west-1"))).region, "eu-west-1");
        one.check(&caller(Some("us-east-1"))).unwrap_err();
        assert_eq!(two.readiness(), Readiness::Ready);
    }
}
