use std::sync::Arc;

use df11::backend::Choice;
use df11::reader::{Matrix, UnitEntry};
use df11::{Loaded, Work, bf16};

use crate::Error;

/// Loads units and decodes matrices. It keeps the unit that it loaded last, because the matrices of
/// a unit are asked for one after another, and each unit shall be read once.
#[derive(Debug)]
pub(crate) struct Units {
    pub backend: Choice,
    last: Option<(String, Arc<dyn Loaded>)>,
}

impl Units {
    pub fn new(backend: Choice) -> Self {
        Self { backend, last: None }
    }

    pub fn load(&mut self, unit: &UnitEntry) -> Result<Arc<dyn Loaded>, Error> {
        match &self.last {
            Some((name, loaded)) if name == unit.name() => Ok(loaded.clone()),
            _ => {
                // Before the next one is loaded: only one is to be in memory.
                self.last = None;
                let loaded: Arc<dyn Loaded> = unit.load(self.backend.backend())?.into();
                self.last = Some((unit.name().to_owned(), loaded.clone()));
                Ok(loaded)
            }
        }
    }

    /// Decodes a whole matrix, coded or raw. `weights` has its size.
    pub fn decode(&mut self, matrix: &Matrix, weights: &mut [bf16]) -> Result<(), Error> {
        let Some(unit) = matrix.unit() else {
            return Ok(matrix.decode(self.backend.backend(), weights)?);
        };
        let loaded = self.load(&unit)?;
        loaded.decode_range(matrix.range().start, weights, Work::Pool).map_err(|error| unit.error(error).into())
    }
}
