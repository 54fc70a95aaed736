//! A BatchImportFindings request: findings as their providers see them, and what of each is for policies to decide.
//!
//! The format has hundreds of members, and policies speak of a dozen. Those are read as strictly as in an update; the others pass
//! as the values that they are. So a finding is kept as JSON, and what is denied is taken out of it.

use super::{
    AccountId, Document, Field, FieldSet, Identifier, InvalidBody,
    identifier::{ID, PRODUCT_ARN},
    import_members::{Governed, Members, NotImportable, PROVIDER_FIELDS, WORKFLOW_STATE},
    outcome::code,
    text::TextRule,
    update::MAX_IDENTIFIERS,
};
use serde_json::{Map, Value};

/// How many findings one request may bring (API model).
pub const MAX_IMPORTS: usize = MAX_IDENTIFIERS;
/// How many bytes one request may have: "6 MB" (guide), and AWS does not say of which kind. The greater is taken.
pub const MAX_IMPORT_BYTES: usize = 6 << 20;
/// How many bytes one finding may have: "240 KB" (guide), as JSON without spaces. The greater is taken here, too.
const MAX_FINDING_BYTES: usize = 240 << 10;

const ACCOUNT: TextRule = TextRule {
    holds: |text| AccountId::parse(text).is_some(),
    expected: "an AWS account id of twelve digits, such as 111122223333",
};

/// A BatchImportFindings request.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchImport {
    /// Which findings, in the order of the request. At least one, at most [`MAX_IMPORTS`].
    pub identifiers: Vec<Identifier<'static>>,
    /// The findings, one for each identifier.
    pub findings: Vec<ImportedFinding>,
}

/// A finding to import.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedFinding {
    /// `AwsAccountId`: whose it is, as the import says.
    pub account: AccountId,
    /// What policies decide on, or why the finding cannot be imported at all.
    pub governed: Result<Governed, NotImportable>,
    document: Map<String, Value>,
    /// The whole of it as JSON.
    written: Vec<u8>,
}

impl BatchImport {
    /// Reads a request. No member comes twice, at any depth; each finding says which it is and whose. What is wrong within one
    /// finding is that finding's alone ([`ImportedFinding::governed`]).
    pub fn parse(body: &[u8]) -> Result<Self, InvalidBody> {
        let whole = |problem: String| InvalidBody { path: String::new(), problem };
        if body.len() > MAX_IMPORT_BYTES {
            let came = body.len();
            return Err(whole(format!("got {came} bytes, expected at most 6 MB ({MAX_IMPORT_BYTES} bytes)")));
        }
        let mut members = Document::parse(body).map_err(|error| whole(error.into_problem()))?.into_members();
        let findings = members.remove("Findings");
        if let Some(name) = members.keys().next() {
            return Err(whole(format!("unknown member `{}`, expected Findings", super::object::cut(name))));
        }
        let expected = |came: String| InvalidBody {
            path: "Findings".to_owned(),
            problem: format!("{came}, expected a list of 1 to {MAX_IMPORTS} findings"),
        };
        let findings = match findings {
            Some(Value::Array(findings)) => findings,
            Some(_) => return Err(expected("no list".to_owned())),
            None => return Err(expected("missing".to_owned())),
        };
        if !(1..=MAX_IMPORTS).contains(&findings.len()) {
            return Err(expected(format!("got {} findings", findings.len())));
        }
        let mut request = Self { identifiers: Vec::new(), findings: Vec::with_capacity(findings.len()) };
        for (place, finding) in findings.into_iter().enumerate() {
            let path = format!("Findings[{place}]");
            let Value::Object(document) = finding else {
                return Err(InvalidBody { path, problem: "expected an object".to_owned() });
            };
            let (identifier, finding) = ImportedFinding::parse(document, path)?;
            request.identifiers.push(identifier);
            request.findings.push(finding);
        }
        Ok(request)
    }

    /// The first finding, by its place, that is not this account's. AWS lets an account import its own findings only, and fails
    /// the whole call otherwise (API model; AWS Support).
    pub fn first_foreign(&self, account: AccountId) -> Option<usize> {
        self.findings.iter().position(|finding| finding.account != account)
    }

    /// The request for some of its findings, by their places, each with the fields that it keeps: written anew from what was parsed.
    pub fn to_json(&self, findings: &[(usize, FieldSet)]) -> Vec<u8> {
        let size: usize = findings.iter().map(|(place, _)| self.findings[*place].written.len() + 1).sum();
        let mut out = Vec::with_capacity(size + 16);
        out.extend_from_slice(br#"{"Findings":["#);
        for (count, (place, kept)) in findings.iter().enumerate() {
            if count > 0 {
                out.push(b',');
            }
            self.findings[*place].write_json(*kept, &mut out);
        }
        out.extend_from_slice(b"]}");
        out
    }
}

impl ImportedFinding {
    fn parse(document: Map<String, Value>, path: String) -> Result<(Identifier<'static>, Self), InvalidBody> {
        let members = Members::new(&document, path);
        let text = |name, rule: TextRule| match members.read(name, None, rule) {
            Ok(Some(text)) => Ok(text),
            Ok(None) => Err(members.invalid(name, format!("is missing, expected {}", rule.expected))),
            Err(invalid) => Err(invalid),
        };
        let identifier = Identifier { id: text("Id", ID)?, product_arn: text("ProductArn", PRODUCT_ARN)? };
        let account = AccountId::parse(&text("AwsAccountId", ACCOUNT)?);
        let account = account.ok_or_else(|| members.invalid("AwsAccountId", ACCOUNT.expected))?;
        let written = serde_json::to_vec(&document).expect("a JSON value serialises");
        let governed = if written.len() > MAX_FINDING_BYTES {
            Err(NotImportable {
                code: code::SIZE_EXCEEDED,
                message: format!(
                    "Finding size exceeded 240 KB: {} has {} bytes as JSON, expected at most {MAX_FINDING_BYTES}",
                    members.path(),
                    written.len()
                ),
            })
        } else {
            Governed::parse(&members).map_err(NotImportable::from)
        };
        Ok((identifier, Self { account, governed, document, written }))
    }

    /// Appends the finding with these of its fields.
    fn write_json(&self, kept: FieldSet, out: &mut Vec<u8>) {
        let fields = self.governed.as_ref().map(Governed::fields).unwrap_or_default();
        let stripped: Vec<Field> = fields.iter().filter(|field| !kept.contains(*field)).collect();
        if stripped.is_empty() {
            out.extend_from_slice(&self.written);
        } else {
            serde_json::to_writer(out, &without(&self.document, &stripped)).expect("a JSON value serialises");
        }
    }
}

/// A finding without some fields, in any place where an import can say them.
fn without(document: &Map<String, Value>, fields: &[Field]) -> Map<String, Value> {
    let mut document = document.clone();
    for field in fields {
        document.remove(field.as_str());
        if *field == Field::Workflow {
            document.remove(WORKFLOW_STATE);
        }
    }
    if let Some(Value::Object(provider)) = document.get_mut(PROVIDER_FIELDS) {
        let before = provider.len();
        provider.retain(|name, _| !fields.iter().any(|field| field.as_str() == name));
        if provider.is_empty() && before > 0 {
            document.remove(PROVIDER_FIELDS);
        }
    }
    document
}

#[cfg(test)]
#[path = "import_tests.rs"]
mod tests;
