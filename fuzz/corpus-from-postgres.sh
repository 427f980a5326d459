#!/usr/bin/env bash
# Makes the seeds of the corpus anew, from what a real PostgreSQL writes:
#
# * corpus/pgoutput/*.frame: one frame a file, named SCENARIO-NUMBER-TAG.frame.
# * corpus/tuple/*.frame: changes of a table with the types of the target `tuple`, in their order.
# * corpus/TARGET/*.text: the texts of the values in texts.sql, one a file, named TYPE-NUMBER.text.
#
# crates/waltap-pgoutput/tests/decoding/real_frames.rs asserts what each of them is. LSNs, oids and times differ from run to run; nothing else does.
#
# PG_BIN: where initdb and pg_ctl are (default: what pg_config says, else Debian's newest). As root, the server runs as the user postgres.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
frames=$here/corpus/pgoutput
bin=${PG_BIN:-$(pg_config --bindir 2>/dev/null || true)}
[ -x "$bin/initdb" ] || bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
cluster=$(mktemp -d /tmp/waltap-corpus.XXXXXX)
as_server=()
if [ "$(id -u)" = 0 ]; then
    chown postgres "$cluster"
    as_server=(runuser -u postgres --)
fi

finish() {
    (cd / && "${as_server[@]}" "$bin/pg_ctl" -D "$cluster/data" -m immediate -w stop >/dev/null 2>&1) || true
    rm -rf "$cluster"
}
trap finish EXIT

cd /
"${as_server[@]}" "$bin/initdb" -D "$cluster/data" -U postgres -A trust -E UTF8 --no-locale >/dev/null
# No TCP: the socket lies in the cluster's own folder, so the port disturbs nobody.
"${as_server[@]}" "$bin/pg_ctl" -D "$cluster/data" -w -l "$cluster/log" \
    -o "-c wal_level=logical -c listen_addresses='' -c unix_socket_directories='$cluster' -c port=5432 -c fsync=off" start >/dev/null

sql() {
    "$bin/psql" -h "$cluster" -p 5432 -U postgres -d "${database:-corpus}" -XqAt -v ON_ERROR_STOP=1 "$@"
}

# Reads frames in hexadecimal, one a line; writes them to files named after the scenario.
write_frames() {
    perl -e '
        my ($folder, $scenario) = @ARGV;
        while (my $line = <STDIN>) {
            chomp $line;
            my $frame = pack("H*", $line);
            my $name = sprintf("%s/%s-%02d-%s.frame", $folder, $scenario, $. - 1, substr($frame, 0, 1));
            open(my $file, ">:raw", $name) or die "$name: $!";
            print $file $frame;
            close($file) or die "$name: $!";
        }
        die "$scenario made no frames\n" unless $.;
    ' "$frames" "$1"
}

# scenario NAME [OPTION VALUE]...: runs the SQL on standard input, then takes what the slot has for it.
scenario() {
    local name=$1 options=''
    shift
    for option in "$@"; do options+=", '$option'"; done
    sql -f - >/dev/null
    sql -c "select encode(data, 'hex') from pg_logical_slot_peek_binary_changes('corpus', null, null,
        'proto_version', '1', 'publication_names', 'everything', 'messages', 'true'$options)" | write_frames "$name"
    sql -c "select pg_replication_slot_advance('corpus', pg_current_wal_flush_lsn())" >/dev/null
}

