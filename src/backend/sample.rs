//! Findings for a demonstration, as AWS services and a scanner of one's own would import them.

use crate::finding::{AccountId, timestamp};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// One BatchImportFindings body for each account, with a dozen findings: failed controls of Security Hub, GuardDuty,
/// Inspector, and a custom integration. The same arguments give the same findings.
///
/// Ids of AWS's findings are ARNs that name the account, as in reality. AWS imports these itself; this backend lets an
/// account import them for itself.
pub fn sample_findings(region: &str, accounts: &[AccountId], now: Timestamp) -> Vec<(AccountId, Vec<u8>)> {
    let bodies = accounts.iter().enumerate().map(|(index, account)| {
        let made = Sample { region, account: *account, now, index };
        let findings: Vec<_> =
            [made.controls(), made.threats(), made.vulnerabilities(), made.custom()].into_iter().flatten().collect();
        (*account, json!({"Findings": findings}).to_string().into_bytes())
    });
    bodies.collect()
}

struct Sample<'a> {
    region: &'a str,
    account: AccountId,
    now: Timestamp,
    /// Which account this is: findings differ a little from account to account.
    index: usize,
}

impl Sample<'_> {
    fn controls(&self) -> Vec<Value> {
        let controls = [
            ("S3.8", "S3 general purpose buckets should block public access", "HIGH", "FAILED", "AwsS3Bucket"),
            ("IAM.6", "Hardware MFA should be enabled for the root user", "CRITICAL", "FAILED", "AwsAccount"),
            (
                "EC2.19",
                "Security groups should not allow unrestricted access to ports with high risk",
                "CRITICAL",
                "FAILED",
                "AwsEc2SecurityGroup",
            ),
            ("CloudTrail.4", "CloudTrail log file validation should be enabled", "LOW", "FAILED", "AwsCloudTrailTrail"),
            (
                "RDS.3",
                "RDS DB instances should have encryption at-rest enabled",
                "MEDIUM",
                "PASSED",
                "AwsRdsDbInstance",
            ),
        ];
        let finding = |(number, (control, title, label, status, resource)): (usize, (&str, &str, &str, &str, &str))| {
            let id = format!(
                "arn:aws:securityhub:{}:{}:security-control/{control}/finding/{}",
                self.region,
                self.account,
                self.unique(number)
            );
            let mut finding = self.finding("securityhub", &id, title, label, number);
            finding["GeneratorId"] = json!(format!("security-control/{control}"));
            finding["Description"] = json!(format!("This control checks whether the resource complies: {title}."));
            finding["Types"] = json!([
                "Software and Configuration Checks/Industry and Regulatory Standards/AWS-Foundational-Security-Best-Practices"
            ]);
            finding["Compliance"] = json!({
                "Status": status, "SecurityControlId": control,
                "AssociatedStandards": [{"StandardsId": "standards/aws-foundational-security-best-practices/v/1.0.0"}],
            });
            finding["Remediation"] = json!({"Recommendation": {
                "Text": "For information on how to correct this issue, consult the AWS Security Hub controls documentation.",
                "Url": format!("https://docs.aws.amazon.com/console/securityhub/{control}/remediation"),
            }});
            finding["Resources"] = json!([self.resource(resource, number)]);
            finding
        };
        controls.into_iter().enumerate().map(finding).collect()
    }

    fn threats(&self) -> Vec<Value> {
        let detector = format!("{:032x}", 0x0123_4567_89ab_cdef_u128 + self.index as u128);
        let threats = [
            ("Recon:EC2/PortProbeUnprotectedPort", "An unprotected port on an EC2 instance is being probed", "LOW", 20),
            (
                "UnauthorizedAccess:IAMUser/ConsoleLoginSuccess.B",
                "A console login came from an unusual place",
                "MEDIUM",
                50,
            ),
            (
                "CryptoCurrency:EC2/BitcoinTool.B!DNS",
                "An EC2 instance asks for a domain of a Bitcoin mining pool",
                "HIGH",
                80,
            ),
        ];
        let finding = |(number, (kind, title, label, normalized)): (usize, (&str, &str, &str, u8))| {
            let number = number + 10;
            let id = format!(
                "arn:aws:guardduty:{}:{}:detector/{detector}/finding/{}",
                self.region,
                self.account,
                self.unique(number).replace('-', "")
            );
            let mut finding = self.finding("guardduty", &id, title, label, number);
            finding["GeneratorId"] =
                json!(format!("arn:aws:guardduty:{}:{}:detector/{detector}", self.region, self.account));
            finding["Types"] = json!([format!("TTPs/{}", kind.replace('/', "-"))]);
            finding["Severity"] =
                json!({"Label": label, "Normalized": normalized, "Product": f64::from(normalized) / 10.0});
            finding["ProductFields"] =
                json!({"aws/guardduty/service/archived": "false", "aws/guardduty/service/count": "3"});
            finding["Action"] =
                json!({"ActionType": "NETWORK_CONNECTION", "NetworkConnectionAction": {"Blocked": false}});
            finding["Network"] = json!({
                "Direction": "IN", "Protocol": "TCP", "SourceIpV4": format!("198.51.100.{}", number + self.index % 100),
                "SourcePort": 40_000 + number, "DestinationPort": 22,
            });
            finding["Resources"] = json!([self.resource("AwsEc2Instance", number)]);
            finding
        };
        threats.into_iter().enumerate().map(finding).collect()
    }

    fn vulnerabilities(&self) -> Vec<Value> {
        let vulnerabilities =
            [("CVE-2024-3094", "xz-utils", "CRITICAL", "YES"), ("CVE-2023-38545", "curl", "HIGH", "NO")];
        let finding = |(number, (cve, package, label, exploit)): (usize, (&str, &str, &str, &str))| {
            let number = number + 20;
            let id = format!(
                "arn:aws:inspector2:{}:{}:finding/{}",
                self.region,
                self.account,
                self.unique(number).replace('-', "")
            );
            let mut finding = self.finding("inspector", &id, &format!("{cve} - {package}"), label, number);
            finding["GeneratorId"] = json!("AWSInspector");
            finding["Types"] = json!(["Software and Configuration Checks/Vulnerabilities/CVE"]);
            finding["Vulnerabilities"] = json!([{
                "Id": cve, "VulnerablePackages": [{"Name": package, "PackageManager": "OS", "Version": "1.0.0"}],
                "FixAvailable": "YES", "ExploitAvailable": exploit, "EpssScore": 0.847,
            }]);
            finding["Resources"] = json!([self.resource("AwsEc2Instance", number)]);
            finding
        };
        vulnerabilities.into_iter().enumerate().map(finding).collect()
    }

    fn custom(&self) -> Vec<Value> {
        let found = [
            ("secret-in-repository", "An access key is in a repository's history", "HIGH"),
            ("untagged-resource", "A resource has no owner tag", "INFORMATIONAL"),
        ];
        let finding = |(number, (rule, title, label)): (usize, (&str, &str, &str))| {
            let number = number + 30;
            let mut finding = self.finding("", &format!("{rule}/{}", self.unique(number)), title, label, number);
            finding["ProductArn"] =
                json!(format!("arn:aws:securityhub:{0}:{1}:product/{1}/default", self.region, self.account));
            finding["GeneratorId"] = json!(format!("house-rules/{rule}"));
            finding["CompanyName"] = json!("House");
            finding["ProductName"] = json!("House Rules");
            finding["Types"] = json!(["Sensitive Data Identifications/Passwords"]);
            finding["Confidence"] = json!(90);
            finding["Resources"] = json!([{
                "Type": "Other", "Id": format!("repository/service-{number}"),
                "Details": {"Other": {"branch": "main"}},
            }]);
            finding
        };
        found.into_iter().enumerate().map(finding).collect()
    }

    fn finding(&self, product: &str, id: &str, title: &str, label: &str, number: usize) -> Value {
        let hours = i64::try_from(number + 1).unwrap_or(1);
        let [updated, created] = [hours, 24 * hours].map(|hours| {
            timestamp::written(self.now.checked_sub(SignedDuration::from_hours(hours)).unwrap_or(self.now))
        });
        json!({
            "SchemaVersion": "2018-10-08",
            "Id": id,
            "ProductArn": format!("arn:aws:securityhub:{}::product/aws/{product}", self.region),
            "AwsAccountId": self.account.as_str(),
            "CreatedAt": created, "UpdatedAt": updated, "FirstObservedAt": created, "LastObservedAt": updated,
            "Title": title,
            "Description": format!("{title}."),
            "Severity": {"Label": label, "Original": label},
            "RecordState": "ACTIVE",
        })
    }

    fn resource(&self, kind: &str, number: usize) -> Value {
        let account = self.account;
        let region = self.region;
        let id = match kind {
            "AwsS3Bucket" => format!("arn:aws:s3:::logs-{account}"),
            "AwsAccount" => format!("AWS::::Account:{account}"),
            "AwsEc2SecurityGroup" => format!("arn:aws:ec2:{region}:{account}:security-group/sg-{number:017x}"),
            "AwsCloudTrailTrail" => format!("arn:aws:cloudtrail:{region}:{account}:trail/main"),
            "AwsRdsDbInstance" => format!("arn:aws:rds:{region}:{account}:db:orders"),
            _ => format!("arn:aws:ec2:{region}:{account}:instance/i-{number:017x}"),
        };
        let mut resource =
            json!({"Type": kind, "Id": id, "Partition": "aws", "Region": region, "Tags": {"team": "platform"}});
        if kind == "AwsEc2Instance" {
            resource["Details"] = json!({"AwsEc2Instance": {
                "Type": "t3.medium", "VpcId": "vpc-0a1b2c3d", "IpV4Addresses": [format!("10.0.{}.{number}", self.index % 256)],
            }});
        }
        resource
    }

    /// Twelve digits of account, and a number, in the form of a UUID.
    fn unique(&self, number: usize) -> String {
        format!("{number:08x}-0000-4000-8000-{}", self.account)
    }
}
