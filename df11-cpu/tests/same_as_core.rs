//! Every level gives the bytes and the weights of `df11_core`.

use df11_core::{Error, Histogram, PartsMut, Unit, UnitView, Work, bf16};
use df11_cpu::{Decoder, Encoder, Level, Parts, decode_batch};

/// Bytes of a cache line.
const LINE: usize = 64;

/// A multiplicative generator, good enough for weights.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 16
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn gauss(&mut self) -> f32 {
        let sum: f32 = (0..12).map(|_| (self.next() & 0xFFFF) as f32 / 65536.0).sum();
        (sum - 6.0) * 0.02
    }
}

fn levels() -> Vec<Level> {
    let required = std::env::var("DF11_REQUIRE").unwrap_or_default();
    for listing in Level::list() {
        if let Err(why) = listing.level {
            assert!(!required.split(',').any(|name| name == listing.name), "{} is required, but {why}", listing.name);
            println!("skipped: {} ({why})", listing.name);
        }
    }
    Level::available().collect()
}

fn gauss(count: usize) -> Vec<bf16> {
    let mut random = Random(count as u64);
    (0..count).map(|_| bf16::from_f32(random.gauss())).collect()
}

fn with_exponent(exponent: u64, random: &mut Random) -> bf16 {
    bf16::from_bits((random.next() as u16 & 0x807F) | (exponent as u16) << 7)
}

/// Names and weights that reach the corners of tables, codes and blocks.
fn cases() -> Vec<(&'static str, Vec<bf16>)> {
    let mut random = Random(7);
    let r = &mut random;
    let ladder = |from: u64, step: u64| -> Vec<u64> {
        let mut counts = vec![1u64, 1];
        while counts.iter().sum::<u64>() < 300_000 {
            counts.push(counts[counts.len() - 1] + counts[counts.len() - 2]);
        }
        counts
            .iter()
            .enumerate()
            .flat_map(|(i, &n)| std::iter::repeat_n((from + step * i as u64) % 256, n as usize))
            .collect()
    };
    let mut cases = vec![("one weight", vec![bf16::ONE]), ("one high weight", vec![bf16::INFINITY])];
    // Threads encode 2^18 weights at a time: the last thread gets a full shard, one weight, or a
    // few.
    let shard = 1 << 18;
    for count in [2, 3, 5, 7, 63, 64, 65, 1000, 11_999, 13_000, 65_536, shard, shard + 1, shard + 66, 300_000] {
        cases.push(("gauss", gauss(count)));
    }
    cases.push(("one exponent", (0..200_000).map(|_| with_exponent(127, r)).collect()));
    cases.push(("exponent 0", (0..70_000).map(|_| with_exponent(0, r)).collect()));
    cases.push(("two exponents", (0..100_000).map(|_| with_exponent(120 + u64::from(r.below(9) == 0), r)).collect()));
    cases.push(("all words", (0..=u16::MAX).map(bf16::from_bits).collect()));
    cases.push((
        "uniform exponents",
        (0..150_000)
            .map(|_| {
                let e = r.below(256);
                with_exponent(e, r)
            })
            .collect(),
    ));
    cases.push((
        "spike and flat",
        (0..400_000)
            .map(|_| {
                let e = if r.below(10) < 9 { 100 } else { r.below(256) };
                with_exponent(e, r)
            })
            .collect(),
    ));
    for (name, from, step) in [("ladder", 100, 1), ("falling ladder", 3, 255), ("ladder over all", 0, 11)] {
        let mut exponents = ladder(from, step);
        for i in (1..exponents.len()).rev() {
            exponents.swap(i, r.below(i as u64 + 1) as usize);
        }
        cases.push((name, exponents.into_iter().map(|e| with_exponent(e, r)).collect()));
    }
    let mut hidden = gauss(500_000);
    for word in 0..=u16::MAX {
        let at = r.below(hidden.len() as u64) as usize;
        if word % 16 == 3 {
            hidden[at] = bf16::from_bits(word);
        }
    }
    cases.push(("words hidden in gauss", hidden));
    cases
}

fn core_parts(weights: &[bf16]) -> Parts {
    let plan = df11_core::Plan::new(weights).unwrap();
    let mut parts = Parts::of(&plan.sizes()).unwrap();
    df11_core::encode(weights, &plan, parts.as_mut()).unwrap();
    parts
}

fn words(weights: &[bf16]) -> Vec<u16> {
    weights.iter().map(|weight| weight.to_bits()).collect()
}

