-- Values whose text, as a real server prints it, is the corpus of the target in the first column: corpus-from-postgres.sh writes one file
-- each. They are few on purpose, one for each turn that the encoder can take; a fuzzer finds the rest.
--
-- Out come lines "target name digits", the text in hexadecimal.

\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET DateStyle = ISO;
SET IntervalStyle = iso_8601;
SET TimeZone = 'UTC';
SET bytea_output = hex;
SET extra_float_digits = 3;
SET lc_monetary = 'C';

CREATE EXTENSION hstore;
CREATE TYPE address AS (street text, number int, since date);
CREATE TYPE float_range AS RANGE (subtype = float8);
CREATE DOMAIN numbers AS integer[];

CREATE TEMP TABLE sample (number serial, target text, type text, literal text);
INSERT INTO sample (target, type, literal) VALUES
('array', 'int[]', '{}'), ('array', 'int[]', '{1,NULL,-3}'), ('array', 'int[]', '[0:1][-5:-5]={{1},{2}}'), ('array', 'int[]', '{{{{{{9}}}}}}'),
('array', 'text[]', '{a,"b c","","NULL",NULL,"q\"q","b\\b","{x}","a,b",é}'), ('array', 'text[]', E'{"line\nbreak"," x ",😀}'),
('array', 'bool[]', '{t,f,NULL}'), ('array', 'float8[]', '{1.5,NaN,-Infinity,5e-324}'), ('array', 'numeric[]', '{1.10,NaN,1e30}'),
('array', 'money[]', '{"$1,234.50",-1}'), ('array', 'date[]', '{"0044-03-15 BC",infinity,2024-02-29}'),
('array', 'timestamptz[]', '{"2024-11-21 09:06:40.1+00",infinity,NULL}'), ('array', 'timetz[]', '{12:00+02}'), ('array', 'interval[]', '{1 day}'),
('array', 'jsonb[]', '{"{\"a\": [1, \"x\"]}",null,"null"}'), ('array', 'bytea[]', '{"\\x00ff",NULL,""}'), ('array', 'box[]', '{(1,1),(0,0);(3,3),(2,2)}'),
('array', 'hstore[]', '{"\"a\"=>\"1\", \"b\"=>NULL"}'), ('array', 'int4range[]', '{"[1,3)",empty}'), ('array', 'bit(3)[]', '{101,NULL}'),
('array', 'numbers[]', '{"{1,NULL}","[2:3]={4,5}"}'), ('array', '"char"[]', '{a,NULL,"\\377"}'),
('document', 'jsonb', '{"b": [1.50, null, true], "a": {"n": 123456789012345678901234567890.000}, "": "\"\\\u0001"}'), ('document', 'jsonb', '1e400'),
('document', 'json', E'{"b" :\n [1E+400, -0],\t"b": "\\u00e9 \\ud83d\\ude00"}'), ('document', 'json', '"\ud800"'), ('document', 'json', ' null '),
('document', 'json', '"\u0000"'), ('document', 'json', '[ ]'), ('document', 'json', '{ }'), ('document', 'jsonb', '"x"'), ('document', 'json', '-1.5e-5'),
('document', 'json', repeat('[', 100) || repeat(']', 100)), ('document', 'json', repeat('[', 101) || repeat(']', 101)),
('numeric', 'numeric', '0'), ('numeric', 'numeric', '-0.00'), ('numeric', 'numeric', '1.10'), ('numeric', 'numeric', '-12345678.90'), ('numeric', 'numeric', 'NaN'),
('numeric', 'numeric', '-Infinity'), ('numeric', 'numeric(4,-2)', '12345'), ('numeric', 'numeric', '0.00999'), ('numeric', 'numeric', '1e60'),
('numeric', 'numeric', '-170141183460469231731687303715884105728'), ('numeric', 'numeric', '12345678901234567890.123456789012345678901234567890'),
('numeric', 'money', '1234567.5'), ('numeric', 'money', '-0.05'), ('numeric', 'int8', '-9223372036854775808'), ('numeric', 'oid', '4294967295'),
('numeric', 'float8', '1e20'), ('numeric', 'float8', '1.7976931348623157e308'), ('numeric', 'float8', '5e-324'), ('numeric', 'float8', '-0'),
('numeric', 'float8', '0.1'), ('numeric', 'float4', '3.4028235e38'), ('numeric', 'float4', '1e-45'), ('numeric', 'bool', 't'), ('numeric', 'bool', 'f'),
('range', 'int4range', 'empty'), ('range', 'int4range', '[1,3]'), ('range', 'int8range', '(,)'), ('range', 'numrange', '[1.10,2.200]'),
('range', 'tsrange', '[2024-01-01,infinity)'), ('range', 'tstzrange', '[2024-01-01,2024-06-01 12:00]'), ('range', 'daterange', '[0044-03-15 BC,)'),
('range', 'float_range', '[0.1,NaN)'), ('range', 'int4multirange', '{[1,3),[5,6)}'), ('range', 'int4multirange', '{}'),
('range', 'tstzmultirange', '{[2024-01-01,2024-06-01)}'), ('range', 'address', '("Main ""St""",7,0044-03-15 BC)'), ('range', 'address', '(,,)'),
('range', 'int4range[]', '{"[1,3)",NULL,empty}'), ('range', 'daterange[]', '{"[2024-01-01,2024-02-01)"}'),
('string', 'text', ''), ('string', 'text', E'quote " backslash \\ newline \n tab \t bell \x07 del \x7f é 漢 😀'), ('string', 'text', E'\u2028\ufeff/'),
('string', 'text', 'eight by eight, and then some more: no escapes until the very end"'), ('string', 'char(5)', 'äöü'), ('string', 'name', '_op'),
('string', '"char"', '\377'), ('string', 'xml', '<a b="1">&amp;x</a>'), ('string', 'uuid', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
('string', 'inet', '2001:db8::/32'), ('string', 'tsvector', 'a:1A ''b c'''), ('string', 'bytea', '\x'), ('string', 'bytea', '\x00ff7e'),
('string', 'bytea', '\x' || repeat('a5', 800)), ('string', 'bit(8)', '00000101'), ('string', 'varbit', '1' || repeat('01', 20)), ('string', 'bit', '1'),
('string', 'hstore', ''), ('string', 'hstore', 'a=>1, "b \"q\""=>NULL, c=>"back\\slash, \"x\"=>y", ""=>"", 😀=>é'),
('temporal', 'date', '2024-02-29'), ('temporal', 'date', '0044-03-15 BC'), ('temporal', 'date', '4713-01-01 BC'), ('temporal', 'date', '5874897-12-31'),
('temporal', 'date', 'infinity'), ('temporal', 'date', '-infinity'), ('temporal', 'time', '04:05:06.789'), ('temporal', 'time', '24:00:00'),
('temporal', 'timetz', '12:34:56.789+05:30'), ('temporal', 'timetz', '24:00:00-15:59'), ('temporal', 'timetz', '01:02:03-00:00:30'), ('temporal', 'timetz', '04:05:06-08'),
('temporal', 'timestamp', '2024-11-21 09:06:40.123456'), ('temporal', 'timestamp', '1969-12-31 23:59:59.999999'),
('temporal', 'timestamp', '0001-12-31 23:59:59.5 BC'), ('temporal', 'timestamp', '294276-12-31 23:59:59.999999'), ('temporal', 'timestamp', '10000-01-01 00:00:00'),
('temporal', 'timestamptz', '2024-11-21 09:06:40.1+02'), ('temporal', 'timestamptz', '0044-03-15 12:00:00+00 BC'), ('temporal', 'timestamptz', '294276-12-31 23:59:59.9+00'),
('temporal', 'interval', '0'), ('temporal', 'interval', '1 year 2 mons -3 days 04:05:06.789'), ('temporal', 'interval', '-178000000 years'),
('temporal', 'interval', '-00:00:00.000001'), ('temporal', 'interval', '1 day -1 s');

-- A moment as a session in another time zone prints it.
SET TimeZone = 'Asia/Kolkata';
INSERT INTO sample (target, type, literal) SELECT 'temporal', 'text', format('%s', timestamptz '2024-02-29 20:00:00.25+00');
SET TimeZone = 'America/New_York';
INSERT INTO sample (target, type, literal) SELECT 'temporal', 'text', format('%s', timestamptz '1883-11-18 12:03:57-04:56:02');
SET TimeZone = 'UTC';

-- format() prints by the output function, as the replication stream and COPY do; a cast to text would print true for t.
SELECT format('SELECT %L, %L, encode(convert_to(format(''%%s'', %L::%s), ''UTF8''), ''hex'')', target, regexp_replace(type, '[^a-z0-9_]+', '-', 'g'), literal, type)
FROM sample ORDER BY number \gexec
