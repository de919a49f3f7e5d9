//! Encoders compute what transformers computes with the same files (vectors/README.md), with the
//! same bits in every form.

#[allow(dead_code)]
mod support;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use df11_candle::{Activation, Choice, Encoder, EncoderConfig, Error, Form, Model, Pooling, PoolingMode, Weights};
use serde_json::{Value, json};
use support::{compressed, compressed_from, folder};

/// How far an element of a token's vector may be from the one of transformers: they are between
/// -4 and 4. transformers' own F32 and BF16 are up to 0.033 apart.
const BOUND: f32 = 0.0625;
/// The same of a text's vector, which has the length 1.
const MEAN_BOUND: f32 = 0.004;

fn expected(model: &str) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(folder(model).join("expected.safetensors"), &Device::Cpu).unwrap()
}

fn encoder(files: &Path, form: Form, level: &str) -> Encoder {
    let weights = Weights::new(Model::open(files).unwrap(), form, Choice::named(level).unwrap());
    Encoder::load(weights, EncoderConfig::read(files).unwrap()).unwrap()
}

fn texts(expected: &HashMap<String, Tensor>) -> [Vec<u32>; 2] {
    [0, 1].map(|text| expected[&format!("text.{text}")].to_vec1().unwrap())
}

/// The largest distance of two tensors' elements.
fn distance(one: &Tensor, other: &Tensor) -> f32 {
    let wide = |t: &Tensor| t.to_dtype(DType::F32).unwrap();
    assert_eq!(one.dims(), other.dims());
    (wide(one) - wide(other)).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap()
}

fn distance_of(vectors: &[f32], tensor: &Tensor) -> f32 {
    distance(&Tensor::new(vectors, &Device::Cpu).unwrap(), tensor)
}

/// The largest distance from transformers' vectors in F32 and BF16, over both texts.
fn distances(config: EncoderConfig) -> [f32; 2] {
    let expected = expected("bert");
    let weights = Weights::new(Model::open(folder("bert")).unwrap(), Form::Bf16, Choice::best());
    let encoder = Encoder::load(weights, config).unwrap();
    let mut largest = [0.0f32; 2];
    for (number, text) in texts(&expected).iter().enumerate() {
        let found = encoder.forward(&[text]).unwrap();
        for (largest, dtype) in largest.iter_mut().zip(["float32", "bfloat16"]) {
            *largest = largest.max(distance(&found, &expected[&format!("vectors.{number}.{dtype}")]));
        }
    }
    largest
}

#[test]
fn vectors_of_tokens_are_within_the_bound_of_those_of_transformers() {
    let [f32s, bf16s] = distances(EncoderConfig::read(&folder("bert")).unwrap());
    println!("{f32s:.4} from F32, {bf16s:.4} from BF16");
    assert!(f32s <= BOUND && bf16s <= BOUND, "{f32s} from F32, {bf16s} from BF16");
}

