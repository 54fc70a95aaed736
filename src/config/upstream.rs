//! `[upstream]`: the findings backend.

mod backend;
mod endpoint;
mod sign;

use super::{Upstream, load::Settings};
use std::{num::NonZeroUsize, time::Duration};

const LEAST: Duration = Duration::from_millis(10);
const MINUTE: Duration = Duration::from_mins(1);

/// `[upstream]`
pub(super) fn read(settings: &mut Settings, warnings: &mut Vec<String>) -> Option<Upstream> {
    const STS_REGION: &str = "upstream.sts_region";
    let region_of = |text: &str| is_region(text).then(|| text.to_owned());
    let region = settings.text("upstream.region", region_of);
    let backend = backend::read(settings, region.as_deref());
    let sign = sign::read(settings, backend.as_ref(), warnings);
    let sts_region = match settings.given(STS_REGION) {
        Some(_) => settings.text(STS_REGION, region_of),
        None => region.clone(),
    };
    let connect_timeout = settings.duration("upstream.connect_timeout", LEAST..=MINUTE);
    let timeout = settings.duration("upstream.timeout", LEAST..=10 * MINUTE);
    let concurrency = settings.count("upstream.concurrency", 1..=100).and_then(NonZeroUsize::new);
    Some(Upstream {
        backend: backend?,
        region: region?,
        sign: sign?,
        sts_region: sts_region?,
        connect_timeout: connect_timeout?,
        timeout: timeout?,
        concurrency: concurrency?,
    })
}

/// Whether a text is a Region's name: `eu-west-1`.
fn is_region(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (3..=32).contains(&text.len())
        && text.contains('-')
        && text.bytes().all(fits)
        && !text.starts_with('-')
        && !text.ends_with('-')
}
