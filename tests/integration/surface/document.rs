//! "A test compares": what `/openapi.json` says, and what the router does.

use std::collections::BTreeSet;

use super::*;

/// Of the transport, and of OpenAPI itself (a response's media type stands elsewhere).
const UNSAID: [&str; 5] = ["content-length", "content-type", "connection", "date", "transfer-encoding"];

const METHODS: [&str; 8] = ["get", "head", "post", "put", "delete", "patch", "options", "trace"];

/// A request: the path of the document that it is of, its method, target, headers and body.
type Sent<'a> = (&'a str, &'a str, &'a str, Vec<(&'a str, &'a str)>, &'a str);

/// A target of a path of the document.
fn target(path: &str) -> String {
    path.replace("{key}", "a.csv").replace("{slug}", "not-found").replace("{name}", "greet")
}

async fn document(site: &Site) -> Value {
    let answer = site.get("/openapi.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    answer.json()
}

/// "Every route of the router": a path of the document answers its methods, and no other.
#[tokio::test]
async fn the_document_has_the_methods_of_the_router_and_no_other() {
    let site = Site::open(&["a.csv"]).await;
    let document = document(&site).await;
    assert_eq!(document["openapi"], "3.1.0");
    for (path, operations) in document["paths"].as_object().unwrap() {
        let said: BTreeSet<_> = operations.as_object().unwrap().keys().map(String::as_str).collect();
        let refused = send(site.server.address(), Method::PATCH, &target(path), &[], "").await;
        assert_eq!(refused.status.as_u16(), 405, "{path}");
        let allowed: BTreeSet<_> = refused.header("allow").split(',').map(|method| method.trim().to_lowercase()).collect();
        assert_eq!(allowed.iter().map(String::as_str).collect::<BTreeSet<_>>(), said, "{path}");
        for method in METHODS {
            let method_name = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let answer = send(site.server.address(), method_name, &target(path), &[], "").await;
            assert_eq!(answer.status.as_u16() != 405, said.contains(method), "{method} {path}: {}", answer.status);
            if method == "options" {
                let told: BTreeSet<_> = answer.header("allow").split(',').map(str::to_lowercase).collect();
                assert_eq!(told, allowed, "OPTIONS {path}");
            }
        }
    }
}

/// "Every status and header": what is answered stands in the document, over requests that come to each end there is here.
#[tokio::test]
async fn every_status_and_header_that_is_answered_is_in_the_document() {
    const TOKEN: &str = "0123456789abcdef";
    let site = Site::open_with(
        &["a.csv", "b.json", "b.txt", "broken.json", "uncached.csv"],
        &[("CACHE_API_TOKEN", TOKEN), ("AWS_FUNCTION_DIR", "functions"), ("CACHE_API_FUNCTION_DEPLOY", "on")],
    )
    .await;
    let bearer = format!("Bearer {TOKEN}");
    let shown = ("authorization", &*bearer);
    let address = site.server.address();
    std::fs::write(site.source.path().join("long.csv"), "a\n".repeat(500)).unwrap();
    let document = send(address, Method::GET, "/openapi.json", &[shown], "").await.json();
    let etag = send(address, Method::GET, "/cache/a.csv", &[shown], "").await.header("etag").to_owned();
    let asked = send(address, Method::GET, "/query?sql=SELECT+1+AS+n", &[shown], "").await;
    let asked = asked.headers.get("etag").map_or("\"none\"", |tag| tag.to_str().unwrap()).to_owned();
    let (keyed, original, function) = ("/cache/{key}", "/cache/api/v1.0/", "/functions/{name}");
    let (mut seen, mut named) = (BTreeSet::new(), BTreeSet::new());
    let mut tables = Vec::new();
    let mut requests: Vec<Sent<'_>> = vec![
        (keyed, "get", "/cache/a.csv", vec![shown], ""),
        (keyed, "get", "/cache/a.csv", vec![shown, ("range", "bytes=0-1")], ""),
        (keyed, "get", "/cache/a.csv", vec![shown, ("range", "bytes=99-")], ""),
        (keyed, "get", "/cache/a.csv", vec![shown, ("if-none-match", &etag)], ""),
        (keyed, "get", "/cache/long.csv", vec![shown, ("range", "bytes=0-0,300-300,600-")], ""),
        (keyed, "get", "/cache/a.csv", vec![shown, ("if-match", "\"another\"")], ""),
        (keyed, "get", "/cache/a.csv", vec![shown, ("want-repr-digest", "sha-256=1")], ""),
        (keyed, "get", "/cache/a.csv", vec![shown, ("cache-control", "no-cache"), ("accept-encoding", "br")], ""),
        (keyed, "get", "/cache/uncached.csv", vec![shown, ("cache-control", "only-if-cached")], ""),
        (keyed, "get", "/cache/nothing", vec![shown], ""),
        (keyed, "get", "/cache/nothing", vec![shown], ""),
        (keyed, "get", "/cache/..", vec![shown], ""),
        (keyed, "get", "/cache/a.csv", vec![], ""),
        (keyed, "get", "/cache/a.csv", vec![shown, ("host", "example.com")], ""),
        (keyed, "head", "/cache/a.csv", vec![shown], ""),
        (keyed, "head", "/cache/a.csv", vec![shown, ("if-none-match", &etag)], ""),
        (keyed, "head", "/cache/nothing", vec![shown], ""),
        (keyed, "post", "/cache/a.csv", vec![shown], ""),
        (keyed, "post", "/cache/a.csv", vec![shown], "data"),
        (keyed, "post", "/cache/a.csv", vec![shown, ("origin", "https://example.com")], ""),
        (keyed, "put", "/cache/a.csv", vec![shown], ""),
        (keyed, "put", "/cache/nothing", vec![shown], ""),
        (keyed, "put", "/cache/a.csv", vec![shown, ("if-match", "\"another\"")], ""),
        (keyed, "post", "/cache/a.csv", vec![shown, ("if-none-match", "*")], ""),
        (keyed, "delete", "/cache/a.csv", vec![shown, ("if-match", "\"another\"")], ""),
        (keyed, "delete", "/cache/a.csv", vec![shown], ""),
        (keyed, "delete", "/cache/..", vec![shown], ""),
        ("/cache", "get", "/cache", vec![shown], ""),
        ("/cache", "get", "/cache?limit=1", vec![shown], ""),
        ("/cache", "get", "/cache?limit=0", vec![shown], ""),
        ("/cache", "get", "/cache?path=a.csv", vec![shown], ""),
        ("/cache", "get", "/cache?path=a.csv", vec![shown, ("range", "bytes=-1")], ""),
        ("/cache", "get", "/cache?path=a.csv", vec![shown, ("if-match", "\"another\"")], ""),
        ("/cache", "get", "/cache?path=nothing", vec![shown], ""),
        ("/cache", "head", "/cache", vec![shown], ""),
        ("/cache", "head", "/cache?limit=1", vec![shown], ""),
        ("/cache", "head", "/cache?limit=0", vec![shown], ""),
        ("/cache", "head", "/cache?path=a.csv", vec![shown], ""),
        ("/cache", "post", "/cache", vec![shown], r#"{"keys": ["a.csv", "nothing"]}"#),
        ("/cache", "post", "/cache", vec![shown], "{}"),
        ("/cache", "post", "/cache?path=a.csv", vec![shown], ""),
        ("/cache", "put", "/cache?path=a.csv", vec![shown], ""),
        ("/cache", "put", "/cache", vec![shown], ""),
        ("/cache", "delete", "/cache?path=a.csv", vec![shown], ""),
        (original, "get", "/cache/api/v1.0/?path=b.json", vec![shown], ""),
        (original, "get", "/cache/api/v1.0/?command=head", vec![shown], ""),
        (original, "get", "/cache/api/v1.0/?command=sing", vec![shown], ""),
        (original, "get", "/cache/api/v1.0/?command=delete&path=nothing", vec![shown], ""),
        (original, "get", "/cache/api/v1.0/?path=nothing", vec![shown], ""),
        (original, "get", "/cache/api/v1.0/?function=sing", vec![shown], ""),
        (original, "get", "/cache/api/v1.0/?function=echo&message=m", vec![shown], ""),
        (original, "head", "/cache/api/v1.0/?path=b.json", vec![shown], ""),
        (original, "post", "/cache/api/v1.0/", vec![shown], r#"{"data": {"function": "echo", "message": "m"}}"#),
        (original, "post", "/cache/api/v1.0/", vec![shown], "x"),
        ("/functions", "get", "/functions?limit=2", vec![shown], ""),
        ("/functions", "get", "/functions?limit=0", vec![shown], ""),
        (function, "get", "/functions/echo?message=m", vec![shown], ""),
        (function, "get", "/functions/echo", vec![shown], ""),
        (function, "get", "/functions/nothing", vec![shown], ""),
        (function, "post", "/functions/echo", vec![shown], r#"{"message": "m"}"#),
        (function, "post", "/functions/echo", vec![shown], "x"),
        ("/functions/{name}/source", "get", "/functions/echo/source", vec![shown], ""),
        ("/health", "get", "/health", vec![], ""),
        ("/health", "head", "/health", vec![], ""),
        ("/stats", "get", "/stats", vec![shown], ""),
        ("/stats", "get", "/stats", vec![], ""),
        ("/problems", "get", "/problems", vec![shown], ""),
        ("/problems", "get", "/problems", vec![shown, ("accept", "text/html")], ""),
        ("/problems/{slug}", "get", "/problems/not-found", vec![shown, ("accept", "application/json")], ""),
        ("/problems/{slug}", "get", "/problems/no-such", vec![shown], ""),
        ("/openapi.json", "get", "/openapi.json", vec![shown], ""),
        ("/docs", "get", "/docs", vec![shown], ""),
    ];
    let options: Vec<_> = document["paths"].as_object().unwrap().keys().map(|path| (&**path, target(path))).collect();
    requests.extend(options.iter().map(|(path, target)| (*path, "options", &**target, vec![shown], "")));
    // Without columns there are no tables.
    if cfg!(feature = "frames") {
        for query in ["format=html", "format=xlsx", "schema", "columns=a&where=a+IS+NULL&order_by=a&offset=0&limit=0", "limit=x"]
        {
            let (plain, named) = (format!("/cache/a.csv?{query}"), format!("/cache?path=a.csv&{query}"));
            tables.extend([(keyed, plain), ("/cache", named)]);
        }
        tables.extend([(keyed, "/cache/broken.json?schema".to_owned()), (keyed, "/cache/b.txt?schema".to_owned())]);
        for method in ["get", "head"] {
            requests.extend(tables.iter().map(|(path, target)| (*path, method, &**target, vec![shown], "")));
        }
        let text = "SELECT a FROM \"a.csv\"";
        requests.push((function, "put", "/functions/greet?language=sql", vec![shown], text));
        requests.push((function, "put", "/functions/greet?language=sql", vec![shown], "DROP TABLE t"));
        requests.push((function, "get", "/functions/greet", vec![shown], ""));
        requests.push((function, "head", "/functions/greet?format=html", vec![shown], ""));
        requests.push(("/functions/{name}/source", "get", "/functions/greet/source", vec![shown], ""));
        for target in ["/query?sql=SELECT+1+AS+n", "/query", "/query?sql=DROP", "/query?sql=SELECT+*+FROM+%22nothing%22"] {
            requests.extend(["get", "head"].map(|method| ("/query", method, target, vec![shown], "")));
        }
        requests.push(("/query", "get", "/query?sql=SELECT+1+AS+n", vec![shown, ("if-none-match", &asked)], ""));
        requests.push(("/query", "get", "/query?sql=SELECT+1+AS+n", vec![shown, ("accept-encoding", "br")], ""));
        requests.push(("/query", "post", "/query", vec![shown], r#"{"sql": "SELECT * FROM \"a.csv\""}"#));
        requests.push(("/query", "post", "/query", vec![shown], "{}"));
        requests.push((keyed, "get", "/cache/a.csv", vec![shown, ("accept", "image/png")], ""));
        requests.push((keyed, "get", "/cache/a.csv", vec![shown, ("accept", "application/json")], ""));
    }
    for (path, method, target, headers, body) in requests {
        let name = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let answer = send_as(address, name, target, &headers, body).await;
        let (status, what) = (answer.status.as_str().to_owned(), format!("{method} {target} {headers:?}"));
        let responses = &document["paths"][path][method]["responses"];
        let response = responses.get(&status).unwrap_or_else(|| panic!("{what}: {status} is not in the document: {responses}"));
        let said: BTreeSet<_> = response["headers"].as_object().unwrap().keys().map(|name| name.to_lowercase()).collect();
        for name in answer.headers.keys().map(|name| name.as_str()).filter(|name| !UNSAID.contains(name)) {
            assert!(said.contains(name), "{what}: {status} has {name}, which is not in the document");
        }
        if !answer.body.is_empty() {
            let media = answer.header("content-type").split(';').next().unwrap().to_owned();
            let content = response["content"].as_object().unwrap_or_else(|| panic!("{what}: {status} has a body"));
            assert!(content.contains_key(&media) || content.contains_key("*/*"), "{what}: {status} is {media}: {content:?}");
            named.extend(content.contains_key(&media).then_some(media));
        }
        seen.insert((path.to_owned(), method.to_owned(), status));
    }
    assert!(named.contains("multipart/byteranges"), "several parts were answered: {named:?}");
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            for status in operation["responses"].as_object().unwrap().keys().filter(|status| status.starts_with('2')) {
                let is_head = method == "head";
                // Files of functions take a language, and that columns.
                let is_of_files = !cfg!(feature = "frames") && (method == "put" || path == "/functions/{name}/source");
                assert!(
                    is_head
                        || (is_of_files && path.starts_with("/functions"))
                        || seen.contains(&(path.clone(), method.clone(), status.clone())),
                    "nobody saw {method} {path} {status}"
                );
            }
        }
    }
}

/// As [`send`], where a Host among `headers` stands instead of the server's own.
async fn send_as(address: &str, method: Method, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let host = headers.iter().find(|(name, _)| *name == "host").map(|(_, host)| *host);
    match host {
        Some(host) => {
            send(address, method, &format!("http://{host}{target}"), &headers[..headers.len() - 1], body.to_owned()).await
        }
        None => send(address, method, target, headers, body.to_owned()).await,
    }
}

/// Without columns there are no tables, and nothing is said of them.
#[tokio::test]
async fn the_document_says_what_this_build_can() {
    let site = Site::open(&["a.csv"]).await;
    let document = document(&site).await;
    let said = |name: &str| {
        document["paths"]["/cache/{key}"]["get"]["parameters"].as_array().unwrap().iter().any(|it| it["name"] == name)
    };
    let words = ["format", "columns", "where", "schema", "limit", "Accept"].map(said);
    assert_eq!(words, [cfg!(feature = "frames"); 6]);
    assert_eq!(document["paths"]["/cache/{key}"]["get"]["responses"]["406"].is_object(), cfg!(feature = "frames"));
    let page = site.get("/docs").await;
    assert_eq!(page.text().contains("format=parquet"), cfg!(feature = "frames"));
}

/// "A docs page at `/docs` that works offline."
#[tokio::test]
async fn the_docs_name_every_operation_and_the_server_that_was_asked() {
    let site = Site::open(&[]).await;
    let answer = site.get("/docs").await;
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    let page = answer.text();
    for (path, operations) in document(&site).await["paths"].as_object().unwrap() {
        for (_, operation) in operations.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(page.contains(&format!("id=\"{id}\"")), "{path} {id}");
        }
    }
    assert!(page.contains(&format!("curl http://{}/cache/prices.csv", site.server.address())));
}
