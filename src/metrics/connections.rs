//! Limits on the number of connections, and which connection is closed when a limit is reached.
//!
//! A connection is *silent* until the head of its request has arrived; then it requests *health* or
//! a *page*. Each of the three phases has its own limits, so that silent peers and slow readers of
//! pages cannot block health checks. When a limit is reached, an older connection is closed: of the
//! address that has reached its own limit, or else of the address with the most connections. One
//! address can thus not exclude the others.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::domain::poison::IgnorePoison;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ConnectionPhase {
    /// The head of its request has not arrived completely.
    Silent,
    /// `/healthz` or `/readyz`, whose response has a few bytes.
    Health,
    /// Any other page: up to several megabytes, which a peer may read slowly.
    Page,
}

/// The limits of a phase.
struct PhaseLimits {
    all: usize,
    of_one_address: usize,
    /// How long a connection is protected in this phase before it may be closed for a newer one.
    yields_after: Duration,
}

impl ConnectionPhase {
    /// A request head arrives within milliseconds and a health response has a few bytes, so the
    /// oldest connection in either phase is stalled. A page may take ten seconds, the default
    /// timeout of Prometheus.
    fn bounds(self) -> PhaseLimits {
        let bounds =
            |all, of_one_address, yields_after| PhaseLimits { all, of_one_address, yields_after };
        match self {
            Self::Silent => bounds(SILENT_MAX, SILENT_MAX / 4, Duration::ZERO),
            Self::Health => bounds(64, 16, Duration::ZERO),
            Self::Page => bounds(16, 8, Duration::from_secs(10)),
        }
    }
}

/// The maximum number of silent connections.
pub const SILENT_MAX: usize = 64;

#[derive(Debug, Default)]
pub(super) struct ConnectionTable {
    guests: Mutex<OpenConnections>,
}

#[derive(Debug, Default)]
struct OpenConnections {
    next: u64,
    by_age: BTreeMap<u64, OpenConnection>,
}

#[derive(Debug)]
struct OpenConnection {
    address: IpAddr,
    phase: ConnectionPhase,
    since: Instant,
    closing: CancellationToken,
}

/// The slot of one connection; dropping it frees the slot.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    places: Arc<ConnectionTable>,
    id: u64,
    /// Cancelled when the connection must be closed for another one.
    pub(super) closing: CancellationToken,
}

/// No slot is free, and no connection may be closed to free one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoSlot;

impl ConnectionTable {
    /// Returns a slot for a new connection. May close an older silent connection for it.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr) -> ConnectionSlot {
        let address = network(peer);
        let closing = CancellationToken::new();
        let guest = OpenConnection {
            address,
            phase: ConnectionPhase::Silent,
            since: Instant::now(),
            closing: closing.clone(),
        };
        let mut guests = self.guests();
        // Silent connections may be closed at any age, so this cannot fail.
        let _ = guests.make_room(ConnectionPhase::Silent, address);
        let id = guests.next;
        guests.next += 1;
        guests.by_age.insert(id, guest);
        ConnectionSlot { places: Arc::clone(self), id, closing }
    }

    fn guests(&self) -> MutexGuard<'_, OpenConnections> {
        self.guests.lock().ignoring_poison()
    }
}

impl ConnectionSlot {
    /// Moves the connection to the phase of its request. Errors if there is no slot for it there.
    pub(super) fn asks(&self, phase: ConnectionPhase) -> Result<(), NoSlot> {
        let mut guests = self.places.guests();
        // The connection is gone from the table if it was closed for another one in the meantime.
        let mut guest = guests.by_age.remove(&self.id).ok_or(NoSlot)?;
        let room = guests.make_room(phase, guest.address);
        if room.is_ok() {
            (guest.phase, guest.since) = (phase, Instant::now());
        }
        guests.by_age.insert(self.id, guest);
        room
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.places.guests().by_age.remove(&self.id);
    }
}

