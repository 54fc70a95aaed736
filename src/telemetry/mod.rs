//! The log: how it is written, and the events that are worth a line.
//!
//! Events are typed ([`events`]): each is a struct with its facts and one function that writes its line, so that a line
//! has the same name and the same fields wherever it comes from. Other lines are for whoever debugs the gate.

pub mod events;
mod level;
pub mod metrics;
pub mod trace;

use crate::config::{Log, LogFormat};
use std::io::IsTerminal;
use tracing_subscriber::{Layer, Registry, layer::SubscriberExt, reload, util::SubscriberInitExt};

pub use level::{Limited, LogLevel, Shown};

/// The log was set up already.
#[derive(Debug, thiserror::Error)]
#[error("the log cannot be set up: {0}")]
pub struct InitError(#[from] tracing_subscriber::util::TryInitError);

/// Sends the log of this process to standard error, from now on: for people on a terminal, else one JSON object a line.
/// Returns what is logged, which can be changed.
pub fn init(log: &Log) -> Result<LogLevel, InitError> {
    let terminal = std::io::stderr().is_terminal();
    let human = match log.format {
        LogFormat::Auto => terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = lines(human, colour, std::io::stderr);
    // What is not logged costs no look at the filter: each line's place in the code knows, until the level is changed.
    let (filter, handle) = reload::Layer::new(log.level.targets().clone());
    tracing_subscriber::registry().with(lines).with(filter).try_init()?;
    Ok(LogLevel::new(log.level.clone(), handle))
}

/// The layer that writes lines.
///
/// It stays silent about its own failures: it would tell them on standard error, which is what has failed, and the
/// process would end in a panic.
fn lines<W>(human: bool, colour: bool, writer: W) -> Box<dyn Layer<Registry> + Send + Sync>
where
    W: for<'w> tracing_subscriber::fmt::MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colour).log_internal_errors(false);
    if human { lines.boxed() } else { lines.json().flatten_event(true).with_current_span(false).boxed() }
}

#[cfg(test)]
mod tests {
    use super::{events::Started, *};
    use std::{
        io::Write,
        sync::{Arc, Mutex, MutexGuard},
    };

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    struct Guard<'b>(MutexGuard<'b, Vec<u8>>);

    impl Write for Guard<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'w> tracing_subscriber::fmt::MakeWriter<'w> for Buffer {
        type Writer = Guard<'w>;

        fn make_writer(&'w self) -> Self::Writer {
            Guard(self.0.lock().unwrap())
        }
    }

    fn written(human: bool, level: &str, act: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let level: crate::config::Level = level.parse().unwrap();
        let lines = lines(human, false, buffer.clone());
        let subscriber = tracing_subscriber::registry().with(lines).with(level.targets().clone());
        tracing::subscriber::with_default(subscriber, act);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn start() {
        let address = "127.0.0.1:8080".parse().unwrap();
        let upstream = "embedded\nforged line";
        Started { address, upstream, region: "eu-west-1", policies: 12, digest: "abc", accounts: 3 }.emit();
    }

    #[test]
    fn json_is_one_flat_object_a_line() {
        let text = written(false, "info", start);
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["event"], "started");
        assert_eq!(line["address"], "127.0.0.1:8080");
        assert_eq!(line["policies"], 12);
        assert_eq!(line["upstream"], "embedded\nforged line");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["target"], "findings_gate::telemetry::events");
    }

    #[test]
    fn text_from_elsewhere_cannot_begin_a_line() {
        let text = written(true, "info", start);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains(r#"upstream="embedded\nforged line""#), "{text}");
    }

    #[test]
    fn levels_are_kept() {
        assert_eq!(written(false, "warn", start), "");
        assert_eq!(written(false, "info,findings_gate::telemetry=off", start), "");
        assert_ne!(written(false, "off,findings_gate::telemetry=info", start), "");
    }

    /// An alert may rely on an event's name, so the names are documented.
    #[test]
    fn the_reference_names_every_event() {
        let source = include_str!("events.rs");
        let reference = include_str!("../../docs/configuration.md");
        let names: Vec<&str> = source.split("event = \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(names.len(), source.matches("pub fn emit(").count(), "{names:?}");
        for name in names {
            assert!(reference.contains(&format!("`{name}`")), "{name}");
        }
    }
}
