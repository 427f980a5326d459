//! What a change is, and its JSON.
