//! The native half of forking Node.js: what `require('cloudless.node')` gives, and what it is when it is preloaded.
//!
//! Lives here: the functions that JavaScript sees, their arguments and results.
//! Does not live here: what N-API looks like (`napi`), how a process waits to be forked (`park`), what is replaced in a
//! process that this library is preloaded into (`preload`).
//!
//! To JavaScript it is:
//!
//! - `park(channel, readyType, readyBody, keepsSpares, scopes, processesMax) -> { random, pid, isSpare }`: sends a frame of
//!   that type with that body (a `Buffer`) over the channel (a descriptor), then forks whenever asked to, as
//!   `zygote/control.rs` of the product's sources has it. When `keepsSpares` is `true`, it makes forks ahead. In a sandbox each
//!   fork makes an instance of itself by the scopes of its Landlock domain and the processes and threads that it may
//!   have; elsewhere both are 0. It returns in the forks only:
//!   `channel` is then the fork's own channel, 1 and 2 are its own standard output and error, `random` is an
//!   `ArrayBuffer` of 16 bytes fresh from the system, `pid` the process's number. The process itself ends when the
//!   channel is closed. A spare has no channel and no output until it calls `becomeChild`. Called from the event loop's own polling (a socket's callback, a timer), it would leave the loop
//!   of a fork in disorder: call it from `setImmediate`. It throws, with nothing sent and nothing changed, where forking
//!   is not possible: an unusual Node.js, threads that do not come to rest.
//! - `becomeChild(channel)`: in a spare, waits until somebody asks for it; then it has what other forks have. It ends when
//!   nobody will ask.
//! - `wakeThreads() -> number`: in a fork of a process that this library was preloaded into, starts V8's own threads
//!   again and says how many. Without the preload, or when none sleeps that the fork lacks, it does nothing and says 0.
//!   Call it once a fork, after what a process with threads may not do, before the function's code.
//! - `hasPreload() -> boolean`: whether this library was preloaded into this Node.js, and took effect.
//! - `exitNow(code)`: ends the process at once. Node's own end waits for threads that a fork does not have.
//! - `reseedOpenssl() -> boolean`: has OpenSSL draw fresh randomness; false where there is no OpenSSL, or it failed.
//! - `socketPair() -> [descriptor, descriptor]`: two ends of a new socket, neither inherited by programs.
//! - `isLoopAlive() -> boolean`: whether the event loop has anything to wait for, the turn that it is in aside.
//! - `reopen(descriptor, position)`: in a fork, opens the file behind a descriptor anew, for reading from that position.
//! - `pid() -> number`: the process's number, as the system knows it now.
//! - `receive(descriptor, buffer, from) -> number`: waits for bytes and reads them into a `Buffer`, from that position on;
//!   0 when the other end is closed.
//! - `receiveEvent(descriptor, fields) -> text`: waits for an event and gives its text, `undefined` when the other end is closed.
//!   Into the array `fields` it puts the request's id, the deadline in milliseconds and, when they are others than those of
//!   the event before, the function's ARN; then the trace's id, unless it has set the variable itself as `setTrace` does, and
//!   the client's context, should there be one. Last comes the descriptor that replies go through from now on, when that has
//!   changed: a pipe, in place of the socket that the descriptor was.
//! - `send(descriptor, type, body) -> true`: sends a frame of that type with that body, a text of at most 1024 characters.
//!
//! An event sets the variable `_X_AMZN_TRACE_ID` in place, unless the trace's id is empty, or too long for that.
//!
//! Require it before anything else: threads that Node.js starts before that are taken for V8's own.
//!
//! Preloaded (`LD_PRELOAD`, on x86-64 only), it replaces condition variables and the creation of threads; the variable
//! is then dropped, so that programs which a function starts do not inherit it.

