//! Buffers: keys, critical data of the kernel, command lines of kexec.

use avouch_crypto::sha256;
use avouch_protocol::Hash;

use super::{Judge, Measured};
use crate::code::FindingCode;

/// The kernel's name of its own release.
const KERNEL_VERSION: &[u8] = b"kernel_version";

impl Judge<'_> {
    pub(super) fn buffer(&mut self, buffer: &Measured<'_>, data: &[u8]) {
        if buffer.entry.index == 0 {
            return self.boot_aggregate(buffer);
        }
        if buffer.entry.is_violation() {
            return self.violation(buffer);
        }
        self.judged.buffers = self.judged.buffers.saturating_add(1);
        let content = Hash(sha256(&[data]));
        if buffer.name == KERNEL_VERSION && *self.judged.kernel.get_or_insert(content) != content {
            self.not_early(buffer);
            return self.push(
                FindingCode::ImaKernelReplaced,
                buffer,
                "is another kernel than the one that began this boot session",
            );
        }
        match self.rules.tables.pins(buffer.name, &content.0) {
            Some(true) => self.key(content),
            Some(false) => {
                self.not_early(buffer);
                self.push(
                    FindingCode::ImaKeyUnpinned,
                    buffer,
                    "is a key that the policy does not pin for this keyring",
                );
            }
            None => self.other_buffer(buffer),
        }
    }

    /// From this entry on the key's signatures count.
    fn key(&mut self, certificate: Hash) {
        if !self.judged.keys.contains(&certificate) {
            self.judged.keys.push(certificate);
        }
    }

    fn other_buffer(&mut self, buffer: &Measured<'_>) {
        let known = buffer.sha256().is_some_and(|digest| self.rules.tables.knows_buffer(buffer.name, digest));
        if !known {
            self.not_early(buffer);
            self.push(FindingCode::ImaUnknownBuffer, buffer, "is a buffer that is not in the policy");
        }
    }
}
