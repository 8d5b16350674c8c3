//! `watch` against the simulated GARM, in virtual time.

mod absence;
mod equal_labels;
mod group_garms;
mod groups;
mod handed_out;
mod letting_go;
mod level_lease;
mod modes;
mod no_capacity;
mod not_connected;
mod reports;
mod retiring;
mod scale_sets;
mod scaling;
mod slow_reads;
mod specs;
mod stale_cache;
mod unseen;
mod waits;
