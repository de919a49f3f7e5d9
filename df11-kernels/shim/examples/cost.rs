//! What the kernels cost, in the units of `cpp/machine.h`: `cost [FILE]...`, each a file of BF16
//! words. Gaussian weights are always priced; files add real weights. Prints one line per site,
//! then the totals per weight. With `--json`, prints the same for `ci/gpu/cost.py`, which adds
//! instructions.

fn main() {
    #[cfg(not(df11_no_machine))]
    price::main();
    #[cfg(df11_no_machine)]
    println!("skipped: the cost model (no C++ compiler, or no fibers for this target)");
}

#[cfg(not(df11_no_machine))]
#[path = "../../../tests/support/cases.rs"]
#[allow(dead_code)]
mod cases;
#[cfg(not(df11_no_machine))]
#[path = "../../../tests/support/random.rs"]
#[allow(dead_code)]
mod random;
#[cfg(not(df11_no_machine))]
#[path = "../tests/unit/mod.rs"]
mod unit;

#[cfg(not(df11_no_machine))]
mod price {
    use df11_gpu_shim::{Counts, Order, Uploaded, Vendor, decode, plain};

    use super::{cases, unit::Parts};

    /// Enough blocks for steady figures, and few enough to run in seconds.
    const WEIGHTS: usize = 1_000_000;

    pub fn main() {
        let json = std::env::args().any(|argument| argument == "--json");
        let sets = [("gauss", cases::gauss(WEIGHTS, 50)), ("real-like", cases::real_like(WEIGHTS, 51))];
        let files = std::env::args().skip(1).filter(|argument| argument != "--json").map(|path| {
            let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            (path, bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect::<Vec<u16>>())
        });
        for (name, words) in sets.into_iter().map(|(name, words)| (name.to_string(), words)).chain(files) {
            let parts = Parts::new(&words);
            let uploaded = Uploaded::new(&parts.unit(), 128);
            let order = Order { vendor: Vendor::Host, warp: 32, seed: 1, count: true };
            let window = (&uploaded, 0..u64::from(uploaded.unit().weights), 0..uploaded.unit().blocks as usize);
            // Few thread blocks, each with many blocks, so that tables cost what they cost a
            // persistent one.
            let fast = decode(&[window], 2, 128, order).expect("the fast kernel runs");
            let plain = plain(&uploaded, order).expect("the plain kernel runs");
            for (kernel, counts) in [("fast", &fast.counts), ("plain", &plain.counts)] {
                print(&name, kernel, words.len(), counts, json);
            }
        }
    }

    fn print(data: &str, kernel: &str, weights: usize, counts: &Counts, json: bool) {
        let warps_worth = weights as f64;
        let each = |number: u64| number as f64 / warps_worth;
        let mut wavefronts = counts.shuffles;
        for site in &counts.sites {
            wavefronts += site.wavefronts;
            let line = (each(site.warp_instructions), each(site.wavefronts), each(site.sectors));
            if json {
                println!("{data}\t{kernel}\t{}\t{}\t{:.6}\t{:.6}\t{:.6}", site.kind, site.name, line.0, line.1, line.2);
            } else {
                println!(
                    "{data:10} {kernel:6} {:13} {:20} {:8.5} {:8.5} {:8.5}",
                    site.kind, site.name, line.0, line.1, line.2
                );
            }
        }
        println!(
            "{data}\t{kernel}\ttotal\twavefronts\t{:.6}\tshuffles {:.6} barriers {:.6}",
            each(wavefronts),
            each(counts.shuffles),
            each(counts.barriers)
        );
    }
}
