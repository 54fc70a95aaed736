//! `--watch`: again whenever something changes.

use super::{Exit, Failure, Printer, TestArgs, once};
use notify::{Event, EventKind, RecursiveMode, Watcher};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::Duration,
};

/// How long it must be quiet before the tests run again: editors write a file in several steps.
const QUIET: Duration = Duration::from_millis(80);

/// Runs the tests until the program is ended.
pub(super) fn run(args: &TestArgs, printer: &mut Printer) -> Result<Exit, Failure> {
    let (sender, changes) = channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // What only reads, the tests themselves included, changes nothing.
        if event.as_ref().map_or(true, |event| !matches!(event.kind, EventKind::Access(_))) {
            let _ = sender.send(event);
        }
    })
    .map_err(Failure::broke)?;
    let mut known: BTreeSet<PathBuf> = BTreeSet::new();
    loop {
        let mut files = args.paths.clone();
        match once(args, printer) {
            Ok((_, used)) => files.extend(used),
            // A policy that is being written is invalid for a while; it is told, and waited for.
            Err(failure @ Failure::Invalid(_)) => {
                printer.finish(Err(failure));
            }
            Err(failure) => return Err(failure),
        }
        for directory in files.iter().filter_map(|file| directory(file)) {
            if known.insert(directory.clone()) {
                watcher.watch(&directory, RecursiveMode::Recursive).map_err(Failure::broke)?;
            }
        }
        printer.err("waiting for a change; Ctrl-C ends\n")?;
        wait(&changes)?;
    }
}

/// The directory to watch for a file; editors replace files, so the file itself may go away.
fn directory(file: &Path) -> Option<PathBuf> {
    if file.is_dir() {
        return Some(file.to_owned());
    }
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    parent.is_dir().then(|| parent.to_owned())
}

/// Waits until something that matters has changed, and then is left alone.
fn wait(changes: &Receiver<notify::Result<Event>>) -> Result<(), Failure> {
    let matters = |event: &Event| {
        event
            .paths
            .iter()
            .any(|path| path.to_string_lossy().ends_with(".cedar") || path.to_string_lossy().ends_with(".yaml"))
    };
    let ended = || Failure::broke("nothing watches for changes any more");
    loop {
        let event = changes.recv().map_err(|_| ended())?.map_err(Failure::broke)?;
        if matters(&event) {
            break;
        }
    }
    loop {
        match changes.recv_timeout(QUIET) {
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => return Ok(()),
            Err(RecvTimeoutError::Disconnected) => return Err(ended()),
        }
    }
}
