//! The machine finds the mistakes that a GPU would not report, and counts by its rules.

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

/// The rules of counting, on accesses whose price they give.
#[cfg(not(df11_no_machine))]
#[test]
fn accesses_cost_what_the_rules_say() {
    for (number, &(what, wavefronts, sectors)) in df11_gpu_shim::PATTERNS.iter().enumerate() {
        let counts = df11_gpu_shim::pattern(number as u32).expect(what);
        let found: Vec<_> =
            counts.sites.iter().map(|site| (site.warp_instructions, site.wavefronts, site.sectors)).collect();
        assert_eq!(found, [(1, wavefronts, sectors)], "{what}");
    }
}
