//! `kind = "sigv4"`: signatures by issued keys.

use super::{Reading, doubtful_principal};
use crate::config::{Identity, Key, issued, problem::Problem};

pub(super) fn read(reading: &mut Reading<'_>, index: usize) -> Option<Identity> {
    let Reading { settings, accounts, warnings, keys: known, .. } = reading;
    settings.keep_to(index, "sigv4", &["keys"]);
    let key = format!("identity.{index}.keys");
    let Some((path, origin)) = settings.path(&key) else {
        settings.missing_if_absent(&key);
        return None;
    };
    let keys = issued::read(&path, (&key, &origin), warnings, &mut settings.problems)?;
    for (index, (key, origin)) in keys.iter().enumerate() {
        let here = format!("`key.{index}` of `{}`", path.display());
        if let Some(first) = known.insert(key.id.clone(), here.clone()) {
            let message = format!("`key.{index}.id` is the id of {first} too: an id stands for one key");
            settings.problems.add(Problem::new(origin.clone(), message));
        }
        warnings.extend(doubtful_principal(&here, &key.principal, key.account));
        if accounts.is_some_and(|accounts| accounts.role(key.account).is_none()) {
            warnings.push(format!("{here} is for account {}, which the accounts file does not name", key.account));
        }
    }
    Some(Identity::SigV4 { keys: keys.into_iter().map(|(key, _)| key).collect::<Vec<Key>>() })
}
