//! How a command gets to a TPM and its response back.

mod device;
mod socket;

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use device::DeviceTransport;
pub use socket::SwtpmTransport;

/// A way to a TPM. One command, one response.
pub trait Transport {
    /// Sends a whole command and returns the whole response, at most 4096 bytes.
    ///
    /// # Errors
    /// [`TransportError`]; whether the TPM did what the command asks is then unknown.
    fn transact(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError>;
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn transact(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        (**self).transact(command)
    }
}

/// Opens the TPM that `spec` names: `device:/dev/tpmrm0`, `unix:PATH` or `tcp:HOST:PORT` (a software TPM's command
/// socket), or a bare path, where a socket is taken as `unix:` and all else as `device:`.
///
/// # Errors
/// [`TransportError`] when `spec` names none of these, or what it names cannot be opened.
pub fn open(spec: &str) -> Result<Box<dyn Transport + Send>, TransportError> {
    if let Some(path) = spec.strip_prefix("device:") {
        return Ok(Box::new(DeviceTransport::open(path)?));
    }
    if spec.starts_with("unix:") || spec.starts_with("tcp:") {
        return Ok(Box::new(SwtpmTransport::connect(spec)?));
    }
    if !spec.contains('/') {
        return Err(TransportError::Spec { spec: spec.to_owned() });
    }
    let kind = std::fs::metadata(spec).map_err(|source| TransportError::Open { path: spec.into(), source })?;
    if kind.file_type().is_socket() {
        Ok(Box::new(SwtpmTransport::unix(Path::new(spec))?))
    } else {
        Ok(Box::new(DeviceTransport::open(spec)?))
    }
}

/// Why a TPM could not be spoken to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The name of the TPM has no known form.
    #[error("{spec:?} names no TPM; use device:/dev/tpmrm0, unix:PATH or tcp:HOST:PORT")]
    Spec {
        /// As it was given.
        spec: String,
    },
    /// Device or socket cannot be opened.
    #[error("cannot open the TPM at {}: {source}{}", path.display(), open_remedy(source))]
    Open {
        /// Path, or host and port.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Reading or writing failed.
    #[error("the TPM cannot be spoken to: {0}")]
    Io(#[from] io::Error),
    /// No whole response came in time.
    #[error("the TPM did not answer within {0:?}; it may hang, restart it or the machine")]
    Timeout(Duration),
    /// The other end closed the connection.
    #[error("the TPM closed the connection")]
    Closed,
    /// The response does not fit the bounds of a response.
    #[error("the TPM announced a response of {got} bytes; 10 to 4096 are taken")]
    Size {
        /// Size in the header, or bytes read.
        got: u64,
    },
    /// An earlier command failed halfway, so that the next response could be the answer to that one.
    #[error("the connection to the TPM is unusable since an earlier command failed; open it again")]
    Broken,
}

fn open_remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => ": there is no such TPM; enable it in the firmware setup",
        io::ErrorKind::PermissionDenied => ": run as root or as a member of group tss",
        _ => "",
    }
}
