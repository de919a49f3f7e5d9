//! `config.json`: writes `dfloat11_config` into it, and keeps every other field as it was and where
//! it was. Also finds the shapes that the fields of a known architecture imply.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use df11_core::limits::{BLOCK_CHUNKS, CHUNK_BYTES};
use serde::{Deserialize, Deserializer};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use super::python_json;
use crate::Error;
use crate::error::JsonReason;
use crate::files::checkpoint::Checkpoint;
use crate::files::dotted::WEIGHT_SUFFIX;
use crate::files::file_names::CONFIG_FILE;
use crate::files::folder::{has, not_json, read_small};
use crate::files::{python, values};

/// The field of config.json that makes a directory a DFloat11 model.
pub(crate) const DFLOAT11_CONFIG: &str = "dfloat11_config";
/// The field of `dfloat11_config` that holds the patterns.
pub(crate) const PATTERN_DICT: &str = "pattern_dict";
/// The version of the published package whose layout is written.
const LAYOUT_VERSION: &str = "0.5.0";

/// A `config.json`. Its fields keep their spelling.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    path: PathBuf,
    fields: Vec<(String, Box<RawValue>)>,
}

impl ConfigFile {
    /// Reads the one in `folder`, if it exists.
    pub fn read(folder: &Path) -> Result<Option<ConfigFile>, Error> {
        let path = folder.join(CONFIG_FILE);
        if !has(&path)? {
            return Ok(None);
        }
        let bytes = read_small(&path)?;
        ConfigFile::parse(&bytes, &path).map(Some)
    }

    /// The one of a model's folder, as the model read it.
    pub fn of(model: &Checkpoint) -> Result<Option<ConfigFile>, Error> {
        let file = model.small.iter().find(|file| file.name == CONFIG_FILE);
        file.map(|file| ConfigFile::parse(&file.bytes, file.witness.path())).transpose()
    }

    /// Parses the bytes of the one at `path`.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<ConfigFile, Error> {
        let json = python::to_json(bytes);
        let fields = values::check(&json).and_then(|()| serde_json::from_slice(&json));
        let Fields(fields) = fields.map_err(|error| Error::Json {
            path: path.to_path_buf(),
            reason: not_json(bytes, JsonReason::NotAnObject { message: error.to_string() }),
        })?;
        Ok(ConfigFile { path: path.to_path_buf(), fields })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The value of a field.
    pub fn get(&self, field: &str) -> Option<Value> {
        let (_, value) = self.fields.iter().find(|(name, _)| name == field)?;
        serde_json::from_str(value.get()).ok()
    }

    /// A field of the model, or else of its text model.
    pub fn of_text(&self, field: &str) -> Option<Value> {
        self.get(field).or_else(|| self.get("text_config")?.get(field).cloned())
    }

    /// Whether a model without weights of its own for the output layer uses the input embedding
    /// there: `tie_word_embeddings` says so, or is not there and the class has an output layer.
    pub fn ties_embedding(&self) -> bool {
        const WITH_OUTPUT: [&str; 4] = ["ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "ForMaskedLM"];
        let classes = self.get("architectures").unwrap_or_default();
        let mut classes = classes.as_array().into_iter().flatten().filter_map(Value::as_str).peekable();
        let says = self.of_text("tie_word_embeddings").and_then(|tied| tied.as_bool());
        let is_named = classes.peek().is_some();
        let has_output = classes.any(|class| WITH_OUTPUT.iter().any(|end| class.ends_with(end)));
        says.unwrap_or(has_output) && (has_output || !is_named)
    }

    /// Its text with another `dfloat11_config`, as transformers writes it: keys sorted, and a line
    /// feed at the end.
    pub fn python_text_with(&self, dfloat11_config: &Value) -> Result<String, Error> {
        let others = self.fields.iter().filter(|(name, _)| name != DFLOAT11_CONFIG);
        python_text(others.cloned().collect(), dfloat11_config, true, &self.path).map(|text| text + "\n")
    }

    /// Its text with another `dfloat11_config`, or with none. `None` if no field is left. The other
    /// fields keep their spelling and their order.
    pub fn text_with(&self, dfloat11_config: Option<&Value>) -> Option<String> {
        text(self.fields.iter().map(|(name, value)| (name.as_str(), value.get())), dfloat11_config)
    }
}

/// The text of a `config.json` that holds only `dfloat11_config`.
pub(crate) fn text_of_only(dfloat11_config: &Value) -> Option<String> {
    text(std::iter::empty(), Some(dfloat11_config))
}

/// The text of a `config.json` at `path` that holds only `dfloat11_config`, as the published
/// package writes it.
pub(crate) fn python_text_of_only(dfloat11_config: &Value, path: &Path) -> Result<String, Error> {
    python_text(Vec::new(), dfloat11_config, false, path)
}

fn python_text(
    mut fields: Vec<(String, Box<RawValue>)>,
    dfloat11_config: &Value,
    sort_keys: bool,
    path: &Path,
) -> Result<String, Error> {
    let text = to_raw_value(dfloat11_config).and_then(|config| {
        fields.push((DFLOAT11_CONFIG.to_owned(), config));
        python_json::object(&fields, sort_keys).map(python::to_python)
    });
    text.map_err(|error| Error::Json {
        path: path.to_path_buf(),
        reason: JsonReason::NotWritten { message: error.to_string() },
    })
}

fn text<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>, dfloat11_config: Option<&Value>) -> Option<String> {
    let mut lines: Vec<String> = fields
        .filter(|(name, _)| *name != DFLOAT11_CONFIG)
        .map(|(name, value)| format!("  {}: {value}", json!(name)))
        .collect();
    if let Some(value) = dfloat11_config {
        let pretty = format!("{value:#}").replace('\n', "\n  ");
        lines.push(format!("  \"{DFLOAT11_CONFIG}\": {pretty}"));
    }
    (!lines.is_empty()).then(|| python::to_python(format!("{{\n{}\n}}\n", lines.join(",\n"))))
}

