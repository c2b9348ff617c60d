//! Which addresses an endpoint may have: only those that the public Internet routes.
//!
//! The check stands between the look-up of the name and the connection, so a name that leads elsewhere the second time
//! (DNS rebinding) is looked at the second time too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Why an endpoint's address is not connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The name does not lead anywhere.
    #[error("its name cannot be resolved")]
    Unknown,
    /// The name leads to an address of a private network, of this machine, or of the cloud's metadata.
    #[error("its address is not one of the public Internet")]
    NotPublic,
}

/// Looks a host up.
pub type LookUp = Arc<dyn Fn(String) -> crate::BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// Resolves names to addresses that are allowed.
#[derive(Clone)]
pub struct Guard {
    look_up: LookUp,
    is_allowed: fn(IpAddr) -> bool,
}

impl Guard {
    /// Allows public addresses, as the system resolves names.
    pub fn public() -> Self {
        let look_up: LookUp =
            Arc::new(|host| Box::pin(async move { Ok(tokio::net::lookup_host((host.as_str(), 0)).await?.collect()) }));
        Self { look_up, is_allowed: is_public }
    }

    /// With another way to look a host up, and other addresses that are allowed: for tests.
    pub fn new(look_up: LookUp, is_allowed: fn(IpAddr) -> bool) -> Self {
        Self { look_up, is_allowed }
    }

    /// The addresses of a host. One that is not allowed spoils all of them.
    ///
    /// # Errors
    /// [`AddressError`].
    pub async fn addresses(&self, host: String) -> Result<Vec<SocketAddr>, AddressError> {
        let addresses = (self.look_up)(host).await.map_err(|_| AddressError::Unknown)?;
        match addresses.iter().all(|address| (self.is_allowed)(address.ip())) {
            _ if addresses.is_empty() => Err(AddressError::Unknown),
            true => Ok(addresses),
            false => Err(AddressError::NotPublic),
        }
    }

    /// Whether an address that stands in a URL is allowed: it is never looked up.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        (self.is_allowed)(address)
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = guard.addresses(name.as_str().to_owned()).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Whether the public Internet routes an address (IANA's special-purpose address registries).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    match address.octets() {
        // This network, private networks, loopback, link-local (with the metadata service), multicast, reserved.
        [0 | 10 | 127 | 224..=255, ..] | [172, 16..=31, ..] | [192, 168, ..] | [169, 254, ..] => false,
        // Shared address space, protocol assignments, the former 6to4 relays, benchmarks, documentation.
        [100, 64..=127, ..] | [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 18 | 19, ..] => false,
        [198, 51, 100, _] | [203, 0, 113, _] => false,
        _ => true,
    }
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let last_v4 = Ipv4Addr::from(((u32::from(segments[6])) << 16) | u32::from(segments[7]));
    match segments {
        // An IPv4 address in IPv6's clothes, or behind NAT64.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => is_public_v4(last_v4),
        // Protocol assignments (with Teredo), documentation, 6to4, documentation.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // Global unicast. Everything else is local, multicast or unassigned.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_are_connected_to() {
        for private in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "::127.0.0.1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in
            ["1.1.1.1", "172.32.0.1", "100.128.0.1", "192.0.3.1", "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    fn answering(answers: &'static [&'static [&'static str]]) -> Guard {
        let asked = Arc::new(AtomicUsize::new(0));
        let look_up: LookUp = Arc::new(move |_| {
            let answer = answers[asked.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)];
            let addresses = answer.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect();
            Box::pin(std::future::ready(Ok(addresses)))
        });
        Guard::new(look_up, is_public)
    }

    #[tokio::test]
    async fn a_name_that_is_bound_to_another_address_later_is_refused_then() {
        let guard = answering(&[&["93.184.215.14"], &["169.254.169.254"]]);
        assert!(guard.addresses("rebinding.example".to_owned()).await.is_ok());
        assert_eq!(guard.addresses("rebinding.example".to_owned()).await, Err(AddressError::NotPublic));
    }

    #[tokio::test]
    async fn one_private_address_among_public_ones_spoils_all() {
        let guard = answering(&[&["93.184.215.14", "10.0.0.1"]]);
        assert_eq!(guard.addresses("mixed.example".to_owned()).await, Err(AddressError::NotPublic));
        let guard = answering(&[&[]]);
        assert_eq!(guard.addresses("empty.example".to_owned()).await, Err(AddressError::Unknown));
    }
}
