//! What `serve` says when it is ready.

use std::fmt;
use std::net::SocketAddr;

use bytesize::ByteSize;

use crate::cli::Reach;
use crate::config::{Config, RecordConfig};

/// The lines that say what is served, from where, and what to try. For the terminal of whoever started it.
///
/// The first line ends in the URL, which is how a program that starts the server learns the port.
#[derive(Clone, Copy, Debug)]
pub struct Announcement<'a> {
    /// Where the server listens.
    pub address: SocketAddr,
    /// Who reaches it.
    pub reach: Reach,
    /// What it serves.
    pub config: &'a Config,
}

impl fmt::Display for Announcement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, reach, config } = self;
        writeln!(f, "cache-api {} serves http://{address}", env!("CARGO_PKG_VERSION"))?;
        match &config.record {
            RecordConfig::S3 { bucket, prefix, endpoint } => {
                write!(f, "  record  bucket {bucket}")?;
                if !prefix.as_str().is_empty() {
                    write!(f, ", below {}", prefix.as_str())?;
                }
                if let Some(endpoint) = endpoint {
                    write!(f, ", at {endpoint}")?;
                }
                writeln!(f)?;
            }
            RecordConfig::Directory { root } => writeln!(f, "  record  directory {}", root.display())?,
        }
        match &config.local_data_dir {
            Some(directory) => writeln!(f, "  kept    in {} (LOCAL_DATA_DIR)", directory.display())?,
            None => writeln!(f, "  kept    in memory alone (LOCAL_DATA_DIR names no directory)")?,
        }
        let budget = ByteSize::b(config.memory_budget_bytes).display().iec();
        writeln!(f, "  memory  up to {budget} (CACHE_API_MEMORY_BUDGET)")?;
        match (&config.api_token, reach) {
            (Some(_), _) => writeln!(f, "  asks    for CACHE_API_TOKEN")?,
            (None, Reach::Machine) => writeln!(f, "  asks    for no token (CACHE_API_TOKEN); only this machine reaches it")?,
            (None, Reach::Network) => {
                writeln!(f, "  asks    for no token (--allow-anonymous); whoever reaches it may read and evict")?
            }
        }
        writeln!(f, "  try     curl http://{address}/cache")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Machine};
    use crate::key::Prefix;

    fn announce(record: RecordConfig, local_data_dir: Option<&str>) -> String {
        let machine = Machine { memory_bytes: Some(3 << 30), user_cache_dir: None, current_dir: "/".into() };
        let config = Config::read(&Environment::new([("AWS_BUCKET_NAME", "any")], machine), None).unwrap();
        let config = Config { record, local_data_dir: local_data_dir.map(Into::into), ..config };
        Announcement { address: ([127, 0, 0, 1], 5000).into(), reach: Reach::Machine, config: &config }.to_string()
    }

    #[test]
    fn it_says_what_is_served_and_what_to_try() {
        let text = announce(RecordConfig::Directory { root: "/data/prices".into() }, Some("/home/ann/.cache/cache-api"));
        let expected = format!(
            "cache-api {} serves http://127.0.0.1:5000\n  \
             record  directory /data/prices\n  \
             kept    in /home/ann/.cache/cache-api (LOCAL_DATA_DIR)\n  \
             memory  up to 1.5 GiB (CACHE_API_MEMORY_BUDGET)\n  \
             asks    for no token (CACHE_API_TOKEN); only this machine reaches it\n  \
             try     curl http://127.0.0.1:5000/cache\n",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn it_names_the_parts_of_a_bucket_that_are_given() {
        let s3 = |prefix, endpoint: Option<&str>| RecordConfig::S3 {
            bucket: "prices".to_owned(),
            prefix: Prefix::normalise(prefix).unwrap(),
            endpoint: endpoint.map(str::to_owned),
        };
        assert!(announce(s3("", None), None).contains("  record  bucket prices\n  kept    in memory alone"));
        let text = announce(s3("data", Some("http://127.0.0.1:8333")), None);
        assert!(text.contains("  record  bucket prices, below data/, at http://127.0.0.1:8333\n"), "{text}");
    }
}
