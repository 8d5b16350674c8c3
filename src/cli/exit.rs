//! The exit codes, which `help exit-codes`, the README and the manual page print.

use std::process::ExitCode;

use crate::host::signals::Signal;

/// The result of a command. The numbers are an interface: scripts and CI branch on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done,
    /// Any other failure, and a confirmation answered with no.
    Failed,
    /// Changes or blocked steps are pending, under `--detailed-exitcode`.
    Pending,
    /// A problem in the input.
    Input,
    /// GARM or a secrets manager is unreachable or refuses, and nothing was written.
    Unavailable,
    /// `apply` did not complete every step.
    Incomplete,
    /// Refused before the first write.
    Refused,
    /// The command line is wrong.
    Usage,
    Interrupted,
    Terminated,
}

impl Exit {
    /// Every code, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::Done,
        Self::Failed,
        Self::Pending,
        Self::Input,
        Self::Unavailable,
        Self::Incomplete,
        Self::Refused,
        Self::Usage,
        Self::Interrupted,
        Self::Terminated,
    ];

    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Pending => 2,
            Self::Input => 3,
            Self::Unavailable => 4,
            Self::Incomplete => 5,
            Self::Refused => 6,
            Self::Usage => 64,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The results, from the best to the worst: of several GARMs, the worst result counts. What has
    /// changed something in part comes after what has changed nothing.
    const BY_SEVERITY: [Self; 10] = [
        Self::Done,
        Self::Pending,
        Self::Input,
        Self::Unavailable,
        Self::Refused,
        Self::Failed,
        Self::Incomplete,
        Self::Usage,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The worst of the results; done if there are none.
    pub fn worst(exits: impl IntoIterator<Item = Self>) -> Self {
        let rank = |exit: &Self| Self::BY_SEVERITY.iter().position(|known| known == exit);
        exits.into_iter().max_by_key(rank).unwrap_or(Self::Done)
    }

    /// The exit code of a command that a signal has stopped.
    pub fn of(signal: Signal) -> Self {
        match signal {
            Signal::Interrupt => Self::Interrupted,
            Signal::Terminate => Self::Terminated,
        }
    }

    /// The meaning, in the words of `help exit-codes` and the README.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, or nothing to do; also `plan` with changes",
            Self::Failed => {
                "any other failure, a confirmation answered with no, or a break found by `audit verify`"
            }
            Self::Pending => "`plan --detailed-exitcode`: changes or blocked steps are pending",
            Self::Input => {
                "a problem in the input: pool files, fleet file, policy, secret reference, \
                 no pool files, a warning under `--strict`"
            }
            Self::Unavailable => {
                "GARM or a secrets manager is unreachable, refuses or is not initialised; \
                 nothing was written"
            }
            Self::Incomplete => {
                "`apply` could not complete every step: one failed, was blocked or timed out"
            }
            Self::Refused => {
                "refused before the first write: stale plan, deletion not allowed, \
                 no terminal for confirmation, audit file not writable, mTLS required and not proven"
            }
            Self::Usage => "the command line is wrong",
            Self::Interrupted => "stopped by SIGINT (Ctrl-C)",
            Self::Terminated => "stopped by SIGTERM",
        }
    }

    /// The table that `help exit-codes` prints, at most 80 columns wide.
    pub fn help_table() -> String {
        let mut text = String::from("Exit codes:");
        for exit in Self::ALL {
            let mut line = format!("\n  {:>3} ", exit.code());
            for word in exit.meaning().split(' ') {
                if line.chars().count() + word.chars().count() > HELP_WIDTH {
                    text.push_str(&line);
                    line = String::from("\n      ");
                }
                line.push(' ');
                line.push_str(word);
            }
            text.push_str(&line);
        }
        text
    }
}

/// Columns of what follows the options in a help text.
pub const HELP_WIDTH: usize = 79;

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_results_the_worst_counts() {
        assert_eq!(Exit::worst([]), Exit::Done);
        assert_eq!(Exit::worst([Exit::Pending, Exit::Unavailable, Exit::Done]), Exit::Unavailable);
        assert_eq!(Exit::worst([Exit::Incomplete, Exit::Refused]), Exit::Incomplete);
        for exit in Exit::ALL {
            assert_eq!(Exit::worst([exit]), exit);
            assert!(Exit::BY_SEVERITY.contains(&exit));
        }
    }
}
