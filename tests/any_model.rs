//! Any model, no configuration. Every miniature of `vectors/architectures` is compressed with no
//! option, read by the rules of the published loader through the `pattern_dict` written, and
//! restored byte for byte.
//!
//! The rules of the loader are played here on the real classes of the modules (`Shape::owner`). The
//! reference decoder decodes the units:
//!
//! ```text
//! a tensor that the model knows            is copied
//! <unit>.<array>                           <unit> is a module; patterns matching its path apply
//!   the module is a Linear or Embedding    the weights are its own .weight
//!   else                                   each attribute of the pattern is a module with
//!                                          out_features and in_features: a Linear
//! the unit is decoded when its module is called, into memory that all units share
//! ```

mod support;

use df11::jobs::{CompressOptions, DecompressOptions, compress, decompress};
use regex::Regex;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use support::architectures::{Model, models};
use support::with;
use support::{reference, safetensors, words};

/// Fewest weights of a matrix outside blocks that is coded.
const MIN_LONE_WEIGHTS: u64 = 16_384;

struct Loaded {
    /// Tensors that came from units.
    coded: BTreeSet<String>,
    /// Tensors that were copied.
    raw: BTreeSet<String>,
}

/// Compresses a miniature, loads the result as the published loader would, checks it, and
/// decompresses.
fn round_trip(model: &Model, options: &CompressOptions) -> Option<Loaded> {
    let folder = tempfile::tempdir().expect("a folder");
    let [source, df11, restored] = ["source", "df11", "restored"].map(|name| folder.path().join(name));
    model.write(&source);
    let report = compress(&source, &df11, options, &()).unwrap_or_else(|e| panic!("{}: {e}", model.name));
    assert!(report.units > 0, "{}: nothing was coded", model.name);
    let loaded = (!options.all).then(|| load(model, &source, &df11).unwrap_or_else(|e| panic!("{}: {e}", model.name)));
    let back = decompress(&df11, &restored, &DecompressOptions::default(), &())
        .unwrap_or_else(|e| panic!("{}: {e}", model.name));
    assert!(back.byte_exact, "{}", model.name);
    assert_eq!(files(&source), files(&restored), "{}", model.name);
    loaded
}

fn load(model: &Model, source: &Path, df11: &Path) -> Result<Loaded, String> {
    let source = safetensors::read(&source.join(model.main_file()))?;
    let config: Value = serde_json::from_slice(&fs::read(df11.join("config.json")).map_err(|e| e.to_string())?)
        .map_err(|e| e.to_string())?;
    let patterns = patterns(&config["dfloat11_config"]["pattern_dict"])?;
    let df11 = safetensors::read_directory(df11)?;
    let units = df11.unit_names();
    let modules: BTreeSet<&str> =
        model.tensors.keys().flat_map(|name| name.match_indices('.').map(|(dot, _)| &name[..dot])).collect();
    let mut loaded = Loaded { coded: BTreeSet::new(), raw: BTreeSet::new() };
    for unit in &units {
        if !modules.contains(unit.as_str()) || model.containers.contains(unit) {
            return Err(format!("{unit} is no module that is called"));
        }
        if let Some(inner) = units.iter().find(|inner| inner.starts_with(&format!("{unit}."))) {
            return Err(format!("{inner} would be decoded over {unit}"));
        }
        let words = reference::decode(&df11.unit(unit)?).map_err(|e| format!("{unit}: {e}"))?;
        let ranges = reference::matrices(&df11.unit(unit)?)?;
        let tensors = injected(model, unit, &patterns)?;
        if tensors.len() != ranges.len() {
            return Err(format!("{unit}: {} matrices for {tensors:?}", ranges.len()));
        }
        for (tensor, range) in tensors.into_iter().zip(ranges) {
            if words_of(&source, &tensor)? != words[range] {
                return Err(format!("{tensor} is not the source's"));
            }
            if !loaded.coded.insert(tensor.clone()) {
                return Err(format!("{tensor} is in two units"));
            }
        }
    }
    for (name, tensor) in &df11.tensors {
        if units.contains(name.rsplit_once('.').map_or("", |(unit, _)| unit)) && !model.tensors.contains_key(name) {
            continue;
        }
        if source.tensors.get(name) != Some(tensor) {
            return Err(format!("{name} is not the source's"));
        }
        loaded.raw.insert(name.clone());
    }
    let all: BTreeSet<String> = loaded.coded.union(&loaded.raw).cloned().collect();
    if all != source.tensors.keys().cloned().collect() || !loaded.coded.is_disjoint(&loaded.raw) {
        return Err("not every tensor is there once".into());
    }
    every_match_is_a_unit(&patterns, &modules, &units)?;
    Ok(loaded)
}

fn words_of(source: &safetensors::File, tensor: &str) -> Result<Vec<u16>, String> {
    Ok(words(&source.tensors.get(tensor).ok_or_else(|| format!("{tensor} is not in the source"))?.bytes))
}

