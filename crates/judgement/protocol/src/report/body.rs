//! The body of a report as it stands on the wire: subjects, each as what differs from another one.

use minicbor::data::Type;
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use super::lines::Line;
use crate::limits::{MAX_REPORT_LISTS, MAX_REPORT_SUBJECTS};

/// What the lines say, and of whom.
///
/// Values are numbered: first the lines, then the lists. A reading is one number: 0 nobody asked, 1 absent, and of `V`
/// values `2 + v` the value, `2 + V + v` unreadable because of it, `2 + 2V + v` not supported because of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(super) struct Body {
    /// Values of two lines and more, as numbers of lines.
    #[n(0)]
    pub(super) lists: Lists,
    /// In ascending order of their names.
    #[n(1)]
    pub(super) subjects: Entries,
    /// Subjects of the base that are no more, in ascending order.
    #[cbor(n(2), skip_if = "Vec::is_empty")]
    pub(super) removed: Vec<String>,
}

/// Lists of two numbers and more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lists(pub(super) Vec<Vec<u32>>);

/// The subjects that are told of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entries(pub(super) Vec<Entry>);

/// One subject: an array of five.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    /// Whose facts it starts from: 0 its own in the base, or none; else the entry of that number, from 1, before it.
    pub(super) like: u32,
    pub(super) identity: Identity,
    /// Four numbers for each fact that is another: attribute less the one before, orchestrator, kernel, second.
    pub(super) facts: Vec<u32>,
    /// Attributes that it does not have, each less the one before.
    pub(super) without: Vec<u32>,
}

/// Which run of a unit was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// False: none.
    None,
    /// True: as in the base.
    Same,
    /// An array.
    This(Run),
}

/// [`avouch_pairs::UnitIdentity`], the two states as numbers of lines.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub(super) struct Run {
    #[n(0)]
    pub(super) invocation: Line,
    #[n(1)]
    pub(super) main_pid: u32,
    #[n(2)]
    pub(super) main_start: u64,
    #[n(3)]
    pub(super) active_state: u32,
    #[n(4)]
    pub(super) sub_state: u32,
    #[n(5)]
    pub(super) started_usec: u64,
    #[n(6)]
    pub(super) attempts: u8,
    #[n(7)]
    pub(super) steady: bool,
}

impl<C> Encode<C> for Lists {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, ctx: &mut C) -> Result<(), encode::Error<W::Error>> {
        self.0.encode(e, ctx)
    }
}

impl<'b, C> Decode<'b, C> for Lists {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, decode::Error> {
        let at = d.position();
        let count = bounded(d, MAX_REPORT_LISTS, "too many lists")?;
        let mut lists = Vec::new();
        for _ in 0..count {
            let list: Vec<u32> = d.decode_with(ctx)?;
            if list.len() < 2 {
                return Err(decode::Error::message("a list of fewer than two lines").at(at));
            }
            lists.push(list);
        }
        Ok(Self(lists))
    }
}

impl<C> Encode<C> for Entries {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, ctx: &mut C) -> Result<(), encode::Error<W::Error>> {
        self.0.encode(e, ctx)
    }
}

impl<'b, C> Decode<'b, C> for Entries {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, decode::Error> {
        let count = bounded(d, MAX_REPORT_SUBJECTS, "too many subjects")?;
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(d.decode_with(ctx)?);
        }
        Ok(Self(entries))
    }
}

/// The length of an array that is about to be read.
fn bounded(d: &mut Decoder<'_>, most: usize, refusal: &'static str) -> Result<u64, decode::Error> {
    let at = d.position();
    match d.array()? {
        Some(count) if usize::try_from(count).is_ok_and(|count| count <= most) => Ok(count),
        Some(_) => Err(decode::Error::message(refusal).at(at)),
        None => Err(decode::Error::message("a definite length was wanted").at(at)),
    }
}

impl<C> Encode<C> for Entry {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, ctx: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.array(5)?.str(&self.name)?.u32(self.like)?;
        match &self.identity {
            Identity::None => e.bool(false)?.ok()?,
            Identity::Same => e.bool(true)?.ok()?,
            Identity::This(run) => run.encode(e, ctx)?,
        }
        self.facts.encode(e, ctx)?;
        self.without.encode(e, ctx)
    }
}

impl<'b, C> Decode<'b, C> for Entry {
    fn decode(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Self, decode::Error> {
        let at = d.position();
        if d.array()? != Some(5) {
            return Err(decode::Error::message("an array of five was wanted").at(at));
        }
        let name = d.str()?.to_owned();
        let like = d.u32()?;
        let identity = match d.datatype()? {
            Type::Bool if d.bool()? => Identity::Same,
            Type::Bool => Identity::None,
            _ => Identity::This(d.decode_with(ctx)?),
        };
        Ok(Self { name, like, identity, facts: d.decode_with(ctx)?, without: d.decode_with(ctx)? })
    }
}
