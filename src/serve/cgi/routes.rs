//! What a CGI module answers: its route, and those that its `_routes` export declares, as WAGI has it.

use super::CgiOptions;
use super::output::Collected;
use crate::abi::{Core, Track};
use crate::adapt::{Item, Survey, survey};
use crate::diagnostic::{Code, Diagnostic, Result, nearest};
use crate::engine::{Program, Task};
use crate::host::{Config, Log, State, Stdio, Trap};
use crate::serve::gate::Gate;
use crate::serve::pool::{Policy, Pool};
use crate::serve::route::{Means, Pattern, Route, RouteOptions};
use std::sync::{Arc, Mutex, PoisonError};

/// The interface of a program, and the export of a preview1 command.
const RUN: &str = "wasi:cli/run";
const START: &str = "_start";
/// What prints routes below that of the module.
const ROUTES: &str = "_routes";

/// Compiles and links the module once for all of its routes. Declared routes come before that of the module, the last one
/// first: the last that matches answers.
pub(in crate::serve) async fn routes(options: RouteOptions, cgi: CgiOptions, means: &Means) -> Result<Vec<Arc<Route>>> {
    if options.policy.max != 1 || options.policy.min_warm != 0 {
        let message = format!("a CGI route cannot have the policy `{}`", options.policy.name());
        return Err(Diagnostic::new(Code::ConfigInvalid, message)
            .hint("a program ends with its request: leave the policy out, or say `fresh`"));
    }
    let survey = survey(&options.module)?;
    let names = entrypoints(&survey);
    let entry = match &cgi.entrypoint {
        Some(name) => find(&names, name)?,
        None => program(&names).ok_or_else(|| no_program(&survey))?,
    };
    let program: Arc<dyn Program> = Arc::from(means.load(options.engine, options.limits, &options.module, &names)?);
    let RouteOptions { pattern, mode, limits, requests, config, .. } = options;
    let gate = Arc::new(Gate::new(limits.instances, requests.queue, requests.patience));
    let make = |pattern: Pattern, entry: usize| {
        let pool = Pool::new(program.clone(), entry, Policy::default(), limits, config.clone(), means.log.clone());
        Arc::new(Route::with(pattern, mode.clone(), pool, gate.clone(), requests))
    };
    let own = make(pattern.clone(), entry);
    own.pool.rehearse().await.map_err(|trap| setup(format!("the module cannot be set up: {trap}")))?;
    let mut all = vec![own];
    if let Some(index) = names.iter().position(|&name| name == ROUTES) {
        let state = |stdio| State::new(Arc::new(Config { args: vec![ROUTES.to_owned()], ..config.clone() }), stdio);
        let text = declared(program.as_ref(), Task::new(Some(index), Vec::new(), &limits), state, &means.log).await?;
        for (below, name) in parse(&text)? {
            let full = format!("{}/{}", pattern.path().trim_end_matches('/'), below.trim_start_matches('/'));
            let full = Pattern::parse(&full).map_err(|e| setup(format!("`_routes` declares `{below}`: {e}")))?;
            all.insert(0, make(full, find(&names, name)?));
        }
    }
    Ok(all)
}

/// The exports that can be called for a request: functions without parameters, with a code as their result or none.
fn entrypoints(survey: &Survey) -> Vec<&str> {
    let fits = |item: &Item| match item {
        Item::Func(Some(ty)) => ty.params.is_empty() && matches!(ty.results[..], [] | [Core::I32]),
        _ => false,
    };
    survey.exports.iter().filter(|(_, item)| fits(item)).map(|(name, _)| name.as_str()).collect()
}

fn program(names: &[&str]) -> Option<usize> {
    let track = Track { interface: RUN.to_owned(), track: Some("0.2".to_owned()) };
    let runs = |name: &&str| name.split_once('#').is_some_and(|(i, f)| f == "run" && Track::of(i).0 == track);
    names.iter().position(runs).or_else(|| names.iter().position(|&name| name == START))
}

fn no_program(survey: &Survey) -> Box<Diagnostic> {
    let exports: Vec<&str> = survey.exports.keys().map(String::as_str).collect();
    let error = Diagnostic::new(Code::NoProgram, "the module is no program, which CGI runs")
        .fact("wanted", format!("{RUN}@0.2.x#run, or {START}"))
        .fact("exports", if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") });
    match exports.iter().any(|e| e.starts_with(crate::serve::HANDLER)) {
        true => error.hint("this is a handler of wasi:http, which the mode `http` calls"),
        false => error,
    }
}

fn find(names: &[&str], name: &str) -> Result<usize> {
    names.iter().position(|&have| have == name).ok_or_else(|| {
        let error = Diagnostic::new(Code::NoProgram, format!("there is no entrypoint `{name}`"))
            .fact("wanted", "a function without parameters")
            .fact("exports", names.join(", "));
        match nearest(name, names.iter().copied()) {
            Some(near) => error.hint(format!("the nearest is `{near}`")),
            None => error,
        }
    })
}

fn setup(message: impl Into<String>) -> Box<Diagnostic> {
    Diagnostic::new(Code::GuestSetup, message)
}

/// What `_routes` prints.
async fn declared(program: &dyn Program, task: Task, state: impl FnOnce(Stdio) -> State, log: &Log) -> Result<String> {
    let output = Arc::new(Mutex::new(Collected::default()));
    let stdio = Stdio { stdout: Some(output.clone()), ..Stdio::logged(log.clone()) };
    let finished = program.instance(state(stdio)).run(task).await;
    match finished.outcome {
        Ok(None | Some(0)) | Err(Trap::Exit(0)) => {}
        Ok(Some(code)) => return Err(setup(format!("`_routes` failed: {}", Trap::Exit(code)))),
        Err(trap) => return Err(setup(format!("`_routes` failed: {trap}"))),
    }
    let bytes = std::mem::take(&mut output.lock().unwrap_or_else(PoisonError::into_inner).bytes);
    String::from_utf8(bytes).map_err(|_| setup("`_routes` prints what is not UTF-8"))
}

/// Lines of a path and an entrypoint.
fn parse(text: &str) -> Result<Vec<(&str, &str)>> {
    let mut all = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some(path), Some(entrypoint), None) => all.push((path, entrypoint)),
            _ => {
                return Err(setup(format!("`_routes` prints `{}`", line.escape_debug()))
                    .hint("a line is a path and an entrypoint, such as `/hello hello`"));
            }
        }
    }
    if all.is_empty() {
        return Err(
            setup("`_routes` declares no route").hint("a line is a path and an entrypoint, such as `/hello hello`")
        );
    }
    Ok(all)
}
