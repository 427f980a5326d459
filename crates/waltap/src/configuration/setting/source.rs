//! Where changes come from: the server, its databases and tables, and what of them is left out.

use super::{PLAIN, Setting, Shape, scope};

const HEADING: &str = "Source";

pub(super) const SOURCE: &[Setting] = &[
    Setting {
        key: "source",
        value_name: "URL",
        heading: HEADING,
        secret: true,
        scope: scope::CAPTURE | scope::SLOTS | scope::REQUESTS | scope::DROP,
        help: "The PostgreSQL server: a postgres:// URL, or key=value pairs as libpq reads them",
        more: "Several hosts, unix sockets, sslmode and the other parameters of libpq are understood; what the URL leaves out is taken \
               from PGUSER, PGPASSWORD, PGSSLMODE and the like, and the password from ~/.pgpass too.\n\
               Keep the password out of the URL on the command line: every user of the machine can read a command line. Use PGPASSWORD, \
               ~/.pgpass or --source-password-file.\n\
               A standby of PostgreSQL 16 or later will do, with publications that were made on its primary: docs/standby.md.\n\
               Examples:\n  postgres://waltap@db.example.com:5432\n  postgres://waltap@one,two/?target_session_attrs=read-write&sslmode=verify-full",
        ..PLAIN
    },
    Setting {
        key: "source-password-file",
        value_name: "FILE",
        heading: HEADING,
        scope: scope::CAPTURE | scope::SLOTS | scope::REQUESTS | scope::DROP,
        help: "A file that holds the password of the source and nothing else",
        more: "It goes before every other password and is read again at each connection, so that a rotated password is picked up.",
        ..PLAIN
    },
    Setting {
        key: "name",
        value_name: "NAME",
        heading: HEADING,
        default: Some("waltap"),
        scope: scope::CAPTURE | scope::SLOTS | scope::REQUESTS,
        help: "The capture's name, which begins the names of its slots, publications and progress",
        more: "Small letters, digits and underscores, at most 24. A capture with another name is another capture: it has slots of its own and begins anew.",
        ..PLAIN
    },
    Setting {
        key: "database",
        shape: Shape::List,
        value_name: "PATTERN,...",
        heading: HEADING,
        scope: scope::CAPTURE | scope::SLOTS | scope::REQUESTS,
        help: "Databases to capture, or to look at; none named means all, those made later too",
        more: "Globs. Templates and databases that take no connections are never meant.\nExample: --database shop,crm_*",
        ..PLAIN
    },
    Setting {
        key: "table",
        shape: Shape::List,
        value_name: "PATTERN,...",
        heading: HEADING,
        help: "Tables to capture; none named means all user tables, those made later too",
        more: "Globs on schema.table; names in double quotes are taken as they stand.\nExample: --table 'public.orders,sales.*,\"Odd.Schema\".*'",
        ..PLAIN
    },
    Setting {
        key: "exclude-table",
        shape: Shape::List,
        value_name: "PATTERN,...",
        heading: HEADING,
        help: "Tables to leave out, of those that --table means",
        more: "Example: --exclude-table '*.audit_*'",
        ..PLAIN
    },
    Setting {
        key: "include-columns",
        shape: Shape::Pairs,
        value_name: "TABLE=COLUMN,...",
        heading: HEADING,
        help: "The only columns of a table to be in its events; may be repeated",
        more: "Table and columns may be patterns. Tables that are not named keep all columns. In the file: a mapping from table to columns. In \
               the variable: parted by semicolons.\nExample: --include-columns 'public.customers=id,name'",
        ..PLAIN
    },
    Setting {
        key: "exclude-columns",
        shape: Shape::Pairs,
        value_name: "TABLE=COLUMN,...",
        heading: HEADING,
        help: "Columns of a table to be left out of its events; may be repeated",
        more: "As --include-columns.\nExample: --exclude-columns '*=password_*' --exclude-columns 'public.customers=notes'",
        ..PLAIN
    },
    Setting {
        key: "mask-columns",
        shape: Shape::Pairs,
        value_name: "TABLE=COLUMN:MASK,...",
        heading: HEADING,
        help: "Columns of a table of which something else is written; may be repeated",
        more: "hash: HMAC-SHA-256 with the salt of --mask-salt-file, in hexadecimal, so that equal values stay equal; truncate:LENGTH: the \
               first characters; constant:TEXT. Masked values are strings, of PostgreSQL's text of the value; NULL stays null. The first \
               mask that fits a column is taken. Of a key's columns only the hash is allowed.\n\
               Example: --mask-columns 'public.customers=email:hash,note:truncate:20,card:constant:\"***\"'",
        ..PLAIN
    },
    Setting {
        key: "mask-salt-file",
        value_name: "FILE",
        heading: HEADING,
        help: "A file that holds the secret for the hashes of --mask-columns and nothing else",
        more: "White space at its end is left out. With another salt every hash is another one.",
        ..PLAIN
    },
    Setting {
        key: "publication",
        value_name: "NAME",
        heading: HEADING,
        help: "A publication that you made, to be read as it is, instead of waltap's own",
        more: "waltap then neither makes nor changes a publication. It must be there in every captured database.",
        ..PLAIN
    },
    Setting {
        key: "failover-slot",
        shape: Shape::Switch,
        value_name: "BOOL",
        heading: HEADING,
        default: Some("false"),
        help: "Whether standbys keep the slots too, so that the capture goes on after a failover (PostgreSQL 17 and later)",
        more: "A slot that is there already is altered. The standby needs sync_replication_slots and hot_standby_feedback, the primary \
               synchronized_standby_slots: docs/failover.md. Name all hosts in --source, with target_session_attrs=primary.",
        ..PLAIN
    },
    Setting {
        key: "discovery-interval",
        value_name: "DURATION",
        heading: HEADING,
        default: Some("10s"),
        help: "How often to look for new databases and tables",
        more: "Examples: 5s, 2m, 1h",
        ..PLAIN
    },
    Setting {
        key: "messages",
        shape: Shape::Switch,
        value_name: "BOOL",
        heading: HEADING,
        default: Some("false"),
        help: "Whether messages of pg_logical_emit_message become events (PostgreSQL 14 and later)",
        ..PLAIN
    },
];
