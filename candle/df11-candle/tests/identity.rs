//! The logits of every step have the same bits in every form, from DFloat11 and BF16 files, on one
//! thread and on two, and on every level of the processor.

#[allow(dead_code)]
mod support;

use df11_candle::{Choice, Form};
use support::{MODELS, compressed, decoder, expected, first, folder, step};

/// Tokens that are generated.
const TOKENS: usize = 64;

#[test]
fn every_form_level_and_number_of_threads_gives_the_same_bits_at_every_step() {
    let pools = [1, 2].map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap());
    let levels = Choice::list().into_iter().filter(|listing| listing.available.is_ok());
    let levels: Vec<_> = levels.map(|listing| listing.name).collect();
    for model in MODELS {
        let coded = compressed(model);
        let (expected, mut all_logits) = (expected(model), None);
        let mut ways = 0;
        for form in Form::ALL {
            for files in [folder(model), coded.path().join("df11")] {
                for level in &levels {
                    let decoder = decoder(&files, form, level);
                    for pool in &pools {
                        let found: Vec<Vec<u32>> = pool.install(|| {
                            let mut cache = decoder.cache().unwrap();
                            let mut logits = step(&decoder, &expected.greedy[..expected.prompt], &mut cache);
                            let mut all = Vec::new();
                            for _ in 0..TOKENS {
                                let next = first(&logits);
                                all.push(logits.iter().map(|logit| logit.to_bits()).collect());
                                logits = step(&decoder, &[next], &mut cache);
                            }
                            all
                        });
                        let all_logits = all_logits.get_or_insert_with(|| found.clone());
                        let threads = pool.current_num_threads();
                        assert!(
                            found == *all_logits,
                            "{model}, {form}, {level}, {threads} threads, {}",
                            files.display()
                        );
                        ways += 1;
                    }
                }
            }
        }
        assert_eq!(ways, 3 * 2 * levels.len() * 2);
    }
}

#[test]
fn compressed_weights_take_less_memory_and_are_not_decoded_to_run() {
    for model in MODELS {
        let coded = compressed(model);
        let files = coded.path().join("df11");
        let bytes = Form::ALL.map(|form| decoder(&files, form, "cpu").resident_bytes() as f64);
        let [df11, flat, bf16] = bytes;
        assert!(df11 < 0.80 * bf16 && flat < 0.95 * bf16, "{model}: {bytes:?}");
    }
}
