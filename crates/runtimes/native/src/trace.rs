//! The one variable of the environment that changes with each event.
//!
//! Lives here: `_X_AMZN_TRACE_ID`, rewritten in place.
//! Does not live here: all other variables, which Node.js sets.
//!
//! glibc keeps every value that `setenv` was ever given: a variable that changes with each event would cost the search of
//! an ever larger tree, and memory that never comes back.
#![allow(unsafe_code, reason = "the environment is a list of C's strings")]

use std::cell::UnsafeCell;
use std::ffi::{c_char, c_int};
use std::ptr;

const NAME: &[u8; 17] = b"_X_AMZN_TRACE_ID=";
/// The longest value that is set in place; the ones of the platform have some hundred bytes.
const VALUE_BYTES_MAX: usize = 1024;
const VARIABLE_BYTES: usize = NAME.len() + VALUE_BYTES_MAX + 1;

unsafe extern "C" {
    static environ: *const *const c_char;
    fn putenv(variable: *mut c_char) -> c_int;
}

/// `NAME`, the value, a zero. The last byte is always zero.
struct Variable(UnsafeCell<[u8; VARIABLE_BYTES]>);

// SAFETY: only `set` writes to it, on the thread that runs JavaScript. Who reads the environment on another thread may see
// part of one value and part of the next, and always an end.
unsafe impl Sync for Variable {}

static VARIABLE: Variable = Variable(UnsafeCell::new([0; VARIABLE_BYTES]));

/// Sets the variable; false when the value is empty, too long, or no value for a variable.
pub(crate) fn set(value: &[u8]) -> bool {
    if value.is_empty() || VALUE_BYTES_MAX <= value.len() || value.contains(&0) {
        return false;
    }
    let start: *mut u8 = VARIABLE.0.get().cast();
    let ended = value.iter().chain(&[0]);
    for (place, byte) in NAME.iter().chain(ended).enumerate() {
        // SAFETY: the name, less than `VALUE_BYTES_MAX` and the zero fit. Others may read it meanwhile, hence `volatile`.
        unsafe { start.wrapping_add(place).write_volatile(*byte) };
    }
    if is_in_environment(start.cast()) {
        return true;
    }
    // The function may have set or deleted it. SAFETY: the variable lives as long as the process.
    unsafe { putenv(start.cast()) == 0 }
}

/// Whether a variable is there, and not merely one of its name: `getenv` would look at the text of all of them.
fn is_in_environment(variable: *const c_char) -> bool {
    // SAFETY: it is a list that ends with a null, or none at all. Only the thread that runs JavaScript changes it.
    unsafe {
        let mut place = environ;
        if place.is_null() {
            return false;
        }
        while !(*place).is_null() {
            if ptr::eq(*place, variable) {
                return true;
            }
            place = place.add(1);
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    unsafe extern "C" {
        fn getenv(name: *const c_char) -> *mut c_char;
        fn unsetenv(name: *const c_char) -> c_int;
    }

    fn found() -> String {
        // SAFETY: the name ends with a zero, and so does what is found. No other test touches the environment.
        unsafe { CStr::from_ptr(getenv(c"_X_AMZN_TRACE_ID".as_ptr())) }
            .to_str()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn the_variable_is_the_last_value_that_was_set() {
        for value in ["Root=1-2-3;Sampled=1", "short", "longer again"] {
            assert!(set(value.as_bytes()));
            assert_eq!(found(), value);
        }
        assert!(!set(&[b'x'; VALUE_BYTES_MAX]));
        assert!(!set(b"a\0b"));
        assert!(!set(b""));
        assert_eq!(found(), "longer again");
        // SAFETY: the name ends with a zero.
        unsafe { unsetenv(c"_X_AMZN_TRACE_ID".as_ptr()) };
        assert!(set(b"once more"));
        assert_eq!(found(), "once more");
    }
}
