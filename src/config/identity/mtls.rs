//! `kind = "mtls"`: client certificates.

use super::{Reading, rules};
use crate::{
    config::{Identity, problem::Problem},
    identity::CERTIFICATE_ATTRIBUTES,
};

pub(super) fn read(reading: &mut Reading<'_>, index: usize) -> Option<Identity> {
    reading.settings.keep_to(index, "mtls", &["rule"]);
    if reading.settings.given("listen.tls.client_ca").is_none() {
        let kind = reading.settings.value(&format!("identity.{index}.kind"))?;
        let message = format!(
            "`identity.{index}` is `mtls`, and without `listen.tls.client_ca` no client is asked for a certificate"
        );
        let help =
            "set `listen.tls.client_ca` to the certificates of the authorities that clients' certificates come from";
        reading.settings.problems.add(Problem::new(kind.origin, message).help(help));
    }
    Some(Identity::Mtls { rules: rules::read(reading, index, &CERTIFICATE_ATTRIBUTES)? })
}
