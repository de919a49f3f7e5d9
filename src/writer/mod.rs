//! Creates OUTPUT, and the copies in it.

pub(crate) mod copies;
#[allow(clippy::disallowed_methods, reason = "what is opened there was made by a run of ours")]
pub(crate) mod output;
