//! Digests of whole representations, for whoever wants one. Source: RFC 9530.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use sfv::{DictSerializer, Dictionary, ListEntry, Parser, key_ref};
use sha2::{Digest as _, Sha256, Sha512};
use tokio::time::timeout_at;

use crate::entry::Version;
use crate::http::representation::{Call, Representation};
use crate::tier::memory::Weighed;

pub(super) const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");
const WANT_REPR_DIGEST: HeaderName = HeaderName::from_static("want-repr-digest");

/// Up to this a digest is computed where it is wanted: it takes less than going to another thread and keeping it.
const AT_ONCE_BYTES_MAX: usize = 16 * 1024;

/// How a digest is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// The one that a request wants most of those that there are; `None` where it wants none. A field that does not parse wants none.
    pub fn wanted(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(WANT_REPR_DIGEST).iter().filter_map(|value| value.to_str().ok());
        // Lines of one field are one list. Source: RFC 9110, section 5.3.
        let field = values.next().map(|first| values.fold(first.to_owned(), |field, line| field + "," + line))?;
        let wants: Dictionary = Parser::new(&field).parse().ok()?;
        let preference = |algorithm: &Self| match wants.get(algorithm.name()) {
            Some(ListEntry::Item(item)) => item.bare_item.as_integer().map_or(0, i64::from),
            _ => 0,
        };
        let wanted = [Self::Sha512, Self::Sha256].map(|algorithm| (preference(&algorithm), algorithm));
        // Of two that are wanted alike the last counts, which is the shorter.
        let best =
            wanted.into_iter().filter(|(preference, _)| (1..=10).contains(preference)).max_by_key(|(preference, _)| *preference);
        best.map(|(_, algorithm)| algorithm)
    }

    /// The field's value for `body`, all of a representation. Computed once for a version, off the async workers; `None` where
    /// there is no time for that, or no room: a digest is wanted, and not promised.
    pub async fn of(self, call: Call<'_>, form: &Representation<'_>, body: &Bytes) -> Option<HeaderValue> {
        if body.len() <= AT_ONCE_BYTES_MAX {
            return Some(self.field(&self.digest(body)));
        }
        let version = Version { etag: form.validators.etag.into(), last_modified: form.validators.last_modified };
        let body = body.clone();
        let kept = call.api.cache.derive(self.name(), call.key, &version, move || Ok(self.digest(&body)));
        let digest = timeout_at(call.ask.deadline.into(), kept).await.ok()?.ok()?;
        Some(self.field(&digest))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha512 => "sha-512",
        }
    }

    fn digest(self, body: &[u8]) -> Digest {
        Digest(match self {
            Self::Sha256 => Sha256::digest(body).to_vec(),
            Self::Sha512 => Sha512::digest(body).to_vec(),
        })
    }

    fn field(self, digest: &Digest) -> HeaderValue {
        let name = match self {
            Self::Sha256 => key_ref("sha-256"),
            Self::Sha512 => key_ref("sha-512"),
        };
        let mut field = DictSerializer::new();
        field.bare_item(name, digest.0.as_slice());
        let text = field.finish().expect("there is a member");
        HeaderValue::from_str(&text).expect("base64 in ASCII")
    }
}

/// A digest, as it is kept.
struct Digest(Vec<u8>);

impl Weighed for Digest {
    fn weight_bytes(&self) -> u64 {
        self.0.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(lines: &[&str]) -> Option<Algorithm> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(WANT_REPR_DIGEST, line.parse().unwrap());
        }
        Algorithm::wanted(&headers)
    }

    #[test]
    fn the_one_that_is_wanted_most_is_taken() {
        let cases: [(&[&str], Option<Algorithm>); 14] = [
            (&[], None),
            (&["sha-256=1"], Some(Algorithm::Sha256)),
            (&["sha-512=3, sha-256=10, unixsum=0"], Some(Algorithm::Sha256)),
            (&["sha-512=10, sha-256=3"], Some(Algorithm::Sha512)),
            (&["sha-256=5, sha-512=5"], Some(Algorithm::Sha256)),
            (&["sha-256=1", "sha-512=2"], Some(Algorithm::Sha512)),
            (&["sha-256=0"], None),
            (&["md5=10, sha-512=1;x=y"], Some(Algorithm::Sha512)),
            (&["md5=10"], None),
            (&["sha-256=11, sha-512=-1"], None),
            (&["sha-256=1.5"], None),
            (&["sha-256"], None),
            (&["sha-256=(1 2)"], None),
            (&["sha-256=1,,sha-512"], None),
        ];
        for (lines, expected) in cases {
            assert_eq!(wanted(lines), expected, "{lines:?}");
        }
    }

    /// Source: RFC 9530, appendix A, and FIPS 180's empty message.
    #[test]
    fn a_digest_is_written_as_a_structured_field() {
        let field = |algorithm: Algorithm, body: &[u8]| algorithm.field(&algorithm.digest(body));
        let hello = field(Algorithm::Sha256, b"{\"hello\": \"world\"}\n");
        assert_eq!(hello, "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:");
        let nothing = "sha-512=:z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==:";
        assert_eq!(field(Algorithm::Sha512, b""), nothing);
    }
}
