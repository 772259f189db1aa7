//! How many connections are open: all together, and per address.
//!
//! **Invariant:** a slot is given back when its connection ends, and an address without slots is forgotten
//! (`slots_come_back_and_addresses_are_forgotten`).

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ahash::AHashMap;
use parking_lot::Mutex;

use crate::auth::TrustedProxy;
use crate::auth::address::ClientAddress;
use crate::telemetry::Metrics;

/// The count. A clone is a handle to the same one.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    max: usize,
    per_address_max: usize,
    open: AtomicUsize,
    by_address: Mutex<AHashMap<ClientAddress, usize>>,
    trusted: Vec<TrustedProxy>,
    metrics: Metrics,
}

/// One open connection.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Slots,
    address: Option<ClientAddress>,
}

impl Slots {
    pub(super) fn new(max: usize, per_address_max: usize, trusted: Vec<TrustedProxy>, metrics: Metrics) -> Self {
        let (open, by_address) = (AtomicUsize::new(0), Mutex::default());
        Self { inner: Arc::new(Inner { max, per_address_max, open, by_address, trusted, metrics }) }
    }

    /// A slot for a connection from `peer` (`None`: a Unix socket), or `None` where there is none left. Proxies that are
    /// trusted speak for many clients, so their connections count only in the whole.
    pub(super) fn take(&self, peer: Option<IpAddr>) -> Option<Slot> {
        let inner = &self.inner;
        if inner.open.fetch_add(1, Ordering::AcqRel) >= inner.max {
            inner.open.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        let mut slot = Slot { slots: self.clone(), address: None };
        inner.metrics.connected();
        inner.metrics.connections().inc();
        let Some(address) = peer.filter(|peer| !self.is_trusted(*peer)).map(ClientAddress::from) else {
            return Some(slot);
        };
        let mut by_address = inner.by_address.lock();
        let count = by_address.entry(address).or_default();
        if *count >= inner.per_address_max {
            return None;
        }
        *count += 1;
        slot.address = Some(address);
        Some(slot)
    }

    fn is_trusted(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.inner.trusted.iter().any(|proxy| matches!(proxy, TrustedProxy::Net(net) if net.contains(&peer)))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let inner = &self.slots.inner;
        inner.open.fetch_sub(1, Ordering::AcqRel);
        inner.metrics.connections().dec();
        let Some(address) = self.address else { return };
        let mut by_address = inner.by_address.lock();
        if let Some(count) = by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn slots_come_back_and_addresses_are_forgotten() {
        let slots = Slots::new(4, 2, vec!["10.0.0.0/8".parse().unwrap()], Metrics::new());
        let one = slots.take(ip("192.0.2.1")).unwrap();
        let two = slots.take(ip("192.0.2.1")).unwrap();
        assert!(slots.take(ip("192.0.2.1")).is_none(), "over the address's share");
        let proxied: Vec<_> = (0..2).map(|_| slots.take(ip("10.0.0.1")).unwrap()).collect();
        assert!(slots.take(None).is_none(), "over the whole");
        drop(one);
        assert!(slots.take(None).is_some());
        assert!(slots.take(ip("192.0.2.1")).is_some());
        drop((two, proxied));
        assert!(slots.inner.by_address.lock().is_empty());
        assert_eq!(slots.inner.open.load(Ordering::Acquire), 0);
        assert_eq!(slots.inner.metrics.connections().get(), 0);
    }
}
