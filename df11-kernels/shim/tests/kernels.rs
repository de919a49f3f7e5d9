//! The fast and the plain kernel give the weights of core's plain decoder: in every named case,
//! with warps of 32 and of 64 lanes, random order of threads, poisoned memory, guard pages.
#![cfg_attr(df11_no_machine, allow(unused))]

#[path = "../../../tests/support/cases.rs"]
#[allow(dead_code)]
mod cases;
#[path = "../../../tests/support/random.rs"]
#[allow(dead_code)]
mod random;

mod skip;
mod unit;

use skip::skipped;
use unit::Parts;

#[cfg(not(df11_no_machine))]
mod on_the_machine {
    use std::ops::Range;

    use df11_core::{Unit, bf16};
    use df11_gpu_shim::{Order, Uploaded, Vendor, decode, gather, plain};

    use super::*;

    const GATHERED_ROW: usize = 300;
    /// Warps of NVIDIA and RDNA, and of CDNA; then AMD's header for both. Everything runs with
    /// each.
    const FORMS: [(Vendor, u32); 4] = [(Vendor::Host, 32), (Vendor::Host, 64), (Vendor::Hip, 32), (Vendor::Hip, 64)];

    fn order((vendor, warp): (Vendor, u32), seed: u64) -> Order {
        Order { vendor, warp, seed, count: false }
    }

