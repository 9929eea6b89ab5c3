//! The macro that declares settings.

/// Declares the settings. One declaration of a setting produces its flag, its environment variable and its entry in the TOML file.
///
/// ```text
/// group: Arguments {                      a struct of clap arguments
///     name: Type {                        the name in the file; the flag has - instead of _
///         variable: "EARSHOT_…",          the environment variable
///         value: "N",                     the placeholder in the help, such as the unit
///         default: "60",                  optional; without it, the setting may be unset
///         help: "What it does",
///         secret: true,                   optional: the help does not show the variable's value
///         global: true,                   optional: all subcommands accept it
///         file: skip,                     optional: the file cannot set it
///         check: |value| rule(value),     optional: validates a given value; the error says how to fix it
///     }
/// } with { additional fields, for flags only }
/// ```
///
/// It generates the structs of clap arguments, `ConfigFile` (the TOML file) and `Values` (the value of each setting). The calling module
/// provides `check` and `read_default`.
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

        /// The settings in the file. An unknown name is an error, so that a typing error does not go unnoticed.
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
            /// Takes each value from the flag or variable, else from the file, else the default, and validates it.
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
