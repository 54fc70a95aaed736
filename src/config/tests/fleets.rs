//! Several fleets in the accounts file, and members in CSV files.

use super::*;

fn fleets() -> String {
    "[[fleet]]\nadministrator = \"111111111111\"\nname = \"americas\"\nmembers_csv = \"members.csv\"\n\
     [[fleet]]\nadministrator = \"666666666666\"\n[[fleet.member]]\naccount = \"777777777777\"\ngroups = [\"pci\"]\n"
        .to_owned()
}

fn told(accounts: &str, csv: &str) -> String {
    let place = Place::new(SMALLEST);
    place.write("accounts.toml", accounts).write("members.csv", csv);
    place.told(place.load())
}

const ONE: &str = "administrator = \"111111111111\"\nmembers_csv = \"members.csv\"\n";

#[test]
fn fleets_are_read() {
    let place = Place::new(SMALLEST);
    place
        .write("accounts.toml", &fleets())
        .write("members.csv", "account,name,groups\n222222222222,payments,ou/prod; pci\n");
    let accounts = place.load().unwrap().accounts;
    let id = |text: &str| text.parse().unwrap();
    let known: Vec<_> =
        accounts.fleets().map(|(administrator, name)| (administrator.to_string(), name.to_owned())).collect();
    assert_eq!(known, [("111111111111".to_owned(), "americas".to_owned()), ("666666666666".to_owned(), String::new())]);
    assert_eq!(accounts.fleet_of(id("222222222222")), Some(id("111111111111")));
    assert_eq!(accounts.fleet_of(id("777777777777")), Some(id("666666666666")));
    assert_eq!(
        (accounts.groups(id("222222222222")), accounts.groups(id("777777777777"))),
        (&["ou/prod".to_owned(), "pci".to_owned()][..], &["pci".to_owned()][..])
    );
    assert_eq!(accounts.member(id("222222222222")).unwrap().name, "payments");
}

#[test]
fn an_account_is_in_one_fleet() {
    let fleet = |administrator: &str, member: &str| {
        format!("[[fleet]]\nadministrator = \"{administrator}\"\n[[fleet.member]]\naccount = \"{member}\"\n")
    };
    let (one, two, three, four) = ("111111111111", "222222222222", "333333333333", "444444444444");
    for (accounts, expected) in [
        (
            fleet(one, two) + &fleet(three, two),
            "accounts.toml:8:11: `fleet.1.member.0.account` is \"222222222222\", as `fleet.0.member.0.account` is already\n  \
             help: remove one of the two members\n",
        ),
        (
            fleet(one, three) + &fleet(three, four),
            "accounts.toml:4:11: `fleet.0.member.0.account` is \"333333333333\", which is `fleet.1.administrator`: an account is in one \
             fleet\n  help: remove this member, or the fleet that it administers\n",
        ),
        (
            fleet(one, two) + &fleet(one, three),
            "accounts.toml:6:17: `fleet.1.administrator` is \"111111111111\", as `fleet.0.administrator` is already\n  \
             help: put the members of both into one `[[fleet]]`\n",
        ),
        (
            fleet(one, two) + &fleet(three, three),
            "accounts.toml:8:11: `fleet.1.member.0.account` is \"333333333333\", which is the administrator: an account is never both\n  \
             help: remove this member: the administrator updates its own findings too\n",
        ),
        (
            format!("administrator = \"{four}\"\n{}", fleet(one, two)),
            "accounts.toml:1:17: `administrator` stands beside `[[fleet]]`, and is no fleet's\n  help: put `administrator` into one of \
             the `[[fleet]]` tables, or remove them: a file without any is one fleet\n",
        ),
        (
            "[[fleet]]\nadministrater = \"111111111111\"\n".into(),
            "accounts.toml:1:1: `fleet.0.administrator` is missing: expected an account id of twelve digits in quotes, such as \
             \"111122223333\"\naccounts.toml:2:1: `fleet.0.administrater` is no key of this file\n  help: did you mean `administrator`?\n",
        ),
    ] {
        assert_eq!(told(&accounts, ""), expected, "{accounts}");
    }
    let mut many = String::new();
    for number in 0..65 {
        write!(many, "[[fleet]]\nadministrator = \"2{number:011}\"\n").unwrap();
    }
    assert_eq!(told(&many, ""), "accounts.toml:129:1: there are 65 fleets: expected at most 64\n");
}

