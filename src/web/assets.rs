//! The files of ours that pages load. They may change with the next version of the program, so browsers ask each time.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;

pub(super) async fn style() -> impl IntoResponse {
    file("text/css; charset=utf-8", include_str!("assets/style.css"))
}

pub(super) async fn live() -> impl IntoResponse {
    file("text/javascript; charset=utf-8", include_str!("assets/live.js"))
}

pub(super) async fn send() -> impl IntoResponse {
    file("text/javascript; charset=utf-8", include_str!("assets/send.js"))
}

pub(super) async fn review() -> impl IntoResponse {
    file("text/javascript; charset=utf-8", include_str!("assets/review.js"))
}

pub(super) async fn icon() -> impl IntoResponse {
    file("image/svg+xml", include_str!("assets/icon.svg"))
}

fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], text)
}
