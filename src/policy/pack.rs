//! The packs: policies that ship with the gate, embedded so that they are at hand in any directory.

use super::load::PolicyText;

/// The names of the packs, the one to start with first.
pub const PACKS: &[&str] = &["baseline", "strict", "transitions"];

/// A file of a pack: its path in the repository, and its text.
macro_rules! file {
    ($path:literal) => {
        (concat!("policies/", $path), include_str!(concat!("../../policies/", $path)))
    };
}

/// The files of a pack, named by their paths in the repository; nothing when there is no such pack.
pub fn pack(name: &str) -> Option<Vec<PolicyText>> {
    let files: &[(&str, &str)] = match name {
        "baseline" => {
            &[file!("baseline/administrators.cedar"), file!("baseline/members.cedar"), file!("baseline/reach.cedar")]
        }
        "strict" => &[file!("strict/administrators.cedar"), file!("strict/members.cedar"), file!("strict/reach.cedar")],
        "transitions" => &[
            file!("transitions/administrators.cedar"),
            file!("transitions/members.cedar"),
            file!("transitions/reach.cedar"),
            file!("transitions/workflow.cedar"),
        ],
        _ => return None,
    };
    Some(texts(files))
}

/// The properties that hold of a pack; nothing when there is no such pack.
pub fn pack_properties(name: &str) -> Option<Vec<PolicyText>> {
    let file = match name {
        "baseline" => file!("baseline/baseline.properties.cedar"),
        "strict" => file!("strict/strict.properties.cedar"),
        "transitions" => file!("transitions/transitions.properties.cedar"),
        _ => return None,
    };
    Some(texts(&[file]))
}

fn texts(files: &[(&str, &str)]) -> Vec<PolicyText> {
    files.iter().map(|&(name, text)| PolicyText { name: name.to_owned(), text: text.to_owned() }).collect()
}

#[cfg(test)]
mod tests;
