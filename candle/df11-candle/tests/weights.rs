//! Matrices have the same products and the same rows from every form, on every level, from a
//! DFloat11 model and from the BF16 model that it was made of.

use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Module, Tensor};
use df11_candle::{Choice, Embedding, Error, Form, Linear, Model, Weights, var_builder};

const Q: (&str, [usize; 2]) = ("model.layers.1.self_attn.q_proj.weight", [96, 96]);
const K: (&str, [usize; 2]) = ("model.layers.1.self_attn.k_proj.weight", [48, 96]);
const EMBEDDING: (&str, [usize; 2]) = ("model.embed_tokens.weight", [777, 96]);

fn fixture(form: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/official/llama-sharded").join(form)
}

/// Every way to hold the weights: form, files and level.
fn every_way(mut check: impl FnMut(&str, Weights)) {
    let mut ways = 0;
    for form in Form::ALL {
        for files in ["df11", "bf16"] {
            for listing in Choice::list().iter().filter(|listing| listing.available.is_ok()) {
                let backend = Choice::named(listing.name).unwrap();
                let weights = Weights::new(Model::open(fixture(files)).unwrap(), form, backend);
                check(&format!("{form} from {files} by {}", listing.name), weights);
                ways += 1;
            }
        }
    }
    assert!(ways >= 6, "no level is left out");
}

fn x(vectors: usize, columns: usize) -> Tensor {
    let x: Vec<f32> = (0..vectors * columns).map(|i| (i as f32 * 0.37).sin()).collect();
    Tensor::from_vec(x, (vectors, columns), &Device::Cpu).unwrap().to_dtype(DType::BF16).unwrap()
}

