//! The inputs of the benchmark: weights in buffers on huge pages.

use df11_core::bf16;
use df11_cpu::buffer;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Numbers that look random and are the same in every run: xorshift, upper bits first.
fn random() -> impl FnMut() -> u64 {
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

/// N(0, 0.02), by the method of Box and Muller.
pub fn gauss(count: usize) -> Vec<bf16> {
    let mut weights = buffer::<bf16>(count).expect("there is memory");
    let mut random = random();
    let mut uniform = || ((random() >> 40) as f32 + 0.5) / (1 << 24) as f32;
    for pair in weights.chunks_mut(2) {
        let (radius, angle) = (0.02 * (-2.0 * uniform().ln()).sqrt(), std::f32::consts::TAU * uniform());
        for (weight, value) in pair.iter_mut().zip([angle.cos(), angle.sin()]) {
            *weight = bf16::from_f32(radius * value);
        }
    }
    weights
}

/// A name, and the function that gives as many weights as it is asked for.
pub type Input = (&'static str, fn(usize) -> Vec<bf16>);

/// Weights unlike those of models: what pruned, constant, ordered or random data may look like.
pub const UNLIKE_MODELS: [Input; 6] = [
    ("zeros", |count| buffer(count).expect("there is memory")),
    ("nine-zeros-of-ten", nine_zeros_of_ten),
    ("two-values", two_values),
    ("sorted", sorted),
    ("uniform-words", uniform_words),
    ("all-words", all_words),
];

/// As `gauss`, but each weight is zero with a probability of 0.9.
fn nine_zeros_of_ten(count: usize) -> Vec<bf16> {
    let (mut weights, mut random) = (gauss(count), random());
    weights.iter_mut().filter(|_| (random() >> 32) % 10 != 0).for_each(|weight| *weight = bf16::ZERO);
    weights
}

/// 1 or -0.02, at random: two exponents, each with a code of 1 bit.
fn two_values(count: usize) -> Vec<bf16> {
    let values = [1.0, -0.02].map(bf16::from_f32);
    let mut random = random();
    filled(count, |_| values[(random() >> 63) as usize])
}

/// As `gauss`, in ascending order: long runs of short codes, and of long ones.
fn sorted(count: usize) -> Vec<bf16> {
    let mut weights = gauss(count);
    weights.sort_unstable_by(bf16::total_cmp);
    weights
}

/// Each of the 65,536 words with the same probability: every exponent, also those from 240 on.
fn uniform_words(count: usize) -> Vec<bf16> {
    let mut random = random();
    filled(count, |_| bf16::from_bits((random() >> 48) as u16))
}

/// All 65,536 words in turn, again and again: an exponent changes after 128 weights.
fn all_words(count: usize) -> Vec<bf16> {
    filled(count, |index| bf16::from_bits(index as u16))
}

fn filled(count: usize, mut weight: impl FnMut(usize) -> bf16) -> Vec<bf16> {
    let mut weights = buffer::<bf16>(count).expect("there is memory");
    weights.iter_mut().enumerate().for_each(|(index, place)| *place = weight(index));
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
