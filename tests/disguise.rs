//! F32 and F16 tensors that hold only BF16 values are coded as BF16 and come back as what they
//! were. Others stay.

mod support;

use df11::jobs::{
    CompressOptions, DecompressOptions, EstimateOptions, VerifyOptions, compress, decompress, estimate, verify,
};
use std::fs;
use std::path::Path;
use support::architectures::{Model, models};
use support::with;
use support::{reference, safetensors, words};

type Filled = Vec<(String, String, Vec<u64>, Vec<u8>)>;

fn llama() -> Model {
    models(|file| file == "miniature").into_iter().find(|model| model.name.starts_with("llama")).expect("of the folder")
}

/// The word as F32, or as F16 if F16 holds it (rounded to what F16 holds of 8 bits: the words of a
/// miniature are small).
fn respell(words: &[u16], dtype: &str) -> Vec<u8> {
    let value = |word: &u16| f32::from_bits(u32::from(*word) << 16);
    match dtype {
        "F32" => words.iter().flat_map(|word| value(word).to_le_bytes()).collect(),
        _ => words.iter().flat_map(|word| f16(value(word)).to_le_bytes()).collect(),
    }
}

/// A value of 8 significant bits as F16. A value below F16's normal range becomes 0.
fn f16(value: f32) -> u16 {
    let bits = value.to_bits();
    let (sign, exponent, mantissa) =
        ((bits >> 16 & 0x8000) as u16, (bits >> 23 & 0xFF) as i32 - 112, (bits >> 13 & 0x3FF) as u16);
    if exponent < 1 { sign } else { sign | (exponent as u16) << 10 | mantissa }
}

/// The miniature with every matrix in another dtype. But `gate_proj` of layer 1 has one value that
/// BF16 cannot hold.
fn disguised(dtype: &str) -> Filled {
    let mut tensors = llama().filled();
    for (name, kind, shape, bytes) in tensors.iter_mut().filter(|(_, _, shape, _)| shape.len() == 2) {
        let mut wide = respell(&words(bytes), dtype);
        if name.contains("layers.1.mlp.gate_proj") {
            let value = wide.len() / (shape[0] * shape[1]) as usize;
            wide[1000 * value] |= 1;
        }
        (*kind, *bytes) = (dtype.to_owned(), wide);
    }
    tensors
}

fn write(tensors: &Filled, path: &Path) {
    fs::write(path, safetensors::to_bytes(tensors)).expect("written");
}

#[test]
fn bf16_in_disguise_is_coded_and_comes_back_in_disguise() {
    for dtype in ["F32", "F16"] {
        let work = tempfile::tempdir().expect("a folder");
        let [source, df11, restored] = ["source", "df11", "restored"].map(|name| work.path().join(name));
        write(&disguised(dtype), &source);
        let report = compress(&source, &df11, &CompressOptions::default(), &()).expect("compressed");
        assert_eq!(report.units, 4, "{dtype}");
        assert!(
            report.notes.iter().any(|note| note.to_string().contains("come back as they were")),
            "{:?}",
            report.notes
        );
        let gate = report.notes.iter().find(|note| note.to_string().contains("model.layers.1.mlp.gate_proj.weight"));
        assert!(
            gate.is_some_and(
                |note| note.to_string().contains("value 1000 is the first") && note.to_string().contains(dtype)
            ),
            "{:?}",
            report.notes
        );
        let file = safetensors::read(&df11).expect("readable");
        assert_eq!(file.tensors["model.layers.1.mlp.gate_proj.weight"].dtype, dtype);
        assert!(!file.tensors.contains_key("model.layers.1.mlp.up_proj.weight"));
        let embedding = reference::decode(&file.unit("model.embed_tokens").expect("a unit")).expect("decodes");
        let name = "model.embed_tokens.weight";
        let expected = disguised(dtype).into_iter().find(|(tensor, ..)| tensor == name).expect("there").3;
        assert_eq!(respell(&embedding, dtype), expected);
        let against = Some(source.clone());
        let verified = verify(&df11, &with!(VerifyOptions::default(), against), &()).expect("verified");
        assert!(verified.failures.is_empty(), "{:?}", verified.failures);
        decompress(&df11, &restored, &DecompressOptions::default(), &()).expect("decompressed");
        assert_eq!(fs::read(&source).expect("read"), fs::read(&restored).expect("read"));
        let predicted = estimate(&source, &EstimateOptions::default()).expect("estimated");
        assert_eq!(predicted.units.len(), 4, "{dtype}");
    }
}

#[test]
fn a_disguise_that_slipped_in_any_word_is_an_error_not_a_wrong_weight() {
    let work = tempfile::tempdir().expect("a folder");
    let [source, df11, restored] = ["source", "df11", "restored"].map(|name| work.path().join(name));
    write(&disguised("F16"), &source);
    compress(&source, &df11, &CompressOptions::default(), &()).expect("compressed");
    let mut bytes = fs::read(&df11).expect("read");
    let at = bytes.len() / 2;
    bytes[at] ^= 0x80;
    fs::write(&df11, bytes).expect("written");
    assert!(decompress(&df11, &restored, &DecompressOptions::default(), &()).is_err() && !restored.exists());
}

#[test]
fn values_that_never_were_bf16_are_named_in_the_refusal() {
    let work = tempfile::tempdir().expect("a folder");
    let mut tensors = disguised("F32");
    tensors.retain(|(_, dtype, ..)| dtype == "F32");
    tensors.iter_mut().for_each(|(.., bytes)| bytes[0] |= 1);
    write(&tensors, &work.path().join("source"));
    let error = compress(&work.path().join("source"), &work.path().join("df11"), &CompressOptions::default(), &());
    let message = error.expect_err("refused").to_string();
    assert!(message.contains("16 of F32") && message.contains("BF16"), "{message}");
}
