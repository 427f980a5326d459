//! Sessions that open, and that do not.

use crate::fixture::Cluster;

#[test]
fn the_fixture_starts_a_server_and_crashes_it() {
    let mut cluster = Cluster::start();
    assert_eq!(cluster.psql("postgres", "SHOW wal_level"), "logical");
    cluster.crash_and_restart();
    assert_eq!(cluster.psql("postgres", "SELECT 1"), "1");
}
