//! The list of codes: one line a code, each with a page in `docs/errors/`.

use std::fmt;
use std::str::FromStr;

/// The number of an error's page. Written `WT0007`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u16);

macro_rules! codes {
    ($($number:literal $name:ident $title:literal;)*) => {
        impl Code {
            $(
                #[doc = concat!($title, ".")]
                pub const $name: Code = Code($number);
            )*

            /// Every code, in the order of its number.
            pub const ALL: &'static [Code] = &[$(Code($number)),*];

            /// What happened, in a few words.
            pub fn title(self) -> &'static str {
                match self.0 {
                    $($number => $title,)*
                    // A code is only made from this list: see `FromStr`.
                    _ => "unknown code",
                }
            }
        }
    };
}

// A number is never given to another meaning: retired ones stay out of the list for good.
codes! {
    1 CONNECT "PostgreSQL cannot be reached";
    2 AUTHENTICATION "PostgreSQL refused the user or the password";
    3 TLS "The TLS connection cannot be made as sslmode asks";
    4 SOURCE_URL "The source URL is not understood";
    5 REPLICATION_RIGHT "The role may not replicate";
    6 REPLICATION_SLOTS "The server has no free replication slot";
    7 WAL_LEVEL "wal_level is not logical";
    8 WAL_SENDERS "The server has no free WAL sender";
    9 SLOT_IN_USE "Another process reads the slot";
    10 SLOT_DROPPED "The slot is gone";
    11 SLOT_MOVED "The slot was moved or made anew by another";
    12 SLOT_INVALIDATED "The server invalidated the slot";
    13 SLOT_UNKNOWN "A slot is there, but no progress that belongs to it";
    14 PUBLICATION "The publication cannot be made or changed";
    15 NO_TABLE "A table pattern matches no table";
    16 NO_DATABASE "A database pattern matches no database";
    17 SELECT_RIGHT "The role may not read a table";
    18 ROW_SECURITY "Row-level security would hide rows from the snapshot";
    19 OTHER_SERVER "This is not the server that the capture was made on";
    20 BROKERS "Kafka cannot be reached";
    21 KAFKA_AUTHENTICATION "Kafka refused the credentials";
    22 TOPIC "A topic cannot be made or used";
    23 TOPIC_COLLISION "Two tables would share a topic";
    24 RECORD_TOO_LARGE "A record is larger than Kafka takes";
    25 DELIVERY_REFUSED "Kafka refused a record for good";
    26 KAFKA_PROPERTY "A Kafka property is not understood";
    27 PRODUCER_LOST "The Kafka producer had to be given up";
    28 PROGRESS "The progress topic cannot be read or written";
    29 TOPIC_LOST "A topic is gone, with the events in it";
    30 CONFIGURATION_FILE "The configuration file cannot be read";
    31 UNKNOWN_KEY "A configuration key is unknown";
    32 INVALID_VALUE "A value is not valid";
    33 CONFLICTING_OPTIONS "Two options contradict each other";
    34 KEY_COLUMNS "A record key names columns that the table does not have";
    35 NO_COLUMN "A chosen column is not there";
    36 OTHER_CLUSTER "This is not the Kafka cluster that the capture writes to";
    39 REQUEST "What is asked of a capture cannot be done";
    40 MALFORMED_MESSAGE "A replication message is malformed";
    41 TEXT_ENCODING "A text cannot be given as UTF-8";
    42 SERVER_VERSION "This version of PostgreSQL is not supported";
    43 STANDBY "The source is a standby";
    44 CONNECTION_LOST "The connection to PostgreSQL was lost";
    45 SNAPSHOT "A table could not be read for the snapshot";
    46 SERVER_REFUSED "PostgreSQL refused a statement";
    47 SPILL "Changes of open transactions cannot be kept on disk";
    48 TWO_PHASE "The slot and --two-phase do not fit each other";
    49 SUBTRANSACTION_UNKNOWN "The server does not know any more what was rolled back";
    50 HTTP_ADDRESS "The address of the status server cannot be used";
    51 NO_STATUS "No running capture answers";
    52 OUTPUT "Standard output cannot be written";
    53 SHUTDOWN_TIMEOUT "Stopping took too long";
    54 INTERNAL "waltap broke one of its own rules";
    55 RETAINED_WAL "The slot kept too much log and was given up";
    56 SERVER_WENT_BACK "The server does not have what was sent from it";
    57 PUBLICATION_CHANGED "A publication was changed, and changes of tables may be missing";
    58 DEAD_LETTER "The topic of dead letters does not take them";
    59 RESNAPSHOT_LIMIT "The slot was lost again, too soon to begin anew by itself";
    61 POOLER "A pooler stands between waltap and PostgreSQL";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WT{:04}", self.0)
    }
}

/// The text names no code of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseCodeError;

impl fmt::Display for ParseCodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a code of waltap: codes look like WT0007")
    }
}

impl std::error::Error for ParseCodeError {}

impl FromStr for Code {
    type Err = ParseCodeError;

    /// Reads `WT0007`, `wt7` or `7`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.get(..2).filter(|prefix| prefix.eq_ignore_ascii_case("wt")).map_or(text, |_| &text[2..]);
        let number = digits.parse().map_err(|_| ParseCodeError)?;
        Code::ALL.iter().copied().find(|code| code.0 == number).ok_or(ParseCodeError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_read_back() {
        assert!(Code::ALL.is_sorted_by(|a, b| a < b));
        for code in Code::ALL {
            assert_eq!(code.to_string().parse(), Ok(*code));
        }
        assert_eq!("wt7".parse(), Ok(Code::WAL_LEVEL));
        assert_eq!("7".parse(), Ok(Code::WAL_LEVEL));
        assert_eq!("WT9999".parse::<Code>(), Err(ParseCodeError));
        assert_eq!("".parse::<Code>(), Err(ParseCodeError));
    }
}
