//! A network path with a delay, for machines whose kernel has no `netem`: a network device of ours holds back what goes through it.
//!
//! `delay-line NAME ADDRESS DELAY_MICROS`, as root. ADDRESS is this machine's own in the network of the device; a connection to the next
//! higher one comes back to it, each packet late by the delay on each way, as `netem` on `lo` would have it. So TCP is the kernel's own, with the windows
//! and acknowledgements of such a path; a proxy would end the connection before the delay and hide them. Packets are as large as on loopback.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind, Result};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use tun_rs::{DeviceBuilder, SyncDevice};

/// As on `lo`, or nearly so.
const PACKET_BYTES: u16 = 65_535;

/// What the device holds until it is looked at: more than a walsender sends in that time.
const QUEUE_PACKETS: u32 = 20_000;

/// How often it is looked at. Not by waiting for packets: then each would wake us, at the cost of its sender.
const INTERVAL: Duration = Duration::from_micros(100);

/// What is held back at most; beyond that packets are lost, as on a path that is too narrow.
const HELD_BYTES_MAX: usize = 256 << 20;

/// Where an IPv4 header has its two addresses.
const SOURCE: usize = 12;
const TARGET: usize = 16;
const HEADER_BYTES: usize = 20;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, address, delay] = arguments.as_slice() else {
        return Err(Error::other("wanted: NAME ADDRESS DELAY_MICROS"));
    };
    let address: Ipv4Addr = address.parse().map_err(Error::other)?;
    let delay = Duration::from_micros(delay.parse().map_err(Error::other)?);
    let builder = DeviceBuilder::new().name(name).ipv4(address, 24, None).mtu(PACKET_BYTES);
    let builder = builder.with(|options| {
        options.tx_queue_len(QUEUE_PACKETS);
    });
    let device = builder.build_sync()?;
    device.set_nonblocking(true)?;
    hold(&device, delay)
}

/// Gives each packet back when its time has come, with its addresses exchanged: so it comes from the other one, and goes to ours.
fn hold(device: &SyncDevice, delay: Duration) -> Result<()> {
    let mut buffer = vec![0; usize::from(PACKET_BYTES)];
    let mut held: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut bytes = 0;
    loop {
        let now = Instant::now();
        while let Some(packet) = taken(device, &mut buffer)? {
            if let Some(packet) = turned(packet)
                && bytes < HELD_BYTES_MAX
            {
                bytes += packet.len();
                held.push_back((now + delay, packet));
            }
        }
        while let Some((_, packet)) = held.pop_front_if(|(due, _)| *due <= now) {
            bytes -= packet.len();
            device.send(&packet)?;
        }
        std::thread::sleep(INTERVAL);
    }
}

fn taken<'a>(device: &SyncDevice, buffer: &'a mut [u8]) -> Result<Option<&'a [u8]>> {
    match device.recv(buffer) {
        Ok(count) => Ok(buffer.get(..count)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// The packet on its way back. None: it is not IPv4. The checksums stay right: they are sums of both addresses.
fn turned(packet: &[u8]) -> Option<Vec<u8>> {
    if packet.len() < HEADER_BYTES || packet.first()? >> 4 != 4 {
        return None;
    }
    let mut packet = packet.to_vec();
    let (before, after) = packet.split_at_mut(TARGET);
    before.get_mut(SOURCE..)?.swap_with_slice(after.get_mut(..4)?);
    Some(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_comes_back_from_the_other_address() {
        let mut packet = vec![0x45; HEADER_BYTES + 3];
        packet[SOURCE..SOURCE + 8].copy_from_slice(&[198, 18, 77, 1, 198, 18, 77, 2]);
        let turned = turned(&packet).unwrap();
        assert_eq!(turned[SOURCE..SOURCE + 8], [198, 18, 77, 2, 198, 18, 77, 1]);
        assert_eq!(turned[HEADER_BYTES..], packet[HEADER_BYTES..]);
        assert!(super::turned(&[0x60; 40]).is_none());
    }
}
