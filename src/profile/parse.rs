//! Reading a profile.

use super::features::{set, words};
use super::{Limits, Profile};
use crate::diagnostic::{Code, Diagnostic, Place, Result, nearest};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};
use std::fmt;
use std::ops::Range;
use toml::Spanned;
use wasmparser::WasmFeatures;

/// A profile as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    about: Option<String>,
    features: Features,
    max_name_length: Option<Limit>,
    max_params: Option<Limit>,
    max_functions: Option<Limit>,
    max_memories: Option<Limit>,
    max_memory_pages: Option<Limit>,
    max_tables: Option<Limit>,
    max_table_elements: Option<Limit>,
    max_data: Option<Limit>,
    max_stack: Option<Limit>,
    reentrant: Option<Answer>,
}

impl Profile {
    /// Reads a profile. `path` is how the user named it. Fails with [`Code::ProfileInvalid`], with the place.
    pub fn parse(path: &str, text: &str) -> Result<Profile> {
        let file: File = toml::from_str(text).map_err(|e| wrong(path, text, e.span(), e.message()))?;
        let mut features = WasmFeatures::FLOATS.union(WasmFeatures::GC_TYPES);
        let mut sources = Vec::new();
        for (word, source) in file.features.0 {
            features = features.union(set(word.get_ref()).ok_or_else(|| unknown(path, text, &word))?);
            sources.push((word.into_inner(), source));
        }
        let mut limit = |name: &str, limit: Option<Limit>| {
            let Limit { max, source } = limit?;
            sources.push((name.to_owned(), source));
            Some(max)
        };
        let limits = Limits {
            name_length: limit("max-name-length", file.max_name_length),
            params: limit("max-params", file.max_params),
            functions: limit("max-functions", file.max_functions),
            memories: limit("max-memories", file.max_memories),
            memory_pages: limit("max-memory-pages", file.max_memory_pages),
            tables: limit("max-tables", file.max_tables),
            table_elements: limit("max-table-elements", file.max_table_elements),
            data: limit("max-data", file.max_data),
            stack: limit("max-stack", file.max_stack),
        };
        let reentrant = file.reentrant.is_none_or(|answer| {
            sources.push(("reentrant".to_owned(), answer.source));
            answer.value
        });
        Ok(Profile { name: path.to_owned(), about: file.about, features, limits, reentrant, sources })
    }
}

/// Words, or words with where each is known from.
struct Features(Vec<(Spanned<String>, Option<String>)>);

impl<'de> Deserialize<'de> for Features {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = Features;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a list of features, or a table of features and sources")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> Result<Features, A::Error> {
                let mut out = Vec::new();
                while let Some(word) = words.next_element()? {
                    out.push((word, None));
                }
                Ok(Features(out))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut words: A) -> Result<Features, A::Error> {
                let mut out = Vec::new();
                while let Some((word, source)) = words.next_entry()? {
                    out.push((word, Some(source)));
                }
                Ok(Features(out))
            }
        }
        from.deserialize_any(Words)
    }
}

/// A figure, or `{ max = …, source = "…" }`.
struct Limit {
    max: u32,
    source: Option<String>,
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Sourced {
            max: u32,
            source: String,
        }
        struct Figure;
        impl<'de> Visitor<'de> for Figure {
            type Value = Limit;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "a number up to {}, or `{{ max = …, source = \"…\" }}`", u32::MAX)
            }

            fn visit_i64<E: Error>(self, max: i64) -> Result<Limit, E> {
                let max = u32::try_from(max).map_err(|_| E::invalid_value(Unexpected::Signed(max), &self))?;
                Ok(Limit { max, source: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Limit, A::Error> {
                let Sourced { max, source } = Sourced::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Limit { max, source: Some(source) })
            }
        }
        from.deserialize_any(Figure)
    }
}

/// Yes or no, or `{ value = …, source = "…" }`.
struct Answer {
    value: bool,
    source: Option<String>,
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Sourced {
            value: bool,
            source: String,
        }
        struct YesOrNo;
        impl<'de> Visitor<'de> for YesOrNo {
            type Value = Answer;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("true, false, or `{ value = …, source = \"…\" }`")
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Answer, E> {
                Ok(Answer { value, source: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Answer, A::Error> {
                let Sourced { value, source } = Sourced::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Answer { value, source: Some(source) })
            }
        }
        from.deserialize_any(YesOrNo)
    }
}

fn unknown(path: &str, text: &str, word: &Spanned<String>) -> Box<Diagnostic> {
    let name = word.get_ref();
    let error = wrong(path, text, Some(word.span()), &format!("there is no feature `{name}`"));
    match nearest(name, words()) {
        // The engine of that name is a profile; the nearest word would be another level.
        _ if name == "wasm3" => error.hint("the level 3.0 of the specification is called `wasm3-spec`"),
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.fact("features", words().collect::<Vec<_>>().join(", ")),
    }
}

fn wrong(path: &str, text: &str, span: Option<Range<usize>>, message: &str) -> Box<Diagnostic> {
    Diagnostic::new(Code::ProfileInvalid, message.trim_end()).at(Place::Text {
        path: path.to_owned(),
        source: text.to_owned(),
        span: span.unwrap_or(0..0),
    })
}
