//! Members of a fleet in a CSV file: as AWS Organizations exports its accounts, or as a spreadsheet writes them.
//!
//! The first row names the columns. `account`, `name` and `groups` count, whatever their order; the names by which AWS exports know the first
//! two count, too, and all other columns are passed over. Groups are separated by `;`, because their names may have spaces.

use super::{
    accounts::{A_NAME, MOST_GROUPS, MOST_MEMBERS, is_name},
    problem::{Origin, Problem, Problems, Source, did_you_mean, shown},
    read,
};
use crate::finding::{AccountId, Member};
use std::{ops::Range, path::Path, sync::Arc};

/// One member.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) account: AccountId,
    pub(super) member: Member,
    /// The line on which it stands, counted from 1.
    pub(super) line: usize,
    /// Its account.
    pub(super) origin: Origin,
}

const AN_ACCOUNT: &str = "an account id of twelve digits, such as 111122223333";

/// What a column may be called, in lower case and without spaces, `_` and `-`; the first name is the one to write. `id` is what
/// `aws organizations list-accounts` calls it, `accountid` the export of the Organizations console and ListMembers.
const ACCOUNT: &[&str] = &["account", "accountid", "id"];
const NAME: &[&str] = &["name", "accountname"];
const GROUPS: &[&str] = &["groups"];

/// Reads the rows. `named_at` is where the path was given. Nothing if anything is wrong.
pub(super) fn read(path: &Path, named_at: &Origin, problems: &mut Problems) -> Option<Vec<Row>> {
    let text = match read::text(path, read::LONGEST_FILE) {
        Ok(text) => text,
        Err(why) => {
            problems.add(Problem::new(named_at.clone(), format!("the members: {why}")));
            return None;
        }
    };
    let source = problems.open(path, &text);
    let before = problems.count();
    let mut file = File { text: &text, source, problems };
    let mut records = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut record = csv::StringRecord::new();
    let mut columns: Option<Columns> = None;
    let mut rows = Vec::new();
    // What is read is text in memory, so no row fails but by its form, and of that the flexible reader takes any.
    while records.read_record(&mut record).unwrap_or(false) {
        let start = record.position().map_or(0, csv::Position::byte);
        let start = file.start_of_row(usize::try_from(start).unwrap_or(usize::MAX));
        if record.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        match &columns {
            None => columns = Some(file.columns(&record, start)?),
            Some(columns) => rows.extend(file.row(&record, start, columns)),
        }
        if rows.len() > MOST_MEMBERS {
            file.tell(
                start..start,
                format!("there are more than {MOST_MEMBERS} members: expected at most {MOST_MEMBERS}"),
            );
            return None;
        }
    }
    if columns.is_none() {
        file.tell(0..0, "it is empty: expected a row that names the columns, such as `account,name,groups`");
    }
    (problems.count() == before).then_some(rows)
}

/// Which column holds what, counted from 0.
struct Columns {
    account: usize,
    name: Option<usize>,
    groups: Option<usize>,
    count: usize,
}

struct File<'a> {
    text: &'a str,
    source: Arc<Source>,
    problems: &'a mut Problems,
}

