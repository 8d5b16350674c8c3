//! Locks that a thread held when it panicked.

use std::sync::LockResult;

/// Takes a lock whether or not it is poisoned.
///
/// One panic must not spread to every thread that shares the value. No critical section of this
/// crate leaves its value half changed, so the value of a poisoned lock is sound.
pub trait IgnorePoison {
    /// The guard; for a condition variable, the guard and what ended the wait.
    type Guard;

    /// Returns the guard of `lock()`, `wait()` or `wait_timeout()`.
    fn ignoring_poison(self) -> Self::Guard;
}

impl<G> IgnorePoison for LockResult<G> {
    type Guard = G;

    fn ignoring_poison(self) -> G {
        self.unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_lock_is_taken_after_its_holder_panicked() {
        let count = Mutex::new(1);
        let panicked = std::panic::catch_unwind(|| {
            let _guard = count.lock().unwrap();
            panic!("the holder panics");
        });
        assert!(panicked.is_err() && count.is_poisoned());
        assert_eq!(*count.lock().ignoring_poison(), 1);
    }
}
