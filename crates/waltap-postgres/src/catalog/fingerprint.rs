//! One small query that notices when a catalog must be read again.

use tokio_postgres::Client;
use waltap_error::Result;

use super::type_row::FIRST_USER_OID;
use crate::refusal::refused;

/// A digest of a database's tables. Two that differ mean that something changed; what, only reading the catalog tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// A digest that was made elsewhere. **For simulators**.
    pub fn of(digest: String) -> Self {
        Fingerprint(digest)
    }
}

/// The digest of tables, names, owners, privileges, replica identities, keys and partitions. Cheap enough to ask every second: a few
/// milliseconds for a thousand tables. Columns that are in no key are not part of it, since the stream itself announces them.
pub async fn fingerprint(client: &Client) -> Result<Fingerprint> {
    let row = client
        .query_one(FINGERPRINT, &[&FIRST_USER_OID])
        .await
        .map_err(|error| refused("asking whether the tables have changed", error))?;
    row.try_get(0).map(Fingerprint).map_err(|error| refused("reading whether the tables have changed", error))
}

// Sums of hashes need no sorting. Fields and not xmin, because TRUNCATE rewrites a table's row of pg_class too. The columns of keys are
// found by their NOT NULL, which every one of them has: a join with pg_index would cost several times as much. Temporary tables come and
// go with every session that uses them, and are left out by a hash of the few that there are.
const FINGERPRINT: &str = "
WITH temporary AS MATERIALIZED (SELECT c.oid FROM pg_class c WHERE c.oid >= $1 AND c.relpersistence = 't')
SELECT concat_ws('/',
  (SELECT sum(hashtextextended(concat(c.relname, '/', c.relkind, c.relpersistence, c.relreplident, c.relispartition, c.relrowsecurity,
                                      c.relowner, c.relacl), (c.oid::int8 << 32) # c.relnamespace::int8))
   FROM pg_class c WHERE c.oid >= $1 AND c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'),
  (SELECT sum(hashtextextended(concat(x.indkey, '/', x.indisprimary, x.indisreplident, x.indisvalid, x.indimmediate, x.indislive),
                               (x.indrelid::int8 << 32) # x.indexrelid::int8))
   FROM pg_index x WHERE x.indexrelid >= $1 AND (x.indisprimary OR x.indisreplident)
     AND x.indrelid NOT IN (SELECT oid FROM temporary)),
  (SELECT sum(hashtextextended(a.attname::text, (a.attrelid::int8 << 32) # a.attnum::int8))
   FROM pg_attribute a WHERE a.attrelid >= $1 AND a.attnum > 0 AND a.attnotnull
     AND a.attrelid NOT IN (SELECT oid FROM temporary)),
  (SELECT sum(hashtextextended(coalesce((to_jsonb(i) -> 'inhdetachpending')::text, ''), (i.inhrelid::int8 << 32) # i.inhparent::int8))
   FROM pg_inherits i WHERE i.inhrelid >= $1 AND i.inhrelid NOT IN (SELECT oid FROM temporary)),
  (SELECT sum(hashtextextended(concat(n.nspname, n.nspacl), n.oid::int8))
   FROM pg_namespace n WHERE n.nspname !~ '^pg_'))";
