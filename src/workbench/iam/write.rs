//! Writing policies: their ids, their scope, where they come from.

use super::{
    Options, Principal, Translated, expression,
    parse::{Effect, Statement},
    translate::{Draft, Questions},
};
use crate::{
    finding::{Enforcement, Operation},
    policy::{MAX_ADVICE, MAX_ID},
};
use cedar_policy_formatter::{Config, policies_str_to_pretty};
use std::{collections::HashSet, fmt::Write as _};

/// As wide as the packs are.
const WIDTH: usize = 120;

/// The policies as text, and the ids of those of each statement.
pub(super) struct Written {
    pub(super) text: String,
    pub(super) ids: Vec<Vec<String>>,
}

/// Writes the policies. The error is a fault of the program.
pub(super) fn cedar(translated: &[Translated<'_>], options: &Options) -> Result<Written, String> {
    let mut taken = HashSet::new();
    let mut ids = Vec::new();
    let mut policies = String::new();
    for Translated { statement, drafts, .. } in translated {
        let mut of_statement = Vec::new();
        if statement.effect == Effect::Allow && drafts.len() > 1 {
            policies.push_str("// The next ones permit together: IAM allows a request of which they permit every change. What one question cannot\n");
            policies.push_str("// tell of another's value is left to that one; where no grant does not refuse the call, the rest would go through.\n//\n");
        }
        for draft in drafts {
            let id = unique(&slug(statement, options), &mut taken);
            policy(statement, draft, &id, options, &mut policies);
            of_statement.push(id);
        }
        ids.push(of_statement);
    }
    let config = Config { line_width: WIDTH, indent_width: 2 };
    let policies = policies_str_to_pretty(&policies, &config).map_err(|error| format!("{error:?}\n{policies}"))?;
    Ok(Written { text: format!("{}\n{}", header(translated, options), policies), ids })
}

/// What whoever reads the file must know.
fn header(translated: &[Translated<'_>], options: &Options) -> String {
    let mut files: Vec<&str> = translated.iter().map(|translated| translated.statement.file.as_str()).collect();
    files.dedup();
    let mut text = String::new();
    let mut line = |line: &str| {
        text.push_str("// ");
        text.push_str(line);
        text.push('\n');
    };
    line(&format!("Imported from {} by `findings-gate import-iam`.", plain(&files.join(", "))));
    line(
        "IAM decides a request as a whole, these policies each change of it. They say of every request what IAM says if",
    );
    line("- `policies.default_enforcement` is \"refuse\": what no policy permits refuses the call, as in IAM;");
    line("- no other file permits these callers anything.");
    if options.enforcement != Enforcement::Refuse {
        let words = if options.enforcement == Enforcement::Strip {
            "strips the field and lets the rest of the call through"
        } else {
            "leaves the finding as it is and lets the rest of the call through"
        };
        line(&format!("Here they deviate, as was asked for: a Deny {words}, where IAM refuses the call."));
    }
    let grants =
        |translated: &&Translated<'_>| translated.statement.effect == Effect::Allow && !translated.drafts.is_empty();
    if translated.iter().any(|translated| grants(&translated)) {
        line("Whose findings a caller may reach is not IAM's to say: keep `reach.cedar` of a pack beside this file.");
    }
    for Translated { statement, refused, .. } in translated {
        if let Some(refusal) = refused {
            line(&format!(
                "NOT CARRIED OVER: {} {}: {}",
                plain(&statement.file),
                plain(&statement.to_string()),
                plain(&refusal.reason)
            ));
        }
    }
    text
}

fn policy(statement: &Statement, draft: &Draft, id: &str, options: &Options, out: &mut String) {
    // Writing to a string cannot fail.
    let _ =
        writeln!(out, "// {} {}: {}", plain(&statement.file), plain(&statement.to_string()), statement.effect.as_str());
    if let Some(condition) = &statement.condition {
        let _ = writeln!(out, "// {}", plain(&condition.to_string()));
    }
    let _ = writeln!(out, "@id({})", expression::string(id));
    let sid = statement.sid.as_deref().unwrap_or(&statement.path);
    let _ = writeln!(out, "@doc({})", expression::string(&format!("{} of {}", visible(sid), visible(&statement.file))));
    if draft.effect == Effect::Deny {
        let _ = writeln!(out, "@enforce(\"{}\")", options.enforcement.as_str());
        let _ = writeln!(out, "@advice({})", expression::string(&advice(sid, draft)));
    }
    let effect = if draft.effect == Effect::Deny { "forbid" } else { "permit" };
    let principal = match &options.principal {
        Principal::Member => "principal is Member".to_owned(),
        Principal::Administrator => "principal is Administrator".to_owned(),
        Principal::Any => "principal".to_owned(),
        Principal::Group(name) => format!("principal in Group::{}", expression::string(name)),
        Principal::Account(account) => format!("principal in Account::\"{account}\""),
    };
    let operations: Vec<String> =
        draft.operations.iter().map(|operation| format!("Operation::\"{operation}\"")).collect();
    let operation = match &*operations {
        [one] => format!("context.operation == {one}"),
        several => format!("[{}].contains(context.operation)", several.join(", ")),
    };
    let when: Vec<String> = std::iter::once(operation).chain(draft.when.iter().cloned()).collect();
    let _ =
        writeln!(out, "{effect} ({principal}, {}, resource) when {{ {} }};", actions(draft), expression::and(&when));
}

/// The actions of a policy, for its scope.
fn actions(draft: &Draft) -> String {
    let imports = draft.operations.contains(&Operation::BatchImportFindings);
    let ocsf = draft.operations.contains(&Operation::BatchUpdateFindingsV2);
    let names: Vec<&str> = match &draft.questions {
        Questions::These(questions) => questions.iter().map(|question| question.as_str()).collect(),
        // A denial of one question denies the request; a grant must be one of all.
        Questions::Every => match (draft.effect, draft.operations.len()) {
            (Effect::Deny, 1) if imports => vec!["Import"],
            (Effect::Deny, _) if !imports => vec!["BatchUpdateFindings"],
            (Effect::Allow, _) if !imports && ocsf => vec!["BatchUpdateFindings", "RecordState"],
            _ if imports => vec!["BatchUpdateFindings", "BatchImportFindings"],
            _ => vec!["BatchUpdateFindings"],
        },
    };
    let is_group = |name: &str| matches!(name, "BatchUpdateFindings" | "BatchImportFindings");
    let of = |name: &&str| format!("Action::\"{name}\"");
    match &*names {
        [one] if is_group(one) => format!("action in {}", of(one)),
        [one] => format!("action == {}", of(one)),
        several => format!("action in [{}]", several.iter().map(of).collect::<Vec<_>>().join(", ")),
    }
}

fn advice(sid: &str, draft: &Draft) -> String {
    let what = match draft.advice.as_str() {
        "" => "ask whoever looks after IAM policies who may do this".to_owned(),
        ways => ways.to_owned(),
    };
    let mut text = format!("IAM's statement {} denies this: {what}.", visible(sid));
    if text.chars().count() > MAX_ADVICE {
        text = text.chars().take(MAX_ADVICE - 1).chain(['…']).collect();
    }
    text
}

/// A text on one line, with nothing in it that is not seen.
fn visible(text: &str) -> String {
    text.chars().filter(|c| *c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric()).collect()
}

/// A text as a comment may have it: what is not plainly visible is escaped.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        if c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric() {
            plain.push(c);
        } else {
            plain.extend(c.escape_unicode());
        }
    }
    plain
}

