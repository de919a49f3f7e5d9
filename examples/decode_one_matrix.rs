//! One matrix of a DFloat11 or BF16 model in a buffer of ours.
//!
//!     cargo run --example decode_one_matrix -- MODEL TENSOR

use std::env::args;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let (path, name) = (args().nth(1).ok_or("give MODEL")?, args().nth(2).ok_or("give TENSOR")?);
    let model = df11::Model::open(path)?;
    let matrix = model.matrix(&name)?;
    let mut weights = df11::cpu::buffer(matrix.weights() as usize)?;
    matrix.decode(&df11::cpu::Level::best(), &mut weights)?;
    println!("{name} {:?}: {:?} ...", matrix.shape(), weights.iter().take(3).collect::<Vec<&df11::bf16>>());
    Ok(())
}
