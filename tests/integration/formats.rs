//! Objects in other forms than they are stored in: which one is answered, in which coding, and what clients make of it.

use std::path::Path;
use std::process::Command;

use http::Method;

use super::support::client::{Answer, send};
use super::support::repository::in_repository;
use super::support::serve::{Serve, vars};
use super::support::server::installed;

/// What Chrome sends when a person follows a link.
const NAVIGATION: [(&str, &str); 2] = [
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"),
    ("sec-fetch-mode", "navigate"),
];

/// A server over a directory of tables.
pub struct Tables {
    server: Serve,
    source: tempfile::TempDir,
    _held: tempfile::TempDir,
}

impl Tables {
    /// Serves files with these names and bodies.
    pub async fn of(files: &[(&str, &[u8])]) -> Self {
        let source = tempfile::tempdir().unwrap();
        for (name, body) in files {
            std::fs::write(source.path().join(name), body).unwrap();
        }
        Self::over(source).await
    }

    /// Serves what tables.py makes.
    pub async fn made() -> Self {
        let source = tempfile::tempdir().unwrap();
        tables(&["make", source.path().to_str().unwrap()]);
        Self::over(source).await
    }

    async fn over(source: tempfile::TempDir) -> Self {
        let held = tempfile::tempdir().unwrap();
        let variables = vars([("LOCAL_DATA_DIR", held.path())]);
        let server = Serve::start(&["--source", source.path().to_str().unwrap()], variables).await;
        Self { server, source, _held: held }
    }

    /// Where the files are.
    pub fn folder(&self) -> &Path {
        self.source.path()
    }

    /// Sends a GET for `/cache/` and what follows.
    pub async fn get(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, target, headers).await
    }

    /// The same with another method.
    pub async fn send(&self, method: Method, target: &str, headers: &[(&str, &str)]) -> Answer {
        send(self.server.address(), method, &format!("/cache/{target}"), headers, "").await
    }
}

/// Runs tables.py to its end, which is a good one; gives what it says.
#[track_caller]
fn tables(arguments: &[&str]) -> String {
    let script = in_repository("tests/integration/support/tables.py");
    let output = Command::new(installed(".venv", "bin/python", "pyarrow")).arg(script).args(arguments).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    said
}

/// "Real parts: pandas, polars, pyarrow, DuckDB." Every form is read by those who read it, and says what was stored.
#[tokio::test]
async fn pandas_pyarrow_polars_and_duckdb_read_what_is_answered_and_agree_on_every_slice() {
    let tables_of = Tables::made().await;
    let url = format!("http://{}/cache", tables_of.server.address());
    let folder = tables_of.folder().to_str().unwrap().to_owned();
    let said = tokio::task::spawn_blocking(move || tables(&["compare", &folder, &url])).await.unwrap();
    assert!(said.contains("174 of 174 alike"), "{said}");
}

const CSV: &str = "n,word\n1,a\n2,\"b,c\"\n";

/// "Answers by Accept or ?format= (which wins)."
#[tokio::test]
async fn the_format_of_the_query_wins_over_accept_and_the_stored_bytes_over_every_other() {
    let tables = Tables::of(&[("t.csv", CSV.as_bytes()), ("t", CSV.as_bytes())]).await;
    let json = r#"[{"n":1,"word":"a"},{"n":2,"word":"b,c"}]"#;
    for (target, accept, content_type, body) in [
        ("t.csv", "*/*", "text/csv", Some(CSV)),
        ("t.csv", "application/json, text/*;q=0.1", "text/csv", Some(CSV)),
        ("t.csv", "application/json", "application/json", Some(json)),
        ("t.csv", "application/json;q=0.5, application/x-ndjson", "application/x-ndjson", None),
        ("t.csv", "text/html", "text/html; charset=utf-8", None),
        ("t.csv", "application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.stream", None),
        ("t.csv?format=json", "text/csv", "application/json", Some(json)),
        ("t.csv?format=stored", "application/json", "text/csv", Some(CSV)),
        ("t.csv?format=csv", "*/*", "text/csv; charset=utf-8; header=present", Some(CSV)),
        ("t.csv?format=json-columns", "*/*", "application/json", Some("{\"n\":[1,2],\"word\":[\"a\",\"b,c\"]}\n")),
        ("t.csv?columns=n", "*/*", "text/csv; charset=utf-8; header=present", Some("n\n1\n2\n")),
        ("t.csv?columns=n", "application/json", "application/json", Some("[{\"n\":1},{\"n\":2}]")),
        // It has no other form than its bytes.
        ("t", "application/json", "application/octet-stream", Some(CSV)),
    ] {
        let answer = tables.get(target, &[("accept", accept)]).await;
        let what = format!("{target} for {accept}: {answer:?}");
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, content_type), "{what}");
        assert!(body.is_none_or(|body| answer.body == body), "{what}");
        let head = tables.send(Method::HEAD, target, &[("accept", accept)]).await;
        for name in ["content-type", "content-length", "etag"] {
            assert_eq!(head.header(name), answer.header(name), "{what}");
        }
    }
}

