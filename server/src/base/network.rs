//! A network as people write it: `172.17.0.0/16`, or one address.

use std::net::IpAddr;
use std::str::FromStr;

/// All addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    /// How many bits.
    bits: u8,
}

impl Network {
    /// The network of `address` that has this prefix; `None` if the address is not that long. A network of IPv4 may be
    /// written in IPv6's clothes, too: `::ffff:10.0.0.0/104` is `10.0.0.0/8`.
    pub(crate) fn new(address: IpAddr, bits: u8) -> Option<Self> {
        let (plain, mapped) = (address.to_canonical(), length(address) - length(address.to_canonical()));
        match bits.checked_sub(mapped) {
            Some(bits) if mapped > 0 && bits <= length(plain) => Some(Self { address: plain, bits }),
            _ => (bits <= length(address)).then_some(Self { address, bits }),
        }
    }

    /// Whether an address is one of it. An IPv4 address may come in IPv6's clothes (`::ffff:10.0.0.1`).
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if address.is_ipv4() != self.address.is_ipv4() {
            return false;
        }
        let rest = u32::from(length(self.address) - self.bits);
        // All bits would be shifted out.
        rest == 128 || (number(address) ^ number(self.address)) >> rest == 0
    }
}

impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(drop)?;
        let bits = bits.map_or(Ok(length(address)), |bits| bits.parse().map_err(drop))?;
        Self::new(address, bits).ok_or(())
    }
}

/// Bits of such an address.
fn length(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
