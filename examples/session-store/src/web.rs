//! Requests: who asks, what is done, and which page comes back.
//!
//! | request | |
//! |---|---|
//! | `GET /` | the session's page, or the form to sign in |
//! | `POST /login`, `/logout`, `/failover` | does it, and sends the browser to `/` |
//! | `GET /livez`, `/readyz` | this process serves; it reaches a cluster that is in order |
//!
//! The cookie is out of reach of scripts (`HttpOnly`) and of other sites (`SameSite=Strict`); forms that another site
//! sends are refused besides. Pages hold no scripts, and the policy that goes with them says that none may run. While
//! the cluster is away every page is a 503 that says so and that loads itself again.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, REFERRER_POLICY, REFRESH,
    RETRY_AFTER, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::cluster::{Unavailable, deadline};
use crate::config::{Config, Node};
use crate::pages;
use crate::sessions::{Sessions, Token};

/// Who may sign in with which name. There are no passwords: the sessions are what is shown here.
const LONGEST_NAME: usize = 64;

/// No request of ours has a body of this size.
const LARGEST_BODY: usize = 4096;

/// Nothing comes from elsewhere, nothing is inline, nobody may frame it.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What all requests share.
struct App {
    sessions: Arc<Sessions>,
    nodes: Vec<Node>,
    secure: bool,
    /// Held by the one who fails a shard over.
    failing_over: Mutex<()>,
}

type Shared = State<Arc<App>>;

#[derive(Deserialize)]
struct Login {
    #[serde(default)]
    name: String,
}

pub(crate) fn routes(sessions: Arc<Sessions>, config: Config) -> Router {
    let app = App { sessions, nodes: config.nodes, secure: config.secure, failing_over: Mutex::default() };
    Router::new()
        .route("/", get(home))
        .route("/login", post(log_in))
        .route("/logout", post(log_out))
        .route("/failover", post(fail_over))
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/style.css", get(async || asset("text/css; charset=utf-8", pages::STYLE)))
        .route("/icon.svg", get(async || asset("image/svg+xml", pages::ICON)))
        .fallback(async || page(StatusCode::NOT_FOUND, pages::problem("Not found", "There is no such page.")))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn(guard))
        .with_state(Arc::new(app))
}

async fn home(State(app): Shared, headers: HeaderMap) -> Response {
    let Some(token) = token_of(&headers) else { return page(StatusCode::OK, pages::login("", None)) };
    let until = deadline();
    let session = match app.sessions.visit(&token, until).await {
        Ok(Some(session)) => session,
        Ok(None) => {
            let text = "Your session has ended. Sign in again.";
            return with_cookie(page(StatusCode::OK, pages::login("", Some(text))), &cookie(&app, None));
        }
        Err(error) => return away(&app, &error),
    };
    match app.sessions.cluster().place(&token.key(), until).await {
        Ok(place) => {
            let html = pages::session(&session, &token.key_for_people(), &place, app.sessions.ttl());
            // The cookie ends when the session does, so it is made anew at each visit.
            with_cookie(page(StatusCode::OK, html), &cookie(&app, Some(&token)))
        }
        Err(error) => away(&app, &error),
    }
}

async fn log_in(State(app): Shared, headers: HeaderMap, Form(login): Form<Login>) -> Response {
    let name = login.name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        let text = format!("A name has between 1 and {LONGEST_NAME} characters.");
        return page(StatusCode::UNPROCESSABLE_ENTITY, pages::login(name, Some(&text)));
    }
    let until = deadline();
    let token = match app.sessions.create(name, until).await {
        Ok(token) => token,
        Err(error) => {
            eprintln!("a login failed: {error}");
            let html = pages::login_away(name, &app.nodes, &error.to_string());
            return page(StatusCode::SERVICE_UNAVAILABLE, html);
        }
    };
    // Whoever was signed in before is so no more. If that fails, the old session ends by itself.
    if let Some(old) = token_of(&headers)
        && let Err(error) = app.sessions.end(&old, until).await
    {
        eprintln!("a session could not be ended: {error}");
    }
    with_cookie(to_home(), &cookie(&app, Some(&token)))
}

