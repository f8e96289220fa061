//! Hashes, MACs, constant-time comparison and random bytes.

use avouch_tpm_wire::{Digest, HashAlg, Hasher};
use aws_lc_rs::{constant_time, digest, hmac, rand};
use sha2::block_api::compress256;

/// The hash functions, for everything that takes an [`avouch_tpm_wire::Hasher`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Hash;

impl Hasher for Hash {
    #[inline]
    fn hash(&self, alg: HashAlg, parts: &[&[u8]]) -> Digest {
        // Replaying a log is two short SHA-256 values for each entry. There the bookkeeping of a hash context costs
        // more than the hashing, so these two shapes go to the block function without one.
        match (alg, parts) {
            (HashAlg::Sha256, [message]) => return Digest::sha256(sha256_of_one(message)),
            (HashAlg::Sha256, [value, event]) => {
                if let (Ok(value), Ok(event)) = (<&[u8; 32]>::try_from(*value), <&[u8; 32]>::try_from(*event)) {
                    return Digest::sha256(sha256_of_two(value, event));
                }
            }
            _ => {}
        }
        in_a_context(alg, parts)
    }
}

// Apart, so that the short ways are small enough to be inlined.
#[inline(never)]
fn in_a_context(alg: HashAlg, parts: &[&[u8]]) -> Digest {
    let mut context = digest::Context::new(algorithm(alg));
    parts.iter().for_each(|part| context.update(part));
    // Both sides take the length from the same algorithm, so the fallback is never taken; were it, an all-zero digest
    // matches no honest value.
    Digest::new(alg, context.finish().as_ref()).unwrap_or(Digest::zero(alg))
}

/// The initial hash value of SHA-256 (FIPS 180-4, 5.3.3).
const INITIAL: [u32; 8] =
    [0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A, 0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19];

/// SHA-256 of one message: its whole blocks where they lie, then the rest with the padding (FIPS 180-4, 5.1.1).
fn sha256_of_one(message: &[u8]) -> [u8; 32] {
    let (blocks, rest) = message.as_chunks::<64>();
    let mut end = [[0_u8; 64]; 2];
    // The rest has at most 63 bytes, so there is room for it and the 0x80 behind it.
    if let Some((room, [first, ..])) = end.as_flattened_mut().split_at_mut_checked(rest.len()) {
        room.copy_from_slice(rest);
        *first = 0x80;
    }
    // The length takes eight bytes, so with the 0x80 it fits into the block of a rest of up to 55 bytes.
    let count = if rest.len() < 56 { 1 } else { 2 };
    let bits = u64::try_from(message.len()).unwrap_or(u64::MAX).wrapping_mul(8);
    let (last, _) = end.split_at_mut(count);
    if let Some(room) = last.last_mut().and_then(|block| block.last_chunk_mut()) {
        *room = bits.to_be_bytes();
    }
    let mut state = INITIAL;
    compress256(&mut state, blocks);
    compress256(&mut state, last);
    state_bytes(state)
}

/// SHA-256 of 64 bytes in two halves: what extends a PCR.
fn sha256_of_two(first: &[u8; 32], second: &[u8; 32]) -> [u8; 32] {
    let mut blocks = [[0; 64], PADDING_OF_64];
    let (head, tail) = blocks[0].split_at_mut(32);
    head.copy_from_slice(first);
    tail.copy_from_slice(second);
    let mut state = INITIAL;
    compress256(&mut state, &blocks);
    state_bytes(state)
}

/// The second block of every message of 64 bytes: 0x80, zeros, and 512 bits.
const PADDING_OF_64: [u8; 64] = {
    let mut block = [0; 64];
    block[0] = 0x80;
    block[62] = 0x02;
    block
};

fn state_bytes(state: [u32; 8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(state.map(u32::to_be_bytes).as_flattened());
    out
}

/// SHA-256 over the concatenation of `parts` (FIPS 180-4).
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    array(context.finish().as_ref())
}

/// SHA-256 over bytes that come in pieces, for what is too large to hold.
#[derive(Clone)]
pub struct Sha256Stream(digest::Context);

