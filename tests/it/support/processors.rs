//! Lets only as many tests compute at a time as there are processors, so that the tests that wait for
//! other processes can run beside them on more threads (`./test`).

use std::cell::RefCell;
use std::sync::{Condvar, LazyLock, Mutex};

static FREE: LazyLock<Mutex<usize>> = LazyLock::new(|| {
    Mutex::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
});
static RETURNED: Condvar = Condvar::new();

thread_local! {
    /// That of the test on this thread. Each test has a thread of its own, unless there is only one.
    static TAKEN: RefCell<Option<Processor>> = const { RefCell::new(None) };
}

/// One of the processors, until it is dropped.
struct Processor;

impl Processor {
    fn take() -> Self {
        let free = FREE.lock().unwrap();
        *RETURNED.wait_while(free, |free| *free == 0).unwrap() -= 1;
        Self
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        *FREE.lock().unwrap() += 1;
        RETURNED.notify_one();
    }
}

/// Waits for a processor, which the calling test keeps until its end.
pub(crate) fn take_processor() {
    TAKEN.with_borrow_mut(|taken| {
        taken.get_or_insert_with(Processor::take);
    });
}
