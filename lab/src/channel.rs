//! The host's end of the lab's virtio-serial port: a request per line, an answer with its length.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::tool::POLL;

/// Longest answer that is accepted, in bytes.
const MAX_ANSWER: usize = 64 << 20;

/// Longest line that is accepted, in bytes.
const MAX_LINE: usize = 256;

/// The guest has booted and takes requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Ready {
    /// The kernel's random name for this boot.
    pub boot_id: String,
    /// Seconds since the kernel started, on the guest's clock.
    pub uptime: f64,
}

/// What a request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The exit status of what ran in the guest.
    pub status: i32,
    /// What it wrote, or the file's bytes.
    pub output: Vec<u8>,
}

impl Answer {
    /// The output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }
}

#[derive(Debug)]
pub(crate) struct Channel {
    stream: UnixStream,
    buffer: Vec<u8>,
}

impl Channel {
    /// Connects as soon as the socket is there.
    pub(crate) fn connect(path: &Path, limit: Duration) -> Result<Self> {
        let end = Instant::now() + limit;
        let stream = loop {
            match UnixStream::connect(path) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() >= end => {
                    return Err(error).with_context(|| format!("connecting to {}", path.display()));
                }
                Err(_) => std::thread::sleep(POLL),
            }
        };
        stream.set_read_timeout(Some(POLL))?;
        stream.set_write_timeout(Some(Duration::from_secs(10)))?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Waits for the line with which the guest announces itself.
    pub(crate) fn ready(&mut self, end: Instant) -> Result<Ready> {
        loop {
            let line = self.line(end)?;
            let mut words = line.split(' ');
            if let (Some("ready"), Some(boot_id), Some(uptime)) = (words.next(), words.next(), words.next()) {
                let uptime = uptime.parse().with_context(|| format!("the guest's line '{line}'"))?;
                return Ok(Ready { boot_id: boot_id.to_owned(), uptime });
            }
            // Anything else is the rest of an answer that a reboot cut off.
        }
    }

    /// Sends one request and waits for its answer.
    pub(crate) fn ask(&mut self, request: &str, end: Instant) -> Result<Answer> {
        if request.contains('\n') {
            bail!("a request is one line: {request:?}");
        }
        self.stream.write_all(format!("{request}\n").as_bytes()).context("sending a request to the guest")?;
        let line = self.line(end).with_context(|| format!("waiting for the answer to '{request}'"))?;
        let mut words = line.split(' ');
        let (Some("done"), Some(status), Some(length)) = (words.next(), words.next(), words.next()) else {
            bail!("the guest answered '{line}' to '{request}'");
        };
        let (status, length) = (status.parse()?, length.parse::<usize>()?);
        if length > MAX_ANSWER {
            bail!("the answer to '{request}' has {length} bytes; the limit is {MAX_ANSWER}");
        }
        while self.buffer.len() < length {
            self.fill(end).with_context(|| format!("{} of {length} bytes of '{request}'", self.buffer.len()))?;
        }
        let output = self.buffer.drain(..length).collect();
        Ok(Answer { status, output })
    }

    fn line(&mut self, end: Instant) -> Result<String> {
        loop {
            if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=at).collect();
                return Ok(String::from_utf8_lossy(&line[..at]).into_owned());
            }
            if self.buffer.len() > MAX_LINE {
                bail!("the guest sent {} bytes without a line feed", self.buffer.len());
            }
            self.fill(end)?;
        }
    }

    fn fill(&mut self, end: Instant) -> Result<()> {
        let mut chunk = [0; 16_384];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => bail!("the machine is off"),
                Ok(count) => {
                    self.buffer.extend_from_slice(&chunk[..count]);
                    return Ok(());
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if Instant::now() >= end {
                        bail!("the guest did not answer in time");
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("reading from the guest"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Channel, UnixStream) {
        let (stream, guest) = UnixStream::pair().unwrap();
        stream.set_read_timeout(Some(POLL)).unwrap();
        (Channel { stream, buffer: Vec::new() }, guest)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(200)
    }

    #[test]
    fn a_cut_answer_is_an_error_and_not_a_short_result() {
        let (mut channel, mut guest) = pair();
        guest.write_all(b"done 0 10\nonly").unwrap();
        let error = channel.ask("get /x", soon()).unwrap_err();
        assert!(format!("{error:#}").contains("4 of 10 bytes"), "{error:#}");
    }

    #[test]
    fn a_machine_that_goes_off_ends_the_wait_at_once() {
        let (mut channel, guest) = pair();
        drop(guest);
        let error = channel.ready(Instant::now() + Duration::from_secs(60)).unwrap_err();
        assert!(error.to_string().contains("off"), "{error:#}");
    }

    #[test]
    fn an_answer_holds_any_bytes() {
        let (mut channel, mut guest) = pair();
        guest.write_all(b"done 3 4\n\x00\n\xff\nready id 7.50\n").unwrap();
        let answer = channel.ask("run x", soon()).unwrap();
        assert_eq!(answer, Answer { status: 3, output: b"\x00\n\xff\n".to_vec() });
        assert_eq!(channel.ready(soon()).unwrap(), Ready { boot_id: "id".into(), uptime: 7.5 });
    }
}