impl OpenConnections {
    /// Makes room for one more connection from this address, by closing an older one if necessary.
    fn make_room(&mut self, phase: ConnectionPhase, address: IpAddr) -> Result<(), NoSlot> {
        let bounds = phase.bounds();
        if self.count(|guest| guest.phase == phase && guest.address == address)
            >= bounds.of_one_address
        {
            self.close_oldest(phase, address, bounds.yields_after)?;
        }
        if self.count(|guest| guest.phase == phase) >= bounds.all {
            let busiest = self.busiest(phase).ok_or(NoSlot)?;
            self.close_oldest(phase, busiest, bounds.yields_after)?;
        }
        Ok(())
    }

    fn count(&self, counts: impl Fn(&OpenConnection) -> bool) -> usize {
        self.by_age.values().filter(|guest| counts(guest)).count()
    }

    /// The address with the most connections in a phase.
    fn busiest(&self, phase: ConnectionPhase) -> Option<IpAddr> {
        let mut counts = BTreeMap::<IpAddr, usize>::new();
        for guest in self.by_age.values().filter(|guest| guest.phase == phase) {
            *counts.entry(guest.address).or_default() += 1;
        }
        counts.into_iter().max_by_key(|entry| entry.1).map(|entry| entry.0)
    }

    fn close_oldest(
        &mut self,
        phase: ConnectionPhase,
        address: IpAddr,
        yields_after: Duration,
    ) -> Result<(), NoSlot> {
        let matching = self
            .by_age
            .iter()
            .filter(|(_, connection)| connection.phase == phase && connection.address == address);
        let oldest = matching.min_by_key(|(_, connection)| connection.since).ok_or(NoSlot)?;
        if oldest.1.since.elapsed() < yields_after {
            return Err(NoSlot);
        }
        let id = *oldest.0;
        if let Some(guest) = self.by_age.remove(&id) {
            guest.closing.cancel();
        }
        Ok(())
    }
}

/// The key by which connections are counted: the IPv4 address, or the /64 network of an IPv6
/// address, which usually belongs to a single host.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn is_open(place: &ConnectionSlot) -> bool {
        !place.closing.is_cancelled()
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_silent_connection_of_an_address_is_closed_for_its_next() {
        let places = Arc::new(ConnectionTable::default());
        let other = places.admit(address("192.0.2.2"));
        let mut silent: Vec<ConnectionSlot> =
            (0..200).map(|_| places.admit(address("192.0.2.1"))).collect();
        let open: Vec<bool> = silent.iter().map(is_open).collect();
        assert_eq!(open, [[false; 184].as_slice(), &[true; 16]].concat());
        assert!(is_open(&other), "another address pays nothing");
        silent.clear();
        assert_eq!(places.guests().by_age.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn many_addresses_are_bounded_together_at_the_cost_of_the_busiest() {
        let places = Arc::new(ConnectionTable::default());
        let lone = places.admit(address("192.0.2.1"));
        let many: Vec<ConnectionSlot> = (2..6)
            .flat_map(|last| [last; 16])
            .map(|last| places.admit(IpAddr::from([192, 0, 2, last])))
            .collect();
        assert!(is_open(&lone));
        assert_eq!(many.iter().filter(|client| is_open(client)).count(), SILENT_MAX - 1);
    }

    #[tokio::test(start_paused = true)]
    async fn slow_readers_of_pages_do_not_block_health_and_are_closed_after_ten_seconds() {
        let places = Arc::new(ConnectionTable::default());
        let local = address("127.0.0.1");
        let slow: Vec<ConnectionSlot> = (0..8).map(|_| places.admit(local)).collect();
        assert!(slow.iter().all(|client| client.asks(ConnectionPhase::Page) == Ok(())));
        let late = places.admit(local);
        assert_eq!(late.asks(ConnectionPhase::Page), Err(NoSlot));
        assert_eq!(places.admit(local).asks(ConnectionPhase::Health), Ok(()));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(late.asks(ConnectionPhase::Page), Ok(()));
        assert_eq!(slow.iter().filter(|client| is_open(client)).count(), 7);
    }

    #[test]
    fn addresses_of_one_host_count_as_one() {
        assert_eq!(network(address("2001:db8::1")), network(address("2001:db8::2:3:4")));
        assert_ne!(network(address("2001:db8::1")), network(address("2001:db8:0:1::1")));
        assert_eq!(network(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }
}
