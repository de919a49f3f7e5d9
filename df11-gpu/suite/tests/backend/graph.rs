//! Graphs, by the driver's own functions, and what is current on a thread.

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Arc;

use df11_gpu::{Device, Driver, RawStream};
use libloading::Library;

use crate::subject::Subject;

/// Does `work` with this device current on the thread.
pub fn with_current<D: Driver, T>(device: &Device<D>, work: impl FnOnce() -> T) -> T {
    let library = D::library().expect("a driver");
    let before = D::current(library).expect("a thread has something current, or nothing");
    // SAFETY: the device lives.
    unsafe { D::make_current(library, D::context(device.raw())) }.expect("it can be current");
    let done = work();
    // SAFETY: it was current before.
    unsafe { D::make_current(library, before) }.expect("as before");
    done
}

/// A graph that can be launched.
pub struct Graph<S: Subject> {
    device: Arc<Device<S>>,
    graph: *mut c_void,
    executable: *mut c_void,
}

/// Calls the function of `S::GRAPHS` of this number.
fn call<S: Subject>(number: usize, first: *mut c_void, second: *mut c_void) -> i32 {
    // SAFETY: the driver's library, which is loaded.
    let library = unsafe { Library::new(S::LIBRARY) }.expect("a driver");
    // SAFETY: each of them takes a handle and at most one more, or the place of one, after which 0 is
    // what the third parameter means if there is one.
    unsafe {
        library
            .get::<unsafe extern "C" fn(*mut c_void, *mut c_void, u64) -> i32>(S::GRAPHS[number])
            .expect("a function of graphs")(first, second, 0)
    }
}

/// What `work` puts into the stream, or the number of the error that ends the capture.
pub fn capture<S: Subject>(device: &Arc<Device<S>>, stream: RawStream, work: &dyn Fn()) -> Result<Graph<S>, i32> {
    with_current(device, || {
        assert_eq!(call::<S>(0, stream, null_mut()), 0, "a capture begins");
        work();
        let [mut graph, mut executable] = [null_mut::<c_void>(); 2];
        match call::<S>(1, stream, (&raw mut graph).cast()) {
            0 => assert_eq!(call::<S>(2, (&raw mut executable).cast(), graph), 0, "a graph"),
            number => return Err(number),
        }
        Ok(Graph { device: device.clone(), graph, executable })
    })
}

impl<S: Subject> Graph<S> {
    pub fn launch(&self, stream: RawStream) {
        with_current(&self.device, || assert_eq!(call::<S>(3, self.executable, stream), 0, "a launch"));
    }
}

impl<S: Subject> Drop for Graph<S> {
    fn drop(&mut self) {
        with_current(&self.device, || {
            assert_eq!((call::<S>(4, self.executable, null_mut()), call::<S>(5, self.graph, null_mut())), (0, 0));
        });
    }
}
