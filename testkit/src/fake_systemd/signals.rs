//! What systemd announces, spelled as PID 1 spells it (org.freedesktop.systemd1(5)).

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, channel};

use zbus::{Connection, ObjectPath, Variant};

use super::{FakeSystemd, Model};

const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// An announcement.
#[derive(Clone, Debug)]
pub(super) enum Signal {
    /// `JobRemoved`: number, unit, result.
    JobRemoved(u32, String, &'static str),
    /// `PropertiesChanged` of a unit: its object, an interface, its new states.
    Changed { path: String, interface: String, states: [(&'static str, String); 2] },
    /// `Reloading`: whether it begins.
    Reloading(bool),
    /// `UnitNew`: unit and its object.
    UnitNew(String, String),
    /// `UnitRemoved`: unit and its object.
    UnitRemoved(String, String),
}

// === impl Signal ===

impl Signal {
    async fn send(&self, connection: &Connection) -> zbus::Result<()> {
        let none = None::<&str>;
        match self {
            Self::JobRemoved(number, unit, result) => {
                let job = format!("/org/freedesktop/systemd1/job/{number}");
                let body = (*number, ObjectPath::try_from(job)?, unit, *result);
                connection.emit_signal(none, MANAGER_PATH, MANAGER, "JobRemoved", &body).await
            }
            Self::Changed { path, interface, states } => {
                let changed: BTreeMap<&str, Variant<'_>> =
                    states.iter().map(|(name, word)| (*name, Variant::from(word.as_str()))).collect();
                let body = (interface.as_str(), changed, ["Conditions"].as_slice());
                connection.emit_signal(none, path.as_str(), PROPERTIES, "PropertiesChanged", &body).await
            }
            Self::Reloading(begins) => connection.emit_signal(none, MANAGER_PATH, MANAGER, "Reloading", begins).await,
            Self::UnitNew(unit, path) => {
                let body = (unit, ObjectPath::try_from(path.as_str())?);
                connection.emit_signal(none, MANAGER_PATH, MANAGER, "UnitNew", &body).await
            }
            Self::UnitRemoved(unit, path) => {
                let body = (unit, ObjectPath::try_from(path.as_str())?);
                connection.emit_signal(none, MANAGER_PATH, MANAGER, "UnitRemoved", &body).await
            }
        }
    }
}

// === impl Model ===

impl Model {
    /// Tells everybody who subscribed.
    pub(super) fn announce(&mut self, signal: Signal) {
        self.subscribers.retain(|subscriber| subscriber.send(signal.clone()).is_ok());
    }

    /// Both interfaces of a unit announce its states by themselves.
    pub(super) fn announce_states(&mut self, name: &str) {
        let Some(unit) = self.units.get(name) else { return };
        let kind = name.rsplit('.').next().unwrap_or_default();
        let mut type_name = kind.to_owned();
        if let Some(first) = type_name.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let states = [("ActiveState", unit.active_state.clone()), ("SubState", unit.sub_state.clone())];
        let path = unit.path();
        for word in [type_name.as_str(), "Unit"] {
            let interface = format!("org.freedesktop.systemd1.{word}");
            self.announce(Signal::Changed { path: path.clone(), interface, states: states.clone() });
        }
    }

    /// A job of the unit is done.
    pub(super) fn announce_job(&mut self, name: &str) {
        self.next_job += 1;
        self.announce(Signal::JobRemoved(self.next_job, name.to_owned(), "done"));
    }
}

/// From now on `connection` hears what is announced, in order, from a thread of its own.
pub(super) fn subscribe(systemd: &FakeSystemd, connection: Connection) -> std::io::Result<()> {
    let (sender, receiver) = channel();
    std::thread::Builder::new().name("fake-signals".into()).spawn(move || tell(&connection, &receiver))?;
    systemd.lock().subscribers.push(sender);
    Ok(())
}

fn tell(connection: &Connection, signals: &Receiver<Signal>) {
    // A connection that was closed ends it.
    while let Ok(signal) = signals.recv() {
        if zbus::block_on(signal.send(connection)).is_err() {
            return;
        }
    }
}
