//! Compressions by their first bytes.

use std::io::{self, BufRead, Read};

use crate::ArtefactError;
use crate::input::Input;

/// Blocks of the legacy LZ4 format hold this much at most (LZ4 frame format, "Legacy frame").
const LZ4_BLOCK: usize = 8 * 1024 * 1024;
/// The longest that a block of that size can become when it does not compress.
const LZ4_BLOCK_PACKED: usize = LZ4_BLOCK + LZ4_BLOCK / 255 + 16;
const LZ4_LEGACY: [u8; 4] = [0x02, 0x21, 0x4C, 0x18];

/// A compression that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
    Lz4Frame,
    Lz4Legacy,
}

impl Compression {
    /// How many bytes [`Compression::detect`] looks at.
    pub(crate) const MAGIC: usize = 6;

    /// The compression that starts with these bytes; `None` when they start none.
    pub(crate) fn detect(magic: &[u8], offset: u64) -> Result<Option<Self>, ArtefactError> {
        let what = match magic {
            [0x1F, 0x8B, ..] => return Ok(Some(Self::Gzip)),
            [0x28, 0xB5, 0x2F, 0xFD, ..] => return Ok(Some(Self::Zstd)),
            [0x04, 0x22, 0x4D, 0x18, ..] => return Ok(Some(Self::Lz4Frame)),
            [0x02, 0x21, 0x4C, 0x18, ..] => return Ok(Some(Self::Lz4Legacy)),
            [0xFD, b'7', b'z', b'X', b'Z', 0x00, ..] => "xz",
            [0x5D, 0x00, 0x00, ..] => "lzma",
            [b'B', b'Z', b'h', ..] => "bzip2",
            [0x89, b'L', b'Z', b'O', ..] => "lzo",
            _ => return Ok(None),
        };
        Err(ArtefactError::Unsupported { what, offset })
    }

    /// A reader of what `input` holds from here on; it consumes exactly the compressed part.
    pub(crate) fn unpack<'a, R: Read>(self, input: &'a mut Input<R>) -> Result<Box<dyn Read + 'a>, ArtefactError> {
        let offset = input.offset();
        Ok(match self {
            Self::Gzip => Box::new(flate2::bufread::GzDecoder::new(input)),
            Self::Zstd => {
                let decoder = zstd::stream::read::Decoder::with_buffer(input);
                Box::new(decoder.map_err(|source| ArtefactError::Stream { offset, source })?.single_frame())
            }
            Self::Lz4Frame => Box::new(lz4_flex::frame::FrameDecoder::new(input)),
            Self::Lz4Legacy => Box::new(Lz4Legacy { input, block: Vec::new(), at: 0, ended: false, started: false }),
        })
    }
}

/// The format that `lz4 -l` writes and the kernel unpacks: after the magic, blocks that each follow their packed length.
struct Lz4Legacy<'a, R> {
    input: &'a mut Input<R>,
    block: Vec<u8>,
    at: usize,
    started: bool,
    ended: bool,
}

impl<R: Read> Lz4Legacy<'_, R> {
    /// Unpacks the next block; false at the end, which is the end of the input or zeros that fill it up.
    fn next(&mut self) -> io::Result<bool> {
        let damaged = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        loop {
            let next = self.input.peek(4).map_err(io::Error::other)?;
            let length = match <[u8; 4]>::try_from(next) {
                Ok(LZ4_LEGACY) => {
                    self.started = true;
                    self.input.consume(4);
                    continue;
                }
                Ok(length) if self.started => u32::from_le_bytes(length) as usize,
                Err(_) if self.started && next.iter().all(|byte| *byte == 0) => return Ok(false),
                _ => return Err(damaged("the legacy LZ4 stream is cut")),
            };
            if length == 0 {
                return Ok(false);
            }
            if length > LZ4_BLOCK_PACKED {
                return Err(damaged("a legacy LZ4 block is longer than the format allows"));
            }
            self.input.consume(4);
            let packed = self.input.bytes(length, "an LZ4 block").map_err(io::Error::other)?;
            self.block.resize(LZ4_BLOCK, 0);
            let size = lz4_flex::block::decompress_into(&packed, &mut self.block)
                .map_err(|error| damaged(&format!("a legacy LZ4 block is damaged: {error}")))?;
            self.block.truncate(size);
            self.at = 0;
            return Ok(true);
        }
    }
}

impl<R: Read> Read for Lz4Legacy<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.block.len() {
            if self.ended || out.is_empty() {
                return Ok(0);
            }
            if !self.next()? {
                self.ended = true;
                return Ok(0);
            }
        }
        let rest = &self.block[self.at..];
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}
