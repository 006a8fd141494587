//! A small server that speaks as S3 does, holds objects in memory and fails on demand, as no real server does.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::proxy::Asked;

/// The one bucket there is.
pub const BUCKET: &str = "fault-bucket";

/// When objects were last modified that were put without saying.
pub const LAST_MODIFIED: &str = "Mon, 06 Jan 2025 10:00:00 GMT";

/// Stands in every error, as the token that was sent does in some of S3's: it must not reach a log.
pub const SECRET_TOKEN: &str = "IQoJb3JpZ2luX2VjEsecret";

/// What goes wrong with one request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// 503 `SlowDown`.
    SlowDown,
    /// 429 without a body.
    TooManyRequests,
    /// 500 `InternalError`.
    InternalError,
    /// 403 `AccessDenied`.
    AccessDenied,
    /// 404 `NoSuchKey`.
    NoSuchKey,
    /// 404 `NoSuchBucket`.
    NoSuchBucket,
    /// This status with this error code of S3.
    Refusal(u16, &'static str),
    /// The connection is closed before anything is answered.
    HangUp,
    /// Nothing is answered, for ever.
    Stall,
    /// The object, once there is a permit.
    Hold(Arc<tokio::sync::Semaphore>),
    /// The head is right; the connection closes after this many bytes of the body.
    CutBody(usize),
    /// The head is right; after this many bytes of the body nothing comes, for ever.
    StallBody(usize),
    /// The object, with the checksum of other bytes.
    WrongChecksum,
    /// The object, without this header. Without `content-length` it comes in chunks.
    Without(&'static str),
    /// The object, with this header.
    With(&'static str, String),
    /// The request is answered as if it did not have this header.
    NoHeed(&'static str),
    /// 304 with this Last-Modified or none, whatever was asked.
    NotModified(Option<&'static str>),
}

/// Answers path-style GETs with and without If-None-Match, If-Match and Range, and listings. Ends with the runtime of its test.
pub struct FaultServer {
    address: String,
    state: Arc<Mutex<State>>,
}

impl FaultServer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address").to_string();
        let server = Self { address, state: Arc::default() };
        let state = Arc::clone(&server.state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&state);
                let service = service_fn(move |request| {
                    let (answer, fault) = take_down(&state, Asked::of(&request));
                    async {
                        let spoilt = match fault {
                            Some(fault) => spoil(answer, fault).await,
                            None => Ok(answer),
                        };
                        spoilt.map(Answer::send)
                    }
                });
                // The Date is one of the things that may be missing or wrong.
                let mut http1 = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http1.auto_date_header(false).serve_connection(TokioIo::new(stream), service));
            }
        });
        server
    }

    /// Where it listens: `http://127.0.0.1:40001`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes `body` the object under `key`, last modified at [`LAST_MODIFIED`].
    pub fn put(&self, key: &str, body: impl Into<Bytes>) {
        self.put_with(key, body, &[]);
    }

    /// As [`Self::put`], with these headers besides or instead.
    pub fn put_with(&self, key: &str, body: impl Into<Bytes>, headers: &[(&'static str, &str)]) {
        let body = body.into();
        let (checksum, length) = (checksum(&body), body.len().to_string());
        let etag = format!("\"{checksum}\"");
        let usual = [
            ("content-length", length.as_str()),
            ("content-type", "text/csv"),
            ("etag", &etag),
            ("last-modified", LAST_MODIFIED),
            ("x-amz-checksum-crc64nvme", &checksum),
        ];
        let mut all = HeaderMap::new();
        for (name, value) in usual.iter().chain(headers) {
            all.insert(HeaderName::from_static(name), value.parse().expect("a header value"));
        }
        self.state().objects.insert(key.to_owned(), Object { headers: all, body });
    }

    /// Takes the object under `key` away.
    pub fn remove(&self, key: &str) {
        self.state().objects.remove(key);
    }

    /// Lets the next request that has no fault yet meet this one.
    pub fn then(&self, fault: Fault) -> &Self {
        self.state().faults.push_back((None, fault));
        self
    }

    /// Lets the next request for a range that begins at `start` and has no fault yet meet this one.
    pub fn then_at(&self, start: u64, fault: Fault) -> &Self {
        self.state().faults.push_back((Some(start), fault));
        self
    }

    /// Lets nothing go wrong that has not yet.
    pub fn forget_faults(&self) {
        self.state().faults.clear();
    }

    /// What was asked since the last call.
    pub fn requests(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state().asked)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Object>,
    /// Each for a range that begins there, or for any request.
    faults: VecDeque<(Option<u64>, Fault)>,
    asked: Vec<Asked>,
}

#[derive(Clone)]
struct Object {
    headers: HeaderMap,
    body: Bytes,
}

/// What is going to be answered.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    ending: Ending,
}

