//! The command line: commands, and the flags that are no settings.

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::configuration::{SettingFlags, scope};

const AFTER_HELP: &str = "\
Examples:
  waltap check   --source postgres://waltap@db:5432 --brokers kafka:9092
  waltap capture --source postgres://waltap@db:5432 --brokers kafka:9092
  waltap capture --source postgres://waltap@db:5432 --database shop --table 'public.orders,sales.*' --sink stdout
  waltap topics tail shop.public.orders --brokers kafka:9092 --from beginning --pretty
  waltap status

Exit codes: 0 stopped as asked; 1 failed; 2 the command line, a variable or the file is wrong, told before any server is asked.";

/// waltap taps PostgreSQL's write-ahead log and pours every committed row change into Kafka as a JSON event, in order.
#[derive(Parser)]
#[command(name = "waltap", version, after_help = AFTER_HELP, max_term_width = 120, propagate_version = true)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Send every committed change to Kafka, until stopped.
    ///
    /// Without --database and --table, everything is captured: every table of every database, those made later too. Publications and
    /// replication slots are made when they are missing, existing rows are read once, and then changes are sent as they come. What Kafka
    /// has not confirmed, PostgreSQL is never told to forget.
    ///
    /// SIGTERM or SIGINT stops it: what was read is sent and acknowledged, within 10 seconds. A second one ends it at once; nothing is
    /// lost either way.
    Capture(SettingFlags<{ scope::CAPTURE }>),
    /// Say what is missing on either side for such a capture, and how to mend it. Changes nothing.
    Check(CheckArguments),
    /// The replication slots and publications that waltap made.
    Slots(SlotsArguments),
    /// What changes of the publications have lost.
    Publications(PublicationsArguments),
    /// What arrived in Kafka.
    Topics(TopicsArguments),
    /// Events that were too large for Kafka (--on-bad-event dead-letter).
    DeadLetters(DeadLettersArguments),
    /// How the running capture does: states, positions, lag, rates.
    Status(StatusArguments),
    /// Have rows of tables read again, or for the first time, while the stream goes on.
    ///
    /// The capture reads them in chunks by their key and sends them among the changes; nothing waits for it, and after a crash it goes on
    /// where it was. A row comes with `op` `r`; what was changed meanwhile is not overtaken by what was read. It can be asked for while
    /// waltap does not run. Tables without a key, and outboxes, cannot be read so.
    ///
    /// Example: waltap snapshot 'sales.*' --database shop --where "placed_at > '2024-01-01'" --wait
    Snapshot(SnapshotArguments),
    /// Let the taps of a capture rest, of all its databases or those of --database, or single tables, until `waltap resume`.
    ///
    /// What was read is sent and acknowledged, and then nothing more: also after a restart, and when waltap does not run now. The slots
    /// are kept, so nothing is lost, and the server keeps its log for them meanwhile. A database that is new to the capture is not
    /// paused.
    ///
    /// With --table the changes of these tables are withheld, from one commit on, while others go on; needs --source. The slot keeps the
    /// server's log for them: a pause of a table costs as much of the server's disk as one of the tap. Not with --two-phase, and not
    /// while rows of the table are read.
    Pause(PauseArguments),
    /// Let the taps, or with --table the tables, go on that `waltap pause` has let rest.
    ///
    /// What was withheld of a table is sent in its order, and other tables wait until it has caught up.
    Resume(PauseArguments),
    /// Give a capture up: drop its slots, publications and progress, in all databases. Asks first.
    ///
    /// Changes that were committed and are not in Kafka yet are lost to it, and a later capture of that name begins anew. Topics and
    /// their records stay as they are, and so do publications of another role. While a process is at work with it, it is not dropped:
    /// stop that first.
    Drop(DropArguments),
    /// Explain an error's code, such as WT0007. Without a code: list them all.
    Explain {
        /// The code: WT0007, wt7 or 7.
        code: Option<String>,
    },
    /// Print a completion script for a shell.
    ///
    /// bash: waltap completions bash > /etc/bash_completion.d/waltap
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// Arguments of `waltap check`.
#[derive(Args)]
pub(crate) struct CheckArguments {
    /// Print the findings as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) settings: SettingFlags<{ scope::CAPTURE }>,
}

/// Arguments of `waltap slots`.
#[derive(Args)]
pub(crate) struct SlotsArguments {
    #[command(subcommand)]
    pub(crate) command: SlotsCommand,
}

/// What to do with slots.
#[derive(Subcommand)]
pub(crate) enum SlotsCommand {
    /// List the slots and publications on the server: of every capture, or of the one that --name means.
    List {
        /// Print them as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        settings: SettingFlags<{ scope::SLOTS }>,
    },
    /// Drop a capture's slots, publications and progress, of all its databases or those of --database. Asks first.
    ///
    /// Changes that were committed and are not in Kafka yet are lost to the capture, and a later one of that name begins anew. Topics and
    /// their records stay as they are, and so do publications of another role.
    Drop {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
        /// Do without Kafka: a later capture of that name will then miss its slots, and say so (WT0010).
        #[arg(long, conflicts_with = "brokers")]
        keep_progress: bool,
        #[command(flatten)]
        settings: SettingFlags<{ scope::SLOTS }>,
    },
}

