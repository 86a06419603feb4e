//! Findings as JUnit XML: a suite for each file, a test case for each finding, and one that passes where there is none.

use super::{Code, Diagnostic, Result, Severity};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

/// A report with a suite for each `(file, findings)`.
pub fn to_junit(name: &str, files: &[(String, Vec<Diagnostic>)]) -> Result<String> {
    let mut report = Report::new(name);
    for (file, findings) in files {
        let mut suite = TestSuite::new(file.as_str());
        for finding in findings {
            let status = match finding.severity {
                Severity::Error => {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    status.set_type(finding.code.id()).set_message(finding.message.as_str());
                    status.set_description(super::sarif::text(finding));
                    status
                }
                Severity::Warning => TestCaseStatus::success(),
            };
            let mut case = TestCase::new(format!("{}: {}", finding.code, finding.message), status);
            case.set_classname(finding.code.title());
            if finding.severity == Severity::Warning {
                case.set_system_out(super::sarif::text(finding));
            }
            suite.add_test_case(case);
        }
        if findings.is_empty() {
            suite.add_test_case(TestCase::new("imports and exports fit", TestCaseStatus::success()));
        }
        report.add_test_suite(suite);
    }
    report.to_string().map_err(|e| Diagnostic::new(Code::Internal, "the report cannot be written").cause(e))
}
