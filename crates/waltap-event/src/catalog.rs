//! The types of a database: from their oids to their kinds.

use std::collections::HashMap;

use crate::Kind;

/// How long a chain of domains over domains is followed. PostgreSQL sets no bound, people rarely go beyond two; past this one, or in a
/// circle of rows that contradict each other, the value is text.
const DOMAIN_CHAIN_MAX: usize = 64;

/// How deep arrays are followed into each other, as an array of a domain over an array makes them. Further in they are text. With
/// [`ARRAY_DIMENSIONS_MAX`](crate::text::array::DIMENSIONS_MAX) and the depth of documents it bounds the depth of a record's JSON.
pub(crate) const ARRAY_NESTING_MAX: usize = 4;

/// A row of `pg_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeDescription<'a> {
    /// `oid`.
    pub oid: u32,
    /// `typname`.
    pub name: &'a str,
    /// `typtype`: `b` base, `c` composite, `d` domain, `e` enum, `r` range, `m` multirange.
    pub typtype: char,
    /// `typelem`: the element's type, or zero.
    pub element: u32,
    /// `typbasetype`: what a domain stands for, or zero.
    pub base: u32,
    /// `typdelim`.
    pub delimiter: char,
    /// `typcategory`: `A` for arrays.
    pub category: char,
}

/// Knows the types that come with PostgreSQL, and those that it was told of.
#[derive(Clone, Debug, Default)]
pub struct TypeCatalog {
    types: HashMap<u32, Entry>,
}

/// What is kept of a description.
#[derive(Clone, Copy, Debug)]
enum Entry {
    Domain { base: u32 },
    Array { element: u32, delimiter: u8 },
    Hstore,
    Text,
}

impl TypeCatalog {
    /// A catalog of PostgreSQL's own types.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a type, or replaces what was known of it. Only types of the user and of extensions need to be told.
    pub fn insert(&mut self, description: TypeDescription<'_>) {
        let TypeDescription { oid, name, typtype, element, base, delimiter, category } = description;
        let entry = match typtype {
            'd' if base != 0 => Entry::Domain { base },
            // The category tells arrays from types that merely can be indexed, as point can.
            'b' if category == 'A' && element != 0 => {
                Entry::Array { element, delimiter: u8::try_from(delimiter).unwrap_or(b',') }
            }
            // Extensions have no fixed oids: a name, and the look of the text, are all there is to know one by.
            'b' if name == "hstore" => Entry::Hstore,
            _ => Entry::Text,
        };
        self.types.insert(oid, entry);
    }

    /// Whether values of this type are read as what they are. If not, [`TypeCatalog::kind`] takes them for text until it is told more.
    pub fn knows(&self, oid: u32) -> bool {
        // Below this, oids are PostgreSQL's own (access/transam.h, FirstNormalObjectId).
        const FIRST_USER_OID: u32 = 16_384;
        oid < FIRST_USER_OID || self.types.contains_key(&oid)
    }

    /// What values of this type are read as. A type never heard of is text.
    pub fn kind(&self, oid: u32) -> Kind {
        self.kind_within(oid, ARRAY_NESTING_MAX)
    }

    fn kind_within(&self, mut oid: u32, arrays_left: usize) -> Kind {
        for _ in 0..DOMAIN_CHAIN_MAX {
            let entry = self.types.get(&oid);
            match entry {
                Some(Entry::Domain { base }) => oid = *base,
                Some(Entry::Array { element, delimiter }) => {
                    let Some(arrays_left) = arrays_left.checked_sub(1) else { return Kind::Text };
                    let element = Box::new(self.kind_within(*element, arrays_left));
                    return Kind::Array { element, delimiter: *delimiter };
                }
                Some(Entry::Hstore) => return Kind::Hstore,
                Some(Entry::Text) => return Kind::Text,
                None => {
                    return match Kind::built_in(oid) {
                        Some(Kind::Array { .. }) if arrays_left == 0 => Kind::Text,
                        Some(kind) => kind,
                        None => Kind::Text,
                    };
                }
            }
        }
        Kind::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: TypeDescription<'static> =
        TypeDescription { oid: 0, name: "", typtype: 'b', element: 0, base: 0, delimiter: ',', category: 'U' };

    fn array(element: Kind) -> Kind {
        Kind::Array { element: Box::new(element), delimiter: b',' }
    }

    #[test]
    fn domains_are_what_they_stand_for() {
        let mut catalog = TypeCatalog::new();
        catalog.insert(TypeDescription { oid: 20_000, typtype: 'd', base: 23, category: 'N', ..PLAIN });
        catalog.insert(TypeDescription { oid: 20_001, typtype: 'd', base: 20_000, category: 'N', ..PLAIN });
        catalog.insert(TypeDescription { oid: 20_002, element: 20_001, category: 'A', ..PLAIN });
        // A domain over an array of a domain, and an array of that.
        catalog.insert(TypeDescription { oid: 20_003, typtype: 'd', base: 20_002, element: 20_001, category: 'A', ..PLAIN });
        catalog.insert(TypeDescription { oid: 20_004, element: 20_003, category: 'A', ..PLAIN });
        assert_eq!(catalog.kind(20_001), Kind::Integer);
        assert_eq!(catalog.kind(20_002), array(Kind::Integer));
        assert_eq!(catalog.kind(20_003), array(Kind::Integer));
        assert_eq!(catalog.kind(20_004), array(array(Kind::Integer)));
    }

    #[test]
    fn types_of_extensions_and_users() {
        let mut catalog = TypeCatalog::new();
        catalog.insert(TypeDescription { oid: 20_000, name: "hstore", ..PLAIN });
        catalog.insert(TypeDescription { oid: 20_001, name: "_hstore", element: 20_000, category: 'A', ..PLAIN });
        catalog.insert(TypeDescription { oid: 20_002, name: "hstore", typtype: 'e', category: 'E', ..PLAIN });
        for (oid, name, typtype) in
            [(20_003, "citext", 'b'), (20_004, "ltree", 'b'), (20_005, "vector", 'b'), (20_006, "address", 'c')]
        {
            catalog.insert(TypeDescription { oid, name, typtype, ..PLAIN });
            assert_eq!(catalog.kind(oid), Kind::Text, "{name}");
        }
        assert_eq!(catalog.kind(20_000), Kind::Hstore);
        assert_eq!(catalog.kind(20_001), array(Kind::Hstore));
        assert_eq!(catalog.kind(20_002), Kind::Text);
    }

    #[test]
    fn the_unknown_is_text() {
        let mut catalog = TypeCatalog::new();
        assert_eq!(catalog.kind(20_000), Kind::Text);
        assert!(!catalog.knows(20_000));
        assert!(catalog.knows(23));
        catalog.insert(TypeDescription { oid: 20_000, element: 20_001, category: 'A', ..PLAIN });
        assert!(catalog.knows(20_000));
        assert_eq!(catalog.kind(20_000), array(Kind::Text));
    }

    #[test]
    fn circles_end() {
        let mut catalog = TypeCatalog::new();
        catalog.insert(TypeDescription { oid: 20_000, typtype: 'd', base: 20_001, ..PLAIN });
        catalog.insert(TypeDescription { oid: 20_001, typtype: 'd', base: 20_000, ..PLAIN });
        catalog.insert(TypeDescription { oid: 20_002, element: 20_002, category: 'A', ..PLAIN });
        assert_eq!(catalog.kind(20_000), Kind::Text);
        assert_eq!(catalog.kind(20_002), array(array(array(array(Kind::Text)))));
    }
}