#[test]
fn every_level_encodes_the_bytes_of_core_into_buffers_of_any_content() {
    for (name, weights) in cases() {
        let expected = core_parts(&weights);
        for level in levels() {
            let encoder = Encoder::new(level, Work::Pool);
            let plan = encoder.plan(&weights).unwrap();
            let mut parts = Parts::of(&plan.sizes()).unwrap();
            let dirty = |part: &mut Vec<u8>| part.fill(0xA5);
            dirty(&mut parts.encoded_exponent);
            dirty(&mut parts.sign_mantissa);
            dirty(&mut parts.luts);
            dirty(&mut parts.gaps);
            dirty(&mut parts.output_positions);
            encoder.encode(&weights, &plan, parts.as_mut()).unwrap();
            assert!(parts.luts == expected.luts, "{level}, {name}, {}: luts", weights.len());
            assert!(parts.sign_mantissa == expected.sign_mantissa, "{level}, {name}, {}: signs", weights.len());
            assert!(parts.encoded_exponent == expected.encoded_exponent, "{level}, {name}, {}: stream", weights.len());
            assert!(parts.gaps == expected.gaps, "{level}, {name}, {}: gaps", weights.len());
            assert!(
                parts.output_positions == expected.output_positions,
                "{level}, {name}, {}: positions",
                weights.len()
            );
        }
    }
}

#[test]
fn parts_that_held_another_unit_hold_the_next_one() {
    let mut parts = Parts::default();
    for count in [100_000, 300, 200_000, 1, 100_000] {
        let weights = gauss(count);
        let encoder = Encoder::new(Level::best(), Work::Pool);
        let plan = encoder.plan(&weights).unwrap();
        parts.fit(&plan.sizes()).unwrap();
        encoder.encode(&weights, &plan, parts.as_mut()).unwrap();
        assert!(parts == core_parts(&weights), "{count} weights");
    }
}

#[test]
fn every_level_decodes_all_weights_and_any_range() {
    let mut random = Random(11);
    for (name, weights) in cases() {
        let parts = core_parts(&weights);
        let unit = parts.view(&[]).validate().unwrap();
        for level in levels() {
            let decoder = Decoder::new(unit.borrowed(), level);
            let mut room = vec![bf16::ZERO; weights.len() + 1];
            for shift in [0, 1] {
                let restored = &mut room[shift..][..weights.len()];
                restored.fill(bf16::NAN);
                decoder.decode(restored, Work::Pool).unwrap();
                assert!(words(restored) == words(&weights), "{level}, {name}, {}", weights.len());
            }
            for _ in 0..20 {
                let first = random.below(weights.len() as u64);
                let most = (weights.len() as u64 - first).min(1 << random.below(20));
                let count = random.below(most + 1) as usize;
                let mut some = vec![bf16::NAN; count];
                decoder.decode_range(first, &mut some, Work::Pool).unwrap();
                assert!(
                    words(&some) == words(&weights[first as usize..][..count]),
                    "{level}, {name}, {first}, {count}"
                );
            }
            let error = decoder.decode_range(1, &mut room, Work::Pool).unwrap_err();
            assert!(matches!(error, Error::RangePastEnd { .. }), "{error}");
        }
    }
}

/// From 16 Mi weights on, writes bypass the cache, in whole lines wherever a buffer begins.
#[test]
fn what_bypasses_the_cache_arrives() {
    let mut random = Random(3);
    let weights: Vec<_> = (0..(16 << 20) + 77)
        .map(|_| {
            let rank = u64::from(random.next().trailing_zeros());
            with_exponent(120 + rank.min(9), &mut random)
        })
        .collect();
    let expected = core_parts(&weights);
    let unit = expected.view(&[]).validate().unwrap();
    for level in levels() {
        let encoder = Encoder::new(level, Work::Pool);
        let plan = encoder.plan(&weights).unwrap();
        for shift in [0, 1] {
            let mut parts = Parts::of(&plan.sizes()).unwrap();
            let mut room = vec![0xA5; weights.len() + 2 * LINE];
            let first = room.as_ptr().align_offset(LINE) + shift;
            let sign_mantissa = &mut room[first..][..weights.len()];
            encoder.encode(&weights, &plan, PartsMut { sign_mantissa, ..parts.as_mut() }).unwrap();
            assert!(room[first..][..weights.len()] == expected.sign_mantissa, "{level}, {shift}");
            assert!(parts.encoded_exponent == expected.encoded_exponent, "{level}, {shift}");
        }
        for shift in [0, 1] {
            let mut room = vec![bf16::NAN; weights.len() + LINE];
            let first = room.as_ptr().align_offset(LINE) + shift;
            let restored = &mut room[first..][..weights.len()];
            Decoder::new(unit.borrowed(), level).decode(restored, Work::Pool).unwrap();
            assert!(words(restored) == words(&weights), "{level}, {shift}");
        }
    }
}

#[test]
fn rows_are_gathered_in_the_order_asked_for() {
    let columns = 300;
    let weights = gauss(10_000 + columns * 700);
    let parts = core_parts(&weights);
    let splits = 10_000i64.to_le_bytes();
    let unit = parts.view(&splits).validate().unwrap();
    let matrix = unit.matrices().nth(1).unwrap();
    for level in levels() {
        let decoder = Decoder::new(unit.borrowed(), level);
        let rows = [699, 0, 5, 5, 412, 1, 0];
        let mut gathered = vec![bf16::NAN; rows.len() * columns];
        decoder.decode_rows(matrix.clone(), columns, &rows, &mut gathered, Work::Pool).unwrap();
        for (row, found) in rows.iter().zip(gathered.chunks(columns)) {
            let first = 10_000 + *row as usize * columns;
            assert!(words(found) == words(&weights[first..][..columns]), "{level}, row {row}");
        }
        for row in [700, u64::MAX, u64::MAX / columns as u64] {
            let error =
                decoder.decode_rows(matrix.clone(), columns, &[row], &mut gathered[..columns], Work::Pool).unwrap_err();
            assert!(matches!(error, Error::RangePastEnd { .. }), "{error}");
        }
        assert_eq!(
            decoder.decode_rows(matrix.clone(), columns, &[1], &mut gathered, Work::Pool).unwrap_err(),
            Error::BufferSize { buffer: "weights", found: gathered.len(), expected: columns }
        );
    }
}

