//! The machine finds the mistakes that a GPU would keep to itself.

#[cfg(df11_no_machine)]
#[test]
fn mistakes_are_found() {
    println!("skipped: the machine, and every kernel on it (no C++ compiler, or no fibers for this target)");
}

#[cfg(not(df11_no_machine))]
#[test]
fn mistakes_are_found() {
    for (number, &word) in df11_gpu_shim::MISTAKES.iter().enumerate() {
        for seed in 0..3 {
            let fault = df11_gpu_shim::mistake(number as u32, seed).expect_err(word);
            assert!(fault.0.contains(word), "seed {seed}: {}", fault.0);
        }
    }
}
