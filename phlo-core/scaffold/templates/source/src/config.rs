//! What an asset says under `source:`.

use phlo_plugin::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

/// The config. Doc comments of its fields are what `phlo plugin info` shows; a key that is not here is refused.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The file, relative to the project.
    pub path: String,
    /// The most bytes that a line may have; a longer one is an error.
    #[serde(default = "default_max_line_bytes")]
    pub max_line_bytes: usize,
}

fn default_max_line_bytes() -> usize {
    1 << 20
}

impl Config {
    /// Refuses values that cannot be meant. The platform adds file and line.
    ///
    /// # Errors
    /// Names the field.
    pub fn check(&self) -> Result<()> {
        if self.path.trim().is_empty() {
            return Err(Error::new(Code::InvalidValue, "`path` is empty").hint("name a file, e.g. `logs/app.log`"));
        }
        if self.max_line_bytes == 0 {
            return Err(Error::new(Code::InvalidValue, "`max_line_bytes` is 0, so that no line could be read")
                .hint("leave it out, or write the most bytes that a line may have"));
        }
        Ok(())
    }
}
