//! N-API, as much of it as is used, declared by hand: no headers of Node.js are needed to build this.
//!
//! Lives here: values, arguments, errors that JavaScript sees; where Node.js finds this addon.
//! Does not live here: what the addon's functions do (`lib`).
//!
//! Contract: Node.js documentation, "Node-API", versions 1 and 2, whose binary interface never changes. The functions are
//! looked up when the addon is required, and not linked: preloaded into a program that is not Node.js, a library with
//! missing symbols would end it.
#![allow(unsafe_code, reason = "every value here is a pointer of Node.js's")]

use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::sync::OnceLock;

use crate::system;

/// A value of JavaScript's, valid until the callback returns.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Value(*mut c_void);

/// What a function was called with.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Arguments(*mut c_void);

/// The JavaScript environment that a callback was called from. Only Node.js makes one.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Env(*mut c_void);

/// A function that JavaScript can call.
pub(crate) type Callback = extern "C" fn(Env, Arguments) -> Value;

/// An error of JavaScript's is under way: return, and it will be seen.
pub(crate) struct Thrown(());

type Status = i32;
const OK: Status = 0;
const LENGTH_IS_TERMINATED: usize = usize::MAX;

/// Declares the functions of N-API, and finds all of them or none.
macro_rules! node_api {
    ($($name:ident: fn($($argument:ty),*);)*) => {
        struct NodeApi { $($name: unsafe extern "C" fn($($argument),*) -> Status,)* }

        impl NodeApi {
            fn find() -> Option<Self> {
                Some(Self {
                    $($name: {
                        let symbol = CStr::from_bytes_with_nul(
                            concat!("napi_", stringify!($name), "\0").as_bytes(),
                        ).ok()?;
                        let found = system::symbol(symbol)?;
                        // SAFETY: that name stands for a function of this signature, in every version of Node.js.
                        unsafe {
                            std::mem::transmute::<
                                ptr::NonNull<c_void>,
                                unsafe extern "C" fn($($argument),*) -> Status,
                            >(found)
                        }
                    },)*
                })
            }
        }
    };
}

node_api! {
    get_cb_info: fn(Env, Arguments, *mut usize, *mut Value, *mut Value, *mut *mut c_void);
    get_value_int32: fn(Env, Value, *mut i32);
    get_value_int64: fn(Env, Value, *mut i64);
    get_value_string_utf8: fn(Env, Value, *mut c_char, usize, *mut usize);
    get_value_bool: fn(Env, Value, *mut bool);
    is_buffer: fn(Env, Value, *mut bool);
    get_buffer_info: fn(Env, Value, *mut *mut c_void, *mut usize);
    get_boolean: fn(Env, bool, *mut Value);
    get_uv_event_loop: fn(Env, *mut *mut c_void);
    create_int32: fn(Env, i32, *mut Value);
    create_double: fn(Env, f64, *mut Value);
    create_string_latin1: fn(Env, *const c_char, usize, *mut Value);
    create_string_utf8: fn(Env, *const c_char, usize, *mut Value);
    create_object: fn(Env, *mut Value);
    create_array_with_length: fn(Env, usize, *mut Value);
    create_arraybuffer: fn(Env, usize, *mut *mut c_void, *mut Value);
    create_function: fn(Env, *const c_char, usize, Callback, *mut c_void, *mut Value);
    set_named_property: fn(Env, Value, *const c_char, Value);
    set_element: fn(Env, Value, u32, Value);
    throw_error: fn(Env, *const c_char, *const c_char);
}

static NODE_API: OnceLock<Option<NodeApi>> = OnceLock::new();

/// Node.js looks for a function of this name in a library that it is to require.
///
/// # Safety
/// Node.js alone calls it, with pointers of its own.
#[unsafe(no_mangle)]
unsafe extern "C" fn napi_register_module_v1(env: Env, exports: Value) -> Value {
    // An error is under way already, or nothing can be said at all.
    let _ = crate::register(env, exports);
    exports
}

impl Env {
    /// Runs the body of a callback.
    pub(crate) fn answer(self, body: impl FnOnce() -> Result<Value, Thrown>) -> Value {
        body().unwrap_or(Value(ptr::null_mut()))
    }

