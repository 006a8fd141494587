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
    ACCEPT_RANGES = "Accept-Ranges", "`bytes` where ranges are answered, else `none`.", "bytes";
    AGE = "Age", "How long ago the record confirmed this, in seconds.", "12";
    ALLOW = "Allow", "The methods of this URL.", "GET,HEAD,OPTIONS";
    CACHE_CONTROL = "Cache-Control", "How long a client may keep it.", "no-store";
    CACHE_STATUS = "Cache-Status", "Where the answer came from (RFC 9211).", "cache-api; hit; ttl=48; detail=memory";
    CONTENT_ENCODING = "Content-Encoding", "The coding that it is sent in: the one it was stored with, or one that Accept-Encoding admits.", "gzip";
    CONTENT_RANGE = "Content-Range", "Which part this is, of how many bytes.", "bytes 0-99/15600";
    CSP = "Content-Security-Policy", "What is opened in a browser may run and load nothing.", "sandbox; default-src 'none'";
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
    REPR_DIGEST = "Repr-Digest", "A digest of the whole, where Want-Repr-Digest wants one.", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
    RETRY_AFTER = "Retry-After", "In how many seconds to try again.", "1";
    SERVER_TIMING = "Server-Timing", "What took how long, in milliseconds.", "directory;dur=0.2, record;dur=12.1";
    VARY = "Vary", "Which headers of the request the answer depends on.", "accept";
    WWW_AUTHENTICATE = "WWW-Authenticate", "How to show the token.", "Bearer realm=\"cache-api\"";
}

/// Of an answer about a version of an object.
pub const VERSION: &[&Header] = &[&AGE, &CACHE_CONTROL, &CACHE_STATUS, &ETAG, &LAST_MODIFIED, &SERVER_TIMING, &VARY];
/// Of one that has its bytes, or says what they would be.
pub const BODY: &[&Header] = &[&ACCEPT_RANGES, &CONTENT_ENCODING, &CSP, &NOSNIFF, &REPR_DIGEST];
/// Of what was read and is described in JSON.
pub const READ: &[&Header] = &[&AGE, &CACHE_CONTROL, &CACHE_STATUS, &SERVER_TIMING];
/// Of the answer to a query.
pub const ANSWER: &[&Header] = &[&CACHE_CONTROL, &CACHE_STATUS, &CONTENT_ENCODING, &CSP, &ETAG, &NOSNIFF, &SERVER_TIMING, &VARY];
pub const LENGTH: &[&Header] = &[&CONTENT_RANGE];
pub const PLACE: &[&Header] = &[&LOCATION];
pub const NEXT: &[&Header] = &[&LINK];
pub const FIGURES: &[&Header] = &[&DIRECTORY_BYTES, &HITS, &KEYS, &MEMORY_BYTES, &MISSES];
pub const KEEPING: &[&Header] = &[&CACHE_CONTROL];
pub const METHODS: &[&Header] = &[&ALLOW];
pub const PAGE: &[&Header] = &[&CACHE_CONTROL, &CSP, &NOSNIFF, &VARY];
pub const ABSENCE: &[&Header] = &[&AGE, &CACHE_STATUS];
pub const REFUSAL: &[&Header] = &[&WWW_AUTHENTICATE];
pub const CHOICE: &[&Header] = &[&VARY];
pub const DELAY: &[&Header] = &[&RETRY_AFTER];
