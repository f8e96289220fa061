//! Files of the recorded machine whose units the witnesses are tested on.

/// Path and content of every file of the recording, those of one path in several snapshots among them.
pub(crate) fn files() -> Vec<(String, Vec<u8>)> {
    const TREE: &str = include_str!("../../crates/machine/kernel/tests/fixtures/dual-source.tree");
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut open = false;
    for line in TREE.lines() {
        match (line.strip_prefix(' '), line.strip_prefix("file ")) {
            (Some(content), _) if open => {
                let (_, file) = files.last_mut().expect("content stands below its file");
                file.extend(content.bytes().chain([b'\n']));
            }
            (Some(_), _) => {}
            (None, Some(path)) => {
                files.push((path.to_owned(), Vec::new()));
                open = true;
            }
            (None, None) => open = false,
        }
    }
    files
}