/// The value that is written for `dfloat11_config`.
pub(crate) fn dfloat11_config(pattern_dict: Value) -> Value {
    json!({
        "version": LAYOUT_VERSION,
        "threads_per_block": [BLOCK_CHUNKS],
        "bytes_per_thread": CHUNK_BYTES,
        PATTERN_DICT: pattern_dict,
    })
}

/// Refuses a `dfloat11_config`, found in the file at `path`, whose layout cannot be read. Returns
/// the fields that it lacks: what the published tool writes is assumed for them.
pub(crate) fn check_layout(config: &Value, path: &Path) -> Result<Vec<String>, Error> {
    let Some(fields) = config.as_object() else {
        let reason = JsonReason::NotAnObject { message: format!("{DFLOAT11_CONFIG} is {config}") };
        return Err(Error::Json { path: path.to_path_buf(), reason });
    };
    let check = |field: &'static str, expected: Value| match &config[field] {
        found if found.is_null() || *found == expected => Ok(()),
        found => Err(Error::Config {
            path: path.to_path_buf(),
            field,
            found: found.to_string(),
            expected: format!("{expected}, the only geometry that is read"),
        }),
    };
    if let Some(version) = config["version"].as_str()
        && version.starts_with("0.1.")
    {
        return Err(Error::Config {
            path: path.to_path_buf(),
            field: "version",
            found: version.to_owned(),
            expected: "0.2.0 or later; 0.1 kept pickled Python objects: compress the BF16 model again".into(),
        });
    }
    check("threads_per_block", json!([BLOCK_CHUNKS]))?;
    check("bytes_per_thread", json!(CHUNK_BYTES))?;
    let is_lacking = |field: &&str| fields.get(*field).is_none_or(Value::is_null);
    let lacking = ["threads_per_block", "bytes_per_thread", PATTERN_DICT].into_iter().filter(is_lacking);
    Ok(lacking.map(str::to_owned).collect())
}

/// JSON without spaces and with sorted keys: equal content gives equal text.
pub(crate) fn canonical(value: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Array(items) => items.iter().map(sorted).collect(),
            Value::Object(fields) => {
                let mut fields: Vec<_> = fields.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
                fields.sort_by(|(a, _), (b, _)| a.cmp(b));
                Value::Object(fields.into_iter().collect())
            }
            _ => value.clone(),
        }
    }
    sorted(value).to_string()
}

/// Whether a config.json is that of a model with the tensors of a Llama.
pub(crate) fn is_llama_like(config: &ConfigFile) -> bool {
    const LLAMA_LIKE: [&str; 4] = ["llama", "mistral", "qwen2", "qwen3"];
    config.get("model_type").is_some_and(|found| found.as_str().is_some_and(|found| LLAMA_LIKE.contains(&found)))
}

/// The sizes in the config.json of a Llama-like model that the shapes of its tensors follow from.
/// They are read once for all tensors, because a lookup takes time for every field of the file.
pub(crate) struct LlamaSizes {
    hidden: u64,
    queries: u64,
    keys: u64,
    vocabulary: Option<u64>,
    intermediate: Option<u64>,
}

impl LlamaSizes {
    /// Reads the fields of a config.json. `None` for another architecture.
    pub fn of(config: &ConfigFile) -> Option<LlamaSizes> {
        if !is_llama_like(config) {
            return None;
        }
        let number = |field: &str| config.get(field)?.as_u64();
        let hidden = number("hidden_size")?;
        let heads = number("num_attention_heads")?;
        let head = number("head_dim").or_else(|| hidden.checked_div(heads))?;
        Some(LlamaSizes {
            hidden,
            queries: heads.checked_mul(head)?,
            keys: number("num_key_value_heads").unwrap_or(heads).checked_mul(head)?,
            vocabulary: number("vocab_size"),
            intermediate: number("intermediate_size"),
        })
    }

