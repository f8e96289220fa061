//! PCR selections: what is asked for (one bank), and what a quote says it covers (any list).

use alloc::vec::Vec;

use crate::wire::{Reader, Wire, Writer, encode, widen};
use crate::{HashAlg, Wanted, WireError};

/// Banks that a list may name; the reference implementation has HASH_COUNT, far fewer.
const MAX_BANKS: u32 = 16;

/// PCRs of one bank: what a challenge asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PcrSelection {
    /// The bank.
    pub bank: HashAlg,
    /// Bit i is PCR i.
    pub mask: u32,
}

impl PcrSelection {
    /// These PCRs of `bank`; numbers above 31 are not PCRs and are left out.
    pub fn of(bank: HashAlg, pcrs: &[u32]) -> Self {
        let mask = pcrs.iter().filter_map(|pcr| 1_u32.checked_shl(*pcr)).fold(0, |mask, bit| mask | bit);
        Self { bank, mask }
    }

    /// The selected PCRs, ascending: the order in which a quote hashes them.
    pub fn pcrs(self) -> impl Iterator<Item = u32> {
        (0..32).filter(move |pcr| self.mask >> pcr & 1 == 1)
    }

    /// As TPML_PCR_SELECTION.
    pub fn encode(self) -> Vec<u8> {
        // One bank always fits its counts.
        encode(&SelectionList::from(self)).unwrap_or_default()
    }

    /// From a TPML_PCR_SELECTION that names exactly one bank, one that is known here.
    ///
    /// # Errors
    /// [`WireError`] for any other bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let list: SelectionList = Reader::new(bytes).whole()?;
        match list.banks.as_slice() {
            [one] => {
                let bank = HashAlg::from_id(one.alg);
                let wanted = Wanted::Known("PCR bank");
                bank.map(|bank| Self { bank, mask: one.mask }).ok_or(WireError {
                    offset: 4,
                    wanted,
                    got: one.alg.into(),
                })
            }
            other => Err(WireError { offset: 0, wanted: Wanted::Exactly(1), got: widen(other.len()) }),
        }
    }
}

/// TPMS_PCR_SELECTION as it stands in a list; the bank may be one that is not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BankSelection {
    /// TPM_ALG_ID of the bank.
    pub alg: u16,
    /// Octets in the bit map, 1 to 4; kept so that the list encodes as it came.
    pub select_bytes: u8,
    /// Bit i is PCR i.
    pub mask: u32,
}

impl<'a> Wire<'a> for BankSelection {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let alg = reader.u16()?;
        let start = reader.offset();
        let select_bytes = reader.u8()?;
        if !(1..=4).contains(&select_bytes) {
            let wanted = Wanted::Range { min: 1, max: 4 };
            return Err(WireError { offset: start, wanted, got: select_bytes.into() });
        }
        let select = reader.bytes(usize::from(select_bytes))?;
        let mask = select.iter().rev().fold(0_u32, |mask, octet| mask << 8 | u32::from(*octet));
        Ok(Self { alg, select_bytes, mask })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u16(self.alg);
        writer.u8(self.select_bytes);
        let octets = self.mask.to_le_bytes();
        if !(1..=4).contains(&self.select_bytes) {
            writer.refuse(4, usize::from(self.select_bytes));
        }
        octets.iter().take(usize::from(self.select_bytes)).for_each(|octet| writer.u8(*octet));
    }
}

/// TPML_PCR_SELECTION, at most 16 banks.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SelectionList {
    /// In the order in which they came.
    pub banks: Vec<BankSelection>,
}

impl SelectionList {
    /// True when the list is exactly this selection: one entry, this bank, these PCRs.
    pub fn is(&self, selection: PcrSelection) -> bool {
        self.only() == Some(selection)
    }

    /// The selection, when the list names exactly one bank and that bank is known here.
    pub fn only(&self) -> Option<PcrSelection> {
        match self.banks.as_slice() {
            [one] => HashAlg::from_id(one.alg).map(|bank| PcrSelection { bank, mask: one.mask }),
            _ => None,
        }
    }
}

impl From<PcrSelection> for SelectionList {
    fn from(selection: PcrSelection) -> Self {
        // Three octets are PCR_SELECT_MIN on every PC Client platform; a fourth only when it says something.
        let select_bytes = if selection.mask >> 24 == 0 { 3 } else { 4 };
        Self { banks: [BankSelection { alg: selection.bank.id(), select_bytes, mask: selection.mask }].into() }
    }
}

impl<'a> Wire<'a> for SelectionList {
    fn read(reader: &mut Reader<'a>) -> Result<Self, WireError> {
        let count = reader.count(MAX_BANKS)?;
        let banks = (0..count).map(|_| BankSelection::read(reader)).collect::<Result<_, _>>()?;
        Ok(Self { banks })
    }

    fn write(&self, writer: &mut Writer) {
        writer.count(self.banks.len(), MAX_BANKS);
        self.banks.iter().for_each(|bank| bank.write(writer));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn selection_encodes_low_pcrs_first() {
        let selection = PcrSelection::of(HashAlg::Sha256, &[0, 7, 10, 23]);
        assert_eq!(selection.encode(), [0, 0, 0, 1, 0, 0x0B, 3, 0x81, 0x04, 0x80]);
        assert_eq!(PcrSelection::parse(&selection.encode()), Ok(selection));
        assert_eq!(selection.pcrs().collect::<Vec<_>>(), [0, 7, 10, 23]);
    }

    #[test]
    fn two_banks_are_not_one_selection() {
        let two = [0, 0, 0, 2, 0, 0x0B, 3, 1, 0, 0, 0, 4, 3, 1, 0, 0];
        assert_eq!(PcrSelection::parse(&two).unwrap_err().wanted, Wanted::Exactly(1));
        let list: SelectionList = Reader::new(&two).whole().unwrap();
        assert!(!list.is(PcrSelection::of(HashAlg::Sha256, &[0])));
        assert_eq!(encode(&list).unwrap(), two);
    }

    #[test]
    fn endless_bank_list_is_refused_by_its_count() {
        let error = PcrSelection::parse(&[0xFF; 64]).unwrap_err();
        assert_eq!((error.offset, error.wanted), (0, Wanted::Range { min: 0, max: 16 }));
    }
}
