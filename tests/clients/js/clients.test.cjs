"use strict";
// The AWS SDK for JavaScript: it signs more headers than boto3 does, hashes the body itself, writes JSON without spaces and
// text without escapes, and sets its clock by the gate's.

const assert = require("node:assert/strict");
const { randomUUID } = require("node:crypto");
const { test } = require("node:test");
const {
  BatchImportFindingsCommand,
  BatchUpdateFindingsCommand,
  DescribeHubCommand,
  GetFindingsCommand,
  SecurityHubClient,
  UpdateFindingsCommand,
  paginateGetFindings,
} = require("@aws-sdk/client-securityhub");

const REGION = "eu-west-1";
const PAYMENTS = "222222222222";
const NOTE = { Text: "Seen.", UpdatedBy: "js" };

// As in ../fixture/keys.toml.
const KEYS = {
  administrator: { accessKeyId: "AKIAADMIN", secretAccessKey: "secret-of-the-administrator-0123456789" },
  payments: { accessKeyId: "AKIAPAYMENTS", secretAccessKey: "secret-of-payments-0123456789abcdefghij" },
  careful: { accessKeyId: "AKIACAREFUL", secretAccessKey: "secret-of-careful-0123456789abcdefghijk" },
  ledger: {
    accessKeyId: "ASIALEDGER",
    secretAccessKey: "secret-of-ledger-0123456789abcdefghijkl",
    sessionToken: "token-of-ledger/with+signs=0123456789==",
  },
};

function client(caller, overrides = {}) {
  return new SecurityHubClient({
    region: REGION,
    endpoint: process.env.GATE_URL,
    credentials: KEYS[caller],
    ...overrides,
  });
}

function document(id, account, members = {}) {
  return {
    SchemaVersion: "2018-10-08",
    Id: id,
    ProductArn: `arn:aws:securityhub:${REGION}::product/aws/securityhub`,
    GeneratorId: "clients-test",
    AwsAccountId: account,
    CreatedAt: "2026-01-02T03:04:05.000Z",
    UpdatedAt: "2026-01-02T03:04:05.000Z",
    Title: "A bucket is public",
    Description: "A bucket can be read by everybody.",
    Types: ["Software and Configuration Checks/Vulnerabilities/CVE"],
    Severity: { Label: "MEDIUM" },
    Resources: [{ Type: "AwsS3Bucket", Id: "arn:aws:s3:::bucket" }],
    ...members,
  };
}

async function imported(caller, account, members) {
  const id = `arn:aws:securityhub:${REGION}:${account}:security-control/S3.8/finding/${randomUUID()}`;
  const finding = document(id, account, members);
  const answer = await client(caller).send(new BatchImportFindingsCommand({ Findings: [finding] }));
  assert.equal(answer.SuccessCount, 1);
  assert.equal(answer.FailedCount, 0);
  return { Id: finding.Id, ProductArn: finding.ProductArn };
}

async function read(finding) {
  const Filters = { Id: [{ Value: finding.Id, Comparison: "EQUALS" }] };
  const answer = await client("administrator").send(new GetFindingsCommand({ Filters }));
  return answer.Findings[0];
}

function update(made, finding, members) {
  return made.send(new BatchUpdateFindingsCommand({ FindingIdentifiers: [finding], ...members }));
}

async function refused(sent, status, name, ...fragments) {
  await assert.rejects(sent, (error) => {
    assert.equal(error.name, name);
    assert.equal(error.$metadata.httpStatusCode, status);
    assert.equal(error.$metadata.attempts, 1, "a refusal must not be retried");
    assert.match(error.$metadata.requestId, /^[0-9A-Za-z_-]{8,64}$/);
    for (const fragment of fragments) {
      assert.ok(error.message.includes(fragment), `${error.message}: expected ${fragment}`);
    }
    return true;
  });
}

test("get with filters, and all pages", async () => {
  const mark = `mark ${randomUUID()}`;
  const findings = [];
  for (let count = 0; count < 5; count++) {
    findings.push(await imported("payments", PAYMENTS, { GeneratorId: mark }));
  }
  const question = { Filters: { GeneratorId: [{ Value: mark, Comparison: "EQUALS" }] } };
  const ids = [];
  const sizes = [];
  for await (const page of paginateGetFindings({ client: client("payments"), pageSize: 2 }, question)) {
    sizes.push(page.Findings.length);
    ids.push(...page.Findings.map((finding) => finding.Id));
  }
  assert.deepEqual(sizes, [2, 2, 1]);
  assert.deepEqual(ids.sort(), findings.map((finding) => finding.Id).sort());
});

