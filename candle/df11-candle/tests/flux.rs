//! Blocks of a diffusion transformer, FLUX, built from `Linear`: a double and a single one have the
//! same bits from every form, and compute what diffusers computes (vectors/README.md).

#[allow(dead_code)]
mod support;

use std::collections::HashMap;
use std::path::Path;

use candle_core::{D, DType, Device, Module, Result, Tensor};
use candle_nn::ops::softmax_last_dim;
use candle_nn::rotary_emb::rope_i;
use df11_candle::{Choice, Form, Linear, Model, Weights};
use support::{compressed, folder};

const HEADS: usize = 2;
const HEAD_DIM: usize = 32;
const HIDDEN: usize = HEADS * HEAD_DIM;
const MIDDLE: usize = 4 * HIDDEN;
const EPSILON: f64 = 1e-6;
/// How far an element may be from diffusers' F32: they are between -8 and 8, and x is rounded to
/// BF16 before each product.
const BOUND: f32 = 0.125;

/// The weights of a block.
struct Block<'a> {
    weights: &'a mut Weights,
    path: &'static str,
}

impl Block<'_> {
    /// `x W^T + bias`, in F32.
    fn linear(&mut self, name: &str, x: &Tensor, rows: usize) -> Result<Tensor> {
        let name = format!("{}.{name}", self.path);
        let matrix = self.weights.matrix(&format!("{name}.weight"), [rows, x.dim(D::Minus1)?])?;
        let bias = self.weights.vector(&format!("{name}.bias"), rows)?;
        Linear::new(matrix).with_bias(bias)?.with_f32_output().forward(&x.to_dtype(DType::BF16)?)
    }

    /// Shifts, scales and gates by the time, `parts` of them.
    fn modulation<const PARTS: usize>(&mut self, name: &str, time: &Tensor) -> Result<[Tensor; PARTS]> {
        let all = self.linear(name, &time.silu()?.unsqueeze(0)?, PARTS * HIDDEN)?;
        Ok(all.chunk(PARTS, 1)?.try_into().unwrap())
    }

    /// Queries or keys, normed and turned, or values: `[heads, tokens, head_dim]`.
    fn heads(&mut self, name: &str, norm: Option<&str>, x: &Tensor) -> Result<Tensor> {
        let x = self.linear(name, x, HIDDEN)?.reshape(((), HEADS, HEAD_DIM))?;
        let x = match norm {
            None => x,
            Some(norm) => {
                let weight = self.weights.vector(&format!("{}.{norm}.weight", self.path), HEAD_DIM)?;
                let squares = (x.sqr()?.mean_keepdim(2)? + EPSILON)?.sqrt()?;
                x.broadcast_div(&squares)?.broadcast_mul(&Tensor::new(weight, &Device::Cpu)?)?
            }
        };
        x.transpose(0, 1)?.contiguous()
    }
}

fn norm(x: &Tensor) -> Result<Tensor> {
    let x = x.broadcast_sub(&x.mean_keepdim(1)?)?;
    x.broadcast_div(&(x.sqr()?.mean_keepdim(1)? + EPSILON)?.sqrt()?)
}

fn modulated(x: &Tensor, shift: &Tensor, scale: &Tensor) -> Result<Tensor> {
    x.broadcast_mul(&(scale + 1.0)?)?.broadcast_add(shift)
}

/// `[tokens, hidden]`.
fn attention([q, k, v]: [Tensor; 3], angles: &Tensor) -> Result<Tensor> {
    let turned = |x: Tensor| rope_i(&x.unsqueeze(0)?, &angles.cos()?, &angles.sin()?)?.squeeze(0);
    let scores = (turned(q)?.matmul(&turned(k)?.t()?)? / (HEAD_DIM as f64).sqrt())?;
    softmax_last_dim(&scores)?.matmul(&v)?.transpose(0, 1)?.reshape(((), HIDDEN))
}

struct Inputs {
    patches: Tensor,
    words: Tensor,
    time: Tensor,
    angles: Tensor,
}

