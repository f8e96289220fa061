//! Endorsement keys that are known to be weak.

use avouch_tpm_wire::Key;

use super::EkError;

/// The odd primes below 168. Infineon's faulty library made every prime as a power of 65537 modulo the product of the
/// first primes, so modulo each of these the public modulus is a power of 65537 as well (CVE-2017-15361; Nemec and
/// others, "The Return of Coppersmith's Attack", CCS 2017, section 3).
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
    113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];
const GENERATOR: u32 = 65_537;

/// The modulus (big-endian) has the fingerprint of keys whose primes Infineon's RSALib made ("ROCA"): the private key
/// can be computed from it. Another key has it once in about 2^27.
pub fn is_roca(modulus: &[u8]) -> bool {
    !modulus.is_empty() && PRIMES.into_iter().all(|prime| is_power(remainder(modulus, prime), prime))
}

/// Refuses a key that is known to be weak.
pub(super) fn check(key: &Key<'_>) -> Result<(), EkError> {
    match *key {
        Key::Rsa { modulus, .. } if is_roca(modulus) => Err(EkError::Roca),
        _ => Ok(()),
    }
}

/// `residue` is a power of the generator modulo `prime`.
fn is_power(residue: u32, prime: u32) -> bool {
    let step = GENERATOR % prime;
    let mut power = 1;
    for _ in 0..prime {
        if power == residue {
            return true;
        }
        power = power * step % prime;
    }
    false
}

fn remainder(number: &[u8], divisor: u32) -> u32 {
    number.iter().fold(0, |rest, byte| (rest << 8 | u32::from(*byte)) % divisor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Little-endian digits to the base 2^32.
    fn multiply(number: &[u32], factor: &[u32]) -> Vec<u32> {
        let mut product = vec![0_u32; number.len() + factor.len()];
        for (i, a) in number.iter().enumerate() {
            let mut carry = 0_u64;
            for (j, b) in factor.iter().enumerate() {
                let sum = u64::from(*a) * u64::from(*b) + u64::from(product[i + j]) + carry;
                product[i + j] = sum as u32;
                carry = sum >> 32;
            }
            product[i + factor.len()] = carry as u32;
        }
        product
    }

    fn big_endian(number: &[u32]) -> Vec<u8> {
        let bytes: Vec<u8> = number.iter().rev().flat_map(|digit| digit.to_be_bytes()).collect();
        bytes.into_iter().skip_while(|byte| *byte == 0).collect()
    }

    /// A 2048-bit number that is a power of 65537 modulo the product of all primes of the fingerprint: a power, plus
    /// a multiple of that product.
    fn constructed(exponent: usize, filler: u32) -> Vec<u32> {
        let product = PRIMES.iter().fold(vec![1], |product, prime| multiply(&product, &[*prime]));
        let power = (0..exponent).fold(vec![1], |power, _| multiply(&power, &[GENERATOR]));
        let mut number = multiply(&product, &vec![filler; 57]);
        number.resize(64, 0);
        let mut carry = 0_u64;
        for (at, digit) in number.iter_mut().enumerate() {
            let sum = u64::from(*digit) + u64::from(power.get(at).copied().unwrap_or(0)) + carry;
            *digit = sum as u32;
            carry = sum >> 32;
        }
        number
    }

    #[test]
    fn constructed_moduli_have_the_fingerprint_and_their_neighbours_do_not() {
        for (exponent, filler) in [(1, 0xDEAD_BEEF), (17, 0xFFFF_FFFF), (100, 0x1234_5678)] {
            let mut number = constructed(exponent, filler);
            assert!(is_roca(&big_endian(&number)));
            number[0] ^= 4;
            assert!(!is_roca(&big_endian(&number)));
        }
        assert!(!is_roca(&[]));
        assert!(!is_roca(&[0; 256]));
    }
}
