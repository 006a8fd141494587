//! The name of a role, in AWS's own form. Pure.

/// `arn:PARTITION:iam::ACCOUNT:role/NAME`, with a path before the name or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleArn {
    text: String,
    partition: String,
    account: String,
}

impl RoleArn {
    /// Parses it; `None` where it is anything else: a user's, or a session's (`arn:aws:sts::…:assumed-role/…`).
    ///
    /// ```
    /// use cache_api::config::RoleArn;
    ///
    /// let role = RoleArn::parse("arn:aws-us-gov:iam::123456789012:role/path/api").unwrap();
    /// assert_eq!((role.partition(), role.account()), ("aws-us-gov", "123456789012"));
    /// assert_eq!(RoleArn::parse("arn:aws:sts::123456789012:assumed-role/api/session"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(6, ':');
        let mut part = || parts.next();
        let (Some("arn"), Some(partition), Some("iam"), Some(""), Some(account), Some(name)) =
            (part(), part(), part(), part(), part(), part())
        else {
            return None;
        };
        let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
        let is_name = name.strip_prefix("role/").is_some_and(|name| !name.is_empty());
        let is_arn = !partition.is_empty() && is_account && is_name && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_arn.then(|| Self { text: text.to_owned(), partition: partition.to_owned(), account: account.to_owned() })
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Which of AWS's worlds it is in: `aws`, `aws-cn`, `aws-us-gov`.
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// The twelve digits of its account.
    pub fn account(&self) -> &str {
        &self.account
    }
}
