//! Which partition a key belongs to, as Kafka's Java clients have it: murmur2 of its bytes.

/// Kafka's own seed and constants (`org.apache.kafka.common.utils.Utils.murmur2`): every client of the same topic must agree on them.
const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;
const ROTATION: u32 = 24;

/// The partition of a key among so many, at least one.
pub fn key_partition(key: &[u8], partitions: i32) -> i32 {
    if partitions <= 1 {
        return 0;
    }
    // Java takes the sign away by its bit.
    (murmur2(key) & 0x7fff_ffff) as i32 % partitions
}

fn murmur2(data: &[u8]) -> u32 {
    let mut hash = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in words.by_ref() {
        let word = word.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte)).wrapping_mul(MULTIPLIER);
        hash = hash.wrapping_mul(MULTIPLIER) ^ (word ^ word >> ROTATION).wrapping_mul(MULTIPLIER);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        hash = (hash ^ rest.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))).wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ hash >> 13).wrapping_mul(MULTIPLIER);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hash_as_in_java() {
        // Of Kafka's own UtilsTest.testMurmur2.
        let known = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (key, hash) in known {
            assert_eq!(murmur2(key.as_bytes()) as i32, hash, "{key}");
        }
        assert_eq!(key_partition(b"abc", 7), 479_470_107 % 7);
        assert!((0..3).contains(&key_partition(b"21", 3)), "no sign");
        assert_eq!(key_partition(b"", 1), 0);
    }
}
