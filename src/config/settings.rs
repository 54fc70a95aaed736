//! Every key of the configuration file, in one table: what is known, what is the default, what the reference says.

/// How a key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A string.
    Text,
    /// A whole number.
    Integer,
    /// A list of strings; in an environment variable a TOML list, or items with commas between.
    List,
    /// A table; in an environment variable a TOML table.
    Table,
    /// A list of tables; in an environment variable a TOML list.
    Tables,
}

/// What holds when a key is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// This value.
    Default(&'static str),
    /// What the meaning says.
    Optional,
    /// The configuration is invalid.
    Invalid,
}

/// A key of the configuration file.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its path; `*` stands for a number, counted from 0.
    pub path: &'static str,
    /// How it is written.
    pub shape: Shape,
    /// What it takes: the end of the sentence "expected …".
    pub expected: &'static str,
    /// What holds when it is absent.
    pub absent: Absent,
    /// What it is for.
    pub meaning: &'static str,
}

const fn setting(
    path: &'static str,
    shape: Shape,
    absent: Absent,
    expected: &'static str,
    meaning: &'static str,
) -> Setting {
    Setting { path, shape, expected, absent, meaning }
}

use Absent::{Default, Invalid, Optional};
use Shape::{Integer, List, Table, Tables, Text};

/// Every key, in the order of the reference.
pub const SETTINGS: &[Setting] = &[
    setting(
        "listen.address",
        Text,
        Default("127.0.0.1:8080"),
        "an IP address and a port, such as `127.0.0.1:8080`",
        "Where callers connect.",
    ),
    setting(
        "listen.workers",
        Integer,
        Optional,
        "a whole number from 1 to 1024",
        "How many threads serve callers. Default: as many as the machine has cores for this process.",
    ),
    setting(
        "listen.plaintext",
        Text,
        Default("loopback"),
        "`loopback` or `allowed`",
        "Where callers may connect without TLS. `loopback`: only where other machines cannot reach `listen.address`; the gate does \
         not start otherwise. `allowed`: anywhere, for a network that encrypts and authenticates by itself.",
    ),
    setting(
        "listen.tls.certificate",
        Text,
        Optional,
        "the path of a PEM file with certificates",
        "The gate's certificate, and after it those between it and the authority that clients trust. With it callers connect by TLS \
         1.2 or 1.3, and only so. The files of this section are read again when they change.",
    ),
    setting(
        "listen.tls.key",
        Text,
        Optional,
        "the path of a PEM file with a private key",
        "The private key of `listen.tls.certificate`, and required with it.",
    ),
    setting(
        "listen.tls.client_ca",
        Text,
        Optional,
        "the path of a PEM file with certificates",
        "The authorities that clients' certificates come from. With it clients are asked for a certificate; see `mtls` in \
         `[[identity]]`.",
    ),
    setting(
        "listen.tls.client_certificate",
        Text,
        Default("optional"),
        "`optional` or `required`",
        "What becomes of a client that shows no certificate where there is a `client_ca`. `optional`: it may prove who it is in \
         another way. `required`: it cannot connect. A certificate that is shown and bad is refused either way.",
    ),
    setting(
        "listen.tls.client_crl",
        Text,
        Optional,
        "the path of a PEM file with certificate revocation lists",
        "The lists of what the authorities in `client_ca` have revoked. A client's certificate whose authority has no list in it is \
         not revoked; a list that is over counts on.",
    ),
    setting(
        "admin.address",
        Text,
        Optional,
        "an IP address and a port, such as `127.0.0.1:8081`",
        "Where whoever runs the gate asks it: `/live`, `/ready`, `/metrics`, `/status`, `/loglevel`; and, from \
         127.0.0.1 or ::1 alone and not by way of a proxy, `/decisions`, `POST /reload` and changes of `/loglevel`. Plain HTTP, and open to whoever reaches it: never an address of callers. Absent: nowhere.",
    ),
    setting(
        "policies.path",
        List,
        Invalid,
        "a list of directories, `.cedar` files, a bundle (a `.tar` file or an `https://` URL), `pack:baseline`, `pack:strict` or \
         `pack:transitions`",
        "The policies, all of which apply together. Of a directory, the files directly in it that end in `.cedar`. Of bundles, one at the \
         most: see [bundles.md](bundles.md).",
    ),
    setting(
        "policies.default_enforcement",
        Text,
        Default("reject"),
        "`strip`, `reject` or `refuse`",
        "What a denial does when its policy does not say: leave the field out (`strip`), not forward the finding \
         (`reject`), or answer the whole call with an error (`refuse`).",
    ),
    setting(
        "policies.bundle.keys",
        List,
        Optional,
        "a list of paths of PEM files with Ed25519 public keys, one in each",
        "Whose signatures on a bundle count. Required for a bundle, unless `policies.bundle.unsigned` is `allowed`. While a key is being \
         replaced, both are in the list.",
    ),
    setting(
        "policies.bundle.signatures",
        Integer,
        Default("1"),
        "a whole number from 1 to 16",
        "How many of these keys must have signed a bundle. With 2, nobody alone can change policies.",
    ),
    setting(
        "policies.bundle.name",
        Text,
        Optional,
        "the name that `bundle build --name` was given, such as `prod`",
        "What a bundle must say that it is for. One that the same keys signed for another gate is then refused.",
    ),
    setting(
        "policies.bundle.unsigned",
        Text,
        Default("refused"),
        "`refused` or `allowed`",
        "Whether a bundle that is a file here may be used without a look at its signatures. Never one from a URL.",
    ),
    setting(
        "policies.bundle.cache",
        Text,
        Optional,
        "the path of a directory",
        "For a URL, and required there: where the bundle that is used is kept, with its signatures, so that the gate starts without the \
         network, too. The gate makes it, and nobody else should be able to write there.",
    ),
    setting(
        "policies.bundle.refresh",
        Text,
        Default("60s"),
        "a duration from `1s` to `24h`",
        "For a URL: how often it is asked for something new, give or take a tenth.",
    ),
    setting(
        "policies.bundle.timeout",
        Text,
        Default("10s"),
        "a duration from `1s` to `5m`",
        "For a URL: how long one request may take in all.",
    ),
    setting(
        "policies.bundle.ca",
        Text,
        Optional,
        "the path of a PEM file with certificates",
        "For an `https://` URL: the authorities that may vouch for its host. Absent: those of the machine.",
    ),
    setting(
        "accounts.file",
        Text,
        Optional,
        "the path of an accounts file",
        "Administrators and their member accounts: see \"The accounts file\". Required, unless `policies.path` names a bundle that has the \
         accounts in it; then it must be absent.",
    ),
    setting(
        "accounts.source",
        Text,
        Default("file"),
        "`file` or `security-hub`",
        "Who says which accounts are members. `file`: the accounts file. `security-hub`: Security Hub, by ListMembers as each of the file's \
         administrators; the file then gives names and groups, and the members until the first answer.",
    ),
    setting(
        "accounts.refresh",
        Text,
        Default("5m"),
        "a duration from 10s to 24h",
        "How often Security Hub is asked who the members are, give or take a tenth. The last good answer stays.",
    ),
    setting(
        "accounts.wait",
        Text,
        Default("30s"),
        "a duration from 1s to 10m",
        "How long the start waits for Security Hub's first answer. Without one the file's members are used, and a file without any is \
         no start.",
    ),
    setting(
        "identity.*.kind",
        Text,
        Invalid,
        "`sigv4`, `mtls`, `jwt`, `sts`, `header` or `fixed`",
        "How callers prove who they are. Entries are tried in their order; without any, nobody could call.",
    ),
    setting(
        "identity.*.keys",
        Text,
        Optional,
        "the path of a keys file",
        "For `sigv4`, and required there: the keys that were issued to callers, see \"The keys file\". Signatures are \
         checked for the Region in `upstream.region`.",
    ),
    setting(
        "identity.*.rule",
        Tables,
        Optional,
        "one or more tables, written `[[identity.rule]]`",
        "For `mtls`, `jwt` and the preset `alb`, and required there (not for `jwt` with a preset): whom the names in a certificate, or the \
         claims of a token, stand for, see \"Rules of an identity\".",
    ),
    setting(
        "identity.*.gate",
        Text,
        Optional,
        "a name of 1 to 128 of A-Z, a-z, 0-9, `.`, `_`, `-`, `:` and `/`, such as `findings.example.com`",
        "For `sts`, and required there: this gate's name, which callers sign into their tokens. A token that was made for another \
         name is refused, so gates that do not trust each other need names that differ.",
    ),
    setting(
        "identity.*.hosts",
        List,
        Optional,
        "a list of hosts, such as `[\"sts.eu-west-1.amazonaws.com\"]`",
        "For `sts`: where STS is. A token for another host is refused. Default: the endpoint of `upstream.region` and \
         `sts.amazonaws.com`. `http://` only with a loopback address, for tests.",
    ),
    setting(
        "identity.*.ca",
        Text,
        Optional,
        "the path of a PEM file with certificates",
        "For `sts`, `jwt` and the preset `alb`: the authorities that may vouch for `hosts`, and for where keys are fetched. Absent: those of \
         the machine.",
    ),
    setting(
        "identity.*.account",
        Text,
        Optional,
        "an account id of twelve digits, such as `\"111122223333\"`",
        "For `fixed` and the preset `irsa`, and required there: the account that every request on this listener, or every token of \
         this issuer, comes from.",
    ),
    setting(
        "identity.*.principal",
        Text,
        Optional,
        "the ARN or the name of a principal",
        "For `fixed`, and required there: the principal that every request on this listener comes from.",
    ),
    setting(
        "identity.*.minimum_enforcement",
        Text,
        Default("strip"),
        "`strip`, `reject` or `refuse`",
        "For `fixed`, `sts` and presets without rules: what a denial does to these callers at the least. `refuse` is for a client that \
         overlooks `UnprocessedFindings`.",
    ),
    setting(
        "identity.*.issuer",
        Text,
        Optional,
        "the issuer's name as its tokens have it in `iss`, such as `https://issuer.example.com`",
        "For `jwt`, and required there: whose tokens this identity takes. Each identity has an issuer of its own.",
    ),
    setting(
        "identity.*.audience",
        List,
        Optional,
        "a list of one or more names",
        "For `jwt`, and required there: whom tokens must be made for. One of these must be in a token's `aud`, or anybody whom its holder \
         gave it to could use it here.",
    ),
    setting(
        "identity.*.jwks_file",
        Text,
        Optional,
        "the path of a file with a JWK Set",
        "For `jwt`: the issuer's keys, where the gate cannot fetch them. The file is read again when it changes, and after `jwks_refresh`.",
    ),
    setting(
        "identity.*.jwks_url",
        Text,
        Optional,
        "an `https://` URL, or `http://` on a loopback address",
        "For `jwt`: where the issuer publishes its keys. Without it and without `jwks_file`, that is what its document at \
         `<issuer>/.well-known/openid-configuration` says.",
    ),
    setting(
        "identity.*.jwks_refresh",
        Text,
        Default("5m"),
        "a duration from `1s` to `24h`",
        "For `jwt`: how long the issuer's keys are used before they are fetched again, while requests go on. A token with a key that is \
         not known yet makes the gate ask at once, and again after 10 seconds at the earliest.",
    ),
    setting(
        "identity.*.jwks_max_stale",
        Text,
        Default("24h"),
        "a duration from `1s` to `720h`",
        "For `jwt`: how long the last keys are used while the issuer cannot be reached. After that its tokens are answered with 503, \
         which SDKs try again on.",
    ),
    setting(
        "identity.*.preset",
        Text,
        Optional,
        "`irsa` or `sts-web-identity` for `jwt`; `api-gateway`, `vpc-lattice` or `alb` for `header`",
        "For `jwt`, instead of rules: what kind of tokens the issuer makes. For `header`, and required there: what stands in front of the \
         gate.",
    ),
    setting(
        "identity.*.from",
        List,
        Optional,
        "a list of IP addresses or networks, such as `[\"10.0.0.0/8\"]`",
        "For `header`: the addresses that the front sends from. The same headers from anybody else are dropped. There must be this or `when`; \
         where both are, both must hold.",
    ),
    setting(
        "identity.*.when",
        Table,
        Optional,
        "a table of `uri`, `dns` or `subject` and the patterns that they must match",
        "For `header`: what the front's client certificate says, as in rules. It needs `listen.tls.client_ca`.",
    ),
    setting(
        "identity.*.account_header",
        Text,
        Default("x-findings-gate-caller-account"),
        "the name of a header",
        "For the preset `api-gateway`: the header into which the API maps `context.identity.accountId`.",
    ),
    setting(
        "identity.*.principal_header",
        Text,
        Default("x-findings-gate-caller-arn"),
        "the name of a header",
        "For the preset `api-gateway`: the header into which the API maps `context.identity.userArn`.",
    ),
    setting(
        "identity.*.signer",
        List,
        Optional,
        "a list of one or more ARNs of Application Load Balancers",
        "For the preset `alb`, and required there: the load balancers that may say who is calling.",
    ),
    setting(
        "identity.*.keys_url",
        Text,
        Optional,
        "an `https://` URL, or `http://` on a loopback address",
        "For the preset `alb`: where the load balancers' public keys are; a key's id is put behind it. Absent: where AWS has them for the \
         `signer`'s Region.",
    ),
    setting(
        "upstream.url",
        Text,
        Invalid,
        "`aws`, `embedded`, or `http://` or `https://` with a host and perhaps a port",
        "The findings backend: Security Hub's own endpoint in the Region (`aws`), anything that speaks its API, or the one inside \
         the gate (`embedded`). A host may have `{region}` for the Region's name.",
    ),
    setting(
        "upstream.data",
        Text,
        Optional,
        "the path of a database file",
        "Where the embedded backend keeps its findings. Absent: in memory only.",
    ),
    setting(
        "upstream.region",
        Text,
        Invalid,
        "an AWS Region, such as `eu-west-1`",
        "The Region that callers must sign for; with `upstream.regions`, the one of callers whose proof names none.",
    ),
    setting(
        "upstream.regions",
        List,
        Optional,
        "a list of AWS Regions with `upstream.region` among them",
        "The Regions that callers may sign for, each of which has a backend of its own: `upstream.url` is `aws` or has `{region}` in \
         its host. A request goes to the backend of the Region that it was signed for. Absent: `upstream.region` alone.",
    ),
    setting(
        "upstream.fips",
        Text,
        Default("off"),
        "`on` or `off`",
        "With `upstream.url = \"aws\"`: whether to use the endpoints that hold to FIPS 140, of Security Hub and STS.",
    ),
    setting(
        "upstream.dual_stack",
        Text,
        Default("off"),
        "`on` or `off`",
        "With `upstream.url = \"aws\"`: whether to use the endpoints that have IPv6 addresses, too, of Security Hub and STS.",
    ),
    setting(
        "upstream.sign",
        Text,
        Default("none"),
        "`none`, `gateway` or `assume-role`",
        "How requests to the backend are signed. `none`: not at all; the backend is told the caller's account in \
         `x-findings-gate-account`. `gateway`: with the gate's own AWS credentials. `assume-role`: with those of a role for each \
         caller. See [upstream.md](upstream.md).",
    ),
    setting(
        "upstream.sts_region",
        Text,
        Optional,
        "an AWS Region, such as `eu-west-1`",
        "The Region whose STS gives credentials. Absent: `upstream.region`.",
    ),
    setting(
        "upstream.assume_role.arn",
        Text,
        Optional,
        "a role's ARN with `{account}` for the account, such as `arn:aws:iam::{account}:role/findings-gate`",
        "For `assume-role`, and required there: the role that a caller's requests are made with. `{account}` is the account that the \
         caller acts for; look-ups are made with the administrator's.",
    ),
    setting(
        "upstream.assume_role.external_id",
        Text,
        Optional,
        "2 to 1224 letters, digits and `_+=,.@:/-`",
        "The external id that the roles' trust policies ask for.",
    ),
    setting(
        "upstream.assume_role.session_name",
        Text,
        Default("{principal}"),
        "letters, digits and `_+=,.@-`, with `{account}`, `{principal}`, `{role}` or `{proof}`",
        "What a role's session is called, which CloudTrail shows. What is put in is made to fit; then sixteen hexadecimal digits at its \
         end tell apart what would read alike.",
    ),
    setting(
        "upstream.assume_role.source_identity",
        Text,
        Optional,
        "letters, digits and `_+=,.@-`, with `{account}`, `{principal}`, `{role}` or `{proof}`",
        "The session's source identity, which is made like its name and stays with all that is done with it.",
    ),
    setting(
        "upstream.assume_role.tags",
        List,
        Default("[]"),
        "a list of `key=template`, such as `principal={principal}`",
        "The session's tags, for conditions on `aws:PrincipalTag`. Templates know `{account}`, `{principal}`, `{role}` and `{proof}`.",
    ),
    setting(
        "upstream.assume_role.duration",
        Text,
        Default("1h"),
        "a duration from `15m` to `12h`",
        "How long a session is good for. Not longer than the role's own limit, and no longer than an hour if the gate's own \
         credentials are a role's.",
    ),
    setting(
        "upstream.assume_role.endpoint",
        Text,
        Optional,
        "`https://` with a host and perhaps a port, or `http://` with a loopback one",
        "Where STS is. Absent: its own endpoint in `upstream.sts_region`.",
    ),
    setting(
        "upstream.ca",
        Text,
        Optional,
        "the path of a PEM file with certificates",
        "The authorities that may vouch for an `https://` backend. Absent: those of the machine.",
    ),
    setting(
        "upstream.connect_timeout",
        Text,
        Default("2s"),
        "a duration from `10ms` to `1m`",
        "How long connecting to the backend may take.",
    ),
    setting(
        "upstream.timeout",
        Text,
        Default("30s"),
        "a duration from `10ms` to `10m`",
        "How long a request to the backend may take in all.",
    ),
    setting(
        "upstream.concurrency",
        Integer,
        Default("4"),
        "a whole number from 1 to 100",
        "How many requests to the backend one request of a caller may have under way at once.",
    ),
    setting(
        "quota.enforce",
        Text,
        Default("auto"),
        "`auto`, `on` or `off`",
        "Whether calls to the backend keep to the quotas of this section, with a fair share for each account: see \
         [quota.md](quota.md). `auto`: where the backend is AWS, that is where its host is one of AWS's or requests to it are signed.",
    ),
    setting(
        "quota.wait",
        Text,
        Default("2s"),
        "a duration from `0s` to `1m`",
        "How long a call waits for its turn in the quota. A call that would wait longer is answered at once with 429. Never more than \
         `upstream.timeout` leaves after a second for the exchange itself, or half of it if that is less.",
    ),
    setting(
        "quota.update_rate",
        Integer,
        Default("10"),
        "a whole number from 1 to 10000",
        "How many BatchUpdateFindings calls a second go to the backend for one account. AWS grants 10 in a Region, to all who call; several gates \
         share them.",
    ),
    setting(
        "quota.update_burst",
        Integer,
        Default("30"),
        "a whole number from 1 to 10000",
        "How many of them at once, after a time without any. AWS grants 30.",
    ),
    setting(
        "quota.import_rate",
        Integer,
        Default("10"),
        "a whole number from 1 to 10000",
        "How many BatchImportFindings calls a second go to the backend for one account. AWS grants 10 in a Region, to all who call; several gates \
         share them.",
    ),
    setting(
        "quota.import_burst",
        Integer,
        Default("30"),
        "a whole number from 1 to 10000",
        "How many of them at once, after a time without any. AWS grants 30.",
    ),
    setting(
        "quota.get_rate",
        Integer,
        Default("3"),
        "a whole number from 1 to 10000",
        "How many GetFindings calls a second go to the backend for one account. AWS grants 3 in a Region, to all who call; several gates \
         share them. Look-ups for policies count, too.",
    ),
    setting(
        "quota.get_burst",
        Integer,
        Default("6"),
        "a whole number from 1 to 10000",
        "How many of them at once, after a time without any. AWS grants 6.",
    ),
    setting(
        "quota.other_rate",
        Integer,
        Default("10"),
        "a whole number from 1 to 10000",
        "How many each other operation calls a second go to the backend for one account. AWS grants 10 in a Region, to all who call; several gates \
         share them.",
    ),
    setting(
        "quota.other_burst",
        Integer,
        Default("30"),
        "a whole number from 1 to 10000",
        "How many of them at once, after a time without any. AWS grants 30.",
    ),
    setting(
        "retry.attempts",
        Integer,
        Default("3"),
        "a whole number from 1 to 10",
        "How often a call is tried in all, where trying again may help and does no harm. `1`: never again.",
    ),
    setting(
        "retry.updates",
        Text,
        Default("safe"),
        "`safe` or `idempotent`",
        "Which updates are tried again. `safe`: those that certainly did not happen. `idempotent`: those that may have happened, too; the \
         same update twice leaves a finding as once, unless somebody else changed it between the two.",
    ),
    setting(
        "retry.budget",
        Integer,
        Default("20"),
        "a whole number from 0 to 1000",
        "How many retries there are for a hundred calls, all callers together, besides one a second.",
    ),
    setting(
        "breaker.failures",
        Integer,
        Default("10"),
        "a whole number from 0 to 1000",
        "After how many failures within half a minute the backend is left alone for a while, if no more calls than that succeeded \
         meanwhile. `0`: never.",
    ),
    setting(
        "breaker.pause",
        Text,
        Default("5s"),
        "a duration from `100ms` to `10m`",
        "For how long it is left alone before one call goes to see whether it is well; twice as long each time that one fails, up to \
         eight times.",
    ),
    setting(
        "state.lookup",
        Text,
        Default("on"),
        "`on` or `off`",
        "Whether findings are looked up at the backend (GetFindings) for policies that read their state. `off`: a change \
         that such a policy would have to judge is denied.",
    ),
    setting(
        "state.max_age",
        Text,
        Default("30s"),
        "a duration from `0s` to `1h`",
        "How long a finding that was looked up is kept. What changes through this gate is looked up anew at once; what \
         changes elsewhere is seen after this time at the latest. `0s`: nothing is kept.",
    ),
    setting(
        "state.entries",
        Integer,
        Default("20000"),
        "a whole number from 100 to 1000000",
        "How many findings of a fleet are kept. Each takes up to 4 KiB of memory; a larger one counts as several.",
    ),
    setting(
        "state.deadline",
        Text,
        Default("2s"),
        "a duration from `10ms` to `1m`",
        "How long a request waits for its findings in all. What has not come by then is unknown, and a change that a \
         policy would have to judge by it is denied. Which findings a BatchUpdateFindingsV2 means by its MetadataUids is \
         looked up before that, and may take as long again.",
    ),
    setting(
        "state.rate",
        Integer,
        Default("3"),
        "a whole number from 1 to 10000",
        "How many GetFindings calls a second look-ups may make, all workers together. AWS grants an account 3 in a Region, \
         to all who call; several gates share them. As many GetFindingsV2 calls again, for MetadataUids.",
    ),
    setting(
        "state.burst",
        Integer,
        Default("6"),
        "a whole number from 1 to 10000",
        "How many GetFindings calls look-ups may make at once, after a time without any. AWS grants 6. As \
         many GetFindingsV2 calls again, for MetadataUids.",
    ),
    setting(
        "doors.open",
        List,
        Default("[]"),
        "a list of operations: `BatchImportFindings`, `BatchUpdateFindingsV2`, `GetFindings`, `GetFindingsV2`, `CreateAutomationRule`, `BatchUpdateAutomationRules`, `BatchGetAutomationRules`, `ListAutomationRules`",
        "The operations that are open besides `BatchUpdateFindings`, which always is. All others are refused.",
    ),
    setting(
        "doors.whoami",
        Text,
        Default("closed"),
        "`closed` or `open`",
        "Whether a caller may ask the gate whom it takes it for: `GET /findings-gate/whoami`, which `findings-gate whoami` asks. It is no \
         operation of Security Hub.",
    ),
    setting(
        "doors.page_key",
        Text,
        Optional,
        "the path of a file of 32 to 4096 random bytes",
        "What signs the tokens of pages, which are good for the caller that they were given to. Gates that stand in for each \
         other need the same file, so that a page that one began goes on at the next. Absent: a key of this process's own, \
         so that a restart ends all queries under way.",
    ),
    setting(
        "audit.file",
        Text,
        Optional,
        "the path of a file to write",
        "Where decisions are recorded: one line of JSON for each request, written before its answer leaves. The file is this process's own, \
         and readable by its owner alone. Absent, and with no `audit.stdout`: nowhere, and the other keys of this section are refused.",
    ),
    setting(
        "audit.stdout",
        Text,
        Default("off"),
        "`on` or `off`",
        "Whether the same lines go to standard output. With an `audit.file` they are a copy, and what becomes of it holds nobody up.",
    ),
    setting(
        "audit.rotate",
        Text,
        Default("100MiB"),
        "a size from `4KiB` to `1024GiB`",
        "When a file is full: it is put beside the new one, named by the number of its first line, as `audit.0000000000000042.jsonl`.",
    ),
    setting(
        "audit.keep",
        Integer,
        Default("0"),
        "a whole number from 0 to 1000000",
        "How many full files stay; older ones are removed. 0: all of them.",
    ),
    setting(
        "audit.key",
        Text,
        Optional,
        "the path of a file of 32 to 4096 random bytes",
        "What the chain of lines is sealed with, so that who can write the file cannot make a chain of his own. Absent: the chain is made \
         of plain hashes.",
    ),
    setting(
        "audit.fsync",
        Text,
        Default("always"),
        "`always`, `never` or a duration from `100ms` to `1h`",
        "When lines are forced to the disk. `always`: before anybody who has one among them is answered. A duration: that long after they \
         were written at the latest. Lines that are written and not forced are lost with the machine's power, not with the process.",
    ),
    setting(
        "audit.on_full",
        Text,
        Default("block"),
        "`block`, `shed` or `refuse`",
        "What becomes of a request whose record has no place, because too many wait or the file cannot be written. `block`: it waits for \
         `audit.wait`, and is refused then. `refuse`: it is refused at once. Both with 503, before anything is forwarded. `shed`: it goes on \
         without a record, which is counted in the log and in the metrics.",
    ),
    setting(
        "audit.queue",
        Integer,
        Default("1024"),
        "a whole number from 1 to 1000000",
        "The most records that are being made or wait to be written.",
    ),
    setting(
        "audit.wait",
        Text,
        Default("10s"),
        "a duration from `100ms` to `10m`",
        "How long a request waits for a place, and for its record to be written. An answer whose record is not written by then is not told: \
         the caller gets a 500, unless records may be shed.",
    ),
    setting(
        "audit.mask",
        List,
        Default("[\"Note.Text\", \"UserDefinedFields\"]"),
        "a list of `Note.Text`, `Note.UpdatedBy`, `Resources.Tags` and `UserDefinedFields`",
        "What records do not show, neither of requests nor of findings: the texts; the values of all keys or tags. Each record says what was \
         masked in it.",
    ),
    setting(
        "audit.callers",
        Text,
        Default("identified"),
        "`identified` or `all`",
        "Whose requests are recorded. `identified`: of callers that proved who they are. `all`: others too, so that whoever reaches the port can \
         fill the log.",
    ),
    setting(
        "audit.recent",
        Integer,
        Default("100"),
        "a whole number from 0 to 10000",
        "How many of the last records are kept in memory for `/decisions` of the admin listener.",
    ),
    setting("limits.body", Text, Default("1MiB"), "a size from `1KiB` to `64MiB`", "The longest request body."),
    setting(
        "limits.headers",
        Integer,
        Default("64"),
        "a whole number from 8 to 1024",
        "The most header fields of a request.",
    ),
    setting(
        "limits.header_bytes",
        Text,
        Default("16KiB"),
        "a size from `8KiB` to `1MiB`",
        "The longest request head: request line and header fields together.",
    ),
    setting(
        "limits.head_timeout",
        Text,
        Default("10s"),
        "a duration from `100ms` to `10m`",
        "How long a caller may take to send a request's head.",
    ),
    setting(
        "limits.body_timeout",
        Text,
        Default("30s"),
        "a duration from `100ms` to `10m`",
        "How long a caller may take to send a request's body.",
    ),
    setting(
        "limits.idle_timeout",
        Text,
        Default("75s"),
        "a duration from `100ms` to `1h`",
        "How long a connection may stay open without a request.",
    ),
    setting(
        "limits.connections",
        Integer,
        Default("1024"),
        "a whole number from 1 to 1000000",
        "The most connections at once. For a further one, one that idles is closed; while none does, it waits to be accepted.",
    ),
    setting(
        "limits.requests",
        Integer,
        Default("512"),
        "a whole number from 1 to 1000000",
        "The most requests under way at once. Further ones wait in a queue, and one connection has a quarter of them at most: see \
         [limits.md](limits.md).",
    ),
    setting(
        "limits.bodies",
        Text,
        Default("64MiB"),
        "a size from `64KiB` to `64GiB`",
        "The most bytes of bodies at once: those of requests under way, and those of answers that clients have not taken yet. A request that \
         does not fit in waits in the queue; one connection has a quarter of them at most, or one body. Not less than `limits.body`.",
    ),
    setting(
        "limits.queue",
        Integer,
        Default("512"),
        "a whole number from 0 to 1000000",
        "The most requests that wait for room. Further ones are answered at once with 503 and `Retry-After`.",
    ),
    setting(
        "limits.queue_wait",
        Text,
        Default("1s"),
        "a duration from `0s` to `1m`",
        "How long a request waits for room before it is answered with 503 and `Retry-After`.",
    ),
    setting(
        "limits.grace",
        Text,
        Optional,
        "a duration from `0s` to `10m`",
        "For how long after a SIGTERM the gate goes on as before, only that `/ready` says no: the time for a load balancer to notice. Default: `5s` \
         with `admin.address`, `0s` without. A SIGINT is not waited after. See [limits.md](limits.md).",
    ),
    setting(
        "limits.drain",
        Text,
        Default("30s"),
        "a duration from `0s` to `1h`",
        "How long requests under way may still take when the gate stops to accept; what is left then is cut.",
    ),
    setting(
        "traces.backend",
        Text,
        Default("auto"),
        "`auto`, `on` or `off`",
        "Whether the findings backend is told which trace a call belongs to: a caller's `traceparent`, with a span of the gate's, and \
         `tracestate`. `auto`: any backend but AWS, which would make nothing of it. What is signed does not cover them.",
    ),
    setting(
        "traces.endpoint",
        Text,
        Optional,
        "a URL such as `http://127.0.0.1:4318`",
        "The collector that spans are sent to, by OTLP over HTTP; `/v1/traces` is added. Only a program that was built with \
         `--features otlp` can. Absent: no spans are made, and contexts of traces are carried all the same.",
    ),
    setting(
        "traces.sample",
        Text,
        Default("0.01"),
        "a number from 0 to 1, such as `\"0.01\"`",
        "Which share of the traces that begin here is recorded. A request that says of its trace whether it is recorded is believed.",
    ),
    setting(
        "traces.headers",
        Text,
        Optional,
        "the path of a file with lines `name: value`",
        "What every export carries besides, such as a token of the collector's.",
    ),
    setting("traces.service", Text, Default("findings-gate"), "a name", "What spans call this gate: `service.name`."),
    setting(
        "traces.attributes",
        List,
        Optional,
        "a list such as `[\"deployment.environment.name=prod\"]`",
        "What spans tell of this gate besides.",
    ),
    setting(
        "traces.ca",
        Text,
        Optional,
        "the path of a PEM file with certificates",
        "Whom to trust at `traces.endpoint`. Absent: the system's authorities.",
    ),
    setting(
        "log.level",
        Text,
        Default("info"),
        "`off`, `error`, `warn`, `info`, `debug` or `trace`, or directives such as `info,findings_gate::proxy=debug`",
        "What is logged. The environment variable `FINDINGS_GATE_LOG` is a shorter name of this key's and wins.",
    ),
    setting(
        "log.format",
        Text,
        Default("auto"),
        "`auto`, `human` or `json`",
        "How it is logged, always to standard error. `auto`: for people on a terminal, else one JSON object a line.",
    ),
];

