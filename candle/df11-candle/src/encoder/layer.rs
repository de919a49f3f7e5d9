use candle_core::{Module, Tensor};

use crate::Error;
use crate::config::EncoderConfig;
use crate::linear::{Linear, linears};
use crate::ops::{Activation, Attention, LayerNorm, Sees, activated, attend};
use crate::weights::Weights;

/// One layer: attention, then a matrix up and one down. Each half is added to its input, then
/// normed.
#[derive(Debug)]
pub(super) struct Layer {
    qkv: [Linear; 3],
    output: Linear,
    after_attention: LayerNorm,
    up: Linear,
    down: Linear,
    after_mlp: LayerNorm,
    activation: Activation,
    attention: Attention,
}

impl Layer {
    /// Loads the layer whose tensors are named `prefix`, a dot and their own names.
    pub fn load(weights: &mut Weights, prefix: &str, config: &EncoderConfig) -> Result<Self, Error> {
        let (hidden, intermediate, heads) = (config.hidden, config.intermediate, config.heads);
        let names = ["query", "key", "value"].map(|name| format!("{prefix}.attention.self.{name}"));
        let qkv = linears(weights, &names, [[hidden, hidden]; 3], true)?;
        let mut one = |name: &str, shape| {
            let [linear] = linears(weights, &[format!("{prefix}.{name}")], [shape], true)?;
            Ok::<_, Error>(linear)
        };
        let output = one("attention.output.dense", [hidden, hidden])?;
        let up = one("intermediate.dense", [intermediate, hidden])?;
        let down = one("output.dense", [hidden, intermediate])?;
        let head_dim = hidden / heads;
        let scale = 1.0 / libm::sqrtf(head_dim as f32);
        Ok(Self {
            qkv,
            output,
            after_attention: norm(weights, &format!("{prefix}.attention.output.LayerNorm"), config)?,
            up,
            down,
            after_mlp: norm(weights, &format!("{prefix}.output.LayerNorm"), config)?,
            activation: config.activation,
            attention: Attention { head_dim, kv_heads: heads, first: 0, sees: Sees::All, scale },
        })
    }

    /// `x` holds the tokens of all texts, one after another.
    pub fn forward(&self, x: &Tensor, texts: &[&[u32]]) -> candle_core::Result<Tensor> {
        let attended = self.output.forward(&self.attend(x, texts)?)?;
        let x = self.after_attention.forward(&(attended + x)?)?;
        let down = self.down.forward(&activated(self.activation, &self.up.forward(&x)?)?)?;
        self.after_mlp.forward(&(down + x)?)
    }

    fn attend(&self, x: &Tensor, texts: &[&[u32]]) -> candle_core::Result<Tensor> {
        let [q, k, v] = &self.qkv;
        let all = Linear::forward_all(&[q, k, v], x)?;
        let shape = (x.dim(0)?, self.attention.kv_heads, self.attention.head_dim);
        let (q, k, v) = (all[0].reshape(shape)?, all[1].reshape(shape)?, all[2].reshape(shape)?);
        let mut results = Vec::with_capacity(texts.len());
        let mut start = 0;
        for text in texts {
            let own = |tensor: &Tensor| tensor.narrow(0, start, text.len());
            results.push(attend(self.attention, &own(&q)?, &own(&k)?, &own(&v)?)?);
            start += text.len();
        }
        Tensor::cat(&results, 0)
    }
}

/// The norm whose tensors are named `prefix`, a dot, and weight or bias.
pub(super) fn norm(weights: &mut Weights, prefix: &str, config: &EncoderConfig) -> Result<LayerNorm, Error> {
    let weight = weights.vector(&format!("{prefix}.weight"), config.hidden)?;
    let bias = weights.vector(&format!("{prefix}.bias"), config.hidden)?;
    Ok(LayerNorm::new(weight, bias, config.epsilon))
}
