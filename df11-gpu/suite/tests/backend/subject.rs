//! A vendor under test.

use df11_gpu::{Driver, Error};
use df11_gpu_shim::Fake;

/// A vendor, and what its tests must know of it.
pub trait Subject: Driver {
    /// The played library.
    const FAKE: Option<&'static str>;
    /// The name under which the loader has the driver's library once it is loaded.
    const LIBRARY: &'static str;
    /// Those of the played devices that differ.
    const KINDS: &'static [usize];
    /// The functions that say and change what is current.
    const CURRENT: [&'static str; 2];
    /// Functions that find a device and that give it back, beside those that all vendors have.
    const OWN: [&'static [&'static str]; 2];
    /// The error that is made.
    const MADE: &'static str;
    /// The caller's functions of graphs: begin and end a capture, make a graph ready, launch it,
    /// and give both back.
    const GRAPHS: [&'static str; 6];
    /// The compiler's functions where all is well, and those that say what is wrong.
    const COMPILER: [&'static [&'static str]; 2];

    /// What can be said before the played library is loaded.
    fn before_it_is_played() {}

    /// What only this vendor's devices do, played or not.
    fn on_any_device(_ordinal: usize) {}

    /// What only this vendor's played devices do; several are left.
    fn on_played_devices(fake: &Fake);

    /// The compiler that is played, unless there is another, if it is not in the driver's library.
    fn compiler(compile: &dyn Fn() -> Result<(), Error>) -> Option<Fake>;

    /// Device 0 becomes one for which the compiler has no code, and what it was.
    fn without_code(fake: &Fake, without: bool);
}
