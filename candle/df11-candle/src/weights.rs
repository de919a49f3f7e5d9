//! Loads the weights of a model in one of the forms.
//!
//! ```text
//! files     form   what is kept
//! unit      df11   the unit, loaded once for all of its matrices
//! unit      flat   all its matrices, made flat from the unit, without BF16 words between
//! unit      bf16   matrices asked for together, decoded
//! raw BF16  df11   matrices asked for together, encoded as one unit
//! raw BF16  flat   matrices asked for together, made flat, the BF16 words dropped
//! raw BF16  bf16   matrices asked for together
//!
//! A unit with a matrix whose shape no file states is made flat as raw BF16 is.
//! ```

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Weak};

use df11::backend::Choice;
use df11::core::{Bytes, Rows, Shape};
use df11::cpu::{Encoder, buffer};
use df11::reader::{self, UnitEntry};
use df11::{Backend, Form, Loaded, Model, Work, bf16};
use rayon::prelude::*;

use crate::Error;
use crate::scratch::Scratch;
use crate::units::Units;

/// A matrix in memory: rows of weights that a backend has loaded. A clone is the same matrix.
#[derive(Clone, Debug)]
pub struct Matrix {
    pub(crate) name: Arc<str>,
    pub(crate) loaded: Arc<dyn Loaded>,
    pub(crate) rows: Rows,
    pub(crate) scratch: Arc<Scratch>,
}

impl Matrix {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows.shape.rows() as usize
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.rows.shape.columns() as usize
    }
}

/// The weights of a model, to be loaded in one form.
#[derive(Debug)]
pub struct Weights {
    model: Model,
    form: Form,
    units: Units,
    /// The units that matrices hold, in the forms `df11` and `flat`.
    held: HashMap<String, Weak<dyn Loaded>>,
    bytes: u64,
    scratch: Arc<Scratch>,
}

/// What holds a matrix, and its first weight there.
type Place = (Arc<dyn Loaded>, u64);

impl Weights {
    /// Opens the model at `path`, a folder or a file, DFloat11 or BF16. Weights are loaded when
    /// they are asked for. The fastest level of this processor multiplies, or the backend that
    /// `DF11_BACKEND` names.
    ///
    /// # Errors
    /// As `df11::Model::open`; the named backend cannot run here.
    pub fn open(path: impl AsRef<Path>, form: Form) -> Result<Self, Error> {
        Ok(Self::new(Model::open(path)?, form, Choice::choose(None)?))
    }