async fn log_out(State(app): Shared, headers: HeaderMap) -> Response {
    if let Some(token) = token_of(&headers)
        && let Err(error) = app.sessions.end(&token, deadline()).await
    {
        return away(&app, &error);
    }
    with_cookie(to_home(), &cookie(&app, None))
}

/// Fails over the shard that has the session of whoever asks.
async fn fail_over(State(app): Shared, headers: HeaderMap) -> Response {
    let Some(token) = token_of(&headers) else { return to_home() };
    let until = deadline();
    match app.sessions.visit(&token, until).await {
        Ok(Some(_)) => {}
        Ok(None) => return to_home(),
        Err(error) => return away(&app, &error),
    }
    let Ok(_alone) = app.failing_over.try_lock() else {
        return page(StatusCode::CONFLICT, pages::problem("Not now", "Another failover is under way."));
    };
    let place = match app.sessions.cluster().place(&token.key(), until).await {
        Ok(place) => place,
        Err(error) => return away(&app, &error),
    };
    let Some((_, shard)) = place.shard() else {
        return away(&app, &Unavailable(format!("no shard serves slot {}", place.slot)));
    };
    let (from, to) = match app.sessions.cluster().fail_over(shard).await {
        Ok(moved) => moved,
        Err(error) => {
            let text = format!("The shard was not failed over: {error}.");
            return page(StatusCode::CONFLICT, pages::problem("No failover", &text));
        }
    };
    match app.sessions.remember_failover(&token, &from, &to).await {
        Ok(()) => to_home(),
        Err(error) => away(&app, &error),
    }
}

async fn ready(State(app): Shared) -> Response {
    if app.sessions.cluster().is_ok().await {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the cluster is not ready\n").into_response()
    }
}

/// Refuses forms of other sites, and says to browsers what they may do with what comes back.
async fn guard(request: Request, next: Next) -> Response {
    let mut response = if request.method() == Method::POST && is_foreign(request.headers()) {
        page(StatusCode::FORBIDDEN, pages::problem("Refused", "This form was sent by another site."))
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Whether a browser says that another site has sent this. What is no browser says nothing.
fn is_foreign(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return !matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap_or_default());
    text(ORIGIN).is_some_and(|origin| {
        let host = origin.split_once("://").map(|(_, host)| host);
        host.is_none() || host != text(HOST)
    })
}

/// The token of the cookie, if it has the form of one.
fn token_of(headers: &HeaderMap) -> Option<Token> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|line| line.split(';')).find_map(|pair| Token::parse(pair.trim().strip_prefix("session=")?))
}

/// The cookie that keeps a token, or one that makes browsers forget it.
fn cookie(app: &App, token: Option<&Token>) -> String {
    let (value, age) = token.map_or(("", 0), |token| (token.as_str(), app.sessions.ttl().as_secs()));
    let secure = if app.secure { "; Secure" } else { "" };
    format!("session={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}")
}

fn with_cookie(mut response: Response, cookie: &str) -> Response {
    let value = HeaderValue::from_str(cookie).expect("a cookie of ours is plain text");
    response.headers_mut().append(SET_COOKIE, value);
    response
}

fn page(status: StatusCode, html: String) -> Response {
    (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response()
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "max-age=300")], text).into_response()
}

fn to_home() -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, "/")]).into_response()
}

/// The cluster is away: says so, and lets the browser look again in two seconds.
fn away(app: &App, error: &Unavailable) -> Response {
    eprintln!("the cluster is away: {error}");
    let html = pages::away(&app.nodes, &error.to_string());
    let mut response = page(StatusCode::SERVICE_UNAVAILABLE, html);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("2"));
    response.headers_mut().insert(REFRESH, HeaderValue::from_static("2; url=/"));
    response
}

#[cfg(test)]
#[path = "web_tests.rs"]
mod tests;
