//! NVIDIA's GPUs.

use std::sync::Arc;

use df11_core::{Unit, bf16};
use df11_cuda::{Decoder, LoadedUnit};

use super::device::{Device, Fault, Loaded, Vendor};
use crate::Error;

pub(super) const VENDOR: Vendor = Vendor { name: NAME, look, open };

const NAME: &str = "cuda";

fn look() -> Result<(), String> {
    match df11_cuda::Device::count() {
        Ok(0) => Err("the driver finds no GPU".to_owned()),
        Ok(_) => Ok(()),
        Err(df11_cuda::Error::DriverNotFound { looked_for }) => Err(format!("{looked_for} not found")),
        Err(error) => Err(error.to_string()),
    }
}

fn open() -> Result<Arc<dyn Device>, String> {
    look()?;
    Ok(Arc::new(Decoder::open(0).map_err(|error| error.to_string())?))
}

impl Device for Decoder {
    fn name(&self) -> &'static str {
        NAME
    }

    fn load<'u>(&'u self, unit: &'u Unit<'u>) -> Result<Box<dyn Loaded + 'u>, Fault> {
        Ok(Box::new(Decoder::load(self, unit).map_err(fault)?))
    }
}

impl Loaded for LoadedUnit<'_, '_> {
    fn decode_range(&self, first: u64, weights: &mut [bf16]) -> Result<(), Fault> {
        LoadedUnit::decode_range(self, first, weights).map_err(fault)
    }
}

fn fault(error: df11_cuda::Error) -> Fault {
    match error {
        df11_cuda::Error::Unit(fault) => Fault::Unit(fault),
        error => Fault::Backend(Error::BackendFailed { name: NAME.to_owned(), source: Box::new(error) }),
    }
}