    /// Has JavaScript see an error of this text.
    pub(crate) fn throw(self, text: &str) -> Thrown {
        let text: Vec<u8> = text.bytes().filter(|byte| *byte != 0).chain([0]).collect();
        if let Ok(api) = api() {
            // SAFETY: the text ends with a zero. Where an error is under way already, Node.js refuses a second one.
            unsafe { (api.throw_error)(self, ptr::null(), text.as_ptr().cast()) };
        }
        Thrown(())
    }

    /// The first arguments; those not given are `undefined`.
    pub(crate) fn arguments<const COUNT: usize>(
        self,
        arguments: Arguments,
    ) -> Result<[Value; COUNT], Thrown> {
        let mut values = [Value(ptr::null_mut()); COUNT];
        let mut count = COUNT;
        // SAFETY: at most `count` values are written, and there is room for as many.
        let status = unsafe {
            (api()?.get_cb_info)(
                self,
                arguments,
                &mut count,
                values.as_mut_ptr(),
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        self.check(status)?;
        Ok(values)
    }

    pub(crate) fn to_i32(self, value: Value) -> Result<i32, Thrown> {
        let mut number = 0;
        // SAFETY: what is no number is refused by Node.js.
        let status = unsafe { (api()?.get_value_int32)(self, value, &mut number) };
        self.check(status)?;
        Ok(number)
    }

    pub(crate) fn to_i64(self, value: Value) -> Result<i64, Thrown> {
        let mut number = 0;
        // SAFETY: what is no number is refused by Node.js.
        let status = unsafe { (api()?.get_value_int64)(self, value, &mut number) };
        self.check(status)?;
        Ok(number)
    }

    /// Zero for what is no number.
    pub(crate) fn to_u64(self, value: Value) -> Result<u64, Thrown> {
        let mut number = 0;
        // SAFETY: what is no number is refused by Node.js, and then nothing is written.
        let status = unsafe { (api()?.get_value_int64)(self, value, &mut number) };
        Ok(if status == OK {
            number.unsigned_abs()
        } else {
            0
        })
    }

    /// Whether it is `true`, and nothing else.
    pub(crate) fn is_true(self, value: Value) -> Result<bool, Thrown> {
        let mut is_true = false;
        // SAFETY: what is neither `true` nor `false` is refused by Node.js, and then nothing is written.
        let status = unsafe { (api()?.get_value_bool)(self, value, &mut is_true) };
        Ok(status == OK && is_true)
    }

    /// The bytes of a text, as far as there is room for them and for one more.
    pub(crate) fn text(self, value: Value, room: &mut [u8]) -> Result<&[u8], Thrown> {
        let mut length = 0;
        let start = room.as_mut_ptr().cast();
        // SAFETY: no more is written than there is room for. What is no text is refused by Node.js.
        let status =
            unsafe { (api()?.get_value_string_utf8)(self, value, start, room.len(), &mut length) };
        self.check(status)?;
        Ok(room.get(..length).unwrap_or_default())
    }

    /// What is in a `Buffer`, while the callback runs and JavaScript does not.
    pub(crate) fn bytes<'a>(self, value: Value) -> Result<&'a [u8], Thrown> {
        self.bytes_mut(value).map(|bytes| &*bytes)
    }

    /// The same, to be written to. The caller asks for each buffer once.
    pub(crate) fn bytes_mut<'a>(self, value: Value) -> Result<&'a mut [u8], Thrown> {
        let mut is_buffer = false;
        // SAFETY: any value may be asked about.
        let status = unsafe { (api()?.is_buffer)(self, value, &mut is_buffer) };
        self.check(status)?;
        if !is_buffer {
            return Err(self.throw("an argument has another type than the addon takes (no buffer)"));
        }
        let (mut start, mut length) = (ptr::null_mut(), 0);
        // SAFETY: it is a buffer; up to version 18, Node.js ends the process when it is not.
        let status = unsafe { (api()?.get_buffer_info)(self, value, &mut start, &mut length) };
        self.check(status)?;
        if start.is_null() || length == 0 {
            return Ok(&mut []);
        }
        // SAFETY: the argument keeps its buffer alive, no JavaScript runs that could touch it, and no callback here asks
        // for the same buffer twice.
        Ok(unsafe { std::slice::from_raw_parts_mut(start.cast(), length) })
    }

    pub(crate) fn boolean(self, is_true: bool) -> Result<Value, Thrown> {
        // SAFETY: the result is written to where it is asked for.
        self.made(|result| Ok(unsafe { (api()?.get_boolean)(self, is_true, result) }))
    }

    pub(crate) fn number(self, number: i32) -> Result<Value, Thrown> {
        // SAFETY: as above.
        self.made(|result| Ok(unsafe { (api()?.create_int32)(self, number, result) }))
    }

    pub(crate) fn double(self, number: f64) -> Result<Value, Thrown> {
        // SAFETY: as above.
        self.made(|result| Ok(unsafe { (api()?.create_double)(self, number, result) }))
    }

    /// A text of these bytes. What is no UTF-8 among them becomes U+FFFD.
    pub(crate) fn string(self, bytes: &[u8]) -> Result<Value, Thrown> {
        let start = bytes.as_ptr().cast();
        self.made(|result| {
            let api = api()?;
            // Each of its bytes is a character then, and Node.js need not look.
            let create = if bytes.is_ascii() {
                api.create_string_latin1
            } else {
                api.create_string_utf8
            };
            // SAFETY: there are as many bytes, which are only read.
            Ok(unsafe { create(self, start, bytes.len(), result) })
        })
    }

    /// What a callback gives that has nothing to give.
    pub(crate) fn undefined() -> Value {
        Value(ptr::null_mut())
    }

    pub(crate) fn object(self) -> Result<Value, Thrown> {
        // SAFETY: as above.
        self.made(|result| Ok(unsafe { (api()?.create_object)(self, result) }))
    }

    pub(crate) fn array(self, numbers: &[i32]) -> Result<Value, Thrown> {
        let length = numbers.len();
        let array = self.made(|result| {
            // SAFETY: as above.
            Ok(unsafe { (api()?.create_array_with_length)(self, length, result) })
        })?;
        for (index, number) in (0..).zip(numbers) {
            self.put(array, index, self.number(*number)?)?;
        }
        Ok(array)
    }

    pub(crate) fn put(self, array: Value, index: u32, value: Value) -> Result<(), Thrown> {
        // SAFETY: both values are of this environment.
        let status = unsafe { (api()?.set_element)(self, array, index, value) };
        self.check(status)
    }

    /// An `ArrayBuffer` with a copy of these bytes.
    pub(crate) fn array_buffer(self, bytes: &[u8]) -> Result<Value, Thrown> {
        let mut start = ptr::null_mut();
        let length = bytes.len();
        let buffer = self.made(|result| {
            // SAFETY: both results are written to where they are asked for.
            Ok(unsafe { (api()?.create_arraybuffer)(self, length, &mut start, result) })
        })?;
        // SAFETY: the new buffer has as many bytes, and nobody else knows of it.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), start.cast(), length) };
        Ok(buffer)
    }

    pub(crate) fn function(self, name: &CStr, callback: Callback) -> Result<Value, Thrown> {
        let name = name.as_ptr();
        self.made(|result| {
            // SAFETY: the name ends with a zero, and the callback is there as long as the process: addons are not
            // unloaded.
            Ok(unsafe {
                (api()?.create_function)(
                    self,
                    name,
                    LENGTH_IS_TERMINATED,
                    callback,
                    ptr::null_mut(),
                    result,
                )
            })
        })
    }

    pub(crate) fn set(self, object: Value, name: &CStr, value: Value) -> Result<(), Thrown> {
        // SAFETY: both values are of this environment, and the name ends with a zero.
        let status = unsafe { (api()?.set_named_property)(self, object, name.as_ptr(), value) };
        self.check(status)
    }

    /// Where libuv's event loop is.
    pub(crate) fn event_loop(self) -> Result<*mut c_void, Thrown> {
        let mut event_loop = ptr::null_mut();
        // SAFETY: the result is written to where it is asked for.
        let status = unsafe { (api()?.get_uv_event_loop)(self, &mut event_loop) };
        self.check(status)?;
        Ok(event_loop)
    }

    fn made(
        self,
        make: impl FnOnce(*mut Value) -> Result<Status, Thrown>,
    ) -> Result<Value, Thrown> {
        let mut value = Value(ptr::null_mut());
        let status = make(&mut value)?;
        self.check(status)?;
        Ok(value)
    }

    fn check(self, status: Status) -> Result<(), Thrown> {
        if status == OK {
            Ok(())
        } else {
            Err(self.throw(&format!(
                "an argument has another type than the addon takes (Node-API status {status})"
            )))
        }
    }
}

fn api() -> Result<&'static NodeApi, Thrown> {
    NODE_API
        .get_or_init(NodeApi::find)
        .as_ref()
        .ok_or(Thrown(()))
}
