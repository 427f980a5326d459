//! Publications that somebody else changes: nothing that is left out of the stream by it is left out in silence.

use waltap_tests::{Kafka, Kit, Postgres, PostgresOptions, Result, Waltap, ensure, oracle, run, wait_until};

use super::DEADLINE;

/// A change of a publication, in a database of its own and by a capture of its own; both have the same name.
struct Case {
    name: &'static str,
    /// Whether the user's publication `mine` is read, and not waltap's own, `waltap_NAME`.
    mine: bool,
    /// Each a transaction.
    change: &'static [&'static str],
    /// What puts right again what waltap itself does not.
    mend: &'static [&'static str],
    /// What the error says.
    says: &'static str,
}

const TABLE: Case = Case {
    name: "listed",
    mine: false,
    change: &["ALTER PUBLICATION waltap_listed DROP TABLE t"],
    mend: &[],
    says: "waltap_listed no longer publishes public.t",
};

const OPERATIONS: Case = Case {
    name: "operations",
    mine: false,
    change: &["ALTER PUBLICATION waltap_operations SET (publish = 'insert')"],
    mend: &[],
    says: "waltap_operations no longer publishes UPDATE and DELETE and TRUNCATE of public.t, public.u",
};

const TABLE_OF_MINE: Case = Case {
    name: "listed_by_me",
    mine: true,
    change: &["ALTER PUBLICATION mine DROP TABLE t"],
    mend: &["ALTER PUBLICATION mine ADD TABLE t"],
    says: "mine no longer publishes public.t",
};

const COLUMNS: Case = Case {
    name: "columns",
    mine: true,
    change: &["ALTER PUBLICATION mine SET TABLE t (id), u"],
    mend: &["ALTER PUBLICATION mine SET TABLE t, u"],
    says: "mine leaves out the columns v of public.t",
};

const ROWS: Case = Case {
    name: "rows",
    mine: true,
    change: &["ALTER PUBLICATION mine SET TABLE t WHERE (id > 100), u"],
    mend: &["ALTER PUBLICATION mine SET TABLE t, u"],
    says: "mine has another row filter for public.t",
};

const ANEW: Case = Case {
    name: "anew",
    mine: true,
    change: &["DROP PUBLICATION mine", "CREATE PUBLICATION mine FOR TABLE t, u"],
    mend: &[],
    says: "mine was dropped and made anew, with public.t, public.u",
};

const DROPPED: Case = Case {
    name: "dropped",
    mine: false,
    change: &["DROP PUBLICATION waltap_dropped"],
    mend: &[],
    says: "waltap_dropped was dropped",
};

#[test]
fn of_the_oldest_version() -> Result {
    on_version("publication_13", 13, &[OPERATIONS, TABLE_OF_MINE, DROPPED])
}

#[test]
fn of_debians_version() -> Result {
    on_version("publication_15", 15, &[TABLE, OPERATIONS, TABLE_OF_MINE, COLUMNS, ROWS, ANEW, DROPPED])
}

#[test]
fn of_the_newest_version() -> Result {
    on_version("publication_18", 18, &[TABLE, COLUMNS, DROPPED])
}

fn on_version(name: &str, major: u32, cases: &[Case]) -> Result {
    run(name, async |kit| {
        let (postgres, kafka) = servers(kit, major).await?;
        for case in cases {
            let judged = case.judged_while_running(kit, &postgres, &kafka, major).await;
            judged.map_err(|failure| failure.while_doing(format!("{} while running", case.name)))?;
            // What is compared then is the same on every version.
            if major == 15 {
                let judged = case.found_at_the_start(kit, &postgres, &kafka).await;
                judged.map_err(|failure| failure.while_doing(format!("{} while waltap is stopped", case.name)))?;
            }
        }
        Ok(())
    })
}

async fn servers(kit: &Kit, major: u32) -> Result<(Postgres, Kafka)> {
    let options = PostgresOptions { major: Some(major), ..PostgresOptions::default() };
    Ok((kit.postgres_with(options).await?, kit.kafka().await?))
}

