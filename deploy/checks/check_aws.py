"""The IAM documents: their form, the names in them, and what they come to, as an evaluator of IAM's policies has it."""

import fnmatch
import json
import re
import subprocess

from common import DEPLOY, ROOT, WORK, run

AWS = DEPLOY / "aws"
SCPS = ["scp-fields.json", "scp-doors.json"]
# Of a service control policy, as AWS counts them.
LONGEST = 5120
# The evaluator's list of actions, made of AWS's service reference, does not have these. A denial of what there is not does no harm.
UNLISTED = {"securityhub:RegisterConnectorV2", "securityhub:StartExportJobV2"}
MEMBER, ADMINISTRATOR = "222222222222", "111111111111"
GATE, SERVICE, PLATFORM, IMPORTER = "findings-gate", "findings-gate-service", "security-platform", "securityhub-importer"
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def checks(told):
    told.check("each document is one of IAM's, as parliament knows", linted)
    told.check("every action of Security Hub is one of the gate's table of operations", named)
    told.check(f"service control policies have no more than {LONGEST} characters", short)
    told.check("each door past the gate is denied to an account's administrator, by name", closed)
    told.check("what is not a way past the gate is left alone", untouched)
    told.check("the gate's roles may do what the gate does, and nothing else", roles)
    told.check("only the platform touches the gate's roles", guarded)
    told.check("the gate alone assumes the roles of accounts, and says for whom", trusts)
    told.check("the roles are those of docs/upstream.md", documented)
    told.check("what looks for ways around finds them, and not the gate", found)


def read(name):
    with open(AWS / name, encoding="utf-8") as file:
        return json.load(file)


def operations():
    """The gate's own table: which operation is a way past it, and in which class."""
    text = (ROOT / "src/proxy/operations.rs").read_text(encoding="utf-8")
    table = re.findall(r'operation\("(\w+)", "\w+", "[^"]+", \w+, (\w+)\),', text)
    assert len(table) == 126, len(table)
    return dict(table)


def action(operation):
    """IAM's name: BatchUpdateFindingsV2 has none of its own (docs/upstream.md)."""
    return "securityhub:" + ("BatchUpdateFindings" if operation == "BatchUpdateFindingsV2" else operation)


def listed(value):
    return value if isinstance(value, list) else [value]


def actions(document):
    return {name for statement in document["Statement"] for name in listed(statement["Action"])}


def documents():
    return sorted(path.name for path in AWS.glob("*.json") if path.name != "bypass-rule.json")