/// A change of the configuration that a reader of config.json could get wrong.
type Mistake = (&'static str, fn(&mut EncoderConfig));

#[test]
fn every_part_of_the_configuration_moves_vectors_past_the_bound() {
    let mistakes: [Mistake; 4] = [
        ("activation", |c| c.activation = Activation::Silu),
        ("heads", |c| c.heads = 2),
        ("layers", |c| c.layers = 1),
        ("epsilon", |c| c.epsilon = 0.1),
    ];
    for (what, mistake) in mistakes {
        let mut config = EncoderConfig::read(&folder("bert")).unwrap();
        mistake(&mut config);
        let [f32s, _] = distances(config);
        assert!(f32s > BOUND, "{what} makes no difference: {f32s}");
    }
}

#[test]
fn every_form_level_and_number_of_threads_gives_the_same_bits_alone_and_together() {
    let coded = compressed("bert");
    let texts = texts(&expected("bert"));
    let (mut first, mut ways) = (None, 0);
    for form in Form::ALL {
        for files in [folder("bert"), coded.path().join("df11")] {
            for level in Choice::list().iter().filter(|listing| listing.available.is_ok()) {
                let encoder = encoder(&files, form, level.name);
                for threads in [1, 2] {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    let bits = |texts: &[&[u32]]| {
                        let vectors = pool.install(|| encoder.embed(texts, Pooling::default()).unwrap());
                        vectors.concat().into_iter().map(f32::to_bits).collect::<Vec<_>>()
                    };
                    let together = bits(&[&texts[0], &texts[1]]);
                    assert_eq!(together, [bits(&[&texts[0]]), bits(&[&texts[1]])].concat(), "alone");
                    let way = format!("{form}, {}, {threads} threads, {}", level.name, files.display());
                    assert_eq!(first.get_or_insert_with(|| together.clone()), &together, "{way}");
                    ways += 1;
                }
            }
        }
    }
    assert!(ways >= 3 * 2 * 2, "no way is left out");
}

#[test]
fn a_vector_of_a_text_is_pooled_and_normalized_as_asked() {
    let expected = expected("bert");
    let encoder = Encoder::open(folder("bert"), Form::Flat).unwrap();
    for (number, text) in texts(&expected).iter().enumerate() {
        let embed = |mode, normalized| encoder.embed(&[text], Pooling { mode, normalized }).unwrap().swap_remove(0);
        let mean = embed(PoolingMode::Mean, true);
        let apart = distance_of(&mean, &expected[&format!("mean.{number}.float32")]);
        assert!(apart <= MEAN_BOUND, "{apart}");
        let vectors = encoder.forward(&[text]).unwrap().to_dtype(DType::F32).unwrap();
        assert_eq!(embed(PoolingMode::First, false), vectors.get(0).unwrap().to_vec1::<f32>().unwrap());
        assert_eq!(embed(PoolingMode::Max, false), vectors.max(0).unwrap().to_vec1::<f32>().unwrap());
        let length = |vector: &[f32]| vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!((length(&mean) - 1.0).abs() < 1e-6 && (length(&embed(PoolingMode::Mean, false)) - 1.0).abs() > 0.01);
    }
}

#[test]
fn pooling_is_read_from_the_files_of_sentence_transformers() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Pooling::read(folder.path()).unwrap(), None);
    let write = |name: &str, value: Value| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, value.to_string()).unwrap();
    };
    let module = |kind: &str, path: &str| json!({ "idx": 0, "path": path, "type": format!("some.models.{kind}") });
    let modules = |kinds: &[Value]| write("modules.json", kinds.to_vec().into());
    let [transformer, pooling, normalize] =
        [module("Transformer", ""), module("Pooling", "1_Pooling"), module("Normalize", "2_Normalize")];
    modules(&[transformer.clone(), pooling.clone(), normalize.clone()]);
    write("1_Pooling/config.json", json!({ "pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true }));
    assert_eq!(Pooling::read(folder.path()).unwrap(), Some(Pooling { mode: PoolingMode::Mean, normalized: true }));
    modules(&[transformer.clone(), pooling.clone()]);
    write("1_Pooling/config.json", json!({ "pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false }));
    assert_eq!(Pooling::read(folder.path()).unwrap(), Some(Pooling { mode: PoolingMode::First, normalized: false }));
    write("1_Pooling/config.json", json!({ "pooling_mode": "max" }));
    assert_eq!(Pooling::read(folder.path()).unwrap().unwrap().mode, PoolingMode::Max);
    let refused = || Pooling::read(folder.path()).unwrap_err().to_string();
    for wrong in [
        json!({ "pooling_mode_weightedmean_tokens": true }),
        json!({ "pooling_mode_cls_token": true, "pooling_mode_mean_tokens": true }),
        json!({}),
    ] {
        write("1_Pooling/config.json", wrong);
        assert!(refused().contains("one of mean, cls and max is expected"), "{}", refused());
    }
    modules(&[transformer.clone(), pooling, module("Dense", "2_Dense"), normalize]);
    write("1_Pooling/config.json", json!({ "pooling_mode": "mean" }));
    assert!(refused().contains("some.models.Dense"), "{}", refused());
    modules(&[transformer]);
    assert!(refused().contains("there is no Pooling"), "{}", refused());
}

#[test]
fn what_does_not_run_is_refused() {
    let encoder = Encoder::open(folder("bert"), Form::Bf16).unwrap();
    for (text, message) in [
        (&[5, 128][..], "token 128 is not in the vocabulary, which has 128 tokens"),
        (&[1; 65], "65 tokens do not fit in the context, which ends after 64: give a shorter text, or generate less"),
        (&[], "a text has no tokens"),
    ] {
        assert_eq!(encoder.forward(&[&[1, 2], text]).unwrap_err().to_string(), message);
    }
    assert!(matches!(Encoder::open(folder("llama"), Form::Bf16), Err(Error::Architecture { .. })));
}

/// `DF11_MINILM` names the file of all-MiniLM-L6-v2 in BF16.
#[test]
fn minilm_gives_100_sentences_the_vectors_of_transformers_with_the_same_bits_in_every_form() {
    let Some(weights) = std::env::var_os("DF11_MINILM").map(PathBuf::from) else {
        println!("skipped: DF11_MINILM does not name all-MiniLM-L6-v2 in BF16");
        return;
    };
    let coded = compressed_from(&folder("minilm").join("config.json"), &weights);
    let expected = expected("minilm");
    let mut tokens = expected["tokens"].to_vec1::<u32>().unwrap();
    let lengths = expected["lengths"].to_vec1::<u32>().unwrap();
    let texts: Vec<Vec<u32>> = lengths.iter().map(|&length| tokens.drain(..length as usize).collect()).collect();
    let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
    assert_eq!((texts.len(), tokens.len()), (100, 0));
    let [df11, flat, bf16] = Form::ALL.map(|form| {
        let encoder = Encoder::open(coded.path().join("df11"), form).unwrap();
        let vectors = encoder.embed(&texts, Pooling::default()).unwrap();
        (vectors, encoder.resident_bytes())
    });
    assert!(df11.0 == flat.0 && flat.0 == bf16.0, "the bits differ");
    assert!(df11.1 < flat.1 && flat.1 < bf16.1, "{} {} {}", df11.1, flat.1, bf16.1);
    let apart = distance(&Tensor::new(bf16.0, &Device::Cpu).unwrap(), &expected["mean"]);
    println!("{apart:.5} from transformers; bytes of df11, flat, bf16: {} {} {}", df11.1, flat.1, bf16.1);
    assert!(apart <= MEAN_BOUND, "{apart}");
}
