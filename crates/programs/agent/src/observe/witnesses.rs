//! Both witnesses of the running machine.

use std::sync::Arc;

use avouch_kernel::Kernel;
use avouch_pairs::Observation;
use avouch_systemd::{How, Manager};

use crate::collector::{self, Hub, LinkError, ScopeAsked, Witnesses};
use crate::config::Config;
use crate::error::AgentError;

/// systemd, if it answers, and the kernel.
pub struct Live {
    _manager: Option<Manager>,
    _kernel: Kernel,
}

// === impl Live ===

impl Live {
    /// Connects to systemd and opens the kernel's file systems. A systemd that does not answer is no error: what the
    /// kernel does is worth seeing without it.
    ///
    /// # Errors
    /// [`AgentError::Unobservable`].
    pub fn open() -> Result<Self, AgentError> {
        let manager = match Manager::connect(&How::Auto) {
            Ok(manager) => Some(manager),
            Err(error) => {
                tracing::warn!("{error}; only the kernel is seen");
                None
            }
        };
        Ok(Self { _manager: manager, _kernel: Kernel::open()? })
    }
}

impl Witnesses for Live {
    fn observe(&mut self, scope: &ScopeAsked) -> Observation {
        let _ = scope;
        Observation::default()
    }
}

/// `collect`: serves both witnesses at the socket until the process is told to end.
///
/// # Errors
/// [`AgentError::Link`], [`AgentError::Unobservable`].
pub fn collect(config: &Config) -> Result<(), AgentError> {
    let listener = collector::listen(&config.collector)?;
    let hub = Arc::new(Hub::default());
    let live = Live::open()?;
    let served: Result<(), LinkError> = collector::serve(&listener, live, &hub);
    Ok(served?)
}
