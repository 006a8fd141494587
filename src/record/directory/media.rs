//! Which media type a file name stands for.

use crate::key::Key;

/// The media type by the key's extension; `None` for what nobody knows, the door has a word for that.
///
/// A compressed file's is its coding's own (`application/gzip`): the object is the compressed bytes.
pub fn content_type(key: &Key) -> Option<String> {
    let extension = key.extension()?;
    let media_type = match extension.as_str() {
        // Names that data people use and mime_guess does not know, or knows under an older name.
        "arrow" | "feather" | "ipc" => "application/vnd.apache.arrow.file",
        "arrows" => "application/vnd.apache.arrow.stream",
        "avro" => "application/avro",
        "jsonl" | "ndjson" => "application/x-ndjson",
        "md" => "text/markdown",
        "orc" => "application/vnd.apache.orc",
        "parquet" => "application/vnd.apache.parquet",
        "py" => "text/x-python",
        "sql" => "application/sql",
        "toml" => "application/toml",
        "yaml" | "yml" => "application/yaml",
        "zst" => "application/zstd",
        other => return mime_guess::from_ext(other).first_raw().map(str::to_owned),
    };
    Some(media_type.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Prefix;

    #[test]
    fn a_data_file_has_the_media_type_its_readers_expect() {
        for (name, media_type) in [
            ("a.parquet", Some("application/vnd.apache.parquet")),
            ("file1.snappy.PARQUET", Some("application/vnd.apache.parquet")),
            ("a.csv", Some("text/csv")),
            ("a.tsv", Some("text/tab-separated-values")),
            ("a.json", Some("application/json")),
            ("a.jsonl", Some("application/x-ndjson")),
            ("a.ndjson", Some("application/x-ndjson")),
            ("a.arrow", Some("application/vnd.apache.arrow.file")),
            ("a.txt", Some("text/plain")),
            ("a.csv.gz", Some("application/gzip")),
            ("a.csv.zst", Some("application/zstd")),
            ("a.bin", Some("application/octet-stream")),
            ("a.nobody-knows", None),
            ("a.", None),
            ("csv", None),
            ("a.csv/part-0", None),
        ] {
            let key = Key::parse(name, &Prefix::default()).unwrap();
            assert_eq!(content_type(&key).as_deref(), media_type, "{name}");
        }
    }
}
