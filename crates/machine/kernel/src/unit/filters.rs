//! V6 and V10: BPF programs that are attached to the unit's cgroup itself.

use avouch_pairs::{Attribute, Reading, attribute as a};

use crate::reading::{Facts, hex, listed, put, reading};
use crate::source::{Refusal, Root};
use crate::{Pass, UnitAsk};

/// Attributes by the `BPF_CGROUP_*` attach types that they are shown by (linux/bpf.h), each with its word.
const FILTERS: [(Attribute, &[(u32, &str)]); 4] = [
    (a::DEVICE_POLICY, &[(6, "")]),
    (a::IP_ADDRESS_FILTER, &[(0, "ingress\t"), (1, "egress\t")]),
    (a::SOCKET_BIND_FILTER, &[(8, "bind4\t"), (9, "bind6\t")]),
    (a::RESTRICT_NETWORK_INTERFACES, &[(0, "ingress\t"), (1, "egress\t")]),
];

pub(super) fn read(pass: &Pass<'_>, ask: &UnitAsk, facts: &mut Facts) {
    let there = match ask.control_group.as_str() {
        "" => Err(Refusal::Absent),
        group => pass.root(Root::Cgroup).and_then(|root| pass.noted(root.open(group))),
    };
    for (attribute, types) in FILTERS {
        let stated: Reading = match &there {
            Err(refusal) => refusal.reading(),
            Ok(_) => reading(attached(pass, &ask.control_group, types)),
        };
        put(facts, attribute, stated);
    }
}

/// One line for each program; its tag, or `-` where the tag may not be read (CAP_SYS_ADMIN): it is attached all the
/// same.
fn attached(pass: &Pass<'_>, group: &str, types: &[(u32, &str)]) -> Result<String, Refusal> {
    let mut lines = Vec::new();
    for (number, word) in types {
        for id in pass.noted(pass.kernel.source.cgroup_programs(group, *number))? {
            let tag = match pass.program(id) {
                Ok(program) => program.tag.map_or_else(|| "-".to_owned(), |tag| hex(&tag)),
                Err(Refusal::Denied(_) | Refusal::NotSupported(_)) => "-".to_owned(),
                // Detached since.
                Err(Refusal::Absent) => continue,
                Err(refusal) => return Err(refusal),
            };
            lines.push(format!("{word}{tag}"));
        }
    }
    Ok(listed(lines))
}
