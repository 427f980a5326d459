//! What is wrong with a frame, and where, is said exactly.

use waltap_pgoutput::{Error, Malformed, Message, ReplicationMessage, StreamingMessage};

#[track_caller]
fn refused(frame: &[u8], offset: usize, what: Malformed) {
    let expected = Error { tag: frame.first().copied(), offset, what };
    assert_eq!(Message::decode(frame), Err(expected));
}

fn unexpected(field: &'static str, expected: &'static str, found: i32) -> Malformed {
    Malformed::Unexpected { field, expected, found }
}

#[test]
fn an_empty_frame() {
    refused(b"", 0, Malformed::Truncated { field: "message tag" });
}

#[test]
fn tags_that_protocol_1_does_not_have() {
    // Stream start, stop, commit and abort of protocol 2; begin prepare of protocol 3; what wraps messages; nonsense.
    for tag in *b"SEcAbwk\x00\xff" {
        refused(&[tag, 0, 0, 0, 0, 0, 0, 0, 0], 0, Malformed::UnknownTag);
    }
    let expected = Error { tag: Some(b'B'), offset: 0, what: Malformed::UnknownTag };
    assert_eq!(ReplicationMessage::decode(b"B"), Err(expected));
}

#[test]
fn flags_that_protocol_1_does_not_have() {
    refused(b"C\x01", 1, unexpected("commit flags", "0", 1));
    refused(b"M\x02", 1, unexpected("message flags", "0 or 1", 2));
    refused(b"T\0\0\0\0\x04", 5, unexpected("truncate options", "a sum of 1 (cascade) and 2 (restart identity)", 4));
    refused(b"R\0\0\0\x01s\0t\0d\0\x01\x02", 12, unexpected("column flags", "0 or 1", 2));
    refused(b"R\0\0\0\x01s\0t\0x", 9, unexpected("replica identity", "'d', 'n', 'f' or 'i'", 120));
    let expected = Error { tag: Some(b'k'), offset: 17, what: unexpected("reply flag", "0 or 1", 2) };
    assert_eq!(ReplicationMessage::decode(b"k\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02"), Err(expected));
}

#[test]
fn tuples_of_the_wrong_kind() {
    refused(b"I\0\0\0\x01K\0\0", 5, unexpected("kind of the tuple", "'N'", 75));
    refused(b"U\0\0\0\x01D\0\0", 5, unexpected("kind of the tuple", "'K', 'O' or 'N'", 68));
    refused(b"U\0\0\0\x01K\0\0O\0\0", 8, unexpected("kind of the second tuple", "'N'", 79));
    refused(b"D\0\0\0\x01N\0\0", 5, unexpected("kind of the tuple", "'K' or 'O'", 78));
    refused(b"I\0\0\0\x01N\0\x01x", 8, unexpected("kind of the value", "'n', 'u', 't' or 'b'", 120));
}

#[test]
fn lengths_that_the_frame_does_not_bear_out() {
    refused(b"I\0\0\0\x01N\0\x01t\0\0\0\x03ab", 15, Malformed::Truncated { field: "value" });
    refused(b"I\0\0\0\x01N\0\x01t\x7f\xff\xff\xff", 13, Malformed::Truncated { field: "value" });
    refused(b"I\0\0\0\x01N\0\x01t\xff\xff\xff\xff", 9, unexpected("length of the value", "zero or more", -1));
    refused(b"I\0\0\0\x01N\xff\xff", 8, Malformed::Truncated { field: "kind of the value" });
    refused(b"R\0\0\0\x01s\0t\0d\xff\xff", 12, Malformed::Truncated { field: "column flags" });
    refused(b"T\x7f\xff\xff\xff\0", 6, Malformed::Truncated { field: "oids of the relations" });
    refused(b"T\x80\0\0\0\0", 1, unexpected("relation count", "zero or more", i32::MIN));
    refused(b"M\0\0\0\0\0\0\0\0\0p\0\x80\0\0\0", 12, unexpected("length of the message content", "zero or more", i32::MIN));
    refused(b"I\0\0\0\x01N\0\x01nn", 9, Malformed::TrailingBytes { count: 1 });
}

#[test]
fn names_that_are_no_text() {
    refused(b"Y\0\0\0\x01s\0na\xffme\0", 9, Malformed::NotUtf8 { field: "name of the type" });
    refused(b"R\0\0\0\x01\xc3\0t\0d\0\0", 5, Malformed::NotUtf8 { field: "schema of the relation" });
    refused(b"R\0\0\0\x01s\0t\0d\0\x01\0\xed\xa0\x80\0", 13, Malformed::NotUtf8 { field: "name of the column" });
    refused(b"O\0\0\0\0\0\0\0\0name", 13, Malformed::Unterminated { field: "name of the origin" });
    refused(b"M\0\0\0\0\0\0\0\0\0\xff\0\0\0\0\0", 10, Malformed::NotUtf8 { field: "message prefix" });
}

#[test]
fn what_may_not_stand_within_a_stream_block_or_outside_of_one() {
    for tag in *b"BCScApbPKr\x00" {
        let expected = Error { tag: Some(tag), offset: 0, what: Malformed::UnknownTag };
        assert_eq!(StreamingMessage::decode(&[tag, 0, 0, 0, 0], true), Err(expected));
    }
    assert_eq!(StreamingMessage::decode(b"E", true), Ok(StreamingMessage::StreamStop));
    let expected = Error { tag: Some(b'E'), offset: 0, what: Malformed::UnknownTag };
    assert_eq!(StreamingMessage::decode(b"E", false), Err(expected));
}

#[test]
fn flags_that_newer_protocols_do_not_have() {
    let refused = |frame: &[u8], offset, what| {
        assert_eq!(StreamingMessage::decode(frame, false), Err(Error { tag: frame.first().copied(), offset, what }));
    };
    refused(b"S\0\0\0\x01\x02", 5, unexpected("first block flag", "0 or 1", 2));
    refused(b"c\0\0\0\x01\x01", 5, unexpected("commit flags", "0", 1));
    for frame in [b"P\x01", b"p\x01", b"K\x01", b"r\x01"] {
        refused(frame, 1, unexpected("flags", "0", 1));
    }
    refused(b"A\0\0\0\x01\0\0\0\x02\0", 10, Malformed::Truncated { field: "LSN of the abort" });
}
