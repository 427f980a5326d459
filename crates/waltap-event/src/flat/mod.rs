//! The `flat` format: the columns of a row at the top level, for log search and for tables.
//!
//! ```json
//! {"_op":"u","_ts":"2024-11-21T09:06:40.120000Z","_db":"shop","_schema":"public","_table":"orders","_txid":742,"_lsn":"0/16B3748",
//!  "_commit_lsn":"0/16B3790","_seq":3,"id":7,"total":"12.50","tags":["a","b"],"_unchanged":["body"]}
//! ```
//!
//! Values are those of [`native`](crate::native). Our own fields come first and begin with an underscore:
//!
//! * `_ts` is when the transaction was committed, for snapshot rows when they were read: ISO 8601 in UTC, always with six digits of a
//!   second, so that it sorts as text.
//! * `(_commit_lsn, _seq)` is the position, the same when an event is sent again: a reader drops repeats by it. `_seq` is null in a
//!   snapshot, whose rows are told by their key.
//! * `_unchanged` names the columns that an update did not touch and the server did not send (large values). They are left out of the
//!   row, and the field is left out when there are none.
//! * A column that has the name of one of our fields, or that name with further underscores before it, gets one more underscore in front:
//!   `_op` is written as `__op`, and `__op` as `___op`. No two columns can meet that way, and our fields always are where they are looked
//!   for. The record's key has the columns' own names, unless it holds ours too, in a topic that tables share.
//!
//! What a change becomes:
//!
//! * A row, new (`r`, `c`) or changed (`u`), is all its columns as they are now. What they were before is not told.
//! * A delete (`d`) has the columns of the replica identity alone, or the whole row under `REPLICA IDENTITY FULL`. An update of the key is a
//!   `d` of the old one and a `c` of the new one, with the same position.
//! * A truncate (`t`) has no columns and no key, and goes to every partition.
//! * A logical message (`m`) has `prefix` and `content` for columns, `null` for `_schema` and `_table`, and the key `{"prefix":…}`. Content
//!   that is not UTF-8 is base64, followed by `"encoding":"base64"`.

mod head;
mod layout;

pub(crate) use layout::Flat;
pub use layout::Options;
