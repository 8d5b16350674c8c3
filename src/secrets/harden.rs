//! What keeps secrets in memory out of files.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Sets the core limit of this process to 0, for good: a crash then writes no memory to disk.
/// Called once, before anything secret is read.
pub fn harden() -> std::io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rustix::process::getrlimit;

    use super::*;

    #[test]
    fn no_core_is_written_afterwards() {
        harden().unwrap();
        assert_eq!(getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
    }
}
