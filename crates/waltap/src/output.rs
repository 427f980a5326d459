//! Standard output: for data. A reader that has gone away has seen enough, which is no error.

use std::io::{self, Write};

use waltap_error::{Code, Error, Result};

/// Whether somebody still reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Go on.
    There,
    /// The pipe is closed: end in peace.
    Gone,
}

/// Prints a text and hands it on at once.
pub(crate) fn print(text: &str) -> Result<Reader> {
    let mut stdout = io::stdout().lock();
    outcome(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
}

/// Prints a value as JSON over several lines.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<Reader> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| Error::configuration(Code::INTERNAL, "an answer cannot be written as JSON").source(error))?;
    text.push('\n');
    print(&text)
}

/// Whether an error says no more than that the reader of standard output has gone away.
pub(crate) fn reader_is_gone(error: &Error) -> bool {
    let mut causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    error.code() == Code::OUTPUT
        && causes.any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe))
}

fn outcome(result: io::Result<()>) -> Result<Reader> {
    match result {
        Ok(()) => Ok(Reader::There),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(Error::configuration(Code::OUTPUT, "standard output cannot be written").source(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_an_end_and_a_full_disk_an_error() {
        assert_eq!(outcome(Ok(())).unwrap(), Reader::There);
        assert_eq!(outcome(Err(io::ErrorKind::BrokenPipe.into())).unwrap(), Reader::Gone);
        assert_eq!(outcome(Err(io::ErrorKind::StorageFull.into())).unwrap_err().code(), Code::OUTPUT);
    }

    #[test]
    fn a_reader_that_has_gone_is_told_from_other_failures() {
        let failed = |code, kind: io::ErrorKind| Error::configuration(code, "writing").source(io::Error::from(kind));
        assert!(reader_is_gone(&failed(Code::OUTPUT, io::ErrorKind::BrokenPipe)));
        assert!(!reader_is_gone(&failed(Code::OUTPUT, io::ErrorKind::StorageFull)));
        assert!(!reader_is_gone(&failed(Code::CONNECTION_LOST, io::ErrorKind::BrokenPipe)));
        assert!(!reader_is_gone(&Error::configuration(Code::OUTPUT, "writing")));
    }
}
