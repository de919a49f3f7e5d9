//! Models of candle-transformers: their weights are decoded when they are loaded.

use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Device, Result, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use df11::Model;
use df11::backend::Choice;
use df11::cpu::buffer;
use df11::reader::{self, Matrix};

use crate::Error;
use crate::units::Units;

/// A `VarBuilder` over a DFloat11 or BF16 model. Every model of candle-transformers loads from it.
/// Each tensor is decoded into memory of its own, so the model then takes the memory of BF16.
pub fn var_builder(model: Model, backend: Choice, dtype: DType, device: &Device) -> VarBuilder<'static> {
    let tensors = DecodeAtLoad { model, units: Mutex::new(Units::new(backend)) };
    VarBuilder::from_backend(Box::new(tensors), dtype, device.clone())
}

struct DecodeAtLoad {
    model: Model,
    units: Mutex<Units>,
}

impl DecodeAtLoad {
    fn coded(&self, matrix: &Matrix) -> std::result::Result<Tensor, Error> {
        let Some(shape) = matrix.shape() else {
            return Err(Error::Shape { tensor: matrix.name().into(), found: vec![matrix.weights()], expected: vec![] });
        };
        let shape: Vec<usize> = shape.iter().map(|&size| size as usize).collect();
        let out_of_memory = |error: df11::core::Error| Error::weights(matrix.name(), error);
        let mut weights = buffer(matrix.weights() as usize).map_err(out_of_memory)?;
        self.units.lock().unwrap_or_else(PoisonError::into_inner).decode(matrix, &mut weights)?;
        Ok(Tensor::from_vec(weights, shape, &Device::Cpu)?)
    }

    /// A raw tensor of a dtype that candle has.
    fn raw(&self, tensor: &reader::Tensor) -> std::result::Result<Tensor, Error> {
        let name = tensor.dtype().to_string();
        let Ok(dtype) = name.to_lowercase().parse::<DType>() else {
            let expected = "one that candle has";
            return Err(Error::Dtype { tensor: tensor.name().into(), found: name, expected });
        };
        let shape: Vec<usize> = tensor.shape().unwrap_or_default().iter().map(|&size| size as usize).collect();
        let out_of_memory = |error: df11::core::Error| Error::weights(tensor.name(), error);
        let mut bytes = buffer(tensor.bytes() as usize).map_err(out_of_memory)?;
        tensor.read_raw(0, &mut bytes)?;
        Ok(Tensor::from_raw_buffer(&bytes, dtype, &shape, &Device::Cpu)?)
    }
}

impl SimpleBackend for DecodeAtLoad {
    fn get(&self, shape: Shape, name: &str, _: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        let tensor = self.get_unchecked(name, dtype, device)?;
        if tensor.shape() != &shape {
            let found = tensor.dims().iter().map(|&size| size as u64).collect();
            return Err(Error::Shape { tensor: name.into(), found, expected: shape.into_dims() }.into());
        }
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> Result<Tensor> {
        let tensor = self.model.tensor(name).map_err(Error::from)?;
        let tensor = match tensor.is_coded() {
            true => self.coded(&tensor.into_matrix().map_err(Error::from)?)?,
            false => self.raw(&tensor)?,
        };
        tensor.to_dtype(dtype)?.to_device(device)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.model.tensor(name).is_ok()
    }
}
