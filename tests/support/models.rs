//! Model files to compress, damage and compare, written and read here without the library's own
//! container code.

use super::random::{Random, to_bf16};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// One tensor of a file. Its data has the place that it has in the list.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub name: String,
    pub dtype: String,
    pub shape: Vec<u64>,
    pub bytes: Vec<u8>,
}

/// A safetensors file in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    pub metadata: Map<String, Value>,
    pub tensors: Vec<Tensor>,
}

impl Contents {
    /// Reads a sound file.
    pub fn read(path: &Path) -> Contents {
        Contents::of(&fs::read(path).expect("the file is there"))
    }

    /// The contents of the bytes of a sound file.
    pub fn of(bytes: &[u8]) -> Contents {
        let (length, rest) = bytes.split_first_chunk::<8>().expect("a header length");
        let (json, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
        let header: Map<String, Value> = serde_json::from_slice(json).expect("a header");
        let mut contents = Contents::default();
        for (name, entry) in header {
            if name == "__metadata__" {
                contents.metadata = match entry {
                    Value::Null => Map::new(),
                    entry => entry.as_object().expect("an object").clone(),
                };
                continue;
            }
            let (begin, end): (usize, usize) = serde_json::from_value(entry["data_offsets"].clone()).expect("offsets");
            contents.tensors.push(Tensor {
                name,
                dtype: entry["dtype"].as_str().expect("a dtype").to_owned(),
                shape: serde_json::from_value(entry["shape"].clone()).expect("a shape"),
                bytes: data[begin..end].to_vec(),
            });
        }
        contents
    }

    /// Writes [`Contents::to_bytes`].
    pub fn write(&self, path: &Path, padding: usize) {
        fs::write(path, self.to_bytes(padding)).expect("the folder is writable");
    }

    /// A file with the tensors one after the other, in the order of the list, and a header with
    /// `padding` extra spaces.
    pub fn to_bytes(&self, padding: usize) -> Vec<u8> {
        let mut header = Map::new();
        let mut data = Vec::new();
        for Tensor { name, dtype, shape, bytes } in &self.tensors {
            let offsets = [data.len(), data.len() + bytes.len()];
            header.insert(name.clone(), json!({"data_offsets": offsets, "shape": shape, "dtype": dtype}));
            data.extend_from_slice(bytes);
        }
        if !self.metadata.is_empty() {
            header.insert("__metadata__".into(), self.metadata.clone().into());
        }
        let json = Value::Object(header).to_string() + &" ".repeat(padding);
        let mut file = (json.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(json.as_bytes());
        file.append(&mut data);
        file
    }

    /// The tensor of that name.
    pub fn tensor(&mut self, name: &str) -> &mut Tensor {
        self.tensors.iter_mut().find(|tensor| tensor.name == name).unwrap_or_else(|| panic!("{name} is there"))
    }
}

/// A tensor of any bytes.
pub fn tensor(name: &str, dtype: &str, shape: &[u64], bytes: Vec<u8>) -> Tensor {
    Tensor { name: name.into(), dtype: dtype.into(), shape: shape.to_vec(), bytes }
}

/// A BF16 tensor of realistic weights, N(0, 0.02).
pub fn weights(name: &str, shape: &[u64], seed: u64) -> Tensor {
    let mut random = Random::new(seed);
    let count = shape.iter().product::<u64>();
    let bytes = (0..count).flat_map(|_| to_bf16(random.normal() * 0.02).to_le_bytes()).collect();
    tensor(name, "BF16", shape, bytes)
}

/// A small Llama: two blocks of seven matrices with norms and a bias, embedding, head, and tensors
/// of other kinds.
pub fn llama() -> Vec<Tensor> {
    let mut tensors =
        vec![weights("model.embed_tokens.weight", &[300, 64], 1), weights("lm_head.weight", &[300, 64], 2)];
    let shapes: [(&str, [u64; 2]); 7] = [
        ("mlp.up_proj", [128, 64]),
        ("mlp.gate_proj", [128, 64]),
        ("mlp.down_proj", [64, 128]),
        ("self_attn.v_proj", [32, 64]),
        ("self_attn.q_proj", [64, 64]),
        ("self_attn.o_proj", [64, 64]),
        ("self_attn.k_proj", [32, 64]),
    ];
    for layer in 0..2 {
        for (index, (name, shape)) in shapes.iter().enumerate() {
            let seed = 10 * (layer + 1) + index as u64;
            tensors.push(weights(&format!("model.layers.{layer}.{name}.weight"), shape, seed));
        }
        tensors.push(weights(&format!("model.layers.{layer}.input_layernorm.weight"), &[64], 40 + layer));
        tensors.push(weights(&format!("model.layers.{layer}.self_attn.q_proj.bias"), &[64], 50 + layer));
    }
    tensors.push(weights("model.norm.weight", &[64], 60));
    tensors.push(tensor("steps", "I64", &[], 7_u64.to_le_bytes().to_vec()));
    tensors.push(tensor("model.scale.weight", "F32", &[2, 3], (0..24).collect()));
    tensors.push(tensor("nothing.weight", "BF16", &[0, 64], Vec::new()));
    tensors.push(tensor("from.the.future", "F3_X", &[5], vec![1, 2, 3, 4, 5]));
    tensors
}

/// Every file below a folder, with its bytes.
pub fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() {
            files.extend(tree(&path).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else {
            files.insert(name, fs::read(&path).expect("readable"));
        }
    }
    files
}

/// Checks that two folders hold the same files.
pub fn assert_same_tree(expected: &Path, found: &Path) {
    let (expected, found) = (tree(expected), tree(found));
    let names = |tree: &BTreeMap<String, Vec<u8>>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&expected), names(&found));
    for (name, bytes) in expected {
        assert!(bytes == found[&name], "{name} differs");
    }
}
