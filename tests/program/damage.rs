//! Bad input: each kind is refused with a message that names file and tensor, with the right exit
//! code, and leaves nothing.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::support::models::{Contents, Tensor};
use crate::support::vectors;
use crate::{Place, df11, miniature, text};

/// A unit of real weights, with many blocks.
const UNIT: &str = "embeddings.position_embeddings";
const MATRIX: &str = "embeddings.position_embeddings.weight";
const RAW: &str = "encoder.layer.0.output.LayerNorm.weight";
const ROW: usize = 256;
const CHUNKS_A_BLOCK: usize = 512;
const GAP_BITS: usize = 5;

/// The bundled sample, compressed into one file, to be damaged.
static CODED: LazyLock<Contents> = LazyLock::new(|| {
    let place = Place::new();
    let coded = place.at("coded.safetensors");
    df11(["compress", text(&vectors("minilm-sample").join("model.safetensors")), "-o", text(&coded)]).fine();
    Contents::read(&coded)
});

fn leaf<'a>(file: &'a mut Contents, leaf: &str) -> &'a mut Tensor {
    file.tensor(&format!("{UNIT}.{leaf}"))
}

/// Replaces the bytes of a leaf, and its shape with them.
fn replace(file: &mut Contents, name: &str, bytes: Vec<u8>) {
    let tensor = leaf(file, name);
    tensor.shape = match name {
        "luts" => vec![(bytes.len() / ROW) as u64, ROW as u64],
        _ => vec![bytes.len() as u64],
    };
    tensor.bytes = bytes;
}

/// Checks that `decompress` cannot run and `verify` ends in `code`. All errors name the file and
/// these words. There is no output, and nothing beside it.
#[track_caller]
fn refused(place: &Place, bad: &Path, code: i32, words: &[&str]) {
    let output = place.at("output");
    let before = place.names();
    let words: Vec<&str> = words.iter().copied().chain([text(bad)]).collect();
    df11(["verify", text(bad)]).fails(code, &words);
    df11(["decompress", text(bad), "-o", text(&output)]).fails(2, &words);
    assert_eq!(place.names(), before);
}

/// Damages the parts of one unit in a file that is otherwise sound.
#[track_caller]
fn unit_refused(code: i32, words: &[&str], spoil: impl FnOnce(&mut Contents)) {
    let place = Place::new();
    let bad = place.at("bad.safetensors");
    let mut file = CODED.clone();
    spoil(&mut file);
    file.write(&bad, 0);
    refused(&place, &bad, code, words);
}

/// Damages the container. Every verb must refuse it, whether it is a source or a compressed file.
#[track_caller]
fn container_refused(words: &[&str], spoil: impl Fn(Value, &[u8]) -> Vec<u8>) {
    let place = Place::new();
    let (bad, output) = (place.at("bad.safetensors"), place.at("output"));
    CODED.write(&bad, 0);
    let coded = fs::read(&bad).expect("written");
    miniature::write_file(&bad);
    let source = fs::read(&bad).expect("written");
    for sound in [coded, source] {
        let (length, rest) = sound.split_first_chunk::<8>().expect("a length");
        let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
        fs::write(&bad, spoil(serde_json::from_slice(header).expect("a header"), data)).expect("written");
        let words: Vec<&str> = words.iter().copied().chain([text(&bad)]).collect();
        for arguments in [
            vec!["compress", text(&bad), "-o", text(&output)],
            vec!["decompress", text(&bad), "-o", text(&output)],
            vec!["verify", text(&bad)],
            vec!["inspect", text(&bad)],
            vec!["bench", text(&bad)],
        ] {
            df11(arguments).fails(2, &words);
        }
        assert_eq!(place.names(), ["bad.safetensors"]);
    }
}