impl File<'_> {
    fn origin(&self, span: Range<usize>) -> Origin {
        Origin::File(Arc::clone(&self.source), span)
    }

    fn tell(&mut self, span: Range<usize>, message: impl Into<String>) {
        let problem = Problem::new(self.origin(span), message);
        self.problems.add(problem);
    }

    fn columns(&mut self, record: &csv::StringRecord, start: usize) -> Option<Columns> {
        let plain = |name: &str| -> String {
            name.chars().filter(|letter| !matches!(letter, ' ' | '_' | '-')).flat_map(char::to_lowercase).collect()
        };
        let names: Vec<String> = record.iter().map(plain).collect();
        let mut found = |known: &[&str]| {
            let mut at = names.iter().enumerate().filter(|(_, name)| known.contains(&name.as_str())).map(|(at, _)| at);
            let (first, second) = (at.next(), at.next());
            if let Some(second) = second {
                let message = format!("the column `{}` stands twice", known[0]);
                let span = self.field(start, second);
                self.tell(span, message);
            }
            first
        };
        let (account, name, groups) = (found(ACCOUNT), found(NAME), found(GROUPS));
        // A column more is nothing bad, but one that should have counted must not be passed over.
        for (at, given) in names.iter().enumerate() {
            let lacking = [(account, ACCOUNT), (name, NAME), (groups, GROUPS)];
            let lacking = lacking.iter().filter(|(found, _)| found.is_none()).map(|(_, known)| known[0]);
            let known = [ACCOUNT, NAME, GROUPS].concat();
            if !known.contains(&given.as_str())
                && let Some(meant) = did_you_mean(given, lacking)
            {
                let message = format!("there is no column `{}` here", shown(&record[at]));
                let problem = Problem::new(self.origin(self.field(start, at)), message).meant(Some(meant));
                self.problems.add(problem);
            }
        }
        let Some(account) = account else {
            let given: Vec<String> = record.iter().map(|name| format!("`{}`", shown(name))).collect();
            let message = format!("no column is called `account`: the first row has {}", given.join(", "));
            let help = if names.len() == 1 && names[0].contains([';', '\t']) {
                "separate the columns by commas"
            } else {
                "name the columns in the first row, such as `account,name,groups`"
            };
            let problem = Problem::new(self.origin(start..start), message).help(help);
            self.problems.add(problem);
            return None;
        };
        Some(Columns { account, name, groups, count: record.len() })
    }

    fn row(&mut self, record: &csv::StringRecord, start: usize, columns: &Columns) -> Option<Row> {
        if record.len() != columns.count {
            let said = if record.len() == 1 { "1 column".to_owned() } else { format!("{} columns", record.len()) };
            let message = format!("the row has {said}: expected {}, as the first row has", columns.count);
            self.tell(start..start, message);
            return None;
        }
        let before = self.problems.count();
        let text = record[columns.account].trim();
        let account = AccountId::parse(text);
        let span = self.field(start, columns.account);
        if account.is_none() {
            let message = format!("`account` is {}: expected {AN_ACCOUNT}", quoted(text));
            let mut problem = Problem::new(self.origin(span.clone()), message);
            if (1..12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
                problem = problem.help("a spreadsheet may have dropped leading zeros: format the column as text");
            }
            self.problems.add(problem);
        }
        let name = columns.name.map_or("", |at| record[at].trim());
        if !name.is_empty() && !is_name(name) {
            let span = self.field(start, columns.name.unwrap_or_default());
            self.tell(span, format!("`name` is {}: expected {A_NAME}", quoted(name)));
        }
        let groups = columns.groups.map_or("", |at| &record[at]);
        let groups: Vec<&str> = groups.split(';').map(str::trim).filter(|group| !group.is_empty()).collect();
        let wrong = groups.iter().find(|group| !is_name(group));
        if wrong.is_some() || groups.len() > MOST_GROUPS {
            let message = match wrong {
                Some(group) => format!(
                    "`groups` has {}: expected names of 1 to 256 bytes without control characters, separated by `;`",
                    quoted(group)
                ),
                None => format!("`groups` has {} groups: expected at most {MOST_GROUPS}", groups.len()),
            };
            let span = self.field(start, columns.groups.unwrap_or_default());
            self.tell(span, message);
        }
        if self.problems.count() > before {
            return None;
        }
        let member = Member { name: name.to_owned(), groups: groups.into_iter().map(str::to_owned).collect() };
        let origin = self.origin(span);
        Some(Row { account: account?, member, line: self.source.line(start), origin })
    }

    /// The first byte of a row: the reader counts what ends the row before, and empty lines, to the row after them.
    fn start_of_row(&self, start: usize) -> usize {
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        start + rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
    }

    /// Where a field of a row stands, counted from 0.
    fn field(&self, start: usize, at: usize) -> Range<usize> {
        let (mut quoted, mut before, mut begin) = (false, 0, start);
        let row = self.text.as_bytes().get(start..).unwrap_or_default();
        for (offset, byte) in row.iter().enumerate().map(|(offset, byte)| (start + offset, *byte)) {
            match byte {
                b'"' => quoted = !quoted,
                b',' | b'\r' | b'\n' if !quoted && (before == at || byte != b',') => return begin..offset,
                b',' if !quoted => {
                    before += 1;
                    begin = offset + 1;
                }
                _ => {}
            }
        }
        begin..self.text.len()
    }
}

fn quoted(text: &str) -> String {
    if text.is_empty() { "empty".to_owned() } else { format!("\"{}\"", shown(text)) }
}
