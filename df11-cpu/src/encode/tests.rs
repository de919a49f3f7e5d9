use super::{Cutter, Words};
use crate::level::Level;
use core::ops::Range;
use df11_core::bf16;
use df11_core::limits::{BLOCK_BITS, CHUNK_BITS, GAP_BITS};

const UNTOUCHED: u8 = 0xA5;
const COUNT: usize = 3000;

fn of_exponent(exponent: u16) -> bf16 {
    bf16::from_bits(exponent << 7)
}

/// The number of bits of the codes of `weights`.
fn written(words: &Words, weights: &[bf16]) -> u64 {
    weights.iter().map(|&weight| u64::from(words.of(weight).1)).sum()
}

/// Writes a shard cut for `bits` of a stream, the second of three, and checks that all around it
/// stays untouched.
fn write_shard(level: Level, words: &Words, weights: &[bf16], bits: Range<u64>) {
    let all = [weights; 3].concat();
    let mut sign_mantissa = vec![UNTOUCHED; all.len()];
    // More than any of the weights fill.
    let [mut stream, mut gaps, mut positions] = [20_000, 2000, 80].map(|bytes| vec![UNTOUCHED; bytes]);
    let mut cutter = Cutter::new(&all, &mut sign_mantissa, &mut stream, &mut gaps, &mut positions);
    cutter.cut(weights.len(), bits.start, false);
    let mut shard = cutter.cut(weights.len(), bits.end - bits.start, false);
    level.pack(words, &mut shard);
    let planned = shard.finish(words, None);
    // The shard was cut for `bits`, so it refuses codes of another length in all.
    assert!(planned.is_err() || written(words, weights) == bits.end - bits.start, "{level}, {bits:?}");
    let gap_byte = |bit: u64| (bit / CHUNK_BITS + 1) as usize * GAP_BITS / 8;
    let position = |bit: u64| (bit / BLOCK_BITS + 1) as usize * size_of::<u32>();
    // Cutting the first shard writes the first gap, with zeros after it, and the first position.
    let around = [
        (&sign_mantissa, 0, weights.len()..2 * weights.len()),
        (&stream, 0, bits.start as usize / 8..bits.end as usize / 8),
        (&gaps, size_of::<u64>(), gap_byte(bits.start)..gap_byte(bits.end)),
        (&positions, size_of::<u32>(), position(bits.start)..position(bits.end)),
    ];
    for (number, (part, skipped, own)) in around.into_iter().enumerate() {
        let mut others = part[..own.start].iter().skip(skipped).chain(&part[own.end..]);
        assert!(others.all(|&byte| byte == UNTOUCHED), "{level}, part {number}, {bits:?}: {own:?}");
    }
}

/// The plan says where shards are cut. Weights other than those planned may have codes of any
/// length, or none. The bytes around a shard belong to other threads.
#[test]
fn whatever_its_weights_a_shard_writes_between_its_neighbours() {
    let counts =
        [(120, 2000), (121, 1000), (122, 500), (123, 250), (124, 125), (125, 62), (126, 31), (127, 30), (250, 3)];
    let planned: Vec<_> = counts.iter().flat_map(|&(exponent, count)| vec![of_exponent(exponent); count]).collect();
    let plan = df11_core::Plan::new(&planned).expect("a plan");
    let words = Words::new(plan.code());
    // The shortest code, one of which 8 fill 56 bits, the longest, and none.
    let kinds = [120, 126, 250, 0];
    assert_eq!(kinds.map(|exponent| plan.code().lengths()[usize::from(exponent)]), [1, 7, 25, 0]);
    let mixed: Vec<_> = (0..COUNT).map(|index| planned[index * 1009 % planned.len()]).collect();
    let alike = kinds.map(|exponent| vec![of_exponent(exponent); COUNT]);
    let half: Vec<_> = (0..COUNT).map(|index| if index / 45 % 2 == 0 { mixed[index] } else { bf16::ZERO }).collect();
    for level in Level::available() {
        for weights in alike.iter().chain([&mixed, &half]) {
            for bits in (0..70).chain((70..1500).step_by(8)).chain((1500..60_000).step_by(601)) {
                write_shard(level, &words, weights, 1003..1003 + bits);
            }
        }
    }
}

/// Levels may count by runs of exponents that hold most of the first weights. Here these are one
/// run, two, at both ends, or none; and later weights are others.
#[test]
fn exponents_are_counted_wherever_they_are() {
    let mut state = 1u64;
    let mut random = |end: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((state >> 33) % end) as u16
    };
    for kind in 0..7 {
        for count in [0, 1, 511, 4096, 4608, 9000, 70_001] {
            let mut exponent = |index: usize| match kind {
                0 => 100 + random(16),
                1 if random(10) > 0 => 0,
                1 => 110 + random(20),
                2 => random(2) * 241 + random(15),
                3 => random(256),
                4 if index < 5000 => 0,
                4 => random(256),
                5 => (index / 128 % 256) as u16,
                _ if random(40) == 0 => random(256),
                _ => random(2) * 130 + 60 + random(7) * random(3),
            };
            let weights: Vec<_> = (0..count).map(|index| bf16::from_bits(0x8055 | exponent(index) << 7)).collect();
            let mut expected = [0; 256];
            weights.iter().for_each(|weight| expected[usize::from(df11_core::bf16_word::exponent(*weight))] += 1);
            for level in Level::available() {
                assert_eq!(level.histogram(&weights), expected, "{level}, kind {kind}, {count} weights");
            }
        }
    }
}
