//! What encodes and decodes, by name. Each can be listed and forced; none is ever replaced quietly by another.

use std::fmt;

use df11_core::{Unit, bf16};
use df11_cpu::{Decoder, Encoder, Level, Parts, Plan};

use crate::Error;

/// The variable that forces a backend where no flag does.
pub const BACKEND_VARIABLE: &str = "DF11_BACKEND";

/// The name that stands for the fastest level of this processor.
const CPU: &str = "cpu";

/// A backend that can run here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend(Level);

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
        Backend(Level::best())
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
        let reason = match listing.map(|listing| listing.level) {
            Some(Ok(level)) => return Ok(Backend(level)),
            Some(Err(why)) => format!("cannot run here: {why}"),
            None => "there is none of that name in this build".to_owned(),
        };
        let valid: Vec<_> = Level::available().map(Level::name).collect();
        Err(Error::Backend { name: name.to_owned(), reason, available: format!("{CPU}, {}", valid.join(", ")) })
    }

    /// Every backend of this build, the fastest first.
    pub fn list() -> Vec<Listing> {
        Level::list()
            .map(|listing| Listing { name: listing.name, available: listing.level.map(drop).map_err(str::to_owned) })
            .collect()
    }

    /// The level of this processor that it is.
    pub fn level(self) -> Level {
        self.0
    }

    pub(crate) fn plan(self, weights: &[bf16]) -> Result<Plan, df11_core::Error> {
        Encoder::new(self.0).plan(weights)
    }

    pub(crate) fn encode(self, weights: &[bf16], plan: &Plan) -> Result<Parts, df11_core::Error> {
        Encoder::new(self.0).encode_to_parts(weights, plan)
    }

    pub(crate) fn decoder<'u>(self, unit: &'u Unit<'u>) -> Decoder<'u> {
        Decoder::new(unit, self.0)
    }
}

impl Default for Backend {
    fn default() -> Self {
        Backend::best()
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0.name())
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
        assert_eq!(Backend::named("cpu").expect("always"), Backend::best());
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_valid_ones() {
        let error = Backend::choose(Some("abacus")).expect_err("unknown").to_string();
        assert!(error.contains("abacus") && error.contains("portable") && error.contains("cpu"), "{error}");
    }
}
