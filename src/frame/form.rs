//! What a table may be answered as. Pure.

/// A form that a table is answered in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// Apache Parquet, packed with zstd.
    Parquet,
    /// An Arrow IPC file, which is Feather V2 too.
    ArrowFile,
    /// An Arrow IPC stream.
    ArrowStream,
    /// Comma-separated values with a row of names; null is an empty field, and an empty text is `""`.
    Csv,
    /// A JSON array of objects, an object a row.
    Json,
    /// A JSON object of arrays, an array a column.
    JsonColumns,
    /// A JSON object a line.
    Ndjson,
    /// A page with a table.
    Html,
    /// What the columns are, as JSON.
    Schema,
}

impl Form {
    /// All that can be asked for by name or by media type, in the order they are told; the first of a media type is meant by it.
    pub const ALL: [Self; 8] =
        [Self::Parquet, Self::ArrowFile, Self::ArrowStream, Self::Csv, Self::Json, Self::JsonColumns, Self::Ndjson, Self::Html];

    /// The name it has in `?format=`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::ArrowFile => "arrow",
            Self::ArrowStream => "arrows",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::JsonColumns => "json-columns",
            Self::Ndjson => "ndjson",
            Self::Html => "html",
            Self::Schema => "schema",
        }
    }

    /// The form with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.name() == name)
    }

    /// The media type of an answer.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Parquet => "application/vnd.apache.parquet",
            Self::ArrowFile => "application/vnd.apache.arrow.file",
            Self::ArrowStream => "application/vnd.apache.arrow.stream",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Json | Self::JsonColumns | Self::Schema => "application/json",
            Self::Ndjson => "application/x-ndjson",
            Self::Html => "text/html; charset=utf-8",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_found_by_its_name() {
        for form in Form::ALL {
            assert_eq!(Form::named(form.name()), Some(form));
        }
        assert_eq!(Form::named("xlsx"), None);
        assert_eq!(Form::named("schema"), None, "it is asked for as ?schema");
    }
}
