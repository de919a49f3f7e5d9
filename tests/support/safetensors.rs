//! Just enough of the safetensors container to open fixtures and our own output: 8 bytes of header
//! length, a JSON header, the data. It is strict: the tensors must cover the data exactly, without
//! holes or overlaps.

use super::RawUnit;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One tensor: `shape` in elements, row-major; `bytes` little-endian.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    pub dtype: String,
    pub shape: Vec<u64>,
    pub bytes: Vec<u8>,
}

/// What one file holds, or all files of a directory together.
#[derive(Clone, Debug, Default)]
pub struct File {
    pub metadata: BTreeMap<String, String>,
    pub tensors: BTreeMap<String, Tensor>,
}

/// Reads one file.
pub fn read(path: &Path) -> Result<File, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    parse(&bytes).map_err(|e| format!("{}: {e}", path.display()))
}

/// Reads every `.safetensors` file of a directory into one map. A tensor in two files is an error.
pub fn read_directory(path: &Path) -> Result<File, String> {
    let mut all = File::default();
    let entries = std::fs::read_dir(path).map_err(|e| format!("{}: {e}", path.display()))?;
    for entry in entries {
        let path = entry.map_err(|e| e.to_string())?.path();
        if path.extension().is_none_or(|e| e != "safetensors") {
            continue;
        }
        let file = read(&path)?;
        all.metadata.extend(file.metadata);
        for (name, tensor) in file.tensors {
            if all.tensors.insert(name.clone(), tensor).is_some() {
                return Err(format!("{}: {name} is in another file too", path.display()));
            }
        }
    }
    Ok(all)
}

/// Reads a file's bytes.
pub fn parse(bytes: &[u8]) -> Result<File, String> {
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or("no header length")?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|e| e.to_string())?;
    if length > rest.len() {
        return Err(format!("a header of {length} bytes in a file of {}", bytes.len()));
    }
    let (header, data) = rest.split_at(length);
    let header: BTreeMap<String, Value> = serde_json::from_slice(header).map_err(|e| e.to_string())?;

    let mut file = File::default();
    let mut ranges = Vec::new();
    for (name, value) in header {
        if name == "__metadata__" {
            file.metadata = serde_json::from_value(value).map_err(|e| format!("__metadata__: {e}"))?;
            continue;
        }
        let (tensor, range) = tensor(&value, data).map_err(|e| format!("{name}: {e}"))?;
        ranges.push(range);
        file.tensors.insert(name, tensor);
    }
    ranges.sort_unstable();
    let mut end = 0;
    for [from, to] in ranges {
        if from != end {
            return Err(format!("a tensor begins at {from}, the one before ends at {end}"));
        }
        end = to;
    }
    if end != data.len() {
        return Err(format!("the tensors end at {end}, the data at {}", data.len()));
    }
    Ok(file)
}

/// A file of these tensors (name, dtype, shape, data), in this order.
pub fn to_bytes(tensors: &[(String, String, Vec<u64>, Vec<u8>)]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".into(), serde_json::json!({"format": "pt"}));
    let mut data = Vec::new();
    for (name, dtype, shape, bytes) in tensors {
        let begin = data.len();
        data.extend_from_slice(bytes);
        let entry = serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": [begin, data.len()]});
        header.insert(name.clone(), entry);
    }
    let mut text = serde_json::to_string(&header).expect("JSON");
    text.push_str(&" ".repeat(text.len().next_multiple_of(8) - text.len()));
    [&(text.len() as u64).to_le_bytes(), text.as_bytes(), &data].concat()
}

fn tensor(value: &Value, data: &[u8]) -> Result<(Tensor, [usize; 2]), String> {
    let field = |name: &str| value.get(name).cloned().ok_or_else(|| format!("no {name}"));
    let dtype: String = serde_json::from_value(field("dtype")?).map_err(|e| e.to_string())?;
    let shape: Vec<u64> = serde_json::from_value(field("shape")?).map_err(|e| e.to_string())?;
    let [from, to]: [usize; 2] = serde_json::from_value(field("data_offsets")?).map_err(|e| e.to_string())?;
    let bytes = data.get(from..to).ok_or_else(|| format!("bytes {from}..{to} of {}", data.len()))?.to_vec();
    let size = match dtype.as_str() {
        "BOOL" | "U8" | "I8" => 1,
        "BF16" | "F16" | "I16" | "U16" => 2,
        "F32" | "I32" | "U32" => 4,
        "F64" | "I64" | "U64" => 8,
        other => return Err(format!("dtype {other}")),
    };
    if shape.iter().product::<u64>() * size != bytes.len() as u64 {
        return Err(format!("{dtype} {shape:?} in {} bytes", bytes.len()));
    }
    Ok((Tensor { dtype, shape, bytes }, [from, to]))
}

impl File {
    /// Names of the coded units: every module with an `encoded_exponent`.
    pub fn unit_names(&self) -> BTreeSet<String> {
        self.tensors.keys().filter_map(|name| name.strip_suffix(".encoded_exponent")).map(str::to_owned).collect()
    }

    /// The six tensors of a unit.
    pub fn unit(&self, name: &str) -> Result<RawUnit<'_>, String> {
        let leaf = |leaf: &str, dtype: &str| {
            let tensor = self.tensors.get(&format!("{name}.{leaf}")).ok_or_else(|| format!("{name} has no {leaf}"))?;
            if tensor.dtype != dtype {
                return Err(format!("{name}.{leaf} is {}, expected {dtype}", tensor.dtype));
            }
            Ok(tensor.bytes.as_slice())
        };
        Ok(RawUnit {
            encoded_exponent: leaf("encoded_exponent", "U8")?,
            sign_mantissa: leaf("sign_mantissa", "U8")?,
            luts: leaf("luts", "U8")?,
            gaps: leaf("gaps", "U8")?,
            output_positions: leaf("output_positions", "U8")?,
            split_positions: leaf("split_positions", "I64")?,
        })
    }
}
