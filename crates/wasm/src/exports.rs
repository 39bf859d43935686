//! The exports: one buffer, which a caller fills and from which it reads the answer.
//!
//! `reserve(n)` makes room for n bytes and returns where; `describe()` and
//! `verify(key, instances)` take what is there (the key, then public values of so many bytes,
//! then the proof) and return 0, or 1 if what was given is refused. `answer()` says where the
//! answer is, `answer_length()` how long. No pointer comes in, so nothing can point astray.

use std::cell::RefCell;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Largest input in bytes: a key, public values and a proof of the largest sizes.
const MAX_BYTES: usize = 24 << 20;

/// Nothing here draws random numbers; whatever did would get an error.
fn no_random_numbers(_: &mut [u8]) -> Result<(), getrandom::Error> {
    Err(getrandom::Error::UNSUPPORTED)
}

#[allow(unsafe_code)] // The macro names a symbol.
mod random {
    getrandom::register_custom_getrandom!(super::no_random_numbers);
}

/// Room for `length` bytes of input; 0 if that is too much.
#[allow(unsafe_code)] // An export's name.
#[unsafe(no_mangle)]
extern "C" fn reserve(length: usize) -> *mut u8 {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.clear();
        if length > MAX_BYTES {
            return std::ptr::null_mut();
        }
        buffer.resize(length, 0);
        buffer.as_mut_ptr()
    })
}

/// What the key in the buffer is.
#[allow(unsafe_code)] // An export's name.
#[unsafe(no_mangle)]
extern "C" fn describe() -> u32 {
    answer_with(|input| crate::describe(input))
}

/// The verdict on the proof in the buffer, behind `key` bytes of a key and `instances` bytes
/// of public values.
#[allow(unsafe_code)] // An export's name.
#[unsafe(no_mangle)]
extern "C" fn verify(key: usize, instances: usize) -> u32 {
    answer_with(|input| {
        let parts = input.split_at_checked(key).and_then(|(key, rest)| {
            let (instances, proof) = rest.split_at_checked(instances)?;
            Some((key, instances, proof))
        });
        let (key, instances, proof) = parts.ok_or("the buffer holds fewer bytes")?;
        crate::verify(key, instances, proof)
    })
}

/// Where the answer is.
#[allow(unsafe_code)] // An export's name.
#[unsafe(no_mangle)]
extern "C" fn answer() -> *const u8 {
    BUFFER.with_borrow(|buffer| buffer.as_ptr())
}

/// Bytes of the answer.
#[allow(unsafe_code)] // An export's name.
#[unsafe(no_mangle)]
extern "C" fn answer_length() -> usize {
    BUFFER.with_borrow(Vec::len)
}

fn answer_with(work: impl FnOnce(&[u8]) -> Result<String, String>) -> u32 {
    BUFFER.with_borrow_mut(|buffer| {
        let answer = work(buffer);
        let refused = answer.is_err().into();
        *buffer = answer.unwrap_or_else(|reason| reason).into_bytes();
        refused
    })
}
