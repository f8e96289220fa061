//! Who may ask.

use hyper::header::{AUTHORIZATION, HeaderMap};
use rustix::process::geteuid;

use super::SharedSecret;

/// Who may ask for more than `/health`.
#[derive(Debug, Default)]
pub struct Access {
    /// Whoever presents it may; nobody where there is none that can be relied on.
    pub token: SharedSecret,
    /// Users who may on the Unix socket, beside root and the user of this process.
    pub uids: Vec<u32>,
    /// Groups whose members may on the Unix socket; only the primary group of a peer counts.
    pub gids: Vec<u32>,
}

/// The process at the other end of a Unix socket when it connected, as the kernel knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) pid: i32,
}

/// Why somebody may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// Nothing identifies the caller.
    Forbidden,
    /// There is no token, so nobody can identify themselves on this socket.
    NoToken,
}

// === impl Access ===

impl Access {
    pub(super) fn check(&self, peer: Option<Peer>, headers: &HeaderMap) -> Result<(), Denied> {
        if peer.is_some_and(|peer| self.knows(peer)) {
            return Ok(());
        }
        match self.token.current() {
            Some(token) if bearer(headers).is_some_and(|presented| token.is(presented)) => Ok(()),
            // On the Unix socket a peer can be listed instead.
            None if peer.is_none() => Err(Denied::NoToken),
            _ => Err(Denied::Forbidden),
        }
    }

    /// Whether `peer` may ask because of who it is.
    pub(super) fn knows(&self, peer: Peer) -> bool {
        peer.is_master() || self.uids.contains(&peer.uid) || self.gids.contains(&peer.gid)
    }
}

// === impl Peer ===

impl Peer {
    /// Root, or the user of this process: who could do what is asked without asking. Services that only depend on
    /// the state are not.
    pub(super) fn is_master(self) -> bool {
        self.uid == 0 || self.uid == geteuid().as_raw()
    }
}

/// The credentials of the one Authorization header of scheme Bearer (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return None };
    let (scheme, credentials) = value.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(credentials)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::super::Secret;
    use super::*;

    const TOKEN: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn access(with_token: bool) -> Access {
        let token = Secret::parse(TOKEN.as_bytes()).filter(|_| with_token);
        Access { token: token.into(), uids: vec![4_000], gids: vec![5_000] }
    }

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_str(value).unwrap())).collect()
    }

    fn peer(uid: u32, gid: u32) -> Option<Peer> {
        Some(Peer { uid, gid, pid: 1 })
    }

    #[test]
    fn the_token_opens_under_its_scheme_alone() {
        let check = |values: &[&str]| access(true).check(None, &headers(values));
        for good in [format!("Bearer {TOKEN}"), format!("bearer {TOKEN}")] {
            assert_eq!(check(&[&good]), Ok(()), "{good}");
        }
        let bad = [
            TOKEN.to_owned(),
            String::new(),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            format!("Basic {TOKEN}"),
            format!("Bearer  {TOKEN}"),
            format!("Bearer {TOKEN}0"),
            format!("Bearer {}", &TOKEN[1..]),
            format!("Bearer {}", TOKEN.to_uppercase()),
        ];
        for bad in bad {
            assert_eq!(check(&[&bad]), Err(Denied::Forbidden), "{bad}");
        }
        assert_eq!(check(&[]), Err(Denied::Forbidden));
        let good = format!("Bearer {TOKEN}");
        assert_eq!(check(&[&good, &good]), Err(Denied::Forbidden), "two headers leave open which one counts");
    }

    #[test]
    fn without_a_token_nobody_is_let_in_over_tcp() {
        let presented = headers(&[&format!("Bearer {TOKEN}")]);
        assert_eq!(access(false).check(None, &presented), Err(Denied::NoToken));
        assert_eq!(access(false).check(None, &HeaderMap::new()), Err(Denied::NoToken));
    }

    #[test]
    fn a_renewed_token_takes_the_place_of_the_old_one() {
        let (access, other) = (access(true), TOKEN.replace('f', "e"));
        access.token.clone().renew(Secret::parse(other.as_bytes()).unwrap());
        assert_eq!(access.check(None, &headers(&[&format!("Bearer {TOKEN}")])), Err(Denied::Forbidden));
        assert_eq!(access.check(None, &headers(&[&format!("Bearer {other}")])), Ok(()));
    }

    #[test]
    fn peers_are_known_by_user_or_primary_group() {
        let nothing = HeaderMap::new();
        for known in [peer(0, 9), peer(geteuid().as_raw(), 9), peer(4_000, 9), peer(9, 5_000)] {
            assert_eq!(access(false).check(known, &nothing), Ok(()), "{known:?}");
        }
        for unknown in [peer(5_000, 9), peer(9, 4_000)] {
            assert_eq!(access(true).check(unknown, &nothing), Err(Denied::Forbidden), "{unknown:?}");
            assert_eq!(access(false).check(unknown, &nothing), Err(Denied::Forbidden), "{unknown:?}");
            assert_eq!(access(true).check(unknown, &headers(&[&format!("Bearer {TOKEN}")])), Ok(()));
        }
    }
}
