//! The proof of the level's features, and the one list of them.

/// Proof that this processor has every feature of the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// What the level needs, as messages say it.
    pub const FEATURES: &str = "needs AVX2, FMA, BMI1, BMI2, LZCNT, MOVBE and POPCNT";

    pub fn new() -> Option<Self> {
        let found = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("movbe")
            && is_x86_feature_detected!("popcnt");
        found.then_some(Self(()))
    }
}

/// Compiles a function with the features of the level.
macro_rules! with_features {
    ($function:item) => {
        #[target_feature(enable = "avx2,fma,bmi1,bmi2,lzcnt,movbe,popcnt")]
        $function
    };
}
