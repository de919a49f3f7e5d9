//! The names of the units' files.

use crate::files::file_names::MAIN_FILES;
use crate::files::portable::refused;

use std::collections::{HashMap, HashSet};

/// A file name for each unit: its path with underscores instead of dots. If another unit or the
/// main file already has the name, ignoring case, a number is appended.
pub(crate) fn file_names<'a>(units: impl Iterator<Item = &'a str>) -> Vec<String> {
    /// Leaves room for the number and the extension in the 255 bytes that file systems allow.
    const LONGEST_STEM: usize = 200;
    let mut taken: HashSet<String> = MAIN_FILES.iter().map(|name| (*name).to_owned()).collect();
    // For each stem, the first number that may be free. All lower numbers are taken, and stay
    // taken. No name is tried twice, so the work is linear.
    let mut free: HashMap<String, u64> = HashMap::new();
    units
        .map(|unit| {
            let mut stem: String = unit
                .chars()
                .take(LONGEST_STEM)
                .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
                .collect();
            if stem.is_empty() {
                // Without it the name would begin with the dot, and have no extension.
                stem.push('_');
            }
            let mut name = format!("{stem}.safetensors");
            // Windows keeps some names for devices.
            if refused(&name).is_some() || !taken.insert(name.to_ascii_lowercase()) {
                let number = free.entry(stem.to_ascii_lowercase()).or_insert(2);
                loop {
                    name = format!("{stem}_{number}.safetensors");
                    *number += 1;
                    if taken.insert(name.to_ascii_lowercase()) {
                        break;
                    }
                }
            }
            name
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_never_collide_nor_leave_the_directory() {
        let names = file_names(["a.b", "a_b", "A.B", "model", "../x", "model.layers.0", "", "aux"].into_iter());
        assert_eq!(
            names,
            ["a_b", "a_b_2", "A_B_3", "model_2", "___x", "model_layers_0", "_", "aux_2"]
                .map(|stem| format!("{stem}.safetensors"))
        );
    }

    /// The plain way, which gave published files their names: try each number from 2 on.
    fn plain_file_names(units: &[String]) -> Vec<String> {
        let mut taken: Vec<String> = MAIN_FILES.iter().map(|name| (*name).to_owned()).collect();
        let mut names = Vec::new();
        for unit in units {
            let letter = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
            let stem: String = unit.chars().take(200).map(letter).collect();
            let stem = if stem.is_empty() { "_".to_owned() } else { stem };
            let numbered = (2..).map(|number| format!("{stem}_{number}.safetensors"));
            let mut tried = std::iter::once(format!("{stem}.safetensors")).chain(numbered);
            let name = tried.find(|name| !taken.contains(&name.to_ascii_lowercase())).expect("numbers do not end");
            taken.push(name.to_ascii_lowercase());
            names.push(name);
        }
        names
    }

    #[test]
    fn file_names_are_those_of_the_plain_way() {
        let long = "x".repeat(198);
        let stems = ["a", "A", "a_2", "a.2", "A_2_2", "a_3", "model", "MODEL", "model_2", "é", "ß", "", "_", "__2"];
        let of_stems = |index: usize| stems[index * 7919 / 13 % stems.len()].to_owned();
        let mut units: Vec<String> = (0..400).map(of_stems).collect();
        units.extend((0..300).map(|i| format!("{long}{}", ["", "yyy", "YYY", "_2", "y_2", "zz.2", "zz"][i % 7])));
        // Other units already use the first numbers of each stem.
        units.extend((0..300).map(|i| format!("b_{}", i % 60)));
        units.extend((0..300).map(|i| if i % 3 == 0 { "b".to_owned() } else { format!("B.{}", i % 90) }));
        let names = file_names(units.iter().map(String::as_str));
        assert_eq!(names, plain_file_names(&units));
        assert_eq!(names.iter().map(|name| name.to_ascii_lowercase()).collect::<HashSet<_>>().len(), units.len());
    }

    #[test]
    fn file_names_of_a_long_common_prefix_take_time_in_proportion() {
        let prefix = "x".repeat(300);
        let units: Vec<String> = (0..200_000).map(|i| format!("{prefix}{i}")).collect();
        let began = std::time::Instant::now();
        assert_eq!(file_names(units.iter().map(String::as_str)).len(), units.len());
        // Takes a tenth of a second. A quadratic way took 28 s for 16,000.
        assert!(began.elapsed().as_secs() < 30);
    }
}