impl Case {
    async fn start(&self, kit: &Kit, postgres: &Postgres, kafka: &Kafka, more: &[&str]) -> Result<Waltap> {
        let sql = postgres.create_database(self.name).await?;
        sql.run(
            "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, g FROM generate_series(1, 10) g;
             CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1); CREATE PUBLICATION mine FOR TABLE t, u",
        )
        .await?;
        let flags = ["--name", self.name, "--database", self.name, "--discovery-interval", "1s"];
        let publication: &[&str] = if self.mine { &["--publication", "mine"] } else { &[] };
        let mut waltap = kit.capture(postgres, kafka, &[&flags[..], publication, more].concat())?;
        waltap.wait_streaming().await?;
        Ok(waltap)
    }

    async fn run(&self, postgres: &Postgres, statements: &[&str]) -> Result {
        let sql = postgres.sql(self.name).await?;
        for statement in statements {
            sql.run(statement).await?;
        }
        Ok(())
    }

    /// The capture has ended by the fault, and says so at every start.
    async fn ensure_stopped(&self, waltap: &mut Waltap) -> Result {
        waltap.wait_log("WT0057", DEADLINE).await?;
        ensure!(waltap.wait_exit(DEADLINE).await? == 1, "waltap did not fail");
        let log = waltap.log();
        for words in [self.says, "committed between 0/", "waltap publications accept --name"] {
            ensure!(log.contains(words), "the log does not say {words:?}:\n{log}");
        }
        Ok(())
    }

    async fn start_in_vain(&self, waltap: &mut Waltap) -> Result {
        let before = waltap.log().len();
        waltap.start_again()?;
        ensure!(waltap.wait_exit(DEADLINE).await? == 1, "waltap goes on as if nothing had been");
        let log = waltap.log();
        ensure!(log[before..].contains("WT0057") && log[before..].contains(self.says), "{}", &log[before..]);
        Ok(())
    }

    async fn accept(&self, kit: &Kit, kafka: &Kafka, more: &[&str]) -> Result {
        let brokers = kafka.brokers();
        let accept = ["publications", "accept", "--name", self.name, "--database", self.name, "--brokers", &brokers];
        let accepted = kit.output(&[&accept[..], more].concat(), &[], DEADLINE).await?;
        accepted.expect(0, &[])?;
        ensure!(accepted.stdout.contains(self.says), "{}", accepted.stdout);
        Ok(())
    }

    /// The capture goes on, and in the topics is what is in the tables.
    async fn ensure_whole(&self, postgres: &Postgres, kafka: &Kafka, mut waltap: Waltap) -> Result {
        waltap.wait_streaming().await?;
        self.run(postgres, &["UPDATE t SET v = 'newer' WHERE id > 5", "INSERT INTO u VALUES (12)"]).await?;
        postgres.wait_confirmed(&[self.name], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        oracle::ensure_equal(postgres, &kafka.topics(), &[self.name]).await?;
        Ok(())
    }

    async fn judged_while_running(&self, kit: &Kit, postgres: &Postgres, kafka: &Kafka, major: u32) -> Result {
        let mut waltap = self.start(kit, postgres, kafka, &[]).await?;
        self.run(postgres, self.change).await?;
        // What is missing: before the newest version it could not even be decoded without the publication.
        self.run(postgres, &["INSERT INTO t VALUES (11, 'missed'); UPDATE t SET v = 'missed' WHERE id = 1"]).await?;
        self.ensure_stopped(&mut waltap).await?;
        self.run(postgres, self.mend).await?;
        self.start_in_vain(&mut waltap).await?;
        if self.name == DROPPED.name && major < 18 {
            return self.begin_anew(kit, postgres, kafka, waltap).await;
        }
        self.accept(kit, kafka, &[]).await?;
        waltap.start_again()?;
        self.ensure_whole(postgres, kafka, waltap).await
    }

    /// The way that is always open.
    async fn begin_anew(&self, kit: &Kit, postgres: &Postgres, kafka: &Kafka, mut waltap: Waltap) -> Result {
        let (source, brokers) = (postgres.url("postgres"), kafka.brokers());
        let drop = ["slots", "drop", "--yes", "--name", self.name, "--database", self.name];
        let drop = [&drop[..], &["--source", &source, "--brokers", &brokers]].concat();
        kit.output(&drop, &[], DEADLINE).await?.expect(0, &[])?;
        waltap.start_again()?;
        self.ensure_whole(postgres, kafka, waltap).await
    }

    async fn found_at_the_start(&self, kit: &Kit, postgres: &Postgres, kafka: &Kafka) -> Result {
        let again = Case { name: leaked(format!("{}_later", self.name)), ..*self };
        let change: Vec<String> = self
            .change
            .iter()
            .map(|text| text.replace(&format!("waltap_{}", self.name), &format!("waltap_{}", again.name)))
            .collect();
        let says = self.says.replace(&format!("waltap_{}", self.name), &format!("waltap_{}", again.name));
        let again = Case { says: leaked(says), ..again };
        let mut waltap = again.start(kit, postgres, kafka, &[]).await?;
        waltap.stop_cleanly().await?;
        again.run(postgres, &change.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        waltap.start_again()?;
        again.ensure_stopped(&mut waltap).await?;
        again.run(postgres, again.mend).await?;
        again.accept(kit, kafka, &["--without-rows"]).await?;
        waltap.start_again()?;
        // Nothing was written meanwhile, so that nothing is missing.
        again.ensure_whole(postgres, kafka, waltap).await
    }
}

/// Names that are made up live as long as the test.
fn leaked(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

#[test]
fn a_table_that_is_taken_out_and_put_in_again() -> Result {
    run("publication_between", async |kit| {
        let (postgres, kafka) = servers(kit, 15).await?;
        let case = Case { says: "mine was for a time without public.t", ..TABLE_OF_MINE };
        let mut waltap = case.start(kit, &postgres, &kafka, &["--delivery", "exactly-once"]).await?;
        waltap.kill().await?;
        case.run(&postgres, case.change).await?;
        case.run(&postgres, &["INSERT INTO t VALUES (11, 'missed')"]).await?;
        case.run(&postgres, case.mend).await?;
        waltap.start_again()?;
        case.ensure_stopped(&mut waltap).await?;
        let (source, brokers) = (postgres.url("postgres"), kafka.brokers());
        let check = [
            "check",
            "--name",
            case.name,
            "--database",
            case.name,
            "--publication",
            "mine",
            "--source",
            &source,
            "--brokers",
            &brokers,
        ];
        let check = kit.output(&check, &[], DEADLINE).await?;
        ensure!(check.code == 1 && check.stdout.contains("[WT0057]"), "check says that all is well:\n{}", check.stdout);
        // What was taken away after it was judged is another matter.
        case.accept(kit, &kafka, &[]).await?;
        case.run(&postgres, &["ALTER PUBLICATION mine DROP TABLE u"]).await?;
        let more = Case { says: "mine no longer publishes public.u", ..case };
        more.start_in_vain(&mut waltap).await?;
        case.run(&postgres, &["ALTER PUBLICATION mine ADD TABLE u"]).await?;
        more.accept(kit, &kafka, &[]).await?;
        waltap.start_again()?;
        case.ensure_whole(&postgres, &kafka, waltap).await
    })
}

#[test]
fn what_only_adds_stops_nothing() -> Result {
    run("publication_wider", async |kit| {
        let (postgres, kafka) = servers(kit, 15).await?;
        let mut waltap = TABLE_OF_MINE.start(kit, &postgres, &kafka, &[]).await?;
        let statements = ["CREATE TABLE w (id int PRIMARY KEY); INSERT INTO w VALUES (1)", "ALTER PUBLICATION mine ADD TABLE w"];
        TABLE_OF_MINE.run(&postgres, &statements).await?;
        let topics = kafka.topics();
        wait_until("the new table's topic", DEADLINE, async || {
            Ok(topics.names().await?.iter().any(|name| name == "listed_by_me.public.w"))
        })
        .await?;
        TABLE_OF_MINE.run(&postgres, &["ALTER PUBLICATION mine OWNER TO postgres", "INSERT INTO w VALUES (2)"]).await?;
        waltap.wait_streaming().await?;
        TABLE_OF_MINE.ensure_whole(&postgres, &kafka, waltap).await
    })
}

#[test]
fn what_waltap_does_itself_stops_nothing() -> Result {
    run("publication_own", async |kit| {
        let (postgres, kafka) = servers(kit, 15).await?;
        let mut waltap = TABLE.start(kit, &postgres, &kafka, &[]).await?;
        let sql = postgres.sql(TABLE.name).await?;
        let listed = async |publication: &str| {
            wait_until("the table has moved", DEADLINE, async || {
                let query =
                    format!("SELECT count(*) FROM pg_publication_tables WHERE tablename = 't' AND pubname = '{publication}'");
                Ok(sql.number(&query).await? == 1)
            })
            .await
        };
        for _ in 0..3 {
            sql.run("ALTER TABLE t DROP CONSTRAINT t_pkey").await?;
            listed("waltap_listed_inserts").await?;
            waltap.kill().await?;
            sql.run("ALTER TABLE t ADD PRIMARY KEY (id)").await?;
            waltap.start_again()?;
            listed("waltap_listed").await?;
        }
        waltap.wait_streaming().await?;
        ensure!(!waltap.log().contains("WT0057"), "it takes itself for another:\n{}", waltap.log());
        TABLE.ensure_whole(&postgres, &kafka, waltap).await
    })
}
