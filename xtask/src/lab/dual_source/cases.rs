//! What is done to the guest's units, and what must be found: all of it, and nothing beside it.

/// One way of tampering with units that nothing else in its wave touches.
#[derive(Debug)]
pub(super) struct Case {
    /// Its name in the output.
    pub(super) name: &'static str,
    /// Rows of the acceptance suite that it stands for.
    pub(super) rows: &'static [&'static str],
    /// What is done, for the guest's shell. Exit status 77: this guest cannot do it, and says why.
    pub(super) tamper: &'static str,
    /// How it is undone.
    pub(super) restore: &'static str,
    /// Every finding that it must lead to: subject and code. A subject that ends in `*` stands for what begins so.
    pub(super) findings: &'static [(&'static str, &'static str)],
    /// Pairs that are shown with a note and are no findings: subject, attribute and verdict.
    pub(super) shows: &'static [(&'static str, &'static str, &'static str)],
    /// What some of the findings must name as probable cause: subject, code and hint.
    pub(super) causes: &'static [(&'static str, &'static str, &'static str)],
}

impl Case {
    /// What most cases have none of.
    const PLAIN: Self = Self { name: "", rows: &[], tamper: "", restore: "", findings: &[], shows: &[], causes: &[] };
}

/// Cases that are done together, seen in one pass and undone together.
#[derive(Debug)]
pub(super) struct Wave {
    /// Its name; scripts carry it.
    pub(super) name: &'static str,
    /// In the order in which they are done: loading unit files again heals what was written past systemd, so what needs
    /// it comes first.
    pub(super) cases: &'static [Case],
}

/// The waves that are judged without an intent.
pub(super) const WAVES: &[Wave] = &[Wave { name: "units", cases: UNITS }, Wave { name: "views", cases: VIEWS }];

