//! The gate's core as a library: load policies, decide a request, print the plan. No network, no clock, no files.
//!
//! `cargo run --example core`

use findings_gate::{
    finding::{AccountId, Accounts, BatchUpdate, Caller, Enforcement, Member, Proof, Role},
    gate::{Asked, Fate, Knowledge, Plan, decide},
    policy::{Answer, Engine, PolicyText, Snapshot, load, pack},
};
use std::{error::Error, fmt::Write, sync::Arc};

/// What an organisation adds to the baseline.
const OWN: &str = r#"
@id("production-resolves-with-a-note")
@enforce("strip")
@advice("Say in Note what was done.")
forbid (principal in Group::"ou/prod", action == Action::"Workflow.Status", resource)
when { context.value == WorkflowStatus::"RESOLVED" }
unless { context has note };
"#;

/// A member resolves two findings of its own and one of another account, without a note.
const REQUEST: &str = r#"{
    "FindingIdentifiers": [
        {"Id": "f-1", "ProductArn": "arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default"},
        {"Id": "f-2", "ProductArn": "arn:aws:securityhub:eu-west-1:222222222222:product/222222222222/default"},
        {"Id": "f-3", "ProductArn": "arn:aws:securityhub:eu-west-1:333333333333:product/333333333333/default"}
    ],
    "UserDefinedFields": {"ticket": "SEC-7"},
    "Workflow": {"Status": "RESOLVED"}
}"#;

fn main() -> Result<(), Box<dyn Error>> {
    #[expect(clippy::print_stdout, reason = "what an example is for")]
    {
        print!("{}", explain(REQUEST)?);
    }
    Ok(())
}

/// Decides a request of the member `222222222222`, and says what the gate would do with it.
pub(crate) fn explain(request: &str) -> Result<String, Box<dyn Error>> {
    // Policies are loaded as one set: a mistake in any of them loads none, since a forbid that is left out forbids nothing.
    let mut texts = pack("baseline").ok_or("no such pack")?;
    texts.push(PolicyText { name: "own.cedar".into(), text: OWN.into() });
    let policies = load(&texts)?;

    // The snapshot is what decides: policies and accounts, immutable, and named by its digest.
    let [administrator, payments] = ["111111111111", "222222222222"].map(str::parse::<AccountId>);
    let payments = payments?;
    let member = Member { name: "payments".into(), groups: vec!["ou/prod".into()] };
    let accounts = Arc::new(Accounts::new(administrator?, [(payments, member)]));
    let snapshot = Arc::new(Snapshot::new(policies.rules().to_vec(), accounts, Enforcement::Reject)?);

    // The gate learns this from a signature; a program that embeds the core knows it some other way.
    let caller = Caller {
        account: payments,
        role: Role::Member,
        principal: "arn:aws:iam::222222222222:role/triage".into(),
        groups: Arc::default(),
        region: None,
        proof: Proof::Fixed,
        minimum_enforcement: Enforcement::Strip,
    };

    let request = BatchUpdate::parse(request.as_bytes())?;
    // The core has no clock. It looks nothing up either: here nothing is known of the findings.
    let now = "2026-01-01T12:00:00Z".parse()?;
    let mut engine = Engine::new(snapshot);
    let decision = decide(&mut engine, &caller, Asked::of_update(&request, now), Knowledge::Never);

    let mut text = String::new();
    for (identifier, fate) in request.identifiers.iter().zip(&decision.fates) {
        writeln!(text, "{}", &*identifier.id)?;
        let Fate::Ruled(ruling) = fate else {
            writeln!(text, "  not asked about: {fate:?}")?;
            continue;
        };
        for (change, verdict) in ruling.asked(&decision.changes) {
            match &verdict.enforced {
                Answer::Allowed { by } => writeln!(text, "  {change}: allowed by {}", by.join(", "))?,
                Answer::Denied(denial) => {
                    writeln!(text, "  {change}: {} by {}", denial.enforcement, denial.policies.join(", "))?;
                }
            }
        }
    }
    match Plan::new(&request, &decision, "decision-1") {
        Plan::Refuse { message } => writeln!(text, "refused: {message}")?,
        Plan::Forward { groups } => {
            for group in groups {
                let mut body = Vec::new();
                request.write_json(group.findings.iter().copied(), group.fields, &mut body);
                writeln!(text, "forward {}", String::from_utf8(body)?)?;
            }
        }
    }
    Ok(text)
}