    /// The weights of an opened model, on a backend of the caller's choice.
    pub fn new(model: Model, form: Form, backend: Choice) -> Self {
        let units = Units::new(backend);
        Self { model, form, units, held: HashMap::new(), bytes: 0, scratch: Arc::default() }
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The form in which matrices are kept.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Bytes in memory of all that was loaded.
    pub fn resident_bytes(&self) -> u64 {
        self.bytes
    }

    /// Loads one matrix of `[rows, columns]`.
    ///
    /// # Errors
    /// As `matrices`.
    pub fn matrix(&mut self, name: &str, shape: [usize; 2]) -> Result<Matrix, Error> {
        // One was asked for, so one is there.
        Ok(self.matrices(&[(name, shape)])?.swap_remove(0))
    }

    /// Loads matrices of `[rows, columns]` together. Those that are multiplied with the same
    /// vectors, such as q, k and v, are best asked for together: `Linear::forward_all` then needs
    /// one call for them.
    ///
    /// # Errors
    /// There is no such tensor, or it is not BF16; `Shape`; the files cannot be read, or are
    /// damaged; there is not enough memory.
    pub fn matrices(&mut self, asked: &[(&str, [usize; 2])]) -> Result<Vec<Matrix>, Error> {
        let found = asked.iter().map(|&(name, shape)| self.find(name, &shape)).collect::<Result<Vec<_>, _>>()?;
        let shapes = asked.iter().map(|&(name, [rows, columns])| {
            Shape::new(rows as u64, columns as u64).map_err(|error| Error::weights(name, error))
        });
        let shapes = shapes.collect::<Result<Vec<_>, _>>()?;
        let coded = found.iter().map(reader::Matrix::unit).collect::<Option<Vec<_>>>();
        let whole = coded.filter(|units| units.iter().all(|unit| stays_whole(unit, self.form)));
        let held = match whole {
            Some(units) => self.units_of(&found, &units)?,
            None => self.together(&found, &shapes)?,
        };
        let matrix = |((asked, (loaded, first)), shape): ((&(&str, _), _), _)| {
            let rows = Rows { first, shape };
            Matrix { name: asked.0.into(), loaded, rows, scratch: self.scratch.clone() }
        };
        Ok(asked.iter().zip(held).zip(shapes).map(matrix).collect())
    }

    /// Reads a tensor of one dimension, such as the weights of a norm or a bias.
    ///
    /// # Errors
    /// As `matrices`, but F32 can be read too.
    pub fn vector(&mut self, name: &str, elements: usize) -> Result<Vec<f32>, Error> {
        let tensor = self.model.tensor(name)?;
        if !tensor.is_coded() && tensor.dtype().to_string() == "F32" {
            check_shape(name, tensor.shape(), &[elements])?;
            let mut bytes = vec![0; 4 * elements];
            tensor.read_raw(0, &mut bytes)?;
            self.bytes += bytes.len() as u64;
            return Ok(bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect());
        }
        let found = self.find(name, &[elements])?;
        let mut weights = vec![bf16::ZERO; elements];
        self.units.decode(&found, &mut weights)?;
        self.bytes += 4 * elements as u64;
        Ok(weights.into_iter().map(bf16::to_f32).collect())
    }

    fn find(&self, name: &str, shape: &[usize]) -> Result<reader::Matrix, Error> {
        let matrix = self.model.matrix(name)?;
        check_shape(name, matrix.shape(), shape)?;
        let elements = shape.iter().try_fold(1u64, |product, &size| product.checked_mul(size as u64));
        if elements != Some(matrix.weights()) {
            return Err(Error::Shape { tensor: name.into(), found: vec![matrix.weights()], expected: shape.to_vec() });
        }
        Ok(matrix)
    }

    /// The units that hold matrices, and where they begin in them.
    fn units_of(&mut self, found: &[reader::Matrix], units: &[UnitEntry]) -> Result<Vec<Place>, Error> {
        let mut held = Vec::with_capacity(found.len());
        for (matrix, unit) in found.iter().zip(units) {
            let loaded = match self.held.get(unit.name()).and_then(Weak::upgrade) {
                Some(loaded) => loaded,
                None => {
                    let (loaded, bytes) = load_unit(unit, self.form, self.units.backend.backend())?;
                    self.hold(unit, &loaded, bytes);
                    loaded
                }
            };
            held.push((loaded, matrix.range().start));
        }
        Ok(held)
    }

    fn hold(&mut self, unit: &UnitEntry, loaded: &Arc<dyn Loaded>, bytes: u64) {
        self.held.insert(unit.name().to_owned(), Arc::downgrade(loaded));
        self.bytes += bytes;
    }

    /// Loads the units within the module `prefix`, on all threads, where the form keeps units. The
    /// caller holds the result until it has asked for their matrices.
    ///
    /// # Errors
    /// As `matrices`.
    pub(crate) fn load_ahead(&mut self, prefix: &str) -> Result<Vec<Arc<dyn Loaded>>, Error> {
        let is_new = |unit: &UnitEntry| self.held.get(unit.name()).is_none_or(|held| held.strong_count() == 0);
        let is_asked = |unit: &UnitEntry| unit.name().starts_with(prefix) && is_new(unit);
        let units: Vec<_> = self.model.units().filter(|unit| is_asked(unit) && stays_whole(unit, self.form)).collect();
        let (form, backend) = (self.form, self.units.backend.backend());
        let loaded: Vec<_> = units.par_iter().map(|unit| load_unit(unit, form, backend)).collect::<Result<_, _>>()?;
        for (unit, (loaded, bytes)) in units.iter().zip(&loaded) {
            self.hold(unit, loaded, *bytes);
        }
        Ok(loaded.into_iter().map(|(loaded, _)| loaded).collect())
    }

    /// Matrices one after another in memory of their own, in the form that was asked for.
    fn together(&mut self, found: &[reader::Matrix], shapes: &[Shape]) -> Result<Vec<Place>, Error> {
        let Some(name) = found.first().map(|matrix| matrix.name().to_owned()) else { return Ok(Vec::new()) };
        let total: u64 = shapes.iter().map(|shape| shape.weights()).sum();
        let failed = |error| Error::Weights { tensor: name.clone(), error };
        let loaded: Box<dyn Loaded> = if self.form == Form::Df11 {
            let mut weights = buffer(total as usize).map_err(|error| Error::weights(&name, error))?;
            self.decode_all(found, &mut weights)?;
            let splits: Vec<u64> = shapes.iter().map(|shape| shape.weights()).collect();
            let unit = Encoder::new(self.units.backend.level(), Work::Pool).unit(&weights, &splits);
            let unit = unit.map_err(|error| failed(error.into()))?;
            self.bytes += unit_bytes(&unit);
            self.units.backend.backend().load(unit).map_err(failed)?
        } else {
            let mut bytes = buffer(2 * total as usize).map_err(|error| Error::weights(&name, error))?;
            as_weights(&mut bytes, |weights| self.decode_all(found, weights))?;
            let words = self.units.backend.backend().load_bf16(Bytes::from(bytes)).map_err(failed)?;
            if self.form == Form::Flat {
                let flat = words.flatten(shapes, Work::Pool).map_err(failed)?;
                self.bytes += flat.bytes;
                flat.loaded
            } else {
                self.bytes += 2 * total;
                words
            }
        };
        let loaded: Arc<dyn Loaded> = loaded.into();
        let starts = shapes.iter().scan(0, |next, shape| Some(std::mem::replace(next, *next + shape.weights())));
        Ok(starts.map(|first| (loaded.clone(), first)).collect())
    }

    fn decode_all(&mut self, found: &[reader::Matrix], mut weights: &mut [bf16]) -> Result<(), Error> {
        for matrix in found {
            let (own, rest) = weights.split_at_mut(matrix.weights() as usize);
            self.units.decode(matrix, own)?;
            weights = rest;
        }
        Ok(())
    }
}

/// Whether a unit is kept as one: compressed, or all its matrices flat.
fn stays_whole(unit: &UnitEntry, form: Form) -> bool {
    match form {
        Form::Df11 => true,
        Form::Flat => shapes_of(unit).is_some(),
        _ => false,
    }
}

/// Loads a unit that stays whole. Returns its bytes in memory too.
fn load_unit(unit: &UnitEntry, form: Form, backend: &dyn Backend) -> Result<(Arc<dyn Loaded>, u64), Error> {
    let loaded = unit.load(backend)?;
    match shapes_of(unit).filter(|_| form == Form::Flat) {
        None => Ok((loaded.into(), unit.bytes())),
        Some(shapes) => {
            let flat = loaded.flatten(&shapes, Work::Pool).map_err(|error| unit.error(error))?;
            Ok((flat.loaded.into(), flat.bytes))
        }
    }
}

/// The shapes of a unit's matrices, rows and columns, if the files state all.
fn shapes_of(unit: &UnitEntry) -> Option<Vec<Shape>> {
    let shapes = unit.matrices().map(|matrix| {
        let columns = *matrix.shape()?.last()?;
        Shape::new(matrix.weights().checked_div(columns)?, columns).ok()
    });
    let shapes: Vec<Shape> = shapes.collect::<Option<_>>()?;
    (shapes.iter().map(|shape| shape.weights()).sum::<u64>() == unit.weights()).then_some(shapes)
}

/// Bytes of the arrays of a unit.
fn unit_bytes(unit: &df11::Unit<'_>) -> u64 {
    let view = unit.view();
    let arrays = [view.encoded_exponent, view.sign_mantissa, view.luts, view.gaps, view.output_positions];
    arrays.iter().map(|array| array.len() as u64).sum()
}

/// The shape that the files state, if they state one, must be the one that was asked for.
fn check_shape(tensor: &str, found: Option<&[u64]>, expected: &[usize]) -> Result<(), Error> {
    match found {
        Some(found) if !found.iter().copied().eq(expected.iter().map(|&size| size as u64)) => {
            Err(Error::Shape { tensor: tensor.into(), found: found.to_vec(), expected: expected.to_vec() })
        }
        _ => Ok(()),
    }
}

/// Writes weights as the little-endian words of files: in place if the memory is aligned for it.
fn as_weights(bytes: &mut [u8], write: impl FnOnce(&mut [bf16]) -> Result<(), Error>) -> Result<(), Error> {
    if cfg!(target_endian = "little")
        && let Ok(weights) = bytemuck::try_cast_slice_mut(bytes)
    {
        return write(weights);
    }
    let mut weights = vec![bf16::ZERO; bytes.len() / 2];
    write(&mut weights)?;
    bytes.as_chunks_mut().0.iter_mut().zip(weights).for_each(|(bytes, weight)| *bytes = weight.to_le_bytes());
    Ok(())
}
