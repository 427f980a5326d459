//! The grammar of JSON (RFC 8259): strings, numbers and documents, written or checked. It knows nothing of PostgreSQL.

pub(crate) mod base64;
pub(crate) mod containers;
pub(crate) mod document;
pub(crate) mod hexadecimal;
pub(crate) mod number;
pub(crate) mod string;
