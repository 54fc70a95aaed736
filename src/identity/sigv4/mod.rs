//! AWS Signature Version 4, checked against issued keys.
//!
//! | file | what it holds |
//! |---|---|
//! | `parse` | the headers that carry a signature, strictly |
//! | `canonical` | the canonical request: what the client and we must write alike, byte for byte |
//! | `signing` | the string to sign, and each day's signing key |
//! | `verify` | the checks, in order, and what to tell the person whose request fails one |
//!
//! Written here because no crate does this job: aws-sigv4 only signs; scratchstack-aws-signature wants the body before it
//! looks at anything, accepts presigned queries and `Date`, and brings chrono, regex, tower and a second SHA-256; s3s
//! keeps its check for S3's rules (streams, unsigned payloads, paths encoded once) to itself.
//!
//! Source of the rules: *AWS Signature Version 4 for API requests* in the IAM User Guide, AWS's published signing test
//! suite, and the requests that boto3, the AWS CLI, the JavaScript SDK and curl really send, all three in the tests.

mod canonical;
mod parse;
mod sign;
mod signing;
mod verify;

#[cfg(test)]
mod tests;

pub(super) use parse::{AmzDate, is_present};
pub use sign::{SignError, sign};
pub(super) use verify::Claim;
use verify::SERVICE;
pub use verify::SigV4;
