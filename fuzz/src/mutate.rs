//! Deterministic mutations: the same target and seeds give the same inputs on every machine.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::Target;

/// What a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Inputs tried.
    pub inputs: usize,
    /// Inputs that reached the end of the parser.
    pub reached: usize,
}

/// Runs `target` on `inputs` mutations of `seeds`, taken in turn.
///
/// # Panics
/// When the target panics, after printing the number of the mutation and its bytes.
pub fn run(name: &str, target: Target, seeds: &[Vec<u8>], inputs: usize) -> Report {
    assert!(!seeds.is_empty(), "target {name} has no seeds");
    let mut random = Random::new(name);
    let mut reached = 0;
    for number in 0..inputs {
        let input = mutate(&seeds[number % seeds.len()], &seeds[random.below(seeds.len())], &mut random);
        match catch_unwind(AssertUnwindSafe(|| target(&input))) {
            Ok(end) => reached += usize::from(end),
            Err(panic) => {
                let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
                eprintln!("target {name} panicked on mutation {number}: {hex}");
                resume_unwind(panic);
            }
        }
    }
    Report { inputs, reached }
}

/// xorshift64*; good enough to choose places and bytes.
pub struct Random(u64);

impl Random {
    /// Seeded by a name (FNV-1a).
    pub fn new(name: &str) -> Self {
        let hash = name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
        });
        Self(hash | 1)
    }

    /// The next 32 bits.
    pub fn word(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as u32
    }

    /// A number below `limit`; zero when that is zero.
    pub fn below(&mut self, limit: usize) -> usize {
        if limit == 0 { 0 } else { self.word() as usize % limit }
    }
}

/// One to three changes, most often one.
fn mutate(seed: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    let changes = [1, 1, 1, 1, 2, 3][random.below(6)];
    for _ in 0..changes {
        change(&mut bytes, other, random);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(bytes.len());
    match random.below(10) {
        _ if bytes.is_empty() => bytes.extend_from_slice(&other[..random.below(other.len().min(64) + 1)]),
        0 | 1 => bytes[at] ^= 1 << random.below(8),
        2 => bytes[at] = random.word() as u8,
        3 => bytes[at] = [0x00, 0x01, 0x7F, 0x80, 0xFF, b' ', b'\n', b'='][random.below(8)],
        4 => bytes.truncate(at),
        5 | 6 => length(bytes, at, random),
        7 => {
            let end = (at + 1 + random.below(64)).min(bytes.len());
            bytes.drain(at..end);
        }
        8 => {
            let end = (at + 1 + random.below(64)).min(bytes.len());
            let piece = bytes[at..end].to_vec();
            bytes.splice(at..at, piece);
        }
        _ => {
            let from = random.below(other.len());
            bytes.splice(at.., other[from..].iter().copied());
        }
    }
}

/// Writes what a hostile length would be, in one of the widths and orders that the formats use.
fn length(bytes: &mut [u8], at: usize, random: &mut Random) {
    let left = bytes.len() - at;
    let old = bytes[at];
    let value = match random.below(8) {
        0 => 0,
        1 => u32::MAX,
        2 => 0x8000_0000,
        3 => 0x0000_FFFF,
        4 => left as u32,
        5 => left as u32 + 1,
        6 => u32::from(old.wrapping_add(1)),
        _ => u32::from(old.wrapping_sub(1)),
    };
    let (wide, narrow) = (value.to_le_bytes(), (value as u16).to_le_bytes());
    let mut field = if random.below(2) == 0 { wide.to_vec() } else { narrow.to_vec() };
    if random.below(2) == 0 {
        field.reverse();
    }
    let len = field.len().min(left);
    bytes[at..at + len].copy_from_slice(&field[..len]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_name_gives_the_same_inputs() {
        let inputs = |name| {
            let mut random = Random::new(name);
            (0..50).map(|_| mutate(b"0123456789", b"abcdefghij", &mut random)).collect::<Vec<_>>()
        };
        assert_eq!(inputs("a"), inputs("a"));
        assert_ne!(inputs("a"), inputs("b"));
    }

    #[test]
    #[should_panic(expected = "found")]
    fn panicking_target_fails_the_run() {
        run("x", |data| if data.len() < 5 { panic!("found") } else { true }, &[b"0123456789".to_vec()], 1_000);
    }

    #[test]
    fn reached_counts_only_inputs_that_the_target_took() {
        let report = run("y", |data| data.len() >= 10, &[b"0123456789".to_vec()], 1_000);
        assert!(report.reached > 0 && report.reached < report.inputs, "{report:?}");
    }
}
