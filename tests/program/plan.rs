//! Where `plan` puts a model, and for how many tokens.

use serde_json::Value;

use crate::{Place, df11, miniature, text};

const ARCHITECTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/architectures/");

fn plan(input: &str, devices: &str, more: &[&str]) -> Value {
    df11(["plan", input, "--devices", devices, "--json"].into_iter().chain(more.iter().copied())).fine().json()
}

fn form<'a>(report: &'a Value, name: &str) -> &'a Value {
    let forms = report["forms"].as_array().expect("a list");
    forms.iter().find(|form| form["form"] == name).unwrap_or_else(|| panic!("a form {name}"))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("a number, found {value}"))
}

/// The paper's example: arXiv 2504.11651, "8 x 80 GB".
#[test]
fn the_largest_llama_fits_one_node_only_when_coded() {
    let report = plan(&format!("{ARCHITECTURES}llama/llama-3.1-405b.json"), "8x80GB", &[]);
    assert_eq!(["bf16", "flat", "df11"].map(|name| form(&report, name)["fits"] == true), [false, true, true]);
    assert_eq!(form(&report, "bf16")["most_tokens"], Value::Null);
    // 126 blocks, keys and values, 8 heads of 128 numbers of 2 bytes
    assert_eq!(number(&report["cache_bytes"]), 4096 * 126 * 2 * 8 * 128 * 2);
}

/// The paper's diffusion transformer: arXiv 2504.11651, "28 % less memory".
#[test]
fn flux_takes_28_percent_less_memory_when_coded() {
    let report = plan(&format!("{ARCHITECTURES}flux/flux.1-dev.json"), "1x80GB", &[]);
    let memory = |name| {
        let device = &form(&report, name)["devices"][0];
        number(&device["weight_bytes"]) + number(&device["buffer_bytes"])
    };
    assert!((memory("df11") as f64) < 0.72 * memory("bf16") as f64, "{} of {}", memory("df11"), memory("bf16"));
}

#[test]
fn every_item_has_one_place_and_no_device_holds_more_than_its_memory() {
    let report = plan(&format!("{ARCHITECTURES}llama/llama-3.3-70b.json"), "40GB,3x48GB", &["-b", "3"]);
    for form in report["forms"].as_array().expect("a list") {
        let devices = form["devices"].as_array().expect("a list");
        let items: Vec<&str> = devices
            .iter()
            .flat_map(|device| device["items"].as_array().expect("a list"))
            .flat_map(Value::as_str)
            .collect();
        let blocks = (0..80).map(|block| format!("model.layers.{block}"));
        let expected: Vec<String> =
            ["model.embed_tokens".into()].into_iter().chain(blocks).chain(["lm_head".into()]).collect();
        assert_eq!(items[..81], expected[..81]);
        assert!(items[81..].contains(&"lm_head") && items.len() == 83, "{:?}", &items[81..]);
        let sum = |field: &str| devices.iter().map(|device| number(&device[field])).sum::<u64>();
        assert_eq!(sum("weight_bytes"), number(&form["weight_bytes"]));
        assert_eq!(sum("cache_bytes"), number(&report["cache_bytes"]));
        for device in devices {
            let parts =
                ["weight_bytes", "cache_bytes", "buffer_bytes", "left_bytes"].map(|field| number(&device[field]));
            assert_eq!(parts.iter().sum::<u64>(), number(&device["bytes"]));
        }
    }
}

/// The number of tokens is the most: with one more there is no room.
#[test]
fn one_token_more_than_the_most_does_not_fit() {
    let model = format!("{ARCHITECTURES}qwen3/qwen3-8b.json");
    for name in ["bf16", "flat", "df11"] {
        let most = number(&form(&plan(&model, "2x10GB", &[]), name)["most_tokens"]);
        for (tokens, fits) in [(most, true), (most + 1, false)] {
            let report = plan(&model, "2x10GB", &["--context", &tokens.to_string()]);
            assert_eq!(form(&report, name)["fits"], fits, "{name}, {tokens}");
        }
    }
}

#[test]
fn a_model_and_what_it_was_coded_to_get_the_same_placement() {
    let place = Place::new();
    let (source, coded) = (place.at("a.safetensors"), place.at("b.safetensors"));
    miniature::write_file(&source);
    df11(["compress", text(&source), "-o", text(&coded)]).fine();
    let [of_source, of_coded] = [&source, &coded].map(|input| plan(text(input), "1GB", &[]));
    for name in ["bf16", "flat"] {
        assert_eq!(form(&of_source, name), form(&of_coded, name));
    }
    let weights = |report| number(&form(report, "df11")["weight_bytes"]);
    let (predicted, exact) = (weights(&of_source) as f64, weights(&of_coded) as f64);
    assert!((predicted / exact - 1.0).abs() < 0.05, "{predicted} predicted, {exact} found");
}

#[test]
fn what_is_no_device_is_refused() {
    for devices in ["0x80GB", "x80GB", "eight", "1000000x1GB", ""] {
        df11(["plan", "model", "-d", devices]).fails(2, &["--devices"]);
    }
}
