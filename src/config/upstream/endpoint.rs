//! Security Hub's own endpoints.

use crate::config::Url;

/// A partition of AWS: which Regions it has, and what their hosts end in.
struct Partition {
    /// What a Region's name begins with.
    regions: &'static [&'static str],
    suffix: &'static str,
    dual_stack_suffix: &'static str,
}

/// From botocore's `partitions.json`; `tests/clients` holds every Region there against this. The longer beginnings come first. Every
/// partition says that it supports both FIPS and dual stack.
const PARTITIONS: [Partition; 8] = [
    Partition { regions: &["us-isob-"], suffix: "sc2s.sgov.gov", dual_stack_suffix: "api.aws.scloud" },
    Partition { regions: &["us-isof-"], suffix: "csp.hci.ic.gov", dual_stack_suffix: "api.aws.hci.ic.gov" },
    Partition { regions: &["us-iso-"], suffix: "c2s.ic.gov", dual_stack_suffix: "api.aws.ic.gov" },
    Partition { regions: &["eu-isoe-"], suffix: "cloud.adc-e.uk", dual_stack_suffix: "api.cloud-aws.adc-e.uk" },
    Partition { regions: &["us-gov-"], suffix: "amazonaws.com", dual_stack_suffix: "api.aws" },
    Partition { regions: &["cn-"], suffix: "amazonaws.com.cn", dual_stack_suffix: "api.amazonwebservices.com.cn" },
    Partition { regions: &["eusc-de-"], suffix: "amazonaws.eu", dual_stack_suffix: "api.amazonwebservices.eu" },
    Partition {
        regions: &["us-", "eu-", "ap-", "sa-", "ca-", "me-", "af-", "il-", "mx-"],
        suffix: "amazonaws.com",
        dual_stack_suffix: "api.aws",
    },
];

/// Where Security Hub is in a Region; nothing if no partition is known to have it.
pub(super) fn endpoint(region: &str, fips: bool, dual_stack: bool) -> Option<Url> {
    let partition =
        PARTITIONS.iter().find(|partition| partition.regions.iter().any(|begin| region.starts_with(begin)))?;
    let service = if fips { "securityhub-fips" } else { "securityhub" };
    let suffix = if dual_stack { partition.dual_stack_suffix } else { partition.suffix };
    format!("https://{service}.{region}.{suffix}").parse().ok()
}

/// Whether a host is one of AWS's, which answer no request without a signature.
pub(super) fn is_of_aws(host: &str) -> bool {
    let ends = |suffix: &str| host.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.'));
    PARTITIONS.iter().any(|partition| ends(partition.suffix) || ends(partition.dual_stack_suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_those_that_botocore_resolves() {
        for (region, fips, dual_stack, host) in [
            ("eu-west-1", false, false, "securityhub.eu-west-1.amazonaws.com"),
            ("us-east-1", true, false, "securityhub-fips.us-east-1.amazonaws.com"),
            ("mx-central-1", false, true, "securityhub.mx-central-1.api.aws"),
            ("il-central-1", true, true, "securityhub-fips.il-central-1.api.aws"),
            ("us-gov-west-1", true, false, "securityhub-fips.us-gov-west-1.amazonaws.com"),
            ("cn-north-1", false, false, "securityhub.cn-north-1.amazonaws.com.cn"),
            ("cn-northwest-1", true, true, "securityhub-fips.cn-northwest-1.api.amazonwebservices.com.cn"),
            ("us-iso-east-1", false, false, "securityhub.us-iso-east-1.c2s.ic.gov"),
            ("us-isob-east-1", false, true, "securityhub.us-isob-east-1.api.aws.scloud"),
            ("us-isof-south-1", false, false, "securityhub.us-isof-south-1.csp.hci.ic.gov"),
            ("eu-isoe-west-1", true, false, "securityhub-fips.eu-isoe-west-1.cloud.adc-e.uk"),
            ("eusc-de-east-1", false, false, "securityhub.eusc-de-east-1.amazonaws.eu"),
        ] {
            let url = endpoint(region, fips, dual_stack).unwrap();
            assert_eq!(url.to_string(), format!("https://{host}"));
            assert!(is_of_aws(host), "{host}");
        }
        assert_eq!(endpoint("moon-base-1", false, false), None);
        for other in ["amazonaws.com", "notamazonaws.com", "securityhub.amazonaws.com.example", "127.0.0.1"] {
            assert!(!is_of_aws(other), "{other}");
        }
    }
}
