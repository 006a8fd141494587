//! What answers say in their headers.

/// A header of an answer.
pub struct Header {
    /// Its name, as RFCs write it.
    pub name: &'static str,
    /// What it says.
    pub what: &'static str,
    /// Such as this.
    pub example: &'static str,
}

/// Defines headers.
macro_rules! headers {
    ($($name:ident = $text:literal, $what:literal, $example:literal;)+) => {
        $(pub static $name: Header = Header { name: $text, what: $what, example: $example };)+
    };
}

headers! {
    ACCEPT_RANGES = "Accept-Ranges", "Ranges of bytes are answered.", "bytes";
    AGE = "Age", "How long ago the record confirmed this, in seconds.", "12";
    CACHE_CONTROL = "Cache-Control", "How long a client may keep it.", "no-store";
    CACHE_STATUS = "Cache-Status", "Where the answer came from (RFC 9211).", "cache-api; hit; ttl=48; detail=memory";
    CONTENT_ENCODING = "Content-Encoding", "The coding that the object was stored with.", "gzip";
    CONTENT_RANGE = "Content-Range", "Which part this is, of how many bytes.", "bytes 0-99/15600";
    CSP = "Content-Security-Policy", "The page may load nothing.", "default-src 'none'";
    DIRECTORY_BYTES = "Cache-Api-Directory-Bytes", "Bytes of the bodies in the shared directory.", "15600";
    ETAG = "ETag", "The version.", "\"0123\"";
    HITS = "Cache-Api-Hits", "Answers that a tier had.", "3";
    KEYS = "Cache-Api-Keys", "Keys that are cached.", "2";
    LAST_MODIFIED = "Last-Modified", "When the record's object was last modified.", "Mon, 06 Jan 2025 10:00:00 GMT";
    LINK = "Link", "The next page.", "</cache?after=b>; rel=\"next\"";
    LOCATION = "Location", "Where the object is.", "/cache/prices.csv";
    MEMORY_BYTES = "Cache-Api-Memory-Bytes", "Bytes in use in memory.", "20480";
    MISSES = "Cache-Api-Misses", "Answers that the record was asked for.", "1";
    NOSNIFF = "X-Content-Type-Options", "The media type is what it says.", "nosniff";
    RETRY_AFTER = "Retry-After", "In how many seconds to try again.", "1";
    SERVER_TIMING = "Server-Timing", "What took how long, in milliseconds.", "directory;dur=0.2, record;dur=12.1";
    VARY = "Vary", "Which headers of the request the answer depends on.", "accept";
    WWW_AUTHENTICATE = "WWW-Authenticate", "How to show the token.", "Bearer realm=\"cache-api\"";
}

pub const OF_VERSIONS: &[&Header] = &[&AGE, &CACHE_STATUS, &ETAG, &LAST_MODIFIED, &SERVER_TIMING];
pub const OF_BODIES: &[&Header] =
    &[&ACCEPT_RANGES, &AGE, &CACHE_STATUS, &CONTENT_ENCODING, &ETAG, &LAST_MODIFIED, &NOSNIFF, &SERVER_TIMING];
pub const OF_PARTS: &[&Header] =
    &[&ACCEPT_RANGES, &AGE, &CACHE_STATUS, &CONTENT_ENCODING, &CONTENT_RANGE, &ETAG, &LAST_MODIFIED, &NOSNIFF, &SERVER_TIMING];
pub const OF_READS: &[&Header] = &[&AGE, &CACHE_STATUS, &SERVER_TIMING];
pub const OF_CREATIONS: &[&Header] = &[&AGE, &CACHE_STATUS, &LOCATION, &SERVER_TIMING];
pub const OF_LINKS: &[&Header] = &[&CACHE_CONTROL, &LOCATION];
pub const OF_LISTINGS_AND_BODIES: &[&Header] = &[
    &ACCEPT_RANGES,
    &AGE,
    &CACHE_CONTROL,
    &CACHE_STATUS,
    &CONTENT_ENCODING,
    &ETAG,
    &LAST_MODIFIED,
    &LINK,
    &NOSNIFF,
    &SERVER_TIMING,
];
pub const OF_TELEMETRY_AND_BODIES: &[&Header] = &[
    &ACCEPT_RANGES,
    &AGE,
    &CACHE_STATUS,
    &CONTENT_ENCODING,
    &DIRECTORY_BYTES,
    &ETAG,
    &HITS,
    &KEYS,
    &LAST_MODIFIED,
    &MEMORY_BYTES,
    &MISSES,
    &NOSNIFF,
    &SERVER_TIMING,
];
pub const OF_BATCHES: &[&Header] = &[&CACHE_CONTROL];
pub const UNCACHED: &[&Header] = &[&CACHE_CONTROL];
pub const OF_PAGES: &[&Header] = &[&CACHE_CONTROL, &CSP, &NOSNIFF, &VARY];
pub const OF_DOCUMENTS: &[&Header] = &[&CACHE_CONTROL];
pub const OF_ABSENCES: &[&Header] = &[&AGE, &CACHE_STATUS];
pub const OF_REFUSALS: &[&Header] = &[&WWW_AUTHENTICATE];
pub const OF_LENGTHS: &[&Header] = &[&CONTENT_RANGE];
pub const OF_DELAYS: &[&Header] = &[&RETRY_AFTER];
