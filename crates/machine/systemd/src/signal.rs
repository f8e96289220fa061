//! What systemd announces.

use std::time::Duration;

use zbus::ObjectPath;

use crate::dbus::{Call, Connection, Message};
use crate::manager::DEADLINE;
use crate::{How, SystemdError};

/// Where systemd's units stand on the bus.
const UNITS: &str = "/org/freedesktop/systemd1/unit/";

/// Something that happened to a unit or to systemd itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// A unit came, went, changed or finished a job; its name.
    Unit(String),
    /// systemd began or ended reading all unit files again: any unit may have changed.
    Reloading,
}

/// systemd's announcements, over a connection of their own.
#[derive(Debug)]
pub struct Changes {
    connection: Connection,
}

// === impl Changes ===

impl Changes {
    /// Subscribes, within [`DEADLINE`](crate::DEADLINE).
    ///
    /// # Errors
    /// When systemd cannot be reached or refuses the subscription.
    pub fn subscribe(how: &How) -> Result<Self, SystemdError> {
        let (mut connection, _) = how.open(DEADLINE)?;
        connection.listen()?;
        connection.call(&Call {
            path: "/org/freedesktop/systemd1",
            interface: "org.freedesktop.systemd1.Manager",
            member: "Subscribe",
            arguments: &[],
        })?;
        Ok(Self { connection })
    }

    /// The next announcements, in order and without repetitions in a row; empty when none came within `wait`.
    ///
    /// # Errors
    /// When the connection ended: subscribe again, and take every unit as changed.
    pub fn next(&mut self, wait: Duration) -> Result<Vec<Change>, SystemdError> {
        let messages = self.connection.signals(wait)?;
        let mut changes: Vec<Change> = messages.iter().filter_map(change).collect();
        changes.dedup();
        Ok(changes)
    }
}

impl std::os::fd::AsFd for Changes {
    /// Readable when an announcement may be there.
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

/// What a signal says; `None` for those that concern no unit.
pub(crate) fn change(message: &Message) -> Option<Change> {
    match message.member.as_str() {
        "Reloading" => Some(Change::Reloading),
        "UnitNew" | "UnitRemoved" => {
            let body = message.body("so").ok()?;
            let ((name, _), _) = body.deserialize::<(&str, ObjectPath<'_>)>().ok()?;
            Some(Change::Unit(name.into()))
        }
        "JobRemoved" => {
            let body = message.body("uoss").ok()?;
            let ((_, _, name, _), _) = body.deserialize::<(u32, ObjectPath<'_>, &str, &str)>().ok()?;
            Some(Change::Unit(name.into()))
        }
        "PropertiesChanged" => unit_of(&message.path).map(Change::Unit),
        _ => None,
    }
}

/// The unit whose object this is: a byte that is no letter or digit stands as `_` and two hexadecimal digits.
fn unit_of(path: &str) -> Option<String> {
    let mut rest = path.strip_prefix(UNITS)?.bytes();
    let mut name = Vec::new();
    while let Some(byte) = rest.next() {
        name.push(match byte {
            b'_' => digit(rest.next()?)? << 4 | digit(rest.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(name).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::unit_of;

    #[test]
    fn a_unit_is_named_by_its_path() {
        let cases = [
            ("/org/freedesktop/systemd1/unit/ssh_2eservice", Some("ssh.service")),
            ("/org/freedesktop/systemd1/unit/dev_2dsda_5cx2d1_2emount", Some("dev-sda\\x2d1.mount")),
            ("/org/freedesktop/systemd1/unit/a_", None),
            ("/org/freedesktop/systemd1/unit/_ff_2eservice", None),
            ("/org/freedesktop/systemd1", None),
        ];
        for (path, name) in cases {
            assert_eq!(unit_of(path).as_deref(), name, "{path}");
        }
    }
}
