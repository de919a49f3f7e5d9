//! Which tensors are coded and which stay, and what is said about it.

use std::fs;

use df11::Model;
use df11::cpu::Level;
use serde_json::json;

use crate::makers::{Files, beside, config, fused, llama};
use crate::support::models::{Contents, Tensor, assert_same_tree, weights};
use crate::{Place, df11, text};

/// A Llama without an output layer of its own.
fn without_head(config: serde_json::Value) -> Files {
    let tensors: Vec<Tensor> = llama().into_iter().filter(|tensor| tensor.name != "lm_head.weight").collect();
    beside().with_json("config.json", &config).with_weights("model.safetensors", &tensors)
}

/// Whether the embedding is a unit of the compressed model, and what was said.
fn embedding(files: &Files, more: &[&str]) -> (bool, String) {
    let place = Place::new();
    let source = place.source(files);
    let run = place.there_and_back(&source, more);
    assert_same_tree(&source, &place.at("back"));
    let model = Model::open(place.at("coded")).expect("a model");
    let is_coded = model.tensor("model.embed_tokens.weight").expect("an embedding").is_coded();
    (is_coded, run.stderr)
}

#[test]
fn a_tied_embedding_stays_bf16_with_a_note_of_what_it_costs() {
    let mut tied = config();
    tied["tie_word_embeddings"] = true.into();
    let (is_coded, said) = embedding(&without_head(tied.clone()), &[]);
    assert!(!is_coded && said.contains("(tied)") && said.contains("costs about 19650 bytes more"), "{said}");
    assert!(said.contains("--all codes it"), "{said}");
    let (is_coded, said) = embedding(&without_head(tied), &["--all"]);
    assert!(is_coded && said.contains("only df11 reads this model"), "{said}");
}

#[test]
fn a_model_class_with_an_output_layer_is_tied_unless_config_json_denies_it() {
    // Libraries leave the field out where the class has it by default.
    let gemma = json!({"architectures": ["Gemma3ForConditionalGeneration"], "text_config": {"num_hidden_layers": 3}});
    assert!(!embedding(&without_head(gemma), &[]).0);
    let nested = json!({"architectures": ["XForCausalLM"], "text_config": {"tie_word_embeddings": false}});
    assert!(embedding(&without_head(nested), &[]).0);
    // An encoder has no output layer.
    let encoder = json!({"architectures": ["LlamaModel"], "tie_word_embeddings": true});
    assert!(embedding(&without_head(encoder), &[]).0);
}

#[test]
fn an_embedding_beside_an_output_layer_of_its_own_is_coded() {
    let mut tied = config();
    tied["tie_word_embeddings"] = true.into();
    let files = beside().with_weights("model.safetensors", &llama());
    for config in [tied, config()] {
        let (is_coded, said) = embedding(&files.clone().with_json("config.json", &config), &[]);
        assert!(is_coded && said.is_empty(), "{said}");
    }
}

#[test]
fn fused_experts_are_told_of_with_the_flag_that_codes_them() {
    let place = Place::new();
    let source = place.source(&fused());
    let run = place.there_and_back(&source, &[]);
    for words in ["BF16 tensors stay as they are", "mlp.experts.gate_up_proj", "not the .weight of a module", "--all"] {
        assert!(run.stderr.contains(words), "{words}: {}", run.stderr);
    }
    assert_same_tree(&source, &place.at("back"));
    df11(["compress", "--dry-run", text(&source)]).ends(0, &["BF16 tensors stay as they are", "--all"]);
}

