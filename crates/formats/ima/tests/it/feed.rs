//! Lists that come in pieces.

use avouch_crypto::Hash;
use avouch_ima::{Fault, Feed, ImaError, MAX_ENTRY, OtherPcrs, Replay, parse_binary};
use avouch_tpm_wire::{Digest, HashAlg};

use crate::build::*;
use crate::golden::{RECORDED, binary};

/// What a list gives in pieces.
struct Fed {
    value: Digest,
    /// Number, first byte and end of each entry.
    entries: Vec<(u64, usize, usize)>,
    /// The most bytes that were kept at the end of a piece.
    kept: usize,
    end: Result<u64, ImaError>,
}

fn fed(list: &[u8], piece: usize) -> Fed {
    let mut replay = Replay::new(HashAlg::Sha256);
    let (mut entries, mut kept) = (Vec::new(), 0);
    let mut feed = Feed::new(0);
    for piece in list.chunks(piece) {
        let pushed = feed.push(piece, |entry| {
            replay.push(entry, &Hash);
            entries.push((entry.index, entry.offset, entry.end_offset));
        });
        kept = kept.max(feed.kept());
        if let Err(error) = pushed {
            assert_eq!(feed.push(piece, |_| panic!("an entry behind an error")), Err(error.clone()));
            return Fed { value: replay.value(), entries, kept, end: Err(error) };
        }
    }
    Fed { value: replay.value(), entries, kept, end: feed.finish() }
}

#[test]
fn pieces_of_any_size_give_the_entries_of_the_whole_list() {
    for folder in RECORDED {
        let list = binary(folder);
        let mut replay = Replay::new(HashAlg::Sha256);
        let mut entries = Vec::new();
        let mut longest = 0;
        for entry in parse_binary(&list, 0).map(Result::unwrap) {
            replay.push(&entry, &Hash);
            longest = longest.max(entry.end_offset - entry.offset);
            entries.push((entry.index, entry.offset, entry.end_offset));
        }
        for piece in [1, 7, 61, 4096, list.len()] {
            let fed = fed(&list, piece);
            assert_eq!((fed.value, &fed.entries), (replay.value(), &entries), "{folder} {piece}");
            assert_eq!(fed.end, Ok(entries.len() as u64));
            assert!(fed.kept < longest, "{folder} {piece}: {} bytes kept", fed.kept);
        }
    }
}

#[test]
fn list_that_ends_inside_an_entry_says_cut_at_its_place() {
    let list = [file("/a"), file("/b")].concat();
    for end in 1..list.len() {
        for piece in [1, 13, list.len()] {
            let fed = fed(&list[..end], piece);
            assert_eq!(fed.entries.len(), end / (list.len() / 2));
            match parse_binary(&list[..end], 0).last() {
                Some(Err(error)) => assert_eq!(fed.end, Err(error), "{end} {piece}"),
                _ => assert_eq!(fed.end, Ok(1)),
            }
        }
    }
}

#[test]
fn bad_entry_ends_the_feed_where_it_ends_the_list() {
    let good = file("/a");
    let mut list = [good.as_slice(), &good, &good].concat();
    let at = good.len() + 24;
    list[at..at + 4].copy_from_slice(&300_u32.to_le_bytes());
    let wanted = parse_binary(&list, 0).nth(1).unwrap().unwrap_err();
    for piece in [1, 5, 40, list.len()] {
        let fed = fed(&list, piece);
        assert_eq!((fed.entries.len(), fed.end), (1, Err(wanted.clone())), "{piece}");
    }
}

#[test]
fn long_list_is_read_in_the_memory_of_one_entry() {
    let entry = entry(10, &[1; 20], "ima-buf", &[&digest_ng("sha256", &[7; 32]), &name_ng(".ima"), &[9; 100_000]]);
    let mut feed = Feed::new(0);
    let mut count = 0_u64;
    let mut bytes = 0_usize;
    // 100 MB of list out of one entry.
    for piece in std::iter::repeat_n(&entry, 1_000).flat_map(|entry| entry.chunks(65_521)) {
        feed.push(piece, |entry| count += u64::from(entry.index == count)).unwrap();
        bytes += piece.len();
        assert!(feed.kept() < entry.len() && feed.kept() < MAX_ENTRY);
    }
    assert_eq!((count, feed.offset(), feed.next_index()), (1_000, bytes, 1_000));
}

#[test]
fn options_of_a_list_are_options_of_its_feed() {
    let fields: [&[u8]; 2] = [&digest_ng("sha256", &[7; 32]), &name_ng("/a")];
    let list = [entry(10, &[1; 48], "ima-ng", &fields), entry(11, &[1; 48], "ima-ng", &fields)].concat();
    let mut pcrs = Vec::new();
    let mut feed = Feed::new(5).template_hash(HashAlg::Sha384).other_pcrs(OtherPcrs::Keep);
    feed.push(&list, |entry| pcrs.push((entry.index, entry.pcr))).unwrap();
    assert_eq!((feed.finish(), pcrs), (Ok(7), vec![(5, 10), (6, 11)]));
    let mut feed = Feed::new(0).template_hash(HashAlg::Sha384);
    let error = feed.push(&list, |_| ()).unwrap_err();
    assert_eq!((error.offset, error.fault), (list.len() / 2, Fault::Pcr { wanted: 10, got: 11 }));
    assert!(Feed::new(0).template_hash(HashAlg::Sha384).pcr(11).push(&list, |_| ()).is_err());
}
