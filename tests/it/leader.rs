//! `watch.leader`: the stores of the lease, and several `watch` processes of which one leads.
//!
//! etcd and PostgreSQL are real; the API of Kubernetes is a stand-in that compares and swaps.

mod alerts;
mod clock;
mod engines;
mod etcd;
mod faults;
mod pair;
mod proxy;
mod shares;
mod stores;
mod tls;