/// Words and patches have weights of their own, and attend to one another.
fn double(block: &mut Block<'_>, x: &Inputs) -> Result<[Tensor; 2]> {
    let [shift, scale, gate, shift_mlp, scale_mlp, gate_mlp] = block.modulation("norm1.linear", &x.time)?;
    let [w_shift, w_scale, w_gate, w_shift_mlp, w_scale_mlp, w_gate_mlp] =
        block.modulation("norm1_context.linear", &x.time)?;
    let patches = modulated(&norm(&x.patches)?, &shift, &scale)?;
    let words = modulated(&norm(&x.words)?, &w_shift, &w_scale)?;
    let mut both = |word: (&str, Option<&str>), patch: (&str, Option<&str>)| {
        let words = block.heads(word.0, word.1, &words)?;
        Tensor::cat(&[words, block.heads(patch.0, patch.1, &patches)?], 1)
    };
    let qkv = [
        both(("attn.add_q_proj", Some("attn.norm_added_q")), ("attn.to_q", Some("attn.norm_q")))?,
        both(("attn.add_k_proj", Some("attn.norm_added_k")), ("attn.to_k", Some("attn.norm_k")))?,
        both(("attn.add_v_proj", None), ("attn.to_v", None))?,
    ];
    let attended = attention(qkv, &x.angles)?;
    let count = x.words.dim(0)?;
    let (of_words, of_patches) = (attended.narrow(0, 0, count)?, attended.narrow(0, count, x.patches.dim(0)?)?);
    let mut half = |x: &Tensor, attended, output: &str, gate, [shift, scale, gate_mlp]: [&Tensor; 3], ff: &str| {
        let x = (x + block.linear(output, attended, HIDDEN)?.broadcast_mul(gate)?)?;
        let middle = block.linear(&format!("{ff}.net.0.proj"), &modulated(&norm(&x)?, shift, scale)?, MIDDLE)?;
        &x + block.linear(&format!("{ff}.net.2"), &middle.gelu()?, HIDDEN)?.broadcast_mul(gate_mlp)?
    };
    let mlp = [&w_shift_mlp, &w_scale_mlp, &w_gate_mlp];
    let words = half(&x.words, &of_words, "attn.to_add_out", &w_gate, mlp, "ff_context")?;
    let mlp = [&shift_mlp, &scale_mlp, &gate_mlp];
    let patches = half(&x.patches, &of_patches, "attn.to_out.0", &gate, mlp, "ff")?;
    Ok([words, patches])
}

/// Words and patches are one sequence; attention and the other half run side by side.
fn single(block: &mut Block<'_>, x: &Inputs) -> Result<[Tensor; 2]> {
    let all = Tensor::cat(&[&x.words, &x.patches], 0)?;
    let [shift, scale, gate] = block.modulation("norm.linear", &x.time)?;
    let normed = modulated(&norm(&all)?, &shift, &scale)?;
    let middle = block.linear("proj_mlp", &normed, MIDDLE)?.gelu()?;
    let qkv = [
        block.heads("attn.to_q", Some("attn.norm_q"), &normed)?,
        block.heads("attn.to_k", Some("attn.norm_k"), &normed)?,
        block.heads("attn.to_v", None, &normed)?,
    ];
    let both = Tensor::cat(&[attention(qkv, &x.angles)?, middle], 1)?;
    let all = (&all + block.linear("proj_out", &both, HIDDEN)?.broadcast_mul(&gate)?)?;
    let count = x.words.dim(0)?;
    Ok([all.narrow(0, 0, count)?, all.narrow(0, count, x.patches.dim(0)?)?])
}

/// Words and patches after each block, double then single.
fn run(files: &Path, form: Form, level: &str, x: &Inputs) -> [Tensor; 4] {
    let mut weights = Weights::new(Model::open(files).unwrap(), form, Choice::named(level).unwrap());
    let [a, b] = double(&mut Block { weights: &mut weights, path: "transformer_blocks.0" }, x).unwrap();
    let [c, d] = single(&mut Block { weights: &mut weights, path: "single_transformer_blocks.0" }, x).unwrap();
    [a, b, c, d]
}

#[test]
fn blocks_of_flux_have_the_same_bits_from_every_form_and_are_those_of_diffusers() {
    let expected: HashMap<String, Tensor> =
        candle_core::safetensors::load(folder("flux").join("expected.safetensors"), &Device::Cpu).unwrap();
    let input = |name: &str| expected[name].to_dtype(DType::F32).unwrap();
    let x = Inputs { patches: input("patches"), words: input("words"), time: input("time"), angles: input("angles") };
    let coded = compressed("flux");
    let mut first = None;
    for form in Form::ALL {
        for files in [folder("flux"), coded.path().join("df11")] {
            for level in Choice::list().iter().filter(|listing| listing.available.is_ok()) {
                let found = run(&files, form, level.name, &x);
                let bits = found.each_ref().map(|tensor| {
                    let all = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                    all.into_iter().map(f32::to_bits).collect::<Vec<_>>()
                });
                let first = first.get_or_insert_with(|| bits.clone());
                assert!(*first == bits, "{form}, {}, {}", level.name, files.display());
                let names = ["transformer_blocks.0", "single_transformer_blocks.0"];
                let names = names.iter().flat_map(|block| ["words", "patches"].map(|part| format!("{block}.{part}")));
                for (name, found) in names.zip(&found) {
                    let apart = (found - &expected[&name]).unwrap().abs().unwrap().max_all().unwrap();
                    let apart = apart.to_scalar::<f32>().unwrap();
                    assert!(apart < BOUND, "{name}: {apart}");
                }
            }
        }
    }
}