fn floats(tensor: &Tensor) -> Vec<u32> {
    let all = tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap();
    all.to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

/// A tensor as candle has it, from the BF16 file.
fn tensor(name: &str) -> Tensor {
    candle_core::safetensors::load(fixture("bf16").join("model.safetensors"), &Device::Cpu).unwrap()[name].clone()
}

#[test]
fn products_have_the_same_bits_from_every_form_and_are_those_of_f64_within_rounding() {
    let x = x(3, 96);
    let wide = |t: &Tensor| t.to_dtype(DType::F64).unwrap();
    let bias: Vec<f32> = (0..96).map(|row| row as f32 * 0.01).collect();
    let exact = wide(&x).matmul(&wide(&tensor(Q.0)).t().unwrap()).unwrap();
    let exact = exact.broadcast_add(&wide(&Tensor::new(&bias[..], &Device::Cpu).unwrap())).unwrap();
    let mut first = None;
    every_way(|way, mut weights| {
        let [q, k]: [_; 2] = weights.matrices(&[Q, K]).unwrap().try_into().unwrap();
        let q = Linear::new(q).with_bias(bias.clone()).unwrap().with_f32_output();
        let k = Linear::new(k).with_f32_output();
        let found = Linear::forward_all(&[&q, &k], &x).unwrap();
        assert_eq!([found[0].dims(), found[1].dims()], [[3, 96], [3, 48]], "{way}");
        let error = (wide(&found[0]) - &exact).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f64>().unwrap();
        assert!(error < 1e-5, "{way}: {error}");
        let all = [floats(&found[0]), floats(&found[1])];
        assert_eq!(first.get_or_insert_with(|| all.clone()), &all, "{way}");
        assert_eq!(floats(&q.forward(&x.narrow(0, 1, 1).unwrap()).unwrap()), all[0][96..192], "{way}: one vector");
        let batch = x.reshape((1, 3, 96)).unwrap();
        assert_eq!(q.forward(&batch).unwrap().dims(), [1, 3, 96], "{way}");
    });
}

#[test]
fn rows_are_those_of_the_file_from_every_form() {
    let tokens = [5u32, 776, 0, 5];
    let expected = tensor(EMBEDDING.0).index_select(&Tensor::new(&tokens, &Device::Cpu).unwrap(), 0).unwrap();
    every_way(|way, mut weights| {
        let embedding = Embedding::new(weights.matrix(EMBEDDING.0, EMBEDDING.1).unwrap());
        assert_eq!(floats(&embedding.rows(&tokens).unwrap()), floats(&expected), "{way}");
        let ids = Tensor::new(&[tokens], &Device::Cpu).unwrap();
        assert_eq!(embedding.forward(&ids).unwrap().dims(), [1, 4, 96], "{way}");
        let error = embedding.rows(&[777]).unwrap_err().to_string();
        assert_eq!(error, "token 777 is not in the vocabulary, which has 777 tokens");
    });
}

#[test]
fn resident_bytes_are_smallest_compressed() {
    let bytes = |form| {
        let mut weights = Weights::open(fixture("df11"), form).unwrap();
        weights.matrix(EMBEDDING.0, EMBEDDING.1).unwrap();
        weights.resident_bytes() as f64 / (2 * 777 * 96) as f64
    };
    assert_eq!(bytes(Form::Bf16), 1.0);
    assert!((0.60..0.72).contains(&bytes(Form::Df11)), "{}", bytes(Form::Df11));
    // rows of 96 take two groups of 64
    assert!((0.99..1.01).contains(&bytes(Form::Flat)), "{}", bytes(Form::Flat));
}

#[test]
fn a_unit_is_counted_and_held_once_for_all_its_matrices() {
    for form in [Form::Df11, Form::Flat] {
        let mut weights = Weights::open(fixture("df11"), form).unwrap();
        let q = weights.matrix(Q.0, Q.1).unwrap();
        let once = weights.resident_bytes();
        let k = weights.matrix(K.0, K.1).unwrap();
        assert!(once > 0 && weights.resident_bytes() == once, "{form}: both are in one unit");
        weights.matrix(EMBEDDING.0, EMBEDDING.1).unwrap();
        let more = weights.resident_bytes();
        weights.matrix(Q.0, Q.1).unwrap();
        assert!(more > once && weights.resident_bytes() == more, "{form}");
        drop((q, k));
    }
}

#[test]
fn another_shape_dtype_or_name_is_refused_by_name() {
    let mut weights = Weights::open(fixture("df11"), Form::Flat).unwrap();
    let error = weights.matrix(Q.0, [48, 192]).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");
    assert!(error.to_string().contains(Q.0), "{error}");
    let error = weights.matrix("model.none.weight", [1, 1]).unwrap_err().to_string();
    assert!(error.contains("model.none.weight"), "{error}");
    let q = Linear::new(weights.matrix(Q.0, Q.1).unwrap());
    for (x, why) in [(x(1, 96).to_dtype(DType::F32).unwrap(), "BF16"), (x(1, 95), "columns")] {
        let error = q.forward(&x).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    let error = q.with_bias(vec![0.0; 95]).unwrap_err().to_string();
    assert!(error.contains("bias"), "{error}");
}

#[test]
fn a_var_builder_gives_the_tensors_of_the_bf16_file() {
    let expected = candle_core::safetensors::load(fixture("bf16").join("model.safetensors"), &Device::Cpu).unwrap();
    assert!(expected.len() > 10);
    for files in ["df11", "bf16"] {
        let model = Model::open(fixture(files)).unwrap();
        let builder = var_builder(model, Choice::best(), DType::BF16, &Device::Cpu);
        for (name, tensor) in &expected {
            assert!(builder.contains_tensor(name), "{name}");
            let found = builder.get(tensor.dims(), name).unwrap();
            assert_eq!((found.dtype(), floats(&found)), (DType::BF16, floats(tensor)), "{name}");
        }
        assert!(!builder.contains_tensor("model.none.weight"));
        let error = builder.get((1, 2), Q.0).unwrap_err().to_string();
        assert!(error.contains(Q.0) && error.contains("[96, 96]"), "{error}");
    }
}