#[test]
fn one_fused_expert_is_decoded_alone() {
    let place = Place::new();
    let source = place.source(&fused());
    let run = place.there_and_back(&source, &["--all"]);
    assert!(!run.stderr.contains("stay as they are"), "{}", run.stderr);
    assert_same_tree(&source, &place.at("back"));
    let mut contents = Contents::read(&source.join("model.safetensors"));
    let name = "model.layers.1.mlp.experts.gate_up_proj";
    let expected = contents.tensor(name).bytes.clone();
    for model in [&source, &place.at("coded")].map(|path| Model::open(path).expect("a model")) {
        let experts = model.matrix(name).expect("a matrix");
        assert_eq!(experts.shape(), Some(&[16, 256, 64][..]));
        for number in [0, 7, 15] {
            let expert = experts.part(number).expect("an expert");
            assert_eq!((expert.shape(), expert.weights()), (Some(&[256, 64][..]), 256 * 64));
            let mut found = vec![df11::bf16::ZERO; expert.weights() as usize];
            expert.decode(&Level::best(), &mut found).expect("decoded");
            let begin = number as usize * 2 * found.len();
            let bytes: Vec<u8> = found.iter().flat_map(|weight| weight.to_bits().to_le_bytes()).collect();
            assert!(bytes == expected[begin..begin + bytes.len()], "expert {number}");
            let mut row = vec![df11::bf16::ZERO; 64];
            expert.decode_rows(&Level::best(), &[3], &mut row).expect("one row");
            assert!(row == found[3 * 64..4 * 64]);
        }
        assert!(experts.part(16).is_err(), "there is no 17th expert");
        let row = experts.part(0).and_then(|expert| expert.part(0)).expect("a row");
        assert!(row.part(0).is_err(), "a row has no parts");
    }
}

#[test]
fn a_tensor_that_no_unit_holds_is_told_with_its_size_and_the_reason() {
    let place = Place::new();
    let shapes = place.at("shapes.json");
    let layer = json!(["model.layers.{0..3}.mlp.up_proj.weight", "BF16", [4096, 4096]]);
    for (name, shape) in [("embed.weight", json!([65536, 65536])), ("experts", json!([65536, 256, 256]))] {
        fs::write(&shapes, json!({"tensors": [layer, [name, "BF16", shape]]}).to_string()).expect("written");
        let run = df11(["estimate", "--all", text(&shapes)]).ends(0, &[name, "stays as it is, 8589934592 bytes"]);
        assert!(run.stderr.contains("a unit holds at most 4294967295 weights"), "{}", run.stderr);
        df11(["estimate", "--all", "-v", text(&shapes)]).ends(0, &["larger than the 4294967295 weights"]);
    }
}

#[test]
fn nothing_gained_is_told_and_output_is_written_all_the_same() {
    let place = Place::new();
    let norms: Vec<Tensor> = (0..8).map(|layer| weights(&format!("layers.{layer}.bias"), &[512], layer)).collect();
    let source = place.source(&beside().with_weights("model.safetensors", &norms));
    let run = place.there_and_back(&source, &[]);
    assert!(run.stderr.contains("nothing is gained") && run.stderr.contains("bytes larger"), "{}", run.stderr);
    assert_same_tree(&source, &place.at("back"));
    df11(["compress", "--dry-run", text(&source)]).ends(0, &["nothing is gained"]);
}

#[test]
fn an_adapter_is_told_that_nothing_loads_it_coded() {
    let place = Place::new();
    let name = |layer, half| format!("base_model.model.model.layers.{layer}.self_attn.q_proj.lora_{half}.weight");
    let shapes = [("A", [16, 256]), ("B", [256, 16])];
    let tensors: Vec<Tensor> =
        (0..2).flat_map(|layer| shapes.map(|(half, shape)| weights(&name(layer, half), &shape, 60 + layer))).collect();
    let files = Files::default().with_weights("adapter_model.safetensors", &tensors);
    let source = place.source(&files.with_json("adapter_config.json", &json!({"peft_type": "LORA"})));
    let run = place.there_and_back(&source, &[]);
    assert!(run.stderr.contains("adapter_config.json says that this is an adapter"), "{}", run.stderr);
    assert_same_tree(&source, &place.at("back"));
}