/// Issue 5, bad input: "unknown formats (406 with the list)".
#[tokio::test]
async fn a_format_that_there_is_not_is_refused_with_those_that_there_are() {
    let tables = Tables::of(&[("t.csv", CSV.as_bytes())]).await;
    let known = "stored (its own), parquet (application/vnd.apache.parquet), arrow (application/vnd.apache.arrow.file)";
    for (target, accept, says) in [
        ("t.csv?format=xlsx", "*/*", "there is no format `xlsx`"),
        ("t.csv?format=", "*/*", "there is no format ``"),
        ("t.csv?format=CSV", "*/*", "there is no format `CSV`"),
        ("t.csv?schema&format=xlsx", "*/*", "there is no format `xlsx`"),
        ("t.csv", "image/png, application/pdf", "Accept admits none"),
        ("t.csv", "*/*;q=0", "Accept admits none"),
    ] {
        let answer = tables.get(target, &[("accept", accept)]).await;
        assert_eq!(answer.status.as_u16(), 406, "{target} for {accept}: {answer:?}");
        let problem = answer.json();
        assert_eq!(problem["type"], "/problems/not-acceptable");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(says) && detail.contains(known), "{detail}");
        assert_eq!(answer.header("vary"), "accept");
    }
    let twice = tables.get("t.csv?format=csv&format=json", &[]).await;
    assert_eq!(twice.status.as_u16(), 400, "{twice:?}");
}

/// Pitfall 21: "`Vary` forgotten where the format is negotiated: another client's cache serves CSV for parquet."
#[tokio::test]
async fn every_answer_that_another_accept_could_have_had_otherwise_says_so() {
    let long = format!("n,word\n{}", "1,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n".repeat(100));
    let tables = Tables::of(&[("t.csv", long.as_bytes()), ("short.csv", CSV.as_bytes()), ("t.bin", b"abc")]).await;
    let all = "accept, accept-encoding, sec-fetch-mode";
    for (target, headers, vary) in [
        // The stored bytes, too: they are what was chosen.
        ("t.csv", vec![], Some(all)),
        ("t.csv", vec![("accept", "application/json")], Some(all)),
        ("t.csv", vec![("accept", "application/vnd.apache.parquet")], Some("accept, sec-fetch-mode")),
        ("t.csv", vec![("accept-encoding", "gzip")], Some(all)),
        ("t.csv", vec![("range", "bytes=0-1")], Some(all)),
        ("t.csv", NAVIGATION.to_vec(), Some(all)),
        ("t.csv?limit=1", vec![], Some(all)),
        ("short.csv", vec![], Some("accept, sec-fetch-mode")),
        ("t.csv?format=json", vec![], Some("accept-encoding")),
        ("t.csv?format=parquet", vec![], None),
        ("t.csv?format=stored", vec![], Some("accept-encoding")),
        // Nothing was chosen: it has one form.
        ("t.bin", vec![("accept", "application/json")], None),
    ] {
        let answer = tables.get(target, &headers).await;
        assert!(answer.status.is_success(), "{answer:?}");
        let said = answer.headers.get("vary").map(|vary| vary.to_str().unwrap());
        assert_eq!(said, vary, "{target} with {headers:?}");
        let mut headers = headers.clone();
        headers.push(("if-none-match", answer.header("etag")));
        headers.retain(|(name, _)| *name != "range");
        if answer.status == 200 {
            let unchanged = tables.get(target, &headers).await;
            assert_eq!(unchanged.status.as_u16(), 304, "{target} with {headers:?}");
            assert_eq!(unchanged.headers.get("vary"), answer.headers.get("vary"), "{target} with {headers:?}");
        }
    }
}

