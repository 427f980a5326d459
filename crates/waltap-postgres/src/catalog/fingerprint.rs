//! One small query that notices when a catalog must be read again.

use tokio_postgres::Client;
use waltap_error::Result;

use super::type_row::FIRST_USER_OID;
use crate::refusal::refused;

/// A digest of a database's tables. Two that differ mean that something changed; what, only reading the catalog tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(String);

/// The digest of tables, names, owners, privileges, replica identities, keys and partitions. Cheap enough to ask every second: a few
/// milliseconds for a thousand tables. Columns that are in no key are not part of it, since the stream itself announces them.
pub async fn fingerprint(client: &Client) -> Result<Fingerprint> {
    let row = client
        .query_one(FINGERPRINT, &[&FIRST_USER_OID])
        .await
        .map_err(|error| refused("asking whether the tables have changed", error))?;
    row.try_get(0).map(Fingerprint).map_err(|error| refused("reading whether the tables have changed", error))
}

// Sums of hashes need no sorting. Fields and not xmin, because TRUNCATE rewrites a table's row of pg_class too.
const FINGERPRINT: &str = "
SELECT concat_ws('/',
  (SELECT sum(hashtextextended(concat_ws(',', c.oid, c.relnamespace, c.relname, c.relkind, c.relpersistence, c.relispartition,
                                         c.relreplident, c.relowner, c.relrowsecurity, c.relforcerowsecurity, c.relacl), 0)::numeric)
   FROM pg_class c WHERE c.oid >= $1 AND c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'),
  (SELECT sum(hashtextextended(concat_ws(',', x.indexrelid, x.indrelid, x.indisprimary, x.indisreplident, x.indisvalid,
                                         x.indimmediate, x.indisunique, x.indislive, x.indkey), 1)::numeric)
   FROM pg_index x WHERE x.indexrelid >= $1 AND (x.indisprimary OR x.indisreplident)),
  (SELECT sum(hashtextextended(concat_ws(',', a.attrelid, a.attnum, a.attname), 2)::numeric)
   FROM pg_index x JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = ANY(x.indkey)
   WHERE x.indexrelid >= $1 AND (x.indisprimary OR x.indisreplident)),
  (SELECT sum(hashtextextended(concat_ws(',', i.inhrelid, i.inhparent, to_jsonb(i) -> 'inhdetachpending'), 3)::numeric)
   FROM pg_inherits i),
  (SELECT sum(hashtextextended(concat_ws(',', n.oid, n.nspname, n.nspacl), 4)::numeric)
   FROM pg_namespace n WHERE n.nspname !~ '^pg_'))";
