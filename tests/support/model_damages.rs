//! The damage matrix of a model in one file: bits flipped, lengths cut, tensors swapped, renamed
//! and left out, the record changed.

use super::models::{Contents, tensor, weights};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// One damage.
pub enum Damage {
    /// One bit of the file is flipped.
    Bit(usize),
    /// The file is cut to this many bytes.
    Cut(usize),
    /// The file is rewritten with other contents.
    Edited { kind: &'static str, what: String, bytes: Vec<u8> },
}

impl Damage {
    /// All damages of a file, with bits and lengths `stride` apart.
    pub fn all(sound: &[u8], stride: usize) -> Vec<Damage> {
        let lengths = (0..sound.len()).step_by(stride).chain([sound.len() - 1]);
        let mut damages: Vec<_> = (0..8 * sound.len()).step_by(stride).map(Damage::Bit).collect();
        damages.extend(lengths.map(Damage::Cut));
        tensors(&Contents::of(sound), &mut damages);
        record(&Contents::of(sound), &mut damages);
        damages
    }

    /// The kind under which the damage is counted.
    pub fn kind(&self, sound: &[u8]) -> &'static str {
        match self {
            Damage::Bit(bit) if bit / 8 < header_bytes(sound) => "header, a bit flipped",
            Damage::Bit(_) => "data, a bit flipped",
            Damage::Cut(_) => "file cut",
            Damage::Edited { kind, .. } => kind,
        }
    }

    /// The place of the damage.
    pub fn what(&self) -> String {
        match self {
            Damage::Bit(bit) => format!("bit {bit}"),
            Damage::Cut(length) => format!("cut to {length} bytes"),
            Damage::Edited { kind, what, .. } => format!("{kind}: {what}"),
        }
    }

    /// The damaged file.
    pub fn of(&self, sound: &[u8]) -> Vec<u8> {
        match self {
            Damage::Bit(bit) => {
                let mut damaged = sound.to_vec();
                damaged[bit / 8] ^= 1 << (bit % 8);
                damaged
            }
            Damage::Cut(length) => sound[..*length].to_vec(),
            Damage::Edited { bytes, .. } => bytes.clone(),
        }
    }
}

/// Bytes of a sound file's header, with the length before it.
fn header_bytes(sound: &[u8]) -> usize {
    8 + u64::from_le_bytes(sound[..8].try_into().expect("eight")) as usize
}

fn edited(damages: &mut Vec<Damage>, kind: &'static str, what: &str, contents: &Contents) {
    damages.push(Damage::Edited { kind, what: what.into(), bytes: contents.to_bytes(0) });
}

/// Tensors swapped under each other's names, left out, cut, renamed, and in another order, which is
/// the same model.
fn tensors(sound: &Contents, damages: &mut Vec<Damage>) {
    for at in 0..sound.tensors.len() {
        let name = sound.tensors[at].name.clone();
        for other in at + 1..sound.tensors.len() {
            let mut damaged = sound.clone();
            damaged.tensors[at].name = std::mem::replace(&mut damaged.tensors[other].name, name.clone());
            let what = format!("{name} and {}", damaged.tensors[at].name);
            edited(damages, "two tensors swapped", &what, &damaged);
        }
        let mut damaged = sound.clone();
        damaged.tensors.remove(at);
        edited(damages, "a tensor left out", &name, &damaged);
        if sound.tensors[at].shape.len() == 1 && sound.tensors[at].shape[0] > 0 {
            let mut damaged = sound.clone();
            let tensor = &mut damaged.tensors[at];
            tensor.bytes.truncate(tensor.bytes.len() - tensor.bytes.len() / tensor.shape[0] as usize);
            tensor.shape[0] -= 1;
            edited(damages, "a tensor cut", &name, &damaged);
        }
        let mut damaged = sound.clone();
        damaged.tensors[at].name.push('2');
        edited(damages, "a tensor renamed", &name, &damaged);
    }
    let mut turned = sound.clone();
    turned.tensors.reverse();
    edited(damages, "tensors in another order", "reversed", &turned);
}

