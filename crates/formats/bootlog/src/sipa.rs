//! Statements of the Windows loader (System Integrity Platform Attestation, `wbcl.h` of the Windows SDK).
//!
//! Windows measures them in tagged events of PCR 11 to 14 and leaves some unmeasured under the index 0xFFFFFFFF. They
//! are named here so that a Windows log can be read; nothing is judged by them.

/// One statement: a type, a length and a value, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// The identifier as it stands.
    pub id: u32,
    /// The value; of an aggregation, more statements.
    pub value: &'a [u8],
}

/// Set in identifiers whose value is a list of statements.
const AGGREGATION: u32 = 0x4000_0000;

/// The statements in `bytes`, one level; ends at the first that is cut.
pub fn statements(bytes: &[u8]) -> impl Iterator<Item = Statement<'_>> {
    let mut rest = bytes;
    core::iter::from_fn(move || {
        let (statement, tail) = first(rest)?;
        rest = tail;
        Some(statement)
    })
}

/// True when `bytes` are nothing but statements, and at least one of them has a name.
pub(crate) fn is_list(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    let mut named = false;
    while let Some((statement, tail)) = first(rest) {
        named |= statement.name().is_some();
        rest = tail;
    }
    named && rest.is_empty()
}

fn first(bytes: &[u8]) -> Option<(Statement<'_>, &[u8])> {
    let (id, rest) = bytes.split_first_chunk()?;
    let (len, rest) = rest.split_first_chunk()?;
    let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
    Some((Statement { id: u32::from_le_bytes(*id), value }, rest))
}

impl<'a> Statement<'a> {
    /// The statements inside an aggregation; none for any other.
    pub fn children(&self) -> impl Iterator<Item = Statement<'a>> + use<'a> {
        statements(if self.id & AGGREGATION == 0 { &[] } else { self.value })
    }

    /// The identifier's name without `SIPAEVENT_`, lower case; `None` when this release does not know it.
    pub fn name(&self) -> Option<&'static str> {
        name(self.id)
    }
}

/// The name of a SIPA identifier.
pub fn name(id: u32) -> Option<&'static str> {
    Some(match id {
        0x4001_0001 => "trust boundary",
        0x4001_0002 => "early anti-malware",
        0x4001_0003 => "loaded module",
        0xC001_0004 => "trust point",
        0x4001_0005 => "key state record",
        0x4001_0006 => "signed key state record",
        0x0002_0001 => "information",
        0x0002_0002 => "boot counter",
        0x0002_0003 => "transfer of control",
        0x0002_0004 => "return of an application",
        0x0002_0005 => "BitLocker unlock",
        0x0002_0006 => "event counter",
        0x0002_0007 => "counter identifier",
        0x0002_0008 => "MOR bit cannot be cancelled",
        0x0002_0009 => "application security version",
        0x0002_000A => "security version chain",
        0x0002_000B => "MOR bit interface",
        0x0002_000C => "identity key generation",
        0x0004_0001 => "boot debugging",
        0x0004_0002 => "boot revocation list",
        _ => return os_parameter(id).or_else(|| module(id)),
    })
}

fn os_parameter(id: u32) -> Option<&'static str> {
    Some(match id {
        0x0005_0001 => "kernel debugging",
        0x0005_0002 => "code integrity",
        0x0005_0003 => "test signing",
        0x0005_0004 => "data execution prevention",
        0x0005_0005 => "safe mode",
        0x0005_0006 => "WinPE",
        0x0005_0007 => "physical address extension",
        0x0005_0008 => "system device",
        0x0005_0009 => "system root",
        0x0005_000A => "hypervisor launch type",
        0x0005_000B => "hypervisor path",
        0x0005_000C => "hypervisor IOMMU policy",
        0x0005_000D => "hypervisor debugging",
        0x0005_000E => "driver load policy",
        0x0005_000F => "code integrity policy",
        0x0005_0010 => "hypervisor MMIO policy",
        0x0005_0011 => "hypervisor MSR policy",
        0x0005_0012 => "virtual secure mode launch type",
        0x0005_0013 => "system revocation list",
        0x0005_0014 => "simultaneous multithreading",
        0x0005_0020 => "virtual secure mode identity key",
        0x0005_0021 => "flight signing",
        0x0005_0022 => "page file encryption",
        0x0005_0023 => "virtual secure mode signing key",
        0x0005_0024 => "hibernation disabled",
        0x0005_0025 => "dumps disabled",
        0x0005_0026 => "dump encryption",
        0x0005_0027 => "dump encryption key",
        0x0005_0028 => "LSA isolation",
        0x0005_0030 => "hypervisor boot DMA protection",
        _ => return None,
    })
}

fn module(id: u32) -> Option<&'static str> {
    Some(match id {
        0x0006_0001 => "no authority",
        0x0006_0002 => "authority public key",
        0x0007_0001 => "file path",
        0x0007_0002 => "image size",
        0x0007_0003 => "hash algorithm",
        0x0007_0004 => "Authenticode digest",
        0x0007_0005 => "authority issuer",
        0x0007_0006 => "authority serial number",
        0x0007_0007 => "image base",
        0x0007_0008 => "authority publisher",
        0x0007_0009 => "authority SHA-1 thumbprint",
        0x0007_000A => "image validated",
        0x0007_000B => "module security version",
        0x8008_0001 => "quote",
        0x8008_0002 => "quote signature",
        0x8008_0003 => "attestation key name",
        0x8008_0004 => "attestation key digest",
        0x0009_0001 => "anti-malware key name",
        0x0009_0002 => "anti-malware configuration",
        0x0009_0003 => "anti-malware policy",
        0x0009_0004 => "anti-malware measurement",
        0x000A_0001 => "virtual secure mode required",
        0x000A_0002 => "Secure Boot required",
        0x000A_0003 => "IOMMU required",
        0x000A_0007 => "hypervisor code integrity policy",
        0x000B_0001 => "key state signature",
        _ => return None,
    })
}
