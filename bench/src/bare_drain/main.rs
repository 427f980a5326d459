//! The barest client of a slot: it reads, counts, and answers the server's keepalives. The floor that every connector stands on.
//!
//! `bare-drain HOST:PORT[?AUTHORITY.pem]|SOCKET-FOLDER:PORT DATABASE SLOT END-LSN PUBLICATION eager|gathering`. Eager takes what is there as soon as a byte
//! is; gathering lets a stream that brings little at a time come together, so that the server is not woken up for each change.

use std::io::Result;
use std::time::Duration;

use waltap_bench::wire::{self, Purpose, Wire};

/// A reader that takes this much at once is well used.
const WELL_FILLED: usize = 64 << 10;

/// How long the next bytes may come together.
const GATHERING: Duration = Duration::from_millis(1);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, database, slot, end, publication, manner] = arguments.as_slice() else {
        return Err(wire::broken("wanted: ADDRESS DATABASE SLOT END-LSN PUBLICATION eager|gathering"));
    };
    let end = lsn(end)?;
    let mut wire = Wire::connect(address, database, Purpose::Replication)?;
    let start =
        format!("START_REPLICATION SLOT \"{slot}\" LOGICAL 0/0 (proto_version '1', publication_names '\"{publication}\"')");
    wire.begin(&start, b'W')?;
    let (mut messages, mut bytes) = (0_u64, 0_u64);
    let is_gathering = manner == "gathering";
    loop {
        let taken = wire.fill()?;
        while let Some(frame) = wire.next_frame()? {
            let place = frame.get(1..9).map_or(0, |lsn| u64::from_be_bytes(lsn.try_into().unwrap_or_default()));
            match frame.first() {
                Some(b'w') => {
                    (messages, bytes) = (messages + 1, bytes + frame.len() as u64 - 25);
                    if place >= end {
                        println!("{messages} messages, {bytes} bytes");
                        return wire.status(place);
                    }
                }
                Some(b'k') => {
                    let is_asked = frame.last() == Some(&1);
                    if place >= end {
                        println!("{messages} messages, {bytes} bytes");
                        return wire.status(place);
                    }
                    if is_asked {
                        wire.status(0)?;
                    }
                }
                _ => return Err(wire::broken("a frame of no known kind")),
            }
        }
        if is_gathering && taken < WELL_FILLED {
            std::thread::sleep(GATHERING);
        }
    }
}

/// `16/B374D848` as a number.
fn lsn(text: &str) -> Result<u64> {
    let parts = text
        .split_once('/')
        .and_then(|(high, low)| Some((u64::from_str_radix(high, 16).ok()?, u64::from_str_radix(low, 16).ok()?)));
    parts.map(|(high, low)| high << 32 | low).ok_or_else(|| wire::broken("no LSN"))
}
