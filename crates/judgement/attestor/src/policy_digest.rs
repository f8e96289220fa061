//! One digest over all policy files.

use std::path::Path;

use avouch_crypto::Sha256Stream;
use avouch_protocol::Hash;

/// SHA-256 over `path\0content\0` of every file, in the order of the settings. The name stands in front, so that two
/// files that change places change the digest even where their contents are equal.
#[derive(Clone, Debug, Default)]
pub struct PolicyDigest(Sha256Stream);

impl PolicyDigest {
    /// Over no file yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a file.
    pub fn begin(&mut self, path: &Path) {
        self.0.update(path.as_os_str().as_encoded_bytes());
        self.0.update(&[0]);
    }

    /// The next piece of its content.
    pub fn update(&mut self, content: &[u8]) {
        self.0.update(content);
    }

    /// Ends it.
    pub fn end(&mut self) {
        self.0.update(&[0]);
    }

    /// A whole file.
    pub fn file(&mut self, path: &Path, content: &[u8]) {
        self.begin(path);
        self.update(content);
        self.end();
    }

    /// The digest over all of them.
    pub fn finish(self) -> Hash {
        Hash(self.0.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(files: &[(&str, &str)]) -> Hash {
        let mut digest = PolicyDigest::new();
        files.iter().for_each(|(path, content)| digest.file(Path::new(path), content.as_bytes()));
        digest.finish()
    }

    #[test]
    fn policy_digest_is_deterministic_and_knows_order_names_and_contents() {
        let files = [("/p/policy.yaml", "a"), ("/p/agent.yaml", "b")];
        assert_eq!(digest(&files), digest(&files));
        assert_eq!(digest(&files).0, avouch_crypto::sha256(&[b"/p/policy.yaml\0a\0/p/agent.yaml\0b\0"]));
        assert_ne!(digest(&files), digest(&[files[1], files[0]]));
        assert_ne!(digest(&files), digest(&[("/p/policy.yaml", "ab"), ("/p/agent.yaml", "")]));
    }
}