def linted():
    for name in documents():
        document = read(name)
        assert document["Version"] == "2012-10-17"
        sids = [statement["Sid"] for statement in document["Statement"]]
        assert len(sids) == len(set(sids)) and all(re.fullmatch("[A-Za-z0-9]+", sid) for sid in sids), name
        # parliament is for policies of identities: of others it knows the actions and the conditions. Its list of actions is older.
        text = json.dumps(document)
        if name.endswith("-trust.json"):
            continue
        done = subprocess.run(["parliament", "--string", text, "--json"], capture_output=True, text=True, check=False)
        findings = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        known = {"UNKNOWN_ACTION", "RESOURCE_STAR", "RESOURCE_MISMATCH"} if name.startswith("scp") else {"RESOURCE_STAR"}
        left = [finding for finding in findings if finding["issue"] not in known]
        assert not left, f"{name}: {left}"
        assert done.returncode in {0, 1} and not done.stderr, done.stderr
    broken = subprocess.run(
        ["parliament", "--string", json.dumps(read("gate-role.json")).replace("GetFindings", "GetFindngs"), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "UNKNOWN_ACTION" in broken.stdout, "a misspelt action was not found"


def named():
    known = {action(operation) for operation in operations()}
    for name in documents():
        unknown = {name for name in actions(read(name)) if name.startswith("securityhub:")} - known
        assert not unknown, f"{name}: {unknown}"
    rule = read("bypass-rule.json")["detail"]["eventName"]
    assert set(rule) <= set(operations()), rule


def short():
    for name in SCPS:
        # As it is written here, which is longer than what the console keeps.
        size = len((AWS / name).read_text(encoding="utf-8"))
        assert size <= LONGEST, f"{name} has {size}"
        print(f"       {name}: {size}")


def simulated(cases):
    """What becomes of each (role, account, action, resource, policies of the role, trust)."""
    asked = []
    for role, account, name, resource, identity, trust, context in cases:
        arn = f"arn:aws:iam::{account}:role/{role}"
        request = {"principal": arn, "action": name, "resource": resource, "account": context.pop("of", account)}
        request["context"] = {"aws:PrincipalArn": arn, **context}
        asked.append({"scps": [read(scp) for scp in SCPS], "identity": identity, "trust": trust, "request": request})
    done = run("node", DEPLOY / "checks/simulate.mjs", WORK / "npm/package.json", input=json.dumps(asked))
    return json.loads(done)


def whole(role, account, names):
    """A role that IAM itself lets do everything, so that only the service control policies stand in its way."""
    return simulated([(role, account, name, "*", [EVERYTHING], None, {}) for name in names])


def doors():
    return sorted({action(operation) for operation, bypass in operations().items() if bypass != "Harmless"})


def closed():
    denied = set().union(*(actions(read(name)) for name in SCPS))
    missing = set(doors()) - denied
    assert not missing, f"no policy denies {missing}"
    names = [name for name in doors() if name not in UNLISTED]
    assert len(names) > 50
    for account in [MEMBER, ADMINISTRATOR]:
        for role in ["admin", "Findings-gate", "findings-gate-2", "x/findings-gate"]:
            results = dict(zip(names, whole(role, account, names), strict=True))
            wrong = {name: result for name, result in results.items() if result != "ExplicitlyDenied"}
            assert not wrong, f"{role} of {account}: {wrong}"
    for name in UNLISTED:
        (result,) = whole("admin", MEMBER, [name])
        assert "invalid.action" in result, f"the evaluator knows {name} now: take it out of UNLISTED"


def untouched():
    table = operations()
    names = sorted({action(operation) for operation, bypass in table.items() if bypass == "Harmless"} - set(doors()))
    results = dict(zip(names, whole("admin", MEMBER, names), strict=True))
    wrong = {name: result for name, result in results.items() if result != "Allowed" and "invalid.action" not in result}
    assert not wrong, wrong
    assert sum(result == "Allowed" for result in results.values()) > 40, results


def roles():
    hub = f"arn:aws:securityhub:eu-west-1:{ADMINISTRATOR}:hub/default"
    mine = f"arn:aws:securityhub:eu-west-1:{MEMBER}:hub/default"
    product = f"arn:aws:securityhub:eu-west-1:{MEMBER}:product/{MEMBER}/default"
    other = "arn:aws:securityhub:eu-west-1:333333333333:product/333333333333/default"
    gate, member = [read("gate-role.json")], [read("member-role.json")]
    update, import_, get = "securityhub:BatchUpdateFindings", "securityhub:BatchImportFindings", "securityhub:GetFindings"
    cases = [
        (SERVICE, ADMINISTRATOR, update, hub, gate, "Allowed"),
        (SERVICE, ADMINISTRATOR, get, hub, gate, "Allowed"),
        (SERVICE, ADMINISTRATOR, import_, product, gate, "Allowed"),
        (GATE, MEMBER, update, mine, member, "Allowed"),
        (GATE, MEMBER, import_, product, member, "Allowed"),
        (GATE, MEMBER, import_, other, member, "ImplicitlyDenied"),
        (GATE, MEMBER, update, hub, member, "ImplicitlyDenied"),
        (SERVICE, ADMINISTRATOR, "securityhub:CreateAutomationRule", "*", gate, "ImplicitlyDenied"),
        (SERVICE, ADMINISTRATOR, "iam:UpdateAssumeRolePolicy", f"arn:aws:iam::{ADMINISTRATOR}:role/{SERVICE}", gate, "ExplicitlyDenied"),
        # Whatever it is given besides: these are for the platform.
        (SERVICE, ADMINISTRATOR, "securityhub:DisableSecurityHub", "*", [EVERYTHING], "ExplicitlyDenied"),
        (IMPORTER, MEMBER, import_, product, [EVERYTHING], "Allowed"),
        (IMPORTER, MEMBER, update, mine, [EVERYTHING], "ExplicitlyDenied"),
        (PLATFORM, ADMINISTRATOR, update, hub, [EVERYTHING], "ExplicitlyDenied"),
        (PLATFORM, ADMINISTRATOR, "securityhub:DisableSecurityHub", "*", [EVERYTHING], "Allowed"),
        (PLATFORM, ADMINISTRATOR, "securityhub:DeleteMembers", "*", [EVERYTHING], "Allowed"),
        (PLATFORM, ADMINISTRATOR, "securityhub:CreateAutomationRuleV2", "*", [EVERYTHING], "Allowed"),
    ]
    results = simulated([(role, account, name, resource, identity, None, {}) for role, account, name, resource, identity, _ in cases])
    for case, result in zip(cases, results, strict=True):
        expected = case[-1] if case[-1] != "ImplicitlyDenied" else {"ImplicitlyDenied", "ExplicitlyDenied"}
        assert result == expected or result in expected, (*case[:4], result)


def guarded():
    touches = ["iam:CreateRole", "iam:UpdateAssumeRolePolicy", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:DeleteRolePermissionsBoundary"]
    touches += ["iam:PassRole", "iam:DeleteRole", "iam:DetachRolePolicy", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary", "iam:TagRole"]
    for role in [GATE, SERVICE, PLATFORM, IMPORTER]:
        arn = f"arn:aws:iam::{MEMBER}:role/{role}"
        for who, expected in [("admin", "ExplicitlyDenied"), (GATE, "ExplicitlyDenied"), (PLATFORM, "Allowed")]:
            results = simulated([(who, MEMBER, name, arn, [EVERYTHING], None, {}) for name in touches])
            assert set(results) == {expected}, (role, who, dict(zip(touches, results, strict=True)))
    other = f"arn:aws:iam::{MEMBER}:role/other"
    assert simulated([("admin", MEMBER, "iam:CreateRole", other, [EVERYTHING], None, {})]) == ["Allowed"]


def trusts():
    trust, own = read("member-role-trust.json"), [read("gate-role-assume.json")]
    role = f"arn:aws:iam::{MEMBER}:role/{GATE}"
    good = {
        "sts:ExternalId": "findings-gate-7f3a",
        "sts:SourceIdentity": "triage",
        "aws:PrincipalOrgID": "o-exampleorgid",
        "aws:ResourceOrgID": "o-exampleorgid",
        "aws:TagKeys": ["principal", "proof"],
        "of": MEMBER,
    }

    def assume(who, account, identity, **other):
        context = {key: value for key, value in {**good, **other}.items() if value is not None}
        (result,) = simulated([(who, account, "sts:AssumeRole", role, identity, trust, context)])
        return result

    assert assume(SERVICE, ADMINISTRATOR, own) == "Allowed", assume(SERVICE, ADMINISTRATOR, own)
    for what, result in {
        "another role": assume("admin", ADMINISTRATOR, [EVERYTHING]),
        "a role of the account": assume("admin", MEMBER, [EVERYTHING]),
        "another external id": assume(SERVICE, ADMINISTRATOR, own, **{"sts:ExternalId": "other"}),
        "no external id": assume(SERVICE, ADMINISTRATOR, own, **{"sts:ExternalId": None}),
        "nobody named": assume(SERVICE, ADMINISTRATOR, own, **{"sts:SourceIdentity": None}),
        "another organisation": assume(SERVICE, ADMINISTRATOR, own, **{"aws:ResourceOrgID": "o-other"}),
        "another tag": assume(SERVICE, ADMINISTRATOR, own, **{"aws:TagKeys": ["admin"]}),
    }.items():
        assert result in {"ImplicitlyDenied", "ExplicitlyDenied"}, (what, result)
    # The pods' role: the audience and the one service account, spelt out.
    (statement,) = read("gate-role-trust.json")["Statement"]
    provider = statement["Principal"]["Federated"].split(":oidc-provider/")[1]
    expected = {f"{provider}:aud": "sts.amazonaws.com", f"{provider}:sub": "system:serviceaccount:findings-gate:findings-gate"}
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity" and statement["Condition"] == {"StringEquals": expected}


def documented():
    page = (ROOT / "docs/upstream.md").read_text(encoding="utf-8")
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    shown = {statement.get("Sid"): statement for block in blocks for statement in block["Statement"]}
    for statement in read("gate-role.json")["Statement"]:
        assert shown[statement["Sid"]] == statement, statement["Sid"]


def matches(pattern, event):
    """EventBridge's patterns, as far as they are used here."""
    for key, wanted in pattern.items():
        if key == "$or":
            if not any(matches(one, event) for one in wanted):
                return False
        elif isinstance(wanted, dict):
            if not matches(wanted, event.get(key, {}) if isinstance(event, dict) else {}):
                return False
        elif not any(fits(one, event.get(key)) for one in wanted):
            return False
    return True


def fits(wanted, value):
    if isinstance(wanted, str):
        return value == wanted
    ((kind, given),) = wanted.items()
    if kind == "exists":
        return (value is not None) == given
    assert kind == "anything-but" and set(given) == {"wildcard"}, wanted
    return value is not None and not any(fnmatch.fnmatchcase(value, one) for one in given["wildcard"])


def found():
    rule = read("bypass-rule.json")
    sql = (AWS / "bypass.sql").read_text(encoding="utf-8")
    changing = {operation for operation, bypass in operations().items() if bypass.startswith("Fields")}
    assert set(rule["detail"]["eventName"]) == changing
    assert set(re.findall(r"'([A-Z]\w+)'", sql)) == changing, set(re.findall(r"'([A-Z]\w+)'", sql)) ^ changing
    expression = re.search(r"'(\^arn.*\$)'", sql)[1]

    def event(role, name="BatchUpdateFindings"):
        detail = {"eventSource": "securityhub.amazonaws.com", "eventName": name, "userIdentity": {"type": "IAMUser"}}
        if role:
            detail["userIdentity"] = {"sessionContext": {"sessionIssuer": {"arn": f"arn:aws:iam::{MEMBER}:role/{role}"}}}
        return {"source": "aws.securityhub", "detail-type": "AWS API Call via CloudTrail", "detail": detail}

    exempt = {arn.rsplit("/", 1)[1] for scp in SCPS for statement in read(scp)["Statement"] for arn in listed(statement["Condition"]["ArnNotLike"]["aws:PrincipalArn"])}
    for role in exempt:
        assert not matches(rule, event(role)), role
        assert re.search(expression, f"arn:aws:iam::{MEMBER}:role/{role}"), role
    for role in ["admin", "findings-gate-2", "x-findings-gate", None]:
        assert matches(rule, event(role)), role
        assert not re.search(expression, f"arn:aws:iam::{MEMBER}:role/{role}" if role else ""), role
    assert not matches(rule, event("admin", "GetFindings"))
