//! Matches the names of two models that differ by one common prefix, such as
//! `model.diffusion_model.`, which some tools put before every name and others leave out.

use std::collections::{BTreeMap, BTreeSet};

use super::checkpoint::Checkpoint;

/// Names of each model that are compared with all names of the other to find a prefix.
const TRIED: usize = 16;

/// What turns a name of one model into that of the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Add(String),
    Take(String),
}

impl Change {
    fn of(&self, name: &str) -> Option<String> {
        match self {
            Change::Add(prefix) => Some(format!("{prefix}{name}")),
            Change::Take(prefix) => name.strip_prefix(prefix.as_str()).map(str::to_owned),
        }
    }
}

impl Checkpoint {
    /// Calls its tensors as a model with these `names` calls them, if none of them has the same
    /// name there and one prefix makes most of them equal.
    pub fn match_prefix(&mut self, names: &BTreeSet<String>) {
        if self.tensors.keys().any(|own| names.contains(own)) {
            return;
        }
        let Some(change) = change(&self.tensors.keys().collect::<Vec<_>>(), names) else { return };
        let changed = |(name, place): (String, _)| (change.of(&name).unwrap_or(name), place);
        self.tensors = std::mem::take(&mut self.tensors).into_iter().map(changed).collect();
    }
}

/// The change that makes most of `own` names equal to some of `names`.
fn change(own: &[&String], names: &BTreeSet<String>) -> Option<Change> {
    let mut found: BTreeMap<Change, usize> = BTreeMap::new();
    for own in own.iter().take(TRIED) {
        for name in names {
            let longer =
                |whole: &str, end: &str| whole.strip_suffix(end).filter(|rest| rest.ends_with('.')).map(str::to_owned);
            let change = longer(name, own).map(Change::Add).or_else(|| longer(own, name).map(Change::Take));
            change.into_iter().for_each(|change| *found.entry(change).or_default() += 1);
        }
    }
    let (change, _) = found.into_iter().max_by_key(|(_, count)| *count)?;
    let equal = own.iter().filter_map(|own| change.of(own)).filter(|name| names.contains(name)).count();
    (2 * equal > own.len()).then_some(change)
}
