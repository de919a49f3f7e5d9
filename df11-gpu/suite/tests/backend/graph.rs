//! Graphs, by the driver's own functions, and what is current on a thread.

use std::ffi::c_void;
use std::ptr::null_mut;

use df11_gpu::{Device, Driver, Library, RawStream};

use crate::subject::Subject;

/// Does `work` with this device current on the thread.
pub fn with_current<D: Driver, T>(device: &Device<D>, work: impl FnOnce() -> T) -> T {
    let library = Library::<D>::get().expect("a driver");
    let before = D::current(library).expect("a thread has something current, or nothing");
    // SAFETY: the device lives.
    unsafe { D::make_current(library, D::context(device.raw())) }.expect("it can be current");
    let done = work();
    // SAFETY: it was current before.
    unsafe { D::make_current(library, before) }.expect("as before");
    done
}

/// Captures `work` into a graph, and gives `replay` what launches it. The number of the error that
/// ended the capture, or 0.
pub fn capture<S: Subject>(device: &Device<S>, stream: RawStream, work: &dyn Fn(), replay: &dyn Fn(&dyn Fn())) -> i32 {
    type Call = unsafe extern "C" fn(*mut c_void, *mut c_void, u64) -> i32;
    // SAFETY: the driver's library, which is loaded.
    let library = unsafe { libloading::Library::new(S::LIBRARY) }.expect("a driver");
    // SAFETY: each of them takes a handle and at most one more, or the place of one, after which 0
    // is what the third parameter means if there is one.
    let function = |name| *unsafe { library.get::<Call>(name) }.expect("a function of graphs");
    let [begin, end, instantiate, launch, end_executable, end_graph] = S::GRAPHS.map(function);
    // SAFETY: as above, for what was made here.
    let call = |call: Call, first, second| with_current(device, || unsafe { call(first, second, 0) });
    assert_eq!(call(begin, stream, null_mut()), 0, "a capture begins");
    work();
    let [mut graph, mut executable] = [null_mut::<c_void>(); 2];
    let ended = call(end, stream, (&raw mut graph).cast());
    if ended == 0 {
        assert_eq!(call(instantiate, (&raw mut executable).cast(), graph), 0, "a graph");
        replay(&|| assert_eq!(call(launch, executable, stream), 0, "a launch"));
        assert_eq!([call(end_executable, executable, null_mut()), call(end_graph, graph, null_mut())], [0, 0]);
    }
    ended
}
