//! A workload that does to tables whatever applications do: many kinds of tables, and writers that change them at full speed.

mod alterations;
mod shape;
mod transaction;
mod writer;

pub(crate) use shape::members;
pub(crate) use writer::Writers;

use std::time::Duration;

use waltap_tests::{Result, ensure, run, wait_until};

#[test]
fn most_of_the_workload_is_accepted() -> Result {
    run("workload", async |kit| {
        let postgres = kit.postgres().await?;
        postgres.create_database("shop").await?;
        let members = members(&["shop"], 8);
        for member in &members {
            member.create(&postgres, 50).await?;
        }
        let writers = Writers::start(postgres.port(), &members, 2, 1);
        wait_until("the writers commit", Duration::from_secs(60), async || Ok(writers.committed() > 500)).await?;
        let report = writers.stop().await?;
        println!("{report:?}");
        ensure!(report.failed * 2 < report.committed, "{report:?}");
        Ok(())
    })
}
