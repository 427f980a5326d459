//! The types of a database: from their oids to their kinds.

use std::collections::HashMap;

use crate::kind::built_in_array;
use crate::{BaseType, DataType, ExtensionType, Kind};

/// How long a chain of domains over domains is followed. PostgreSQL sets no bound, people rarely go beyond two; past this one, or in a
/// circle of rows that contradict each other, the value is text.
const DOMAIN_CHAIN_MAX: usize = 64;

/// How deep arrays are followed into each other, as an array of a domain over an array makes them. Further in they are text. With
/// [`ARRAY_DIMENSIONS_MAX`](crate::text::array::DIMENSIONS_MAX) and the depth of documents it bounds the depth of a record's JSON.
pub(crate) const ARRAY_NESTING_MAX: usize = 4;

/// Below this, oids are PostgreSQL's own (access/transam.h, FirstNormalObjectId).
const FIRST_USER_OID: u32 = 16_384;

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
    /// `typtypmod`: the modifier that a domain gives to what it stands for, -1 for none.
    pub modifier: i32,
    /// `typdelim`.
    pub delimiter: char,
    /// `typcategory`: `A` for arrays.
    pub category: char,
}

/// Knows the types that come with PostgreSQL, and those that it was told of.
#[derive(Clone, Debug, Default)]
pub struct TypeCatalog {
    types: HashMap<u32, Entry>,
    labels: HashMap<u32, Vec<String>>,
}

/// What is kept of a description.
#[derive(Clone, Copy, Debug)]
enum Entry {
    Domain { base: u32, modifier: i32 },
    Array { element: u32, delimiter: u8 },
    Extension(ExtensionType),
    Enum,
    Other,
}

impl TypeCatalog {
    /// A catalog of PostgreSQL's own types.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a type, or replaces what was known of it. Only types of the user and of extensions need to be told.
    pub fn insert(&mut self, description: TypeDescription<'_>) {
        let TypeDescription { oid, name, typtype, element, base, modifier, delimiter, category } = description;
        let entry = match typtype {
            'd' if base != 0 => Entry::Domain { base, modifier },
            // The category tells arrays from types that merely can be indexed, as point can.
            'b' if category == 'A' && element != 0 => {
                Entry::Array { element, delimiter: u8::try_from(delimiter).unwrap_or(b',') }
            }
            'b' => ExtensionType::named(name).map_or(Entry::Other, Entry::Extension),
            'e' => Entry::Enum,
            _ => Entry::Other,
        };
        self.types.insert(oid, entry);
    }

    /// Adds the labels of an enum, in their order, or replaces them.
    pub fn insert_labels(&mut self, oid: u32, labels: Vec<String>) {
        self.labels.insert(oid, labels);
    }

    /// The labels of an enum, or of that of an array's elements, or of what a domain stands for. None: there is no enum, or none is known.
    pub fn labels(&self, mut oid: u32) -> &[String] {
        for _ in 0..DOMAIN_CHAIN_MAX {
            match self.types.get(&oid) {
                Some(Entry::Domain { base, .. }) => oid = *base,
                Some(Entry::Array { element, .. }) => oid = *element,
                _ => return self.labels.get(&oid).map(Vec::as_slice).unwrap_or_default(),
            }
        }
        &[]
    }

    /// Whether this type is a domain.
    pub fn is_domain(&self, oid: u32) -> bool {
        matches!(self.types.get(&oid), Some(Entry::Domain { .. }))
    }

    /// Whether values of this type are read as what they are. If not, [`TypeCatalog::kind`] takes them for text until it is told more.
    pub fn knows(&self, oid: u32) -> bool {
        oid < FIRST_USER_OID || self.types.contains_key(&oid)
    }

    /// What values of this type are read as. A type never heard of is text.
    pub fn kind(&self, oid: u32) -> Kind {
        self.kind_within(oid, ARRAY_NESTING_MAX)
    }

    /// What a column's type is, from its oid and its modifier. Of domains over domains the outermost that has a modifier gives it.
    pub fn data_type(&self, mut oid: u32, mut modifier: i32) -> DataType {
        for _ in 0..DOMAIN_CHAIN_MAX {
            let Some(Entry::Domain { base, modifier: own }) = self.types.get(&oid) else {
                return DataType { base: self.base_type(oid, ARRAY_NESTING_MAX), modifier };
            };
            oid = *base;
            if modifier == -1 {
                modifier = *own;
            }
        }
        DataType::default()
    }

    fn base_type(&self, oid: u32, arrays_left: usize) -> BaseType {
        let array = |element: u32, delimiter: u8| match arrays_left.checked_sub(1) {
            Some(arrays_left) => BaseType::Array { element: Box::new(self.base_type(element, arrays_left)), delimiter },
            None => BaseType::Other,
        };
        match self.types.get(&oid) {
            Some(Entry::Array { element, delimiter }) => array(*element, *delimiter),
            Some(Entry::Extension(extension)) => BaseType::Extension(*extension),
            Some(Entry::Enum) => BaseType::Enum,
            Some(Entry::Domain { .. } | Entry::Other) => BaseType::Other,
            None => match built_in_array(oid) {
                Some((element, delimiter)) => array(element, delimiter),
                None if oid < FIRST_USER_OID => BaseType::BuiltIn(oid),
                None => BaseType::Other,
            },
        }
    }

