//! `metadata.uid`: the one name that a finding has in OCSF.

use super::json::{Object, text_at};
use aws_lc_rs::digest::{Context, SHA256};

/// The uid of the finding of this Region, account, ProductArn and Id: 64 hexadecimal digits, always the same. The parts are
/// digested with their lengths, so that no two findings can have one uid by moving characters from part to part.
pub(super) fn metadata_uid(region: &str, account: &str, product_arn: &str, id: &str) -> String {
    let mut context = Context::new(&SHA256);
    for part in [region, account, product_arn, id] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    super::token::hex(context.finish().as_ref().iter())
}

/// The uid of a finding as it is stored.
pub(super) fn metadata_uid_of(finding: &Object) -> String {
    let [region, account, product_arn, id] =
        ["Region", "AwsAccountId", "ProductArn", "Id"].map(|name| text_at(finding, &[name]).unwrap_or_default());
    metadata_uid(region, account, product_arn, id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_uid_is_of_all_parts_and_never_changes() {
        let uid = metadata_uid("eu-west-1", "222222222222", "arn:p", "f");
        // In the shell: printf '\0\0\0\0\0\0\0\x09eu-west-1…' | sha256sum
        assert_eq!(uid, "5f76cebf6a9390a83a651213b7cf8808bf4cb93902fa1bb5819ff5c18f5ab590");
        for other in [
            metadata_uid("eu-west-2", "222222222222", "arn:p", "f"),
            metadata_uid("eu-west-1", "333333333333", "arn:p", "f"),
            metadata_uid("eu-west-1", "222222222222", "arn:pf", ""),
            metadata_uid("eu-west-1", "222222222222", "arn:", "pf"),
        ] {
            assert_ne!(other, uid);
        }
        let finding = json!({"Region": "eu-west-1", "AwsAccountId": "222222222222", "ProductArn": "arn:p", "Id": "f"});
        assert_eq!(metadata_uid_of(finding.as_object().unwrap()), uid);
    }
}
