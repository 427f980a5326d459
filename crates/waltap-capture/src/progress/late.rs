//! Slot records that came late.
//!
//! Whoever is cut off, frozen or slow may have handed a slot record to its Kafka client that arrives when another has taken over and written
//! one of its own. Believed, it would say that less was acknowledged than the slot stands at, as if somebody else had moved that. So each
//! session that opens under the claim writes a generation of its own, greater than any that it has read, and what comes behind it of an earlier
//! one is passed over. Within a generation the place only grows: of two sessions that have read the same, the one that is further counts.
//!
//! With Kafka transactions the cluster itself refuses what comes late; the generation is the same there, since delivery can be switched.

use serde::Deserialize;
use waltap_pgoutput::Lsn;

/// What of a slot record tells when it was written.
#[derive(Deserialize)]
struct Written {
    generation: Option<u64>,
    acknowledged: Option<String>,
}

/// Whether a record that came behind another one is older than it. One without a generation is of a version that has none, which whoever
/// went back to it means: it counts as it comes.
pub(crate) fn is_late(key: &[u8], before: &[u8], after: &[u8]) -> bool {
    if !key.ends_with(b"/slot") {
        return false;
    }
    let written = |value| {
        let Written { generation, acknowledged } = serde_json::from_slice(value).ok()?;
        Some((generation?, acknowledged.and_then(|lsn| lsn.parse::<Lsn>().ok())))
    };
    matches!((written(before), written(after)), (Some(before), Some(after)) if after < before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::{SlotRecord, json};

    #[test]
    fn what_an_earlier_holder_wrote_is_told_from_what_follows() {
        let record = |generation, acknowledged: Option<u64>| {
            let acknowledged = acknowledged.map(Lsn);
            json(&SlotRecord { generation, acknowledged, ..SlotRecord::intended("7", "s") }).unwrap()
        };
        let late = |before: &[u8], after: &[u8]| is_late(b"waltap/shop/slot", before, after);
        let own = record(Some(3), Some(0x200));
        assert!(late(&own, &record(Some(2), Some(0x100))));
        assert!(late(&own, &record(Some(2), Some(0x300))), "whatever it says");
        assert!(late(&own, &record(Some(3), Some(0x1ff))), "both have read the same generation, and one has gone on");
        assert!(late(&own, &record(Some(3), None)));
        assert!(!late(&own, &own) && !late(&own, &record(Some(3), Some(0x1_0000_0000))));
        assert!(!late(&own, &record(Some(4), None)), "a slot that is made anew");
        // Of a version that knows no generations.
        assert!(!late(&own, &record(None, Some(0x100))) && !late(&record(None, Some(0x300)), &own));
        assert!(!late(&own, b"?") && !late(b"?", &own));
        assert!(!is_late(b"waltap/shop/table/5", &own, &record(Some(2), Some(0x100))));
    }
}
