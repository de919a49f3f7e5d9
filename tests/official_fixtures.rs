//! What the published compressor wrote reads back as what it was given, bit for bit
//! (`tests/vectors/official`).
//!
//! This proves the reference decoder and the emulation of the published kernel on files that they
//! had no part in. The other tests rely on them.

mod support;

use serde_json::Value;
use std::collections::BTreeMap;
use support::library::{Coded, decode_with_all};
use support::safetensors::{self, File};
use support::{RawUnit, assert_same_words, published_kernel, published_writer, reference, vectors, words};

const FIXTURES: [&str; 3] = ["edge-long-codes", "llama-sharded", "llama-single-file"];
/// The number of different contents of uninitialised registers to try.
const SEEDS: u64 = 8;

/// A model as published, and its source.
struct Fixture {
    name: &'static str,
    df11: File,
    source: File,
    /// The lists of `pattern_dict`, each with the unit names that its pattern's regex stands for.
    patterns: Vec<(String, Vec<String>)>,
}

impl Fixture {
    fn open(name: &'static str) -> Fixture {
        let folder = vectors("official").join(name);
        let config = std::fs::read(folder.join("df11/config.json")).expect("the fixture has a config.json");
        let config: Value = serde_json::from_slice(&config).expect("config.json is JSON");
        let patterns = config["dfloat11_config"]["pattern_dict"].as_object().expect("a pattern_dict");
        let list = |list: &Value| serde_json::from_value(list.clone()).expect("a list of attribute paths");
        Fixture {
            name,
            df11: safetensors::read_directory(&folder.join("df11")).expect("the fixture opens"),
            source: safetensors::read_directory(&folder.join("bf16")).expect("the source opens"),
            patterns: patterns.iter().map(|(pattern, attributes)| (pattern.clone(), list(attributes))).collect(),
        }
    }

    /// Each unit with the names of its matrices, in stream order.
    fn units(&self) -> BTreeMap<String, Vec<String>> {
        let units = self.df11.unit_names().into_iter();
        units.map(|unit| (unit.clone(), self.matrices_of(&unit))).collect()
    }

    fn matrices_of(&self, unit: &str) -> Vec<String> {
        let matching: Vec<_> = self.patterns.iter().filter(|(pattern, _)| matches(pattern, unit)).collect();
        let [(_, attributes)] = matching[..] else { panic!("{unit} has {} patterns", matching.len()) };
        match attributes.as_slice() {
            [] => vec![format!("{unit}.weight")],
            list => list.iter().map(|attribute| format!("{unit}.{attribute}.weight")).collect(),
        }
    }
}

/// The regexes of the fixtures use only escaped dots and `\d+`.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, mut name) = (pattern.replace("\\.", "."), name);
    let mut parts = pattern.split("\\d+");
    let Some(rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    name = rest;
    for part in parts {
        let digits = name.len() - name.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        match name[digits..].strip_prefix(part) {
            Some(rest) if digits > 0 => name = rest,
            _ => return false,
        }
    }
    name.is_empty()
}

/// Decodes every unit of every fixture and compares each matrix with its source.
fn every_matrix_comes_back(decode: impl Fn(&RawUnit) -> Result<Vec<u16>, String>) {
    for name in FIXTURES {
        let fixture = Fixture::open(name);
        let units = fixture.units();
        assert!(!units.is_empty(), "{name} has no unit");
        for (unit, matrices) in units {
            let raw = fixture.df11.unit(&unit).expect("a unit is whole");
            let weights = decode(&raw).unwrap_or_else(|e| panic!("{name}, unit {unit}: {e}"));
            let ranges = reference::matrices(&raw).expect("split_positions hold");
            assert_eq!(ranges.len(), matrices.len(), "{name}, unit {unit}: number of matrices");
            for (matrix, range) in matrices.iter().zip(ranges) {
                let expected = words(&fixture.source.tensors[matrix].bytes);
                assert_same_words(&format!("{name}, {matrix}"), &expected, &weights[range]);
            }
        }
    }
}

#[test]
fn the_reference_decoder_reads_published_files() {
    every_matrix_comes_back(reference::decode);
}

#[test]
fn the_published_kernel_reads_published_files_whatever_its_registers_hold() {
    for seed in 0..SEEDS {
        every_matrix_comes_back(|unit| published_kernel::decode(unit, seed));
    }
}

#[test]
fn every_decoder_of_ours_reads_published_files() {
    every_matrix_comes_back(|raw| {
        let coded = Coded::of(raw);
        let unit = coded.view().validate().map_err(|e| e.to_string())?;
        let mut decoded = Vec::new();
        for (decoder, weights) in decode_with_all(&unit) {
            let weights = weights.map_err(|e| format!("{decoder}: {e}"))?;
            if !decoded.is_empty() && decoded != weights {
                return Err(format!("{decoder} contradicts the decoder before it"));
            }
            decoded = weights;
        }
        Ok(decoded)
    });
}