/// How a body ends.
enum Ending {
    Well,
    HangUpAfter(usize),
    StallAfter(usize),
}

/// Makes hyper close the connection.
#[derive(Debug, thiserror::Error)]
#[error("hung up on purpose")]
struct HungUp;

/// Takes down what is asked; gives what that would get if all were well, and what is to go wrong.
fn take_down(state: &Mutex<State>, mut asked: Asked) -> (Answer, Option<Fault>) {
    let mut state = state.lock().unwrap();
    state.asked.push(asked.clone());
    let start = asked.range().map(|(first, _)| first as u64);
    let fault = state.faults.iter().position(|(at, _)| at.is_none() || *at == start);
    let fault = fault.and_then(|index| state.faults.remove(index)).map(|(_, fault)| fault);
    if let Some(Fault::NoHeed(name)) = fault {
        asked.headers.remove(name);
    }
    let (bucket, key) = asked.bucket_and_key();
    let answer = match state.objects.get(&key) {
        _ if bucket != BUCKET => Answer::refusing(404, "NoSuchBucket"),
        None if asked.target.contains("list-type=2") => Answer::listing(&state.objects, &asked),
        None => Answer::refusing(404, "NoSuchKey"),
        Some(object) if asked.headers.get("if-none-match") == object.headers.get("etag") => {
            let mut answer = Answer::new(304, Bytes::new());
            for name in ["etag", "last-modified"] {
                answer.headers.insert(name, object.headers[name].clone());
            }
            answer
        }
        Some(object) if asked.headers.get("if-match").is_some_and(|etag| *etag != object.headers["etag"]) => {
            Answer::refusing(412, "PreconditionFailed")
        }
        Some(object) => object.answer(asked.range()),
    };
    (answer, fault)
}

impl Object {
    /// The object, or a range of it by its first and its last byte.
    fn answer(&self, range: Option<(usize, usize)>) -> Answer {
        let Some((first, last)) = range else {
            let mut answer = Answer::new(200, self.body.clone());
            answer.headers.extend(self.headers.clone());
            return answer;
        };
        let size = self.body.len();
        if first >= size {
            return Answer::refusing(416, "InvalidRange");
        }
        let last = last.min(size - 1);
        let mut answer = Answer::new(206, self.body.slice(first..=last));
        // With the checksum of the whole, as some servers send it.
        answer.headers.extend(self.headers.clone());
        answer
            .with("content-length", &(last + 1 - first).to_string())
            .with("content-range", &format!("bytes {first}-{last}/{size}"))
    }
}

/// Lets `fault` happen to `answer`.
async fn spoil(answer: Answer, fault: Fault) -> Result<Answer, HungUp> {
    Ok(match fault {
        Fault::SlowDown => Answer::refusing(503, "SlowDown"),
        Fault::TooManyRequests => Answer::new(429, Bytes::new()),
        Fault::InternalError => Answer::refusing(500, "InternalError"),
        Fault::AccessDenied => Answer::refusing(403, "AccessDenied"),
        Fault::NoSuchKey => Answer::refusing(404, "NoSuchKey"),
        Fault::NoSuchBucket => Answer::refusing(404, "NoSuchBucket"),
        Fault::Refusal(status, code) => Answer::refusing(status, code),
        Fault::HangUp => return Err(HungUp),
        Fault::Stall => std::future::pending().await,
        Fault::Hold(permits) => {
            permits.acquire().await.expect("an open semaphore").forget();
            answer
        }
        Fault::CutBody(bytes) => Answer { ending: Ending::HangUpAfter(bytes), ..answer },
        Fault::StallBody(bytes) => Answer { ending: Ending::StallAfter(bytes), ..answer },
        Fault::WrongChecksum => answer.with("x-amz-checksum-crc64nvme", &checksum(b"other bytes")),
        Fault::Without(name) => answer.without(name),
        Fault::With(name, value) => answer.with(name, &value),
        Fault::NoHeed(_) => answer,
        Fault::NotModified(None) => Answer::new(304, Bytes::new()),
        Fault::NotModified(Some(time)) => Answer::new(304, Bytes::new()).with("last-modified", time),
    })
}

