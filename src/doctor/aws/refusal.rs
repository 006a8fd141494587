//! What it means that AWS did not answer, or refused.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::doctor::Finding;

/// Why a question has no answer. Of what AWS says only the code is kept: some of its messages repeat what they were sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nothing was heard.
    Unreachable,
    /// The caller may not ask.
    Denied,
    /// AWS does not know the credentials, or no longer.
    BadCredentials {
        code: String,
    },
    /// The bucket is in another region; in this one, where S3 says.
    OtherRegion {
        region: Option<String>,
    },
    /// There is no such thing.
    Missing {
        code: String,
    },
    Other {
        status: u16,
        code: String,
    },
}

impl Refusal {
    /// Tells them apart.
    pub fn of<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Self {
        match error.raw_response() {
            None => Self::Unreachable,
            Some(raw) => Self::judge(raw.status().as_u16(), error.code(), raw.headers().get("x-amz-bucket-region")),
        }
    }

    fn judge(status: u16, code: Option<&str>, region: Option<&str>) -> Self {
        let said = code.unwrap_or_default();
        let code = || if said.is_empty() { "without a code".to_owned() } else { said.to_owned() };
        match (status, said) {
            (_, "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException") | (301, _) => {
                Self::OtherRegion { region: region.map(str::to_owned) }
            }
            (_, "ExpiredToken" | "ExpiredTokenException" | "InvalidToken" | "InvalidAccessKeyId" | "SignatureDoesNotMatch")
            | (_, "InvalidClientTokenId" | "UnrecognizedClientException" | "RequestTimeTooSkewed" | "AuthFailure")
            | (401, _) => Self::BadCredentials { code: code() },
            (403, _) | (_, "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation") => Self::Denied,
            (404, _) => Self::Missing { code: code() },
            _ => Self::Other { status, code: code() },
        }
    }

    /// The finding that `action` (`s3:GetObject`) on `thing` ended so.
    pub fn finding(&self, check: &'static str, action: &str, thing: &str) -> Finding {
        match self {
            Self::Unreachable => {
                let what = format!("{action} was not answered: this check was not made");
                let fix =
                    "run `cache-api doctor --aws` where AWS can be reached: a VPC without NAT needs an endpoint for each service";
                Finding::warning(check, what, fix)
            }
            Self::Denied => {
                let fix = format!("allow {action} on {thing} to whoever runs the doctor, or run it as somebody who may");
                Finding::warning(check, format!("{action} is denied here: this check was not made"), fix)
            }
            Self::BadCredentials { code } => {
                let fix = "log in again, or renew them; where RequestTimeTooSkewed is said, set this machine's clock";
                Finding::problem("credentials", format!("AWS does not take the credentials ({code} to {action})"), fix)
            }
            Self::OtherRegion { region } => {
                let region = region.as_deref().unwrap_or("the region of the bucket (aws s3api head-bucket says it)");
                Finding::problem("region", format!("{thing} is in another region"), format!("set AWS_REGION to {region}"))
            }
            Self::Missing { code } => {
                let fix = "look at the settings that name it, at AWS_REGION, and at the account";
                Finding::problem(check, format!("there is no {thing} here ({code})"), fix)
            }
            Self::Other { status, code } => {
                let what = format!("{action} was answered {status} {code}: this check was not made");
                Finding::warning(check, what, "try again; AWS's health page says whether that service has trouble")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn refusals_are_told_apart_by_status_and_code() {
        let bad = |code: &str| Refusal::BadCredentials { code: code.to_owned() };
        let table = [
            (403, Some("AccessDenied"), None, Refusal::Denied),
            (403, None, None, Refusal::Denied),
            (400, Some("AccessDeniedException"), None, Refusal::Denied),
            (400, Some("ExpiredToken"), None, bad("ExpiredToken")),
            (403, Some("InvalidClientTokenId"), None, bad("InvalidClientTokenId")),
            (403, Some("SignatureDoesNotMatch"), None, bad("SignatureDoesNotMatch")),
            (301, None, Some("eu-west-1"), Refusal::OtherRegion { region: Some("eu-west-1".into()) }),
            (301, Some("PermanentRedirect"), None, Refusal::OtherRegion { region: None }),
            (400, Some("AuthorizationHeaderMalformed"), None, Refusal::OtherRegion { region: None }),
            (404, Some("NoSuchBucket"), None, Refusal::Missing { code: "NoSuchBucket".into() }),
            (404, Some("FileSystemNotFound"), None, Refusal::Missing { code: "FileSystemNotFound".into() }),
            (503, None, None, Refusal::Other { status: 503, code: "without a code".into() }),
        ];
        for (status, code, region, expected) in table {
            assert_eq!(Refusal::judge(status, code, region), expected, "{status} {code:?}");
        }
    }

    #[test]
    fn a_check_that_was_not_made_is_a_warning_that_names_the_action() {
        for refusal in [Refusal::Unreachable, Refusal::Denied, Refusal::Other { status: 503, code: "Slow".into() }] {
            let found = refusal.finding("mount-targets", "elasticfilesystem:DescribeMountTargets", "fs-1");
            assert_eq!((found.level, found.check), (Level::Warning, "mount-targets"), "{found:?}");
            assert!(found.what.contains("elasticfilesystem:DescribeMountTargets"), "{found:?}");
        }
        let found = Refusal::OtherRegion { region: Some("eu-west-1".into()) }.finding("bucket", "s3:GetObject", "bucket `b`");
        assert_eq!(
            (found.level, found.check, found.fix.as_deref()),
            (Level::Problem, "region", Some("set AWS_REGION to eu-west-1"))
        );
    }
}
