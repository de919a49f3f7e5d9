//! From the vectors of a text's tokens to one vector, as the files of sentence-transformers say.
//!
//! ```text
//! modules.json             Transformer, Pooling, Normalize: what happens, in this order
//! 1_Pooling/config.json    which mode
//! ```

use std::path::Path;

use serde_json::Value;

use crate::Error;
use crate::config::Fields;
use crate::files::{read_json, read_json_if_there};

/// How a text's vector is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pooling {
    /// Which vectors count.
    pub mode: PoolingMode,
    /// Whether the vector is divided by its length.
    pub normalized: bool,
}

/// Which of the vectors of a text's tokens count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolingMode {
    /// The mean of all.
    Mean,
    /// The first one alone.
    First,
    /// The largest of each element.
    Max,
}

impl PoolingMode {
    const ALL: [Self; 3] = [Self::Mean, Self::First, Self::Max];

    /// The name in the files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::First => "cls",
            Self::Max => "max",
        }
    }
}

/// What the models that are most in use have, for a folder without these files.
impl Default for Pooling {
    fn default() -> Self {
        Self { mode: PoolingMode::Mean, normalized: true }
    }
}

impl Pooling {
    /// Reads what the model in `folder` says. `None` if it says nothing.
    ///
    /// # Errors
    /// `File`; `Config` for a step that is not known here.
    pub fn read(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join("modules.json");
        let Some(modules) = read_json_if_there(&path)? else { return Ok(None) };
        let wrong = |field: String, reason: String| Error::Config { path: path.clone(), field, reason };
        let modules = modules.as_array().ok_or_else(|| wrong("modules".into(), "a list is expected".into()))?;
        let (mut mode, mut normalized) = (None, false);
        for (index, module) in modules.iter().enumerate() {
            let kind = module["type"].as_str().unwrap_or_default();
            match kind.rsplit('.').next() {
                Some("Transformer") => {}
                Some("Pooling") if mode.is_none() && !normalized => mode = Some(pooling_mode(folder, module)?),
                Some("Normalize") if mode.is_some() => normalized = true,
                _ => {
                    let reason = format!("{kind:?}: Transformer, Pooling and Normalize run here, in this order");
                    return Err(wrong(format!("{index}.type"), reason));
                }
            }
        }
        let mode = mode.ok_or_else(|| wrong("type".into(), "there is no Pooling".into()))?;
        Ok(Some(Self { mode, normalized }))
    }

    /// Pools vectors of equal length. There is one, at least.
    pub(super) fn pool(self, vectors: &[Vec<f32>]) -> Vec<f32> {
        let columns = vectors.first().map_or(0, Vec::len);
        let column = |column: usize| vectors.iter().map(move |vector| vector[column]);
        let of_column = |index: usize| match self.mode {
            PoolingMode::Mean => column(index).sum::<f32>() / vectors.len() as f32,
            PoolingMode::First => vectors[0][index],
            PoolingMode::Max => column(index).fold(f32::NEG_INFINITY, f32::max),
        };
        let mut pooled: Vec<f32> = (0..columns).map(of_column).collect();
        if self.normalized {
            let length = libm::sqrtf(pooled.iter().map(|x| x * x).sum());
            // As torch does: a vector of zeros stays one.
            pooled.iter_mut().for_each(|x| *x /= length.max(1e-12));
        }
        pooled
    }
}

/// The one mode that config.json of a module of the kind Pooling names.
fn pooling_mode(folder: &Path, module: &Value) -> Result<PoolingMode, Error> {
    // The folder is a stranger's word: one component, below the model.
    let own = module["path"].as_str().filter(|path| !path.contains(['/', '\\']) && *path != "..").unwrap_or_default();
    let path = folder.join(own).join("config.json");
    let value = read_json(&path)?;
    let fields = Fields::of(&path, &value)?;
    let of_name = |name: &str| PoolingMode::ALL.into_iter().find(|mode| mode.name() == name);
    let mode = match fields.text("pooling_mode")? {
        Some(name) => of_name(name),
        // Older files have a flag for each mode: pooling_mode_cls_token, pooling_mode_mean_tokens.
        None => {
            let flags = value.as_object().into_iter().flatten().filter(|(_, flag)| **flag == true);
            let mut set = flags.filter_map(|(name, _)| name.strip_prefix("pooling_mode_"));
            let first = set.next().and_then(|name| name.split('_').next());
            first.filter(|_| set.next().is_none()).and_then(of_name)
        }
    };
    mode.ok_or_else(|| fields.wrong("pooling_mode", "one of mean, cls and max is expected"))
}
