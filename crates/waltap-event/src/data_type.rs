//! What a column's type is, to a format whose values depend on more than how their text is read.

/// A column's type, with domains looked through.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DataType {
    /// The type itself.
    pub base: BaseType,
    /// Its modifier (`pg_attribute.atttypmod`, or that of the domain), such as a numeric's precision and scale; -1 for none. An array's is
    /// that of its elements.
    pub modifier: i32,
}

/// A type without its modifier.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BaseType {
    /// One that comes with PostgreSQL, by its oid.
    BuiltIn(u32),
    /// One of a well-known extension.
    Extension(ExtensionType),
    /// An enum.
    Enum,
    /// An array.
    Array {
        /// What its elements are. A domain is not looked through here: it is [`BaseType::Other`].
        element: Box<BaseType>,
        /// What parts them: `,` for all but box.
        delimiter: u8,
    },
    /// Whatever else: composites, ranges of users, types never heard of.
    Other,
}

/// A type of an extension. Extensions have no fixed oids: these are told by their name, which is all there is to know them by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExtensionType {
    /// `hstore`.
    Hstore,
    /// `citext`.
    Citext,
    /// `ltree`.
    Ltree,
    /// `isn`: `isbn`.
    Isbn,
    /// PostGIS: `geometry`.
    Geometry,
    /// PostGIS: `geography`.
    Geography,
    /// pgvector: `vector`.
    Vector,
    /// pgvector: `halfvec`.
    HalfVector,
    /// pgvector: `sparsevec`.
    SparseVector,
}

impl ExtensionType {
    /// The one with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "hstore" => ExtensionType::Hstore,
            "citext" => ExtensionType::Citext,
            "ltree" => ExtensionType::Ltree,
            "isbn" => ExtensionType::Isbn,
            "geometry" => ExtensionType::Geometry,
            "geography" => ExtensionType::Geography,
            "vector" => ExtensionType::Vector,
            "halfvec" => ExtensionType::HalfVector,
            "sparsevec" => ExtensionType::SparseVector,
            _ => return None,
        })
    }
}

impl DataType {
    /// A type without a modifier.
    pub fn of(base: BaseType) -> Self {
        DataType { base, modifier: -1 }
    }
}

impl Default for DataType {
    /// A type of which nothing is known.
    fn default() -> Self {
        DataType::of(BaseType::Other)
    }
}
