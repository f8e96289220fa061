//! The allow-list.
