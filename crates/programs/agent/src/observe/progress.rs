//! A sign of life on standard error while something takes long; none where nobody watches.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Shorter work needs no sign.
const STEP: Duration = Duration::from_secs(1);

/// Shows seconds until it is dropped.
pub(crate) struct Progress {
    done: Option<Sender<()>>,
    shown: Option<JoinHandle<()>>,
}

pub(crate) fn begin(what: &'static str) -> Progress {
    if !io::stderr().is_terminal() {
        return Progress { done: None, shown: None };
    }
    let (done, ended) = channel::<()>();
    let show = move || {
        let mut seconds = 0_u64;
        while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(STEP) {
            seconds += 1;
            let _ = write!(io::stderr(), "\r{what}, {seconds} s");
        }
        if seconds > 0 {
            // The line is blanked, not scrolled away: the report begins where the sign was.
            let _ = write!(io::stderr(), "\r{:width$}\r", "", width = what.len() + 24);
        }
    };
    let shown = thread::Builder::new().name("progress".to_owned()).spawn(show).ok();
    Progress { done: Some(done), shown }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.done = None;
        if let Some(shown) = self.shown.take() {
            // A thread that only writes does not panic; if it did, nothing would be lost.
            let _ = shown.join();
        }
    }
}
