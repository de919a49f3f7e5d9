//! Rotary positions: how fast each pair of elements turns.

use super::fields::Fields;
use crate::Error;

/// The frequencies of one kind of layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rope {
    /// The base of the frequencies.
    pub theta: f64,
    /// How they are changed for a longer context.
    pub scaling: Scaling,
}

/// How frequencies are changed for a longer context.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scaling {
    /// They are not.
    None,
    /// All are divided by `factor`.
    Linear {
        /// The context is this many times longer.
        factor: f64,
    },
    /// Llama 3.1: slow ones are divided, fast ones stay, those between are mixed.
    Llama3 {
        /// The context is this many times longer.
        factor: f64,
        /// Waves longer than the original context divided by this are slow.
        low: f64,
        /// Waves shorter than the original context divided by this are fast.
        high: f64,
        /// Tokens of the original context.
        context: f64,
    },
}

const KNOWN: &str = "only the types default, linear and llama3 run here";

impl Rope {
    /// Reads `rope_parameters` as transformers 5 writes it, or `rope_theta` and `rope_scaling` as
    /// transformers 4 does. `kind` is that of the layer; `local` says that transformers 4 has the
    /// base of such layers in a field of its own and never scales them.
    pub(super) fn read(fields: Fields<'_>, kind: &'static str, local: bool, theta: f64) -> Result<Self, Error> {
        if let Some(parameters) = fields.object("rope_parameters")? {
            let parameters = parameters.object(kind)?.unwrap_or(parameters);
            let theta = parameters.number("rope_theta")?.or(fields.number("rope_theta")?).unwrap_or(theta);
            return Ok(Self { theta, scaling: Scaling::read(parameters)? });
        }
        if local {
            return Ok(Self { theta: fields.number("rope_local_base_freq")?.unwrap_or(theta), scaling: Scaling::None });
        }
        let scaling = fields.object("rope_scaling")?.map_or(Ok(Scaling::None), Scaling::read)?;
        Ok(Self { theta: fields.number("rope_theta")?.unwrap_or(theta), scaling })
    }

    /// The angle by which each pair of elements of a head turns from one position to the next.
    pub(crate) fn frequencies(&self, head_dim: usize) -> Vec<f32> {
        let base = |pair: usize| 1.0 / libm::pow(self.theta, (2 * pair) as f64 / head_dim as f64);
        (0..head_dim / 2).map(|pair| self.scaling.of(base(pair)) as f32).collect()
    }
}

impl Scaling {
    fn read(fields: Fields<'_>) -> Result<Self, Error> {
        fields.must_be_absent("partial_rotary_factor")?;
        let needed = |name: &str| fields.number(name)?.ok_or_else(|| fields.wrong(name, "it is missing"));
        match fields.text("rope_type")?.or(fields.text("type")?) {
            None | Some("default") => Ok(Self::None),
            Some("linear") => Ok(Self::Linear { factor: needed("factor")? }),
            Some("llama3") => Ok(Self::Llama3 {
                factor: needed("factor")?,
                low: needed("low_freq_factor")?,
                high: needed("high_freq_factor")?,
                context: needed("original_max_position_embeddings")?,
            }),
            Some(other) => Err(fields.wrong("rope_type", format!("{other:?}: {KNOWN}"))),
        }
    }

    fn of(self, frequency: f64) -> f64 {
        match self {
            Self::None => frequency,
            Self::Linear { factor } => frequency / factor,
            Self::Llama3 { factor, low, high, context } => {
                let waves = context * frequency / (2.0 * std::f64::consts::PI);
                if waves < low {
                    frequency / factor
                } else if waves > high {
                    frequency
                } else {
                    let fast = (waves - low) / (high - low);
                    (1.0 - fast) * frequency / factor + fast * frequency
                }
            }
        }
    }
}
