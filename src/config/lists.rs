//! Settings that are one thing or several: a text, a list of texts, or, in a variable, texts with commas between them.

use std::fmt::Display;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IntoDeserializer};

use crate::networks::Networks;

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
enum OneOrSeveral {
    One(String),
    Several(Vec<String>),
}

fn texts<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<String>, D::Error> {
    let texts = match OneOrSeveral::deserialize(source)? {
        OneOrSeveral::One(text) => text.split(',').map(str::to_owned).collect(),
        OneOrSeveral::Several(texts) => texts,
    };
    let texts = texts.iter().map(|text| text.trim().to_owned());
    Ok(texts.filter(|text| !text.is_empty()).collect())
}

/// Each text, as one of the words that a setting knows.
pub(super) fn listed<'de, D: Deserializer<'de>, T: Deserialize<'de>>(source: D) -> Result<Vec<T>, D::Error> {
    texts(source)?.into_iter().map(|text| T::deserialize(text.into_deserializer())).collect()
}

/// Each text, read as what it is to be.
pub(super) fn several<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(source: D) -> Result<Vec<T>, D::Error> {
    let texts = texts(source)?.into_iter();
    texts.map(|text| text.parse().map_err(|fault| D::Error::custom(format!("`{text}`: {fault}")))).collect()
}

/// A list of networks.
pub(super) fn networks<'de, D: Deserializer<'de>>(source: D) -> Result<Networks, D::Error> {
    several(source).map(Networks::new)
}

/// A list of networks where none is another thing than an empty one.
pub(super) fn some_networks<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Networks>, D::Error> {
    networks(source).map(Some)
}

/// One text, read as what it must be.
pub(super) fn word<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(source: D) -> Result<T, D::Error> {
    let text = String::deserialize(source)?;
    text.parse().map_err(|fault| D::Error::custom(format!("`{text}`: {fault}")))
}

/// One text, read as what it is to be, where there may be none.
pub(super) fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(source: D) -> Result<Option<T>, D::Error> {
    word(source).map(Some)
}
