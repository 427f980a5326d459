//! What a type's text is read as.

/// How the text of a value is read: the one thing that the writing of a value needs to know of its type.
///
/// Types whose JSON is PostgreSQL's own text as a string share [`Kind::Text`]: that is what text, numeric, time, interval, uuid, xml, inet,
/// bit strings, enums, composites, ranges, geometry and everything unknown have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// PostgreSQL's text, as it is.
    Text,
    /// `t` or `f`.
    Boolean,
    /// Whole numbers: int2, int4, int8, oid.
    Integer,
    /// float4 and float8: the shortest text that reads back as the same number.
    Float,
    /// `$1,234.50`.
    Money,
    /// `2024-11-21`, `0044-03-15 BC`.
    Date,
    /// `12:00:00+05:30`.
    TimeTz,
    /// `2024-11-21 09:06:40.123456`.
    Timestamp,
    /// `2024-11-21 09:06:40.123456+00`.
    TimestampTz,
    /// json and jsonb.
    Json,
    /// `\x` and hexadecimal digits.
    Bytea,
    /// One byte, the type `"char"`.
    Char,
    /// `"key"=>"value", "key"=>NULL`.
    Hstore,
    /// `{1,2,NULL}`, of any depth.
    Array {
        /// What the elements are read as.
        element: Box<Kind>,
        /// What parts them: `,` for all but box.
        delimiter: u8,
    },
}

impl Kind {
    /// The kind of a type that comes with PostgreSQL and has the same oid in all versions. None: the type is not one of those.
    pub fn built_in(oid: u32) -> Option<Kind> {
        if let Some(scalar) = scalar(oid) {
            return Some(scalar);
        }
        let (element, delimiter) = built_in_array(oid)?;
        Some(Kind::Array { element: Box::new(scalar(element).unwrap_or(Kind::Text)), delimiter })
    }
}

/// The element's type and the delimiter of an array type with a fixed oid.
pub(crate) fn built_in_array(oid: u32) -> Option<(u32, u8)> {
    let index = ARRAYS.binary_search_by_key(&oid, |(array, _)| *array).ok()?;
    let (_, element) = ARRAYS.get(index)?;
    Some((*element, if *element == BOX { b';' } else { b',' }))
}

/// box is the one type of PostgreSQL's own whose arrays are not parted by commas: its text has commas in it.
const BOX: u32 = 603;

/// Types with a fixed oid whose kind is not [`Kind::Text`], and `text` for the common case.
fn scalar(oid: u32) -> Option<Kind> {
    Some(match oid {
        16 => Kind::Boolean,
        17 => Kind::Bytea,
        18 => Kind::Char,
        20 | 21 | 23 | 26 => Kind::Integer,
        25 | 1042 | 1043 | 1700 => Kind::Text,
        114 | 3802 => Kind::Json,
        700 | 701 => Kind::Float,
        790 => Kind::Money,
        1082 => Kind::Date,
        1114 => Kind::Timestamp,
        1184 => Kind::TimestampTz,
        1266 => Kind::TimeTz,
        _ => return None,
    })
}

/// Array types with a fixed oid, in order, each with the oid of its element. Their names are those of the elements with an underscore before.
///
/// `SELECT oid, typelem FROM pg_type WHERE typcategory = 'A' AND typelem <> 0 AND oid < 10000 AND oid NOT IN (22, 30) ORDER BY oid`;
/// 22 and 30, int2vector and oidvector, are written without braces.
const ARRAYS: &[(u32, u32)] = &[
    (143, 142),
    (199, 114),
    (210, 71),
    (270, 75),
    (271, 5069),
    (272, 81),
    (273, 83),
    (629, 628),
    (651, 650),
    (719, 718),
    (775, 774),
    (791, 790),
    (1000, 16),
    (1001, 17),
    (1002, 18),
    (1003, 19),
    (1005, 21),
    (1006, 22),
    (1007, 23),
    (1008, 24),
    (1009, 25),
    (1010, 27),
    (1011, 28),
    (1012, 29),
    (1013, 30),
    (1014, 1042),
    (1015, 1043),
    (1016, 20),
    (1017, 600),
    (1018, 601),
    (1019, 602),
    (1020, 603),
    (1021, 700),
    (1022, 701),
    (1027, 604),
    (1028, 26),
    (1034, 1033),
    (1040, 829),
    (1041, 869),
    (1115, 1114),
    (1182, 1082),
    (1183, 1083),
    (1185, 1184),
    (1187, 1186),
    (1231, 1700),
    (1263, 2275),
    (1270, 1266),
    (1561, 1560),
    (1563, 1562),
    (2201, 1790),
    (2207, 2202),
    (2208, 2203),
    (2209, 2204),
    (2210, 2205),
    (2211, 2206),
    (2949, 2970),
    (2951, 2950),
    (3221, 3220),
    (3643, 3614),
    (3644, 3642),
    (3645, 3615),
    (3735, 3734),
    (3770, 3769),
    (3807, 3802),
    (3905, 3904),
    (3907, 3906),
    (3909, 3908),
    (3911, 3910),
    (3913, 3912),
    (3927, 3926),
    (4073, 4072),
    (4090, 4089),
    (4097, 4096),
    (4192, 4191),
    (5039, 5038),
    (6150, 4451),
    (6151, 4532),
    (6152, 4533),
    (6153, 4534),
    (6155, 4535),
    (6157, 4536),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_in_order_so_that_they_are_found() {
        assert!(ARRAYS.is_sorted());
        for (oid, _) in ARRAYS {
            assert!(matches!(Kind::built_in(*oid), Some(Kind::Array { .. })), "{oid}");
        }
    }

    #[test]
    fn boxes_are_parted_by_semicolons() {
        assert_eq!(Kind::built_in(1020), Some(Kind::Array { element: Box::new(Kind::Text), delimiter: b';' }));
        assert_eq!(Kind::built_in(1007), Some(Kind::Array { element: Box::new(Kind::Integer), delimiter: b',' }));
    }

    #[test]
    fn vectors_of_the_catalog_are_text() {
        assert_eq!(Kind::built_in(22), None);
        assert_eq!(Kind::built_in(30), None);
    }
}