mod channel;
mod child;
mod children;
mod deadline;
mod descriptors;
#[path = "../../../sandbox/src/entry/mod.rs"]
#[allow(
    clashing_extern_declarations,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "a file of the sandbox's, checked there; the other half of an order is used by whoever writes it"
)]
mod entry;
mod event_loop;
mod files;
mod frames;
mod heap;
mod inbox;
mod napi;
mod park;
mod preload;
mod rest;
mod spare;
mod system;
mod trace;

use inbox::Inbox;
use napi::{Arguments, Env, Thrown, Value};
use park::Fork;

/// What JavaScript finds in the addon.
const FUNCTIONS: &[(&core::ffi::CStr, napi::Callback)] = &[
    (c"park", park_callback),
    (c"becomeChild", become_child),
    (c"wakeThreads", wake_threads),
    (c"hasPreload", has_preload),
    (c"exitNow", exit_now),
    (c"reseedOpenssl", reseed_openssl),
    (c"socketPair", socket_pair),
    (c"isLoopAlive", is_loop_alive),
    (c"reopen", reopen),
    (c"pid", pid),
    (c"receive", receive),
    (c"send", send),
    (c"receiveEvent", receive_event),
];

fn register(env: Env, exports: Value) -> Result<(), Thrown> {
    preload::end_startup();
    for (name, callback) in FUNCTIONS {
        let function = env.function(name, *callback)?;
        env.set(exports, name, function)?;
    }
    Ok(())
}

extern "C" fn park_callback(env: Env, arguments: Arguments) -> Value {
    env.answer(|| {
        let [
            channel,
            ready_type,
            ready_body,
            keeps_spares,
            scopes,
            processes_max,
        ] = env.arguments(arguments)?;
        let channel = env.to_i32(channel)?;
        let ready_type = u8::try_from(env.to_i32(ready_type)?)
            .map_err(|_| env.throw("the type of a frame is a number up to 255"))?;
        let ready = frames::encode(ready_type, env.bytes(ready_body)?)
            .ok_or_else(|| env.throw("the body of a frame has less than 4 GiB"))?;
        let event_loop = event_loop::EventLoop::of(env)?;
        let inside = match (env.to_u64(scopes)?, env.to_u64(processes_max)?) {
            (_, 0) => None,
            (scopes, processes_max) => Some(child::Inside {
                scopes,
                processes_max,
            }),
        };
        let keeps_spares = env.is_true(keeps_spares)?;
        let fork = park::park(channel, &ready, keeps_spares, inside, &event_loop)
            .map_err(|refused| env.throw(&refused.to_string()))?;
        let (random, is_spare) = match fork {
            Fork::Child(random) => (random, false),
            Fork::Spare(random) => (random, true),
        };
        let child = env.object()?;
        env.set(child, c"random", env.array_buffer(&random)?)?;
        env.set(child, c"pid", env.number(system::pid())?)?;
        env.set(child, c"isSpare", env.boolean(is_spare)?)?;
        Ok(child)
    })
}

extern "C" fn become_child(env: Env, arguments: Arguments) -> Value {
    env.answer(|| {
        let [channel] = env.arguments(arguments)?;
        let channel = env.to_i32(channel)?;
        let event_loop = event_loop::EventLoop::of(env)?;
        // Half a child would be nobody's.
        let asked_for = child::wait_to_be_asked_for(channel, &event_loop);
        asked_for.unwrap_or_else(|_| system::exit_now(1));
        env.boolean(true)
    })
}

extern "C" fn wake_threads(env: Env, _: Arguments) -> Value {
    env.answer(|| {
        let woken = preload::wake_threads()
            .map_err(|error| env.throw(&format!("V8's threads could not be started: {error}")))?;
        env.number(woken)
    })
}

extern "C" fn has_preload(env: Env, _: Arguments) -> Value {
    env.answer(|| env.boolean(preload::is_active()))
}

extern "C" fn exit_now(env: Env, arguments: Arguments) -> Value {
    env.answer(|| {
        let [code] = env.arguments(arguments)?;
        system::exit_now(env.to_i32(code)?)
    })
}