    /// The shape of a tensor; `None` if its module is another one.
    pub fn shape(&self, tensor: &str) -> Option<Vec<u64>> {
        let mut module = tensor.strip_suffix(WEIGHT_SUFFIX)?.rsplit('.');
        let (rows, columns) = match module.next()? {
            "embed_tokens" | "lm_head" => (self.vocabulary?, self.hidden),
            "q_proj" => (self.queries, self.hidden),
            "k_proj" | "v_proj" => (self.keys, self.hidden),
            "o_proj" => (self.hidden, self.queries),
            "gate_proj" | "up_proj" => (self.intermediate?, self.hidden),
            "down_proj" => (self.hidden, self.intermediate?),
            _ => return None,
        };
        Some(vec![rows, columns])
    }
}

/// The fields of an object in their order. Of a field that is there twice, the last value counts,
/// as in Python.
pub(crate) struct Fields(pub Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values::Pairs(pairs) = values::Pairs::deserialize(deserializer)?;
        let (mut fields, mut places) = (Vec::new(), BTreeMap::new());
        for (name, value) in pairs {
            let place = *places.entry(String::clone(&name)).or_insert(fields.len());
            if place == fields.len() {
                fields.push((name, value));
            } else {
                fields[place].1 = value;
            }
        }
        Ok(Fields(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> ConfigFile {
        ConfigFile::parse(text.as_bytes(), Path::new("config.json")).expect("valid")
    }

    #[test]
    fn other_fields_keep_their_spelling_and_their_order() {
        let source = config(
            "{\"z\": 1e-06,\n\"dfloat11_config\": 0, \"a\": {\"b\":  [1,\n 2.50]}, \"big\": 123456789012345678901234567890}",
        );
        let text = source.text_with(Some(&dfloat11_config(json!({"w": []})))).expect("fields");
        let again = config(&text);
        let spelled: Vec<_> = again.fields.iter().map(|(name, value)| (name.as_str(), value.get())).collect();
        assert_eq!(
            spelled[..3],
            [("z", "1e-06"), ("a", "{\"b\":  [1,\n 2.50]}"), ("big", "123456789012345678901234567890")]
        );
        assert_eq!(again.get(DFLOAT11_CONFIG).expect("added")["version"], LAYOUT_VERSION);
        assert_eq!(again.text_with(None), source.text_with(None));
        assert_eq!(config("{\"dfloat11_config\": {}}").text_with(None), None);
    }

    #[test]
    fn another_geometry_is_refused_by_name() {
        let path = Path::new("config.json");
        let ours = dfloat11_config(json!({}));
        check_layout(&ours, path).expect("ours");
        for (field, value) in
            [("threads_per_block", json!([256])), ("bytes_per_thread", json!(16)), ("version", json!("0.1.0"))]
        {
            let mut other = ours.clone();
            other[field] = value.clone();
            let message = check_layout(&other, path).expect_err("refused").to_string();
            assert!(message.contains(field) && message.contains(&value.to_string().replace('"', "")), "{message}");
        }
        for no_object in [json!(3), json!(null), json!([])] {
            assert!(check_layout(&no_object, path).is_err(), "{no_object}");
        }
    }

    #[test]
    fn what_a_configuration_lacks_is_told_and_not_refused() {
        let path = Path::new("config.json");
        let ours = dfloat11_config(json!({}));
        assert_eq!(check_layout(&ours, path).expect("ours"), [""; 0]);
        for field in ["threads_per_block", "bytes_per_thread", "pattern_dict"] {
            let mut less = ours.clone();
            less[field] = Value::Null;
            assert_eq!(check_layout(&less, path).expect("read"), [field]);
            less.as_object_mut().expect("an object").remove(field);
            assert_eq!(check_layout(&less, path).expect("read"), [field]);
        }
    }

    #[test]
    fn canonical_json_does_not_depend_on_order_or_spaces() {
        let (a, b): (Value, Value) =
            (json!({"b": [1, {"y": 0, "x": 1}], "a": 2}), json!({"a": 2, "b": [1, {"x": 1, "y": 0}]}));
        assert_eq!(canonical(&a), r#"{"a":2,"b":[1,{"x":1,"y":0}]}"#);
        assert_eq!(canonical(&a), canonical(&b));
    }

    #[test]
    fn a_llama_tells_its_shapes() {
        let llama = config(
            r#"{"model_type":"llama","hidden_size":96,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":24,"intermediate_size":256,"vocab_size":777}"#,
        );
        let llama = LlamaSizes::of(&llama).expect("a Llama");
        for (tensor, rows, columns) in [
            ("model.embed_tokens", 777, 96),
            ("lm_head", 777, 96),
            ("model.layers.0.self_attn.q_proj", 96, 96),
            ("model.layers.0.self_attn.v_proj", 48, 96),
            ("model.layers.0.self_attn.o_proj", 96, 96),
            ("model.layers.0.mlp.up_proj", 256, 96),
            ("model.layers.0.mlp.down_proj", 96, 256),
        ] {
            assert_eq!(llama.shape(&format!("{tensor}.weight")), Some(vec![rows, columns]), "{tensor}");
        }
        assert_eq!(llama.shape("model.layers.0.moe.weight"), None);
        assert!(LlamaSizes::of(&config(r#"{"model_type":"bert","hidden_size":96}"#)).is_none());
    }
}
