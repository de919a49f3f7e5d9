//! The chat template of a model: Jinja, as transformers renders it.

use std::io::{self, ErrorKind};
use std::path::Path;

use df11_candle::read_file;
use df11_generate::Error;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, ErrorKind as TemplateError, context};
use serde_json::Value;

/// Steps of a template, which comes from anyone: a real one takes thousands.
const MOST_STEPS: u64 = 1 << 24;
/// Most bytes of tokenizer_config.json, and of a template. Real ones have less than 1 MiB.
const MOST_BYTES: u64 = 16 << 20;

/// The text of a conversation in which the user says `said` and the model is to answer.
pub fn render(folder: &Path, said: &str) -> Result<String, Error> {
    let path = folder.join("tokenizer_config.json");
    let failed = |reason: String| Error::Template { path: path.clone(), reason };
    let text = read_text(&path).map_err(|error| failed(error.to_string()))?;
    let config = serde_json::from_slice(&df11::json_of_python(text.as_bytes()));
    let config: Value = config.map_err(|error| failed(format!("it is not JSON: {error}")))?;
    let template = match template_of(&config) {
        Some(template) => template,
        // Newer models have it in a file of its own.
        None => match read_text(&folder.join("chat_template.jinja")) {
            Ok(template) => template,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(failed("it has no field chat_template, so this is not a model to talk with".into()));
            }
            Err(error) => return Err(failed(format!("chat_template.jinja: {error}"))),
        },
    };
    evaluate(&template, &config, said).map_err(|error| failed(format!("chat_template: {error:#}")))
}

fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read_file(path, MOST_BYTES)?).map_err(|_| io::Error::other("it is not UTF-8"))
}

/// The template, or the one named `default` of several.
fn template_of(config: &Value) -> Option<String> {
    match config.get("chat_template")? {
        Value::String(template) => Some(template.clone()),
        Value::Array(several) => {
            let default = several.iter().find(|one| one["name"] == "default")?;
            default["template"].as_str().map(str::to_owned)
        }
        _ => None,
    }
}

fn evaluate(template: &str, config: &Value, said: &str) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_fuel(Some(MOST_STEPS));
    // Templates call methods of Python's strings and lists.
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_function("raise_exception", |why: String| {
        Err::<String, _>(minijinja::Error::new(TemplateError::InvalidOperation, why))
    });
    environment.add_template("chat", template)?;
    // A special token is a string, or an object that holds it.
    let token = |name: &str| {
        let token = config.get(name).unwrap_or(&Value::Null);
        token.as_str().or(token["content"].as_str()).unwrap_or_default().to_owned()
    };
    environment.get_template("chat")?.render(context! {
        messages => [context! { role => "user", content => said }],
        add_generation_prompt => true,
        bos_token => token("bos_token"),
        eos_token => token("eos_token"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(config: &str) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tokenizer_config.json"), config).unwrap();
        render(folder.path(), "Hi ").map_err(|error| error.to_string())
    }

    const TEMPLATE: &str = "{{ bos_token }}{% for message in messages %}\n    <|{{ message['role'] }}|>{{ message.content.strip() }}{{ eos_token }}\n{% endfor %}\n{% if add_generation_prompt %}\n<|assistant|>\n{% endif %}";

    #[test]
    fn a_template_sees_what_the_user_says_and_the_tokens_that_begin_and_end_a_text() {
        let config = serde_json::json!({
            "chat_template": TEMPLATE, "bos_token": "<s>", "eos_token": { "content": "</s>" },
        });
        assert_eq!(rendered(&config.to_string()).unwrap(), "<s>    <|user|>Hi</s>\n<|assistant|>\n");
    }

    #[test]
    fn of_several_templates_the_default_one_is_used() {
        let config = serde_json::json!({ "chat_template": [
            { "name": "tools", "template": "no" }, { "name": "default", "template": "{{ messages[0].content }}!" },
        ] });
        assert_eq!(rendered(&config.to_string()).unwrap(), "Hi !");
    }

    #[test]
    fn a_template_that_is_missing_wrong_or_refuses_is_an_error_with_its_reason() {
        assert!(rendered("{}").unwrap_err().contains("it has no field chat_template"));
        assert!(rendered("{").unwrap_err().contains("it is not JSON"));
        let refuses = r#"{"chat_template": "{{ raise_exception('only tools') }}"}"#;
        assert!(rendered(refuses).unwrap_err().contains("only tools"));
        assert!(rendered(r#"{"chat_template": "{% if %}"}"#).unwrap_err().contains("syntax error"));
    }
}
