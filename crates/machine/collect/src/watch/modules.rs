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
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    /// As Linux 6.18 sent it when `add` was written to /sys/class/net/lo/uevent.
    const DEVICE: &[u8] = b"add@/devices/virtual/net/lo\0ACTION=add\0DEVPATH=/devices/virtual/net/lo\0SUBSYSTEM=net\0\
        SYNTH_UUID=0\0INTERFACE=lo\0IFINDEX=1\0SEQNUM=850\0";

    /// The same of a module.
    fn module(action: &str, name: &str) -> Vec<u8> {
        let path = format!("/module/{name}");
        let fields = format!("ACTION={action}\0DEVPATH={path}\0SUBSYSTEM=module\0SEQNUM=851\0");
        format!("{action}@{path}\0{fields}").into_bytes()
    }

    #[test]
    fn modules_are_told_from_devices() {
        assert!(is_module(&module("add", "dummy")));
        assert!(is_module(&module("remove", "dummy")));
        assert!(!is_module(&module("change", "dummy")));
        assert!(!is_module(DEVICE));
        // udev's repetition of a message begins with another word, whatever it is about.
        let repeated = [b"libudev\0\xfe\xed\xca\xfe".as_slice(), &module("add", "dummy")].concat();
        assert!(!is_module(&repeated));
        assert!(!is_module(b""));
    }

    #[test]
    fn a_message_cut_short_is_of_a_module_from_its_path_on() {
        let whole = module("add", "dummy");
        for end in 0..whole.len() {
            assert_eq!(is_module(&whole[..end]), end >= "add@/module/".len(), "{end}");
            assert!(!is_module(&DEVICE[..end.min(DEVICE.len())]), "{end}");
        }
    }

    #[test]
    fn messages_of_this_kernel_are_received_and_a_device_is_no_module() {
        let mut modules = Modules::open().expect("a socket");
        if let Err(error) = std::fs::write("/sys/class/net/lo/uevent", "add") {
            println!("skipped: this kernel cannot be made to announce a device: {error}");
            return;
        }
        let patience = Timespec { tv_sec: 5, tv_nsec: 0 };
        let ready = poll(&mut [PollFd::new(&modules, PollFlags::IN)], Some(&patience)).expect("it is waited for");
        assert_eq!(ready, 1, "the kernel announces it");
        assert!(!modules.changed());
    }
}
