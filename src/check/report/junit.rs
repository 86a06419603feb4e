//! JUnit XML: a suite for each file, a test case for each finding, and one that passes where there is none.

use super::super::finding::Finding;
use super::Report;
use super::sarif::text;
use crate::diagnostic::{Code, Diagnostic, Result, Severity};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

impl Report {
    /// For pipelines that show tests. Findings that are known are skipped tests.
    pub fn junit(&self) -> Result<String> {
        let mut report = quick_junit::Report::new("lowlift check");
        for module in &self.modules {
            let mut suite = TestSuite::new(module.name.as_str());
            for finding in &module.checked.findings {
                let mut case = TestCase::new(format!("{}: {}", finding.code(), finding.message), status(finding));
                case.set_classname(finding.rule.id);
                if !finding.known && finding.severity == Severity::Warning {
                    case.set_system_out(text(finding));
                }
                suite.add_test_case(case);
            }
            if module.checked.findings.is_empty() {
                suite.add_test_case(TestCase::new("nothing found", TestCaseStatus::success()));
            }
            report.add_test_suite(suite);
        }
        report.to_string().map_err(|e| Diagnostic::new(Code::Internal, "the report cannot be written").cause(e))
    }
}

fn status(finding: &Finding) -> TestCaseStatus {
    if finding.known {
        let mut status = TestCaseStatus::skipped();
        status.set_message("known: the baseline has it");
        return status;
    }
    match finding.severity {
        Severity::Error => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type(finding.code().id()).set_message(finding.message.as_str());
            status.set_description(text(finding));
            status
        }
        Severity::Warning => TestCaseStatus::success(),
    }
}
