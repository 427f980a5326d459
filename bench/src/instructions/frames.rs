//! Frames of the stream, the same in each run: CopyData's contents as the walsender sends them (the manual, chapter 55).

/// The types of the table's columns, with their modifiers: bigint, integer, text, timestamptz, numeric(12,2), jsonb.
pub(crate) const COLUMNS: [(u32, i32); 6] = [(20, -1), (23, -1), (25, -1), (1184, -1), (1700, (12 << 16 | 2) + 4), (3802, -1)];

/// How many rows differ.
const ROWS: u64 = 64;

/// What the table is known by.
const RELATION: u32 = 16_400;

/// What happens to a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Insert,
    /// The key stays, and nothing is told of the row before.
    Update,
    /// The row before is told whole.
    UpdateFull,
}

impl Change {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Change::Insert => "insert",
            Change::Update => "update",
            Change::UpdateFull => "update with old row",
        }
    }
}

/// A change of each row.
pub(crate) fn of(change: Change) -> Vec<Vec<u8>> {
    (0..ROWS).map(|number| frame(change, number)).collect()
}

fn frame(change: Change, number: u64) -> Vec<u8> {
    let place = 0x16B_3748 + number * 200;
    let mut frame = vec![b'w'];
    for field in [place, place, 785_495_200_123_999] {
        frame.extend(field.to_be_bytes());
    }
    frame.push(if matches!(change, Change::Insert) { b'I' } else { b'U' });
    frame.extend(RELATION.to_be_bytes());
    if matches!(change, Change::UpdateFull) {
        frame.push(b'O');
        tuple(&mut frame, number, 0);
    }
    frame.push(b'N');
    tuple(&mut frame, number, 1);
    frame
}

fn tuple(frame: &mut Vec<u8>, number: u64, version: u64) {
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let values = [
        (mixed >> 30).to_string(),
        (number * 15_485 + version).to_string(),
        format!("{mixed:016x}").repeat(6) + "abcd",
        format!("2026-11-{:02} 09:{:02}:40.{:06}+00", 1 + number % 28, number % 60, mixed % 1_000_000),
        format!("{}.{:02}", number * 157 + version, number % 100),
        format!("{{\"k\": {}, \"s\": \"v{}\"}}", number % 1_000, mixed % 10_000),
    ];
    frame.extend((values.len() as u16).to_be_bytes());
    for value in values {
        frame.push(b't');
        frame.extend((value.len() as u32).to_be_bytes());
        frame.extend(value.as_bytes());
    }
}
