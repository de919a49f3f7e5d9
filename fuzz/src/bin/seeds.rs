//! Writes the first inputs into `corpus/TARGET`: published units and what they hold, the small
//! named cases, and random bytes.

use df11_fuzz::support::library::Coded;
use df11_fuzz::support::random::Random;
use df11_fuzz::support::{cases, published_writer, safetensors, words};
use std::path::{Path, PathBuf};

const FIXTURES: [&str; 3] = ["edge-long-codes", "llama-sharded", "llama-single-file"];
/// Most weights of a seed. Longer ones slow the fuzzer down.
const MOST_WEIGHTS: usize = 3000;

fn main() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut units, mut headers) = (Vec::new(), vec![b"\0\0{}".to_vec()]);
    for fixture in FIXTURES.map(|name| fuzz.join("../tests/vectors/official").join(name)) {
        for file in std::fs::read_dir(fixture.join("df11")).expect("a fixture has files") {
            headers.extend(header(&file.expect("a file").path()));
        }
        let coded = safetensors::read_directory(&fixture.join("df11")).expect("a fixture opens");
        for name in coded.unit_names() {
            let unit = coded.unit(&name).expect("a fixture has whole units");
            units.push(pack(&Coded::of(&unit)));
        }
        let source = safetensors::read_directory(&fixture.join("bf16")).expect("a source opens");
        for tensor in source.tensors.values().filter(|tensor| tensor.dtype == "BF16") {
            let words = words(&tensor.bytes);
            units.extend(both_writers(&words[..words.len().min(MOST_WEIGHTS)]));
        }
    }
    for case in cases::short().iter().filter(|case| case.weights.len() <= MOST_WEIGHTS) {
        units.extend(both_writers(&case.weights));
    }
    write(&fuzz.join("corpus/validate"), &units);
    write(&fuzz.join("corpus/safetensors_header"), &headers);
    write(&fuzz.join("corpus/flat"), &flat_matrices(&fuzz.join("../tests/vectors/flat/v1")));
    for target in std::fs::read_dir(fuzz.join("fuzz_targets")).expect("a folder of targets") {
        let target = target.expect("a file").path().with_extension("");
        let mut random = Random::new(1);
        let inputs: Vec<Vec<u8>> =
            (0..64).map(|length| (0..8 * length).map(|_| random.next() as u8).collect()).collect();
        write(&fuzz.join("corpus").join(target.file_name().expect("a name")), &inputs);
    }
}

/// The flat matrices among the vectors, after the byte with which the target `flat` reads them as
/// they are.
fn flat_matrices(folder: &Path) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(folder).expect("a folder of vectors").map(|file| file.expect("a file").path());
    let flat = files.filter(|path| path.extension().is_some_and(|ending| ending == "flat"));
    flat.map(|path| [b"\0", &*std::fs::read(path).expect("a vector can be read")].concat()).collect()
}

/// The header of a file, after two bytes that give the number of bytes of data.
fn header(path: &Path) -> Option<Vec<u8>> {
    let file = std::fs::read(path).expect("a fixture can be read");
    let (length, rest) = file.split_first_chunk::<8>()?;
    let json = rest.get(..u64::from_le_bytes(*length).try_into().ok()?)?;
    Some([b"\0\0", json].concat())
}

fn both_writers(words: &[u16]) -> impl Iterator<Item = Vec<u8>> {
    [Some(Coded::by_core(words)), published_writer::write(words).ok()].into_iter().flatten().map(|coded| pack(&coded))
}

/// The bytes from which the target `validate` makes these arrays.
fn pack(coded: &Coded) -> Vec<u8> {
    let tensors = coded.tensors();
    let lengths = tensors.iter().flat_map(|(_, tensor)| (tensor.len() as u32).to_le_bytes().into_iter().take(3));
    let as_they_are = 1;
    lengths.chain([as_they_are]).chain(tensors.iter().flat_map(|(_, tensor)| tensor.iter().copied())).collect()
}

fn write(folder: &PathBuf, inputs: &[Vec<u8>]) {
    std::fs::create_dir_all(folder).expect("a folder for the seeds");
    for (number, input) in inputs.iter().enumerate() {
        let name = format!("seed-{}-{number:03}", input.len());
        std::fs::write(folder.join(name), input).expect("a seed is written");
    }
}
