//! Writing a function's file into the bucket: one PUT, which is whole or not at all.

use std::time::Instant;

use async_trait::async_trait;
use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use tokio::time::timeout_at;

use crate::error::{Error, Result};
use crate::key::Key;
use crate::record::{FunctionDeploy, S3Record};

#[async_trait]
impl FunctionDeploy for S3Record {
    async fn put_function(&self, key: &Key, text: Bytes, deadline: Instant) -> Result<()> {
        let not_deployed = |cause| Error::NotDeployed { key: key.clone(), cause };
        let client = self.client().await.map_err(not_deployed)?;
        let put = client
            .put_object()
            .bucket(&self.location.bucket)
            .key(self.name_of(key))
            .content_type("text/plain; charset=utf-8")
            .body(ByteStream::from(text))
            .send();
        let put = timeout_at(deadline.into(), put).await.map_err(|_| Error::Deadline { key: key.clone() })?;
        put.map(|_| ()).map_err(|error| not_deployed(DisplayErrorContext(&error).to_string().into()))
    }
}
