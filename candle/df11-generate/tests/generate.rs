//! The program `df11-generate`, on the small models of df11-candle.

mod support;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use candle_core::{Device, Tensor};
use df11_candle::Form;
use serde_json::{Value, json};
use support::{folder, text_of, with_tokenizer};

/// The prompt and what follows, by transformers.
fn greedy(model: &str) -> (String, Vec<u32>) {
    let expected: HashMap<String, Tensor> =
        candle_core::safetensors::load(folder(model).join("expected.safetensors"), &Device::Cpu).unwrap();
    let tokens = expected["greedy"].to_vec1::<u32>().unwrap();
    let prompt: Vec<_> = tokens[..16].iter().map(u32::to_string).collect();
    (prompt.join(","), tokens[16..].to_vec())
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_df11-generate"))
}

fn run(model: &Path, arguments: &[&str]) -> Output {
    program().arg(model).args(arguments).output().unwrap()
}

fn json_of(model: &Path, arguments: &[&str]) -> Value {
    support::json_of(run(model, &[arguments, &["--json"]].concat()))
}

fn refused(model: &Path, arguments: &[&str]) -> String {
    support::refused(run(model, arguments))
}

#[test]
fn every_form_and_number_of_threads_gives_the_tokens_of_transformers_and_one_hash() {
    for model in ["llama", "qwen3", "gemma3"] {
        let (prompt, tokens) = greedy(model);
        let mut hashes = Vec::new();
        for form in Form::ALL {
            for threads in ["1", "2"] {
                let options = ["--prompt-ids", &prompt, "-n", "64", "--form", form.name(), "-t", threads];
                let found = json_of(&folder(model), &options);
                assert_eq!(found["token_ids"], json!(tokens[..64]), "{model}, {form}");
                assert_eq!((&found["form"], &found["end"]), (&json!(form.name()), &json!("number")));
                assert_eq!(found["prompt_tokens"], 16);
                for number in ["weight_bytes_resident", "prompt_tokens_per_s", "tokens_per_s"] {
                    assert!(found[number].as_f64().unwrap() > 0.0, "{number}");
                }
                hashes.push(found["logits_hash"].clone());
            }
        }
        assert!(hashes[0].as_str().unwrap().len() == 16 && hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
    }
}

#[test]
fn text_goes_to_stdout_and_speed_and_memory_to_stderr() {
    let (prompt, tokens) = greedy("llama");
    let model = with_tokenizer("llama", json!({}));
    let words = |tokens: &[u32]| tokens.iter().map(|token| format!("w{token}")).collect::<Vec<_>>().join(" ");
    let said = prompt.split(',').map(|token| format!("w{token}")).collect::<Vec<_>>().join(" ");
    let output = run(model.path(), &["-p", &said, "-n", "20"]);
    assert_eq!(text_of(&output.stdout).trim(), words(&tokens[..20]));
    let stderr = text_of(&output.stderr);
    for part in ["16 tokens of prompt", "20 generated", "weights in form df11", "loaded in"] {
        assert!(stderr.contains(part), "{stderr}");
    }
    let found = json_of(model.path(), &["-p", &said, "-n", "20"]);
    assert_eq!(found["text"].as_str().unwrap().trim(), words(&tokens[..20]));
    let template = json!({ "chat_template": format!("{said} {{{{ messages[0].content }}}}") });
    fs::write(model.path().join("tokenizer_config.json"), template.to_string()).unwrap();
    let said = words(&tokens[..4]);
    let found = json_of(model.path(), &["--chat", "-p", &said, "-n", "8"]);
    assert_eq!((&found["token_ids"], &found["prompt_tokens"]), (&json!(tokens[4..12]), &json!(20)));
}

#[test]
fn without_a_tokenizer_tokens_are_printed() {
    let (prompt, tokens) = greedy("qwen2");
    let output = run(&folder("qwen2"), &["--prompt-ids", &prompt, "-n", "3"]);
    assert_eq!(text_of(&output.stdout), format!("{} {} {} \n", tokens[0], tokens[1], tokens[2]));
    let message = refused(&folder("qwen2"), &["-p", "a text"]);
    assert!(message.contains("tokenizer.json") && message.contains("--prompt-ids"), "{message}");
}

#[test]
fn an_end_token_ends_the_text_and_a_full_context_ends_it_aloud() {
    let (prompt, tokens) = greedy("llama");
    let model = with_tokenizer("llama", json!({ "eos_token_id": [127, tokens[5]] }));
    let found = json_of(model.path(), &["--prompt-ids", &prompt]);
    let before = tokens.iter().position(|token| *token == tokens[5]).unwrap();
    assert_eq!((&found["token_ids"], &found["end"]), (&json!(tokens[..before]), &json!("text")));
    let model = with_tokenizer("llama", json!({ "max_position_embeddings": 20 }));
    let output = run(model.path(), &["--prompt-ids", &prompt]);
    assert!(output.status.success());
    assert_eq!(text_of(&output.stdout).split_whitespace().count(), 5, "the last one need not be remembered");
    assert!(text_of(&output.stderr).contains("the context is full: it ends after 20 tokens"));
    let message = refused(model.path(), &["--prompt-ids", &format!("{prompt},{prompt}")]);
    assert!(message.contains("32 tokens do not fit in the context, which ends after 20"), "{message}");
}

#[test]
fn sampling_repeats_with_its_seed() {
    let options = ["--prompt-ids", "5,6,7", "-n", "24", "--temp", "2", "--top-k", "50", "--top-p", "0.9"];
    let tokens = |seed| json_of(&folder("mistral"), &[&options[..], &["--seed", seed]].concat())["token_ids"].clone();
    assert_eq!(tokens("3"), tokens("3"));
    assert_ne!(tokens("3"), tokens("4"));
}

#[test]
fn what_cannot_run_is_refused_in_one_sentence_that_lists_what_can() {
    let llama = folder("llama");
    let message = refused(&llama, &["--prompt-ids", "5,128"]);
    assert!(message.contains("token 128 is not in the vocabulary, which has 128 tokens"), "{message}");
    let message = refused(&llama.join("model.safetensors"), &["--prompt-ids", "5"]);
    assert!(message.contains("give the folder"), "{message}");
    let model = with_tokenizer("llama", json!({ "model_type": "mamba" }));
    let message = refused(model.path(), &["-p", "w5"]);
    assert!(
        message.contains("\"mamba\"") && message.contains("these do: llama, mistral, qwen2, qwen3, gemma3_text"),
        "{message}"
    );
    let message = refused(model.path(), &["-p", ""]);
    assert!(message.contains("the prompt has no tokens"), "{message}");
    let message = refused(model.path(), &["-p", "w5", "--chat"]);
    assert!(message.contains("tokenizer_config.json") && message.contains("--chat"), "{message}");
    let usage = run(&llama, &["--prompt-ids", "5", "--form", "fp8"]);
    assert_eq!(usage.status.code(), Some(2));
    assert!(text_of(&usage.stderr).contains("expected df11, flat or bf16"), "{}", text_of(&usage.stderr));
    assert_eq!(run(&llama, &[]).status.code(), Some(2));
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_text_with_its_report() {
    use std::io::Read;
    use std::process::Stdio;
    let model = with_tokenizer("llama", json!({ "max_position_embeddings": 1_000_000 }));
    let mut command = program();
    command.arg(model.path()).args(["--prompt-ids", "5,6,7", "-n", "1000000", "--temp", "1"]);
    let mut running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0];
    running.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    let sent = Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = running.wait_with_output().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&output.status), Some(2));
    let stderr = text_of(&output.stderr);
    assert!(stderr.starts_with("stopped\n") && stderr.contains("a second"), "{stderr}");
}

/// Who makes a model's folder may put a pipe there, which would be waited for for ever.
#[test]
#[cfg(unix)]
fn a_pipe_in_the_place_of_a_small_file_is_refused_at_once() {
    for (name, arguments) in [("tokenizer.json", &["-p", "w1"][..]), ("tokenizer_config.json", &["-p", "w1", "--chat"])]
    {
        let copy = with_tokenizer("llama", json!({}));
        let path = copy.path().join(name);
        let _ = fs::remove_file(&path);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let message = refused(copy.path(), arguments);
        assert!(message.contains(name) && message.contains("not a regular file"), "{message}");
    }
}
