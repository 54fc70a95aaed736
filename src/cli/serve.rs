//! `findings-gate serve`

use super::{
    ConfigArgs, Exit, Failure, Printer,
    admin::AdminListener,
    assemble,
    deliver::{self, Whence},
    discover,
    recording::Recording,
    reload::Reloader,
    shared,
    traces::Exporting,
};
use crate::{
    config::{self, Backend, Flags},
    proxy::{Listener, Live, LiveLimits, Starting, Tls},
    telemetry::{
        self,
        events::{ConfigurationDoubtful, Drained, Started, Stopping},
    },
};
use clap::Args;
use std::{
    io::{self, Write as _},
    process,
    sync::Arc,
    time::Duration,
};

pub(super) const ABOUT: &str = "\
Run the gate.

It reads the configuration and the policies, checks both completely, and only then binds its port. On SIGTERM it goes on for a \
while, not ready any more, so that load balancers turn away (limits.grace); then, or at once on SIGINT, it takes no more connections, finishes the \
requests under way (limits.drain) and ends. A second signal cuts them. One that comes before it serves ends it at once.";

const EXAMPLES: &str = "\
Examples:
  findings-gate serve
  findings-gate serve --config /etc/findings-gate/findings-gate.toml
  findings-gate serve --upstream http://127.0.0.1:9000 --log-level debug
  findings-gate serve --policies pack:baseline policies/team.cedar

Exit codes: 0 stopped as told · 1 broke · 3 the configuration or a policy is invalid · 64 usage";

/// Arguments of `serve`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ServeArgs {
    /// The configuration file.
    #[command(flatten)]
    pub config: ConfigArgs,

    /// Where callers connect; overrides `listen.address`
    #[arg(long, value_name = "ADDRESS", value_parser = shared::address)]
    pub listen: Option<String>,

    /// The findings backend: `aws`, `embedded` or a URL; overrides `upstream.url`
    ///
    /// `upstream.data`, `upstream.ca`, `upstream.regions`, `upstream.fips` and `upstream.dual_stack` of the configuration
    /// file belong to its own `upstream.url`, and do not count when this is given.
    #[arg(long, value_name = "URL", value_parser = shared::upstream)]
    pub upstream: Option<String>,

    /// Directories of policies, `.cedar` files, a bundle, or packs such as `pack:baseline`; overrides `policies.path`
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub policies: Vec<String>,

    /// What is logged: off, error, warn, info, debug, trace, or directives; overrides `log.level`
    #[arg(long, value_name = "LEVEL", value_parser = shared::level)]
    pub log_level: Option<String>,
}

impl ServeArgs {
    /// What these arguments set over the configuration file.
    pub fn flags(&self) -> Flags {
        Flags {
            listen: self.listen.clone(),
            upstream: self.upstream.clone(),
            policies: self.policies.clone(),
            log_level: self.log_level.clone(),
        }
    }
}

/// Serves until it is told to stop.
pub(super) fn run(args: &ServeArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let starting = Starting::by_signal(|signal| {
        Stopping { signal, grace: Duration::ZERO }.emit();
        // How it is logged, and whether, is in the configuration, which may not be read yet.
        if !tracing::dispatcher::has_been_set() {
            let _ = writeln!(io::stderr(), "{signal} came before the gate served; nothing was begun");
        }
        process::exit(i32::from(Exit::Fine.code()));
    })
    .map_err(Failure::broke)?;
    let whence =
        Whence { file: args.config.config.clone(), environment: std::env::vars_os().collect(), flags: args.flags() };
    let delivered = deliver::first(&whence)?;
    let (prepared, reads) = config::recorded(|| {
        let config = config::load(&whence.file, whence.environment.iter().cloned(), &whence.flags)?;
        // Before the parts that have something to tell from their start.
        let log = telemetry::init(&config.log).map_err(Failure::broke)?;
        let tls = assemble::tls(&config.listen)?;
        let settings = assemble::gate(&config)?;
        Ok::<_, Failure>((config, tls, settings, log))
    });
    let (mut config, tls, mut settings, log) = prepared?;
    for warning in config.warnings.iter().chain(&assemble::doubts(&config, &settings.snapshot)) {
        ConfigurationDoubtful { warning }.emit();
    }
    let metrics = Arc::clone(&settings.metrics);
    if let Some(delivered) = &delivered {
        delivered.tell(&metrics);
    }
    let exporting = Exporting::start(&config, &settings.metrics)?;
    settings.tracer = exporting.tracer();
    let discovery = discover::first(&mut config, settings.routes.first())?;
    if discovery.is_some() {
        settings = assemble::renewed(&config, settings)?;
    }
    // From here on there is something to finish.
    let (_trigger, grace, shutdown) = starting.over(config.limits.grace);
    let recording = Recording::start(&config, settings.snapshot.digest(), &settings.metrics)?;
    settings.records = recording.records();
    let listener = Listener::bind(config.listen.address, config.listen.workers).map_err(Failure::broke)?;
    let upstream = match &config.upstream.backend {
        Backend::Embedded { .. } => "embedded".to_owned(),
        Backend::Remote { routes, .. } => {
            routes.iter().map(|route| route.url.to_string()).collect::<Vec<_>>().join(", ")
        }
    };
    Started {
        address: listener.address(),
        upstream: &upstream,
        region: &config.upstream.region,
        policies: settings.snapshot.rules().len(),
        digest: settings.snapshot.digest(),
        accounts: config.accounts.count(),
    }
    .emit();
    let tls = tls.map(Tls::new);
    // Told on standard output, for whoever started it with port 0.
    let scheme = if tls.is_some() { "https" } else { "http" };
    let listener = match &tls {
        Some(tls) => listener.tls(tls.clone()),
        None => listener,
    };
    let listener = listener.counted(settings.metrics.load());
    let is_log = config.audit.as_ref().is_some_and(|audit| audit.log.stdout);
    let live = Live::new(settings);
    let limits = LiveLimits::new(assemble::limits(&config.limits));
    let admin = config.admin;
    let discovered = discovery.as_ref().map(|(discovered, _)| discovered.clone());
    let reloader = Reloader {
        whence: whence.clone(),
        started: config,
        reads,
        discovered,
        live: live.clone(),
        limits: limits.clone(),
        grace,
        tls,
    };
    let reload = reloader.start()?;
    if let Some((_, refresher)) = discovery {
        discover::start(refresher)?;
    }
    // Standard output is the log's where it goes there.
    let say = |printer: &mut Printer, text: &str| if is_log { printer.err(text) } else { printer.out(text) };
    let delivery = delivered.map(|delivered| delivered.start(whence, reload.clone(), metrics)).transpose()?;
    let admin =
        admin.map(|address| AdminListener::start(address, &live, (&reload, &log), delivery, &shutdown)).transpose()?;
    if let Some(admin) = &admin {
        say(printer, &format!("administered at http://{}\n", admin.address()))?;
    }
    say(printer, &format!("listening on {scheme}://{}\n", listener.address()))?;
    let report = assemble::run(listener, &limits, &live, &shutdown)?;
    drop(recording);
    drop(admin);
    exporting.finish();
    Drained { finished: report.finished, cut: report.cut }.emit();
    Ok(Exit::Fine)
}