/// What an environment variable that sets a key begins with.
pub(super) const PREFIX: &str = "FINDINGS_GATE__";

impl Setting {
    /// The key at `path`, where numbers may stand for `*`.
    pub(super) fn at(path: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|key| key.matches(path))
    }

    fn matches(&self, path: &str) -> bool {
        let mut segments = path.split('.');
        self.path
            .split('.')
            .all(|own| segments.next().is_some_and(|given| own == given || own == "*" && is_index(given)))
            && segments.next().is_none()
    }

    /// The section it is in: `listen`, `identity.*`.
    pub(super) fn section(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// Its own name in its section.
    pub(super) fn name(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, name)| name)
    }

    /// The environment variable that overrides it, with `0` for `*`.
    pub fn variable(&self) -> String {
        variable(self.path)
    }
}

/// The environment variable of a path.
pub(super) fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('*', "0").replace('.', "__").to_ascii_uppercase())
}

/// Whether some key lies below `path`.
pub(super) fn is_section(path: &str) -> bool {
    SETTINGS.iter().any(|key| key.section() == path)
}

/// A number as it may stand for `*`: no more than two digits, no leading zero.
pub(super) fn is_index(segment: &str) -> bool {
    matches!(segment.as_bytes(), [b'0'..=b'9'] | [b'1'..=b'9', b'0'..=b'9'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_with_their_numbers() {
        assert_eq!(Setting::at("identity.12.keys").unwrap().path, "identity.*.keys");
        assert_eq!(Setting::at("listen.address").unwrap().variable(), "FINDINGS_GATE__LISTEN__ADDRESS");
        assert_eq!(Setting::at("identity.0.keys").unwrap().variable(), "FINDINGS_GATE__IDENTITY__0__KEYS");
        for unknown in ["", "listen", "listen.address.0", "identity.keys", "identity.00.keys", "identity.x.keys"] {
            assert!(Setting::at(unknown).is_none(), "{unknown}");
        }
    }

    #[test]
    fn no_key_is_there_twice() {
        let mut paths: Vec<_> = SETTINGS.iter().map(|key| key.path).collect();
        paths.sort_unstable();
        assert!(paths.windows(2).all(|pair| pair[0] != pair[1]), "{paths:?}");
    }
}
