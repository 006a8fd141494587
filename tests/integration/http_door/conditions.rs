//! Conditions and ranges, over a real socket and with the real curl. The order of conditions is tried in `src/http/conditional`.

use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime};

use http::Method;

use super::{Door, assert_problem, text};
use crate::support::client::Answer;

/// A door on `ten.txt`, ten digits, modified long ago, and its first answer.
async fn ten() -> (Door, Answer) {
    let door = Door::open(&["ten.txt"]).await;
    set(&door, "ten.txt", b"0123456789", SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777));
    let whole = door.get("/cache/ten.txt").await;
    assert_eq!(whole.text(), "0123456789");
    (door, whole)
}

fn set(door: &Door, name: &str, content: &[u8], modified: SystemTime) {
    let path = door.source.path().join(name);
    fs::write(&path, content).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
}

/// A part of a multipart answer: its fields, by lower-case name, and its bytes.
type Part = (Vec<(String, String)>, Vec<u8>);

/// The parts of a multipart answer.
#[track_caller]
fn parts(answer: &Answer) -> Vec<Part> {
    let boundary = answer.header("content-type").strip_prefix("multipart/byteranges; boundary=").expect("a multipart answer");
    let delimiter = format!("\r\n--{boundary}");
    let body = answer.body.as_ref();
    let at = |from: usize, what: &[u8]| body[from..].windows(what.len()).position(|window| window == what).map(|at| from + at);
    let mut parts = Vec::new();
    let mut start = at(0, delimiter.as_bytes()).expect("a boundary") + delimiter.len();
    while !body[start..].starts_with(b"--") {
        let head_end = at(start, b"\r\n\r\n").expect("the end of a part's head");
        let end = at(head_end + 4, delimiter.as_bytes()).expect("a boundary");
        let head = std::str::from_utf8(&body[start..head_end]).unwrap().trim();
        let fields = head.split("\r\n").map(|line| line.split_once(": ").expect("a field"));
        let fields = fields.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        parts.push((fields, body[head_end + 4..end].to_vec()));
        start = end + delimiter.len();
    }
    assert_eq!(&body[start..], b"--\r\n", "nothing comes after the end");
    parts
}