/// Four blocks of a unit of a published checkpoint of a real model. `vectors/qwen3-4b-slice` tells
/// where they are from. They were cut out of a longer stream, and the reference decoder is strict
/// about the end of a stream, so it is left out.
#[test]
fn a_slice_of_a_real_checkpoint_is_decoded_alike_by_every_decoder() {
    let read = |file| safetensors::read(&vectors("qwen3-4b-slice").join(file)).expect("the slice opens");
    let (df11, bf16) = (read("df11.safetensors"), read("bf16.safetensors"));
    let raw = df11.unit("model.layers.0.self_attn.q_proj").expect("a unit is whole");
    let expected = words(&bf16.tensors["model.layers.0.self_attn.q_proj.weight"].bytes);
    assert_eq!(expected.len(), 46_096);
    for seed in 0..SEEDS {
        assert_same_words("kernel", &expected, &published_kernel::decode(&raw, seed).expect("decoded"));
    }
    let coded = Coded::of(&raw);
    let unit = coded.view().validate().expect("a valid unit");
    for (decoder, found) in decode_with_all(&unit) {
        assert_same_words(&decoder, &expected, &found.expect("decoded"));
    }
}

#[test]
fn what_we_write_is_no_larger_than_what_was_published() {
    for name in FIXTURES {
        let fixture = Fixture::open(name);
        for (unit, matrices) in fixture.units() {
            let weights: Vec<u16> = matrices.iter().flat_map(|m| words(&fixture.source.tensors[m].bytes)).collect();
            let published = Coded::of(&fixture.df11.unit(&unit).expect("a unit is whole"));
            let mut ours = Coded::by_core(&weights);
            ours.split_positions.clone_from(&published.split_positions);
            println!("{name}, {unit}: {} bytes, published {}", ours.bytes(), published.bytes());
            assert!(ours.bytes() <= published.bytes(), "{name}, {unit}: {} > {}", ours.bytes(), published.bytes());
        }
    }
}

#[test]
fn the_bundled_sample_gets_no_larger_than_the_published_compressor_would_make_it() {
    let sample = safetensors::read(&vectors("minilm-sample/model.safetensors")).expect("the sample opens");
    let layer =
        sample.tensors.iter().filter(|(name, _)| name.starts_with("encoder.layer.0.")).map(|(_, tensor)| tensor);
    let layer: Vec<u16> =
        layer.filter(|tensor| tensor.shape.len() == 2).flat_map(|tensor| words(&tensor.bytes)).collect();
    let embedding = words(&sample.tensors["embeddings.position_embeddings.weight"].bytes);
    for (unit, weights) in [("encoder.layer.0", layer), ("embeddings.position_embeddings", embedding)] {
        let ours = Coded::by_core(&weights);
        let published = published_writer::write(&weights).expect("the published compressor can write it");
        println!("{unit}: {} bytes, published {}", ours.bytes(), published.bytes());
        assert!(ours.bytes() <= published.bytes(), "{unit}: {} > {}", ours.bytes(), published.bytes());
        let unit = ours.view().validate().expect("what we write is valid");
        for (decoder, found) in decode_with_all(&unit) {
            assert_same_words(&decoder, &weights, &found.expect("what we write is decoded"));
        }
    }
}

#[test]
fn the_published_compressor_is_imitated_to_the_byte() {
    for name in FIXTURES {
        let fixture = Fixture::open(name);
        for (unit, matrices) in fixture.units() {
            let weights: Vec<u16> = matrices.iter().flat_map(|m| words(&fixture.source.tensors[m].bytes)).collect();
            let mut ours = published_writer::write(&weights).expect("the published compressor wrote it");
            let published = fixture.df11.unit(&unit).expect("a unit is whole");
            ours.split_positions = published.split_positions.to_vec();
            assert!(ours.raw() == published, "{name}, unit {unit}");
        }
    }
}

#[test]
fn every_tensor_of_the_source_is_in_the_published_file() {
    for name in FIXTURES {
        let fixture = Fixture::open(name);
        let mut coded: Vec<String> = fixture.units().into_values().flatten().collect();
        let raw = fixture.source.tensors.iter().filter(|(name, _)| !coded.contains(name));
        let raw: Vec<_> = raw.map(|(tensor, source)| (tensor.clone(), source)).collect();
        for (tensor, source) in &raw {
            assert_eq!(fixture.df11.tensors.get(tensor), Some(*source), "{}, {tensor}", fixture.name);
        }
        coded.extend(raw.into_iter().map(|(tensor, _)| tensor));
        coded.sort();
        assert!(
            coded.iter().eq(fixture.source.tensors.keys()),
            "{name}: a tensor is coded that the source does not have"
        );
    }
}