/// Arguments of `waltap snapshot`.
#[derive(Args)]
pub(crate) struct SnapshotArguments {
    /// Tables of the capture, as patterns on schema.table; each has to mean one at least.
    #[arg(required = true, value_name = "TABLE")]
    pub(crate) tables: Vec<String>,
    /// Which rows: SQL about the table's columns. What is not in pg_catalog needs the name of its schema.
    #[arg(long = "where", value_name = "CONDITION", conflicts_with = "cancel")]
    pub(crate) condition: Option<String>,
    /// Leave off what was asked for before. Rows that were sent stay.
    #[arg(long)]
    pub(crate) cancel: bool,
    /// Wait until the rows are in Kafka.
    #[arg(long, conflicts_with = "cancel")]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) settings: SettingFlags<{ scope::SLOTS }>,
}

/// Arguments of `waltap pause` and `waltap resume`.
#[derive(Args)]
pub(crate) struct PauseArguments {
    /// These tables of the capture alone, as patterns on schema.table; each has to mean one at least. Repeatable.
    #[arg(long = "table", value_name = "TABLE")]
    pub(crate) tables: Vec<String>,
    /// Wait until the tables are paused, or have caught up.
    #[arg(long, requires = "tables")]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) settings: SettingFlags<{ scope::REQUESTS }>,
}

/// Arguments of `waltap drop`.
#[derive(Args)]
pub(crate) struct DropArguments {
    /// The name of the capture; without it, that of WALTAP_NAME or the file, or waltap.
    pub(crate) capture: Option<String>,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Drop it though a process is at work with it, which may then begin anew: stop it first, if you can.
    #[arg(long, requires = "yes")]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) settings: SettingFlags<{ scope::DROP }>,
}

/// Arguments of `waltap publications`.
#[derive(Args)]
pub(crate) struct PublicationsArguments {
    #[command(subcommand)]
    pub(crate) command: PublicationsCommand,
}

/// What to do about publications.
#[derive(Subcommand)]
pub(crate) enum PublicationsCommand {
    /// Go on after somebody has changed a publication and changes may be missing (WT0057), in all databases of a capture or those of
    /// --database.
    ///
    /// The tables that are concerned are read again when the capture is started, before anything else of them is sent. Only what the
    /// capture has complained of is accepted.
    Accept {
        /// Go on with the hole: do not read the tables again.
        #[arg(long)]
        without_rows: bool,
        #[command(flatten)]
        settings: SettingFlags<{ scope::SLOTS }>,
    },
}

/// Arguments of `waltap dead-letters`.
#[derive(Args)]
pub(crate) struct DeadLettersArguments {
    #[command(subcommand)]
    pub(crate) command: DeadLettersCommand,
}

/// What to do with dead letters.
#[derive(Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// List them: of which topic, from where in the log, how large, and whether all pieces are there.
    List {
        /// Print them as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        settings: SettingFlags<{ scope::DEAD_LETTERS }>,
    },
    /// Put letters together and send them to their topics, whole: the very bytes, and a header `waltap.replayed` with their position.
    ///
    /// The topic must have got room for them (max.message.bytes), and waltap too (--kafka-property message.max.bytes=N). Events of the same
    /// key that came later stand before them then: a reader who keeps the last one for each key must compare positions. Each is taken out
    /// of the dead letters once it is confirmed.
    Replay(ReplayArguments),
}

/// Arguments of `waltap dead-letters replay`.
#[derive(Args)]
pub(crate) struct ReplayArguments {
    /// The letters, as the list calls them.
    #[arg(value_name = "LETTER", required_unless_present = "all", conflicts_with = "all")]
    pub(crate) letters: Vec<String>,
    /// Send all of them.
    #[arg(long)]
    pub(crate) all: bool,
    /// With --all: those of this topic alone.
    #[arg(long, value_name = "TOPIC", requires = "all")]
    pub(crate) of: Option<String>,
    /// Send them to this topic and not to their own.
    #[arg(long, value_name = "TOPIC")]
    pub(crate) to: Option<String>,
    /// Leave them among the dead letters too.
    #[arg(long)]
    pub(crate) keep: bool,
    #[command(flatten)]
    pub(crate) settings: SettingFlags<{ scope::DEAD_LETTERS }>,
}

/// Arguments of `waltap topics`.
#[derive(Args)]
pub(crate) struct TopicsArguments {
    #[command(subcommand)]
    pub(crate) command: TopicsCommand,
}

/// What to do with topics.
#[derive(Subcommand)]
pub(crate) enum TopicsCommand {
    /// List topics with their partitions and the records they hold.
    List {
        /// Print them as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        settings: SettingFlags<{ scope::TOPICS }>,
    },
    /// Print a topic's records, one JSON object a line.
    Tail(TailArguments),
}

/// Arguments of `waltap topics tail`.
#[derive(Args)]
pub(crate) struct TailArguments {
    /// The topic.
    pub(crate) topic: String,
    /// Where to begin.
    #[arg(long, value_enum, value_name = "PLACE", default_value_t = TailFrom::Beginning)]
    pub(crate) from: TailFrom,
    /// Wait for more records at the end, until interrupted. Implied by --from end.
    #[arg(long)]
    pub(crate) follow: bool,
    /// Stop after this many records.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) max: Option<u64>,
    /// Print each record over several lines.
    #[arg(long)]
    pub(crate) pretty: bool,
    #[command(flatten)]
    pub(crate) settings: SettingFlags<{ scope::TOPICS }>,
}

/// Where a tail begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TailFrom {
    /// With the oldest record that is still there.
    Beginning,
    /// With the next record to arrive.
    End,
}

/// Arguments of `waltap status`.
#[derive(Args)]
pub(crate) struct StatusArguments {
    /// Print what /status says, as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) settings: SettingFlags<{ scope::STATUS }>,
}

#[cfg(test)]
mod tests;
