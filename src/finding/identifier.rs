//! Which finding is meant, and whose it is.

use super::{
    AccountId, Text,
    object::{object, required},
    swar,
    text::{TextRule, length_within, not_blank},
};

/// `(ProductArn, Id)`: together they name one finding; either alone does not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identifier<'a> {
    /// The finding's id, as its provider chose it.
    pub id: Text<'a>,
    /// The ARN of the product that provides the finding.
    pub product_arn: Text<'a>,
}

/// Limits of the API model's text on `AwsSecurityFinding`.
pub(super) const ID: TextRule = TextRule {
    holds: |text| length_within(text, 1, 512) && not_blank(text),
    expected: "a finding id of 1 to 512 characters, not blank",
};
pub(super) const PRODUCT_ARN: TextRule = TextRule {
    holds: |text| length_within(text, 12, 2048) && not_blank(text),
    expected: "a product ARN of 12 to 2048 characters",
};
/// The CloudFormation schema is stricter on related findings: the product must be an ARN in form, too.
const RELATED_PRODUCT_ARN: TextRule = TextRule {
    holds: |text| length_within(text, 12, 2048) && is_arn(text),
    expected: "a product ARN of 12 to 2048 characters, such as arn:aws:securityhub:eu-west-1::product/aws/guardduty",
};
const RELATED_ID: TextRule = TextRule {
    holds: |text| not_blank(text) && (length_within(text, 1, 512) || length_within(text, 12, 2048) && is_arn(text)),
    expected: "a finding id of 1 to 512 characters, or an ARN of up to 2048",
};

object! {
    /// Reads an element of `FindingIdentifiers`.
    IdentifierReader -> Identifier<'de>, "an object with Id and ProductArn", {
        id: "Id" = ID,
        product_arn: "ProductArn" = PRODUCT_ARN,
    } => |id, product_arn| Ok(Identifier { id: required(id, "Id")?, product_arn: required(product_arn, "ProductArn")? })
}

object! {
    /// Reads an element of `RelatedFindings`.
    RelatedFindingReader -> Identifier<'de>, "an object with Id and ProductArn", {
        id: "Id" = RELATED_ID,
        product_arn: "ProductArn" = RELATED_PRODUCT_ARN,
    } => |id, product_arn| Ok(Identifier { id: required(id, "Id")?, product_arn: required(product_arn, "ProductArn")? })
}

impl Identifier<'_> {
    /// The account that owns the finding, where the identifier alone proves it.
    ///
    /// It does in two cases: the product is an account's own (`…:{account}:product/{account}/…`), which only that account
    /// can import into; or it is an AWS service's (`…::product/aws/…`) and the id is an ARN that names an account. A
    /// partner's product ARN may carry the partner's account and says nothing of the owner.
    pub fn owner(&self) -> Option<AccountId> {
        let product = Arn::split(&self.product_arn)?;
        if product.service != "securityhub" {
            return None;
        }
        let company = product.resource.strip_prefix("product/")?;
        if product.account.is_empty() {
            company.strip_prefix("aws/").filter(|name| !name.is_empty())?;
            AccountId::parse(Arn::split(&self.id)?.account)
        } else {
            let account = AccountId::parse(product.account)?;
            let own = company.strip_prefix(account.as_str())?.strip_prefix('/')?;
            (!own.is_empty()).then_some(account)
        }
    }

    /// The same identifier, borrowed from nothing.
    #[must_use]
    pub fn to_owned(&self) -> Identifier<'static> {
        Identifier { id: self.id.to_string().into(), product_arn: self.product_arn.to_string().into() }
    }

    /// Appends the identifier as JSON, in the order of the API's own answers.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"Id":"#);
        self.id.write_json(out);
        out.extend_from_slice(br#","ProductArn":"#);
        self.product_arn.write_json(out);
        out.push(b'}');
    }
}

/// The parts of an ARN that matter here.
struct Arn<'a> {
    partition: &'a str,
    service: &'a str,
    region: &'a str,
    account: &'a str,
    resource: &'a str,
}

impl<'a> Arn<'a> {
    fn split(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix("arn:")?;
        if !rest.starts_with("aws") {
            return None;
        }
        let mut ends = [0; 4];
        let words = rest.as_bytes().chunks(8).map(swar::word).enumerate();
        let mut colons =
            words.flat_map(|(at, word)| swar::each(swar::places_of(b':', word)).map(move |place| at * 8 + place));
        for end in &mut ends {
            *end = colons.next()?;
        }
        let [partition, service, region, account] = ends;
        Some(Self {
            partition: &rest[..partition],
            service: &rest[partition + 1..service],
            region: &rest[service + 1..region],
            account: &rest[region + 1..account],
            resource: &rest[account + 1..],
        })
    }
}

