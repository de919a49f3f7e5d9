use std::sync::{Mutex, PoisonError};

/// Memory that products use and leave: each product takes a piece and gives it back, so that as
/// many pieces exist as products ever ran at the same time.
#[derive(Debug, Default)]
pub(crate) struct Scratch(Mutex<Vec<Vec<f32>>>);

impl Scratch {
    /// Runs `task` with a piece of at least `elements`, of any content.
    pub fn with<R>(&self, elements: usize, task: impl FnOnce(&mut [f32]) -> R) -> R {
        let mut piece = self.pieces().pop().unwrap_or_default();
        if piece.len() < elements {
            // The old content is of no use: a new piece instead of a copy.
            piece = vec![0.0; elements];
        }
        let result = task(&mut piece);
        self.pieces().push(piece);
        result
    }

    /// A thread that panicked held no piece, and left the list whole.
    fn pieces(&self) -> std::sync::MutexGuard<'_, Vec<Vec<f32>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