mkdir -p "$frames"
rm -f "$frames"/*.frame

database=postgres sql -c "create database corpus"
sql -c "select pg_create_logical_replication_slot('corpus', 'pgoutput')" >/dev/null
sql -f - <<'SQL'
create type mood as enum ('sad', 'ok', 'happy');
create domain cents as integer check (value >= 0);
create table customer (id integer primary key, name varchar(40), mood mood, balance cents);
create table purchase (id bigint generated always as identity primary key, customer integer references customer, total numeric(10, 2));
create table document (id integer primary key, title text, body text);
alter table document alter body set storage external;
create table archive (id integer, title text, body text);
alter table archive alter body set storage external;
alter table archive replica identity full;
create table account (tenant integer not null, email text not null, note text);
create unique index account_identity on account (tenant, email);
alter table account replica identity using index account_identity;
create table reading (sensor integer, value double precision);
alter table reading replica identity full;
create table scratch (line text);
alter table scratch replica identity nothing;
create table keyless (line text);
create table nothing_at_all ();
create table "Größe ""x""" ("señal 測" integer primary key);
create table visit (day date not null, who text) partition by range (day);
create table visit_2024 partition of visit for values from ('2024-01-01') to ('2025-01-01');
create publication everything for all tables with (publish_via_partition_root = true);
SQL
sql -c "select pg_replication_slot_advance('corpus', pg_current_wal_flush_lsn())" >/dev/null

scenario insert <<'SQL'
insert into customer values (1, 'Ada', 'happy', 1250), (2, null, null, null);
SQL
scenario update-default <<'SQL'
update customer set name = 'Ada L.' where id = 1;
SQL
scenario update-key <<'SQL'
update customer set id = 3 where id = 2;
SQL
scenario update-full <<'SQL'
begin;
insert into reading values (7, 'NaN');
update reading set value = 0.1;
commit;
SQL
scenario update-index <<'SQL'
begin;
insert into account values (1, 'a@example.org', 'n');
update account set note = null;
update account set email = 'b@example.org';
commit;
SQL
scenario delete <<'SQL'
begin;
delete from customer where id = 3;
delete from reading;
delete from account;
commit;
SQL
scenario toast <<'SQL'
begin;
insert into document values (1, 'draft', repeat('x', 3000));
update document set title = 'final';
insert into archive values (1, 'draft', repeat('y', 3000));
update archive set title = 'final';
commit;
SQL
scenario truncate <<'SQL'
begin;
truncate reading;
truncate customer, document restart identity cascade;
commit;
SQL
scenario message <<'SQL'
select pg_logical_emit_message(false, 'at once', E'\\x00ff'::bytea);
begin;
select pg_logical_emit_message(true, 'with the transaction', 'grüße');
select pg_logical_emit_message(true, '', '');
commit;
SQL
scenario identity <<'SQL'
begin;
insert into scratch values ('a');
insert into keyless values ('');
insert into nothing_at_all default values;
commit;
SQL
scenario alter <<'SQL'
begin;
insert into customer values (4, 'Grace');
alter table customer add column since date;
update customer set since = '2024-11-21';
commit;
SQL
scenario names <<'SQL'
insert into "Größe ""x""" values (1);
SQL
scenario origin <<'SQL'
select pg_replication_origin_create('upstream');
select pg_replication_origin_session_setup('upstream');
begin;
select pg_replication_origin_xact_setup('0/ABCDEF', '2024-11-21 09:06:40+00');
insert into scratch values ('b');
commit;
SQL
scenario partition <<'SQL'
insert into visit values ('2024-02-29', 'Ada');
SQL
scenario binary binary true <<'SQL'
insert into purchase (customer, total) values (null, 12.50);
SQL

sql -c "select pg_create_logical_replication_slot('wire', 'pgoutput')" >/dev/null
sql -c "insert into scratch values ('c')"
# A keepalive, and then begin, relation, insert and commit.
perl "$here/replication-frames.pl" "$cluster/.s.PGSQL.5432" corpus wire 5 | write_frames wire

# The number of the relation chooses where the target begins in its list of types, and the key; here at the first, with the first as the key.
tuples=$here/corpus/tuple
mkdir -p "$tuples"
rm -f "$tuples"/*.frame
sql -f - <<'SQL'
create extension hstore;
create type place as (street text, number integer);
create domain numbers as integer[];
create table everything (a integer primary key, b text, c numeric, d timestamptz, e jsonb, f text[], g bytea, h boolean, i double precision, j timestamp,
    k date, l timetz, m interval, n money, o hstore, p integer[], q tstzrange, r mood, s place, t "char", u hstore[], v numbers);
alter table everything alter b set storage external;
SQL
sql -c "select pg_replication_slot_advance('corpus', pg_current_wal_flush_lsn())" >/dev/null
# So that texts are as waltap's own sessions have them.
PGOPTIONS='-c DateStyle=ISO -c IntervalStyle=iso_8601 -c TimeZone=UTC -c bytea_output=hex -c extra_float_digits=3 -c lc_monetary=C'
export PGOPTIONS
frames=$tuples scenario full <<'SQL'
begin;
insert into everything values (1, repeat('long ', 600), 12.50, '2024-11-21 09:06:40.5', '{"a": [1.50]}', '{a,"b c",NULL}', '\x00ff', true, 0.1,
    '0044-03-15 12:00:00 BC', '2024-02-29', '12:00+05:30', '1 day -1 s', 1234.5, 'a=>1, b=>NULL', '{{1,2},{3,NULL}}', '[2024-01-01,)', 'ok',
    '("Main ""St""",7)', 'x', '{"a=>1"}', '{1}');
update everything set c = 'NaN';
update everything set a = 2;
alter table everything replica identity full;
update everything set d = null, i = '-Infinity';
delete from everything;
commit;
SQL
for frame in "$tuples"/*; do
    case $frame in
    *-I.frame | *-U.frame | *-D.frame) perl -0777 -pi -e 'substr($_, 1, 4) = "\0\0\0\0"' "$frame" ;;
    *) rm "$frame" ;;
    esac
done

database=postgres sql -c "create database texts"
rm -f "$here"/corpus/*/*.text
database=texts sql -F ' ' -f "$here/texts.sql" | perl -e '
    my %count;
    while (my $line = <STDIN>) {
        chomp $line;
        my ($target, $type, $digits) = split / /, $line;
        $type =~ s/^-|-$//g;
        my $folder = "$ARGV[0]/$target";
        -d $folder or mkdir $folder or die "$folder: $!";
        my $name = sprintf("%s/%s-%02d.text", $folder, $type, $count{"$target $type"}++);
        open(my $file, ">:raw", $name) or die "$name: $!";
        print $file pack("H*", $digits // "");
        close($file) or die "$name: $!";
    }
' "$here/corpus"

echo "$(find "$here/corpus" -name '*.text' | wc -l) texts, $(find "$tuples" -name '*.frame' | wc -l) rows, $(find "$here/corpus/pgoutput" -name '*.frame' | wc -l) frames in $here/corpus"