/// "Each representation and each content coding has a strong ETag of its own."
#[tokio::test]
async fn no_two_representations_have_one_etag() {
    let long = format!("n,word\n{}", "1,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n".repeat(100));
    let tables = Tables::of(&[("t.csv", long.as_bytes())]).await;
    let mut seen = std::collections::BTreeMap::new();
    for target in [
        "t.csv",
        "t.csv?format=json",
        "t.csv?format=ndjson",
        "t.csv?limit=1",
        "t.csv?limit=2",
        "t.csv?schema",
        "t.csv?format=csv",
    ] {
        for coding in ["identity", "zstd", "br", "gzip"] {
            let answers = [
                tables.get(target, &[("accept-encoding", coding)]).await,
                tables.get(target, &[("accept-encoding", coding)]).await,
            ];
            let etag = answers[0].header("etag").to_owned();
            assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag} is strong");
            assert_eq!(answers[1].header("etag"), etag);
            assert_eq!(answers[0].body, answers[1].body);
            let before = seen.insert(etag, (target, coding));
            assert_eq!(before, None, "the tag of {target} in {coding}");
        }
    }
    std::fs::write(tables.folder().join("t.csv"), CSV).unwrap();
    let changed = tables.send(Method::PUT, "t.csv", &[]).await;
    assert_eq!(changed.status.as_u16(), 200);
    let answer = tables.get("t.csv?format=json", &[]).await;
    assert!(!seen.contains_key(answer.header("etag")), "another version, another tag");
}

/// "206 and If-Range only for the identity coding of a body kept whole."
#[tokio::test]
async fn parts_are_of_bytes_without_a_coding_as_they_are_stored_or_made() {
    let long = format!("n,word\n{}", "1,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n".repeat(100));
    let tables = Tables::of(&[("t.csv", long.as_bytes())]).await;
    let part = tables.get("t.csv", &[("range", "bytes=2-5"), ("accept-encoding", "gzip")]).await;
    assert_eq!((part.status.as_u16(), part.text()), (206, "word"));
    assert!(!part.headers.contains_key("content-encoding"), "{part:?}");
    let coded = tables.get("t.csv", &[("accept-encoding", "gzip")]).await;
    assert_eq!((coded.header("content-encoding"), coded.header("accept-ranges")), ("gzip", "none"));
    let resumed = [("range", "bytes=2-5"), ("if-range", coded.header("etag")), ("accept-encoding", "gzip")];
    let whole = tables.get("t.csv", &resumed).await;
    assert_eq!((whole.status.as_u16(), whole.text()), (200, &*long), "a part of one coding is no part of another");
    for format in ["csv", "json", "ndjson", "html", "arrow", "arrows", "parquet"] {
        let target = format!("t.csv?format={format}");
        let table = tables.get(&target, &[]).await;
        assert_eq!((table.status.as_u16(), table.header("accept-ranges")), (200, "bytes"), "{target}");
        let packs = [("range", "bytes=-4"), ("accept-encoding", "gzip"), ("if-range", table.header("etag"))];
        let part = tables.get(&target, &packs).await;
        assert_eq!((part.status.as_u16(), &part.body[..]), (206, &table.body[table.body.len() - 4..]), "{target}");
        assert_eq!(
            part.header("content-range"),
            format!("bytes {0}-{1}/{2}", table.body.len() - 4, table.body.len() - 1, table.body.len())
        );
        // Made anew by another instance it is the same, byte by byte, or its tag would lie.
        let again = Tables::of(&[]).await;
        std::fs::copy(tables.folder().join("t.csv"), again.folder().join("t.csv")).unwrap();
        let modified = std::fs::metadata(tables.folder().join("t.csv")).unwrap().modified().unwrap();
        std::fs::File::options().write(true).open(again.folder().join("t.csv")).unwrap().set_modified(modified).unwrap();
        assert_eq!(again.get(&target, &[]).await.body, table.body, "{target}");
        // Two builds may write one version in two ways, and no date tells them apart.
        let by_date = tables.get(&target, &[("range", "bytes=-4"), ("if-range", table.header("last-modified"))]).await;
        assert_eq!(by_date.status.as_u16(), 200, "{target}");
    }
    let coded = tables.get("t.csv?format=json", &[("accept-encoding", "gzip")]).await;
    assert_eq!((coded.header("content-encoding"), coded.header("accept-ranges")), ("gzip", "none"));
}

