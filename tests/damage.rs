//! The damage matrix: bits flipped, lengths cut, every pair of arrays swapped, through every
//! decoder. Each is refused, or read the same by all that accept it. A damaged index of the
//! stream never gives other weights.
//!
//! Without a checksum, a changed stream, table, sign or mantissa can be a sound unit of other
//! weights, and changed split positions can be one of other matrices. These are counted.
//!
//! Bits and lengths are some distance apart. `DF11_DAMAGE_STRIDE=1 cargo test --test damage --
//! --nocapture` tries all, and prints the counts that tests/README.md records.

mod support;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use support::agreement::{Verdict, verdict};
use support::library::Coded;
use support::model_damages::stride;
use support::{cases, on_all_processors, published_writer};

/// The usual distance of bits and lengths, a prime.
const STRIDE: usize = 5;

/// Arrays that only say where things are. The stream contradicts errors in the first two.
const INDEX: [&str; 3] = ["gaps", "output_positions", "split_positions"];

/// A sound unit to damage, and what it decodes to.
struct Whole {
    name: &'static str,
    coded: Coded,
    weights: Vec<u16>,
    matrices: Vec<Range<u64>>,
    /// Arrays whose every bit is flipped. Large ones cost time.
    flipped: &'static [&'static str],
}

impl Whole {
    fn new(name: &'static str, weights: &[u16], mut coded: Coded, flipped: &'static [&'static str]) -> Whole {
        let splits = [0, weights.len() / 3, weights.len() / 2].map(|end| end as i64);
        coded.split_positions = splits.iter().flat_map(|split| split.to_le_bytes()).collect();
        let weights = weights.to_vec();
        assert_eq!(verdict(name, &coded), Verdict::Decoded(weights.clone()));
        Whole { name, weights, matrices: matrices(&coded), coded, flipped }
    }
}

fn matrices(coded: &Coded) -> Vec<Range<u64>> {
    coded.view().validate().expect("a valid unit").matrices().collect()
}

fn wholes() -> Vec<Whole> {
    const ALL: &[&str] = &["encoded_exponent", "sign_mantissa", "luts", "gaps", "output_positions", "split_positions"];
    let gauss = cases::gauss(1000, 50);
    let published = published_writer::write(&gauss).expect("the published compressor can");
    let ladder: Vec<(u8, u64)> = [1, 1, 2, 3, 5, 8, 13, 21, 34].into_iter().zip(240..).map(|(n, e)| (e, n)).collect();
    let ladder = cases::of_counts(&ladder, 79);
    let every_exponent = cases::of_counts(&(0..=255).map(|exponent| (exponent, 1)).collect::<Vec<_>>(), 16);
    let two_blocks = cases::gauss(13_000, 51);
    vec![
        Whole::new("one block", &gauss, Coded::by_core(&gauss), ALL),
        Whole::new("published", &gauss, published, ALL),
        Whole::new("high exponents", &ladder, Coded::by_core(&ladder), ALL),
        Whole::new("17 tables", &every_exponent, Coded::by_core(&every_exponent), ALL),
        Whole::new("two blocks", &two_blocks, Coded::by_core(&two_blocks), &INDEX),
    ]
}

#[derive(Default)]
struct Counts {
    runs: u64,
    refused: u64,
    same: u64,
    other: u64,
}

/// Runs the damaged unit and counts the outcome.
fn run(counts: &Mutex<BTreeMap<String, Counts>>, kind: String, what: &str, whole: &Whole, damaged: &Coded) {
    let contradicted = INDEX[..2].iter().any(|index| kind.starts_with(index));
    let verdict = verdict(what, damaged);
    let mut counts = counts.lock().expect("no thread panicked");
    let counts = counts.entry(kind).or_default();
    counts.runs += 1;
    match verdict {
        Verdict::NotValid | Verdict::NotDecoded => counts.refused += 1,
        Verdict::GapsLie(weights) => {
            assert!(!contradicted || weights == whole.weights, "{what}: a damaged index gives other weights");
            counts.refused += 1;
        }
        Verdict::Decoded(weights) if weights == whole.weights && matrices(damaged) == whole.matrices => {
            counts.same += 1
        }
        Verdict::Decoded(_) => {
            assert!(!contradicted, "{what}: a damaged index gives other weights");
            counts.other += 1;
        }
    }
}

#[test]
fn damage_is_refused_or_read_alike_by_every_decoder() {
    let counts = Mutex::new(BTreeMap::new());
    for whole in &wholes() {
        let name = whole.name;
        for (tensor, bytes) in whole.coded.tensors() {
            if whole.flipped.contains(&tensor) {
                let bits: Vec<usize> = (0..8 * bytes.len()).step_by(stride(STRIDE)).collect();
                on_all_processors(&bits, |&bit| {
                    let mut damaged = whole.coded.clone();
                    damaged.tensor_mut(tensor)[bit / 8] ^= 1 << (bit % 8);
                    run(
                        &counts,
                        format!("{tensor}, a bit flipped"),
                        &format!("{name}, {tensor} bit {bit}"),
                        whole,
                        &damaged,
                    );
                });
            }
            // The stream ends in bits that nothing needs, and extra bytes hold nothing: both may
            // decode.
            let ends = [bytes.len() - 1, bytes.len() + 1];
            let lengths: Vec<usize> = (0..bytes.len() - 1).step_by(stride(STRIDE)).chain(ends).collect();
            on_all_processors(&lengths, |&length| {
                let mut damaged = whole.coded.clone();
                damaged.tensor_mut(tensor).resize(length, 0);
                run(
                    &counts,
                    format!("{tensor}, cut or longer"),
                    &format!("{name}, {tensor} of {length}"),
                    whole,
                    &damaged,
                );
            });
            for (other, bytes) in whole.coded.tensors() {
                if tensor < other {
                    let mut damaged = whole.coded.clone();
                    let swapped = std::mem::replace(damaged.tensor_mut(tensor), bytes.clone());
                    *damaged.tensor_mut(other) = swapped;
                    run(
                        &counts,
                        "two arrays swapped".into(),
                        &format!("{name}, {tensor} and {other}"),
                        whole,
                        &damaged,
                    );
                }
            }
        }
    }
    println!("{:<36}{:>8}{:>9}{:>8}{:>8}", "damage", "runs", "refused", "same", "other");
    for (kind, Counts { runs, refused, same, other }) in counts.into_inner().expect("no thread panicked") {
        println!("{kind:<36}{runs:>8}{refused:>9}{same:>8}{other:>8}");
    }
}
