//! Decoders compute what transformers computes with the same files: vectors/README.md.

#[allow(dead_code)]
mod support;

use df11_candle::{Choice, Config, Decoder, Form, LayerConfig, Model, Run, Scaling, Weights};

use support::{MODELS, expected, first, folder, logits, step};

/// How far a logit may be from the same one of transformers. They are between -6 and 12. In F32 the
/// distance is what rounding x to BF16 costs, in BF16 it is that of two orders of rounding:
/// transformers' own F32 and BF16 are up to 0.09 apart.
const BOUND: f32 = 0.125;

/// Models with a window of 24 tokens in some layers.
const WINDOWED: [&str; 3] = ["gemma3", "mistral", "qwen2"];

fn distance(one: &[Vec<f32>], other: &[Vec<f32>]) -> f32 {
    assert_eq!(one.len(), other.len());
    let pairs = one.iter().flatten().zip(other.iter().flatten());
    pairs.map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
}

/// The largest distance from transformers' logits, in F32 and BF16, over both texts.
fn distances(model: &str, config: Config) -> [f32; 2] {
    let weights = Weights::new(Model::open(folder(model)).unwrap(), Form::Bf16, Choice::best());
    let (decoder, expected) = (Decoder::load(weights, config).unwrap(), expected(model));
    let mut largest = [0.0f32; 2];
    for (text, (f32s, bf16s)) in expected.texts.iter().zip(expected.logits.iter().zip(&expected.logits_bf16)) {
        let found = logits(&decoder, text);
        largest = [largest[0].max(distance(&found, f32s)), largest[1].max(distance(&found, bf16s))];
    }
    largest
}

#[test]
fn logits_of_every_step_are_within_the_bound_of_those_of_transformers() {
    for model in MODELS {
        let [f32s, bf16s] = distances(model, Config::read(&folder(model)).unwrap());
        println!("{model}: {f32s:.4} from F32, {bf16s:.4} from BF16");
        assert!(f32s <= BOUND && bf16s <= BOUND, "{model}: {f32s} from F32, {bf16s} from BF16");
    }
}

#[test]
fn the_tokens_are_those_of_transformers_where_each_step_has_a_clear_first() {
    for model in MODELS {
        let expected = expected(model);
        assert!(expected.least_margin >= 8.0 * BOUND, "{model}: a step has no clear first");
        let decoder = Decoder::open(folder(model), Form::Flat).unwrap();
        let (mut cache, mut text) = (decoder.cache().unwrap(), expected.greedy[..expected.prompt].to_vec());
        let mut logits = step(&decoder, &text, &mut cache);
        while text.len() < expected.greedy.len() {
            text.push(first(&logits));
            logits = step(&decoder, &text[text.len() - 1..], &mut cache);
        }
        assert!(text.len() >= expected.prompt + 64);
        assert_eq!(text, expected.greedy, "{model}");
    }
}

