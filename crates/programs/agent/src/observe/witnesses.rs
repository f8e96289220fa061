//! Both witnesses of the running machine.

use std::fs;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use avouch_collect::appliance::Appliance;
use avouch_collect::observe::{Observer, Scope};
use avouch_collect::watch::{Trigger, Watch};
use avouch_kernel::Kernel;
use avouch_pairs::Observation;
use avouch_systemd::{How, Manager};
use sd_notify::NotifyState;

use crate::collector::{self, Desk, EventKind, Hub, ScopeAsked, Witnesses, hidden};
use crate::config::Config;
use crate::error::AgentError;
use crate::service::notify;

/// Between two signs of life while nothing happens.
const LOOK: Duration = Duration::from_secs(20);
/// Where PID 1 sees its files.
const HOST_ROOT: &str = "/proc/1/root";

/// systemd, if it answers, and the kernel.
pub struct Live {
    observer: Observer,
    with_systemd: bool,
}

// === impl Live ===

impl Live {
    /// Connects to systemd and opens the kernel's file systems. A systemd that does not answer is no error: what the
    /// kernel does is worth seeing without it.
    ///
    /// # Errors
    /// [`AgentError::Unobservable`].
    pub fn open() -> Result<Self, AgentError> {
        let manager = match Manager::connect(&How::Auto) {
            Ok(manager) => Some(manager),
            Err(error) => {
                tracing::warn!("{error}; only the kernel is seen");
                None
            }
        };
        Ok(Self::of(manager, Kernel::open()?))
    }

    fn of(manager: Option<Manager>, kernel: Kernel) -> Self {
        let with_systemd = manager.is_some();
        let observer = Observer::new(manager, kernel);
        // A sandbox has a file system view of its own; systemd's configuration is what PID 1 sees.
        Self { observer: if own_view() { observer.rooted(HOST_ROOT) } else { observer }, with_systemd }
    }
}

fn own_view() -> bool {
    let of = |pid: &str| fs::read_link(Path::new("/proc").join(pid).join("ns/mnt"));
    matches!((of("self"), of("1")), (Ok(ours), Ok(theirs)) if ours != theirs) && Path::new(HOST_ROOT).is_dir()
}

impl Witnesses for Live {
    fn observe(&mut self, scope: &ScopeAsked) -> Observation {
        // A collector that started before systemd answered must not stay without it for good.
        if !self.with_systemd
            && let (Ok(manager), Ok(kernel)) = (Manager::connect(&How::Auto), Kernel::open())
        {
            *self = Self::of(Some(manager), kernel);
        }
        self.observer.observe(&Scope {
            units: scope.units.clone(),
            levels: scope.known_levels(),
            paths: scope.paths.clone(),
            sysctls: scope.sysctls.clone(),
        })
    }
}

/// `collect`: serves both witnesses, and what a gate may not read itself, at the sockets until the process is told to end.
///
/// # Errors
/// [`AgentError::Link`], [`AgentError::Unobservable`].
pub fn collect(config: &Config) -> Result<(), AgentError> {
    let doors = collector::listen_everywhere(&config.collector)?;
    for hidden in hidden(Path::new("/proc")) {
        tracing::warn!("hidden from the collector: {}; to do: {}", hidden.what, hidden.remedy);
    }
    let live = Live::open()?;
    let hub = Arc::new(Hub::default());
    let telling = Arc::clone(&hub);
    thread::Builder::new().name("watch".to_owned()).spawn(move || watch(&telling)).map_err(AgentError::Signals)?;
    notify(&[NotifyState::Ready, NotifyState::Status("reading both witnesses for the talker")]);
    let appliance = if own_view() { Appliance::of_pid_1() } else { Appliance::running() };
    let desk = Arc::new(Desk::new(live, hub, appliance));
    let (tell, ended) = mpsc::channel();
    for (listener, peers) in doors {
        let (desk, tell) = (Arc::clone(&desk), tell.clone());
        let serve = move || drop(tell.send(desk.serve(&listener, peers)));
        thread::Builder::new().name("door".to_owned()).spawn(serve).map_err(AgentError::Signals)?;
    }
    drop(tell);
    // The first socket that fails ends all of them: the service manager starts the collector anew.
    ended.recv().map_or(Ok(()), |served| Ok(served?))
}

/// Hands every event on.
fn watch(hub: &Hub) {
    let mut watch = Watch::start(How::Auto);
    for blind in watch.blind() {
        tracing::warn!("not watched: {blind}; it is seen in the next slot");
    }
    loop {
        for trigger in watch.next(LOOK) {
            let (kind, subject) = event(trigger);
            hub.tell(kind, &subject);
        }
    }
}

/// An event as it is told.
pub(super) fn event(trigger: Trigger) -> (EventKind, String) {
    match trigger {
        Trigger::UnitChanged(unit) => (EventKind::UnitChanged, unit),
        Trigger::CgroupWritten(unit) => (EventKind::CgroupWritten, unit),
        Trigger::Listener => (EventKind::Listener, String::new()),
        Trigger::Module => (EventKind::Module, String::new()),
        Trigger::Everything => (EventKind::Everything, String::new()),
    }
}