/// `DenySuppress` as `deny-suppress`; a statement without a Sid by its file and place.
fn slug(statement: &Statement, options: &Options) -> String {
    // Room for a number that makes it unique.
    const ROOM: usize = 8;
    let place = || {
        let file = statement.file.rsplit(['/', '\\']).next().unwrap_or_default();
        format!("{}-{}", file.split('.').next().unwrap_or_default(), statement.index)
    };
    let words = |name: &str| {
        let mut slug = String::new();
        let mut before: Option<char> = None;
        let mut letters = name.chars().peekable();
        while let Some(c) = letters.next() {
            let starts = c.is_ascii_uppercase()
                && before.is_some_and(|before| {
                    before.is_ascii_lowercase()
                        || before.is_ascii_digit()
                        || before.is_ascii_uppercase() && letters.peek().is_some_and(char::is_ascii_lowercase)
                });
            if (starts || !c.is_ascii_alphanumeric()) && !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
            slug.extend(Some(c.to_ascii_lowercase()).filter(char::is_ascii_alphanumeric));
            before = Some(c);
        }
        slug.trim_end_matches('-').to_owned()
    };
    let mut slug = words(statement.sid.as_deref().unwrap_or_default());
    if slug.is_empty() {
        slug = words(&place());
    }
    if slug.is_empty() {
        slug = format!("statement-{}", statement.index);
    }
    format!("{}{slug}", options.prefix).chars().take(MAX_ID - ROOM).collect()
}

/// The name, with a number if it is taken.
fn unique(name: &str, taken: &mut HashSet<String>) -> String {
    let numbered = (2_u32..).map(|number| format!("{name}-{number}"));
    let id = std::iter::once(name.to_owned()).chain(numbered).find(|id| !taken.contains(id)).unwrap_or_default();
    taken.insert(id.clone());
    id
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            parse::{Document, Source},
            tests::options,
        },
        *,
    };

    #[test]
    fn ids_come_of_sids() {
        for (sid, id) in [
            (Some("DenySuppress"), "deny-suppress"),
            (Some("DenyBUFOnNote2All"), "deny-buf-on-note2-all"),
            (Some("Deny  suppress!"), "deny-suppress"),
            (Some("é"), "scp-sh-0"),
            (None, "scp-sh-0"),
        ] {
            let sid = sid.map(|sid| format!(r#""Sid":"{sid}","#)).unwrap_or_default();
            let text = format!(r#"{{"Statement":{{{sid}"Effect":"Deny","Action":"*","Resource":"*"}}}}"#);
            let document = Document::parse(&Source { name: "iam/SCP_SH.json".into(), text }).unwrap();
            assert_eq!(slug(&document.statements[0], &options()), id, "{sid}");
        }
    }
}
