//! What a panic is to the fuzzer.

/// A panic aborts, so that the fuzzer sees where, unless it is one of a library that becomes a diagnostic.
pub(crate) fn install() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !lowlift::diagnostic::panic_is_expected() {
            default(info);
        }
    }));
}
