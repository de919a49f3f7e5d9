//! A backend of one's own: the algorithm of the GPU (`two_phase`), a block a task, on threads of the
//! standard library. It shows how little a backend is; it is not fast.

use std::thread;

use df11_core::{Backend, BackendError, Error, Loaded, Unit, Work, bf16, two_phase};

/// Decodes blocks on this many threads, each as a thread block of the GPU would.
#[derive(Clone, Copy, Debug)]
pub struct Blocks {
    /// Threads of a call that may use more than the caller's.
    pub threads: usize,
}

#[derive(Debug)]
struct LoadedUnit<'u> {
    unit: Unit<'u>,
    threads: usize,
}

impl Backend for Blocks {
    fn name(&self) -> &str {
        "blocks"
    }

    fn load<'u>(&self, unit: Unit<'u>) -> Result<Box<dyn Loaded + 'u>, BackendError> {
        Ok(Box::new(LoadedUnit { unit, threads: self.threads.max(1) }))
    }
}

impl Loaded for LoadedUnit<'_> {
    fn unit(&self) -> Option<&Unit<'_>> {
        Some(&self.unit)
    }

    fn weights(&self) -> u64 {
        self.unit.weights()
    }

    fn decode_range(&self, first: u64, weights: &mut [bf16], work: Work) -> Result<(), BackendError> {
        let blocks = self.unit.blocks_of(first, weights.len())?;
        let mut tasks = Vec::with_capacity(blocks.len());
        let (mut rest, mut at) = (weights, first);
        for block in blocks {
            let end = self.unit.block(block).weights.end;
            let (own, after) = rest.split_at_mut(((end - at) as usize).min(rest.len()));
            tasks.push((block, at, own));
            (rest, at) = (after, end);
        }
        let threads = if work == Work::Pool { self.threads } else { 1 };
        let share = tasks.len().div_ceil(threads).max(1);
        let decoded: Result<(), Error> = thread::scope(|scope| {
            let mut shares = tasks.chunks_mut(share);
            let own = shares.next();
            let others: Vec<_> = shares.map(|tasks| scope.spawn(|| self.decode_blocks(tasks))).collect();
            let own = own.map_or(Ok(()), |tasks| self.decode_blocks(tasks));
            others.into_iter().map(|thread| thread.join().expect("nothing in it panics")).fold(own, Result::and)
        });
        Ok(decoded?)
    }
}

impl LoadedUnit<'_> {
    /// Each task: a block, the first weight that is wanted of it, and where the wanted ones go.
    fn decode_blocks(&self, tasks: &mut [(usize, u64, &mut [bf16])]) -> Result<(), Error> {
        let mut whole = Vec::new();
        for (block, first, wanted) in tasks {
            let range = self.unit.block(*block).weights;
            whole.resize((range.end - range.start) as usize, bf16::ZERO);
            two_phase::decode_block(&self.unit, *block, &mut whole)?;
            let skipped = (*first - range.start) as usize;
            wanted.copy_from_slice(&whole[skipped..skipped + wanted.len()]);
        }
        Ok(())
    }
}
