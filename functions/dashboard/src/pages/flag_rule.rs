//! A rule of a flag in words.

use crate::text::{list, name, percentage, text, time};
use maud::{Markup, html};
use serde_json::Value;

/// What a rule gives to its users.
pub(super) fn decides(rule: &Value) -> Markup {
    html! {
        @match text(&rule["type"]) {
            "serve" => { "Users get " b { (name(text(&rule["variant"]))) } },
            "experiment" => { "The experiment " b { (name(text(&rule["experiment"]))) } " decides" },
            _ => {
                (percentage(&rule["traffic_percent"])) " of the users get "
                @for (place, variant) in list(&rule["variants"]).iter().enumerate() {
                    @if place > 0 { ", " } b { (name(text(&variant["variant"]))) }
                    @if list(&rule["variants"]).len() > 1 { " (" (percentage(&variant["percent"])) ")" }
                }
            },
        }
    }
}

/// When a rule holds, if it has a time.
pub(super) fn schedule(rule: &Value) -> Markup {
    html! {
        @if !rule["starts_at"].is_null() { " from " (time(&rule["starts_at"])) }
        @if !rule["ends_at"].is_null() { " until " (time(&rule["ends_at"])) }
    }
}