/// A change of the configuration that a reader of config.json could get wrong.
type Mistake = (&'static str, &'static [&'static str], fn(&mut Config));

#[test]
fn every_part_of_the_configuration_moves_logits_past_the_bound() {
    let mistakes: &[Mistake] = &[
        ("base of positions", &MODELS, |c| c.layers.iter_mut().for_each(|layer| layer.rope.theta *= 4.0)),
        ("scaling", &["llama", "llama-biases", "gemma3"], |c| {
            c.layers.iter_mut().for_each(|layer| layer.rope.scaling = Scaling::None);
        }),
        ("window", &WINDOWED, |c| c.layers.iter_mut().for_each(|layer| layer.window = None)),
        ("longer window", &WINDOWED, |c| {
            c.layers.iter_mut().filter_map(|layer| layer.window.as_mut()).for_each(|window| *window += 1);
        }),
        ("order of layers", &["qwen2", "gemma3"], |c| c.layers.rotate_left(1)),
        ("scale of scores", &MODELS, |c| c.score_scale *= 1.1),
        ("biases of q, k and v", &["llama-biases", "qwen2"], |c| c.qkv_bias = false),
        ("bias of the output", &["llama-biases"], |c| c.output_bias = false),
        ("biases of the second half", &["llama-biases"], |c| c.mlp_bias = false),
        ("epsilon", &MODELS, |c| c.epsilon = 1e-2),
    ];
    for (what, models, mistake) in mistakes {
        for model in *models {
            let mut config = Config::read(&folder(model)).unwrap();
            mistake(&mut config);
            let [f32s, _] = distances(model, config);
            assert!(f32s > BOUND, "{model}: {what} makes no difference: {f32s}");
        }
    }
}

#[test]
fn config_json_of_transformers_4_and_5_says_the_same() {
    for model in MODELS {
        let read = |name: &str| {
            let path = folder(model).join(name);
            Config::of_json(&path, &std::fs::read(&path).unwrap()).unwrap()
        };
        assert_eq!(read("config.json"), read("config-4.json"), "{model}");
    }
}

#[test]
fn config_json_is_read_as_python_writes_it() {
    for model in MODELS {
        let path = folder(model).join("config.json");
        let json = std::fs::read_to_string(&path).unwrap();
        let python = format!("\u{feff}{}", json.replacen('{', "{\"a_scale\": [NaN, -Infinity],", 1));
        assert_eq!(
            Config::of_json(&path, python.as_bytes()).unwrap(),
            Config::of_json(&path, json.as_bytes()).unwrap(),
            "{model}"
        );
    }
}

#[test]
fn a_text_has_the_same_logits_at_once_token_by_token_and_beside_others() {
    for model in MODELS {
        let decoder = Decoder::open(folder(model), Form::Flat).unwrap();
        let [one, other] = expected(model).texts;
        let at_once = [logits(&decoder, &one), logits(&decoder, &other)];
        let (mut a, mut b) = (decoder.cache().unwrap(), decoder.cache().unwrap());
        // The second text is one token ahead.
        let ahead = step(&decoder, &other[..1], &mut b);
        assert_eq!(ahead, at_once[1][0], "{model}");
        for at in 0..one.len() - 1 {
            let [one, other] = [&one[at..at + 1], &other[at + 1..at + 2]];
            let mut runs = [Run { tokens: one, cache: &mut a }, Run { tokens: other, cache: &mut b }];
            let found: Vec<Vec<f32>> = decoder.forward(&mut runs).unwrap().to_vec2().unwrap();
            assert!(found[0] == at_once[0][at] && found[1] == at_once[1][at + 1], "{model}, token {at}");
        }
        let end = one.len() - 1;
        match WINDOWED.contains(&model) {
            false => {
                a.truncate(10).unwrap();
                assert_eq!(step(&decoder, &one[10..20], &mut a), at_once[0][19], "{model}: after truncate");
            }
            true => {
                let error = a.truncate(10).unwrap_err().to_string();
                assert!(error.contains("cannot be cut after 10 tokens"), "{model}: {error}");
                assert_eq!(step(&decoder, &one[end..], &mut a), at_once[0][end], "{model}: nothing has changed");
            }
        }
    }
}

#[test]
fn layers_with_a_window_remember_no_more_than_it_and_give_the_same_logits() {
    for model in WINDOWED {
        let config = Config::read(&folder(model)).unwrap();
        let decoder = Decoder::open(folder(model), Form::Flat).unwrap();
        let text = &expected(model).texts[1];
        let at_once = logits(&decoder, text);
        let row = 2 * 2 * config.kv_heads * config.head_dim;
        let rows = |layer: &LayerConfig| layer.window.map_or(config.context, |window| window + 31);
        let most: usize = config.layers.iter().map(|layer| row * rows(layer)).sum();
        // The first part of a text may be longer than a window.
        for part in [1, 7, 40] {
            let mut cache = decoder.cache().unwrap();
            let mut last = 0;
            for part in text.chunks(part) {
                last += part.len();
                assert!(step(&decoder, part, &mut cache) == at_once[last - 1], "{model}, token {last}");
            }
            let longest = row * config.layers.len() * part;
            assert!(cache.bytes() as usize <= most + longest, "{model}: {} of {most}", cache.bytes());
        }
        assert!(most < row * config.layers.len() * config.context, "{model}: a window saves memory");
    }
}

#[test]
fn a_token_that_the_model_lacks_and_a_full_context_are_refused_and_change_nothing() {
    let decoder = Decoder::open(folder("llama"), Form::Bf16).unwrap();
    let mut cache = decoder.cache().unwrap();
    let text: Vec<u32> = (0..128).collect();
    let expected = step(&decoder, &text[..4], &mut decoder.cache().unwrap());
    for (tokens, message) in [
        (&[5, 128][..], "token 128 is not in the vocabulary, which has 128 tokens"),
        (
            &[1; 129],
            "129 tokens do not fit in the context, which ends after 128: give a shorter text, or generate less",
        ),
        (&[], "a run has no tokens"),
    ] {
        let error = decoder.forward(&mut [Run { tokens, cache: &mut cache }]).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(cache.tokens(), 0);
    }
    assert_eq!(step(&decoder, &text[..4], &mut cache), expected);
    step(&decoder, &text[4..], &mut cache);
    assert_eq!(cache.tokens(), 128);
}
