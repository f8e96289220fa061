//! TPMS_ATTEST of every type (TPM 2.0 Part 2, "Attestation structures"), and the quote of a TPM 1.2.

use avouch_tpm_wire::HashAlg;
use data_encoding::HEXLOWER;
use serde::Serialize;

/// TPM_GENERATED_VALUE.
pub(super) const MAGIC: [u8; 4] = [0xFF, 0x54, 0x43, 0x47];
/// More banks than any TPM has.
const MOST_BANKS: u32 = 16;

/// What a TPM says and signs.
#[derive(Debug, Default, Serialize)]
pub struct Attest {
    /// `ff544347` for every structure that a TPM 2.0 made itself.
    pub magic: String,
    /// TPM_ST value, hexadecimal.
    #[serde(rename = "type")]
    pub type_id: String,
    /// What it attests: `quote`, `certify`, `creation`, `time`, `nv`, `session audit`, `command audit`.
    pub attests: &'static str,
    /// Qualified Name of the signing key.
    pub qualified_signer: String,
    /// The caller's qualifyingData: the nonce, or what binds it.
    pub extra_data: String,
    /// The same as text, where it is text.
    pub extra_text: Option<String>,
    /// Clock and counters; null in a TPM 1.2 quote.
    pub clock: Option<Clock>,
    /// Firmware version, hexadecimal; obfuscated outside the endorsement and platform hierarchies.
    pub firmware_version: Option<String>,
    /// Banks and PCRs that a quote covers.
    pub selection: Option<Vec<Selected>>,
    /// Hash over these PCRs.
    pub pcr_digest: Option<String>,
    /// Name of the object that a certification or creation is about.
    pub name: Option<String>,
    /// Rest of the structure for types without PCRs or Names.
    pub body: Option<String>,
    /// Bytes after the structure; zero in a good one.
    pub trailing: usize,
}

/// TPMS_CLOCK_INFO.
#[derive(Debug, Serialize)]
pub struct Clock {
    /// Milliseconds powered since TPM2_Clear.
    pub clock: u64,
    /// TPM resets since TPM2_Clear.
    pub reset_count: u32,
    /// Restarts and resumes since the last reset.
    pub restart_count: u32,
    /// False when a higher clock may have been told before; null for a value that is neither YES nor NO.
    pub safe: Option<bool>,
}

/// PCRs of one bank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Selected {
    /// Its name, or TPM_ALG_ID.
    pub bank: String,
    /// In ascending order.
    pub pcrs: Vec<u32>,
}

/// Why bytes are no attestation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotAttest {
    pub(super) offset: usize,
    pub(super) what: String,
}

