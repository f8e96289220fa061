//! Firmware of virtual machines.

use std::io::Read;
use std::path::Path;

use avouch_pe::firmware::{packed_volumes, volume_images, volumes};
use liblzma::read::XzDecoder;
use liblzma::stream::Stream;

use super::{ExpectedEvents, read, refused};
use crate::ArtefactError;

/// What the volumes of one image may unpack to; OVMF has 13 MiB.
const MAX_UNPACKED: u64 = 256 * 1024 * 1024;

/// An OVMF flash image (`OVMF_CODE*.fd` or one with variables): in PCR 0 its version string, when that is empty as in a
/// build without one, and each firmware volume as it is unpacked.
///
/// Firmware measures the volume of its first phase (PEI) after that phase has written its own variables into it, so that
/// this digest differs with the virtual machine's hardware and equals a measured one only where nothing was written. The
/// volume with all drivers (DXE) is measured as it is in the image.
///
/// # Errors
/// [`ArtefactError::Read`]; [`ArtefactError::Image`] when it is no firmware image; [`ArtefactError::Unsupported`] when
/// it has no packed volume.
pub fn ovmf(path: &Path) -> Result<ExpectedEvents, ArtefactError> {
    let (bytes, artefact) = read(path)?;
    let outer = volumes(&bytes).map_err(|error| refused(path, error))?;
    let packed = packed_volumes(&outer).map_err(|error| refused(path, error))?;
    let mut events = ExpectedEvents::default();
    events.measured(&artefact, 0, "firmware version, empty", &[&[0, 0]]);
    for section in &packed {
        let unpacked = unpack(section)?;
        let inner = volume_images(&unpacked).map_err(|error| refused(path, error))?;
        for (index, volume) in inner.iter().enumerate() {
            let what = format!("firmware volume {} of {} bytes", index + 1, volume.len());
            events.measured(&artefact, 0, what, &[volume]);
        }
    }
    if packed.is_empty() {
        return Err(ArtefactError::Unsupported {
            what: "a firmware image without a volume packed with LZMA",
            offset: 0,
        });
    }
    events.gap(&artefact, "firmware changes the volume of its first phase in memory before it measures it into PCR 0");
    Ok(events)
}

fn unpack(section: &[u8]) -> Result<Vec<u8>, ArtefactError> {
    let failed = |source| ArtefactError::Stream { offset: 0, source };
    let stream = Stream::new_lzma_decoder(MAX_UNPACKED).map_err(|error| failed(error.into()))?;
    let mut out = Vec::new();
    let decoder = XzDecoder::new_stream(section, stream);
    decoder.take(MAX_UNPACKED + 1).read_to_end(&mut out).map_err(failed)?;
    if out.len() as u64 > MAX_UNPACKED {
        return Err(ArtefactError::TooLarge { what: "bytes in a firmware volume", limit: MAX_UNPACKED });
    }
    Ok(out)
}
