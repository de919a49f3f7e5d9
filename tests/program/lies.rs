//! Every verb, at every level of the processor, refuses a unit whose structure lies, and leaves
//! nothing.

use std::fs;

use df11_cpu::Level;
use serde_json::json;

use crate::support::lies::positions_that_lie;
use crate::support::models::{Contents, Tensor};
use crate::{Place, ended, program, text};

#[test]
fn output_positions_that_lie_are_refused_by_verify_and_decompress() {
    let place = Place::new();
    let model = place.at("model");
    fs::create_dir(&model).expect("a folder");
    let mut file = Contents::default();
    for (leaf, bytes) in positions_that_lie().tensors() {
        let bytes = bytes.clone();
        let (dtype, shape) = match leaf {
            "luts" => ("U8", vec![2, 256]),
            "split_positions" => ("I64", vec![0]),
            _ => ("U8", vec![bytes.len() as u64]),
        };
        file.tensors.push(Tensor { name: format!("lm_head.{leaf}"), dtype: dtype.into(), shape, bytes });
    }
    file.write(&model.join("model.safetensors"), 0);
    let published = json!({
        "version": "0.5.0", "threads_per_block": [512], "bytes_per_thread": 8, "pattern_dict": {"lm_head": []},
    });
    let config = json!({ "dfloat11_config": published }).to_string();
    fs::write(model.join("config.json"), config).expect("written");
    let words = ["lm_head", "0 weights to block 1"];
    for level in Level::available() {
        let df11 = |arguments: &[&str]| {
            ended(program().env("DF11_BACKEND", level.name()).args(arguments).output().expect("it starts"))
        };
        df11(&["verify", text(&model)]).fails(1, &words);
        df11(&["decompress", text(&model), "-o", text(&place.at("output"))]).fails(2, &words);
        assert_eq!(place.names(), ["model"], "{level}");
    }
}