    fn window<'a>(
        uploaded: &'a Uploaded,
        unit: &Unit<'_>,
        weights: Range<u64>,
    ) -> (&'a Uploaded, Range<u64>, Range<usize>) {
        let blocks =
            unit.blocks_of(weights.start, (weights.end - weights.start) as usize).expect("a window of the unit");
        (uploaded, weights, blocks)
    }

    fn all(uploaded: &Uploaded) -> (&Uploaded, Range<u64>, Range<usize>) {
        (uploaded, 0..u64::from(uploaded.unit().weights), 0..uploaded.unit().blocks as usize)
    }

    #[track_caller]
    fn assert_same(what: &str, expected: &[u16], found: &[bf16]) {
        assert_eq!(expected.len(), found.len(), "{what}");
        if let Some(at) = (0..found.len()).find(|&at| expected[at] != found[at].to_bits()) {
            panic!(
                "{what}: weight {at} of {}: expected {:#06x}, found {:#06x}",
                found.len(),
                expected[at],
                found[at].to_bits()
            );
        }
    }

    #[test]
    fn every_case_survives_the_fast_kernel() {
        if skipped() {
            return;
        }
        for (number, case) in cases::short().iter().enumerate() {
            let parts = Parts::new(&case.weights);
            let unit = parts.unit();
            for form in FORMS {
                // One case in three begins where allocations do, the others anywhere.
                let align = [16, 1, 2][number % 3];
                let what = format!("{} {form:?} align {align}", case.name);
                let uploaded = Uploaded::new(&unit, align);
                let outcome = decode(&[all(&uploaded)], 3, align.max(2), order(form, number as u64))
                    .unwrap_or_else(|fault| panic!("{what}: {}", fault.0));
                assert_eq!(outcome.status, [0], "{what}");
                assert_same(&what, &case.weights, &outcome.weights[0]);
            }
        }
    }

    /// Codes of up to 32 bits for exponents below 240, and units of millions of weights.
    #[test]
    fn every_large_case_survives_the_fast_kernel() {
        if skipped() {
            return;
        }
        let short = cases::short().len();
        for (number, case) in cases::full()[short..].iter().enumerate() {
            let parts = Parts::new(&case.weights);
            let uploaded = Uploaded::new(&parts.unit(), 1);
            for form in FORMS {
                let what = format!("{} {form:?}", case.name);
                let outcome = decode(&[all(&uploaded)], 3, 2, order(form, number as u64))
                    .unwrap_or_else(|fault| panic!("{what}: {}", fault.0));
                assert_eq!(outcome.status, [0], "{what}");
                assert_same(&what, &case.weights, &outcome.weights[0]);
            }
        }
    }

    #[test]
    fn every_case_survives_the_plain_kernel() {
        if skipped() {
            return;
        }
        for (number, case) in cases::short().iter().enumerate() {
            let parts = Parts::new(&case.weights);
            let uploaded = Uploaded::new(&parts.unit(), 4);
            for form in FORMS {
                let what = format!("{} {form:?}", case.name);
                let outcome =
                    plain(&uploaded, order(form, number as u64)).unwrap_or_else(|fault| panic!("{what}: {}", fault.0));
                assert_same(&what, &case.weights, &outcome.weights[0]);
            }
        }
    }

    #[test]
    fn a_batch_of_units_is_one_launch() {
        if skipped() {
            return;
        }
        let names = [
            "gaussian_100000",
            "one_weight",
            "zero_heavy",
            "every_word",
            "one_exponent_70000",
            "last_code_straddles_and_ends_on_a_byte",
        ];
        let cases: Vec<_> = cases::short().into_iter().filter(|case| names.contains(&case.name.as_str())).collect();
        assert_eq!(cases.len(), names.len());
        let parts: Vec<Parts> = cases.iter().map(|case| Parts::new(&case.weights)).collect();
        let uploaded: Vec<Uploaded> = parts.iter().map(|parts| Uploaded::new(&parts.unit(), 16)).collect();
        let windows: Vec<_> = uploaded.iter().map(all).collect();
        for (resident, form) in [1, 7, 1000].into_iter().flat_map(|resident| FORMS.map(|form| (resident, form))) {
            let outcome = decode(&windows, resident, 16, order(form, 9)).expect("the batch runs");
            assert!(outcome.status.iter().all(|&status| status == 0), "{:?}", outcome.status);
            for (case, weights) in cases.iter().zip(&outcome.weights) {
                assert_same(&case.name, &case.weights, weights);
            }
        }
    }

    /// Nothing would write weights that lie in other blocks.
    #[test]
    fn a_window_in_other_blocks_is_reported() {
        if skipped() {
            return;
        }
        let parts = Parts::new(&cases::gauss(60_000, 83));
        let unit = parts.unit();
        let (uploaded, border) = (Uploaded::new(&unit, 16), unit.block(1).weights.start);
        let [right, wrong] = [0, df11_kernels::fault::POSITIONS];
        for (weights, blocks, status) in [
            (border - 1..border + 1, 0..2, right),
            (border - 1..border + 1, 0..4, right),
            (border - 1..border + 1, 0..1, wrong),
            (border - 1..border + 1, 1..2, wrong),
            (0..border, 1..2, wrong),
            (border..border + 9, 0..1, wrong),
        ] {
            for (form, resident) in FORMS.into_iter().flat_map(|form| [(form, 1), (form, 9)]) {
                let window = (&uploaded, weights.clone(), blocks.clone());
                let outcome = decode(&[window], resident, 16, order(form, 3)).expect("it runs");
                assert_eq!(outcome.status, [status], "{weights:?} of {blocks:?}, {form:?}");
            }
        }
    }

    #[test]
    fn any_window_of_a_unit_is_decoded_alone() {
        if skipped() {
            return;
        }
        let weights = cases::real_like(60_000, 80);
        let parts = Parts::new(&weights);
        let unit = parts.unit();
        let block = |number: usize| unit.block(number).weights;
        let ends = [
            0,
            1,
            7,
            8,
            9,
            127,
            128,
            1000,
            block(1).start - 1,
            block(1).start,
            block(1).start + 1,
            block(2).end,
            59_999,
            60_000,
        ];
        for (number, (&first, &end)) in ends
            .iter()
            .flat_map(|first| ends.iter().map(move |end| (first, end)))
            .filter(|(first, end)| first < end)
            .enumerate()
        {
            let align = [16, 2, 1][number % 3];
            let uploaded = Uploaded::new(&unit, align);
            for form in FORMS {
                let what = format!("{first}..{end} align {align} {form:?}");
                let window = window(&uploaded, &unit, first..end);
                let outcome = decode(&[window], 2, align.max(2), order(form, number as u64)).expect("the window runs");
                assert_eq!(outcome.status, [0], "{what}");
                assert_same(&what, &weights[first as usize..end as usize], &outcome.weights[0]);
            }
        }
    }

    #[test]
    fn rows_are_gathered_by_number() {
        if skipped() {
            return;
        }
        let weights = cases::gauss(200 * GATHERED_ROW + 20, 81);
        let uploaded = Uploaded::new(&Parts::new(&weights).unit(), 16);
        let rows = [0, 198, 7, 7, 41, 42, 100];
        // The matrix begins where rows of its length would begin, and elsewhere.
        for (form, start) in FORMS.into_iter().flat_map(|form| [0, 7, GATHERED_ROW].map(|start| (form, start))) {
            let end = start + 199 * GATHERED_ROW;
            let row = |row: usize| &weights[start + row * GATHERED_ROW..][..GATHERED_ROW];
            let gathered = |rows: &[u32]| {
                let matrix = start as u64..end as u64;
                gather(&uploaded, matrix, rows, GATHERED_ROW as u32, 3, order(form, 5)).expect("the rows run")
            };
            let outcome = gathered(&rows);
            assert_eq!(outcome.status, [0]);
            let expected: Vec<u16> = rows.iter().flat_map(|&number| row(number as usize)).copied().collect();
            assert_same("rows", &expected, &outcome.weights[0]);
            for beyond in [199, u32::MAX] {
                let outcome = gathered(&[3, beyond]);
                assert_eq!(outcome.status, [df11_kernels::fault::ROW], "row {beyond}");
                assert_same("the row that exists", row(3), &outcome.weights[0][..GATHERED_ROW]);
            }
        }
    }

    /// Flips a bit in device memory after validation. Weights given without a fault are those that
    /// the stream codes. A gap or a position that the kernel does not use may be wrong.
    #[test]
    fn a_damaged_unit_never_gives_other_weights() {
        if skipped() {
            return;
        }
        let mut random = random::Random::new(82);
        for name in [
            "gaussian_10000",
            "ladder_of_17_bits",
            "one_exponent_23550",
            "every_low_exponent_once",
            "high_ladder_of_9_among_low",
        ] {
            let case = cases::short().into_iter().find(|case| case.name == name).expect("a case of that name");
            let parts = Parts::new(&case.weights);
            let unit = parts.unit();
            for round in 0..60 {
                let mut uploaded = Uploaded::new(&unit, 16);
                let number = [0, 0, 2, 3][round % 4];
                let array = uploaded.array(number);
                let bit = random.below(8 * array.len() as u64) as usize;
                array[bit / 8] ^= 1 << (bit % 8);
                for form in FORMS {
                    let what = format!("{name}: bit {bit} of array {number} {form:?}");
                    let outcome = decode(&[all(&uploaded)], 2, 16, order(form, round as u64))
                        .unwrap_or_else(|fault| panic!("{what}: {}", fault.0));
                    if outcome.status == [0] {
                        let stream: &[u8] = if number == 0 { uploaded.array(0) } else { &parts.encoded_exponent };
                        let expected = serial(&unit, stream)
                            .unwrap_or_else(|| panic!("{what}: accepted, and the stream holds no such unit"));
                        assert_same(&what, &expected, &outcome.weights[0]);
                    }
                }
            }
        }
    }

    /// The weights that a stream codes, one code after the other, whatever gaps and positions say.
    fn serial(unit: &Unit<'_>, stream: &[u8]) -> Option<Vec<u16>> {
        let bits = |at: usize| {
            (0..32).fold(0, |window, i| {
                window << 1 | u32::from(stream.get((at + i) / 8).map_or(0, |byte| byte >> (7 - (at + i) % 8) & 1))
            })
        };
        let mut at = 0;
        let weights = unit.view().sign_mantissa.iter().map(|&byte| {
            let (exponent, length) = unit.lookup().find(bits(at))?;
            at += length as usize;
            (at <= 8 * stream.len())
                .then(|| u16::from(byte & 0x80) << 8 | u16::from(exponent) << 7 | u16::from(byte & 0x7F))
        });
        weights.collect()
    }
}
