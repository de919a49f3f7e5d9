//! File names that mean the same file on every system. A record or a manifest may name only these,
//! so `decompress` may write only these.
//!
//! A name is refused if it leads out of its folder, if Windows keeps it for a device or spells it
//! differently, or if it equals another name on a file system without case. `compress` checks the
//! names that it records in the same way, so what it writes can be restored anywhere.

use std::collections::BTreeMap;

use crate::error::NameReason;

/// Most folders in a name. Copying stops long before. The bound keeps a record from making us look
/// at every prefix of a name with a million folders.
const MAX_COMPONENTS: usize = 32;

/// Names of devices on Windows. Whatever follows a dot does not matter.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// The names taken so far, of files and of the folders above them.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// For each name without case: its spelling, and whether it is a file.
    taken: BTreeMap<String, (String, bool)>,
}

impl Names {
    /// Takes the file `name`, with `/` between folders.
    ///
    /// # Errors
    /// Why the name is refused.
    pub fn take(&mut self, name: &str) -> Result<(), NameReason> {
        if name.split('/').count() > MAX_COMPONENTS {
            return Err(NameReason::TooDeep { most: MAX_COMPONENTS });
        }
        if let Some(reason) = name.split('/').find_map(refused) {
            return Err(reason);
        }
        let folders = name.match_indices('/').map(|(slash, _)| (&name[..slash], false));
        for (path, is_file) in folders.chain([(name, true)]) {
            match self.taken.insert(without_case(path), (path.to_owned(), is_file)) {
                Some((before, false)) if before == path && !is_file => {}
                Some((other, _)) => return Err(NameReason::Meets { other }),
                None => {}
            }
        }
        Ok(())
    }
}

/// Folds in both directions: some letters share only their small form with another letter, some
/// only their capital form.
fn without_case(name: &str) -> String {
    name.to_uppercase().to_lowercase()
}

/// Why the name of one file or folder is refused.
pub(crate) fn refused(name: &str) -> Option<NameReason> {
    let folded = without_case(name);
    let stem = folded.split('.').next().unwrap_or_default().trim_end_matches(' ');
    let is_port = ["com", "lpt"].iter().any(|port| {
        let number = stem.strip_prefix(port).map(|rest| rest.chars().collect::<Vec<_>>());
        matches!(number.as_deref(), Some(['0'..='9' | '\u{b9}' | '\u{b2}' | '\u{b3}']))
    });
    if matches!(name, "" | "." | "..") {
        Some(NameReason::LeadsOut)
    } else if name.contains(['\\', ':', '\0']) {
        Some(NameReason::Separator)
    } else if name.ends_with(['.', ' ']) {
        Some(NameReason::End)
    } else if DEVICES.contains(&stem) || is_port {
        Some(NameReason::Device)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_or_stand_for_devices_are_refused() {
        for name in [
            "",
            ".",
            "..",
            "../x",
            "/x",
            "x/",
            "a//b",
            "a/../b",
            "a/.",
            "a\\b",
            "c:x",
            "a/b:s",
            "x\0",
            "x.",
            "x ",
            "a./b",
            "CON",
            "con.txt",
            "Aux.tar.gz",
            "nul",
            "PRN .x",
            "COM1",
            "lpt9.log",
            "com\u{b9}",
            "CONIN$",
            "a/CON/b",
        ] {
            assert!(Names::default().take(name).is_err(), "{name}");
        }
        let deep = "a/".repeat(MAX_COMPONENTS) + "a";
        assert!(Names::default().take(&deep).is_err());
        for name in
            ["a", "a..b", ".x", "console", "com", "com10", "aux_0.safetensors", "a/b c/d", "日本.json", "nul_/x"]
        {
            Names::default().take(name).expect(name);
        }
    }

    #[test]
    fn names_that_meet_on_some_file_system_are_refused() {
        for pair in [
            ["a", "a"],
            ["a", "A"],
            ["a/b", "A/c"],
            ["a", "a/b"],
            ["a/b", "a"],
            ["x/a/B", "x/a/b"],
            ["ß", "SS"],
            ["\u{212a}", "k"],
        ] {
            let mut names = Names::default();
            names.take(pair[0]).expect(pair[0]);
            assert!(names.take(pair[1]).is_err(), "{pair:?}");
        }
        let mut names = Names::default();
        for name in ["a/b", "a/c", "b", "a/d/b"] {
            names.take(name).expect(name);
        }
    }
}
