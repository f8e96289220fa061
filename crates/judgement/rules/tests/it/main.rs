//! Rules over verdicts: what they may do, what is refused before it runs, and that they only ever lower.

mod bounds;
mod verdicts;
