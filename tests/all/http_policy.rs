//! Patterns of `--allow-http`.

use lowlift::host::http::{HttpPattern, HttpPolicy};

fn policy(patterns: &[&str]) -> HttpPolicy {
    HttpPolicy::new(patterns.iter().map(|p| p.parse::<HttpPattern>().unwrap_or_else(|e| panic!("{p}: {e}"))))
}

/// Every line: patterns, then URLs that they allow, then URLs that they do not.
const TABLE: &[(&[&str], &[&str], &[&str])] = &[
    (&[], &[], &["http://example.org", "https://93.184.216.34", "http://localhost"]),
    (
        &["*"],
        &["http://example.org", "https://example.org:8443", "http://93.184.216.34", "https://[2606:4700::1111]"],
        &[
            "http://127.0.0.1",
            "http://10.0.0.1",
            "http://169.254.169.254",
            "http://[::1]",
            "http://0.0.0.0",
            "ftp://a.b",
        ],
    ),
    (
        &["example.org"],
        &["http://example.org", "https://EXAMPLE.org:99", "http://example.org."],
        &["http://www.example.org", "http://example.org.evil.test", "http://93.184.216.34", "http://example.org@b.c"],
    ),
    (
        &["https://example.org"],
        &["https://example.org", "https://example.org:8443"],
        &["http://example.org", "http://example.org:443"],
    ),
    (
        &["example.org:8080", "http://b.test:80"],
        &["http://example.org:8080", "https://example.org:8080", "http://b.test", "http://b.test:"],
        &["http://example.org", "https://b.test:80", "https://b.test"],
    ),
    (
        &["*.example.org"],
        &["http://www.example.org", "http://a.b.example.org"],
        &["http://example.org", "http://badexample.org", "http://.example.org", "http://example.org.test"],
    ),
    (&["*:443"], &["https://a.test", "http://a.test:443"], &["http://a.test", "https://a.test:444"]),
    (&["a.test:*"], &["https://a.test:1", "http://a.test"], &["http://b.test:1"]),
    (&["127.0.0.1"], &["http://127.0.0.1:99", "http://[::ffff:127.0.0.1]"], &["http://127.0.0.2", "http://localhost"]),
    (
        &["10.0.0.0/8:8080", "[fd00::/8]"],
        &["http://10.1.2.3:8080", "http://[fd12::1]"],
        &["http://10.1.2.3", "http://11.0.0.1:8080", "http://[fe80::1]"],
    ),
    (&["0.0.0.0/0"], &["http://127.0.0.1", "http://93.184.216.34"], &["http://[::1]", "http://example.org"]),
    (&["[::1]:8080"], &["http://[::1]:8080", "http://[0:0::1]:8080"], &["http://[::1]", "http://[::2]:8080"]),
    (&["localhost"], &["http://localhost:3000"], &["http://127.0.0.1:3000", "http://a.localhost"]),
];

#[test]
fn patterns_allow_what_they_say() {
    for (patterns, allowed, denied) in TABLE {
        let policy = policy(patterns);
        let allows = |url: &str| {
            let (scheme, authority) = url.split_once("://").expect("a URL");
            policy.allows(scheme, authority)
        };
        for url in *allowed {
            assert!(allows(url), "{patterns:?} should allow {url}");
        }
        for url in *denied {
            assert!(!allows(url), "{patterns:?} should not allow {url}");
        }
    }
}

#[test]
fn addresses_of_special_networks_are_not_public() {
    let any = policy(&["*"]);
    for address in [
        "0.1.2.3",
        "10.255.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.255.255.254",
        "169.254.1.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "[fc00::1]",
        "[fdff::1]",
        "[fe80::1]",
        "[fec0::1]",
        "[ff02::1]",
        "[2001::1]",
        "[2001:db8::1]",
        "[2002:7f00:1::]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::1]",
        "[100::1]",
        "[4000::1]",
    ] {
        assert!(!any.allows("http", address), "{address}");
    }
    for address in [
        "1.1.1.1",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "198.17.0.1",
        "198.20.0.1",
        "223.255.255.255",
        "[2001:200::1]",
        "[2606:4700::1111]",
        "[3fff:ffff::1]",
        "[64:ff9b::101:101]",
    ] {
        assert!(any.allows("http", address), "{address}");
    }
}

#[test]
fn what_is_no_pattern_is_said_to_be_none() {
    for (text, why) in [
        ("", "`` is no host"),
        ("ftp://example.org", "the scheme `ftp` is neither http nor https"),
        ("example.org/path", "a path can be neither allowed nor denied"),
        ("https://example.org/", "a path can be neither allowed nor denied"),
        ("user@example.org", "a pattern names no user"),
        ("a.*.org", "`*` stands alone or for the first labels"),
        ("*example.org", "`*` stands alone or for the first labels"),
        ("*.", "`` is no host"),
        ("example.org:", "`` is no port"),
        ("example.org:0", "`0` is no port"),
        ("example.org:http", "`http` is no port"),
        ("example.org:65536", "`65536` is no port"),
        ("::1", "an IPv6 address stands in brackets"),
        ("[::1", "the bracket is not closed"),
        ("[::1]8080", "`8080` follows the bracket"),
        ("[127.0.0.1]", "`127.0.0.1` is no IP address"),
        ("127.1", "`127.1` is no IP address"),
        ("10.0.0.0/33", "a prefix has at most 32 bits"),
        ("10.0.0.1/8", "`10.0.0.1/8` has bits set beyond its prefix"),
        ("[fd00::1/8]", "`fd00::1/8` has bits set beyond its prefix"),
        ("bücher.example", "is not ASCII"),
        ("a b", "`a b` is no host"),
    ] {
        let error = text.parse::<HttpPattern>().expect_err(text).to_string();
        assert!(error.contains(why), "{text}: {error}");
        assert!(error.contains("`*.example.org`"), "{text}: says what a pattern is: {error}");
    }
}
