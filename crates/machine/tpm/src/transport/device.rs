//! The kernel's character device: one write is one command, one read is one whole response.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use avouch_tpm_wire::{HEADER, MAX_FRAME};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Transport, TransportError};

/// A little more than the kernel's own longest limit for one command (300 s, an RSA key on a slow chip).
const TIMEOUT: Duration = Duration::from_secs(330);

/// `/dev/tpmrm0`, or `/dev/tpm0` where there is no resource manager.
#[derive(Debug)]
pub struct DeviceTransport {
    device: File,
    timeout: Duration,
    broken: bool,
}

impl DeviceTransport {
    /// Opens the device at `path`.
    ///
    /// # Errors
    /// [`TransportError::Open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, TransportError> {
        let path = path.as_ref();
        let device = OpenOptions::new()
            .read(true)
            .write(true)
            // Without it the driver would hold the caller in write() until the TPM answers.
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(path)
            .map_err(|source| TransportError::Open { path: path.to_owned(), source })?;
        Ok(Self { device, timeout: TIMEOUT, broken: false })
    }

    /// Any descriptor with the device's habit of one write, one read; it must not block.
    pub fn from_fd(descriptor: OwnedFd, timeout: Duration) -> Self {
        Self { device: descriptor.into(), timeout, broken: false }
    }

    fn wait(&self, flags: PollFlags) -> Result<(), TransportError> {
        let timeout = Timespec::try_from(self.timeout).unwrap_or(Timespec { tv_sec: 330, tv_nsec: 0 });
        let mut ready = [PollFd::new(&self.device, flags)];
        match poll(&mut ready, Some(&timeout)) {
            Ok(0) => Err(TransportError::Timeout(self.timeout)),
            Ok(_) => Ok(()),
            // The agent has no signal handler that returns here; a debugger may.
            Err(rustix::io::Errno::INTR) => self.wait(flags),
            Err(error) => Err(TransportError::Io(error.into())),
        }
    }

    fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let written = self.device.write(command)?;
        if written != command.len() {
            return Err(TransportError::Io(ErrorKind::WriteZero.into()));
        }
        let mut response = vec![0; MAX_FRAME];
        self.wait(PollFlags::IN)?;
        let count = self.device.read(&mut response)?;
        if count == 0 {
            return Err(TransportError::Closed);
        }
        response.truncate(count);
        match response.first_chunk::<HEADER>() {
            Some([_, _, a, b, c, d, ..]) if u32::from_be_bytes([*a, *b, *c, *d]) as usize == count => Ok(response),
            _ => Err(TransportError::Size { got: count as u64 }),
        }
    }
}

impl Transport for DeviceTransport {
    fn transact(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        if self.broken {
            return Err(TransportError::Broken);
        }
        let response = self.exchange(command);
        // The driver refuses the next write while a response is unread, and may hand out the old one.
        self.broken = response.is_err();
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    const RETRY: [u8; 10] = [0x80, 1, 0, 0, 0, 10, 0, 0, 9, 0x22];

    /// A datagram socket keeps the device's promise: what is written at once is read at once.
    fn device(timeout: Duration) -> (DeviceTransport, UnixDatagram) {
        let (ours, theirs) = UnixDatagram::pair().expect("a socket pair");
        ours.set_nonblocking(true).expect("a socket can be set not to block");
        (DeviceTransport::from_fd(ours.into(), timeout), theirs)
    }

    #[test]
    fn one_write_is_one_command_and_one_read_its_response() {
        let (mut device, tpm) = device(Duration::from_secs(10));
        tpm.send(&RETRY).expect("a waiting response");
        assert_eq!(device.transact(&[1; 100]).expect("a response"), RETRY);
        let mut command = [0; 200];
        assert_eq!(tpm.recv(&mut command).expect("a command"), 100);
    }

    #[test]
    fn silent_device_is_given_up_and_not_used_again() {
        let (mut device, tpm) = device(Duration::from_millis(20));
        assert!(matches!(device.transact(&[1; 10]), Err(TransportError::Timeout(_))));
        tpm.send(&RETRY).expect("a late response");
        assert!(matches!(device.transact(&[2; 10]), Err(TransportError::Broken)));
    }

    #[test]
    fn response_of_another_size_than_it_says_is_refused() {
        for response in [&RETRY[..9], &[0x80, 1, 0, 0, 0, 11, 0, 0, 9, 0x22]] {
            let (mut device, tpm) = device(Duration::from_secs(10));
            tpm.send(response).expect("a waiting response");
            assert!(matches!(device.transact(&[1; 10]), Err(TransportError::Size { .. })));
        }
    }
}
