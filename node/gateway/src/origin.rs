//! Requests that a web page of somebody else makes in the browser of whoever sits at this machine.
//!
//! A node that listens on loopback asks nobody who they are: only this machine can connect. But a browser on it connects for any
//! page that is open in it, and a page may send a form anywhere. Such a request carries the page's `Origin`, which is not ours; and
//! where the page's own name was pointed at this machine (DNS rebinding), it carries that name as `Host`. Both are refused.
//!
//! <https://fetch.spec.whatwg.org/#origin-header>

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, Uri, header};

use crate::problem::{Fault, table};

/// Why a request is not let in; none: it is. `own` is this door's address, as people are told it.
pub(crate) fn fault(request: &Request, own: &str) -> Option<Fault> {
    let host = host_of(request);
    if let Some(origin) = text(request.headers(), &header::ORIGIN) {
        let from = origin.split_once("://").map_or(origin, |(_, from)| from);
        if host != Some(from) {
            return Some(refused(format!("it was sent by a page of `{origin}`")));
        }
    }
    let named = name_of(host?);
    let own: Uri = own.parse().ok()?;
    let known = is_local(own.host()?) && !is_address(named) && !is_local(named);
    (known && own.host() != Some(named))
        .then(|| refused(format!("`{named}` is no name of this machine")))
}

fn refused(detail: String) -> Fault {
    Fault::new(&table::FOREIGN, detail)
}

fn host_of(request: &Request) -> Option<&str> {
    let authority = request.uri().authority().map(axum::http::uri::Authority::as_str);
    text(request.headers(), &header::HOST).or(authority)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

fn is_address(name: &str) -> bool {
    name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

fn is_local(name: &str) -> bool {
    let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
    name == "localhost" || name.ends_with(".localhost") || address.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn refuses(host: &str, origin: Option<&str>, own: &str) -> bool {
        let mut request = axum::http::Request::post("/api/v1/workflows").header("host", host);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        fault(&request.body(Body::empty()).expect("a request"), own).is_some()
    }

    #[test]
    fn pages_of_others_are_refused_and_our_own_are_not() {
        let own = "http://127.0.0.1:6270";
        assert!(!refuses("127.0.0.1:6270", None, own));
        assert!(!refuses("localhost:6270", None, own));
        assert!(!refuses("[::1]:6270", None, own));
        assert!(!refuses("127.0.0.1:6270", Some("http://127.0.0.1:6270"), own));
        assert!(refuses("127.0.0.1:6270", Some("https://evil.example"), own));
        assert!(refuses("127.0.0.1:6270", Some("null"), own));
        assert!(refuses("127.0.0.1:6270", Some("http://127.0.0.1:3000"), own));
    }

    #[test]
    fn a_name_that_was_pointed_at_this_machine_is_refused() {
        assert!(refuses(
            "evil.example:6270",
            Some("http://evil.example:6270"),
            "http://127.0.0.1:6270"
        ));
        assert!(refuses("evil.example:6270", None, "http://localhost:6270"));
        assert!(!refuses("oarlock.internal:6270", None, "http://oarlock.internal:6270"));
        assert!(!refuses("any.example", None, "http://10.0.0.7:6270"));
        assert!(!refuses("any.example", None, ""));
    }
}
