//! The door.

use std::process::ExitCode;

fn main() -> ExitCode {
    runnerctl::cli::main()
}