/// The ARN pattern of the CloudFormation schema.
fn is_arn(text: &str) -> bool {
    let Some(Arn { partition, service, region, account, resource }) = Arn::split(text) else { return false };
    let partition_known = matches!(partition, "aws" | "aws-cn" | "aws-us-gov") || partition.starts_with("aws-iso");
    let lower = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    let region_parts: Vec<&str> = region.split('-').collect();
    let region_formed = match *region_parts.as_slice() {
        [area, place, number] => lower(area) && lower(place) && is_number(number),
        [area, kind, place, number] => lower(area) && lower(kind) && lower(place) && is_number(number),
        _ => false,
    };
    partition_known
        && (1..=63).contains(&service.len())
        && service.bytes().all(|b| b.is_ascii_alphanumeric())
        && region_formed
        && (account.is_empty() || AccountId::parse(account).is_some())
        && !resource.is_empty()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn owner(id: &str, product_arn: &str) -> Option<String> {
        let identifier = Identifier { id: id.to_owned().into(), product_arn: product_arn.to_owned().into() };
        identifier.owner().map(|account| account.to_string())
    }

    #[test]
    fn the_owner_is_known_from_the_two_forms_that_prove_it() {
        let hub = "arn:aws:securityhub:eu-west-1::product/aws/securityhub";
        let own = "arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default";
        let control = "arn:aws:securityhub:eu-west-1:333333333333:subscription/x/v/1.0.0/IAM.1/finding/abc";
        assert_eq!(owner(control, hub).as_deref(), Some("333333333333"));
        assert_eq!(owner("anything", own).as_deref(), Some("222222222222"));
        // The product decides, not an id that a custom product chose.
        assert_eq!(owner(control, own).as_deref(), Some("222222222222"));
        let gov = "arn:aws-us-gov:securityhub:us-gov-west-1::product/aws/guardduty";
        assert_eq!(
            owner("arn:aws-us-gov:guardduty:us-gov-west-1:444444444444:detector/d/finding/f", gov).as_deref(),
            Some("444444444444")
        );
    }

    #[test]
    fn the_owner_is_unknown_everywhere_else() {
        let arn = "arn:aws:guardduty:eu-west-1:333333333333:detector/d/finding/f";
        for (id, product) in [
            (arn, "arn:aws:securityhub:eu-west-1:555555555555:product/partner/scanner"),
            (arn, "arn:aws:securityhub:eu-west-1::product/partner/scanner"),
            (arn, "arn:aws:securityhub:eu-west-1::product/aws/"),
            (arn, "arn:aws:securityhub:eu-west-1::product/awsome/x"),
            (arn, "arn:aws:securityhub:eu-west-1:222222222222:product/333333333333/default"),
            (arn, "arn:aws:securityhub:eu-west-1:222222222222:product/2222222222229/default"),
            (arn, "arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/"),
            (arn, "arn:aws:guardduty:eu-west-1::product/aws/guardduty"),
            (arn, "arn:evil:securityhub:eu-west-1::product/aws/guardduty"),
            ("finding/333333333333", "arn:aws:securityhub:eu-west-1::product/aws/guardduty"),
            ("arn:aws:guardduty:eu-west-1::detector/d", "arn:aws:securityhub:eu-west-1::product/aws/guardduty"),
            (
                "arn:aws:guardduty:eu-west-1:33333333333x:detector/d",
                "arn:aws:securityhub:eu-west-1::product/aws/guardduty",
            ),
        ] {
            assert_eq!(owner(id, product), None, "{id} {product}");
        }
    }

    #[test]
    fn arns_keep_to_the_pattern() {
        for good in [
            "arn:aws:securityhub:eu-west-1::product/aws/guardduty",
            "arn:aws-us-gov:securityhub:us-gov-west-1:123456789012:product/x/y",
            "arn:aws-iso-b:securityhub:us-isob-east-1::product/x/y",
        ] {
            assert!(is_arn(good), "{good}");
        }
        for bad in [
            "arn:aws:securityhub:eu-west-1::",
            "arn:aws:securityhub:EU-WEST-1::x",
            "arn:aws:securityhub:::x",
            "arn:aws:security-hub:eu-west-1::x",
            "arn:aws:securityhub:eu-west-1:12:x",
            "aws:securityhub:eu-west-1::x",
            "arn:gcp:securityhub:eu-west-1::x",
        ] {
            assert!(!is_arn(bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn an_arn_is_split_at_its_first_colons(text in "(arn:aws)?[a:é/0]{0,40}") {
            let parts = |text: &str| -> Option<Vec<String>> {
                let parts: Vec<&str> = text.strip_prefix("arn:")?.splitn(5, ':').collect();
                (parts.len() == 5 && parts[0].starts_with("aws")).then(|| parts.into_iter().map(str::to_owned).collect())
            };
            let split = Arn::split(&text).map(|arn| {
                [arn.partition, arn.service, arn.region, arn.account, arn.resource].map(str::to_owned).to_vec()
            });
            prop_assert_eq!(split, parts(&text));
        }
    }
}