extern "C" fn reseed_openssl(env: Env, _: Arguments) -> Value {
    env.answer(|| env.boolean(system::reseed_openssl()))
}

extern "C" fn socket_pair(env: Env, _: Arguments) -> Value {
    env.answer(|| {
        let pair = system::socket_pair()
            .map_err(|error| env.throw(&format!("a pair of sockets could not be made: {error}")))?;
        let numbers = pair.map(std::os::fd::IntoRawFd::into_raw_fd);
        env.array(&numbers)
    })
}

extern "C" fn is_loop_alive(env: Env, _: Arguments) -> Value {
    env.answer(|| env.boolean(event_loop::EventLoop::of(env)?.is_alive()))
}

extern "C" fn reopen(env: Env, arguments: Arguments) -> Value {
    env.answer(|| {
        let [descriptor, position] = env.arguments(arguments)?;
        let descriptor = env.to_i32(descriptor)?;
        files::reopen(descriptor, env.to_i64(position)?.unsigned_abs())
            .map_err(|error| env.throw(&format!("a file could not be opened anew: {error}")))?;
        env.boolean(true)
    })
}

extern "C" fn pid(env: Env, _: Arguments) -> Value {
    env.answer(|| env.number(system::pid()))
}

extern "C" fn receive(env: Env, arguments: Arguments) -> Value {
    env.answer(|| {
        let [descriptor, buffer, from] = env.arguments(arguments)?;
        let descriptor = env.to_i32(descriptor)?;
        let from = usize::try_from(env.to_i32(from)?).unwrap_or(usize::MAX);
        let into = env.bytes_mut(buffer)?.get_mut(from..).unwrap_or_default();
        let count = system::read_when_ready(descriptor, into)
            .map_err(|error| env.throw(&format!("the channel cannot be read: {error}")))?;
        env.number(i32::try_from(count).unwrap_or(i32::MAX))
    })
}

extern "C" fn send(env: Env, arguments: Arguments) -> Value {
    env.answer(|| {
        let [descriptor, frame_type, body] = env.arguments(arguments)?;
        let descriptor = env.to_i32(descriptor)?;
        let frame_type = u8::try_from(env.to_i32(frame_type)?)
            .map_err(|_| env.throw("the type of a frame is a number up to 255"))?;
        let mut frame = frames::Short::new(frame_type);
        let written = env.text(body, frame.room())?.len();
        let frame = frame
            .ended(written)
            .ok_or_else(|| env.throw("the body of a short frame has 1024 characters at most"))?;
        system::write_all(descriptor, frame)
            .map_err(|error| env.throw(&format!("the channel cannot be written to: {error}")))?;
        env.boolean(true)
    })
}

extern "C" fn receive_event(env: Env, arguments: Arguments) -> Value {
    env.answer(|| {
        let [descriptor, fields] = env.arguments(arguments)?;
        let descriptor = env.to_i32(descriptor)?;
        let mut inbox = Inbox::open().ok_or_else(|| env.throw("another event is waited for"))?;
        let received = inbox
            .receive(descriptor)
            .map_err(|error| env.throw(&format!("the channel cannot be read: {error}")))?;
        let Some(event) = received else {
            return Ok(Env::undefined());
        };
        env.put(fields, 0, env.string(event.request_id)?)?;
        env.put(fields, 1, env.double(event.deadline_ms as f64)?)?;
        if let Some(function_arn) = event.function_arn {
            env.put(fields, 2, env.string(function_arn)?)?;
        }
        if !trace::set(event.trace_id) {
            env.put(fields, 3, env.string(event.trace_id)?)?;
        }
        if let Some(client_context) = event.client_context {
            env.put(fields, 4, env.string(client_context)?)?;
        }
        let text = env.string(event.text)?;
        if let Some(descriptor) = inbox.new_way_out() {
            env.put(fields, 5, env.number(descriptor)?)?;
        }
        Ok(text)
    })
}
