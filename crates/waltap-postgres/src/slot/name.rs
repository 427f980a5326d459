//! The names of what waltap makes on a server.

use std::fmt::Write;

/// What every slot and publication of waltap begins with.
pub const NAME_PREFIX: &str = "waltap_";

/// PostgreSQL cuts or refuses longer names (NAMEDATALEN less one).
pub const NAME_BYTES_MAX: usize = 63;

/// What is appended to the name of the publication for tables without a replica identity.
const INSERTS_SUFFIX: &str = "_inserts";

/// Digits of the hash that keeps apart two names which would become one.
const HASH_DIGITS: usize = 8;

/// The two publications of a capture. Every database has its own pair under the same names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicationNames {
    /// Publishes all operations of the tables with a usable replica identity.
    pub all: String,
    /// Publishes INSERT and TRUNCATE of the tables without one, whose UPDATE and DELETE would fail otherwise.
    pub inserts: String,
}

impl PublicationNames {
    /// Both names, in the order in which they are made.
    pub fn both(&self) -> [&str; 2] {
        [&self.all, &self.inserts]
    }
}

/// The name of the slot of a capture in a database: `waltap_<capture>_<database>`, in the characters that slots may have, with a hash
/// of the true names where they had to be changed.
pub fn slot_name(capture: &str, database: &str) -> String {
    // The separator of the hashed text cannot be in either name, so that "a_b" + "c" and "a" + "b_c" differ.
    fitted(
        &format!("{NAME_PREFIX}{capture}_{database}"),
        &format!("{capture}\0{database}"),
        capture.contains('_'),
        NAME_BYTES_MAX,
    )
}

/// The capture whose slot in `database` has this name. Names are made of both, so each way of parting them is tried.
pub fn capture_of<'a>(slot: &'a str, database: &str) -> Option<&'a str> {
    let rest = slot.strip_prefix(NAME_PREFIX)?;
    rest.match_indices('_').map(|(index, _)| &rest[..index]).find(|capture| slot_name(capture, database) == slot)
}

/// The names of the publications of a capture: `waltap_<capture>` and `waltap_<capture>_inserts`.
pub fn publication_names(capture: &str) -> PublicationNames {
    // A capture "x_inserts" beside a capture "x" would otherwise share a name with it.
    let clashes = capture.ends_with(INSERTS_SUFFIX);
    let all = fitted(&format!("{NAME_PREFIX}{capture}"), capture, clashes, NAME_BYTES_MAX - INSERTS_SUFFIX.len());
    let inserts = format!("{all}{INSERTS_SUFFIX}");
    PublicationNames { all, inserts }
}

/// `name` in lower-case letters, digits and underscores and at most `bytes_max` long; with a hash of `identity` appended when that
/// changed it or when the name is `ambiguous` without.
fn fitted(name: &str, identity: &str, ambiguous: bool, bytes_max: usize) -> String {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let mut fitted: String = name.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    if fitted == name && !ambiguous && fitted.len() <= bytes_max {
        return fitted;
    }
    // All ASCII by now, so that any byte is a boundary.
    fitted.truncate(bytes_max - HASH_DIGITS - 1);
    // Writing into a String cannot fail.
    let _ = write!(fitted, "_{:08x}", hash(identity));
    fitted
}

/// FNV-1a folded to 32 bits: written out here because these names must be the same in every version of waltap and of Rust.
fn hash(text: &str) -> u32 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash >> 32) as u32 ^ hash as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_stay_readable() {
        assert_eq!(slot_name("main", "shop"), "waltap_main_shop");
        assert_eq!(slot_name("main", "shop_2"), "waltap_main_shop_2");
        let names = publication_names("main");
        assert_eq!(names.both(), ["waltap_main", "waltap_main_inserts"]);
    }

    #[test]
    fn changed_names_carry_a_hash_and_stay_apart() {
        let dashed = slot_name("main", "my-shop");
        assert!(dashed.starts_with("waltap_main_my_shop_"), "{dashed}");
        assert_ne!(dashed, slot_name("main", "my_shop"));
        assert_ne!(dashed, slot_name("main", "my.shop"));
        assert_ne!(slot_name("main", "Shop"), slot_name("main", "shop"));
        assert_ne!(slot_name("a_b", "c"), slot_name("a", "b_c"));
        assert_ne!(slot_name("a_b", "c"), slot_name("a", "b_c"));
        assert_ne!(publication_names("x_inserts").all, publication_names("x").inserts);
    }

    #[test]
    fn long_names_fit() {
        let long = "d".repeat(63);
        let name = slot_name("main", &long);
        assert_eq!(name.len(), NAME_BYTES_MAX);
        assert_ne!(name, slot_name("main", &"d".repeat(62)));
        assert!(publication_names(&"c".repeat(80)).inserts.len() <= NAME_BYTES_MAX);
        assert!(slot_name("ü", "大").chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
    }

    #[test]
    fn a_slot_knows_its_capture() {
        for (capture, database) in
            [("waltap", "shop"), ("my_capture", "shop_eu"), ("a", "Größe der Dinge"), ("a_b", "b_c"), ("x", &"long".repeat(15))]
        {
            assert_eq!(capture_of(&slot_name(capture, database), database), Some(capture), "{database}");
        }
        assert_eq!(capture_of("waltap_of_another", "shop"), None);
    }

    #[test]
    fn the_hash_never_changes() {
        assert_eq!(slot_name("main", "my-shop"), slot_name("main", "my-shop"));
        assert_eq!(hash(""), 0xcbf2_9ce4 ^ 0x8422_2325);
    }
}
