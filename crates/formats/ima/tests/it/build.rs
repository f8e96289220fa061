//! Lists written by hand, field by field.

/// A binary entry with framed template data.
pub(crate) fn entry(pcr: u32, hash: &[u8], template: &str, fields: &[&[u8]]) -> Vec<u8> {
    let mut data = Vec::new();
    for field in fields {
        data.extend((field.len() as u32).to_le_bytes());
        data.extend(*field);
    }
    let mut out = pcr.to_le_bytes().to_vec();
    out.extend(hash);
    out.extend((template.len() as u32).to_le_bytes());
    out.extend(template.as_bytes());
    out.extend((data.len() as u32).to_le_bytes());
    out.extend(data);
    out
}

/// A `d-ng` field.
pub(crate) fn digest_ng(alg: &str, digest: &[u8]) -> Vec<u8> {
    [alg.as_bytes(), b":\0", digest].concat()
}

/// A `n-ng` field.
pub(crate) fn name_ng(name: &str) -> Vec<u8> {
    [name.as_bytes(), b"\0"].concat()
}

/// An `ima-ng` entry of a file with a sha256 digest of sevens.
pub(crate) fn file(path: &str) -> Vec<u8> {
    entry(10, &[1; 20], "ima-ng", &[&digest_ng("sha256", &[7; 32]), &name_ng(path)])
}
