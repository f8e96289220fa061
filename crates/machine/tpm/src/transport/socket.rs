//! The command socket of a software TPM: a stream of bytes, so the header is read first and then the rest.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use avouch_tpm_wire::{HEADER, MAX_FRAME};

use super::{Transport, TransportError};

/// Longest wait for one response: a software TPM needs milliseconds, an RSA key on a loaded machine seconds.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Longest wait for a TCP connection to one address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to swtpm (`swtpm socket --server type=unixio|tcp`).
#[derive(Debug)]
pub struct SwtpmTransport {
    stream: Stream,
    timeout: Duration,
    broken: bool,
}

#[derive(Debug)]
enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl SwtpmTransport {
    /// Connects to `unix:PATH` or `tcp:HOST:PORT`.
    ///
    /// # Errors
    /// [`TransportError::Spec`] for another form, [`TransportError::Open`] when nothing listens there.
    pub fn connect(spec: &str) -> Result<Self, TransportError> {
        if let Some(path) = spec.strip_prefix("unix:") {
            return Self::unix(Path::new(path));
        }
        let address = spec.strip_prefix("tcp:").ok_or_else(|| TransportError::Spec { spec: spec.to_owned() })?;
        let open = |source| TransportError::Open { path: address.into(), source };
        let mut last = io::Error::from(ErrorKind::AddrNotAvailable);
        for address in address.to_socket_addrs().map_err(open)? {
            match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                Ok(stream) => {
                    // A command is one small write; waiting for more to send would only add to each round.
                    stream.set_nodelay(true)?;
                    return Ok(Self::new(Stream::Tcp(stream)));
                }
                Err(error) => last = error,
            }
        }
        Err(open(last))
    }

    pub(super) fn unix(path: &Path) -> Result<Self, TransportError> {
        let stream =
            UnixStream::connect(path).map_err(|source| TransportError::Open { path: path.to_owned(), source })?;
        Ok(Self::new(Stream::Unix(stream)))
    }

    /// The same connection with another limit for one command.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn new(stream: Stream) -> Self {
        Self { stream, timeout: TIMEOUT, broken: false }
    }

    fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let deadline = Instant::now() + self.timeout;
        self.send(command, deadline)?;
        let mut response = vec![0; HEADER];
        self.fill(&mut response, deadline)?;
        let size = match response.first_chunk::<HEADER>() {
            Some([_, _, a, b, c, d, ..]) => u32::from_be_bytes([*a, *b, *c, *d]) as usize,
            None => 0,
        };
        if !(HEADER..=MAX_FRAME).contains(&size) {
            return Err(TransportError::Size { got: size as u64 });
        }
        response.resize(size, 0);
        self.fill(&mut response[HEADER..], deadline)?;
        Ok(response)
    }

    fn send(&mut self, mut command: &[u8], deadline: Instant) -> Result<(), TransportError> {
        while !command.is_empty() {
            let left = self.left(deadline)?;
            let written = match &mut self.stream {
                Stream::Unix(stream) => stream.set_write_timeout(Some(left)).and_then(|()| stream.write(command)),
                Stream::Tcp(stream) => stream.set_write_timeout(Some(left)).and_then(|()| stream.write(command)),
            };
            let count = self.progress(written)?.ok_or(TransportError::Closed)?;
            command = command.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    fn fill(&mut self, buffer: &mut [u8], deadline: Instant) -> Result<(), TransportError> {
        let mut filled = 0;
        while filled < buffer.len() {
            let left = self.left(deadline)?;
            let rest = &mut buffer[filled..];
            let read = match &mut self.stream {
                Stream::Unix(stream) => stream.set_read_timeout(Some(left)).and_then(|()| stream.read(rest)),
                Stream::Tcp(stream) => stream.set_read_timeout(Some(left)).and_then(|()| stream.read(rest)),
            };
            filled += self.progress(read)?.ok_or(TransportError::Closed)?;
        }
        Ok(())
    }

    fn left(&self, deadline: Instant) -> Result<Duration, TransportError> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(TransportError::Timeout(self.timeout)) } else { Ok(left) }
    }

    /// `None` at the end of the stream; 0 bytes for an interrupted call, which is simply repeated.
    fn progress(&self, moved: io::Result<usize>) -> Result<Option<usize>, TransportError> {
        match moved {
            Ok(0) => Ok(None),
            Ok(count) => Ok(Some(count)),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(Some(0)),
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
                Err(TransportError::Timeout(self.timeout))
            }
            Err(error) if [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].contains(&error.kind()) => {
                Err(TransportError::Closed)
            }
            Err(error) => Err(TransportError::Io(error)),
        }
    }
}

impl Transport for SwtpmTransport {
    fn transact(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        if self.broken {
            return Err(TransportError::Broken);
        }
        let response = self.exchange(command);
        self.broken = response.is_err();
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(timeout: Duration) -> (SwtpmTransport, UnixStream) {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        (SwtpmTransport::new(Stream::Unix(ours)).with_timeout(timeout), theirs)
    }

    #[test]
    fn response_is_read_across_its_pieces() {
        let (mut transport, mut tpm) = pair(Duration::from_secs(10));
        let tpm = std::thread::spawn(move || {
            let mut command = [0; 12];
            tpm.read_exact(&mut command).expect("a command");
            for byte in [0x80, 1, 0, 0, 0, 12, 0, 0, 0, 0, 7, 8] {
                tpm.write_all(&[byte]).expect("a piece of the response");
            }
        });
        let response = transport.transact(&[0x80; 12]).expect("a response");
        assert_eq!(response, [0x80, 1, 0, 0, 0, 12, 0, 0, 0, 0, 7, 8]);
        tpm.join().expect("the other end");
    }

    #[test]
    fn half_a_response_times_out_and_breaks_the_connection() {
        let (mut transport, mut tpm) = pair(Duration::from_millis(20));
        tpm.write_all(&[0x80, 1, 0, 0]).expect("half a header");
        assert!(matches!(transport.transact(&[0; 10]), Err(TransportError::Timeout(_))));
        assert!(matches!(transport.transact(&[0; 10]), Err(TransportError::Broken)));
    }

    #[test]
    fn endless_response_is_refused_by_its_header() {
        for size in [0_u32, 9, 4097, u32::MAX] {
            let (mut transport, mut tpm) = pair(Duration::from_secs(10));
            let [a, b, c, d] = size.to_be_bytes();
            tpm.write_all(&[0x80, 1, a, b, c, d, 0, 0, 0, 0]).expect("a header");
            assert!(matches!(transport.transact(&[0; 10]), Err(TransportError::Size { .. })), "{size}");
        }
    }

    #[test]
    fn closed_connection_is_told() {
        let (mut transport, tpm) = pair(Duration::from_secs(10));
        drop(tpm);
        assert!(matches!(transport.transact(&[0; 10]), Err(TransportError::Closed)));
    }

    #[test]
    fn unknown_spec_is_told_with_the_known_ones() {
        let error = super::super::open("swtpm").err().expect("no such form").to_string();
        assert!(error.contains("unix:PATH"), "{error}");
        assert!(matches!(super::super::open("unix:/nonexistent/socket"), Err(TransportError::Open { .. })));
        assert!(matches!(super::super::open("/nonexistent/tpm"), Err(TransportError::Open { .. })));
    }
}
