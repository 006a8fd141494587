//! What a body is. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::entry::Facts;
use crate::error::{Error, Result};
use crate::key::Key;

/// The formats that are parsed, as errors name them.
const KNOWN: &str = "parquet, arrow (file and stream), csv, json, ndjson (none of them compressed as a whole)";

/// Endings of other formats: such a body is not parsed, whatever its media type says.
const OTHER_EXTENSIONS: [&str; 16] =
    ["7z", "avro", "br", "bz2", "gz", "lz4", "orc", "rar", "sz", "tar", "tsv", "txt", "xlsx", "xz", "zip", "zst"];

/// A format that is parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC, a file or a stream: which of them, the bytes say. Feather V2 is the file.
    Arrow,
    /// Comma-separated values, names in the first row.
    Csv,
    /// One JSON value.
    Json,
    /// A JSON value a line.
    Ndjson,
}

impl Format {
    /// Tells what the body of `key` is: by the key's ending, and where that says nothing, by the media type.
    ///
    /// # Errors
    /// `UnknownFormat`, also of a body that is stored in a coding (`Content-Encoding: gzip`).
    pub fn of(key: &Key, facts: &Facts) -> Result<Self> {
        let is_coded = facts.content_encoding.as_deref().is_some_and(|coding| !matches!(coding, "" | "identity" | "aws-chunked"));
        let format = match key.extension().as_deref() {
            _ if is_coded => None,
            Some("parquet" | "pq") => Some(Self::Parquet),
            Some("arrow" | "arrows" | "feather" | "ipc") => Some(Self::Arrow),
            Some("csv") => Some(Self::Csv),
            Some("json" | "geojson") => Some(Self::Json),
            Some("ndjson" | "jsonl" | "geojsonl") => Some(Self::Ndjson),
            Some(other) if OTHER_EXTENSIONS.contains(&other) => None,
            _ => facts.content_type.as_deref().and_then(Self::of_media_type),
        };
        format.ok_or_else(|| Error::UnknownFormat { key: key.clone(), known: KNOWN })
    }

    fn of_media_type(media_type: &str) -> Option<Self> {
        let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/vnd.apache.parquet" | "application/parquet" | "application/x-parquet" => Some(Self::Parquet),
            "application/vnd.apache.arrow.file" | "application/vnd.apache.arrow.stream" => Some(Self::Arrow),
            "text/csv" | "application/csv" => Some(Self::Csv),
            "application/json" | "text/json" => Some(Self::Json),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Some(Self::Ndjson),
            other if other.ends_with("+json") => Some(Self::Json),
            _ => None,
        }
    }

    /// The word for it in errors and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::entry::Checksum;
    use crate::key::Prefix;

    fn of(key: &str, content_type: Option<&str>, content_encoding: Option<&str>) -> Option<Format> {
        let facts = Facts {
            size: 0,
            content_type: content_type.map(Into::into),
            content_encoding: content_encoding.map(Into::into),
            checksum: Some(Checksum::of(&Bytes::new())),
            version_id: None,
        };
        match Format::of(&Key::parse(key, &Prefix::default()).unwrap(), &facts) {
            Ok(format) => Some(format),
            Err(error) => {
                assert!(matches!(error, Error::UnknownFormat { .. }), "{error}");
                None
            }
        }
    }

    #[test]
    fn the_ending_of_the_key_says_more_than_the_media_type() {
        assert_eq!(of("a/b.snappy.PARQUET", Some("application/json"), None), Some(Format::Parquet));
        assert_eq!(of("b.json", None, Some("identity")), Some(Format::Json));
        assert_eq!(of("b.tsv", Some("text/csv"), None), None);
        assert_eq!(of("b.csv", Some("application/json"), None), Some(Format::Csv));
        assert_eq!(of("b.feather", None, None), Some(Format::Arrow));
        assert_eq!(of("b", Some("Text/CSV; header=present"), None), Some(Format::Csv));
        assert_eq!(of("b.jsonl", None, None), Some(Format::Ndjson));
        assert_eq!(of("2024.01", Some("application/geo+json; charset=utf-8"), None), Some(Format::Json));
        assert_eq!(of("frame", Some("application/vnd.apache.parquet"), None), Some(Format::Parquet));
        assert_eq!(of("frame", None, None), None);
    }

    #[test]
    fn what_is_compressed_as_a_whole_is_not_parsed() {
        assert_eq!(of("a.json.gz", Some("application/json"), None), None);
        assert_eq!(of("a.json", Some("application/json"), Some("gzip")), None);
    }
}
