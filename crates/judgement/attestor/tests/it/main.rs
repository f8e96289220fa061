//! The local attestor, judged from outside.
