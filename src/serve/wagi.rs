//! `modules.toml`, the configuration of WAGI: which route runs which program.
//!
//! Read into the same [`Site`] as `lowlift.toml`. Paths are as written, and lie beside the file; WAGI looks for relative
//! ones where it was started.

use super::cgi::CgiOptions;
use super::config::{ROUTE_INSTANCES, Site, SiteRoute, Wrong, wrong};
use super::pool::Policy;
use super::route::{Mode, Pattern, RequestLimits};
use crate::diagnostic::Result;
use crate::engine::Limits;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    module: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    route: Spanned<String>,
    module: Spanned<String>,
    entrypoint: Option<String>,
    argv: Option<String>,
    #[serde(default)]
    volumes: BTreeMap<Spanned<String>, String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    #[serde(default)]
    allowed_hosts: Vec<String>,
    http_max_concurrency: Option<u32>,
    /// Named in WAGI's documentation and without a meaning there.
    repository: Option<Spanned<toml::Value>>,
    bindle_server: Option<Spanned<toml::Value>>,
}

/// The word by which WAGI allows requests to every host.
const ALL_HOSTS: &str = "insecure:allow-all";

/// Whether a configuration is one of WAGI.
pub(super) fn fits(text: &str) -> bool {
    toml::from_str::<toml::Table>(text).is_ok_and(|table| table.contains_key("module") && !table.contains_key("route"))
}

/// Reads a configuration. `path` is how the user named it. Fails with the place.
pub(super) fn parse(path: &str, text: &str) -> Result<Site> {
    let wrong = |span: Option<Range<usize>>, message: &str| wrong(path, text, span, message);
    let file: File = toml::from_str(text).map_err(|e| wrong(e.span(), e.message()))?;
    let mut routes = Vec::new();
    for entry in file.module {
        routes.push(read(entry, &wrong)?);
    }
    if routes.is_empty() {
        return Err(wrong(None, "there is no `[[module]]`"));
    }
    // WAGI answers it before all routes.
    Ok(Site { routes, healthz: true, ..Site::default() })
}

fn read(entry: Entry, wrong: &Wrong<'_>) -> Result<SiteRoute> {
    let at = |span: Range<usize>, message: &str| wrong(Some(span), message);
    let pattern = Pattern::parse(entry.route.get_ref()).map_err(|e| at(entry.route.span(), &e))?;
    if let Some(reserved) = entry.repository.or(entry.bindle_server) {
        return Err(at(reserved.span(), "there is no registry that modules are fetched from")
            .hint("fetch the module, and name its file"));
    }
    let module = file_of(entry.module.get_ref()).map_err(|why| {
        at(entry.module.span(), why).hint("fetch the module, and name its file: `module = \"path/to/app.wasm\"`")
    })?;
    let mut dirs = Vec::new();
    for (guest, host) in entry.volumes {
        let (span, guest) = (guest.span(), guest.into_inner());
        if host.is_empty() || guest.is_empty() || host.contains("::") || guest.contains("::") || guest.ends_with(":ro")
        {
            return Err(at(span, "a volume is a path of the guest, and a path of the host, without `::` or `:ro`"));
        }
        dirs.push(format!("{host}::{guest}"));
    }
    let host = |host: String| if host == ALL_HOSTS { "*".to_owned() } else { host.trim_end_matches('/').to_owned() };
    let CgiOptions { argv, .. } = CgiOptions::default();
    Ok(SiteRoute {
        pattern,
        module,
        mode: Mode::Cgi(CgiOptions { entrypoint: entry.entrypoint, argv: entry.argv.unwrap_or(argv) }),
        engine: None,
        policy: Policy::default(),
        limits: Limits { instances: ROUTE_INSTANCES, ..Limits::default() },
        requests: RequestLimits::default(),
        handles: None,
        env: entry.environment.into_iter().collect(),
        dirs,
        allow_net: Vec::new(),
        allow_http: entry.allowed_hosts.into_iter().map(host).collect(),
        http_concurrency: entry.http_max_concurrency,
        strict: false,
    })
}

