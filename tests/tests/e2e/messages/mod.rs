//! Every message that the stream can hold, and every kind of table that it can be about.

mod identities;
mod kinds;
mod names;
mod sizes;
mod statements;
