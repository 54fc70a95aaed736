//! `findings-gate backend`

use super::{Exit, Failure, Printer, embedded::BackendService, shared};
use crate::{
    backend::{Backend, Faults, Rate, Settings},
    config,
    finding::{AccountId, Accounts},
    proxy::{Limits, Listener, LiveLimits, Shutdown, run as run_workers},
    telemetry::{self, events::Drained},
};
use clap::Args;
use std::{
    fmt,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    rc::Rc,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

pub(super) const ABOUT: &str = "\
Run a findings backend that speaks Security Hub's API.

It keeps findings in memory or in a file, imports, reads and updates them as Security Hub does, keeps automation rules \
without applying them, and can fail as Security Hub does. It believes the header x-findings-gate-account and checks no signature: it \
belongs behind the gate, and where nobody else reaches it.";

const EXAMPLES: &str = "\
Examples:
  findings-gate backend
  findings-gate backend --data findings.db --accounts accounts.toml
  findings-gate backend --quotas --fault throttle:1/10 --fault slow:200ms

Faults:
  throttle:N/M    N of M requests get 429 TooManyRequestsException
  error:N/M       N of M requests get 500 InternalException
  slow:DURATION   every answer waits that long, such as 200ms
  concurrent:N/M  N of M findings are unprocessed for ConcurrentUpdateError

Exit codes: 0 stopped as told · 1 broke · 3 the accounts file is invalid · 64 usage";

/// Arguments of `backend`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct BackendArgs {
    /// Where the gate connects; on loopback unless you know who else can reach it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000", value_parser = shared::socket)]
    pub listen: SocketAddr,

    /// The database file; made when it is not there. Without it, findings are kept in memory
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,

    /// The accounts file: who is the administrator, and who a member
    #[arg(long, value_name = "FILE")]
    pub accounts: Option<PathBuf>,

    /// The Region that the backend stands in
    #[arg(long, value_name = "REGION", default_value = "eu-west-1")]
    pub region: String,

    /// Keep Security Hub's request quotas: more requests than they allow get 429
    #[arg(long)]
    pub quotas: bool,

    /// Fail on purpose; may be given again
    #[arg(long = "fault", value_name = "FAULT")]
    pub faults: Vec<Fault>,
}

/// Without an accounts file: one administrator, and no members.
const DEFAULT_ACCOUNT: &str = "111111111111";

/// Serves until it is told to stop.
pub(super) fn run(args: &BackendArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let accounts = match &args.accounts {
        Some(file) => config::read_accounts(file)?,
        None => Accounts::new(DEFAULT_ACCOUNT.parse::<AccountId>().map_err(Failure::broke)?, []),
    };
    telemetry::init(&config::log_from(std::env::vars_os())?).map_err(Failure::broke)?;
    let administrator = accounts.administrators().next().ok_or_else(|| Failure::broke("no administrator"))?;
    let settings = Settings {
        data: args.data.clone(),
        quotas: args.quotas,
        faults: faults(&args.faults),
        ..Settings::new(&*args.region, accounts)
    };
    let backend = Arc::new(Backend::open(settings).map_err(Failure::broke)?);
    let listener = Listener::bind(args.listen, NonZeroUsize::MIN).map_err(Failure::broke)?;
    let (_trigger, shutdown) = Shutdown::by_signal(Duration::ZERO).map_err(Failure::broke)?;
    printer.out(&format!("listening on http://{}\n", listener.address()))?;
    let limits = LiveLimits::new(Limits { body: BackendService::BODY, ..Limits::default() });
    let make = |_worker| {
        BackendService::new(backend.clone(), administrator)
            .map(Rc::new)
            .map_err(|_| "the system gives no random numbers")
    };
    let report = run_workers(listener, &limits, make, &shutdown).map_err(Failure::broke)?;
    Drained { finished: report.finished, cut: report.cut }.emit();
    Ok(Exit::Fine)
}

fn faults(asked: &[Fault]) -> Faults {
    let rate = |chance: Chance| Rate::Probability(f64::from(chance.hits) / f64::from(chance.of.get()));
    let mut faults = Faults::default();
    for fault in asked {
        match *fault {
            Fault::Throttle(chance) => faults.throttle = rate(chance),
            Fault::Error(chance) => faults.internal = rate(chance),
            Fault::Slow(delay) => faults.slow = (Rate::ALWAYS, delay),
            Fault::Concurrent(chance) => faults.concurrent_update = rate(chance),
        }
    }
    faults
}

/// A way to fail on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `throttle:1/10`: that many requests get 429.
    Throttle(Chance),
    /// `error:1/10`: that many requests get 500.
    Error(Chance),
    /// `slow:200ms`: every answer waits that long.
    Slow(Duration),
    /// `concurrent:1/10`: that many findings are unprocessed for `ConcurrentUpdateError`.
    Concurrent(Chance),
}

/// `hits` of every `of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chance {
    /// How many; at most `of`.
    pub hits: u32,
    /// Of how many.
    pub of: NonZeroU32,
}

impl FromStr for Fault {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const KINDS: &str = "expected `throttle:1/10`, `error:1/10`, `slow:200ms` or `concurrent:1/10`";
        let (kind, value) = text.split_once(':').ok_or(KINDS)?;
        match kind {
            "throttle" => value.parse().map(Self::Throttle),
            "error" => value.parse().map(Self::Error),
            "concurrent" => value.parse().map(Self::Concurrent),
            "slow" => {
                let wait = config::duration(value).filter(|wait| *wait <= Duration::from_hours(1));
                wait.map(Self::Slow).ok_or("expected a duration of at most `1h`, such as `200ms`")
            }
            _ => Err(KINDS),
        }
    }
}

impl FromStr for Chance {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected so many of so many, such as `1/10`";
        let (hits, of) = text.split_once('/').ok_or(EXPECTED)?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let chance = match (hits.parse(), of.parse::<NonZeroU32>()) {
            (Ok(count), Ok(of)) if digits(hits) && count <= of.get() => Self { hits: count, of },
            _ => return Err(EXPECTED),
        };
        Ok(chance)
    }
}

impl fmt::Display for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.hits, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults() {
        let chance = |hits, of| Chance { hits, of: NonZeroU32::new(of).unwrap() };
        for (text, fault) in [
            ("throttle:1/10", Fault::Throttle(chance(1, 10))),
            ("error:0/1", Fault::Error(chance(0, 1))),
            ("concurrent:3/3", Fault::Concurrent(chance(3, 3))),
            ("slow:200ms", Fault::Slow(Duration::from_millis(200))),
        ] {
            assert_eq!(text.parse(), Ok(fault));
        }
        for bad in [
            "",
            "throttle",
            "throttle:",
            "throttle:2/1",
            "throttle:1/0",
            "throttle:+1/2",
            "slow:1/10",
            "slow:2h",
            "odd:1/2",
        ] {
            assert!(bad.parse::<Fault>().is_err(), "{bad}");
        }
    }
}
