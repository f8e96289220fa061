//! What is said of a boot log, in the shape of the JSON output.

use std::collections::BTreeMap;

use serde::Serialize;

use super::assumed::Assumed;
use super::state::State;

/// A boot log.
#[derive(Debug, Default, Serialize)]
pub struct EventLog {
    /// `crypto-agile`, `sha1`, `cel-tlv`, `cel-json`, `cel-cbor` or `systemd`.
    pub format: &'static str,
    /// True where JSON or CBOR was converted to TLV to be read; offsets are those of records in the file all the same.
    pub converted: bool,
    /// True for the log of a confidential virtual machine (CCEL): the registers are measurement registers, of which 1
    /// is RTMR 0.
    pub confidential_computing: bool,
    /// Banks with digests.
    pub banks: Vec<&'static str>,
    /// The header of a crypto-agile log.
    pub spec_id: Option<SpecId>,
    /// What there is how often.
    pub counts: Counts,
    /// What follows the last event.
    pub padding: Option<Padding>,
    /// Locality of TPM2_Startup as the firmware logged it; null when it logged none, which means 0.
    pub startup_locality: Option<u8>,
    /// Events that extend nothing.
    pub no_action: Vec<NoAction>,
    /// Replayed values by bank and PCR; only PCRs that the log extends. Null where the log cannot say the value.
    pub pcrs: BTreeMap<&'static str, BTreeMap<u32, Option<String>>>,
    /// NV indices and measurement registers that a canonical event log extends, by bank.
    pub registers: BTreeMap<String, BTreeMap<&'static str, Option<String>>>,
    /// What registers hold if something is so that the log does not say.
    pub assumed: Vec<Assumed>,
    /// Bank that the following was read in: the digests decide what an event is, not its type.
    pub read_in: Option<&'static str>,
    /// What booted; null for a log of another kind or without a bank that is known here.
    pub boot_state: Option<State>,
    /// Breaches of the profile's rules on which event stands where.
    pub grammar: Vec<Breach>,
    /// Events whose digest is not that of their data, though the profile says it is.
    pub data_differs: Vec<usize>,
    /// Events whose digest is of the value inside their data alone, such as a variable without its name.
    pub value_only: Vec<usize>,
    /// Extending events that lack a digest which the header promises, with the banks.
    pub digests_missing: BTreeMap<usize, Vec<&'static str>>,
    /// What a final events table added, when one was given.
    pub final_events: Option<Merged>,
    /// Every event, when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<EventView>>,
}

/// `TCG_EfiSpecIdEvent` (PFP section 10.4.5.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SpecId {
    /// 0 is client, 1 server.
    pub platform_class: u32,
    /// Major version of the profile.
    pub major: u8,
    /// Minor version.
    pub minor: u8,
    /// Errata level.
    pub errata: u8,
    /// Size of UINTN: 1 is 32 bits, 2 is 64.
    pub uintn: u8,
    /// Vendor information, hexadecimal.
    pub vendor: String,
}

/// A breach of the profile's rules.
#[derive(Debug, Serialize)]
pub struct Breach {
    /// Register; null for an event without one.
    pub pcr: Option<u32>,
    /// Index of the event; of a missing one, the number of events.
    pub event: usize,
    /// The rule.
    pub rule: String,
    /// `unknown`, `odd` (honest machines do it too) or `contradiction`.
    pub weight: &'static str,
}

/// A log and a final events table put together.
#[derive(Debug, Serialize)]
pub struct Merged {
    /// Events that stand in both.
    pub common: usize,
    /// Events that only the table has.
    pub added: usize,
}

/// Counts of a log.
#[derive(Debug, Default, Serialize)]
pub struct Counts {
    /// Events, the header included.
    pub events: usize,
    /// Bytes that hold events.
    pub bytes: usize,
    /// Events by type.
    pub types: BTreeMap<String, usize>,
    /// Events by PCR.
    pub pcrs: BTreeMap<u32, usize>,
}

/// Bytes of one value after the last event.
#[derive(Debug, Serialize)]
pub struct Padding {
    /// 0 or 255.
    pub byte: u8,
    /// How many.
    pub bytes: usize,
}

/// An event that extends nothing.
#[derive(Debug, Serialize)]
pub struct NoAction {
    /// Its place in the log.
    pub event: usize,
    /// Register it names; null for none.
    pub pcr: Option<u32>,
    /// The first of its 16 bytes of signature, up to a NUL, where they are text.
    pub signature: Option<String>,
    /// What it says.
    pub what: String,
}

/// One event.
#[derive(Debug, Serialize)]
pub struct EventView {
    /// Place in the log, from 0.
    pub event: usize,
    /// Byte where it begins.
    pub offset: usize,
    /// Register; null for none.
    pub pcr: Option<u32>,
    /// Name of the type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Digests by bank.
    pub digests: BTreeMap<String, String>,
    /// Bytes of data.
    pub bytes: usize,
    /// The data in words.
    pub what: String,
}
