//! PCR values from files: what tpm2_quote writes, what tpm2_pcrread prints, JSON.

use std::collections::BTreeMap;

use avouch_tpm_wire::HashAlg;
use data_encoding::HEXLOWER_PERMISSIVE;

use super::attest::{Selected, bank_name, selected};

/// Values by bank and PCR.
pub(super) type Values = BTreeMap<String, BTreeMap<u32, Vec<u8>>>;

/// Bytes of TPML_PCR_SELECTION as the C structure in tpm2-tools' files: count, 16 times hash, size, 4 octets, padding.
const SELECTION: usize = 132;
/// Bytes of TPML_DIGEST in the same files: count, 8 times size and 64 octets.
const DIGESTS: usize = 532;

/// The values, or nothing when the bytes are of none of these forms.
pub(super) fn read(bytes: &[u8]) -> Option<Values> {
    tools_file(bytes).or_else(|| json(bytes)).or_else(|| listing(bytes)).filter(|values| !values.is_empty())
}

/// Selection and digests as tpm2-tools writes them with `-F values` and into its `.pcrs` files, little-endian.
fn tools_file(bytes: &[u8]) -> Option<Values> {
    let (selection, rest) = bytes.split_at_checked(SELECTION)?;
    let banks = selection_of(selection)?;
    let (lists, rest) = rest.split_first_chunk()?;
    let lists = usize::try_from(u32::from_le_bytes(*lists)).ok()?;
    if lists.checked_mul(DIGESTS)? != rest.len() {
        return None;
    }
    let mut digests = rest.chunks(DIGESTS).flat_map(digests_of);
    let mut values = Values::new();
    for bank in banks {
        for pcr in bank.pcrs {
            values.entry(bank.bank.clone()).or_default().insert(pcr, digests.next()?);
        }
    }
    digests.next().is_none().then_some(values)
}

fn selection_of(bytes: &[u8]) -> Option<Vec<Selected>> {
    let (count, entries) = bytes.split_first_chunk()?;
    let count = usize::try_from(u32::from_le_bytes(*count)).ok().filter(|count| *count <= 16)?;
    let entries = entries.as_chunks::<8>().0.iter().take(count);
    entries
        .map(|[low, high, size, bits @ .., _]| {
            let bank = bank_name(u16::from_le_bytes([*low, *high]));
            Some(Selected { bank, pcrs: selected(bits.get(..usize::from(*size))?) })
        })
        .collect()
}

fn digests_of(list: &[u8]) -> Vec<Vec<u8>> {
    let Some((count, entries)) = list.split_first_chunk::<4>() else { return Vec::new() };
    let count = usize::try_from(u32::from_le_bytes(*count)).unwrap_or_default().min(8);
    let entries = entries.as_chunks::<66>().0.iter().take(count);
    let digest = |[low, high, bytes @ ..]: &[u8; 66]| {
        let size = usize::from(u16::from_le_bytes([*low, *high]));
        bytes.get(..size).map(<[u8]>::to_vec)
    };
    entries.filter_map(digest).collect()
}

/// `{"sha256": {"0": "hex"}}`.
fn json(bytes: &[u8]) -> Option<Values> {
    let banks: BTreeMap<String, BTreeMap<u32, String>> = serde_json::from_slice(bytes).ok()?;
    let of = |values: BTreeMap<u32, String>| {
        values.into_iter().map(|(pcr, hex)| Some((pcr, unhex(&hex)?))).collect::<Option<_>>()
    };
    banks.into_iter().map(|(bank, values)| Some((HashAlg::from_name(&bank)?.name().into(), of(values)?))).collect()
}

/// `sha256:` and below it `0 : 0xHEX`, as tpm2_pcrread prints; lines of one bank without a heading, as in
/// `PCR-00: AA BB`, have their length for one.
fn listing(bytes: &[u8]) -> Option<Values> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut values = Values::new();
    let mut heading = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        if value.trim().is_empty() {
            heading = Some(HashAlg::from_name(name.trim())?);
            continue;
        }
        let pcr: u32 = name.trim().trim_start_matches("PCR-").trim_start_matches("PCR").trim().parse().ok()?;
        let digest = unhex(value.trim())?;
        let bank = heading.or_else(|| HashAlg::ALL.into_iter().find(|alg| alg.size() == digest.len()))?;
        values.entry(bank.name().into()).or_default().insert(pcr, digest);
    }
    Some(values)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.trim_start_matches("0x").chars().filter(|c| *c != ' ').collect();
    HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_from_what_tools_print() {
        let printed = b"  sha256:\n    0 : 0xAABB\n    10: 0xCC00\n  sha1:\n    0 : 0x11\n";
        let values = read(printed).unwrap();
        assert_eq!(values["sha256"], BTreeMap::from([(0, vec![0xAA, 0xBB]), (10, vec![0xCC, 0])]));
        assert_eq!(values["sha1"][&0], [0x11]);
        assert_eq!(read(br#"{"sha256": {"7": "aabb"}}"#).unwrap()["sha256"][&7], [0xAA, 0xBB]);
        let old = format!("PCR-00: {}\n", "AA ".repeat(20));
        assert_eq!(read(old.as_bytes()).unwrap()["sha1"][&0], [0xAA; 20]);
        for nothing in [&b""[..], b"{}", b"hello", b"sha256:\n"] {
            assert_eq!(read(nothing), None);
        }
    }

    #[test]
    fn values_of_a_tools_file_follow_its_selection() {
        let mut file = 1_u32.to_le_bytes().to_vec();
        file.extend([0x0B, 0, 3, 0x81, 0, 0, 0, 0]);
        file.resize(SELECTION, 0);
        file.extend(1_u32.to_le_bytes());
        file.extend(2_u32.to_le_bytes());
        for byte in [1, 2] {
            file.extend([32, 0]);
            file.extend([byte; 32]);
            file.extend([0; 32]);
        }
        file.resize(SELECTION + 4 + DIGESTS, 0);
        let values = read(&file).unwrap();
        assert_eq!(values["sha256"], BTreeMap::from([(0, vec![1; 32]), (7, vec![2; 32])]));
        for cut in 0..file.len() {
            assert_eq!(read(&file[..cut]), None, "{cut}");
        }
    }
}
