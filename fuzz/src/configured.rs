//! The files that systemd and its helpers apply at boot.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;

use avouch_pairs::Reading;
use avouch_systemd::configured;
use tempfile::TempDir;

/// One file of each kind, in the order of the parts of an input.
const FILES: [&str; 6] = [
    "etc/sysctl.d/50-fuzz.conf",
    "etc/tmpfiles.d/fuzz.conf",
    "etc/modules-load.d/fuzz.conf",
    "etc/selinux/config",
    "proc/cmdline",
    "etc/passwd",
];
/// Keys that patterns may mean.
const KEYS: [&str; 3] = ["net/ipv4/conf/eth0/rp_filter", "net/ipv4/conf/all/rp_filter", "kernel/kptr_restrict"];
/// Paths that lines of tmpfiles.d may name.
const PATHS: [&str; 3] = ["/var/lib/x", "/run/x/y", "/tmp"];

/// A root directory that is written anew for each input, as far as the input differs from the last one.
struct Root {
    folder: TempDir,
    written: [Option<Vec<u8>>; FILES.len()],
}

thread_local! {
    static ROOT: RefCell<Option<Root>> = const { RefCell::new(None) };
}

/// What the files say; parts of the input end at a zero byte, and of what is missing there is no file.
pub fn configured_files(data: &[u8]) -> bool {
    ROOT.with_borrow_mut(|root| {
        let root = root.get_or_insert_with(Root::new);
        root.write(data);
        let paths = PATHS.map(str::to_owned);
        let observation = configured(root.folder.path(), &paths);
        let mut values = 0_usize;
        for fact in observation.subjects.values().flat_map(|subject| subject.facts.values()) {
            assert!(fact.kernel == Reading::NotRead, "files say nothing of the kernel");
            values += usize::from(fact.orchestrator.value().is_some());
        }
        // An empty part states nothing and is read to its end as well; then there is nothing to see here.
        values > 0
    })
}

/// Files as machines have them.
pub(crate) fn files() -> Vec<Vec<u8>> {
    let parts: [&[u8]; FILES.len()] = [
        b"# a comment\n; another\nkernel.kptr_restrict = 1\n-net.ipv4.conf.*.rp_filter = 2\n-net.ipv4.conf.eth0.rp_filter\n\
          net/ipv4/conf/[a-e]*/rp_filter=1\n",
        b"d /var/lib/x 0750 user 7 - -\nz /run/x/* ~0640 - - -\nq \"/tmp\" 1777 root root 10d\nf /var/lib/%m 0600\n",
        b"# modules\nfuse\nloop\n",
        b"SELINUX=enforcing\nSELINUXTYPE=targeted\n#SELINUX=disabled\n",
        b"BOOT_IMAGE=/vmlinuz root=/dev/dm-0 roothash=\"00ff\" lsm=lockdown,ima modules-load=a,b apparmor=0 quiet\n",
        b"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n",
    ];
    let whole = parts.join(&0);
    let alone = (0..parts.len()).map(|kept| {
        let only: Vec<&[u8]> =
            parts.iter().enumerate().map(|(at, part)| if at == kept { *part } else { b"" }).collect();
        only.join(&0)
    });
    std::iter::once(whole).chain(alone).collect()
}

// === impl Root ===

impl Root {
    fn new() -> Self {
        // In memory where that is possible: a file that is emptied and written anew is flushed by some file systems.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder of its own");
        let made = FILES.map(PathBuf::from).into_iter().chain(KEYS.map(|key| PathBuf::from("proc/sys").join(key)));
        for file in made {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder");
            fs::write(path, "").expect("a file");
        }
        Self { folder, written: Default::default() }
    }

    fn write(&mut self, data: &[u8]) {
        let mut parts = data.splitn(FILES.len(), |byte| *byte == 0);
        for (file, written) in FILES.iter().zip(&mut self.written) {
            let part = parts.next();
            if part == written.as_deref() && part.is_some() {
                continue;
            }
            let path = self.folder.path().join(file);
            match part {
                Some(part) => fs::write(path, part).expect("a file"),
                None => drop(fs::remove_file(path)),
            }
            *written = part.map(<[u8]>::to_vec);
        }
    }
}
