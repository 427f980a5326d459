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
    /// How the running capture does: states, positions, lag, rates.
    Status(StatusArguments),
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
