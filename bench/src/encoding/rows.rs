//! Tables as people have them.

use crate::values::*;

pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static [Sample],
}

pub(crate) const TABLES: &[Table] = &[
    Table { name: "readings", columns: &[BIGINT, TIMESTAMPTZ, MEASURE] },
    Table {
        name: "orders",
        columns: &[BIGINT, BIGINT, NAME, PRICE, PRICE, TIMESTAMPTZ, TIMESTAMPTZ, BOOLEAN, TEXTS, SMALL_DOCUMENT],
    },
    Table { name: "customers", columns: &[UUID, NAME, NAME, NAME, DATE, BOOLEAN, TIMESTAMPTZ, NAME, NAME, INTEGER] },
    Table {
        name: "wide",
        columns: &[
            BIGINT,
            NAME,
            PRICE,
            TIMESTAMPTZ,
            INTEGER,
            BOOLEAN,
            DOUBLE,
            DATE,
            BIGINT,
            NAME,
            PRICE,
            TIMESTAMPTZ,
            INTEGER,
            BOOLEAN,
            DOUBLE,
            DATE,
            BIGINT,
            NAME,
            PRICE,
            TIMESTAMPTZ,
            INTEGER,
            BOOLEAN,
            DOUBLE,
            DATE,
            BIGINT,
            NAME,
            PRICE,
            TIMESTAMPTZ,
            INTEGER,
            BOOLEAN,
            DOUBLE,
            DATE,
            BIGINT,
            NAME,
            PRICE,
            TIMESTAMPTZ,
            INTEGER,
            BOOLEAN,
            DOUBLE,
            DATE,
        ],
    },
    Table { name: "articles", columns: &[BIGINT, NAME, SENTENCES, SENTENCES, SENTENCES, UMLAUTS, TIMESTAMPTZ] },
    Table { name: "events", columns: &[UUID, TIMESTAMPTZ, NAME, DOCUMENT] },
];
