//! The one gate that every message of the library passes.

/// Declares an enum whose every message passes [`line()`](crate::shown::line): a variant cannot show
/// what a file or a path holds in any other way.
///
/// `#[error(...)]` takes a format string, which may name the fields, and arguments. Names and paths
/// are arguments, through [`shown`](crate::shown::shown). With `longest: N;` in front, a message of
/// more bytes is cut in the middle.
macro_rules! messages {
    (
        longest: $longest:expr;
        $(#[$of_enum:meta])*
        pub enum $Enum:ident {
            $(
                $(#[doc = $doc:literal])*
                #[error($($message:tt)+)]
                $Variant:ident $({ $($(#[$of_field:meta])* $field:ident: $Type:ty),+ $(,)? })?
            ),+ $(,)?
        }
    ) => {
        $(#[$of_enum])*
        pub enum $Enum {
            $($(#[doc = $doc])* $Variant $({ $($(#[$of_field])* $field: $Type),+ })?),+
        }

        impl std::fmt::Display for $Enum {
            #[allow(unused_variables, reason = "a message need not name every field")]
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let message = match self {
                    $($Enum::$Variant $({ $($field),+ })? => format!($($message)+)),+
                };
                std::fmt::Display::fmt(&$crate::shown::line(&message).at_most($longest), f)
            }
        }
    };
    ($(#[$attribute:meta])* pub $($rest:tt)+) => {
        $crate::error::messages::messages! { longest: usize::MAX; $(#[$attribute])* pub $($rest)+ }
    };
}
pub(crate) use messages;