const UNITS: &[Case] = &[
    Case {
        name: "t6-stale-settings",
        tamper: "drop_in t-stale-nnp.service NoNewPrivileges=yes
drop_in t-stale-caps.service CapabilityBoundingSet=CAP_KILL
drop_in t-stale-system.service ProtectSystem=strict
drop_in t-stale-filter.service SystemCallFilter=@system-service
drop_in t-stale-net.service PrivateNetwork=yes
systemctl daemon-reload",
        restore: "systemctl restart t-stale-nnp t-stale-caps t-stale-system t-stale-filter t-stale-net",
        findings: &[
            ("unit:t-stale-nnp.service", "V5.no_new_privs.pending_restart"),
            ("unit:t-stale-caps.service", "V8.cap.bounding.pending_restart"),
            ("unit:t-stale-system.service", "V6.protect_system.pending_restart"),
            ("unit:t-stale-system.service", "V7.ns.mnt.pending_restart"),
            ("unit:t-stale-filter.service", "V5.system_call_filter.pending_restart"),
            ("unit:t-stale-net.service", "V7.ns.net.pending_restart"),
        ],
        ..Case::PLAIN
    },
    Case {
        name: "drop-in-not-loaded",
        rows: &["d5"],
        tamper: "drop_in t-unloaded.service NoNewPrivileges=yes",
        restore: "rm -r /run/systemd/system/t-unloaded.service.d; systemctl daemon-reload; systemctl restart t-unloaded",
        findings: &[("unit:t-unloaded.service", "V14.unit_freshness.pending_restart")],
        ..Case::PLAIN
    },
    Case {
        name: "swallowed-error",
        rows: &["d2"],
        tamper: "systemctl start t-swallowed",
        restore: "systemctl stop t-swallowed",
        findings: &[("unit:t-swallowed.service", "V4.cpuset.cpus.kernel_weaker")],
        causes: &[("unit:t-swallowed.service", "V4.cpuset.cpus.kernel_weaker", "swallowed_error")],
        ..Case::PLAIN
    },
    Case {
        name: "option-without-effect",
        rows: &["d3"],
        tamper: "systemctl start t-unsupported",
        restore: "systemctl stop t-unsupported",
        findings: &[("unit:t-unsupported.service", "V10.socket_bind_filter.kernel_missing")],
        ..Case::PLAIN
    },
    Case {
        name: "t1-cgroup-overwrite",
        rows: &["d1"],
        tamper: "cd \"$(cgroup t-limits.service)\"
for file in memory.max memory.high memory.swap.max cpu.max pids.max; do echo max >$file; done
echo 10000 >cpu.weight
echo 0-1 >cpuset.cpus
echo max >\"$(cgroup t-four.service)/memory.max\"
[ \"$(systemctl show --property MemoryMax --value t-four.service)\" = 4294967296 ]",
        restore: "systemctl daemon-reload",
        findings: &[
            ("unit:t-limits.service", "V4.memory.max.kernel_weaker"),
            ("unit:t-limits.service", "V4.memory.high.kernel_weaker"),
            ("unit:t-limits.service", "V4.memory.swap.max.kernel_weaker"),
            ("unit:t-limits.service", "V4.cpu.max.kernel_weaker"),
            ("unit:t-limits.service", "V4.cpu.weight.kernel_weaker"),
            ("unit:t-limits.service", "V4.pids.max.kernel_weaker"),
            ("unit:t-limits.service", "V4.cpuset.cpus.kernel_weaker"),
            ("unit:t-four.service", "V4.memory.max.kernel_weaker"),
        ],
        causes: &[("unit:t-four.service", "V4.memory.max.kernel_weaker", "direct_write")],
        ..Case::PLAIN
    },
    Case {
        name: "t2-process-limits",
        tamper: "pid=$(main_pid t-proc.service)
prlimit --pid $pid --nofile=500000:500000
echo -1000 >/proc/$pid/oom_score_adj
renice --priority -20 --pid $pid",
        restore: "pid=$(main_pid t-proc.service)
prlimit --pid $pid --nofile=1000:2000
echo -100 >/proc/$pid/oom_score_adj
renice --priority 5 --pid $pid",
        findings: &[
            ("unit:t-proc.service", "V4.rlimit.nofile.kernel_weaker"),
            ("unit:t-proc.service", "V4.oom_score_adj.kernel_weaker"),
            ("unit:t-proc.service", "V4.nice.kernel_weaker"),
        ],
        ..Case::PLAIN
    },
    Case {
        name: "t3-bpf-detached",
        tamper: "need bpftool
group=$(cgroup t-bpf.service)
bpftool cgroup show \"$group\" | while read -r id type _; do
    case $id in *[!0-9]*) continue ;; esac
    bpftool cgroup detach \"$group\" \"$type\" id \"$id\"
done
[ -z \"$(bpftool cgroup show \"$group\" | grep '^[0-9]')\" ]",
        restore: "systemctl daemon-reload",
        findings: &[
            ("unit:t-bpf.service", "V10.ip_address_filter.kernel_missing"),
            ("unit:t-bpf.service", "V6.device_policy.kernel_missing"),
        ],
        ..Case::PLAIN
    },
    Case {
        name: "t4-child-moved",
        rows: &["d6"],
        tamper: "mkdir -p /sys/fs/cgroup/escape
child=$(grep -v \"^$(main_pid t-forking.service)$\" \"$(cgroup t-forking.service)/cgroup.procs\" | head -n 1)
echo $child >/run/lab/child
into $child /sys/fs/cgroup/escape",
        restore: "into \"$(lingering child)\" \"$(cgroup t-forking.service)\"",
        findings: &[("host", "V13.stray_processes.unmanaged")],
        ..Case::PLAIN
    },
    Case {
        name: "t4-main-process-moved",
        rows: &["d6"],
        tamper: "mkdir -p /sys/fs/cgroup/escape
into \"$(main_pid t-escape.service)\" /sys/fs/cgroup/escape",
        restore: "into \"$(main_pid t-escape.service)\" /sys/fs/cgroup/system.slice/t-escape.service",
        findings: &[("unit:t-escape.service", "V4.cgroup.main.kernel_weaker")],
        ..Case::PLAIN
    },
    Case {
        name: "t5-process-injected",
        rows: &["d7"],
        tamper: "for unit in nnp caps filter; do
    linger injected-$unit sleep 99999
    into \"$(lingering injected-$unit)\" \"$(cgroup t-$unit.service)\"
done",
        restore: "for unit in nnp caps filter; do kill \"$(lingering injected-$unit)\"; done",
        findings: &[
            ("unit:t-nnp.service", "V5.no_new_privs.kernel_weaker"),
            ("unit:t-caps.service", "V8.cap.bounding.kernel_weaker"),
            ("unit:t-filter.service", "V5.system_call_filter.kernel_missing"),
        ],
        ..Case::PLAIN
    },
    Case {
        name: "t7-apparmor",
        rows: &["d4"],
        tamper: "need apparmor_parser
apparmor_parser --skip-cache --Complain --replace /job/t-profile
apparmor_parser --remove /job/t-profile-gone",
        restore: "apparmor_parser --skip-cache --replace /job/t-profile /job/t-profile-gone
systemctl restart t-aa-gone",
        findings: &[
            ("unit:t-aa.service", "V9.apparmor.profile.kernel_weaker"),
            ("unit:t-aa-gone.service", "V9.apparmor.profile.kernel_missing"),
        ],
        ..Case::PLAIN
    },
    Case {
        name: "t8-remounted-writable",
        tamper: "nsenter --target \"$(main_pid t-system.service)\" --mount mount -o remount,bind,rw /",
        restore: "nsenter --target \"$(main_pid t-system.service)\" --mount mount -o remount,bind,ro /",
        findings: &[("unit:t-system.service", "V6.protect_system.kernel_weaker")],
        ..Case::PLAIN
    },
    Case {
        name: "t9-private-tmp-unmounted",
        tamper: "nsenter --target \"$(main_pid t-tmp.service)\" --mount umount /tmp",
        restore: "systemctl restart t-tmp",
        findings: &[("unit:t-tmp.service", "V6.private_tmp.kernel_missing")],
        ..Case::PLAIN
    },
    Case {
        name: "t10-veth-in-private-network",
        tamper: "need ip
modprobe veth
ip link add t-veth0 type veth peer name t-veth1 netns \"$(main_pid t-net.service)\"",
        restore: "ip link delete t-veth0",
        findings: &[("unit:t-net.service", "V7.net.devices.unmanaged")],
        ..Case::PLAIN
    },
    Case {
        name: "t11-frozen",
        tamper: "echo 1 >\"$(cgroup t-frozen.service)/cgroup.freeze\"",
        restore: "echo 0 >\"$(cgroup t-frozen.service)/cgroup.freeze\"",
        findings: &[("unit:t-frozen.service", "V4.cgroup.freeze.unmanaged")],
        ..Case::PLAIN
    },
    Case {
        name: "t12-controller-removed",
        tamper: "group=$(cgroup t-child.service)
echo -memory >\"${group%/*}/cgroup.subtree_control\"
[ ! -e \"$group/memory.max\" ]",
        restore: "systemctl daemon-reload; [ -e \"$(cgroup t-child.service)/memory.max\" ]",
        findings: &[("unit:t-child.service", "V4.memory.max.kernel_missing")],
        ..Case::PLAIN
    },
    Case {
        name: "stray-listener",
        rows: &["d8"],
        tamper: "mkdir -p /sys/fs/cgroup/escape
linger listener busybox nc -l -p 31337
into \"$(lingering listener)\" /sys/fs/cgroup/escape
sleep 0.3",
        restore: "kill \"$(lingering listener)\"",
        findings: &[("listener:tcp:[::]:31337", "V10.listener.unmanaged")],
        ..Case::PLAIN
    },
    Case {
        name: "stray-listener-in-another-network",
        rows: &["d8"],
        tamper: "mkdir -p /sys/fs/cgroup/escape
linger hidden unshare --net busybox nc -l -p 31338
into \"$(lingering hidden)\" /sys/fs/cgroup/escape
sleep 0.3",
        restore: "kill \"$(lingering hidden)\"",
        findings: &[("listener:tcp:[::]:31338@*", "V10.listener.unmanaged"), ("host", "V7.ns.unmanaged.unmanaged")],
        ..Case::PLAIN
    },
    Case {
        name: "socket-held-after-its-unit-stopped",
        rows: &["d8"],
        tamper: "systemctl stop t-sock.socket; systemctl is-active t-sock.service",
        restore: "systemctl stop t-sock.service; systemctl start t-sock.socket t-sock.service",
        // A unit's process holds it: nobody declared it, which only an intent makes a finding.
        shows: &[("listener:tcp:127.0.0.1:7777", "listener", "not_configured")],
        ..Case::PLAIN
    },
];

const VIEWS: &[Case] = &[
    Case {
        name: "mount-over-system-files",
        // Units see it as well: a writable one would also undo their ProtectSystem=.
        tamper: "mount -t tmpfs -o ro none /usr/local",
        restore: "umount /usr/local",
        findings: &[("host", "V2.overmounts.unmanaged")],
        ..Case::PLAIN
    },
    Case {
        name: "t13-mounts-over-what-is-read",
        rows: &["d11"],
        tamper: "echo 67108864 >/run/lab/fake
mount --bind /run/lab/fake \"$(cgroup t-view-file.service)/memory.max\"
mount --bind /run/lab/fake /proc/$(main_pid t-view-status.service)/status
mount --bind \"$(cgroup t-roomy.service)/memory.max\" \"$(cgroup t-view-same.service)/memory.max\"
mount -t tmpfs none \"$(cgroup t-view-dir.service)\"",
        restore: "umount \"$(cgroup t-view-file.service)/memory.max\"
umount /proc/$(main_pid t-view-status.service)/status
umount \"$(cgroup t-view-same.service)/memory.max\"
umount \"$(cgroup t-view-dir.service)\"",
        findings: &[("host", "V14.view.kernel_weaker")],
        ..Case::PLAIN
    },
];
