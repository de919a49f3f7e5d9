use std::path::Path;

use serde_json::{Map, Value};

use crate::Error;

/// The fields of an object of config.json. A field that is `null` is as good as absent.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    path: &'a Path,
    /// The field that holds the object; empty for the outermost one.
    within: &'a str,
    object: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    pub fn of(path: &'a Path, value: &'a Value) -> Result<Self, Error> {
        match value {
            Value::Object(object) => Ok(Self { path, within: "", object }),
            _ => Err(Error::File { path: path.into(), reason: "it is not a JSON object".into() }),
        }
    }

    /// The fields of the object in this field.
    pub fn object(&self, name: &'a str) -> Result<Option<Self>, Error> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(Self { path: self.path, within: name, object })),
            Some(_) => Err(self.wrong(name, "an object is expected")),
        }
    }

    /// A number of things: not 0, and small enough to be one.
    pub fn size(&self, name: &str) -> Result<Option<usize>, Error> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.as_u64() {
            Some(size @ 1..=0xffff_ffff) => Ok(Some(size as usize)),
            _ => Err(self.wrong(name, "a whole number from 1 to 4294967295 is expected")),
        }
    }

    pub fn needed(&self, name: &str) -> Result<usize, Error> {
        self.size(name)?.ok_or_else(|| self.wrong(name, "it is missing"))
    }

    /// A number that is finite and larger than 0.
    pub fn number(&self, name: &str) -> Result<Option<f64>, Error> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.as_f64() {
            Some(number) if number > 0.0 && number.is_finite() => Ok(Some(number)),
            _ => Err(self.wrong(name, "a number larger than 0 is expected")),
        }
    }

    pub fn flag(&self, name: &str) -> Result<Option<bool>, Error> {
        let value = self.get(name);
        value.map(|value| value.as_bool().ok_or_else(|| self.wrong(name, "true or false is expected"))).transpose()
    }

    pub fn text(&self, name: &str) -> Result<Option<&'a str>, Error> {
        let value = self.get(name);
        value.map(|value| value.as_str().ok_or_else(|| self.wrong(name, "a string is expected"))).transpose()
    }

    pub fn texts(&self, name: &str) -> Result<Option<Vec<&'a str>>, Error> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let texts = value.as_array().and_then(|texts| texts.iter().map(Value::as_str).collect());
        texts.map(Some).ok_or_else(|| self.wrong(name, "a list of strings is expected"))
    }

    /// One token or a list of them.
    pub fn tokens(&self, name: &str) -> Result<Vec<u32>, Error> {
        let one = |value: &Value| u32::try_from(value.as_u64()?).ok();
        let tokens = match self.get(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(tokens)) => tokens.iter().map(one).collect(),
            Some(token) => one(token).map(|token| vec![token]),
        };
        tokens.ok_or_else(|| self.wrong(name, "a token or a list of tokens is expected"))
    }

    /// Refuses a field that would change results in a way that is not known here.
    pub fn must_be_absent(&self, name: &str) -> Result<(), Error> {
        self.get(name).map_or(Ok(()), |_| Err(self.wrong(name, "models with this field do not run here")))
    }

    pub fn wrong(&self, name: &str, reason: impl Into<String>) -> Error {
        let dot = if self.within.is_empty() { "" } else { "." };
        let field = format!("{}{dot}{name}", self.within);
        Error::Config { path: self.path.into(), field, reason: reason.into() }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }
}