#[tokio::test]
async fn every_condition_of_a_get_counts() {
    let (door, whole) = ten().await;
    let etag = whole.header("etag");
    assert_eq!(whole.header("last-modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
    let (then, before) = ("Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:36 GMT");
    type Case<'a> = (&'a [(&'a str, &'a str)], u16);
    let cases: [Case; 15] = [
        (&[("if-match", etag)], 200),
        (&[("if-match", "*")], 200),
        (&[("if-match", "\"other\"")], 412),
        (&[("if-match", &format!("W/{etag}"))], 412),
        (&[("if-unmodified-since", then)], 200),
        (&[("if-unmodified-since", before)], 412),
        (&[("if-unmodified-since", "no date")], 200),
        (&[("if-modified-since", then)], 304),
        (&[("if-modified-since", "Sun Nov  6 08:49:37 1994")], 304),
        (&[("if-modified-since", before)], 200),
        (&[("if-none-match", "\"other\""), ("if-modified-since", then)], 200),
        (&[("if-match", etag), ("if-unmodified-since", before)], 200),
        (&[("if-match", "\"other\""), ("if-none-match", etag)], 412),
        (&[("if-match", etag), ("if-none-match", etag)], 304),
        (&[("if-match", "\"other\""), ("range", "bytes=99-")], 412),
    ];
    for (headers, status) in cases {
        for method in [Method::GET, Method::HEAD] {
            let answer = door.send(method.clone(), "/cache/ten.txt", headers, "").await;
            assert_eq!(answer.status.as_u16(), status, "{method} {headers:?}");
            assert_eq!(answer.header("etag"), etag, "{method} {headers:?}");
            assert!(answer.header("cache-status").starts_with("cache-api; hit"), "{answer:?}");
            if status == 412 && method == Method::GET {
                door.assert_problem(&answer, 412, "precondition-failed");
            }
        }
    }
    // Of what is not there, that is what there is to say.
    let absent = door.send(Method::GET, "/cache/absent", &[("if-match", "\"a\"")], "").await;
    door.assert_problem(&absent, 404, "not-found");
}

#[tokio::test]
async fn what_would_change_the_cache_is_refused_where_its_conditions_are_not_met() {
    let (door, whole) = ten().await;
    let etag = whole.header("etag");
    let before = "Sun, 06 Nov 1994 08:49:36 GMT";
    for method in [Method::PUT, Method::DELETE] {
        for header in
            [("if-match", "\"other\""), ("if-none-match", etag), ("if-none-match", "*"), ("if-unmodified-since", before)]
        {
            let refused = door.send(method.clone(), "/cache/ten.txt", &[header], "").await;
            door.assert_problem(&refused, 412, "precondition-failed");
            assert_eq!(refused.header("etag"), etag);
            assert!(door.get("/cache/ten.txt").await.header("cache-status").starts_with("cache-api; hit"), "{method} {header:?}");
        }
    }
    assert_eq!(door.send(Method::PUT, "/cache/ten.txt", &[("if-match", etag)], "").await.status, 200);
    assert_eq!(door.send(Method::DELETE, "/cache/ten.txt", &[("if-match", etag)], "").await.status, 204);
    assert_eq!(door.get("/cache").await.json()["keys"], serde_json::json!([]));
    // What a read would answer now counts, cached or not: the record still has it.
    assert_eq!(door.send(Method::DELETE, "/cache/ten.txt", &[("if-match", etag)], "").await.status, 204);
    // Where nothing is, no tag names it.
    let put = door.send(Method::PUT, "/cache/absent", &[("if-match", "*")], "").await;
    door.assert_problem(&put, 404, "not-found");
    let delete = door.send(Method::DELETE, "/cache/absent", &[("if-match", "*")], "").await;
    door.assert_problem(&delete, 412, "precondition-failed");
    assert_eq!(door.send(Method::DELETE, "/cache/absent", &[("if-none-match", "*")], "").await.status, 204);
}

#[tokio::test]
async fn a_post_creates_what_is_not_cached_and_no_more_if_it_says_so() {
    let (door, whole) = ten().await;
    let create = async || door.send(Method::POST, "/cache/ten.txt", &[("if-none-match", "*")], "").await;
    let refused = create().await;
    door.assert_problem(&refused, 412, "precondition-failed");
    assert_eq!(refused.header("etag"), whole.header("etag"));
    assert_eq!(door.ask(Method::DELETE, "/cache/ten.txt").await.status, 204);
    assert_eq!(create().await.status, 201);
    assert_eq!(create().await.status, 412);
}

#[tokio::test]
async fn several_ranges_come_in_one_answer() {
    let door = Door::open(&["a.csv"]).await;
    let content: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    set(&door, "a.csv", &content, SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777));
    let whole = door.get("/cache/a.csv").await;
    let get = async |range: &str| door.send(Method::GET, "/cache/a.csv", &[("range", range)], "").await;
    let answer = get("bytes=399990-, 0-9, 5000-5999, 999999-").await;
    assert_eq!(answer.status, 206);
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    assert!(!answer.headers.contains_key("content-range"), "{answer:?}");
    assert_eq!(answer.header("etag"), whole.header("etag"));
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let part = |first: usize, last: usize| {
        let range = format!("bytes {first}-{last}/400000");
        (vec![field("content-type", "text/csv"), field("content-range", &range)], content[first..=last].to_vec())
    };
    assert_eq!(parts(&answer), [part(399_990, 399_999), part(0, 9), part(5000, 5999)]);
    // Overlapping ones are one, and so is a thousand of the same; more than anybody needs are the whole.
    let one = get("bytes=0-99,50-199,100-299").await;
    assert_eq!((one.status.as_u16(), one.header("content-range")), (206, "bytes 0-299/400000"));
    assert_eq!(one.body, content[..300]);
    let list = |count: usize| (0..count).map(|number| format!("{0}-{0}", number * 300)).collect::<Vec<_>>().join(",");
    for (count, status) in [(60, 206), (1000, 200)] {
        let answer = get(&format!("bytes={}", list(count))).await;
        assert_eq!(answer.status.as_u16(), status, "{count} ranges");
        assert!(answer.body.len() <= content.len(), "{count} ranges have {} bytes", answer.body.len());
    }
    let huge = format!("bytes=0-{0}{0}", u64::MAX);
    assert_eq!(get(&huge).await.header("content-range"), "bytes 0-399999/400000");
    assert_problem(&get("bytes=400000-,500000-").await, 416, "range-not-satisfiable");
    // What is not the version that the client has a part of comes whole.
    let other = [("range", "bytes=0-9,5000-5999"), ("if-range", "\"other\"")];
    assert_eq!(door.send(Method::GET, "/cache/a.csv", &other, "").await.status, 200);
}

