//! Prevents core dumps, which would contain secrets.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Permanently sets the limit for core dumps of this process to 0, so that a crash writes no memory
/// to disk. Must be called before any secret is read.
pub fn harden() -> std::io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rustix::process::getrlimit;

    use super::*;

    #[test]
    fn core_dumps_are_disabled() {
        harden().unwrap();
        assert_eq!(getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
    }
}
