//! What happens to units, in the steps in which it happens on a real machine.

use std::thread::yield_now;

use super::config::ALL_CAPABILITIES;
use super::process::FakeProcess;
use super::signals::Signal;
use super::{Config, FakeSystemd, Model};

// === impl FakeSystemd ===

impl FakeSystemd {
    /// A service that runs since long ago.
    pub fn add_service(&self, name: &str, config: Config) {
        let mut model = self.lock();
        model.add_group(name, &format!("/system.slice/{name}"), "running", config);
        model.fork_main(name);
        model.execute_main(name);
        if let Some(unit) = model.units.get_mut(name) {
            (unit.active_enter, unit.state_change) = (2, 2);
        }
    }

    /// One process more of a running service, which its main process started.
    pub fn add_worker(&self, name: &str) {
        let mut model = self.lock();
        let pid = model.fork(name);
        model.execute(pid, name);
    }

    /// A process of no unit, in a cgroup that somebody made by hand.
    pub fn add_stray(&self, group: &str) {
        let mut model = self.lock();
        let pid = model.fork("");
        let config = Config { exec: vec!["/usr/bin/stray".into()], ..Config::default() };
        let mut process = FakeProcess::forked(pid, model.ticks, group, &config);
        process.execute(&config);
        model.processes.insert(pid, process);
    }

    /// The main process listens on a TCP port of every address.
    pub fn listen(&self, name: &str, port: u16) {
        let mut model = self.lock();
        model.next_inode += 1;
        let inode = model.next_inode;
        let main = model.units.get(name).map_or(0, |unit| unit.main_pid);
        if let Some(process) = model.processes.get_mut(&main) {
            process.listening.push((inode, port));
        }
    }

    /// A socket unit that listens.
    pub fn add_socket(&self, name: &str, listen: &[(&str, &str)]) {
        let listen = listen.iter().map(|(kind, address)| ((*kind).to_owned(), (*address).to_owned())).collect();
        let config = Config { listen, ..Config::default() };
        self.lock().add_group(name, &format!("/system.slice/{name}"), "listening", config);
    }

    /// `systemctl start`: the cgroup, a fork with systemd's privileges, then the program.
    pub fn start(&self, name: &str) {
        self.lock().make_group(name);
        yield_now();
        self.lock().fork_main(name);
        yield_now();
        let mut model = self.lock();
        model.execute_main(name);
        model.announce_job(name);
    }

    /// `systemctl stop`: the processes end before systemd hears of it.
    pub fn stop(&self, name: &str) {
        self.lock().turn(name, "deactivating", "stop-sigterm");
        yield_now();
        self.lock().kill(name);
        yield_now();
        let mut model = self.lock();
        model.bury(name, "inactive", "dead");
        model.announce_job(name);
    }

    /// systemd drops a unit that nobody needs any more.
    pub fn unload(&self, name: &str) {
        let mut model = self.lock();
        if let Some(unit) = model.units.remove(name) {
            model.announce(Signal::UnitRemoved(name.to_owned(), unit.path()));
        }
    }

    /// `systemctl daemon-reload`.
    pub fn daemon_reload(&self) {
        for begins in [true, false] {
            self.lock().announce(Signal::Reloading(begins));
        }
    }

    /// `systemctl restart`.
    pub fn restart(&self, name: &str) {
        self.stop(name);
        yield_now();
        self.start(name);
    }

    /// `systemctl reload`: a control process in the unit's cgroup, first a fork with systemd's privileges.
    pub fn reload(&self, name: &str) {
        let pid = {
            let mut model = self.lock();
            model.turn(name, "reloading", "reload");
            model.fork_control(name)
        };
        yield_now();
        self.lock().execute(pid, name);
        yield_now();
        let mut model = self.lock();
        model.processes.remove(&pid);
        if let Some(unit) = model.units.get_mut(name) {
            unit.control_pid = 0;
        }
        model.turn(name, "active", "running");
        model.announce_job(name);
    }

    /// The main process ends; systemd hears of it later.
    pub fn crash(&self, name: &str) {
        self.lock().kill(name);
        yield_now();
        self.lock().bury(name, "failed", "failed");
    }