test("an allowed update goes through, its note as it was written", async () => {
  const text = "naïve “quotes” \\ / \u2028 \t 🦀 日本語";
  for (const [caller, account] of [["payments", PAYMENTS], ["ledger", "333333333333"]]) {
    const finding = await imported(caller, account);
    const answer = await update(client(caller), finding, {
      Note: { Text: text, UpdatedBy: "Zoë" },
      Workflow: { Status: "RESOLVED" },
    });
    assert.equal(answer.$metadata.httpStatusCode, 200);
    assert.equal(answer.$metadata.attempts, 1);
    assert.deepEqual(answer.ProcessedFindings, [finding]);
    assert.deepEqual(answer.UnprocessedFindings, []);
    const after = await read(finding);
    assert.equal(after.Note.Text, text);
    assert.equal(after.Note.UpdatedBy, "Zoë");
    assert.equal(after.Workflow.Status, "RESOLVED");
  }
});

test("a severity product that is written as an integer is a number", async () => {
  const finding = await imported("payments", PAYMENTS);
  const answer = await update(client("administrator"), finding, { Severity: { Label: "LOW", Product: 1 } });
  assert.deepEqual(answer.ProcessedFindings, [finding]);
  assert.deepEqual(answer.UnprocessedFindings, []);
  const { Severity } = await read(finding);
  assert.deepEqual([Severity.Label, Severity.Normalized], ["LOW", 1]);
});

test("a stripped field is told, the rest goes through", async () => {
  const finding = await imported("payments", PAYMENTS);
  const answer = await update(client("payments"), finding, { Severity: { Product: 1 }, Note: NOTE });
  assert.deepEqual(answer.ProcessedFindings, [finding]);
  assert.equal(answer.UnprocessedFindings.length, 1);
  const [entry] = answer.UnprocessedFindings;
  assert.deepEqual(entry.FindingIdentifier, finding);
  assert.equal(entry.ErrorCode, "PartialUpdate");
  assert.match(entry.ErrorMessage, /Severity\.Product = 1\b.*members-do-not-change-severity.*Leave Severity out/);
  const after = await read(finding);
  assert.equal(after.Note.Text, NOTE.Text);
  assert.equal(after.Severity.Label, "MEDIUM");
});

test("a rejected finding is told and left as it was", async () => {
  const finding = await imported("payments", PAYMENTS);
  const answer = await update(client("payments"), finding, { Workflow: { Status: "SUPPRESSED" }, Note: NOTE });
  assert.deepEqual(answer.ProcessedFindings, []);
  assert.equal(answer.UnprocessedFindings[0].ErrorCode, "AccessDenied");
  assert.match(answer.UnprocessedFindings[0].ErrorMessage, /Workflow\.Status = SUPPRESSED.*members-do-not-suppress/);
  const after = await read(finding);
  assert.equal(after.Workflow.Status, "NEW");
  assert.equal(after.Note, undefined);
});

test("a refused call is an AccessDeniedException, sent once", async () => {
  const finding = await imported("payments", PAYMENTS);
  const sent = update(client("careful"), finding, { Workflow: { Status: "SUPPRESSED" } });
  await refused(sent, 403, "AccessDeniedException", "members-do-not-suppress", "decision");
  assert.equal((await read(finding)).Workflow.Status, "NEW");
});

test("an invalid value is an InvalidInputException that names its path", async () => {
  const finding = await imported("payments", PAYMENTS);
  const sent = update(client("payments"), finding, { Workflow: { Status: "BOGUS" } });
  await refused(sent, 400, "InvalidInputException", "Workflow.Status");
});

test("closed doors name the operation", async () => {
  await refused(client("administrator").send(new DescribeHubCommand({})), 403, "AccessDeniedException", "DescribeHub");
  const byFilter = new UpdateFindingsCommand({ Filters: {}, RecordState: "ARCHIVED" });
  const instead = "update them through BatchUpdateFindings";
  await refused(client("administrator").send(byFilter), 403, "AccessDeniedException", "UpdateFindings", instead);
});

test("a wrong secret and a wrong session token are kept out", async () => {
  const wrong = (caller, part) => client(caller, { credentials: { ...KEYS[caller], ...part } });
  // A client whose clock agrees with the gate's has no reason to try again.
  const secret = wrong("payments", { secretAccessKey: "x".repeat(40) }).send(new GetFindingsCommand({}));
  await assert.rejects(secret, { name: "InvalidSignatureException" });
  const token = wrong("ledger", { sessionToken: "other" }).send(new GetFindingsCommand({}));
  await refused(token, 403, "UnrecognizedClientException", "session token");
});

test("a client whose clock is off sets it by the gate's and gets in", async (context) => {
  const finding = await imported("payments", PAYMENTS);
  for (const minutes of [-20, 20]) {
    context.mock.timers.enable({ apis: ["Date"], now: Date.now() + minutes * 60_000 });
    const made = client("payments");
    const answer = await update(made, finding, { Note: NOTE });
    assert.deepEqual(answer.ProcessedFindings, [finding]);
    assert.equal(answer.$metadata.attempts, 2);
    assert.equal((await update(made, finding, { Note: NOTE })).$metadata.attempts, 1);
    context.mock.timers.reset();
  }
});
