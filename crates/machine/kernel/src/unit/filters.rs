//! V6 and V10: BPF programs that are attached to the unit's cgroup itself.

use std::collections::BTreeMap;

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
    let mut attached = Attached { pass, group: &ask.control_group, by_type: BTreeMap::new() };
    for (attribute, types) in FILTERS {
        let stated: Reading = match &there {
            Err(refusal) => refusal.reading(),
            Ok(_) => reading(attached.lines(types)),
        };
        put(facts, attribute, stated);
    }
}

/// What is attached to a cgroup; each type is asked for once, and several attributes are shown by one.
struct Attached<'p> {
    pass: &'p Pass<'p>,
    group: &'p str,
    by_type: BTreeMap<u32, Result<Vec<u32>, Refusal>>,
}

// === impl Attached ===

impl Attached<'_> {
    /// One line for each program; its tag, or `-` where the tag may not be read (CAP_SYS_ADMIN): it is attached all
    /// the same.
    fn lines(&mut self, types: &[(u32, &str)]) -> Result<String, Refusal> {
        let mut lines = Vec::new();
        for (number, word) in types {
            for id in self.programs(*number)? {
                let tag = match self.pass.program(id) {
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

    fn programs(&mut self, number: u32) -> Result<Vec<u32>, Refusal> {
        let Self { pass, group, by_type } = self;
        let ask = || pass.noted(pass.kernel.source.cgroup_programs(group, number));
        by_type.entry(number).or_insert_with(ask).clone()
    }
}
