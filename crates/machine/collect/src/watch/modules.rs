//! Uevents of kernel modules.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

/// The kernel's own group; udev repeats its messages in another.
const KERNEL: u32 = 1;
/// The longest message that the kernel makes (UEVENT_BUFFER_SIZE, and the path before it).
const LONGEST: usize = 8192;

/// A socket of NETLINK_KOBJECT_UEVENT.
pub(super) struct Modules {
    socket: OwnedFd,
}

// === impl Modules ===

impl Modules {
    pub(super) fn open() -> rustix::io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(KOBJECT_UEVENT))?;
        bind(&socket, &SocketAddrNetlink::new(0, KERNEL))?;
        Ok(Self { socket })
    }

    /// Whether a module came or went since the last look.
    pub(super) fn changed(&mut self) -> bool {
        let mut message = [0; LONGEST];
        let mut changed = false;
        loop {
            match recv(&self.socket, &mut message, RecvFlags::empty()) {
                Ok((count, _)) => changed |= is_module(message.get(..count).unwrap_or_default()),
                // Messages were lost: one of them may have been of a module.
                Err(rustix::io::Errno::NOBUFS) => changed = true,
                Err(_) => return changed,
            }
        }
    }
}

impl AsFd for Modules {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// `add@/module/NAME` or `remove@/module/NAME`, then the environment after a NUL.
fn is_module(message: &[u8]) -> bool {
    let head = message.split(|byte| *byte == 0).next().unwrap_or_default();
    [&b"add@/module/"[..], b"remove@/module/"].iter().any(|start| head.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::is_module;

    #[test]
    fn modules_are_told_from_devices() {
        assert!(is_module(b"add@/module/dummy\0ACTION=add\0DEVPATH=/module/dummy\0"));
        assert!(is_module(b"remove@/module/dummy\0"));
        assert!(!is_module(b"add@/devices/virtual/net/dummy0\0"));
        assert!(!is_module(b"change@/module/dummy\0"));
        assert!(!is_module(b""));
    }
}
