//! Reading a profile.

use super::features::{set, words};
use super::{Limits, Profile};
use crate::diagnostic::{Code, Diagnostic, Place, Result, nearest};
use serde::Deserialize;
use std::ops::Range;
use toml::Spanned;
use wasmparser::WasmFeatures;

/// A profile as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    features: Vec<Spanned<String>>,
    max_name_length: Option<u32>,
    max_params: Option<u32>,
    max_functions: Option<u32>,
    max_memories: Option<u32>,
    max_memory_pages: Option<u32>,
    max_tables: Option<u32>,
    max_table_elements: Option<u32>,
    max_data: Option<u32>,
    max_stack: Option<u32>,
    #[serde(default = "yes")]
    reentrant: bool,
}

fn yes() -> bool {
    true
}

impl Profile {
    /// Reads a profile. `path` is how the user named it. Fails with [`Code::ProfileInvalid`], with the place.
    pub fn parse(path: &str, text: &str) -> Result<Profile> {
        let file: File = toml::from_str(text).map_err(|e| wrong(path, text, e.span(), e.message()))?;
        let mut features = WasmFeatures::FLOATS.union(WasmFeatures::GC_TYPES);
        for word in &file.features {
            let word_features = set(word.get_ref()).ok_or_else(|| {
                let error = wrong(path, text, Some(word.span()), &format!("there is no feature `{}`", word.get_ref()));
                match nearest(word.get_ref(), words()) {
                    Some(near) => error.hint(format!("did you mean `{near}`?")),
                    None => error.fact("features", words().collect::<Vec<_>>().join(", ")),
                }
            })?;
            features = features.union(word_features);
        }
        let limits = Limits {
            name_length: file.max_name_length,
            params: file.max_params,
            functions: file.max_functions,
            memories: file.max_memories,
            memory_pages: file.max_memory_pages,
            tables: file.max_tables,
            table_elements: file.max_table_elements,
            data: file.max_data,
            stack: file.max_stack,
        };
        Ok(Profile { name: path.to_owned(), features, limits, reentrant: file.reentrant })
    }
}

fn wrong(path: &str, text: &str, span: Option<Range<usize>>, message: &str) -> Box<Diagnostic> {
    Diagnostic::new(Code::ProfileInvalid, message.trim_end()).at(Place::Text {
        path: path.to_owned(),
        source: text.to_owned(),
        span: span.unwrap_or(0..0),
    })
}
