//! What encodes and decodes, by name. Each can be listed and forced; none is ever replaced quietly by another.

#[cfg(feature = "cuda")]
mod cuda;
mod device;
#[cfg(feature = "hip")]
mod hip;

use std::fmt;
use std::sync::Arc;

use df11_core::{Unit, Work, bf16};
use df11_cpu::{Decoder, Encoder, Level, Parts, Plan};

use crate::Error;
pub(crate) use device::Fault;
use device::{Device, Loaded, Vendor};

/// The vendors of this build.
const VENDORS: &[Vendor] = &[
    #[cfg(feature = "cuda")]
    cuda::VENDOR,
    #[cfg(feature = "hip")]
    hip::VENDOR,
];

/// The variable that forces a backend where no flag does.
pub const BACKEND_VARIABLE: &str = "DF11_BACKEND";

/// The name that stands for the fastest level of this processor.
const CPU: &str = "cpu";

/// A backend that can run here.
#[derive(Clone, Debug)]
pub struct Backend {
    /// Plans and encodes, and decodes where there is no device.
    level: Level,
    device: Option<Arc<dyn Device>>,
}

/// A backend of this build.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The name that forces it.
    pub name: &'static str,
    /// Whether it can run here, or why not.
    pub available: Result<(), String>,
}

impl Backend {
    /// The fastest one that can run here.
    pub fn best() -> Backend {
        Backend { level: Level::best(), device: None }
    }

    /// The one that a flag names, else the one that `DF11_BACKEND` names, else the fastest.
    ///
    /// # Errors
    /// The name is unknown, or what it names cannot run here.
    pub fn choose(flag: Option<&str>) -> Result<Backend, Error> {
        let variable = std::env::var(BACKEND_VARIABLE).ok().filter(|name| !name.is_empty());
        match flag.map(str::to_owned).or(variable) {
            Some(name) => Backend::named(&name),
            None => Ok(Backend::best()),
        }
    }

    /// The one of this name; `cpu` is the fastest level of this processor.
    ///
    /// # Errors
    /// The name is unknown, or what it names cannot run here.
    pub fn named(name: &str) -> Result<Backend, Error> {
        if name == CPU {
            return Ok(Backend::best());
        }
        let listing = Level::list().find(|listing| listing.name == name);
        let vendor = VENDORS.iter().find(|vendor| vendor.name == name);
        let reason = match (listing.map(|listing| listing.level), vendor.map(|vendor| (vendor.open)())) {
            (Some(Ok(level)), _) => return Ok(Backend { level, device: None }),
            (_, Some(Ok(device))) => return Ok(Backend { level: Level::best(), device: Some(device) }),
            (Some(Err(why)), _) => format!("cannot run here: {why}"),
            (_, Some(Err(why))) => format!("cannot run here: {why}"),
            (None, None) => "there is none of that name in this build".to_owned(),
        };
        let valid: Vec<_> = Backend::list()
            .into_iter()
            .filter(|listing| listing.available.is_ok())
            .map(|listing| listing.name)
            .collect();
        Err(Error::Backend { name: name.to_owned(), reason, available: format!("{CPU}, {}", valid.join(", ")) })
    }

    /// Every backend of this build: the levels of the processor, the fastest first, then the devices.
    pub fn list() -> Vec<Listing> {
        Level::list()
            .map(|listing| Listing { name: listing.name, available: listing.level.map(drop).map_err(str::to_owned) })
            .chain(VENDORS.iter().map(|vendor| Listing { name: vendor.name, available: (vendor.look)() }))
            .collect()
    }

    /// The level of this processor that plans and encodes; it decodes, too, unless the backend is a device.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Whether this processor decodes.
    pub fn is_processor(&self) -> bool {
        self.device.is_none()
    }

    pub(crate) fn plan(&self, weights: &[bf16]) -> Result<Plan, df11_core::Error> {
        Encoder::new(self.level, Work::Pool).plan(weights)
    }

    pub(crate) fn plan_published(&self, weights: &[bf16]) -> Result<Plan, df11_core::Error> {
        Encoder::new(self.level, Work::Pool).plan_published(weights)
    }

    pub(crate) fn encode(&self, weights: &[bf16], plan: &Plan, parts: &mut Parts) -> Result<(), df11_core::Error> {
        parts.fit(&plan.sizes())?;
        Encoder::new(self.level, Work::Pool).encode(weights, plan, parts.as_mut())
    }

    pub(crate) fn decoder<'u>(&'u self, unit: &'u Unit<'u>) -> Result<UnitDecoder<'u>, Fault> {
        Ok(match &self.device {
            Some(device) => UnitDecoder::Device(device.load(unit)?),
            None => UnitDecoder::Processor(Decoder::new(unit.borrowed(), self.level)),
        })
    }
}

/// A unit ready to be decoded.
pub(crate) enum UnitDecoder<'u> {
    Processor(Decoder<'u>),
    Device(Box<dyn Loaded + 'u>),
}

impl UnitDecoder<'_> {
    pub(crate) fn decode_range(&self, first: u64, weights: &mut [bf16]) -> Result<(), Fault> {
        match self {
            UnitDecoder::Processor(decoder) => decoder.decode_range(first, weights, Work::Pool).map_err(Fault::Unit),
            UnitDecoder::Device(loaded) => loaded.decode_range(first, weights),
        }
    }
}

impl Default for Backend {
    fn default() -> Self {
        Backend::best()
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.device.as_ref().map_or(self.level.name(), |device| device.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_backend_is_forced_by_its_name_or_says_why_not() {
        for Listing { name, available } in Backend::list() {
            match (Backend::named(name), available) {
                (Ok(backend), Ok(())) => assert_eq!(backend.to_string(), name),
                (Err(error), Err(why)) => assert!(error.to_string().contains(&why), "{error}"),
                (found, available) => panic!("{name}: {found:?}, listed {available:?}"),
            }
        }
        assert_eq!(Backend::named("cpu").expect("always").to_string(), Backend::best().to_string());
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_valid_ones() {
        let error = Backend::choose(Some("abacus")).expect_err("unknown").to_string();
        assert!(error.contains("abacus") && error.contains("portable") && error.contains("cpu"), "{error}");
    }
}
