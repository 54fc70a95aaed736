//! Where a running gate sends spans.

use super::Failure;
use crate::{
    config::Config,
    telemetry::{metrics::Metrics, trace::Tracer},
};

#[cfg(feature = "otlp")]
pub(super) use exporting::Exporting;

/// Nothing sends any: a configuration that wants them was refused.
#[cfg(not(feature = "otlp"))]
pub(super) struct Exporting;

#[cfg(not(feature = "otlp"))]
impl Exporting {
    #[expect(clippy::unnecessary_wraps, reason = "as it is with the feature")]
    pub(super) fn start(_: &Config, _: &Metrics) -> Result<Self, Failure> {
        Ok(Self)
    }

    #[expect(clippy::unused_self, reason = "as it is with the feature")]
    pub(super) fn tracer(&self) -> Tracer {
        Tracer::default()
    }

    #[expect(clippy::unused_self, reason = "as it is with the feature")]
    pub(super) fn finish(self) {}
}

#[cfg(feature = "otlp")]
mod exporting {
    use super::{Config, Failure, Metrics, Tracer};
    use crate::{
        config::TraceExport,
        telemetry::trace::{ExportSettings, Exporter},
    };
    use http::{HeaderName, HeaderValue};
    use std::time::Duration;

    /// How long the end waits for the last spans.
    const LAST: Duration = Duration::from_secs(2);

    /// What sends spans, if the configuration wants any.
    pub(crate) struct Exporting(Option<Exporter>);

    impl Exporting {
        pub(crate) fn start(config: &Config, metrics: &Metrics) -> Result<Self, Failure> {
            let Some(export) = &config.traces.export else { return Ok(Self(None)) };
            let TraceExport { endpoint, ca, sample, headers, service, attributes, .. } = export;
            let settings = ExportSettings {
                endpoint: format!("{endpoint}/v1/traces").parse().map_err(Failure::broke)?,
                ca: ca.as_ref().map(|ca| ca.pem.clone().into_bytes()),
                headers: headers.iter().map(|(name, value)| header(name, value.expose())).collect::<Result<_, _>>()?,
                service: service.clone(),
                attributes: attributes.clone(),
                sample: *sample,
            };
            Exporter::start(settings, metrics.spans()).map(Some).map(Self).map_err(Failure::invalid)
        }

        pub(crate) fn tracer(&self) -> Tracer {
            self.0.as_ref().map(Exporter::tracer).unwrap_or_default()
        }

        /// Sends what is left.
        pub(crate) fn finish(self) {
            if let Some(exporter) = self.0 {
                exporter.finish(LAST);
            }
        }
    }

    fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Failure> {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(Failure::broke)?;
        let mut value = HeaderValue::from_str(value).map_err(|_| Failure::broke("`traces.headers` has no header"))?;
        value.set_sensitive(true);
        Ok((name, value))
    }
}
