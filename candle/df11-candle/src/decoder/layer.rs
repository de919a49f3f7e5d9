use candle_core::{Module, Result, Tensor};
use candle_nn::rotary_emb::rope_thd;

use super::Run;
use super::cache::Written;
use super::positions::Turns;
use crate::Error;
use crate::config::{Config, Family, LayerConfig};
use crate::linear::{Linear, linears};
use crate::ops::{Activation, Attention, RmsNorm, Sees, attend, gated};
use crate::weights::Weights;

/// One layer: attention, then two matrices up and one down.
#[derive(Debug)]
pub(super) struct Layer {
    before_attention: RmsNorm,
    /// Gemma norms the result of each half before it is added.
    after_attention: Option<RmsNorm>,
    before_mlp: RmsNorm,
    after_mlp: Option<RmsNorm>,
    /// Of each head of queries and of keys.
    head_norms: Option<[RmsNorm; 2]>,
    qkv: [Linear; 3],
    output: Linear,
    gate_up: [Linear; 2],
    down: Linear,
    activation: Activation,
    attention: Attention,
    heads: usize,
}

impl Layer {
    /// Loads the layer whose tensors are named `prefix`, a dot and their own names.
    pub fn load(
        weights: &mut Weights,
        prefix: &str,
        config: &Config,
        layer: &LayerConfig,
    ) -> std::result::Result<Self, Error> {
        let (hidden, head_dim) = (config.hidden, config.head_dim);
        let [queries, keys] = [config.heads, config.kv_heads].map(|heads| heads * head_dim);
        let gemma = config.family == Family::Gemma3;
        let mut norm = |name: &str, elements: usize| {
            let weight = weights.vector(&format!("{prefix}.{name}.weight"), elements)?;
            let make = if gemma { RmsNorm::plus_one } else { RmsNorm::new };
            Ok::<_, Error>(make(weight, config.epsilon))
        };
        let before_attention = norm("input_layernorm", hidden)?;
        let (after_attention, before_mlp, after_mlp) = match gemma {
            false => (None, norm("post_attention_layernorm", hidden)?, None),
            true => (
                Some(norm("post_attention_layernorm", hidden)?),
                norm("pre_feedforward_layernorm", hidden)?,
                Some(norm("post_feedforward_layernorm", hidden)?),
            ),
        };
        let head_norms = match config.family.has_head_norms() {
            true => Some([norm("self_attn.q_norm", head_dim)?, norm("self_attn.k_norm", head_dim)?]),
            false => None,
        };
        let names = ["q_proj", "k_proj", "v_proj"].map(|name| format!("{prefix}.self_attn.{name}"));
        let qkv = linears(weights, &names, [[queries, hidden], [keys, hidden], [keys, hidden]], config.qkv_bias)?;
        let names = [format!("{prefix}.self_attn.o_proj")];
        let [output] = linears(weights, &names, [[hidden, queries]], config.output_bias)?;
        let names = ["gate_proj", "up_proj"].map(|name| format!("{prefix}.mlp.{name}"));
        let gate_up = linears(weights, &names, [[config.intermediate, hidden]; 2], config.mlp_bias)?;
        let names = [format!("{prefix}.mlp.down_proj")];
        let [down] = linears(weights, &names, [[hidden, config.intermediate]], config.mlp_bias)?;
        let (kv_heads, scale) = (config.kv_heads, config.score_scale);
        let sees = layer.window.map_or(Sees::Before, Sees::Window);
        Ok(Self {
            before_attention,
            after_attention,
            before_mlp,
            after_mlp,
            head_norms,
            qkv,
            output,
            gate_up,
            down,
            activation: if gemma { Activation::GeluTanh } else { Activation::Silu },
            attention: Attention { head_dim, kv_heads, first: 0, sees, scale },
            heads: config.heads,
        })
    }

    /// `x` holds the tokens of all runs, one after another.
    pub fn forward(&self, x: &Tensor, index: usize, turns: &Turns, runs: &[Run<'_>]) -> Result<Tensor> {
        let attended = self.attend(&self.before_attention.forward(x)?, index, turns, runs)?;
        let x = (x + normed(&self.after_attention, attended)?)?;
        let [gate, up] = &self.gate_up;
        let both = Linear::forward_all(&[gate, up], &self.before_mlp.forward(&x)?)?;
        let down = self.down.forward(&gated(self.activation, &both[0], &both[1])?)?;
        x + normed(&self.after_mlp, down)?
    }

    fn attend(&self, x: &Tensor, index: usize, turns: &Turns, runs: &[Run<'_>]) -> Result<Tensor> {
        let (tokens, head_dim) = (x.dim(0)?, self.attention.head_dim);
        let [q, k, v] = &self.qkv;
        let all = Linear::forward_all(&[q, k, v], x)?;
        let [mut q, mut k] = [(&all[0], self.heads), (&all[1], self.attention.kv_heads)]
            .map(|(tensor, heads)| tensor.reshape((1, tokens, heads, head_dim)));
        if let Some([q_norm, k_norm]) = &self.head_norms {
            (q, k) = (q_norm.forward(&q?), k_norm.forward(&k?));
        }
        let [q, k] = [q?, k?].map(|tensor| rope_thd(&tensor, &turns.cos, &turns.sin)?.squeeze(0));
        let (q, k, v) = (q?, k?, all[2].reshape((tokens, self.attention.kv_heads, head_dim))?);
        let mut results = Vec::with_capacity(runs.len());
        let mut start = 0;
        for Run { tokens, cache } in runs {
            let own = |tensor: &Tensor| tensor.narrow(0, start, tokens.len());
            let Written { keys, values, row } = cache.write(index, &own(&k)?, &own(&v)?)?;
            let attention = Attention { first: row, ..self.attention };
            results.push(attend(attention, &own(&q)?, keys, values)?);
            start += tokens.len();
        }
        self.output.forward(&Tensor::cat(&results, 0)?)
    }
}

fn normed(norm: &Option<RmsNorm>, x: Tensor) -> Result<Tensor> {
    norm.as_ref().map_or(Ok(x.clone()), |norm| norm.forward(&x))
}
