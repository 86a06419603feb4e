//! What guests are given: nothing that is not named.

use crate::diagnostic::{Code, Diagnostic, Result};
use crate::host::Config;
use crate::host::files::DirSpec;
use crate::host::http::{HttpPattern, HttpPolicy};

/// Options of `run` and `serve`.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Given to the guest")]
pub(super) struct Grants {
    /// An environment variable; without a value, that of this process, if it has one.
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = variable)]
    env: Vec<(String, Option<String>)>,
    /// A directory with everything below it, under another path if one is given; `:ro` lets nothing be changed.
    #[arg(long, value_name = "HOST[::GUEST][:ro]")]
    dir: Vec<String>,
    /// Servers that HTTP requests may go to, such as `https://api.example.org`, `*.example.org` or `127.0.0.1:8080`.
    #[arg(long, value_name = "PATTERN")]
    allow_http: Vec<String>,
    /// Enforce rules of the WIT that component runtimes do not.
    #[arg(long)]
    strict: bool,
}

impl Grants {
    /// The same, opened.
    pub(super) fn config(&self) -> Result<Config> {
        let config = config(environment(&self.env)?, &self.dir, &self.allow_http)?;
        Ok(Config { strict: self.strict, ..config })
    }
}

/// What is given by these variables, directories and patterns, as `--dir` and `--allow-http` take them.
pub(super) fn config(env: Vec<(String, String)>, dirs: &[String], http: &[String]) -> Result<Config> {
    let dirs = dirs.iter().map(|text| text.parse::<DirSpec>()?.open()).collect::<Result<_>>()?;
    let http: Vec<HttpPattern> = http.iter().map(|text| pattern(text)).collect::<Result<_>>()?;
    Ok(Config { env, dirs, http: HttpPolicy::new(http), ..Config::default() })
}

fn pattern<P: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<P> {
    text.parse().map_err(|e| Diagnostic::new(Code::Usage, format!("`{text}` is no pattern: {e}")))
}

fn environment(wanted: &[(String, Option<String>)]) -> Result<Vec<(String, String)>> {
    let mut env: Vec<(String, String)> = Vec::new();
    for (name, value) in wanted {
        let value = match value {
            Some(value) => value.clone(),
            None => match std::env::var(name) {
                Ok(value) => value,
                Err(std::env::VarError::NotPresent) => continue,
                Err(_) => {
                    return Err(Diagnostic::new(Code::Usage, format!("the variable `{name}` is not UTF-8")));
                }
            },
        };
        // What is said last is meant.
        env.retain(|(other, _)| other != name);
        env.push((name.clone(), value));
    }
    Ok(env)
}

fn variable(text: &str) -> std::result::Result<(String, Option<String>), String> {
    match text.split_once('=') {
        Some(("", _)) => Err("`NAME=VALUE` or `NAME`".to_owned()),
        Some((name, value)) => Ok((name.to_owned(), Some(value.to_owned()))),
        None if text.is_empty() => Err("`NAME=VALUE` or `NAME`".to_owned()),
        None => Ok((text.to_owned(), None)),
    }
}
