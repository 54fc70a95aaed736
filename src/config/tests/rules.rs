//! `[[identity.rule]]`.

use super::*;
use crate::identity::Pattern;

fn with_rules(rules: &str) -> Place {
    let mtls = format!(
        "[listen.tls]\ncertificate = \"tls.crt\"\nkey = \"tls.key\"\nclient_ca = \"ca.crt\"\n[[identity]]\nkind = \"mtls\"\n{rules}\n[upstream]"
    );
    let from = SMALLEST.find("[[identity]]").unwrap();
    let to = SMALLEST.find("[upstream]").unwrap();
    let place = Place::new(&format!("{}{mtls}{}", &SMALLEST[..from], &SMALLEST[to + "[upstream]".len()..]));
    for name in ["tls.crt", "ca.crt"] {
        place.write(name, "-----BEGIN CERTIFICATE-----");
    }
    place.write("tls.key", "-----BEGIN PRIVATE KEY-----").private("tls.key");
    place
}

#[test]
fn rules_are_read_from_the_file_and_from_the_environment() {
    let place = with_rules(
        "[[identity.rule]]\nwhen.uri = \"spiffe://example.org/{account}/{name}\"\nwhen.dns = \"{host}.example\"\n\
         account = \"{account}\"\nprincipal = \"{name}@{host}\"\ngroups = [\"team/{name}\"]\nminimum_enforcement = \"refuse\"\n\
         [[identity.rule]]\nwhen = { subject = \"CN=ops\" }\naccount = \"111111111111\"\nprincipal = \"ops\"\n",
    );
    let Identity::Mtls { rules } = &place.load().unwrap().identities[0] else { panic!() };
    assert_eq!(rules.len(), 2);
    assert_eq!(rules[0].when[1], ("uri".into(), "spiffe://example.org/{account}/{name}".parse::<Pattern>().unwrap()));
    assert_eq!(rules[0].minimum_enforcement, Enforcement::Refuse);
    let given = "[{when = {dns = \"{name}.example\"}, account = \"222222222222\", principal = \"{name}\"}]";
    let config = place.load_with(&[("FINDINGS_GATE__IDENTITY__0__RULE", given)], &Flags::default()).unwrap();
    let Identity::Mtls { rules } = &config.identities[0] else { panic!() };
    assert_eq!(rules[0].when[0].0, "dns");
    let error = place.load_with(&[("FINDINGS_GATE__IDENTITY__0__RULE", "[\"x\"]")], &Flags::default());
    assert!(place.told(error).contains("not a TOML list of tables"));
}

#[test]
fn each_mistake_in_a_rule_is_told() {
    let good = [
        ("when", "{ uri = \"spiffe://a/{account}/{name}\" }"),
        ("account", "\"{account}\""),
        ("principal", "\"{name}\""),
    ];
    for (key, value, told) in [
        ("when", "{}", "`identity.0.rule.0.when` is empty"),
        ("when", "\"x\"", "`identity.0.rule.0.when` is a string: expected a table"),
        ("when", "{ url = \"x\" }", "did you mean `uri`?"),
        ("when", "{ uri = \"{a}{b}\" }", "expected `/`, `:`, `,`, `=`, `@`, `.` or the end behind `{a}`"),
        ("when", "{ uri = 1 }", "`identity.0.rule.0.when.uri` is an integer: expected a string"),
        ("account", "\"{acount}\"", "did you mean `{account}`?"),
        ("account", "\"2222\"", "expected an account id of twelve digits"),
        ("principal", "\"\"", "expected text that is not empty"),
        ("principal", "\"{name*}\"", "without the `*`"),
        ("groups", "\"x\"", "expected a list of names"),
        ("groups", "[\"{team}\"]", "which no pattern of `when` captures"),
        ("minimum_enforcement", "\"deny\"", "expected `strip`, `reject` or `refuse`"),
        ("accounts", "\"x\"", "did you mean `account`?"),
    ] {
        let mut lines: Vec<_> =
            good.iter().filter(|(known, _)| *known != key).map(|(key, value)| format!("{key} = {value}")).collect();
        lines.push(format!("{key} = {value}"));
        let place = with_rules(&format!("[[identity.rule]]\n{}", lines.join("\n")));
        let shown = place.told(place.load());
        assert!(shown.contains(told), "{key} = {value}: {shown}");
    }
    for missing in ["when", "account", "principal"] {
        let lines: Vec<_> =
            good.iter().filter(|(known, _)| *known != missing).map(|(key, value)| format!("{key} = {value}")).collect();
        let place = with_rules(&format!("[[identity.rule]]\n{}", lines.join("\n")));
        let shown = place.told(place.load());
        assert!(shown.contains(&format!("`identity.0.rule.0.{missing}` is missing")), "{shown}");
    }
    let place = with_rules("");
    assert!(place.told(place.load()).contains("`identity.0.rule` is missing"));
}