    fn kind_within(&self, mut oid: u32, arrays_left: usize) -> Kind {
        for _ in 0..DOMAIN_CHAIN_MAX {
            let entry = self.types.get(&oid);
            match entry {
                Some(Entry::Domain { base, .. }) => oid = *base,
                Some(Entry::Array { element, delimiter }) => {
                    let Some(arrays_left) = arrays_left.checked_sub(1) else { return Kind::Text };
                    let element = Box::new(self.kind_within(*element, arrays_left));
                    return Kind::Array { element, delimiter: *delimiter };
                }
                Some(Entry::Extension(ExtensionType::Hstore)) => return Kind::Hstore,
                Some(Entry::Extension(_) | Entry::Enum | Entry::Other) => return Kind::Text,
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
        TypeDescription { oid: 0, name: "", typtype: 'b', element: 0, base: 0, modifier: -1, delimiter: ',', category: 'U' };

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
    fn data_types_are_looked_through_to_their_base_with_the_first_modifier() {
        let mut catalog = TypeCatalog::new();
        catalog.insert(TypeDescription { oid: 20_000, typtype: 'd', base: 1700, modifier: 655_366, ..PLAIN });
        catalog.insert(TypeDescription { oid: 20_001, typtype: 'd', base: 20_000, ..PLAIN });
        catalog.insert(TypeDescription { oid: 20_002, element: 20_000, category: 'A', ..PLAIN });
        catalog.insert(TypeDescription { oid: 20_003, name: "mood", typtype: 'e', ..PLAIN });
        catalog.insert(TypeDescription { oid: 20_004, element: 20_003, category: 'A', ..PLAIN });
        catalog.insert(TypeDescription { oid: 20_005, name: "citext", ..PLAIN });
        let numeric = BaseType::BuiltIn(1700);
        let array = |element| BaseType::Array { element: Box::new(element), delimiter: b',' };
        assert_eq!(catalog.data_type(1700, 7), DataType { base: numeric.clone(), modifier: 7 });
        assert_eq!(catalog.data_type(20_000, -1), DataType { base: numeric.clone(), modifier: 655_366 });
        assert_eq!(catalog.data_type(20_001, -1), DataType { base: numeric.clone(), modifier: 655_366 });
        assert_eq!(catalog.data_type(1231, 7), DataType { base: array(numeric), modifier: 7 });
        assert_eq!(catalog.data_type(20_002, -1), DataType::of(array(BaseType::Other)));
        assert_eq!(catalog.data_type(20_004, -1), DataType::of(array(BaseType::Enum)));
        assert_eq!(catalog.data_type(20_005, -1), DataType::of(BaseType::Extension(ExtensionType::Citext)));
        assert_eq!(catalog.data_type(99_999, -1), DataType::default());
    }

    #[test]
    fn labels_are_found_through_arrays_and_domains() {
        let mut catalog = TypeCatalog::new();
        catalog.insert(TypeDescription { oid: 20_000, name: "mood", typtype: 'e', ..PLAIN });
        catalog.insert(TypeDescription { oid: 20_001, element: 20_000, category: 'A', ..PLAIN });
        catalog.insert(TypeDescription { oid: 20_002, typtype: 'd', base: 20_001, ..PLAIN });
        let labels = vec!["sad".to_owned(), "ok".to_owned()];
        catalog.insert_labels(20_000, labels.clone());
        for oid in [20_000, 20_001, 20_002] {
            assert_eq!(catalog.labels(oid), labels, "{oid}");
        }
        assert!(catalog.labels(23).is_empty() && catalog.labels(99_999).is_empty());
        assert!(catalog.is_domain(20_002) && !catalog.is_domain(20_001) && !catalog.is_domain(23));
    }

    #[test]
    fn circles_end() {
        let mut catalog = TypeCatalog::new();
        catalog.insert(TypeDescription { oid: 20_000, typtype: 'd', base: 20_001, ..PLAIN });
        catalog.insert(TypeDescription { oid: 20_001, typtype: 'd', base: 20_000, ..PLAIN });
        catalog.insert(TypeDescription { oid: 20_002, element: 20_002, category: 'A', ..PLAIN });
        assert_eq!(catalog.kind(20_000), Kind::Text);
        assert_eq!(catalog.kind(20_002), array(array(array(array(Kind::Text)))));
        assert_eq!(catalog.data_type(20_000, 1), DataType::default());
        assert!(catalog.labels(20_000).is_empty() && catalog.labels(20_002).is_empty());
        assert!(matches!(catalog.data_type(20_002, -1).base, BaseType::Array { .. }));
    }
}
