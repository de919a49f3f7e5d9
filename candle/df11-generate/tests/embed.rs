//! The program `df11-embed`, on the small BERT of df11-candle.

mod support;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use candle_core::{DType, Device};
use df11_candle::Form;
use serde_json::{Value, json};
use support::{folder, text_of, with_tokenizer};

fn program(model: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_df11-embed"));
    command.arg(model).args(arguments);
    command
}

fn run(model: &Path, arguments: &[&str]) -> Output {
    program(model, arguments).stdin(Stdio::null()).output().unwrap()
}

fn json_of(model: &Path, arguments: &[&str]) -> Value {
    support::json_of(run(model, &[arguments, &["--json"]].concat()))
}

/// The rows that were printed.
fn rows(output: &Output) -> Vec<Vec<f32>> {
    assert!(output.status.success(), "{}", text_of(&output.stderr));
    let row = |line: &str| line.split(' ').map(|x| x.parse().unwrap()).collect();
    text_of(&output.stdout).lines().map(row).collect()
}

/// The small model with a tokenizer.
fn model() -> tempfile::TempDir {
    with_tokenizer("bert", json!({}))
}

#[test]
fn every_form_and_number_of_threads_gives_the_vectors_of_transformers_bit_for_bit_alike() {
    let expected = candle_core::safetensors::load(folder("bert").join("expected.safetensors"), &Device::Cpu).unwrap();
    let texts: Vec<Vec<u32>> = [0, 1].map(|text| expected[&format!("text.{text}")].to_vec1().unwrap()).into();
    let means = [0, 1].map(|text| expected[&format!("mean.{text}.float32")].to_vec1::<f32>().unwrap());
    let work = tempfile::tempdir().unwrap();
    let file = work.path().join("tokens");
    let line = |text: &Vec<u32>| text.iter().map(u32::to_string).collect::<Vec<_>>().join(",") + "\n";
    fs::write(&file, texts.iter().map(line).collect::<String>()).unwrap();
    let mut all = Vec::new();
    for form in Form::ALL {
        for threads in ["1", "2"] {
            let options = ["--ids", "-f", file.to_str().unwrap(), "--form", form.name(), "-t", threads];
            let printed = run(&folder("bert"), &options);
            for (row, mean) in rows(&printed).iter().zip(&means) {
                let apart = row.iter().zip(mean).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(row.len() == 64 && apart < 0.004, "{apart}");
            }
            let found = json_of(&folder("bert"), &options);
            assert_eq!((&found["form"], &found["pooling"]), (&json!(form.name()), &json!("mean")));
            assert_eq!((&found["normalized"], &found["tokens"]), (&json!(true), &json!(68)));
            for number in ["weight_bytes_resident", "sentences_per_s"] {
                assert!(found[number].as_f64().unwrap() > 0.0, "{number}");
            }
            all.push((printed.stdout, found["vectors"].clone()));
        }
    }
    assert!(all.iter().all(|one| *one == all[0]));
}

#[test]
fn sentences_come_as_arguments_by_a_file_or_by_stdin() {
    let model = model();
    let expected = rows(&run(model.path(), &["w5 w6 w7", "w8", ""]));
    assert_eq!(expected.len(), 3);
    let as_ids = run(model.path(), &["--ids", "1,5,6,7,2", "1,8,2", "1,2"]);
    assert_eq!(rows(&as_ids), expected, "w1 begins a sentence, and w2 ends it");
    let file = model.path().join("sentences.txt");
    fs::write(&file, "w5 w6 w7\nw8\n\n").unwrap();
    assert_eq!(rows(&run(model.path(), &["-f", file.to_str().unwrap()])), expected);
    let mut child = program(model.path(), &[]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"w5 w6 w7\nw8\n\n").unwrap();
    assert_eq!(rows(&child.wait_with_output().unwrap()), expected);
}

#[test]
fn many_sentences_run_in_batches_and_have_the_vectors_that_each_has_alone() {
    let model = model();
    let sentences: Vec<String> = (0..90).map(|n| format!("w{} ", 3 + n % 120).repeat(1 + n % 30)).collect();
    let file = model.path().join("sentences.txt");
    fs::write(&file, sentences.join("\n")).unwrap();
    let together = rows(&run(model.path(), &["-f", file.to_str().unwrap()]));
    assert_eq!(together.len(), 90);
    for alone in [0, 41, 89] {
        assert_eq!(rows(&run(model.path(), &[&sentences[alone]])), together[alone..=alone], "{alone}");
    }
}

#[test]
fn files_of_sentence_transformers_choose_pooling_and_length() {
    let model = model();
    fs::create_dir(model.path().join("1_Pooling")).unwrap();
    let modules = json!([{ "type": "a.Transformer", "path": "" }, { "type": "a.Pooling", "path": "1_Pooling" }]);
    fs::write(model.path().join("modules.json"), modules.to_string()).unwrap();
    fs::write(model.path().join("1_Pooling/config.json"), r#"{"pooling_mode_cls_token": true}"#).unwrap();
    fs::write(model.path().join("sentence_bert_config.json"), r#"{"max_seq_length": 6}"#).unwrap();
    let found = json_of(model.path(), &["w5 w6 w7 w8 w9 w10 w11", "w4"]);
    assert_eq!((&found["pooling"], &found["normalized"]), (&json!("cls"), &json!(false)));
    assert_eq!((&found["tokens"], &found["cut_sentences"]), (&json!(6 + 3), &json!(1)));
    let first = rows(&run(model.path(), &["w5 w6 w7 w8"]));
    let expected: Vec<f32> = serde_json::from_value(found["vectors"][0].clone()).unwrap();
    assert_eq!(first, [expected.as_slice()]);
    let said = text_of(&run(model.path(), &["w5 w6 w7 w8 w9 w10 w11"]).stderr);
    assert!(
        said.contains("1 of 1 sentences were cut")
            && said.contains("pooling cls, not normalized, as modules.json says")
    );
    let encoder = df11_candle::Encoder::open(model.path(), Form::Bf16).unwrap();
    let vectors = encoder.forward(&[&[1, 5, 6, 7, 8, 2]]).unwrap().to_dtype(DType::F32).unwrap();
    assert_eq!(vectors.get(0).unwrap().to_vec1::<f32>().unwrap(), expected);
}

#[test]
fn what_cannot_run_is_refused_in_one_sentence() {
    let (model, refused) = (model(), |model: &Path, arguments: &[&str]| support::refused(run(model, arguments)));
    let message = refused(&folder("bert"), &["a sentence"]);
    assert!(message.contains("tokenizer.json") && message.contains("--ids"), "{message}");
    let message = refused(&folder("llama"), &["--ids", "5"]);
    assert!(message.contains("\"llama\"") && message.contains("these do: bert"), "{message}");
    let message = refused(model.path(), &["--ids", "5,x"]);
    assert!(message.contains("5,x: tokens are expected"), "{message}");
    let message = refused(model.path(), &["--ids", "5,128"]);
    assert!(message.contains("token 128 is not in the vocabulary, which has 128 tokens"), "{message}");
    let message = refused(model.path(), &["-f", "no-such-file"]);
    assert!(message.contains("no-such-file"), "{message}");
    assert_eq!(rows(&run(model.path(), &[])).len(), 0, "no sentences, no vectors");
}
