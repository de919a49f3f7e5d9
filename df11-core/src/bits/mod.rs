//! Bit strings, most significant bit first.

mod reader;
mod writer;

pub use reader::BitReader;
pub use writer::BitWriter;
