//! TCG boot logs: parse strictly, replay per bank, and say in words what was measured.
//!
//! Source: TCG PC Client Platform Firmware Profile (PFP) 1.06, section 10 "Event Logging": the crypto-agile form
//! (`TCG_PCR_EVENT2` after a "Spec ID Event03" header) and the SHA-1 form (`TCG_PCClientPCREvent`). Logs of
//! confidential virtual machines (UEFI 2.10 section 38, CCEL) have the crypto-agile form too; their index is a
//! measurement register, not a PCR: [`CcLog`]. [`cel`] holds the canonical event log, [`FinalEvents`] what firmware
//! measured after the log was taken.
//!
//! A log proves nothing by itself: event types and event data are not covered by the digests of most events, and only
//! [`BootLog::replay`] against a quoted PCR shows that the digests were extended. An appraiser judges digests;
//! [`Event::describe`] is for people. [`BootLog::check`] says which data the digests cover, [`Checked::grammar`] what stands
//! where it must not, [`Checked::boot_state`] what booted and which of it is proven.
//!
//! Memory: an event costs about 100 bytes beside its log and is at least 12 bytes long, so a parsed log takes at most
//! nine times its bytes; boot state and grammar add at most 200 bytes for an event.
//!
//! ```
//! use avouch_bootlog::BootLog;
//! let error = BootLog::parse(b"not a log").unwrap_err();
//! assert_eq!(error.offset(), 0);
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::as_conversions)]

extern crate alloc;

mod assume;
mod cc;
pub mod cel;
mod check;
mod checked;
pub mod content;
mod cursor;
mod describe;
mod device_path;
mod error;
mod event_type;
mod final_events;
mod grammar;
mod guid;
mod log;
mod registers;
mod replay;
pub mod sipa;
pub mod state;
mod text;

pub use assume::{AssumedReplay, Assumption, ExitActions};
pub use cc::{CC_REGISTERS, CcLog, CcRegisters, CcelTable, register_name};
pub use check::DataCheck;
pub use checked::Checked;
pub use content::{Content, NoAction};
pub use error::LogError;
pub use event_type::EventType;
pub use final_events::{FinalEvents, MergedLog};
pub use grammar::{GrammarFault, GrammarRule, Weight};
pub use guid::Guid;
pub use log::{BootLog, Digests, Event, Format, MAX_BANKS, MAX_EVENTS, NO_PCR, PCR_COUNT, Padding};
pub use replay::{PcrBank, ReplayError};
pub use state::{BootState, Contradiction, Fact, SecureBoot};
