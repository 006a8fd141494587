//! Deploying a function: compiled first, then written to the record, then doubted so that every instance reads it anew.

use std::sync::Arc;

use bytes::Bytes;

use crate::cache::Ask;
use crate::error::{Error, Result};
use crate::function::{Engine, Function, Language, Spec, View};

impl Engine {
    /// Compiles `text` as the function `name`; writes nothing.
    ///
    /// # Errors
    /// `BadFunction`; `InvalidArgument` where no file may have that name or be in that language.
    pub async fn compile(self: &Arc<Self>, name: &str, language: Language, text: &str, ask: Ask) -> Result<Arc<dyn Function>> {
        let view = View::new(Arc::clone(self), ask);
        Ok(self.registry().compile(name, language, text, &view).await?.1)
    }

    /// Compiles `text` and makes it the function `name`, here and on every instance.
    ///
    /// # Errors
    /// As [`Engine::compile`]; `NoDeploys` where nothing is written from here, `NotDeployed` where the record does not take it,
    /// `NotWritten` where it is in the record and other instances may learn that late.
    pub async fn deploy(self: &Arc<Self>, name: &str, language: Language, text: &str, ask: Ask) -> Result<Spec> {
        let deploy = self.deploys().ok_or(Error::NoDeploys)?;
        let view = View::new(Arc::clone(self), ask);
        let (key, function) = self.registry().compile(name, language, text, &view).await?;
        deploy.put_function(&key, Bytes::copy_from_slice(text.as_bytes()), ask.deadline).await?;
        self.cache().doubt(&key).await?;
        tracing::info!(function = name, %key, version = function.spec().version, "a function was deployed");
        Ok(function.spec().clone())
    }
}
