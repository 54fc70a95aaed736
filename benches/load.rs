//! Requests a second through one worker of the gate, beside what any proxy in its place would take: the least that hyper can
//! do (`floor`), and nginx where it is installed.
//!
//! Everything is in this process and on loopback: the backend, the proxies and the clients have a thread each, nginx is a
//! child; three of them work at a time. With fewer cores they take the time from each other, and the rates come closer
//! together than they are; the CPU time a request suffers little from it.
#![expect(clippy::print_stdout, reason = "its tables are what it is for")]

mod support {
    pub(crate) mod figures;
    pub(crate) mod load {
        pub(crate) mod clients;
        mod clock;
        pub(crate) mod hyper_server;
        pub(crate) mod nginx;
        pub(crate) mod proxy;
        pub(crate) mod traffic;
    }

    mod effort;
    pub(crate) use effort::Effort;
}

use std::{num::NonZeroUsize, thread, time::Duration};
use support::{
    Effort,
    figures::{forth_and_back, median},
    load::{
        clients::{CONNECTIONS, Figures, load},
        hyper_server,
        nginx::nginx,
        proxy::{Proxy, gate, gate_audit, gate_audit_fsync, gate_signing, gate_sigv4, gate_tls, gate_tls_signing},
        traffic::exchanges,
    },
};
use tokio::{runtime, task::LocalSet};

/// Threads that work at once: the backend's, a proxy's, and the clients'.
const THREADS: usize = 3;

fn main() {
    let effort = Effort::from_args();
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, tables(&effort));
}

async fn tables(effort: &Effort) {
    let backend = hyper_server::backend();
    let mut proxies = vec![
        gate(backend.address),
        gate_sigv4(backend.address),
        gate_tls(backend.address),
        gate_signing(backend.address),
        gate_tls_signing(backend.address),
        gate_audit(backend.address),
        gate_audit_fsync(backend.address),
        hyper_server::floor(backend.address),
    ];
    match nginx(backend.address).await {
        Ok(nginx) => proxies.push(nginx),
        Err(reason) => println!("without nginx: {reason}"),
    }
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    if cores < THREADS {
        println!(
            "{cores} cores for {THREADS} threads: the rates are closer together than the proxies are, compare the CPU time"
        );
    }
    println!(
        "{CONNECTIONS} connections, one request under way in each; medians; of floor, of nginx, of gate: times their rate, \
         medians of ratios within rounds"
    );
    for findings in [1, 10, 100] {
        if effort.wants(&findings.to_string()) {
            table(effort, &proxies, findings).await;
        }
    }
}

async fn table(effort: &Effort, proxies: &[Proxy], findings: usize) {
    let length = effort.pick(Duration::from_millis(20), Duration::from_millis(300), Duration::from_secs(1));
    // Signed here, so that no signature gets too old.
    let traffic: Vec<_> = proxies.iter().map(|proxy| exchanges(findings, proxy.address, proxy.key)).collect();
    let mut figures: Vec<Vec<Figures>> = proxies.iter().map(|_| Vec::new()).collect();
    for round in 0..effort.pick(1, 3, 9) {
        for at in forth_and_back(round, proxies.len()) {
            let proxy = &proxies[at];
            figures[at].push(load(proxy, &traffic[at], length).await);
        }
    }

    println!(
        "\n{:<24}{:>14}{:>11}{:>11}{:>11}{:>19}",
        format!("findings a request: {findings}"),
        "requests/s",
        "of floor",
        "of nginx",
        "of gate",
        "CPU us a request"
    );
    let rates = |name: &str| proxies.iter().position(|proxy| proxy.name == name).map(|at| &figures[at]);
    for (proxy, rounds) in proxies.iter().zip(&figures) {
        let rate = median(rounds.iter().map(|round| round.rate).collect());
        let of = |name| rates(name).map(|others| over(rounds, others));
        let cpu: Option<Vec<f64>> = rounds.iter().map(|round| round.cpu).collect();
        println!(
            "  {:<22}{rate:>14.0}{:>11}{:>11}{:>11}{:>19}",
            proxy.name,
            shown(of("floor"), 2),
            shown(of("nginx"), 2),
            shown(of("gate"), 2),
            shown(cpu.map(median), 1)
        );
    }
}

/// How many times the rate of others this is.
fn over(rounds: &[Figures], others: &[Figures]) -> f64 {
    median(rounds.iter().zip(others).map(|(this, other)| this.rate / other.rate).collect())
}

fn shown(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.digits$}"))
}
