//! What types are called.

use tokio_postgres::Client;
use waltap_error::Result;

use crate::refusal::refused;

/// The names of types with their modifiers, as `format_type` prints them: `numeric(12,2)`, `public.mood[]`. In the order of the question; a
/// type that is gone is `???`.
pub async fn type_names(client: &Client, types: &[(u32, i32)]) -> Result<Vec<String>> {
    let doing = "asking for the names of types";
    let (oids, modifiers): (Vec<u32>, Vec<i32>) = types.iter().copied().unzip();
    let rows = client
        .query(
            "SELECT format_type(oid, modifier) FROM unnest($1::oid[], $2::int4[]) WITH ORDINALITY asked (oid, modifier, place) ORDER BY place",
            &[&oids, &modifiers],
        )
        .await
        .map_err(|error| refused(doing, error))?;
    rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(|error| refused(doing, error))
}
