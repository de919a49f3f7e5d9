//! The backends that encode and decode, by name. Each can be listed and forced. None is ever
//! replaced quietly by another.

use std::fmt;
use std::sync::Arc;

use df11_core::{Backend, BackendError, Loaded, Unit, Work, bf16};
use df11_cpu::{Encoder, Level, Parts, Plan};

use crate::Error;

/// The variable that forces a backend when the caller names none.
pub const BACKEND_VARIABLE: &str = "DF11_BACKEND";

/// This name means the fastest level of this processor.
const CPU: &str = "cpu";

/// A kind of device: the name of its backend, whether such a device is present (or what was looked
/// for), and how to open the first one.
struct Devices {
    name: &'static str,
    look: fn() -> Result<(), String>,
    open: fn() -> Result<Arc<dyn Backend>, String>,
}

/// The device kinds compiled into this build.
const DEVICES: &[Devices] = &[
    #[cfg(feature = "cuda")]
    Devices { name: "cuda", look: || look(df11_cuda::Device::count()), open: || open(df11_cuda::Decoder::open(0)) },
    #[cfg(feature = "hip")]
    Devices { name: "hip", look: || look(df11_hip::Device::count()), open: || open(df11_hip::Decoder::open(0)) },
];

#[cfg(any(feature = "cuda", feature = "hip"))]
fn look(count: Result<usize, df11_gpu::Error>) -> Result<(), String> {
    match count {
        Ok(0) => Err("the driver finds no GPU".to_owned()),
        Ok(_) => Ok(()),
        Err(df11_gpu::Error::DriverNotFound { looked_for, .. }) => Err(format!("{looked_for} not found")),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(any(feature = "cuda", feature = "hip"))]
fn open(decoder: Result<impl Backend + 'static, df11_gpu::Error>) -> Result<Arc<dyn Backend>, String> {
    decoder.map(|decoder| Arc::new(decoder) as Arc<dyn Backend>).map_err(|error| error.to_string())
}

/// A backend that decodes and can run here, with the level of this processor that plans and
/// encodes.
#[derive(Clone, Debug)]
pub struct Choice {
    level: Level,
    /// What decodes instead of the level.
    other: Option<Arc<dyn Backend>>,
}

/// A backend of this build.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The name that forces this backend.
    pub name: &'static str,
    /// `Ok` if it can run here, or the reason why not.
    pub available: Result<(), String>,
}

impl Choice {
    /// The fastest level of this processor that can run here.
    pub fn best() -> Choice {
        Choice::level_of(Level::best())
    }

    /// Uses one level of this processor to plan, encode and decode.
    fn level_of(level: Level) -> Choice {
        Choice { level, other: None }
    }

    /// Decodes with the caller's own backend. The fastest level plans and encodes.
    pub fn of(backend: Arc<dyn Backend>) -> Choice {
        Choice { level: Level::best(), other: Some(backend) }
    }

    /// The backend that the caller names, else the one that `DF11_BACKEND` names, else the fastest.
    ///
    /// # Errors
    /// The name is unknown, or the backend cannot run here.
    pub fn choose(name: Option<&str>) -> Result<Choice, Error> {
        let variable = std::env::var(BACKEND_VARIABLE).ok().filter(|name| !name.is_empty());
        match name.map(str::to_owned).or(variable) {
            Some(name) => Choice::named(&name),
            None => Ok(Choice::best()),
        }
    }

    /// The backend of this name. `cpu` means the fastest level of this processor.
    ///
    /// # Errors
    /// The name is unknown, or the backend cannot run here.
    pub fn named(name: &str) -> Result<Choice, Error> {
        if name == CPU {
            return Ok(Choice::best());
        }
        let listing = Level::list().find(|listing| listing.name == name);
        let devices = DEVICES.iter().find(|devices| devices.name == name);
        let opened = devices.map(|devices| (devices.look)().and_then(|()| (devices.open)()));
        let reason = match (listing.map(|listing| listing.level), opened) {
            (Some(Ok(level)), _) => return Ok(Choice::level_of(level)),
            (_, Some(Ok(backend))) => return Ok(Choice::of(backend)),
            (Some(Err(why)), _) => format!("cannot run here: {why}"),
            (_, Some(Err(why))) => format!("cannot run here: {why}"),
            (None, None) => "there is none of that name in this build".to_owned(),
        };
        let valid: Vec<_> = Choice::list()
            .into_iter()
            .filter(|listing| listing.available.is_ok())
            .map(|listing| listing.name)
            .collect();
        Err(Error::Backend { name: name.to_owned(), reason, available: format!("{CPU}, {}", valid.join(", ")) })
    }

    /// Every backend of this build: first the levels of the processor, the fastest first, then the
    /// devices.
    pub fn list() -> Vec<Listing> {
        Level::list()
            .map(|listing| Listing { name: listing.name, available: listing.level.map(drop).map_err(str::to_owned) })
            .chain(DEVICES.iter().map(|devices| Listing { name: devices.name, available: (devices.look)() }))
            .collect()
    }

    /// The level of this processor that plans and encodes.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The backend that decodes.
    pub fn backend(&self) -> &dyn Backend {
        self.other.as_deref().unwrap_or(&self.level)
    }

    /// Whether the level of this processor decodes too, and no other backend.
    pub fn is_processor(&self) -> bool {
        self.other.is_none()
    }

    pub(crate) fn plan(&self, weights: &[bf16]) -> Result<Plan, df11_core::Error> {
        self.encoder().plan(weights)
    }

    pub(crate) fn plan_published(&self, weights: &[bf16]) -> Result<Plan, df11_core::Error> {
        self.encoder().plan_published(weights)
    }

    pub(crate) fn encode(&self, weights: &[bf16], plan: &Plan, parts: &mut Parts) -> Result<(), df11_core::Error> {
        parts.fit(&plan.sizes())?;
        self.encoder().encode(weights, plan, parts.as_mut())
    }

    fn encoder(&self) -> Encoder {
        Encoder::new(self.level, Work::Pool)
    }

    pub(crate) fn load<'u>(&self, unit: &'u Unit<'_>) -> Result<Box<dyn Loaded + 'u>, BackendError> {
        self.backend().load(unit.borrowed())
    }
}

impl Default for Choice {
    fn default() -> Self {
        Choice::best()
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.backend().name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_backend_is_forced_by_its_name_or_says_why_not() {
        for Listing { name, available } in Choice::list() {
            match (Choice::named(name), available) {
                (Ok(backend), Ok(())) => assert_eq!(backend.to_string(), name),
                (Err(error), Err(why)) => assert!(error.to_string().contains(&why), "{error}"),
                (found, available) => panic!("{name}: {found:?}, listed {available:?}"),
            }
        }
        assert_eq!(Choice::named("cpu").expect("always").to_string(), Choice::best().to_string());
    }

    #[test]
    fn a_backend_of_the_callers_is_not_the_processor_whatever_its_name() {
        #[derive(Debug)]
        struct Namesake;
        impl Backend for Namesake {
            fn name(&self) -> &'static str {
                Level::best().name()
            }
            fn load<'a>(&self, unit: Unit<'a>) -> Result<Box<dyn Loaded + 'a>, BackendError> {
                Level::best().load(unit)
            }
        }
        assert!(!Choice::of(Arc::new(Namesake)).is_processor());
        assert!(Choice::named("portable").expect("always").is_processor() && Choice::best().is_processor());
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_valid_ones() {
        let error = Choice::choose(Some("abacus")).expect_err("unknown").to_string();
        assert!(error.contains("abacus") && error.contains("portable") && error.contains("cpu"), "{error}");
    }
}
