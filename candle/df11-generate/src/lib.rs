//! What the programs `df11-generate` and `df11-embed` share.
//!
//! ```text
//! text      the tokenizer of a model
//! program   how a program begins, prints and ends;  memory: what it took
//! error     why it could not run
//! ```

pub mod error;
pub mod memory;
pub mod program;
pub mod text;

pub use error::Error;
pub use text::Text;
