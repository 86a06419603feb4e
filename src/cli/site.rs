//! Opens what a configuration of the server names.

use super::serve::{lowered, tls};
use super::{Shared, grants, io};
use crate::diagnostic::{Code, Diagnostic, Result};
use crate::host::Config;
use crate::serve::{Options, RouteOptions, Site, SiteRoute};
use std::path::{Path, PathBuf};

/// Reads a configuration and everything it names. Says which files that was, the configuration first.
pub(super) fn read(path: &Path, shared: &Shared) -> Result<(Options, Vec<PathBuf>)> {
    let input = io::read(Some(path))?;
    let text = String::from_utf8(input.bytes)
        .map_err(|_| Diagnostic::new(Code::ConfigInvalid, "the configuration is not UTF-8").in_file(&input.name, ""))?;
    let site = Site::parse(&input.name, &text)?;
    // What a configuration names lies beside it.
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut files = vec![path.to_path_buf()];
    let mut routes = Vec::with_capacity(site.routes.len());
    for route in site.routes {
        files.push(folder.join(&route.module));
        routes.push(open(route, folder, shared)?);
    }
    let default = Options::new(routes);
    let options = Options {
        listen: site.listen,
        tls: site.tls.map(|(cert, key)| tls(&folder.join(cert), &folder.join(key))).transpose()?,
        admin: site.admin,
        healthz: site.healthz,
        connections: site.connections.unwrap_or(default.connections),
        head_time: site.head_time.unwrap_or(default.head_time),
        stall_time: site.stall_time.unwrap_or(default.stall_time),
        drain: site.drain.unwrap_or(default.drain),
        ..default
    };
    Ok((options, files))
}

fn open(route: SiteRoute, folder: &Path, shared: &Shared) -> Result<RouteOptions> {
    let (input, kind) = io::read_wasm(Some(&folder.join(&route.module)))?;
    let module = lowered(&input, kind, shared)?;
    let dirs: Vec<String> = route.dirs.iter().map(|dir| beside(folder, dir)).collect();
    let given = grants::config(route.env, &dirs, &route.allow_http)?;
    let handles = route.handles.unwrap_or(given.handles);
    let config = Config { args: vec!["app".to_owned()], handles, strict: route.strict, ..given };
    Ok(RouteOptions {
        name: input.name,
        pattern: route.pattern,
        module,
        mode: route.mode,
        engine: route.engine.unwrap_or_default(),
        policy: route.policy,
        limits: route.limits,
        requests: route.requests,
        config,
    })
}

/// A directory as `--dir` takes it, whose host part lies beside the configuration.
fn beside(folder: &Path, dir: &str) -> String {
    let (host, guest) = match dir.split_once("::") {
        Some((host, guest)) => (host, guest.to_owned()),
        // Without a name of its own, guests call it as it is written.
        None => (dir.strip_suffix(":ro").unwrap_or(dir), dir.to_owned()),
    };
    format!("{}::{guest}", folder.join(host).display())
}
