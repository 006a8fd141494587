use std::future::ready;

use http::StatusCode;
use tower::{ServiceExt, service_fn};

use super::*;

const TOKEN: &str = "0123456789abcdef";

fn access(reach: Reach) -> Access {
    Access { reach, token: None, origins: Vec::new(), requests_max: None }
}

/// The status of the answer, which is 200 where the guard lets the request in.
async fn status(access: Access, method: &str, target: &str, headers: &[(&str, &str)]) -> u16 {
    answer(access, method, target, headers).await.status().as_u16()
}

async fn answer(access: Access, method: &str, target: &str, headers: &[(&str, &str)]) -> Response {
    let inner = service_fn(|_: Request<Body>| ready(Ok(StatusCode::OK.into_response())));
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Guard::new(access).layer(inner).oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

const HERE: (&str, &str) = ("host", "127.0.0.1:5000");

/// "Bound to loopback, `Host` must be a loopback name."
#[tokio::test]
async fn a_server_for_this_machine_is_asked_by_this_machine_s_names() {
    for (headers, expected) in [
        (&[("host", "localhost:5000")][..], 200),
        (&[("host", "[::1]:1")], 200),
        (&[("host", "example.com")], 421),
        (&[("host", "")], 421),
        (&[("host", "localhost\u{e9}")], 421),
        (&[], 400),
        (&[("host", "localhost"), ("host", "localhost")], 400),
    ] {
        assert_eq!(status(access(Reach::Machine), "GET", "/cache", headers).await, expected, "{headers:?}");
    }
    // What the target names goes before the header, and neither may be another's.
    assert_eq!(status(access(Reach::Machine), "GET", "http://example.com/cache", &[HERE]).await, 421);
    assert_eq!(status(access(Reach::Machine), "GET", "http://localhost:5000/cache", &[HERE]).await, 200);
    assert_eq!(status(access(Reach::Network), "GET", "/cache", &[("host", "example.com")]).await, 200);
    assert_eq!(status(access(Reach::Network), "GET", "/cache", &[]).await, 400);
    assert_eq!(status(access(Reach::Gateway), "GET", "/cache", &[]).await, 200);
}

/// "With a foreign `Origin` or `Sec-Fetch-Site: cross-site` everything that changes state is refused, the original's GET commands
/// included."
#[tokio::test]
async fn pages_of_other_origins_change_nothing() {
    let changing = [
        ("POST", "/cache/a"),
        ("PUT", "/cache?path=a"),
        ("DELETE", "/cache/a"),
        ("PATCH", "/anything"),
        ("POST", "/cache/api/v1.0/"),
        ("GET", "/cache/api/v1.0/?command=delete&path=a"),
        ("HEAD", "/cache/api/v1.0?path=a&command=update"),
        ("GET", "/cache/api/v1.0/?comm%61nd=cr%65ate&path=a"),
    ];
    let reading = [
        ("GET", "/cache/a"),
        ("HEAD", "/cache"),
        ("OPTIONS", "/cache/a"),
        ("GET", "/cache/api/v1.0/?command=read&path=a"),
        ("GET", "/cache/api/v1.0/?function=echo&message=delete"),
        ("GET", "/cache/a?command=delete"),
    ];
    let foreign = [
        ("origin", "https://example.com"),
        ("origin", "http://127.0.0.1:3000"),
        ("origin", "http://127.0.0.1"),
        ("origin", "null"),
        ("origin", "127.0.0.1:5000"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ];
    let own =
        [("origin", "http://127.0.0.1:5000"), ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none"), ("accept", "*/*")];
    for reach in [Reach::Machine, Reach::Network] {
        for (method, target) in changing {
            for header in foreign {
                assert_eq!(status(access(reach), method, target, &[HERE, header]).await, 403, "{method} {target} {header:?}");
            }
            for header in own {
                assert_eq!(status(access(reach), method, target, &[HERE, header]).await, 200, "{method} {target} {header:?}");
            }
        }
        for (method, target) in reading {
            for header in foreign {
                assert_eq!(status(access(reach), method, target, &[HERE, header]).await, 200, "{method} {target} {header:?}");
            }
        }
    }
    // A default port may be written or not.
    let secure = [("host", "files.example.com:443"), ("origin", "https://files.example.com")];
    assert_eq!(status(access(Reach::Network), "DELETE", "/cache/a", &secure).await, 200);
}

/// "With a token set, every path but `/health` needs it."
#[tokio::test]
async fn a_token_is_asked_for_everywhere_but_at_health() {
    for reach in [Reach::Machine, Reach::Network, Reach::Gateway] {
        let access = || Access { token: Some(TokenDigest::of(TOKEN)), ..access(reach) };
        let right = format!("Bearer {TOKEN}");
        for target in
            ["/cache", "/cache/a", "/stats", "/docs", "/problems", "/nothing", "/health/", "//health", "/cache/api/v1.0/"]
        {
            for (shown, expected) in [
                (Some(&*right), 200),
                (Some("bearer 0123456789abcdef"), 200),
                (None, 401),
                (Some(""), 401),
                (Some(TOKEN), 401),
                (Some("Bearer"), 401),
                (Some("Bearer "), 401),
                (Some("Bearer 0123456789abcdeF"), 401),
                (Some("Bearer 0123456789abcdef0"), 401),
                (Some("Basic 0123456789abcdef"), 401),
            ] {
                let headers: Vec<_> = [HERE].into_iter().chain(shown.map(|shown| ("authorization", shown))).collect();
                let answer = answer(access(), "GET", target, &headers).await;
                assert_eq!(answer.status().as_u16(), expected, "{target} {shown:?}");
                let asks = answer.headers().get("www-authenticate").map(|asks| asks.to_str().unwrap());
                assert_eq!(asks, (expected == 401).then_some("Bearer realm=\"cache-api\""), "{target} {shown:?}");
            }
        }
        assert_eq!(status(access(), "GET", "/health", &[HERE]).await, 200);
    }
}

#[test]
fn nothing_of_a_token_is_printed() {
    let access = Access { token: Some(TokenDigest::of(TOKEN)), ..access(Reach::Machine) };
    let printed = format!("{access:?} {:?}", Guard::new(access.clone()));
    assert!(printed.contains("TokenDigest(hidden)") && !printed.contains("0123"), "{printed}");
}

/// "CORS off unless configured."
#[tokio::test]
async fn pages_read_answers_where_their_origin_is_named() {
    const PAGE: (&str, &str) = ("origin", "https://example.com");
    let preflight =
        [HERE, PAGE, ("access-control-request-method", "DELETE"), ("access-control-request-headers", "authorization")];
    let header = |answer: &Response, name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let off = answer(access(Reach::Machine), "GET", "/cache/a", &[HERE, PAGE]).await;
    assert_eq!((header(&off, "access-control-allow-origin"), header(&off, "vary")), (None, None));
    assert_eq!(status(access(Reach::Machine), "OPTIONS", "/cache/a", &preflight).await, 200, "is left to the service");

    let named = || Access {
        origins: vec!["https://example.com".to_owned()],
        token: Some(TokenDigest::of(TOKEN)),
        ..access(Reach::Machine)
    };
    let asked = answer(named(), "OPTIONS", "/cache/a", &preflight).await;
    assert_eq!(asked.status().as_u16(), 204, "browsers show no token when they ask");
    assert_eq!(header(&asked, "access-control-allow-methods").unwrap(), "GET, HEAD, POST, PUT, DELETE");
    assert_eq!(header(&asked, "access-control-allow-headers").unwrap(), "authorization");
    let shown = ("authorization", "Bearer 0123456789abcdef");
    let changed = answer(named(), "DELETE", "/cache/a", &[HERE, PAGE, shown, ("sec-fetch-site", "cross-site")]).await;
    assert_eq!(changed.status().as_u16(), 200);
    assert_eq!(header(&changed, "access-control-allow-origin").unwrap(), "https://example.com");
    assert_eq!(header(&changed, "vary").unwrap(), "origin");
    let refused = answer(named(), "GET", "/cache/a", &[HERE, PAGE]).await;
    assert_eq!(refused.status().as_u16(), 401);
    assert_eq!(header(&refused, "access-control-allow-origin").unwrap(), "https://example.com", "a page may read why");
    let other = answer(named(), "DELETE", "/cache/a", &[HERE, ("origin", "https://example.org"), shown]).await;
    assert_eq!((other.status().as_u16(), header(&other, "access-control-allow-origin")), (403, None));
    assert_eq!(header(&other, "vary").unwrap(), "origin");

    let any = || Access { origins: vec!["*".to_owned()], ..access(Reach::Machine) };
    assert_eq!(header(&answer(any(), "GET", "/cache/a", &[HERE]).await, "access-control-allow-origin").unwrap(), "*");
    assert_eq!(status(any(), "DELETE", "/cache/a", &[HERE, PAGE]).await, 403, "anybody's page may read, and change nothing");
    assert_eq!(
        header(&answer(any(), "OPTIONS", "/cache/a", &preflight).await, "access-control-allow-methods").unwrap(),
        "GET, HEAD"
    );
}

#[tokio::test]
async fn more_requests_than_there_are_places_are_told_to_come_again() {
    let (release, released) = tokio::sync::watch::channel(false);
    let inner = service_fn(move |_: Request<Body>| {
        let mut released = released.clone();
        async move {
            released.wait_for(|released| *released).await.unwrap();
            Ok(StatusCode::OK.into_response())
        }
    });
    let service = Guard::new(Access { requests_max: Some(1), ..access(Reach::Gateway) }).layer(inner);
    let ask = || service.clone().oneshot(Request::new(Body::empty()));
    let mut first = Box::pin(ask());
    assert!(futures_util::poll!(&mut first).is_pending());
    let refused = ask().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    release.send(true).unwrap();
    assert_eq!(first.await.unwrap().status(), 200);
    assert_eq!(ask().await.unwrap().status(), 200, "the place is free again");
}