/// Keys of the record left out, emptied, renamed, and with each other's values.
fn record(sound: &Contents, damages: &mut Vec<Damage>) {
    let mut change = |what: &str, change: &dyn Fn(&mut Map<String, Value>)| {
        let mut damaged = sound.clone();
        change(&mut damaged.metadata);
        edited(damages, "record", what, &damaged);
    };
    let keys: Vec<&String> = sound.metadata.keys().filter(|key| key.starts_with("df11.")).collect();
    for &key in &keys {
        change(key, &|record| drop(record.remove(key)));
        change(key, &|record| drop(record.insert(key.clone(), json!(""))));
        change(key, &|record| {
            let value = record.remove(key).expect("it is there");
            record.insert(format!("{key}2"), value);
        });
        for &other in &keys {
            if key < other {
                change(&format!("{key} and {other}"), &|record| {
                    let value = record.insert(key.clone(), sound.metadata[other].clone()).expect("it is there");
                    record.insert(other.clone(), value);
                });
            }
        }
    }
}

/// One damage of one file of a directory.
pub struct FileDamage {
    /// The file, and what it becomes; `None` if it is removed.
    pub name: String,
    pub bytes: Option<Vec<u8>>,
    /// What was done.
    pub what: String,
}

impl FileDamage {
    /// Every damage of every file: bits flipped, `stride` apart; lengths cut; one byte more; the
    /// file removed; another file in its place.
    pub fn all(files: &BTreeMap<String, Vec<u8>>, stride: usize) -> Vec<FileDamage> {
        let mut damages = Vec::new();
        for (name, sound) in files {
            let mut damage = |what: String, bytes| {
                damages.push(FileDamage { name: name.clone(), bytes, what: format!("{name}: {what}") })
            };
            for bit in (0..8 * sound.len()).step_by(stride) {
                damage(format!("bit {bit}"), Some(Damage::Bit(bit).of(sound)));
            }
            for length in [0, 1, sound.len() / 2, sound.len() - 1] {
                damage(format!("cut to {length} bytes"), Some(sound[..length].to_vec()));
            }
            damage("a byte more".into(), Some([sound.as_slice(), b" "].concat()));
            damage("removed".into(), None);
            for (other, bytes) in files.iter().filter(|(_, bytes)| *bytes != sound) {
                damage(format!("{other} in its place"), Some(bytes.clone()));
            }
        }
        damages
    }

    /// Writes the damaged directory.
    pub fn write(&self, files: &BTreeMap<String, Vec<u8>>, folder: &std::path::Path) {
        for (name, bytes) in files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("created");
            let bytes = if *name == self.name { self.bytes.as_ref() } else { Some(bytes) };
            if let Some(bytes) = bytes {
                std::fs::write(path, bytes).expect("written");
            }
        }
    }

    /// The kind under which the damage is counted.
    pub fn kind(&self) -> &'static str {
        match self.name.as_str() {
            "README.md" => "model card",
            "df11_files.json" => "list of a pipeline",
            name if name.ends_with("config.json") && !name.contains("scheduler") => "config.json",
            name if name.ends_with("model.safetensors") => "main file",
            name if name.ends_with(".safetensors") => "file of a unit",
            _ => "copied file",
        }
    }
}

/// What happened to the damages of one kind.
#[derive(Default)]
pub struct Counts {
    pub runs: u64,
    pub refused: u64,
    pub same: u64,
    /// Another model than the source. Only a file without checksums may give one.
    pub other: u64,
}

/// A small model with a unit of two matrices, a unit of one, and raw tensors.
pub fn small_model() -> Contents {
    let tensors = vec![
        weights("b.0.x.weight", &[40, 48], 1),
        weights("b.0.y.weight", &[48, 40], 2),
        weights("lm_head.weight", &[40, 96], 3),
        weights("norm.weight", &[8], 4),
        tensor("steps", "I64", &[], 7_u64.to_le_bytes().to_vec()),
    ];
    Contents { tensors, ..Contents::default() }
}

/// The distance between bits and lengths: `DF11_DAMAGE_STRIDE`, or else `usual`, which is prime, so
/// that every part has its turn.
pub fn stride(usual: usize) -> usize {
    std::env::var("DF11_DAMAGE_STRIDE").map_or(usual, |text| text.parse().expect("a number"))
}

/// Prints the counts that tests/README.md records.
pub fn print(counts: &BTreeMap<&'static str, Counts>) {
    println!("{:<28}{:>8}{:>9}{:>8}{:>8}", "damage", "runs", "refused", "same", "other");
    for (kind, Counts { runs, refused, same, other }) in counts {
        println!("{kind:<28}{runs:>8}{refused:>9}{same:>8}{other:>8}");
    }
}