impl Answer {
    #[expect(clippy::disallowed_methods, reason = "a server tells its own time")]
    fn new(status: u16, body: Bytes) -> Self {
        let answer = Self { status, headers: HeaderMap::new(), body, ending: Ending::Well };
        answer.with("date", &httpdate::fmt_http_date(SystemTime::now())).with("x-amz-request-id", "4442587FB7D0A2F9")
    }

    /// An error as S3 words it. As S3's own, it names what nobody but the operator may learn.
    fn refusing(status: u16, code: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{BUCKET} says \
             {code}</Message><BucketName>{BUCKET}</BucketName><Token-0>{SECRET_TOKEN}</Token-0></Error>"
        );
        Self::new(status, body.into()).with("content-type", "application/xml")
    }

    /// `ListObjectsV2` as S3 words it: names are encoded as in a form where that is asked for, and else written into the XML,
    /// those too that XML does not allow.
    fn listing(objects: &BTreeMap<String, Object>, asked: &Asked) -> Self {
        let query = asked.target.split_once('?').expect("a query").1;
        let parameters: BTreeMap<_, _> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let parameter = |name: &str| parameters.get(name).map_or("", String::as_str);
        let (prefix, start_after) = (parameter("prefix"), parameter("start-after"));
        let max_keys: usize = parameter("max-keys").parse().expect("a number");
        let is_encoded = parameter("encoding-type") == "url";
        let mut listed = objects.iter().filter(|(key, _)| key.starts_with(prefix) && key.as_str() > start_after);
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult>");
        if is_encoded {
            xml += "<EncodingType>url</EncodingType>";
        }
        for (key, object) in listed.by_ref().take(max_keys) {
            let name = if is_encoded { form_urlencoded::byte_serialize(key.as_bytes()).collect() } else { in_xml(key) };
            let header = |name: &str| object.headers[name].to_str().expect("a text header");
            let modified = httpdate::parse_http_date(header("last-modified")).expect("a date");
            let modified = modified.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
            let modified = aws_sdk_s3::primitives::DateTime::from_secs(modified as i64);
            let modified = modified.fmt(aws_sdk_s3::primitives::DateTimeFormat::DateTime).expect("a date");
            write!(
                xml,
                "<Contents><Key>{name}</Key><LastModified>{modified}</LastModified><ETag>{}</ETag><Size>{}</Size></Contents>",
                in_xml(header("etag")),
                object.body.len()
            )
            .expect("text");
        }
        write!(xml, "<IsTruncated>{}</IsTruncated></ListBucketResult>", listed.next().is_some()).expect("text");
        Self::new(200, xml.into()).with("content-type", "application/xml")
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(HeaderName::from_static(name), value.parse().expect("a header value"));
        self
    }

    fn without(mut self, name: &'static str) -> Self {
        self.headers.remove(name);
        self
    }

    fn send(self) -> Response<UnsyncBoxBody<Bytes, HungUp>> {
        let sent = match self.ending {
            Ending::Well => self.body,
            Ending::HangUpAfter(bytes) | Ending::StallAfter(bytes) => self.body.slice(..bytes),
        };
        let end = stream::iter([self.ending]).filter_map(async |ending| match ending {
            Ending::Well => None,
            Ending::StallAfter(_) => std::future::pending().await,
            Ending::HangUpAfter(_) => {
                // So that hyper sends what it has before it learns of the end.
                tokio::task::yield_now().await;
                Some(Err(HungUp))
            }
        });
        let body = stream::iter([Ok(Frame::data(sent))]).chain(end);
        let mut response = Response::new(BodyExt::boxed_unsync(StreamBody::new(body)));
        *response.status_mut() = StatusCode::from_u16(self.status).expect("a status");
        *response.headers_mut() = self.headers;
        response
    }
}

fn in_xml(text: &str) -> String {
    let escape = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        c if c.is_control() => format!("&#x{:x};", u32::from(c)),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}

/// CRC64NVME as S3 sends it: eight bytes, the largest first, in base64.
fn checksum(body: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    // Eleven digits of six bits: the sixty-four and two more.
    let bits = u128::from(crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, body)) << 2;
    let digits = (0..11).rev().map(|digit| char::from(DIGITS[(bits >> (6 * digit)) as usize % 64]));
    digits.chain(['=']).collect()
}
