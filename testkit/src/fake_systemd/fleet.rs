//! A machine with many services.

use super::{Config, FakeSystemd};

/// A machine with `count` services that run since long ago, `app0.service` and so on, always the same: each has a
/// program of its own, every second one is hardened, every third has a second process, every fifth a limit of its own
/// and every tenth a network namespace.
pub fn fleet(count: usize) -> FakeSystemd {
    let systemd = FakeSystemd::new();
    for number in 0..count {
        let name = format!("app{number}.service");
        let plain = if number.is_multiple_of(2) { Config::hardened() } else { Config::default() };
        let megabytes = u64::try_from(number).unwrap_or_default() + 16;
        let config = Config {
            exec: vec![format!("/usr/lib/app{number}/daemon"), "--serve".into()],
            memory_max: if number.is_multiple_of(5) { megabytes << 20 } else { plain.memory_max },
            private_network: number.is_multiple_of(10),
            ..plain
        };
        systemd.add_service(&name, config);
        if number.is_multiple_of(3) {
            systemd.add_worker(&name);
        }
    }
    systemd
}