impl Default for Sha256Stream {
    fn default() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl Sha256Stream {
    /// Appends `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all that was appended.
    pub fn finish(self) -> [u8; 32] {
        array(self.0.finish().as_ref())
    }
}

impl core::fmt::Debug for Sha256Stream {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sha256Stream").finish_non_exhaustive()
    }
}

/// [`sha256`] under the name that reads well as a function value, e.g. for `avouch_protocol::Sha256`.
pub fn sha256_hash(parts: &[&[u8]]) -> [u8; 32] {
    sha256(parts)
}

/// HMAC-SHA-256 over the concatenation of `parts` (FIPS 198-1).
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut context = hmac::Context::with_key(&key);
    parts.iter().for_each(|part| context.update(part));
    array(context.sign().as_ref())
}

/// Compares two secrets in a time that depends on their length only. Different lengths are unequal.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// `N` bytes from the operating system's generator, for nonces, secrets and names that must not be guessed.
///
/// # Panics
/// When the operating system gives no randomness: going on with predictable nonces would be worse.
#[expect(clippy::panic, reason = "no caller can go on without randomness, and none may try")]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if rand::fill(&mut bytes).is_err() {
        panic!("the operating system gives no random bytes");
    }
    bytes
}

fn algorithm(alg: HashAlg) -> &'static digest::Algorithm {
    match alg {
        HashAlg::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        HashAlg::Sha256 => &digest::SHA256,
        HashAlg::Sha384 => &digest::SHA384,
        HashAlg::Sha512 => &digest::SHA512,
    }
}

/// The 32 bytes of a SHA-256 value; both callers hash with SHA-256.
fn array(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn hashes_equal_the_published_vectors_however_the_input_is_cut() {
        // FIPS 180-4 examples, message "abc".
        let sha256_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(&sha256(&[b"abc"])), sha256_abc);
        assert_eq!(hex(&sha256_hash(&[b"a", b"", b"bc"])), sha256_abc);
        let mut stream = Sha256Stream::default();
        [b"ab".as_slice(), b"", b"c"].iter().for_each(|piece| stream.update(piece));
        assert_eq!(hex(&stream.finish()), sha256_abc);
        assert_eq!(Hash.hash(HashAlg::Sha256, &[b"ab", b"c"]).to_string(), sha256_abc);
        assert_eq!(Hash.hash(HashAlg::Sha1, &[b"abc"]).to_string(), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert!(Hash.hash(HashAlg::Sha384, &[b"abc"]).to_string().starts_with("cb00753f45a35e8bb5a03d699ac65007"));
        assert!(Hash.hash(HashAlg::Sha512, &[b"abc"]).to_string().starts_with("ddaf35a193617abacc417349ae204131"));
    }

    #[test]
    fn short_ways_equal_the_contexts_for_every_length_and_cut() {
        let message: Vec<u8> = (0..400_u16).map(|n| (n * 7 % 251) as u8).collect();
        for len in 0..message.len() {
            let expected = sha256(&[&message[..len]]);
            assert_eq!(Hash.hash(HashAlg::Sha256, &[&message[..len]]).as_bytes(), expected, "{len} bytes");
            let (head, tail) = message[..len].split_at(len / 2);
            assert_eq!(Hash.hash(HashAlg::Sha256, &[head, tail]).as_bytes(), expected, "{len} bytes in two parts");
        }
        assert_eq!(Hash.hash(HashAlg::Sha256, &[]).as_bytes(), sha256(&[]));
    }

    #[test]
    fn hmac_equals_the_published_vector() {
        // RFC 4231, test case 2.
        let mac = hmac_sha256(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(hex(&mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn comparison_tells_content_and_length_apart() {
        assert!(constant_time_eq(b"same", b"same"));
        assert!(!constant_time_eq(b"same", b"sane"));
        assert!(!constant_time_eq(b"same", b"same "));
    }

    #[test]
    fn random_values_do_not_repeat() {
        assert_ne!(random::<32>(), random::<32>());
    }
}
