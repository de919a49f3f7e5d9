//! The inputs of the benchmark: weights in buffers on huge pages.

use df11_core::bf16;
use df11_cpu::buffer;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// N(0, 0.02), by the method of Box and Muller.
pub fn gauss(count: usize) -> Vec<bf16> {
    let mut weights = buffer::<bf16>(count).expect("there is memory");
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let mut uniform = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ((state >> 40) as f32 + 0.5) / (1 << 24) as f32
    };
    for pair in weights.chunks_mut(2) {
        let (radius, angle) = (0.02 * (-2.0 * uniform().ln()).sqrt(), std::f32::consts::TAU * uniform());
        for (weight, value) in pair.iter_mut().zip([angle.cos(), angle.sin()]) {
            *weight = bf16::from_f32(radius * value);
        }
    }
    weights
}

/// The BF16 tensors of a safetensors file, one after the other, repeated to `count` weights.
pub fn repeated(path: &str, count: usize) -> Result<Vec<bf16>, Failure> {
    let sample = bf16_tensors(&std::fs::read(path)?)?;
    let mut weights = buffer::<bf16>(count)?;
    for chunk in weights.chunks_mut(sample.len()) {
        chunk.copy_from_slice(&sample[..chunk.len()]);
    }
    Ok(weights)
}

/// All BF16 tensors of a safetensors file, in the order of their bytes.
fn bf16_tensors(file: &[u8]) -> Result<Vec<bf16>, Failure> {
    let header = u64::from_le_bytes(*file.first_chunk().ok_or("no header")?) as usize;
    let json: serde_json::Value = serde_json::from_slice(&file[8..][..header])?;
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for (name, tensor) in json.as_object().ok_or("no object")? {
        if name != "__metadata__" && tensor["dtype"] == "BF16" {
            let offset = |index: usize| tensor["data_offsets"][index].as_u64().map(|offset| offset as usize);
            ranges.push((offset(0).ok_or("no offset")?, offset(1).ok_or("no offset")?));
        }
    }
    ranges.sort_unstable();
    let words = |&(start, end): &(usize, usize)| file[8 + header..][start..end].as_chunks::<2>().0;
    Ok(ranges.iter().flat_map(words).map(|&word| bf16::from_bits(u16::from_le_bytes(word))).collect())
}
