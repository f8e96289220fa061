//! What [`super::cell`] is built of. The model of its concurrency puts its own in this place.

pub(super) use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
