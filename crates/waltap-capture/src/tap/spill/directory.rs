//! The directory of the files, and what goes wrong there.

use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use waltap_error::{Code, Error, Result};

/// Whether files can be made and written in the directory. For the start: before a slot is made that nobody could read.
pub(crate) fn check_directory(directory: &Path) -> Result<()> {
    let tried = tempfile::tempfile_in(directory).and_then(|mut file| file.write_all(b"waltap"));
    tried.map_err(|error| failed(directory, error))
}

/// The error of a file in the directory.
pub(super) fn failed(directory: &Path, error: io::Error) -> Error {
    let shown = directory.display();
    let is_full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge);
    let (message, remedy) = match is_full {
        true => (
            format!("there is no more room in {shown} for the changes of transactions that are open"),
            "make room there, or name another directory with --spill-directory; with --streaming off the server keeps them, on its own disk",
        ),
        false => (
            format!("the changes of transactions that are open cannot be kept in {shown}"),
            "name a directory that can be written with --spill-directory; with --streaming off none is needed",
        ),
    };
    Error::configuration(Code::SPILL, message).source(error).remedy(remedy)
}
