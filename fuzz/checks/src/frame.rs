//! Any bytes are either refused or understood: what is decoded and encoded again is the same message.

use waltap_pgoutput::{Message, OldRow, ReplicationMessage, StreamingMessage, Tuple, encode};

pub(crate) fn check(frame: &[u8]) {
    check_message(frame);
    if let Ok(outer) = ReplicationMessage::decode(frame) {
        let mut again = Vec::new();
        encode::replication_message(&mut again, &outer);
        assert_eq!(again, frame);
        if let ReplicationMessage::XLogData { data, .. } = outer {
            check_message(data);
        }
    }
}

fn check_message(frame: &[u8]) {
    for in_block in [false, true] {
        check_streaming(frame, in_block);
    }
    let message = match Message::decode(frame) {
        Ok(message) => message,
        Err(error) => {
            assert!(error.offset <= frame.len(), "{error}");
            assert_eq!(error.tag, frame.first().copied());
            return;
        }
    };
    match message {
        Message::Relation(relation) => assert_eq!(relation.columns.iter().count(), relation.columns.len()),
        Message::Insert(insert) => check_tuple(insert.new),
        Message::Update(update) => {
            update.old.iter().for_each(check_old_row);
            check_tuple(update.new);
        }
        Message::Delete(delete) => check_old_row(&delete.old),
        Message::Truncate(truncate) => assert_eq!(truncate.relation_ids.iter().count(), truncate.relation_ids.len()),
        _ => {}
    }
    let mut again = Vec::new();
    encode::message(&mut again, &message);
    assert_eq!(Message::decode(&again).as_ref(), Ok(&message));
    // The one thing that can be written in two ways is the schema pg_catalog, which the server leaves empty.
    if !matches!(message, Message::Relation(_) | Message::Type(_)) {
        assert_eq!(again, frame);
    }
}

fn check_streaming(frame: &[u8], in_block: bool) {
    let message = match StreamingMessage::decode(frame, in_block) {
        Ok(message) => message,
        Err(error) => {
            assert!(error.offset <= frame.len(), "{error}");
            assert_eq!(error.tag, frame.first().copied());
            return;
        }
    };
    match message {
        StreamingMessage::Plain(plain) => assert_eq!(Message::decode(frame), Ok(plain)),
        StreamingMessage::Streamed { message, .. } => {
            let mut plain = Vec::new();
            StreamingMessage::write_plain(frame, &mut plain);
            assert_eq!(Message::decode(&plain), Ok(message));
        }
        _ => {
            let mut again = Vec::new();
            encode::streaming_message(&mut again, &message);
            assert_eq!(again, frame);
        }
    }
}

fn check_old_row(old: &OldRow<'_>) {
    check_tuple(old.tuple());
}

fn check_tuple(tuple: Tuple<'_>) {
    assert_eq!(tuple.iter().count(), tuple.len());
}