#[tokio::test]
async fn no_date_is_in_the_future() {
    let door = Door::open(&["late.txt"]).await;
    // Past the year 9999 there is no way to write one.
    for seconds in [4_000_000_000, 400_000_000_000] {
        set(&door, "late.txt", b"late", SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        door.ask(Method::PUT, "/cache/late.txt").await;
        let answer = door.get("/cache/late.txt").await;
        assert_eq!(answer.text(), "late");
        let date = |name| httpdate::parse_http_date(answer.header(name)).expect("a date");
        assert!(date("last-modified") <= date("date"), "{answer:?}");
    }
}

/// What curl says in its `-w` format, and writes to `out`.
fn curl(arguments: &[&str]) -> String {
    let output = Command::new("curl").args(["-sS"]).args(arguments).output().expect("curl");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_resumes_takes_parts_and_asks_whether_it_is_newer() {
    let (door, _) = ten().await;
    let url = format!("http://{}/cache/ten.txt", door.server.address());
    let out = tempfile::tempdir().unwrap();
    let partly = out.path().join("partly");
    fs::write(&partly, "0123").unwrap();
    assert_eq!(curl(&["-C", "-", "-o", &text(&partly), "-w", "%{http_code}", &url]), "206");
    assert_eq!(fs::read(&partly).unwrap(), b"0123456789");
    assert_eq!(curl(&["-r", "2-4", &url]), "234");
    assert_eq!(curl(&["-r", "-3", &url]), "789");
    assert_eq!(curl(&["-r", "7-", "-H", "If-Match: *", &url]), "789");
    let status = |date: &str| curl(&["-z", date, "-o", "/dev/null", "-w", "%{http_code} %{size_download}", &url]);
    assert_eq!(status("Sun, 06 Nov 1994 08:49:37 GMT"), "304 0");
    assert_eq!(status("Sun, 06 Nov 1994 08:49:36 GMT"), "200 10");
    assert_eq!(status("-Sun, 06 Nov 1994 08:49:38 GMT"), "200 10");
    // To this curl itself says 304, of our 412.
    assert_eq!(status("-Sun, 06 Nov 1994 08:49:36 GMT"), "304 0");
    // The tag that curl keeps beside a file.
    let etags = out.path().join("etag");
    let kept = ["--etag-save", &text(&etags), "--etag-compare", &text(&etags), "-o", "/dev/null", "-w", "%{http_code}", &url];
    fs::write(&etags, "").unwrap();
    assert_eq!((curl(&kept), curl(&kept)), ("200".to_owned(), "304".to_owned()));
    let several = curl(&["-r", "0-1,8-9", "-o", "/dev/null", "-w", "%{http_code} %{content_type}", &url]);
    assert_eq!(several, "206 text/plain", "so near each other, they are one");
}