/// "Compression where it helps, never on what is compressed."
#[tokio::test]
async fn what_is_text_and_long_is_packed_for_who_asks_and_what_is_packed_is_left_as_it_is() {
    let row = "1,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n";
    let long = format!("n,word\n{}", row.repeat(1_000));
    let mut state = 1_u64;
    let noise = (0..40_000).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    let noise: Vec<u8> = noise.collect();
    let files: [(&str, &[u8]); 4] =
        [("t.csv", long.as_bytes()), ("short.csv", CSV.as_bytes()), ("noise.txt", &noise), ("t.zip", long.as_bytes())];
    let tables = Tables::of(&files).await;
    for (target, coding, packed) in [
        ("t.csv", "gzip", true),
        ("t.csv", "br", true),
        ("t.csv", "zstd", true),
        ("t.csv", "deflate, gzip;q=0", false),
        ("t.csv?format=ndjson", "gzip, br", true),
        ("t.csv?format=arrow", "zstd", true),
        ("t.csv?format=parquet", "gzip", false),
        ("short.csv", "gzip", false),
        ("noise.txt", "gzip", false),
        ("t.zip", "gzip", false),
    ] {
        let answer = tables.get(target, &[("accept-encoding", coding)]).await;
        let plain = tables.get(target, &[]).await;
        let what = format!("{target} in {coding}");
        assert_eq!(answer.headers.contains_key("content-encoding"), packed, "{what}: {:?}", answer.headers);
        assert_eq!(answer.body.len() < plain.body.len() / 2, packed, "{what}");
        assert_eq!(unpacked(&answer), plain.body, "{what}");
    }
}

fn unpacked(answer: &Answer) -> Vec<u8> {
    use std::io::Read;
    let mut body = Vec::new();
    match answer.headers.get("content-encoding").map(|coding| coding.to_str().unwrap()) {
        Some("gzip") => _ = flate2::read::GzDecoder::new(&*answer.body).read_to_end(&mut body).unwrap(),
        Some("br") => _ = brotli::Decompressor::new(&*answer.body, 4096).read_to_end(&mut body).unwrap(),
        Some("zstd") => body = zstd::decode_all(&*answer.body).unwrap(),
        Some(other) => panic!("{other}"),
        None => body = answer.body.to_vec(),
    }
    body
}

/// "A browser's navigation gets a page of 100 rows with links to the bytes; tables escaped."
#[tokio::test]
async fn a_browser_gets_a_page_of_a_hundred_rows_and_of_what_is_no_table_the_bytes() {
    let rows: String = (0..250).map(|row| format!("{row},<script>alert({row})</script>\n")).collect();
    let csv = format!("n,html\n{rows}");
    let files: [(&str, &[u8]); 3] = [("t.csv", csv.as_bytes()), ("ragged.csv", b"a,b\n1\n"), ("config.json", b"{\"a\": 1}")];
    let tables = Tables::of(&files).await;
    let page = tables.get("t.csv", &NAVIGATION).await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("sandbox") && policy.contains("default-src 'none'"), "{policy}");
    let text = page.text();
    assert_eq!((text.matches("<tr>").count(), text.contains("<script")), (101, false), "{text}");
    assert!(text.contains("Rows 1 to 100.") && text.contains("&lt;script&gt;alert(99)&lt;/script&gt;"), "{text}");
    for link in ["?format=stored", "?format=parquet", "?format=html&amp;offset=100", "?schema="] {
        assert!(text.contains(&format!("href=\"{link}\"")), "{link} is not in {text}");
    }
    let last = tables.get("t.csv?format=html&offset=200&where=n%3E%3D0", &[]).await;
    assert!(last.text().contains("Rows 201 to 250.") && !last.text().contains(">next<"), "{}", last.text());
    assert!(last.text().contains("href=\"?where=n%3E%3D0&amp;format=html&amp;offset=100\""), "{}", last.text());
    for key in ["ragged.csv", "config.json"] {
        let bytes = tables.get(key, &NAVIGATION).await;
        assert_eq!(bytes.status.as_u16(), 200, "{bytes:?}");
        assert_ne!(bytes.header("content-type"), "text/html; charset=utf-8", "{key} is no table");
    }
}
