//! Callers of the local attestor API: connections that are kept, and requests at fixed times.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(40);

/// A connection.
pub(crate) struct Caller {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What callers saw.
pub(crate) struct Seen {
    /// Of each request, from when it was due to the last byte of its answer.
    pub(crate) times: Vec<Duration>,
    /// Between the first request and the last answer.
    pub(crate) elapsed: Duration,
}

// === impl Caller ===

impl Caller {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// The status of the answer, once it came whole.
    pub(crate) fn ask(&mut self, method: &str, path: &str, token: &str) -> Result<u16> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
        );
        self.stream.write_all(request.as_bytes())?;
        self.answer()
    }

    fn answer(&mut self) -> Result<u16> {
        self.buffer.clear();
        let mut piece = [0; 4096];
        loop {
            let count = self.stream.read(&mut piece)?;
            ensure!(count > 0, "the connection was ended");
            self.buffer.extend_from_slice(piece.get(..count).unwrap_or_default());
            let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let head = std::str::from_utf8(self.buffer.get(..at).unwrap_or_default())?;
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.context("an answer with its length")?.parse()?;
            if self.buffer.len() >= at + 4 + length {
                return head.split(' ').nth(1).context("a status")?.parse().context("a status in digits");
            }
        }
    }
}

/// Asks for `path` `rate` times a second during `slice`, the callers in turn. Every answer must be 200.
pub(crate) fn ask_at(rate: u32, slice: Duration, callers: Vec<Caller>, path: &str, token: &str) -> Result<Seen> {
    let begun = Instant::now();
    let step = Duration::from_secs(1) / rate;
    let count = u32::try_from(callers.len())?;
    let times: Result<Vec<Vec<Duration>>> = thread::scope(|scope| {
        let run = |(number, mut caller): (u32, Caller)| {
            scope
                .spawn(move || one_caller(&mut caller, begun + step * number, step * count, begun + slice, path, token))
        };
        let threads: Vec<_> = (0..).zip(callers).map(run).collect();
        let joined = threads.into_iter().map(|thread| match thread.join() {
            Ok(times) => times,
            Err(_) => bail!("a caller panicked"),
        });
        joined.collect()
    });
    Ok(Seen { times: times?.concat(), elapsed: begun.elapsed() })
}

fn one_caller(
    caller: &mut Caller,
    first: Instant,
    step: Duration,
    end: Instant,
    path: &str,
    token: &str,
) -> Result<Vec<Duration>> {
    let (mut due, mut times) = (first, Vec::new());
    while due < end {
        let wait = due.saturating_duration_since(Instant::now());
        // A request that was due while the one before was still waited for counts from then; one that was only slept
        // for too long is the generator's own lateness.
        let from = if wait.is_zero() {
            due
        } else {
            thread::sleep(wait);
            Instant::now()
        };
        let status = caller.ask("GET", path, token)?;
        ensure!(status == 200, "{path} was answered with {status}");
        times.push(from.elapsed());
        due += step;
    }
    Ok(times)
}
