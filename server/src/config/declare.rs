//! The macro that declares settings.

/// Declares all settings, each once, in groups of command-line arguments, in a module that has `check` and `read_default`:
///
/// ```text
/// group: Arguments {
///     name: Type {                        the name in the file; the flag is the same with - for _
///         variable: "EARSHOT_…",          the environment variable
///         value: "N",                     placeholder of the value in the help; its unit, if it has one
///         default: "60",                  parsed like a given value; without a default, the setting is optional
///         help: "What it does",
///         secret: true,                   if the help must not show the variable's value
///         global: true,                   if every subcommand takes it
///         file: skip,                     if the file cannot set it
///         check: |value| rule(value),     the rule for a given value: an error says how to fix it
///     }
/// } with { fields that are only flags }
/// ```
///
/// The macro derives the arguments of clap, `ConfigFile` (the contents of the TOML file), and `Values` (the value or default of each setting).
macro_rules! settings {
    (@type $type:ty, $default:literal) => { $type };
    (@type $type:ty) => { Option<$type> };
    (@value $name:ident, $given:ident, $default:literal) => {
        match $given {
            Some(value) => value,
            None => read_default(stringify!($name), $default)?,
        }
    };
    (@value $name:ident, $given:ident) => { $given };
    (
        $(
            $(#[$doc:meta])*
            $group:ident: $arguments:ident {
                $(
                    $name:ident: $type:ty {
                        variable: $variable:literal,
                        value: $value:literal,
                        $(default: $default:literal,)?
                        help: $help:literal,
                        $(secret: $secret:literal,)?
                        $(global: $global:literal,)?
                        $(file: $file:ident,)?
                        $(check: $check:expr,)?
                    }
                )*
            } with { $($flags:tt)* }
        )*
    ) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Default, Args)]
            pub struct $arguments {
                $(
                    #[doc = $help]
                    #[arg(
                        long,
                        env = $variable,
                        value_name = $value,
                        help = concat!($help $(, " [default: ", $default, "]")?)
                        $(, hide_env_values = $secret)?
                        $(, global = $global)?
                    )]
                    pub $name: Option<$type>,
                )*
                $($flags)*
            }
        )*

        /// The settings in the file. Unknown names are refused: a misspelt setting must not silently fall back to its default.
        #[derive(Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct ConfigFile {
            $($(
                $(#[serde($file)])?
                $name: Option<$type>,
            )*)*
        }

        /// The values of all settings.
        #[expect(dead_code, reason = "the path of the file itself is not needed any more")]
        struct Values {
            $($($name: settings!(@type $type $(, $default)?),)*)*
        }

        impl Values {
            /// Merges flags and variables (both in the arguments) with the file and the defaults, and checks each value.
            fn merge($($group: $arguments,)* file: ConfigFile) -> Result<Self> {
                Ok(Self {
                    $($(
                        $name: {
                            let given = $group.$name.or(file.$name);
                            $(check(stringify!($name), given.as_ref(), $check)?;)?
                            settings!(@value $name, given $(, $default)?)
                        },
                    )*)*
                })
            }
        }
    };
}

pub(super) use settings;
