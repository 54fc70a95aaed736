//! `findings-gate health`

use super::{ConfigArgs, Exit, Failure, Printer, shared};
use crate::{config, net};
use bytes::Bytes;
use clap::Args;
use http::{Request, StatusCode};
use http_body_util::Full;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};
use tokio::{runtime, time::sleep};

pub(super) const ABOUT: &str = "\
Ask the gate on this machine whether it is ready.

It asks the admin listener for `/ready` and ends with 0 if requests would be served. So a container, an orchestrator or a script \
can check a gate with the program that is there anyway, and needs no curl. Where the listener is, it reads where the gate did: \
FINDINGS_GATE__ADMIN__ADDRESS, else `admin.address` of the configuration file, of which nothing else counts here. A listener on all \
addresses (`0.0.0.0`, `[::]`) is asked at 127.0.0.1 or [::1].";

const EXAMPLES: &str = "\
Examples:
  findings-gate health
  findings-gate health --config /etc/findings-gate/findings-gate.toml
  findings-gate health --address 127.0.0.1:8081 --timeout 1s
  findings-gate health --live --wait 30s

Exit codes: 0 ready, or alive with --live · 1 it is not, or gives no answer · 3 invalid · 64 usage";

/// Between two questions of one who waits.
const PAUSE: Duration = Duration::from_millis(50);
/// Bytes of the answer: a line.
const LONGEST: usize = 16 * 1024;
/// Characters of the answer that are shown.
const SHOWN: usize = 400;

/// Arguments of `health`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct HealthArgs {
    /// The configuration file.
    #[command(flatten)]
    pub config: ConfigArgs,

    /// The admin listener; the one of the configuration otherwise
    #[arg(long, value_name = "ADDRESS", value_parser = shared::socket, conflicts_with = "config")]
    pub address: Option<SocketAddr>,

    /// Ask whether the process answers at all (`/live`), ready or not
    #[arg(long)]
    pub live: bool,

    /// How long an answer may take
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = patience)]
    pub timeout: Duration,

    /// Ask again until it is, for so long: for what has to wait for a gate that starts
    #[arg(long, value_name = "DURATION", value_parser = patience)]
    pub wait: Option<Duration>,
}

/// Asks, and says what the answer was.
pub(super) fn run(args: &HealthArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let address = reached(match args.address {
        Some(address) => address,
        None => configured(args)?,
    })?;
    let (path, good) = if args.live { ("/live", "live") } else { ("/ready", "ready") };
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::broke)?;
    let answer = runtime.block_on(async {
        let asked = Instant::now();
        loop {
            let answer = ask(address, path, args.timeout).await;
            let answer = answer.and_then(|answer| judged(address, path, good, &answer));
            if matches!(answer, Ok(Health::Good(_))) || args.wait.is_none_or(|wait| asked.elapsed() >= wait) {
                return answer;
            }
            sleep(PAUSE).await;
        }
    });
    told(answer?, printer)
}

/// What a gate says of itself, in its own words.
enum Health {
    Good(String),
    NotReady(String),
}

fn judged(address: SocketAddr, path: &str, good: &str, answer: &net::Fetched) -> Result<Health, Failure> {
    let told = line(&answer.body);
    match answer.status {
        StatusCode::OK if told == good => Ok(Health::Good(told)),
        StatusCode::SERVICE_UNAVAILABLE if told.starts_with("not ready") => Ok(Health::NotReady(told)),
        // Somebody else's port must not count as a gate that is well.
        status => Err(Failure::broke(format!(
            "{address} answered {} to GET {path}, as no admin listener of a gate does: is `admin.address` that port?",
            status.as_u16()
        ))),
    }
}

fn told(health: Health, printer: &mut Printer) -> Result<Exit, Failure> {
    match health {
        Health::Good(told) => {
            printer.out(&format!("{told}\n"))?;
            Ok(Exit::Fine)
        }
        Health::NotReady(told) => {
            printer.err(&format!("{told}\n"))?;
            Ok(Exit::Broke)
        }
    }
}

fn configured(args: &HealthArgs) -> Result<SocketAddr, Failure> {
    let file = &args.config.config;
    config::admin_from(file, std::env::vars_os())?.ok_or_else(|| {
        Failure::invalid(format!(
            "{}: `admin.address` is missing, so the gate has no admin listener to ask: set it, such as to \"127.0.0.1:8081\", or say \
             where with `--address`",
            file.display()
        ))
    })
}

/// Where a listener on this address is reached from its own machine.
fn reached(listening: SocketAddr) -> Result<SocketAddr, Failure> {
    if listening.port() == 0 {
        return Err(Failure::invalid(format!(
            "`admin.address` is {listening}, of which the gate chooses the port: give the one that it printed with `--address`"
        )));
    }
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok(SocketAddr::new(ip, listening.port()))
}

async fn ask(address: SocketAddr, path: &str, timeout: Duration) -> Result<net::Fetched, Failure> {
    let request = Request::get(format!("http://{address}{path}")).body(Full::<Bytes>::default());
    let client = net::Client::new(None, timeout, LONGEST).map_err(Failure::broke)?;
    client.send(request.map_err(Failure::broke)?).await.map_err(Failure::broke)
}

/// The first line of an answer, fit to be shown.
fn line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let first = text.lines().next().unwrap_or_default();
    first.chars().filter(|letter| !letter.is_control()).take(SHOWN).collect()
}

fn patience(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "expected a duration from 10ms to 1m, such as `3s`";
    let range = Duration::from_millis(10)..=Duration::from_mins(1);
    config::duration(text).filter(|given| range.contains(given)).ok_or_else(|| EXPECTED.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_asked_on_this_machine() {
        for (listening, asked) in [
            ("0.0.0.0:8081", "127.0.0.1:8081"),
            ("[::]:8081", "[::1]:8081"),
            ("127.0.0.1:9", "127.0.0.1:9"),
            ("10.0.0.7:8081", "10.0.0.7:8081"),
            ("[fd00::7]:8081", "[fd00::7]:8081"),
        ] {
            assert_eq!(reached(listening.parse().unwrap()).unwrap().to_string(), asked);
        }
        let error = reached("127.0.0.1:0".parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("--address"), "{error}");
    }

    #[test]
    fn what_is_shown_of_an_answer_is_one_short_line() {
        assert_eq!(line(b"ready\n"), "ready");
        assert_eq!(line(b""), "");
        assert_eq!(line(b"not \x1b[31mready\xff: why\nmore"), "not [31mready\u{fffd}: why");
        assert_eq!(line(&[b'x'; 9000]).len(), SHOWN);
    }

    #[test]
    fn a_timeout_is_a_duration_within_reason() {
        assert_eq!(patience("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["", "3", "0s", "9ms", "61s", "1h"] {
            assert!(patience(wrong).unwrap_err().contains("such as `3s`"), "{wrong}");
        }
    }
}
