//! The types that users and extensions defined, by which array, enum and domain values are understood.

use tokio_postgres::Client;
use waltap_error::Result;

use super::stored_text::StoredText;
use crate::refusal::refused;

/// The first OID that a server gives to what users make: everything below came with initdb.
pub(super) const FIRST_USER_OID: u32 = 16_384;

/// A row of `pg_type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeRow {
    /// `oid`.
    pub oid: u32,
    /// The schema's name.
    pub schema: String,
    /// `typname`.
    pub name: String,
    /// `typtype`: `b` base, `c` composite, `d` domain, `e` enum, `p` pseudo, `r` range, `m` multirange.
    pub kind: char,
    /// `typelem`: the element's type, or zero.
    pub element: u32,
    /// `typbasetype`: what a domain stands for, or zero.
    pub base: u32,
    /// `typtypmod`: the modifier that a domain gives to what it stands for, -1 for none.
    pub modifier: i32,
    /// `typdelim`: what parts the elements of an array of this type.
    pub delimiter: char,
    /// `typcategory`: `A` for arrays.
    pub category: char,
    /// The labels of an enum, in their order, as values of it stand in events: one that is not UTF-8 as hexadecimal digits.
    pub labels: Vec<String>,
}

/// The user-defined types; `only` narrows them to some OIDs. Array and row types of tables are among them, since a column may have them.
pub async fn types(client: &Client, only: Option<&[u32]>) -> Result<Vec<TypeRow>> {
    let rows = client
        .query(
            "SELECT t.oid, n.nspname, t.typname, t.typtype, t.typelem, t.typbasetype, t.typtypmod, t.typdelim, t.typcategory,
                    array(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels
             FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
             WHERE t.oid >= $1 AND ($2::oid[] IS NULL OR t.oid = ANY($2))
             ORDER BY t.oid",
            &[&FIRST_USER_OID, &only],
        )
        .await
        .map_err(|error| refused("listing the types", error))?;
    rows.iter()
        .map(|row| {
            Ok(TypeRow {
                oid: row.try_get("oid")?,
                schema: row.try_get("nspname")?,
                name: row.try_get("typname")?,
                kind: letter(row.try_get("typtype")?),
                element: row.try_get("typelem")?,
                base: row.try_get("typbasetype")?,
                modifier: row.try_get("typtypmod")?,
                delimiter: letter(row.try_get("typdelim")?),
                category: letter(row.try_get("typcategory")?),
                labels: row.try_get::<_, Vec<StoredText>>("labels")?.into_iter().map(StoredText::utf8_or_hexadecimal).collect(),
            })
        })
        .collect::<Result<_, tokio_postgres::Error>>()
        .map_err(|error| refused("reading the list of types", error))
}

/// PostgreSQL's one-byte `"char"`.
pub(super) fn letter(char: i8) -> char {
    char::from(char as u8)
}
