//! Content codings: which bodies they help, and the bodies in them. Knows bytes, not where they come from.

use std::io::{self, Write};

use bytes::Bytes;

use crate::error::{Cause, Error, Result};
use crate::http::negotiate::Coding;
use crate::tier::memory::Weighed;

/// Below this the headers weigh more than what is saved, and it is one packet all the same.
const BYTES_MIN: u64 = 1024;

/// Above this a body is sent as it is: to pack it once would take seconds, and a client that wants less of it asks for a slice.
const BYTES_MAX: u64 = 32 * 1024 * 1024;

/// For a body that is packed once a version and sent many times, and is waited for the first time.
const ZSTD_LEVEL: i32 = 6;
const BROTLI_LEVEL: u32 = 5;
const BROTLI_WINDOW: u32 = 22;
const GZIP_LEVEL: u32 = 6;

/// Media types that are not compressed by themselves, whatever is said of their families.
const TEXT_LIKE: [&str; 11] = [
    "application/ecmascript",
    "application/javascript",
    "application/json",
    "application/jsonl",
    "application/ndjson",
    "application/sql",
    // Of Arrow our own answers are not packed; one that is turns out not to be worth it.
    "application/vnd.apache.arrow.file",
    "application/vnd.apache.arrow.stream",
    "application/x-ndjson",
    "application/xml",
    "application/yaml",
];

/// A body in a coding, where that is worth it.
#[derive(Debug)]
pub(super) enum Coded {
    /// Packed.
    Packed(Bytes),
    /// It would be hardly smaller.
    AsItIs,
}

impl Coded {
    /// Packs `body`. Takes as long as it is large: call it off the async workers.
    ///
    /// # Errors
    /// `FunctionFailed`, where the packer fails: our own mistake.
    pub fn of(coding: Coding, body: &[u8]) -> Result<Self> {
        let failed = |cause: io::Error| Error::FunctionFailed { function: coding.name().to_owned(), cause: Cause::from(cause) };
        let packed = pack(coding, body).map_err(failed)?;
        // To unpack costs the client time too: a tenth is the least that is worth it.
        Ok(if packed.len() <= body.len() / 10 * 9 { Self::Packed(packed.into()) } else { Self::AsItIs })
    }
}

impl Weighed for Coded {
    fn weight_bytes(&self) -> u64 {
        let packed = if let Self::Packed(bytes) = self { bytes.len() } else { 0 };
        (size_of::<Self>() + packed) as u64
    }
}

/// Whether a body of this type and length is worth a try. What is compressed already is not.
pub(super) fn may_help(media_type: &str, bytes: u64) -> bool {
    (BYTES_MIN..=BYTES_MAX).contains(&bytes) && is_text_like(media_type)
}

/// Whether a media type is not compressed by itself.
pub(super) fn is_text_like(media_type: &str) -> bool {
    // Asked of every answer, so that nothing is allocated for it.
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let has = |part: Option<&str>, word: &str| part.is_some_and(|part| part.eq_ignore_ascii_case(word));
    has(essence.get(..5), "text/")
        || has(essence.len().checked_sub(5).and_then(|start| essence.get(start..)), "+json")
        || has(essence.len().checked_sub(4).and_then(|start| essence.get(start..)), "+xml")
        || TEXT_LIKE.iter().any(|known| known.eq_ignore_ascii_case(essence))
}

fn pack(coding: Coding, body: &[u8]) -> io::Result<Vec<u8>> {
    match coding {
        Coding::Zstd => zstd::bulk::compress(body, ZSTD_LEVEL),
        Coding::Brotli => {
            let mut writer = brotli::CompressorWriter::new(Vec::new(), 64 * 1024, BROTLI_LEVEL, BROTLI_WINDOW);
            writer.write_all(body)?;
            Ok(writer.into_inner())
        }
        Coding::Gzip => {
            // Without a name and a time in it, so that it is the same each time.
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL));
            writer.write_all(body)?;
            writer.finish()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_is_packed_unpacks_to_the_same() {
        let body = "a row like another\n".repeat(1_000).into_bytes();
        for coding in [Coding::Zstd, Coding::Brotli, Coding::Gzip] {
            let Coded::Packed(packed) = Coded::of(coding, &body).unwrap() else { panic!("{coding:?} is worth it") };
            assert!(packed.len() < body.len() / 20, "{coding:?}");
            let mut unpacked = Vec::new();
            match coding {
                Coding::Zstd => unpacked = zstd::bulk::decompress(&packed, body.len()).unwrap(),
                Coding::Brotli => _ = brotli::Decompressor::new(&*packed, 4096).read_to_end(&mut unpacked).unwrap(),
                Coding::Gzip => _ = flate2::read::GzDecoder::new(&*packed).read_to_end(&mut unpacked).unwrap(),
            }
            assert_eq!(unpacked, body, "{coding:?}");
        }
    }

    #[test]
    fn what_is_compressed_or_small_or_huge_is_left_as_it_is() {
        assert!(may_help("text/csv; charset=utf-8", BYTES_MIN));
        assert!(may_help("application/geo+json", BYTES_MAX));
        for (media_type, bytes) in [
            ("text/csv", BYTES_MIN - 1),
            ("text/csv", BYTES_MAX + 1),
            ("application/vnd.apache.parquet", 10_000),
            ("application/octet-stream", 10_000),
            ("application/zip", 10_000),
            ("image/png", 10_000),
        ] {
            assert!(!may_help(media_type, bytes), "{media_type} of {bytes}");
        }
        assert!(matches!(Coded::of(Coding::Gzip, b"abc").unwrap(), Coded::AsItIs));
    }
}
