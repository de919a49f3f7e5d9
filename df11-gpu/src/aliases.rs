/// Names the types of `df11-gpu` for one vendor, in the vendor's crate.
#[macro_export]
macro_rules! aliases {
    ($driver:ty) => {
        $crate::aliases! { $driver: Decoder Device DeviceMemory Kernels Offload PinnedUnit Stream }

        /// [`df11_gpu::LoadedUnit`] of this vendor.
        pub type LoadedUnit<'u> = $crate::LoadedUnit<'u, $driver>;
    };
    ($driver:ty: $($name:ident)*) => {
        $(
            #[doc = concat!("[`df11_gpu::", stringify!($name), "`] of this vendor.")]
            pub type $name = $crate::$name<$driver>;
        )*
    };
}