#[test]
fn rows_of_other_programs_are_read() {
    let id = |text: &str| text.parse().unwrap();
    for csv in [
        "account,name\n222222222222,payments\n",
        // A byte order mark, lines as on Windows, columns in another order, more of them, a blank line.
        "\u{feff}Name,Email,Account ID\r\n\r\npayments,a@b.example,222222222222\r\n",
        // As the Organizations console exports them: with the administrator.
        "Account ID,ARN,Email,Name,Status,Joined method,Joined timestamp (UTC)\n\
         111111111111,arn:x,a@b.example,security,ACTIVE,INVITED,2024\n222222222222,arn:y,c@d.example,payments,ACTIVE,CREATED,2024\n",
        "Id,Name,groups\n222222222222,\"payments\",\n,,\n",
        "account_id,\"name\"\n 222222222222 , payments",
    ] {
        let place = Place::new(SMALLEST);
        place.write("accounts.toml", ONE).write("members.csv", csv);
        let accounts = place.load().unwrap_or_else(|error| panic!("{csv}: {error:?}")).accounts;
        assert_eq!(accounts.members().count(), 1, "{csv}");
        assert_eq!(accounts.member(id("222222222222")).unwrap().name, "payments", "{csv}");
    }
}

#[test]
fn mistakes_in_rows_are_told_with_their_place() {
    let control = "a\u{7}b";
    for (csv, expected) in [
        ("", "members.csv:1:1: it is empty: expected a row that names the columns, such as `account,name,groups`\n"),
        (
            "name,email\n",
            "members.csv:1:1: no column is called `account`: the first row has `name`, `email`\n  \
            help: name the columns in the first row, such as `account,name,groups`\n",
        ),
        (
            "account;name\n",
            "members.csv:1:1: no column is called `account`: the first row has `account;name`\n  \
            help: separate the columns by commas\n",
        ),
        ("account,group\n", "members.csv:1:9: there is no column `group` here\n  help: did you mean `groups`?\n"),
        ("account,name,AccountId\n", "members.csv:1:14: the column `account` stands twice\n"),
        // All at once, each where it stands.
        (
            &format!(
                "name,account,groups\na,22222222222,\n\"b,\"\"c\",x,\n\n{control},333333333333,ou/prod;{control}\na,444444444444\n"
            ),
            "members.csv:2:3: `account` is \"22222222222\": expected an account id of twelve digits, such as 111122223333\n  \
             help: a spreadsheet may have dropped leading zeros: format the column as text\n\
             members.csv:3:9: `account` is \"x\": expected an account id of twelve digits, such as 111122223333\n\
             members.csv:5:1: `name` is \"a\\u{7}b\": expected a name of 1 to 256 bytes without control characters\n\
             members.csv:5:18: `groups` has \"a\\u{7}b\": expected names of 1 to 256 bytes without control characters, separated by `;`\n\
             members.csv:6:1: the row has 2 columns: expected 3, as the first row has\n",
        ),
        (
            "account\r\n222222222222\r\n\r\n222222222222\r\n",
            "members.csv:4:1: the account is \"222222222222\", as line 2 of `members.csv` is already\n  help: remove one of the two members\n",
        ),
        (
            "account,groups\n111111111111,pci\n",
            "members.csv:2:1: the account is \"111111111111\", which is the administrator: an account is never both\n  \
             help: remove this member: the administrator updates its own findings too\n",
        ),
    ] {
        assert_eq!(told(ONE, csv), expected, "{csv}");
    }
    let both = format!("{ONE}[[member]]\naccount = \"222222222222\"\n");
    assert_eq!(
        told(&both, "account\n333333333333\n222222222222\n"),
        "members.csv:3:1: the account is \"222222222222\", as `member.0.account` is already\n  help: remove one of the two members\n"
    );
    let missing = ONE.replace("members.csv", "nobody.csv");
    assert_eq!(
        told(&missing, ""),
        "accounts.toml:2:15: the members: cannot read `nobody.csv`: there is no such file\n"
    );
    let number = ONE.replace("\"members.csv\"", "3");
    assert_eq!(
        told(&number, ""),
        "accounts.toml:2:15: `members_csv` is 3: expected the path of a CSV file with the fleet's members\n"
    );
}