fn patterns(dictionary: &Value) -> Result<Vec<(Regex, Vec<String>)>, String> {
    let patterns = dictionary.as_object().ok_or("no pattern_dict")?.iter().map(|(pattern, list)| {
        let regex = Regex::new(&format!("^(?:{pattern})$")).map_err(|e| e.to_string())?;
        let list = list.as_array().ok_or("no list")?.iter().map(|a| a.as_str().unwrap_or("").to_owned()).collect();
        Ok((regex, list))
    });
    patterns.collect()
}

/// The tensors to which the loader would write a unit's matrices. It may try the patterns in any
/// order, so only one may match, and none may match the path with which it goes on after a list.
fn injected(model: &Model, unit: &str, patterns: &[(Regex, Vec<String>)]) -> Result<Vec<String>, String> {
    let matching: Vec<_> = patterns.iter().filter(|(pattern, _)| pattern.is_match(unit)).collect();
    let [(_, attributes)] = matching.as_slice() else {
        return Err(format!("{unit}: {} patterns match", matching.len()));
    };
    let owner = |tensor: &String, bases: &[&str]| {
        let shape = model.tensors.get(tensor).ok_or_else(|| format!("{tensor} does not exist"))?;
        let fits = shape.dtype == "BF16" && bases.iter().any(|base| shape.is_a(base));
        if fits { Ok(()) } else { Err(format!("{tensor} is {} of {}", shape.dtype, shape.owner)) }
    };
    if attributes.is_empty() {
        let own = format!("{unit}.weight");
        owner(&own, &["Linear", "Embedding"])?;
        return Ok(vec![own]);
    }
    let tensors: Vec<String> = attributes.iter().map(|attribute| format!("{unit}.{attribute}.weight")).collect();
    tensors.iter().try_for_each(|tensor| owner(tensor, &["Linear"]))?;
    let goes_on_with = attributes.last().and_then(|last| last.rsplit_once('.')).map_or("", |(parent, _)| parent);
    if patterns.iter().any(|(pattern, _)| pattern.is_match(goes_on_with)) {
        return Err(format!("{goes_on_with} is taken for a unit"));
    }
    Ok(tensors)
}

fn every_match_is_a_unit(
    patterns: &[(Regex, Vec<String>)],
    modules: &BTreeSet<&str>,
    units: &BTreeSet<String>,
) -> Result<(), String> {
    let matched = |module: &&&str| patterns.iter().any(|(pattern, _)| pattern.is_match(module));
    match modules.iter().filter(matched).find(|module| !units.contains(**module)) {
        Some(module) => Err(format!("a pattern matches {module}, which is no unit")),
        None => Ok(()),
    }
}

/// Every file of a directory, by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).expect("read")))
        .collect()
}

#[test]
fn every_architecture_is_found_by_the_published_loader_and_comes_back() {
    for model in models(|file| file.starts_with("miniature")) {
        let loaded = round_trip(&model, &CompressOptions::default()).expect("loaded");
        for (name, shape) in &model.tensors {
            let is_matrix = shape.dtype == "BF16" && shape.shape.len() == 2 && name.ends_with(".weight");
            let injectable = is_matrix && (shape.is_a("Linear") || shape.is_a("Embedding"));
            let meant_raw =
                name.contains(".gate.") || name.contains("relative") || shape.owner.starts_with("NonDynamically");
            let meant_raw = meant_raw || tied_embedding(&model) == Some(name);
            let worth_it = shape.weights() >= MIN_LONE_WEIGHTS;
            if injectable && worth_it && !meant_raw {
                assert!(loaded.coded.contains(name), "{}: {name} stayed raw", model.name);
            }
            if !injectable || meant_raw {
                assert!(loaded.raw.contains(name), "{}: {name} was coded", model.name);
            }
        }
    }
}

/// The embedding of a model that has an output layer, but no weights for it: the published loader
/// would leave that layer unfilled.
fn tied_embedding(model: &Model) -> Option<&String> {
    let class = model.config["architectures"][0].as_str().unwrap_or_default();
    let has_output = ["ForCausalLM", "LMHeadModel", "ForConditionalGeneration"].iter().any(|end| class.ends_with(end));
    let of_output = ["lm_head.weight", "embed_out.weight"];
    let has_weights = model.tensors.keys().any(|name| of_output.iter().any(|end| name.ends_with(end)));
    let inputs = ["shared.weight", "word_embeddings.weight", "embed_tokens.weight", "wte.weight", "embeddings.weight"];
    let mut embeddings = model.tensors.keys().filter(|name| inputs.iter().any(|end| name.ends_with(end)));
    embeddings.next().filter(|_| has_output && !has_weights)
}

#[test]
fn everything_of_some_size_can_be_coded_and_comes_back() {
    let options = with!(CompressOptions::default(), all: true);
    for model in models(|file| file.starts_with("miniature")) {
        round_trip(&model, &options);
    }
}
