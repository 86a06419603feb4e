//! The program as a user runs it: output, messages and exit codes, each a golden test in `fixtures/cli`.
//! `TRYCMD=overwrite`, which `cargo xtask bless` sets, rewrites them.

#[test]
fn sessions() {
    trycmd::TestCases::new().env("NO_COLOR", "1").case("fixtures/cli/*.md");
}
