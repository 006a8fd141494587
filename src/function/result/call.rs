//! What names a result: the function, its version, the build that computes, and every argument.

use std::fmt;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::function::{Arguments, Spec};
use crate::tier::ResultName;

/// The build of this program: another may compute something else of the same.
const BUILD: &str = env!("SOURCES_DIGEST");

/// Names one call of one version of a function, to the letter.
///
/// Pitfall 22: nothing is normalised that was not parsed. Arguments come as they were parsed by the function's spec, defaults filled
/// in, so that `1`, `1.0` and `"1"` differ where the function could tell them apart.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Call([u8; 32]);

impl Call {
    /// Names a call of the function that `spec` describes.
    pub fn of(spec: &Spec, arguments: &Arguments) -> Self {
        let given: Vec<_> =
            spec.parameters.iter().map(|parameter| (&*parameter.name, arguments.value(&parameter.name))).collect();
        let others: Vec<_> = arguments.others().collect();
        // As JSON every text ends where it ends, whatever is in it.
        let text = json!([BUILD, spec.language.name(), spec.name, spec.version, given, others]).to_string();
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// What its result is kept as.
    pub fn result_name(&self) -> ResultName {
        ResultName::of(&self.0)
    }

    /// 64 hex digits.
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}
