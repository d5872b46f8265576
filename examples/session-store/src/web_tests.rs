//! Cookies and forms of strangers.

use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let value = |text: &str| HeaderValue::from_str(text).expect("it is plain text");
    pairs.iter().map(|(name, text)| (name.parse().expect("it is a name"), value(text))).collect()
}

#[test]
fn the_token_is_found_among_other_cookies() {
    let token = "0123456789abcdef".repeat(2);
    for line in [format!("session={token}"), format!("a=b; session={token}; c=d"), format!("session=; session={token}")]
    {
        let found = token_of(&headers(&[("cookie", &line)]));
        assert_eq!(found.as_ref().map(Token::as_str), Some(token.as_str()), "{line}");
    }
    for line in ["", "session=", "session=x", "xsession=0123456789abcdef0123456789abcdef"] {
        assert!(token_of(&headers(&[("cookie", line)])).is_none(), "{line}");
    }
}

#[test]
fn a_form_of_another_site_is_foreign() {
    let own = [("origin", "http://a:80"), ("host", "a:80")];
    for (is_so, pairs) in [
        (false, &[][..]),
        (false, &own),
        (false, &[("sec-fetch-site", "same-origin")]),
        (false, &[("sec-fetch-site", "none")]),
        (true, &[("sec-fetch-site", "cross-site")]),
        (true, &[("sec-fetch-site", "same-site")]),
        (true, &[("origin", "http://b"), ("host", "a")]),
        (true, &[("origin", "null"), ("host", "null")]),
    ] {
        assert_eq!(is_foreign(&headers(pairs)), is_so, "{pairs:?}");
    }
}
