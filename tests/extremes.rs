//! What we write, we can read: of models at the limits of files, and with names of every kind, whatever `compress` takes the other verbs open.

mod support;

use df11::model::{
    CodeKind, CompressOptions, DecompressOptions, InspectOptions, VerifyOptions, compress, decompress, inspect, verify,
};
use std::fs;
use std::path::Path;
use support::models::assert_same_tree;

/// A tensor to be: name, dtype, shape; filled with weights of one exponent.
type Shape = (String, &'static str, Vec<u64>);

/// Writes a safetensors file piece by piece: a million tensors are no reason to hold them.
fn write(path: &Path, tensors: &[Shape]) {
    let (mut header, mut data, mut json) = (String::from("{"), Vec::new(), Vec::new());
    for (index, (name, dtype, shape)) in tensors.iter().enumerate() {
        let begin = data.len();
        let weights = shape.iter().product::<u64>();
        for weight in 0..weights {
            let word = 0x3F80 | (weight as u16).wrapping_mul(37) & 0x807F;
            data.extend_from_slice(&word.to_le_bytes()[..if *dtype == "U8" { 1 } else { 2 }]);
        }
        let comma = if index > 0 { "," } else { "" };
        let name = serde_json::to_string(name).expect("JSON");
        header += &format!(r#"{comma}{name}:{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{begin},{}]}}"#, data.len());
    }
    header += "}";
    json.extend_from_slice(&(header.len() as u64).to_le_bytes());
    json.extend_from_slice(header.as_bytes());
    json.extend_from_slice(&data);
    fs::write(path, json).expect("written");
}

/// Compresses, and opens the result with every verb.
fn round_trip(source: &Path, work: &Path, options: &CompressOptions) -> usize {
    let (coded, back) = (work.join("coded"), work.join("back"));
    let t = std::time::Instant::now();
    let report = compress(source, &coded, options, &()).expect("compressed");
    eprintln!("compress {:?}", t.elapsed());
    let sound = verify(&coded, &VerifyOptions::default(), &()).expect("verified");
    eprintln!("verify {:?}", t.elapsed());
    assert!(sound.failures.is_empty(), "{:?}", sound.failures);
    let units = inspect(&coded, &InspectOptions::default(), &()).expect("inspected").units.len();
    eprintln!("inspect {:?}", t.elapsed());
    assert_eq!(units, report.units);
    decompress(&coded, &back, &DecompressOptions::default(), &()).expect("decompressed");
    eprintln!("decompress {:?}", t.elapsed());
    if options.code == CodeKind::Canonical {
        if source.is_dir() { assert_same_tree(source, &back) } else { assert!(fs::read(source).unwrap() == fs::read(&back).unwrap()) }
    }
    units
}

fn work() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn a_file_of_more_tensors_than_were_once_read_comes_back() {
    let work = work();
    let source = work.path().join("source.safetensors");
    let tensors: Vec<Shape> = (0..263_000).map(|i| (format!("t{i}"), "BF16", vec![1])).collect();
    write(&source, &tensors);
    assert_eq!(round_trip(&source, work.path(), &CompressOptions::default()), 0);
}

#[test]
fn more_units_than_were_once_read_in_one_file_come_back() {
    let work = work();
    let source = work.path().join("source");
    fs::create_dir(&source).expect("created");
    let tensors: Vec<Shape> = (0..45_000).map(|i| (format!("l.{i}.weight"), "BF16", vec![32, 34])).collect();
    write(&source.join("model.safetensors"), &tensors);
    let options = CompressOptions { single_file: true, ..CompressOptions::default() };
    assert_eq!(round_trip(&source, work.path(), &options), 45_000);
}
