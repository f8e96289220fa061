//! Paths and methods.

use hyper::Method;

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Acknowledge,
    Attest,
    Health,
    Refresh,
    Status,
    Verify,
}

// === impl Route ===

impl Route {
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            "/api/security/status" => Some(Self::Status),
            "/api/v1/acknowledge" => Some(Self::Acknowledge),
            "/api/v1/attest" => Some(Self::Attest),
            "/api/v1/refresh" => Some(Self::Refresh),
            "/api/v1/verify" => Some(Self::Verify),
            "/health" => Some(Self::Health),
            _ => None,
        }
    }

    pub(super) fn takes(self, method: &Method) -> bool {
        self.allow().split(", ").any(|allowed| allowed == method.as_str())
    }

    /// The methods that it takes, as the header Allow lists them.
    pub(super) fn allow(self) -> &'static str {
        match self {
            Self::Attest => "GET, POST",
            Self::Health | Self::Status | Self::Verify => "GET",
            Self::Acknowledge | Self::Refresh => "POST",
        }
    }
}
