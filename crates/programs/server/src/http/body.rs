//! Reading request bodies within bounds of size, time and memory.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::refusal::Refused;

/// Time for a body of no length.
const BODY_BASE: Duration = Duration::from_secs(10);
/// Slowest sender that is waited for, in bytes per second: the time for a body grows with what its route allows.
const SLOWEST_BYTES_PER_SECOND: u64 = 256 * 1024;
/// Bodies up to this size are too small to be counted against the memory budget: the connection limit bounds them.
const UNCOUNTED_BYTES: usize = 64 * 1024;
/// Bytes of a refused request that are read and thrown away.
const DRAINED_BYTES: usize = 512 * 1024;
/// Time for that.
const DRAINED_TIME: Duration = Duration::from_secs(1);
/// Unit of the memory budget.
const BUDGET_UNIT: usize = 64 * 1024;

/// Memory that request bodies may fill together.
#[derive(Clone, Debug)]
pub(crate) struct BodyBudget(Arc<Semaphore>);

/// A body that was read whole, and its share of the budget until the last copy is dropped.
#[derive(Clone, Debug)]
pub(crate) struct HeldBody {
    bytes: Bytes,
    _share: Option<Arc<OwnedSemaphorePermit>>,
}

impl Deref for HeldBody {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl BodyBudget {
    pub(crate) fn new(mib: usize) -> Self {
        Self(Arc::new(Semaphore::new((mib.saturating_mul(1024 * 1024) / BUDGET_UNIT).min(Semaphore::MAX_PERMITS))))
    }

    /// Reads at most `limit` bytes. Memory is reserved as bytes come, never as a length is announced, and a body that
    /// finds none is refused instead of waiting: waiting bodies would hold what they have and wait for each other.
    pub(crate) async fn read(&self, headers: &HeaderMap, body: &mut Body, limit: usize) -> Result<HeldBody, Refused> {
        if announced(headers).is_some_and(|length| length > u64::try_from(limit).unwrap_or(u64::MAX)) {
            return Err(too_large(limit));
        }
        let seconds = u64::try_from(limit).unwrap_or(u64::MAX) / SLOWEST_BYTES_PER_SECOND;
        let deadline = Instant::now() + BODY_BASE + Duration::from_secs(seconds);
        timeout_at(deadline, self.collect(body, limit)).await.map_err(|_| too_slow())?
    }

    async fn collect(&self, body: &mut Body, limit: usize) -> Result<HeldBody, Refused> {
        let mut first = Bytes::new();
        let mut rest = Vec::new();
        let mut share: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| broken_off())?.into_data() else { continue };
            let length = first.len() + rest.len() + data.len();
            if length > limit {
                return Err(too_large(limit));
            }
            self.reserve(&mut share, length)?;
            if first.is_empty() && rest.is_empty() {
                first = data;
            } else {
                rest.extend_from_slice(&std::mem::take(&mut first));
                rest.extend_from_slice(&data);
            }
        }
        let bytes = if rest.is_empty() { first } else { Bytes::from(rest) };
        Ok(HeldBody { bytes, _share: share.map(Arc::new) })
    }

    fn reserve(&self, share: &mut Option<OwnedSemaphorePermit>, length: usize) -> Result<(), Refused> {
        if length <= UNCOUNTED_BYTES {
            return Ok(());
        }
        let held = share.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = u32::try_from(length.div_ceil(BUDGET_UNIT).saturating_sub(held)).unwrap_or(u32::MAX);
        if missing == 0 {
            return Ok(());
        }
        let more = self.0.clone().try_acquire_many_owned(missing).map_err(|_| no_memory())?;
        match share {
            Some(share) => share.merge(more),
            None => *share = Some(more),
        }
        Ok(())
    }
}

/// Reads on, within small bounds, what a refused request still sends: a client that is cut off while it writes never
/// sees why.
pub(crate) async fn drain(body: &mut Body) {
    let reading = async {
        let mut left = DRAINED_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    let _ = timeout(DRAINED_TIME, reading).await;
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(limit: usize) -> Refused {
    Refused::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "TOO_LARGE",
        format!("The body is larger than the {limit} bytes that this route takes."),
        "Send less; a node with a longer IMA list needs a narrower IMA policy or a reboot.",
    )
}

fn too_slow() -> Refused {
    Refused::new(
        StatusCode::REQUEST_TIMEOUT,
        "TOO_SLOW",
        "The body did not arrive in the time that its size allows.",
        "Try again over a better connection.",
    )
    .retry(10)
}

fn broken_off() -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, "BROKEN_OFF", "The body broke off.", "Send the request again.").retry(5)
}

fn no_memory() -> Refused {
    Refused::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "SERVER_BUSY",
        "Other large bodies fill the memory that this server gives to them.",
        "Come again later; an operator may raise `body_memory_mib`.",
    )
    .retry(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Comes in the given pieces, then either ends or stays silent.
    struct Pieces {
        left: Vec<usize>,
        ends: bool,
    }

    impl hyper::body::Body for Pieces {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
            match self.left.pop() {
                Some(length) => std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(vec![7; length].into())))),
                None if self.ends => std::task::Poll::Ready(None),
                None => std::task::Poll::Pending,
            }
        }
    }

    fn body(pieces: &[usize]) -> Body {
        // Taken from the end.
        Body::new(Pieces { left: pieces.iter().rev().copied().collect(), ends: true })
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_read_whole_up_to_the_limit() {
        let budget = BodyBudget::new(1);
        let held = budget.read(&HeaderMap::new(), &mut body(&[3, 4, 3]), 10).await.unwrap();
        assert_eq!(held.bytes, vec![7; 10]);
        let refused = budget.read(&HeaderMap::new(), &mut body(&[3, 4, 4]), 10).await.unwrap_err();
        assert_eq!(refused.code, "TOO_LARGE");
    }

    #[tokio::test]
    async fn an_announced_length_beyond_the_limit_is_refused_unread() {
        let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, "11".parse().unwrap())]);
        let refused = BodyBudget::new(1).read(&headers, &mut body(&[1]), 10).await.unwrap_err();
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn large_bodies_share_one_budget_and_give_it_back() {
        let budget = BodyBudget::new(1);
        let chunks = [512 * 1024, 256 * 1024];
        let held = budget.read(&HeaderMap::new(), &mut body(&chunks), 1 << 20).await.unwrap();
        let refused = budget.read(&HeaderMap::new(), &mut body(&chunks), 1 << 20).await.unwrap_err();
        assert_eq!((refused.code, refused.retry_in), ("SERVER_BUSY", Some(10)));
        drop(held);
        budget.read(&HeaderMap::new(), &mut body(&chunks), 1 << 20).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_comes_is_given_up() {
        let mut stalled = Body::new(Pieces { left: vec![3], ends: false });
        let refused = BodyBudget::new(1).read(&HeaderMap::new(), &mut stalled, 10).await.unwrap_err();
        assert_eq!(refused.code, "TOO_SLOW");
    }
}