/// The bytes of a file with this header.
fn whole(header: &Value, data: &[u8]) -> Vec<u8> {
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

/// A tensor in the middle of the file.
fn some_tensor(header: &Value) -> String {
    let names: Vec<_> = header.as_object().expect("tensors").keys().filter(|name| *name != "__metadata__").collect();
    names[names.len() / 2].clone()
}

#[test]
fn a_file_cut_at_any_place() {
    container_refused(&["bad.safetensors"], |header, data| {
        let bytes = whole(&header, data);
        bytes[..bytes.len() - 10].to_vec()
    });
    container_refused(&["bad.safetensors"], |header, data| whole(&header, data)[..1000].to_vec());
    container_refused(&["bad.safetensors"], |header, data| whole(&header, data)[..5].to_vec());
    container_refused(&["bad.safetensors"], |_, _| Vec::new());
}

#[test]
fn a_header_of_2_to_the_63() {
    container_refused(&["9223372036854775808"], |header, data| {
        let mut bytes = whole(&header, data);
        bytes[..8].copy_from_slice(&(1_u64 << 63).to_le_bytes());
        bytes
    });
}

#[test]
fn a_header_that_is_not_json() {
    container_refused(&["header"], |_, data| [&16_u64.to_le_bytes(), &b"{\"a\": broken    "[..], data].concat());
}

#[test]
fn overlapping_offsets() {
    container_refused(&["tensor `"], |mut header, data| {
        let tensor = some_tensor(&header);
        let offsets = &mut header[tensor]["data_offsets"];
        let [start, end] = [0, 1].map(|at| offsets[at].as_u64().expect("an offset"));
        *offsets = json!([start - 2, end - 2]);
        whole(&header, data)
    });
}

#[test]
fn offsets_that_do_not_fit_the_shape() {
    container_refused(&["tensor `"], |mut header, data| {
        let tensor = some_tensor(&header);
        header[tensor]["shape"] = json!([63]);
        whole(&header, data)
    });
}

#[test]
fn a_leaf_of_another_dtype() {
    unit_refused(1, &["embeddings.position_embeddings.luts", "I8", "U8"], |file| {
        leaf(file, "luts").dtype = "I8".into()
    });
}

#[test]
fn a_missing_leaf() {
    for name in ["sign_mantissa", "luts", "gaps", "output_positions", "split_positions"] {
        let missing = format!("{UNIT}.{name}");
        unit_refused(1, &[missing.as_str()], |file| file.tensors.retain(|tensor| tensor.name != missing));
    }
}

#[test]
fn a_gap_that_is_not_where_the_first_code_starts() {
    let flip = |file: &mut Contents, chunk: usize| {
        leaf(file, "gaps").bytes[chunk * GAP_BITS / 8] ^= 0x80 >> (chunk * GAP_BITS % 8);
    };
    for first_of_block in [0, CHUNKS_A_BLOCK, 5 * CHUNKS_A_BLOCK] {
        unit_refused(1, &[UNIT, "gap"], |file| flip(file, first_of_block));
    }
    // A GPU needs every gap, so every gap is verified. Decompression may do without it, and then
    // gives the right weights.
    let place = Place::new();
    let (bad, output) = (place.at("bad.safetensors"), place.at("output"));
    let mut file = CODED.clone();
    flip(&mut file, CHUNKS_A_BLOCK + 1);
    file.write(&bad, 0);
    df11(["verify", text(&bad)]).fails(1, &[UNIT, "gap"]);
    if df11(["decompress", text(&bad), "-o", text(&output)]).code == 0 {
        let source = fs::read(vectors("minilm-sample").join("model.safetensors")).expect("the sample");
        assert!(fs::read(&output).expect("written") == source);
    }
}

#[test]
fn gaps_of_another_size() {
    unit_refused(1, &[UNIT, "gaps"], |file| {
        let mut gaps = leaf(file, "gaps").bytes.clone();
        gaps.pop();
        replace(file, "gaps", gaps);
    });
}

#[test]
fn positions_that_fall() {
    unit_refused(1, &[UNIT, "positions fall"], |file| {
        let positions = &mut leaf(file, "output_positions").bytes;
        let word = |at: usize| u32::from_le_bytes(positions[4 * at..][..4].try_into().expect("4 bytes"));
        assert!(positions.len() >= 16 && word(1) > 0, "the unit has at least three blocks");
        let fallen = word(1) - 1;
        positions[8..12].copy_from_slice(&fallen.to_le_bytes());
    });
}

#[test]
fn a_code_of_length_0() {
    unit_refused(1, &[UNIT], |file| {
        let luts = &mut leaf(file, "luts").bytes;
        let lengths = luts.len() - ROW;
        let shortest = (lengths..luts.len()).filter(|&at| luts[at] > 0).min_by_key(|&at| luts[at]).expect("a code");
        luts[shortest] = 0;
    });
    unit_refused(1, &[UNIT, "luts"], |file| {
        let luts = &mut leaf(file, "luts").bytes;
        let lengths = luts.len() - ROW;
        luts[lengths..].fill(0);
    });
}

/// Tables that hold one pointer each, with the lengths that the unit had.
fn tables_of_pointers(file: &mut Contents, pointers: &[u8]) {
    let luts = &leaf(file, "luts").bytes;
    let lengths = luts[luts.len() - ROW..].to_vec();
    let mut luts: Vec<u8> = pointers.iter().flat_map(|&pointer| [pointer; ROW]).collect();
    luts.extend(lengths);
    replace(file, "luts", luts);
}

#[test]
fn pointers_that_loop_or_run_past_the_fourth_level() {
    unit_refused(1, &[UNIT], |file| tables_of_pointers(file, &[255, 255]));
    unit_refused(1, &[UNIT], |file| tables_of_pointers(file, &[255, 254, 253, 252, 251, 251]));
    unit_refused(1, &[UNIT], |file| tables_of_pointers(file, &[240]));
}

#[test]
fn a_stream_of_no_bytes() {
    unit_refused(1, &[UNIT, "encoded_exponent is empty"], |file| replace(file, "encoded_exponent", Vec::new()));
}

#[test]
fn a_stream_cut_short() {
    unit_refused(1, &[UNIT], |file| {
        let mut stream = leaf(file, "encoded_exponent").bytes.clone();
        stream.truncate(stream.len() / 2);
        replace(file, "encoded_exponent", stream);
    });
}

#[test]
fn a_bit_that_only_a_checksum_can_find() {
    unit_refused(1, &[MATRIX, "xxh3"], |file| leaf(file, "sign_mantissa").bytes[12_345] ^= 0x10);
    unit_refused(1, &[RAW, "xxh3"], |file| file.tensor(RAW).bytes[3] ^= 0x10);
}

#[test]
fn a_record_that_was_changed() {
    for key in ["df11.units", "df11.tensors", "df11.sources", "df11.config"] {
        unit_refused(1, &["df11."], |file| {
            let value = file.metadata.get_mut(key).unwrap_or_else(|| panic!("{key} is in a single file"));
            *value = value.as_str().expect("text").replacen(':', " :", 1).into();
        });
    }
}

#[test]
fn a_unit_of_a_directory_is_named_with_its_file() {
    let place = Place::new();
    let coded = place.at("coded");
    df11(["compress", text(&vectors("minilm-sample")), "-o", text(&coded)]).fine();
    let path = coded.join("encoder_layer_0.safetensors");
    let mut file = Contents::read(&path);
    file.tensor("encoder.layer.0.gaps").bytes[0] ^= 0x80;
    file.write(&path, 0);
    let words = [text(&path), "encoder.layer.0", "gap"];
    df11(["verify", text(&coded)]).fails(1, &words);
    df11(["decompress", text(&coded), "-o", text(&place.at("output"))]).fails(2, &words);
    fs::remove_file(&path).expect("removed");
    df11(["verify", text(&coded)]).fails(1, &["encoder_layer_0.safetensors", "missing"]);
    assert_eq!(place.names(), ["coded"]);
}

#[test]
fn a_model_that_is_not_compressed_and_one_that_is() {
    let place = Place::new();
    let (source, output) = (vectors("minilm-sample"), place.at("output"));
    let published = vectors("official/llama-single-file/df11");
    df11(["decompress", text(&source), "-o", text(&output)]).fails(2, &[text(&source)]);
    df11(["verify", text(&source)]).fails(2, &[text(&source)]);
    df11(["compress", text(&published), "-o", text(&output)]).fails(2, &[text(&published)]);
    assert_eq!(place.names(), [""; 0]);
}