/// As many as Security Hub lets an administrator have, and more problems than anybody reads.
#[test]
fn large_files_are_read_and_told_about() {
    let place = Place::new(&SMALLEST.replace(
        "kind = \"sigv4\"\nkeys = \"keys.toml\"",
        "kind = \"fixed\"\naccount = \"200000010999\"\nprincipal = \"x\"",
    ));
    let rows = |count: usize| {
        let row = |number| format!("2{number:011},account {number},ou/prod;pci\n");
        "account,name,groups\n".to_owned() + &(0..count).map(row).collect::<String>()
    };
    place.write("accounts.toml", ONE).write("members.csv", &rows(11_000));
    assert_eq!(place.load().unwrap().accounts.members().count(), 11_000);
    assert_eq!(
        told(ONE, &rows(20_001)),
        "members.csv:20002:1: there are more than 20000 members: expected at most 20000\n"
    );
    let bad = "account\n".to_owned() + &"x\n".repeat(500);
    let told = told(ONE, &bad);
    assert!(told.contains("members.csv:21:1:") && !told.contains("members.csv:22:1:"), "{told}");
}

#[test]
fn asking_needs_a_backend_that_can_be_asked() {
    let source =
        |line: &str| SMALLEST.replace("file = \"accounts.toml\"\n", &format!("file = \"accounts.toml\"\n{line}\n"));
    let told = |configuration: &str| {
        let place = Place::new(configuration);
        place.told(place.load())
    };
    assert_eq!(
        told(&source("refresh = \"1m\"")),
        "gate.toml:6:11: `accounts.refresh` is for `accounts.source = \"security-hub\"`, and `accounts.source` is `file`\n"
    );
    assert_eq!(
        told(&source("source = \"aws\"")),
        "gate.toml:6:10: `accounts.source` is \"aws\": expected `file` or `security-hub`\n"
    );
    assert_eq!(
        told(&source("source = \"security-hub\"")),
        "gate.toml:6:10: `accounts.source` is `security-hub`, and the findings backend is `embedded`, which has no ListMembers\n  \
         help: name the members in the accounts file, or another backend\n"
    );
    // Callers may be of accounts that only the list has.
    let place = Place::new(&source("source = \"security-hub\"").replace("\"embedded\"", "\"http://127.0.0.1:9\""));
    place.write("accounts.toml", "administrator = \"111111111111\"\n");
    assert!(place.load().unwrap().warnings.iter().all(|warning| !warning.contains("accounts file")));
}

/// Under the gate's own credentials AWS would let every administrator see the one fleet that they see.
#[test]
fn the_gate_s_own_credentials_serve_one_fleet() {
    let signed = |sign: &str| {
        let remote = SMALLEST.replace("\"embedded\"", "\"https://securityhub.eu-west-1.amazonaws.com\"");
        let place = Place::new(&format!("{remote}sign = \"{sign}\"\n"));
        place.write("members.csv", "account\n222222222222\n");
        place
    };
    let place = signed("gateway");
    place.load().unwrap();
    place.write("accounts.toml", &fleets());
    assert_eq!(
        place.told(place.load()),
        "gate.toml:12:8: `upstream.sign` is `gateway`, and the accounts file has 2 fleets: the gate's own credentials see one of \
         them, whoever asks\n  help: set it to `assume-role`, or run a gate for each fleet\n"
    );
    let place = signed("none");
    place.write("accounts.toml", &fleets());
    place.load().unwrap();
}
