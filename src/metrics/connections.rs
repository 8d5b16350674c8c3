//! Bounds on connections, and which one gives way when a bound is reached.
//!
//! A connection is *silent* until the head of its request has arrived; then it asks for *health*
//! or for a *page*. Each of the three has a bound of its own, so that silent peers and slow
//! readers of pages cannot keep a health check out. Where a bound is reached, an older connection
//! is closed: first of the same address, so that one address cannot crowd out the others.

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
    /// Its request has not arrived yet: the TLS handshake, or half a head.
    Silent,
    /// `/healthz` or `/readyz`: a few bytes, at once.
    Health,
    /// Everything else, `/metrics` above all: up to some megabytes, which a peer may read slowly.
    Page,
}

/// Connections of a phase.
struct PhaseLimits {
    all: usize,
    of_one_address: usize,
    /// A connection gives way only when it has been in the phase for so long.
    yields_after: Duration,
}

impl ConnectionPhase {
    /// A head arrives within milliseconds and a health answer is a few bytes, so the oldest of
    /// either is the one that stalls. A page is left the ten seconds that Prometheus waits for
    /// one by default.
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

/// Silent connections at one time.
pub const SILENT_MAX: usize = 64;

/// Every connection that is open.
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

/// The place of one connection, given back when it is dropped.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    places: Arc<ConnectionTable>,
    id: u64,
    /// Cancelled when the connection has to give way.
    pub(super) closing: CancellationToken,
}

/// There is no place, and no connection that may be closed for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoSlot;

impl ConnectionTable {
    /// A place for a connection that has just been accepted; an older silent one may be closed.
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
        // Silent connections give way at any age, so there is always room.
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
    /// The request has arrived, and is for this.
    pub(super) fn asks(&self, phase: ConnectionPhase) -> Result<(), NoSlot> {
        let mut guests = self.places.guests();
        // It has been closed in this moment.
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
    /// Makes room for one more from this address, by closing an older one where that is needed.
    fn make_room(&mut self, phase: ConnectionPhase, address: IpAddr) -> Result<(), NoSlot> {
        let bounds = phase.bounds();
        if self.count(|it| it.phase == phase && it.address == address) >= bounds.of_one_address {
            self.close_oldest(phase, address, bounds.yields_after)?;
        }
        if self.count(|it| it.phase == phase) >= bounds.all {
            let busiest = self.busiest(phase).ok_or(NoSlot)?;
            self.close_oldest(phase, busiest, bounds.yields_after)?;
        }
        Ok(())
    }

    fn count(&self, counts: impl Fn(&OpenConnection) -> bool) -> usize {
        self.by_age.values().filter(|it| counts(it)).count()
    }

    /// The address with the most connections in a phase.
    fn busiest(&self, phase: ConnectionPhase) -> Option<IpAddr> {
        let mut counts = BTreeMap::<IpAddr, usize>::new();
        for guest in self.by_age.values().filter(|it| it.phase == phase) {
            *counts.entry(guest.address).or_default() += 1;
        }
        counts.into_iter().max_by_key(|it| it.1).map(|it| it.0)
    }

    fn close_oldest(
        &mut self,
        phase: ConnectionPhase,
        address: IpAddr,
        yields_after: Duration,
    ) -> Result<(), NoSlot> {
        let matching =
            self.by_age.iter().filter(|(_, it)| it.phase == phase && it.address == address);
        let oldest = matching.min_by_key(|(_, it)| it.since).ok_or(NoSlot)?;
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

/// Whom an address counts for: itself, or its /64 of IPv6, which a single host has to itself.
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
    async fn the_oldest_silent_connection_of_an_address_gives_way_to_its_next() {
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
    async fn many_addresses_together_are_bounded_and_the_busiest_pays() {
        let places = Arc::new(ConnectionTable::default());
        let lone = places.admit(address("192.0.2.1"));
        let many: Vec<ConnectionSlot> = (2..6)
            .flat_map(|last| [last; 16])
            .map(|last| places.admit(IpAddr::from([192, 0, 2, last])))
            .collect();
        assert!(is_open(&lone));
        assert_eq!(many.iter().filter(|it| is_open(it)).count(), SILENT_MAX - 1);
    }

    #[tokio::test(start_paused = true)]
    async fn slow_readers_of_pages_take_no_place_from_health_and_yield_after_ten_seconds() {
        let places = Arc::new(ConnectionTable::default());
        let local = address("127.0.0.1");
        let slow: Vec<ConnectionSlot> = (0..8).map(|_| places.admit(local)).collect();
        assert!(slow.iter().all(|it| it.asks(ConnectionPhase::Page) == Ok(())));
        let late = places.admit(local);
        assert_eq!(late.asks(ConnectionPhase::Page), Err(NoSlot));
        assert_eq!(places.admit(local).asks(ConnectionPhase::Health), Ok(()));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(late.asks(ConnectionPhase::Page), Ok(()));
        assert_eq!(slow.iter().filter(|it| is_open(it)).count(), 7);
    }

    #[test]
    fn addresses_of_one_host_count_as_one() {
        assert_eq!(network(address("2001:db8::1")), network(address("2001:db8::2:3:4")));
        assert_ne!(network(address("2001:db8::1")), network(address("2001:db8:0:1::1")));
        assert_eq!(network(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }
}
