//! The program on its command line, against `sandbox`, as users, cron and CI run it.

mod apps;
pub(crate) mod bench;
mod canary;
mod codes;
mod complete;
mod destroy;
mod explain;
mod forms;
mod garms;
mod init;
mod insecure;
mod kit;
mod log;
mod policy_since;
mod runners;
mod saved;
mod story;
pub(crate) mod terminal;
