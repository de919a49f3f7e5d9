//! The features of the level: named once for the compiler, once for the processor.

/// Proof that this processor has every feature of the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// What the level needs, as messages say it.
    pub const FEATURES: &str =
        "needs AVX-512 F, BW, DQ, VL, VBMI, VBMI2 and VPOPCNTDQ, GFNI, BMI1, BMI2, LZCNT, MOVBE and POPCNT";

    pub fn new() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vbmi")
            && is_x86_feature_detected!("avx512vbmi2")
            && is_x86_feature_detected!("avx512vpopcntdq")
            && is_x86_feature_detected!("gfni")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("movbe")
            && is_x86_feature_detected!("popcnt");
        found.then_some(Self(()))
    }
}

/// Compiles a function with the features of the level. A call is unsafe if the caller lacks these
/// features, and sound if it holds an `Avx512`.
macro_rules! with_features {
    ($function:item) => {
        #[target_feature(
            enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,avx512vpopcntdq,gfni,bmi1,bmi2,lzcnt,movbe,popcnt"
        )]
        $function
    };
}
