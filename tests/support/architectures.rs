//! The models of `tests/vectors/architectures`: their tensors by name, and directories filled with
//! seeded weights.

use super::random::{Random, to_bf16};
use super::vectors;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A tensor, and the class of the module that holds it.
#[derive(Clone, Debug)]
pub struct Shape {
    pub dtype: String,
    pub shape: Vec<u64>,
    pub owner: String,
}

impl Shape {
    pub fn weights(&self) -> u64 {
        self.shape.iter().product()
    }

    /// What the published loader takes the owner for: it asks for `nn.Linear` and `nn.Embedding`,
    /// subclasses included.
    pub fn is_a(&self, base: &str) -> bool {
        self.owner == base || self.owner.ends_with(&format!("({base})"))
    }
}

/// One file of the folder.
#[derive(Clone, Debug)]
pub struct Model {
    /// `FAMILY/FILE`.
    pub name: String,
    pub path: PathBuf,
    pub is_diffusers: bool,
    pub config: Value,
    pub tensors: BTreeMap<String, Shape>,
    /// Modules that are lists of others. Nothing calls them.
    pub containers: BTreeSet<String>,
}

/// Every model of the folder whose file name `wanted` accepts, in order of name.
pub fn models(wanted: impl Fn(&str) -> bool) -> Vec<Model> {
    let mut paths = Vec::new();
    for family in fs::read_dir(vectors("architectures")).expect("the folder").flatten() {
        if family.path().is_dir() {
            paths.extend(fs::read_dir(family.path()).expect("a family").flatten().map(|entry| entry.path()));
        }
    }
    paths.sort();
    let stem = |path: &PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
    paths.iter().filter(|path| wanted(&stem(path))).map(|path| Model::read(path)).collect()
}

impl Model {
    fn read(path: &Path) -> Model {
        let json: Value = serde_json::from_slice(&fs::read(path).expect("read")).expect("JSON");
        let mut tensors = BTreeMap::new();
        for row in json["tensors"].as_array().expect("rows") {
            let text = |index: usize| row[index].as_str().expect("text").to_owned();
            let shape = row[2].as_array().expect("sizes").iter().map(|size| size.as_u64().expect("a size")).collect();
            let shape = Shape { dtype: text(1), shape, owner: text(3) };
            tensors.extend(expand(&text(0)).into_iter().map(|name| (name, shape.clone())));
        }
        let containers = json["containers"].as_array().expect("paths").iter();
        let family = path.parent().and_then(Path::file_name).expect("a family").to_string_lossy();
        Model {
            name: format!("{family}/{}", path.file_stem().expect("a name").to_string_lossy()),
            path: path.to_owned(),
            is_diffusers: json["class"].as_str().expect("a class").starts_with("diffusers."),
            config: json["config"].clone(),
            tensors,
            containers: containers.flat_map(|path| expand(path.as_str().expect("text"))).collect(),
        }
    }

    /// What the library calls the file of weights.
    pub fn main_file(&self) -> &'static str {
        if self.is_diffusers { "diffusion_pytorch_model.safetensors" } else { "model.safetensors" }
    }

    /// Every tensor with data: Gaussian, with a spread that depends on the matrix's name, so that
    /// units differ.
    pub fn filled(&self) -> Vec<(String, String, Vec<u64>, Vec<u8>)> {
        let filled = self.tensors.iter().map(|(name, shape)| {
            let seed =
                name.bytes().fold(1469, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
            let mut random = Random::new(seed);
            let spread = 0.01 + 0.03 * (random.below(100) as f64 / 100.0);
            let mut bytes = Vec::new();
            for _ in 0..shape.weights() {
                let value = spread * random.normal();
                match shape.dtype.as_str() {
                    "BF16" => bytes.extend(to_bf16(value).to_le_bytes()),
                    "F32" => bytes.extend((value as f32).to_le_bytes()),
                    other => panic!("{name}: {other}"),
                }
            }
            (name.clone(), shape.dtype.clone(), shape.shape.clone(), bytes)
        });
        filled.collect()
    }

    /// Writes a directory as the library saves it: weights, config.json, and one more file.
    pub fn write(&self, folder: &Path) {
        fs::create_dir_all(folder).expect("created");
        fs::write(folder.join(self.main_file()), super::safetensors::to_bytes(&self.filled())).expect("written");
        let config = serde_json::to_string_pretty(&self.config).expect("JSON");
        fs::write(folder.join("config.json"), config).expect("written");
        fs::write(folder.join("tokenizer_config.json"), "{\"model_max_length\": 131072}\n").expect("written");
    }
}

/// `a.{0..2}.b` is `a.0.b`, `a.1.b`, `a.2.b`.
fn expand(name: &str) -> Vec<String> {
    let Some((before, rest)) = name.split_once('{') else { return vec![name.to_owned()] };
    let (range, after) = rest.split_once('}').expect("a closing brace");
    let (first, last) = range.split_once("..").expect("a range");
    let [first, last]: [u64; 2] = [first, last].map(|number| number.parse().expect("a number"));
    (first..=last).flat_map(|number| expand(&format!("{before}{number}{after}"))).collect()
}