    /// `systemctl set-property MemoryMax= TasksMax=`: both witnesses change within one turn of systemd's event loop.
    pub fn set_property(&self, name: &str, memory_max: u64, tasks_max: u64) {
        let mut model = self.lock();
        if let Some(unit) = model.units.get_mut(name) {
            unit.config.memory_max = memory_max;
            unit.config.tasks_max = tasks_max;
            if unit.group_id != 0 {
                unit.write_files();
            }
        }
    }

    /// Somebody writes into a file of the unit's cgroup, behind systemd's back.
    pub fn write(&self, name: &str, file: &str, content: &str) {
        if let Some(unit) = self.lock().units.get_mut(name) {
            unit.files.insert(file.into(), format!("{content}\n"));
        }
    }

    /// Somebody gives the main process what its unit takes away.
    pub fn unlock_main(&self, name: &str) {
        let mut model = self.lock();
        let main = model.units.get(name).map_or(0, |unit| unit.main_pid);
        if let Some(process) = model.processes.get_mut(&main) {
            process.no_new_privs = false;
        }
    }

    /// Somebody makes the kernel tell two stories of the main process's capabilities.
    pub fn make_kernel_lie(&self, name: &str) {
        let mut model = self.lock();
        let main = model.units.get(name).map_or(0, |unit| unit.main_pid);
        if let Some(process) = model.processes.get_mut(&main) {
            process.capget = Some(ALL_CAPABILITIES);
        }
    }
}

// === impl Model ===

impl Model {
    /// A restart in no time, for a test that holds the model.
    pub fn restart_at_once(&mut self, name: &str) {
        self.kill(name);
        self.bury(name, "inactive", "dead");
        self.make_group(name);
        self.fork_main(name);
        self.execute_main(name);
    }

    fn now(&mut self) -> u64 {
        self.ticks += 1;
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        u64::try_from(now.tv_sec).unwrap_or_default() * 1_000_000
            + u64::try_from(now.tv_nsec / 1000).unwrap_or_default()
    }

    fn turn(&mut self, name: &str, active_state: &str, sub_state: &str) {
        let now = self.now();
        if let Some(unit) = self.units.get_mut(name) {
            (unit.active_state, unit.sub_state) = (active_state.into(), sub_state.into());
            unit.state_change = now;
        }
        self.announce_states(name);
    }

    fn make_group(&mut self, name: &str) {
        self.turn(name, "activating", "start");
        self.next_inode += 1;
        let inode = self.next_inode;
        if let Some(unit) = self.units.get_mut(name) {
            unit.group_id = inode;
            unit.control_group = format!("/system.slice/{name}");
            unit.write_files();
        }
    }

    fn fork(&mut self, name: &str) -> u32 {
        self.now();
        self.next_pid += 1;
        let (pid, start) = (self.next_pid, self.ticks);
        if let Some(unit) = self.units.get(name) {
            let process = FakeProcess::forked(pid, start, &unit.control_group, &unit.config);
            self.processes.insert(pid, process);
        }
        pid
    }

    /// A service of `Type=simple` is active from the fork on.
    fn fork_main(&mut self, name: &str) {
        let pid = self.fork(name);
        self.turn(name, "active", "running");
        if let Some(unit) = self.units.get_mut(name) {
            unit.main_pid = pid;
            unit.active_enter = unit.state_change;
            unit.invocation = u128::from(pid).to_be_bytes();
        }
    }

    fn execute_main(&mut self, name: &str) {
        let main = self.units.get(name).map_or(0, |unit| unit.main_pid);
        self.execute(main, name);
    }

    fn fork_control(&mut self, name: &str) -> u32 {
        let pid = self.fork(name);
        if let Some(unit) = self.units.get_mut(name) {
            unit.control_pid = pid;
        }
        pid
    }

    fn execute(&mut self, pid: u32, name: &str) {
        if let (Some(process), Some(unit)) = (self.processes.get_mut(&pid), self.units.get(name)) {
            process.execute(&unit.config);
        }
    }

    fn kill(&mut self, name: &str) {
        let group = self.units.get(name).map(|unit| unit.control_group.clone()).unwrap_or_default();
        if !group.is_empty() {
            self.processes.retain(|_, process| process.cgroup != group);
        }
    }

    fn bury(&mut self, name: &str, active_state: &str, sub_state: &str) {
        self.turn(name, active_state, sub_state);
        if let Some(unit) = self.units.get_mut(name) {
            (unit.main_pid, unit.control_pid, unit.group_id) = (0, 0, 0);
            unit.control_group.clear();
            unit.files.clear();
        }
    }
}
