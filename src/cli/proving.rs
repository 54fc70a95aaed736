//! Comparing sets of policies with a solver, where this build has proofs and this machine a solver; saying why not, where not.

use crate::{
    finding::{Action, Enforcement, Role},
    policy::{Property, Rule},
    workbench::{CallerFixture, Example},
};

/// What is known of a difference between two sets, for one role and action.
#[cfg_attr(not(feature = "prove"), expect(dead_code, reason = "without proofs nothing is ever known"))]
#[derive(Debug)]
pub(super) enum Sought {
    /// There is none: proved.
    None,
    /// The live gate shows it.
    Shown(Box<Shown>),
    /// Nobody knows, and this is why.
    Unproved(String),
}

/// A question of which one set allows what the other one denies.
#[derive(Debug)]
pub(super) struct Shown {
    /// The question.
    pub(super) example: Example,
    /// Further callers whose accounts matter to it.
    pub(super) others: Vec<CallerFixture>,
    /// Which of several changes with the action.
    pub(super) element: Option<String>,
}

/// How two sets differ, for one role and action.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) role: Role,
    pub(super) action: Action,
    /// What the new one allows and the old one does not.
    pub(super) wider: Sought,
    /// What the old one allows and the new one does not.
    pub(super) narrower: Sought,
}

/// What became of a property.
#[cfg_attr(not(feature = "prove"), expect(dead_code, reason = "without proofs nothing is ever known"))]
#[derive(Debug)]
pub(super) enum Settled {
    /// It is true, whatever is asked.
    Proved,
    /// It is not; why, and a case that shows it where there is one.
    Refuted(String),
    /// Nobody knows, and this is why.
    Unproved(String),
}

#[cfg(feature = "prove")]
pub(super) use with_solver::Session;
#[cfg(not(feature = "prove"))]
pub(super) use without_solver::Session;

/// Does what may recurse with Cedar's trees on a stack that is large enough for it: the main thread's is not ours to choose.
pub(super) fn on_a_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, super::Failure> {
    const STACK: usize = 64 << 20;
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("workbench".to_owned()).stack_size(STACK);
        let thread = builder.spawn_scoped(scope, work).map_err(super::Failure::broke)?;
        thread
            .join()
            .map_err(|_| super::Failure::broke("the work failed: this is a fault of the program, please report it"))
    })
}

#[cfg(feature = "prove")]
mod with_solver {
    use super::{Compared, Enforcement, Property, Rule, Settled, Shown, Sought};
    use crate::{
        cli::{
            Failure,
            solver::{Running, Settings},
        },
        workbench::prove::{self, Claim, Claims, Difference, Prover, Verdict},
    };
    use std::time::Duration;
    use tokio::runtime::Runtime;

    /// How long the solver may think about one question.
    const LIMIT: Duration = Duration::from_secs(20);

    /// A solver that runs.
    pub(in crate::cli) struct Session {
        runtime: Runtime,
        prover: Prover<Running>,
    }

    impl Session {
        /// Starts the solver; says why there is none, if there is none.
        pub(in crate::cli) fn start() -> Result<Result<Self, String>, Failure> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::broke)?;
            let settings = Settings::new(None, LIMIT);
            let introduced = runtime.block_on(settings.introduce());
            Ok(introduced.map(|_| Self { runtime, prover: Prover::new(move || settings.start()) }))
        }

        /// Settles properties of a set.
        pub(in crate::cli) fn settle(
            &mut self,
            rules: &[Rule],
            default_enforcement: Enforcement,
            properties: Vec<Property>,
        ) -> Vec<Settled> {
            let mut claims = Claims::new(rules, default_enforcement, false);
            let mut settled = Vec::with_capacity(properties.len());
            for property in properties {
                let claim = Claim::Property(Box::new(property));
                let verdict = self.runtime.block_on(claims.settle(&mut self.prover, &claim));
                settled.push(match verdict {
                    Verdict::Proved => Settled::Proved,
                    Verdict::Unproved { why, .. } => Settled::Unproved(why),
                    Verdict::Refuted { why, witness } => {
                        let shown = witness.map(|witness| format!("; such as {}", witness.example)).unwrap_or_default();
                        Settled::Refuted(format!("{why}{shown}"))
                    }
                });
            }
            settled
        }

        /// Compares two sets.
        pub(in crate::cli) fn compare(
            &mut self,
            old: &[Rule],
            new: &[Rule],
            default_enforcement: Enforcement,
        ) -> Vec<Compared> {
            let compared = self.runtime.block_on(prove::compare(&mut self.prover, old, new, default_enforcement));
            let kind = |kind: prove::Compared| Compared {
                role: kind.role,
                action: kind.action,
                wider: sought(kind.wider),
                narrower: sought(kind.narrower),
            };
            compared.into_iter().map(kind).collect()
        }
    }

    fn sought(difference: Difference) -> Sought {
        match difference {
            Difference::None => Sought::None,
            Difference::Unproved { why, .. } => Sought::Unproved(why),
            Difference::Shown(witness) => {
                let prove::Witness { example, others, element, .. } = *witness;
                Sought::Shown(Box::new(Shown { example, others, element }))
            }
        }
    }
}

#[cfg(not(feature = "prove"))]
mod without_solver {
    use super::{Compared, Enforcement, Property, Rule, Settled};
    use crate::cli::Failure;

    /// What there is none of.
    pub(in crate::cli) enum Session {}

    impl Session {
        /// Says that this build has none.
        #[expect(clippy::unnecessary_wraps, reason = "as with a solver")]
        pub(in crate::cli) fn start() -> Result<Result<Self, String>, Failure> {
            Ok(Err("this build was made without the feature `prove`".to_owned()))
        }

        /// Is never called.
        pub(in crate::cli) fn settle(&mut self, _: &[Rule], _: Enforcement, _: Vec<Property>) -> Vec<Settled> {
            match *self {}
        }

        /// Is never called.
        pub(in crate::cli) fn compare(&mut self, _: &[Rule], _: &[Rule], _: Enforcement) -> Vec<Compared> {
            match *self {}
        }
    }
}
