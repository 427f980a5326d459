//! Those that take the changes to nowhere: clients, and the server that decodes and sends nothing.

use waltap_bench::sampler::Sampler;
use waltap_tests::{Launch, Process, Result, Sql, ensure};

use super::contender::{Contender, DEADLINE};
use super::watch::{Cast, Drained, Watch};
use super::{Bench, DATABASE, PUBLICATION};

impl Contender {
    /// By a client that ends by itself.
    pub(crate) async fn read_all(&self, bench: &Bench<'_>, sampler: &Sampler, slot: &str, end: &str) -> Result<Drained> {
        let sql = bench.postgres.sql("postgres").await?;
        let mut client = Process::start("the client", &self.client(bench, slot, end)?)?;
        let watch = Watch::begin_with_reader(sampler, &sql, slot, client.id(), bench.broker()).await?;
        let status = client.wait(DEADLINE).await?;
        let drained = watch.end()?;
        ensure!(status.success(), "the client failed:\n{}", client.log_tail(5));
        Ok(drained)
    }

    fn client(&self, bench: &Bench<'_>, slot: &str, end: &str) -> Result<Launch> {
        let log = bench.kit.folder().join("clients.log");
        let port = bench.postgres.port();
        if let Contender::Bare { manner, over_socket } = self {
            let address = match over_socket {
                true => format!("{}:{port}", bench.postgres.socket_folder().display()),
                false => bench.route.address(),
            };
            let program = std::env::current_exe()?.with_file_name("bare-drain");
            return Ok(Launch::new(program, log).arguments(&[&address, DATABASE, slot, end, PUBLICATION, *manner]));
        }
        let (program, publication) =
            (bench.postgres.programs().join("pg_recvlogical"), format!("publication_names={PUBLICATION}"));
        let database = bench.route.drained_database();
        let place = ["-d", &database, "-S", slot];
        let task = ["--start", "-n", "-f", "/dev/null", "-E", end, "-o", &publication, "-o", "proto_version=1"];
        Ok(Launch::new(program, log).arguments(&place).arguments(&task))
    }
}

/// By an SQL function.
pub(crate) async fn decode(bench: &Bench<'_>, sampler: &Sampler, slot: &str) -> Result<Drained> {
    let sql: Sql = bench.postgres.sql(DATABASE).await?;
    let process = u32::try_from(sql.number("SELECT pg_backend_pid()").await?)?;
    // Or what it gives would go to the disk.
    sql.run("SET work_mem = '2GB'").await?;
    let watch = Watch::begin(sampler, Cast { contender: None, walsender: Some(process), broker: bench.broker() })?;
    sql.number(&format!(
        "SELECT count(*) FROM pg_logical_slot_peek_binary_changes('{slot}', NULL, NULL, 'proto_version', '1', 'publication_names', '{PUBLICATION}')"
    ))
    .await?;
    watch.end()
}