/// The file that a module reference names, or why it names none.
fn file_of(reference: &str) -> Result<PathBuf, &'static str> {
    if reference.starts_with("bindle:") {
        return Err("modules are not fetched from a bindle server");
    }
    if reference.starts_with("oci:") {
        return Err("modules are not fetched from a registry");
    }
    match reference.strip_prefix("file:") {
        // The host, which comes after two slashes, is this one.
        Some(url) => match url.strip_prefix("//localhost/").map(|path| format!("/{path}")) {
            Some(path) => Ok(PathBuf::from(path)),
            None => Ok(PathBuf::from(url.strip_prefix("//").unwrap_or(url))),
        },
        None if reference.contains("://") => Err("modules are not fetched from the network"),
        None if reference.is_empty() => Err("the path is empty"),
        None => Ok(PathBuf::from(reference)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Code, Place};

    const WHOLE: &str = r#"
        [[module]]
        route = "/"
        module = "hello.wat"

        [[module]]
        route = "/bar/..."
        module = "file:///srv/bar.wasm"
        entrypoint = "hello"
        argv = "ruby index.rb ${SCRIPT_NAME} ${ARGS}"
        volumes = { "/inside" = "outside", "/" = "/srv/site" }
        environment.TEST_NAME = "test value"
        allowed_hosts = ["https://api.example.org/", "insecure:allow-all"]
        http_max_concurrency = 3
    "#;

    #[test]
    fn a_whole_configuration_is_read() {
        let site = Site::parse("modules.toml", WHOLE).expect("valid");
        let [hello, bar] = &site.routes[..] else { panic!("two routes") };
        assert!(site.healthz);
        assert_eq!((hello.pattern.to_string(), &hello.module), ("/".to_owned(), &PathBuf::from("hello.wat")));
        assert_eq!(hello.mode, Mode::Cgi(CgiOptions::default()));
        assert_eq!((bar.pattern.to_string(), &bar.module), ("/bar/...".to_owned(), &PathBuf::from("/srv/bar.wasm")));
        let argv = "ruby index.rb ${SCRIPT_NAME} ${ARGS}".to_owned();
        assert_eq!(bar.mode, Mode::Cgi(CgiOptions { entrypoint: Some("hello".to_owned()), argv }));
        assert_eq!(bar.dirs, ["/srv/site::/", "outside::/inside"]);
        assert_eq!(bar.env, [("TEST_NAME".to_owned(), "test value".to_owned())]);
        assert_eq!(bar.allow_http, ["https://api.example.org", "*"]);
        assert_eq!((bar.http_concurrency, bar.policy.clone()), (Some(3), Policy::default()));
    }

    #[test]
    fn what_is_wrong_is_refused_with_its_place() {
        let module = "[[module]]\nroute = \"/\"\nmodule = \"a.wasm\"\n";
        for (text, place, message) in [
            ("module = []", "", "there is no `[[module]]`"),
            ("[[module]]\nroute = \"/\"", "[[module]]", "missing field `module`"),
            (&format!("{module}volume = {{}}"), "volume", "unknown field `volume`"),
            (&format!("{module}policy = \"fresh\""), "policy", "unknown field `policy`"),
            (&format!("{module}bindle_server = \"x\""), "\"x\"", "there is no registry"),
            (&format!("{module}repository = \"x\""), "\"x\"", "there is no registry"),
            (&format!("{module}volumes = {{ \"/a::b\" = \"c\" }}"), "\"/a::b\"", "a volume is a path"),
            (&format!("{module}http_max_concurrency = -1"), "-1", "invalid value"),
            (&module.replace("a.wasm", "bindle:a/b/1.0.0"), "\"bindle:a/b/1.0.0\"", "not fetched from a bindle server"),
            (&module.replace("a.wasm", "oci:a/b:1"), "\"oci:a/b:1\"", "not fetched from a registry"),
            (&module.replace("a.wasm", "https://a/b"), "\"https://a/b\"", "not fetched from the network"),
            (&module.replace("\"/\"", "\"x\""), "\"x\"", "a route begins with `/`"),
        ] {
            let error = Site::parse("modules.toml", text).expect_err(text);
            assert_eq!(error.code, Code::ConfigInvalid);
            assert!(error.message.contains(message), "{}: {text}", error.message);
            let Some(Place::Text { source, span, .. }) = &error.place else { panic!("no place: {text}") };
            let have = &source[span.clone()];
            assert!(have.contains(place) || place.contains(have), "{have:?}: {text}");
        }
    }
}