impl Attest {
    /// Reads an attestation; bytes after it are counted and not read.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, NotAttest> {
        let mut reader = Reader { bytes, offset: 0 };
        let magic = reader.take(4, "the magic number")?;
        if magic != MAGIC {
            let what = format!("TPM_GENERATED_VALUE (ff544347) wanted, got {}", HEXLOWER.encode(magic));
            return Err(NotAttest { offset: 0, what });
        }
        let type_id = reader.u16("the type")?;
        let qualified_signer = reader.sized("qualifiedSigner")?;
        let extra = reader.sized("extraData")?;
        let mut attest = Self {
            magic: HEXLOWER.encode(magic),
            type_id: format!("{type_id:04x}"),
            qualified_signer: HEXLOWER.encode(qualified_signer),
            extra_data: HEXLOWER.encode(extra),
            extra_text: text(extra),
            clock: Some(reader.clock()?),
            firmware_version: Some(HEXLOWER.encode(reader.take(8, "firmwareVersion")?)),
            ..Self::default()
        };
        attest.body(type_id, &mut reader)?;
        attest.trailing = reader.bytes.len();
        Ok(attest)
    }

    fn body(&mut self, type_id: u16, reader: &mut Reader<'_>) -> Result<(), NotAttest> {
        self.attests = match type_id {
            0x8014 | 0x801C => "nv",
            0x8015 => "command audit",
            0x8016 => "session audit",
            0x8017 => "certify",
            0x8018 => "quote",
            0x8019 => "time",
            0x801A => "creation",
            _ => "unknown",
        };
        match type_id {
            0x8018 => {
                self.selection = Some(reader.selection()?);
                self.pcr_digest = Some(HEXLOWER.encode(reader.sized("pcrDigest")?));
            }
            0x8017 | 0x801A => {
                self.name = Some(HEXLOWER.encode(reader.sized("the object's Name")?));
                let second = if type_id == 0x8017 { "the qualified Name" } else { "creationHash" };
                self.body = Some(HEXLOWER.encode(reader.sized(second)?));
            }
            0x8019 => self.body = Some(HEXLOWER.encode(reader.take(8 + 17 + 8, "the time")?)),
            _ => {
                let rest = reader.bytes;
                self.body = Some(HEXLOWER.encode(reader.take(rest.len(), "the body")?));
            }
        }
        Ok(())
    }

    /// TPM_QUOTE_INFO of a TPM 1.2 (TPM Main Part 2, section 11.3): version, `QUOT`, PCR composite hash, nonce.
    pub(super) fn parse_tpm12(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[1, 1, 0, 0])?.strip_prefix(b"QUOT")?;
        let (composite, nonce) = rest.split_at_checked(20)?;
        (nonce.len() == 20).then(|| Self {
            magic: HEXLOWER.encode(b"QUOT"),
            type_id: "01010000".into(),
            attests: "quote of a TPM 1.2",
            extra_data: HEXLOWER.encode(nonce),
            pcr_digest: Some(HEXLOWER.encode(composite)),
            ..Self::default()
        })
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    let printable = !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    printable.then(|| String::from_utf8_lossy(bytes).into_owned())
}

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, wanted: usize, field: &str) -> Result<&'a [u8], NotAttest> {
        let Some((head, tail)) = self.bytes.split_at_checked(wanted) else {
            let what = format!("ends inside {field}: {wanted} bytes wanted, {} are left", self.bytes.len());
            return Err(NotAttest { offset: self.offset, what });
        };
        self.bytes = tail;
        self.offset += wanted;
        Ok(head)
    }

    fn u16(&mut self, field: &str) -> Result<u16, NotAttest> {
        self.take(2, field).map(|bytes| bytes.iter().fold(0, |value, byte| value << 8 | u16::from(*byte)))
    }

    fn u64(&mut self, bytes: usize, field: &str) -> Result<u64, NotAttest> {
        self.take(bytes, field).map(|bytes| bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn u32(&mut self, field: &str) -> Result<u32, NotAttest> {
        self.take(4, field).map(|bytes| bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte)))
    }

    fn sized(&mut self, field: &str) -> Result<&'a [u8], NotAttest> {
        let size = self.u16(field)?;
        self.take(size.into(), field)
    }

    fn clock(&mut self) -> Result<Clock, NotAttest> {
        Ok(Clock {
            clock: self.u64(8, "clock")?,
            reset_count: self.u32("resetCount")?,
            restart_count: self.u32("restartCount")?,
            safe: match self.take(1, "safe")? {
                [0] => Some(false),
                [1] => Some(true),
                _ => None,
            },
        })
    }

    fn selection(&mut self) -> Result<Vec<Selected>, NotAttest> {
        let offset = self.offset;
        let count = self.u32("the number of banks")?;
        if count > MOST_BANKS {
            return Err(NotAttest { offset, what: format!("{count} banks, at most {MOST_BANKS} are read") });
        }
        (0..count).map(|_| self.bank()).collect()
    }

    fn bank(&mut self) -> Result<Selected, NotAttest> {
        let bank = bank_name(self.u16("a bank")?);
        let size = self.take(1, "the size of a selection")?.first().copied().unwrap_or_default();
        let bits = self.take(size.into(), "a selection")?;
        Ok(Selected { bank, pcrs: selected(bits) })
    }
}

pub(super) fn bank_name(id: u16) -> String {
    HashAlg::from_id(id).map_or_else(|| format!("0x{id:04x}"), |alg| alg.name().into())
}

/// Bit i of octet j is PCR 8j + i.
pub(super) fn selected(bits: &[u8]) -> Vec<u32> {
    let set = |pcr: &u32| {
        let octet = usize::try_from(pcr / 8).ok().and_then(|at| bits.get(at));
        octet.is_some_and(|octet| octet >> (pcr % 8) & 1 == 1)
    };
    (0..u32::try_from(bits.len()).unwrap_or_default().saturating_mul(8)).filter(set).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quote() -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend([0x80, 0x18, 0, 1, 0xAA, 0, 5]);
        bytes.extend(b"nonce");
        bytes.extend([0; 7]);
        bytes.extend([9, 0, 0, 0, 2, 0, 0, 0, 3, 1]);
        bytes.extend([1; 8]);
        bytes.extend([0, 0, 0, 1, 0, 0x0B, 3, 0x81, 0x04, 0, 0, 2, 0xBB, 0xCC]);
        bytes
    }

    #[test]
    fn a_quote_is_read_field_by_field() {
        let attest = Attest::parse(&quote()).unwrap();
        assert_eq!((attest.attests, attest.extra_text.as_deref()), ("quote", Some("nonce")));
        let selection = attest.selection.unwrap();
        assert_eq!((selection[0].bank.as_str(), &selection[0].pcrs[..]), ("sha256", &[0, 7, 10][..]));
        let clock = attest.clock.unwrap();
        assert_eq!((clock.clock, clock.reset_count, clock.restart_count, clock.safe), (9, 2, 3, Some(true)));
        assert_eq!((attest.pcr_digest.as_deref(), attest.trailing), (Some("bbcc"), 0));
    }

    #[test]
    fn a_quote_cut_at_any_byte_is_refused_with_the_place() {
        let whole = quote();
        for cut in 0..whole.len() {
            let error = Attest::parse(&whole[..cut]).unwrap_err();
            assert!(error.offset <= cut && error.what.starts_with("ends inside"), "{cut}: {error:?}");
        }
        assert_eq!(Attest::parse(&[whole, vec![7]].concat()).unwrap().trailing, 1);
    }
}