/// A decoder may accept an index that it does not use. It never gives other weights than the plain
/// one.
#[test]
fn a_broken_unit_is_refused_or_decoded_as_the_plain_decoder_does() {
    let weights = gauss(60_000);
    let good = core_parts(&weights);
    let mut random = Random(5);
    for round in 0..600 {
        let mut parts = good.clone();
        let part: &mut Vec<u8> = match round % 5 {
            0 => &mut parts.encoded_exponent,
            1 => &mut parts.luts,
            2 => &mut parts.gaps,
            3 => &mut parts.output_positions,
            _ => {
                let cut = random.below(10) as usize;
                parts.encoded_exponent.truncate(parts.encoded_exponent.len() - cut);
                &mut parts.encoded_exponent
            }
        };
        let at = random.below(part.len() as u64) as usize;
        part[at] ^= 1 << random.below(8);
        let Ok(unit) = parts.view(&[]).validate() else { continue };
        agrees_with_plain(&unit, weights.len());
    }
}

fn agrees_with_plain(unit: &Unit<'_>, count: usize) {
    let mut plain = vec![bf16::ZERO; count];
    let expected = df11_core::decode(unit, &mut plain);
    for level in levels() {
        let mut found = vec![bf16::ZERO; count];
        match (&expected, Decoder::new(unit.borrowed(), level).decode(&mut found, Work::Pool)) {
            (Ok(()), result) => {
                result.unwrap();
                assert!(words(&found) == words(&plain), "{level}");
            }
            (Err(Error::GapContradictsStream { .. }), _) | (Err(_), Err(_)) => {}
            (Err(error), Ok(())) => panic!("{level} accepts what the plain decoder refuses: {error}"),
        }
    }
}

#[test]
fn plans_of_all_zeros_still_launch() {
    let weights = vec![bf16::ZERO; 400_000];
    for level in levels() {
        let plan = Encoder::new(level, Work::Pool).plan(&weights).unwrap();
        assert_eq!(plan.code().lengths(), df11_core::Plan::new(&weights).unwrap().code().lengths());
    }
    assert_eq!(Histogram::of(&weights).exponents_in_use(), 1);
}

#[test]
fn batches_decode_every_unit() {
    let all: Vec<_> = [1usize, 40_000, 700_000].map(gauss).into();
    let parts: Vec<_> = all.iter().map(|weights| core_parts(weights)).collect();
    let units: Vec<_> = parts.iter().map(|parts| parts.view(&[]).validate().unwrap()).collect();
    for level in levels() {
        let mut restored: Vec<_> = all.iter().map(|weights| vec![bf16::NAN; weights.len()]).collect();
        let mut batch: Vec<_> = units
            .iter()
            .zip(&mut restored)
            .map(|(unit, out)| (Decoder::new(unit.borrowed(), level), &mut out[..]))
            .collect();
        decode_batch(&mut batch, Work::Pool).unwrap();
        drop(batch);
        for (weights, restored) in all.iter().zip(&restored) {
            assert!(words(weights) == words(restored), "{level}");
        }
    }
}

#[test]
fn buffers_of_the_wrong_size_are_refused() {
    let weights = gauss(1000);
    let mut parts = core_parts(&weights);
    for level in levels() {
        let encoder = Encoder::new(level, Work::Pool);
        let plan = encoder.plan(&weights).unwrap();
        let PartsMut { encoded_exponent, sign_mantissa, luts, gaps, output_positions } = parts.as_mut();
        let short = PartsMut { encoded_exponent, sign_mantissa: &mut sign_mantissa[1..], luts, gaps, output_positions };
        assert_eq!(
            encoder.encode(&weights, &plan, short),
            Err(Error::BufferSize { buffer: "sign_mantissa", found: 999, expected: 1000 })
        );
        assert!(encoder.encode(&weights[1..], &plan, parts.as_mut()).is_err());
        assert_eq!(encoder.plan(&[]).unwrap_err(), Error::NoWeights);
        encoder.encode(&weights, &plan, parts.as_mut()).unwrap();
        let UnitView { .. } = parts.view(&[]);
        let unit = parts.view(&[]).validate().unwrap();
        let mut room = vec![bf16::ZERO; 999];
        assert_eq!(
            Decoder::new(unit.borrowed(), level).decode(&mut room, Work::Pool),
            Err(Error::BufferSize { buffer: "weights", found: 999, expected: 1000 })
        );
    }
}
