//! What made a run begin.

use serde::{Deserialize, Serialize};

/// Why a machine was attested when it was. Nothing is judged by it; it tells whoever reads the log later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Trigger {
    /// Somebody acknowledged a failure.
    Acknowledgement,
    /// Something changed on the machine, or changes may have gone unseen for a while.
    Event,
    /// The refresh interval was over.
    Interval,
    /// Secrets were read anew.
    Reload,
    /// A caller asked.
    Request,
    /// The server's word changed or ended.
    Server,
    /// The attestor started.
    Start,
}
