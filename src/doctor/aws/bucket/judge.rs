//! What S3's answers mean for a cache. Pure.

use aws_sdk_s3::types::BucketVersioningStatus;

use crate::config::Switch;
use crate::doctor::Finding;
use crate::doctor::aws::Place;
use crate::doctor::aws::bucket::{Heard, Listed};
use crate::doctor::aws::refusal::Refusal;

/// The one finding where there is no such bucket, it is elsewhere, or AWS does not know who asks; nothing else can be said then.
pub(in crate::doctor::aws) fn gone(heard: &Heard, place: Place<'_>) -> Option<Finding> {
    let said = [heard.listed.as_ref().err(), heard.versioning.as_ref().err(), heard.absent.as_ref().err()];
    let is_of_all = |refusal: &&Refusal| match refusal {
        Refusal::BadCredentials { .. } | Refusal::OtherRegion { .. } => true,
        Refusal::Missing { code } => code == "NoSuchBucket",
        Refusal::Unreachable | Refusal::Denied | Refusal::Other { .. } => false,
    };
    let refusal = said.into_iter().flatten().find(is_of_all)?;
    Some(refusal.finding("bucket", "s3:ListBucket", &place.to_string()))
}

/// Judges a bucket that is there.
pub(in crate::doctor::aws) fn judge(heard: &Heard, place: Place<'_>, redirect: Switch) -> Vec<Finding> {
    vec![
        versioning(&heard.versioning, place, redirect),
        listing(&heard.listed, place),
        reading(heard, place),
        absent_key(heard, place),
    ]
}

fn versioning(heard: &Result<Option<BucketVersioningStatus>, Refusal>, place: Place<'_>, redirect: Switch) -> Finding {
    const CHECK: &str = "versioning";
    match (heard, redirect) {
        (Err(refusal), _) => refusal.finding(CHECK, "s3:GetBucketVersioning", &place.to_string()),
        (Ok(Some(BucketVersioningStatus::Enabled)), _) => Finding::ok(CHECK, format!("{place} keeps versions")),
        (Ok(_), Switch::Off) => Finding::ok(CHECK, format!("{place} keeps no versions; only CACHE_API_REDIRECT=on needs them")),
        (Ok(_), Switch::On) => {
            let what = format!("CACHE_API_REDIRECT=on, and {place} keeps no versions: what is too big is refused all the same");
            let fix = format!(
                "switch CACHE_API_REDIRECT off; or switch versions on, and put again what is too big (old versions are paid for):\n\
                 aws s3api put-bucket-versioning --bucket {} --versioning-configuration Status=Enabled",
                place.bucket
            );
            Finding::problem(CHECK, what, fix)
        }
    }
}

fn listing(heard: &Result<Listed, Refusal>, place: Place<'_>) -> Finding {
    const CHECK: &str = "listing";
    match heard {
        Ok(_) => Finding::ok(CHECK, format!("{} can be listed", place.below())),
        Err(Refusal::Denied) => {
            let fix = format!("allow s3:ListBucket on {place} to the functions, and to whoever runs the doctor");
            Finding::problem(CHECK, format!("{} may not be listed", place.below()), fix)
        }
        Err(refusal) => refusal.finding(CHECK, "s3:ListBucket", &place.to_string()),
    }
}

fn reading(heard: &Heard, place: Place<'_>) -> Finding {
    const CHECK: &str = "reading";
    let (Ok(Listed::Some { name }), Some(read)) = (&heard.listed, &heard.read) else {
        if heard.listed.is_ok() {
            return Finding::ok(CHECK, format!("{}: there is nothing to read", place.below()));
        }
        let what = format!("{}: without a listing no name is known to read, and this check was not made", place.below());
        return Finding::warning(CHECK, what, "mend the listing, then run this again");
    };
    let name = name.escape_debug();
    match read {
        Ok(()) => Finding::ok(CHECK, format!("`{name}` can be read")),
        // Somebody else was quicker.
        Err(Refusal::Missing { .. }) => Finding::ok(CHECK, format!("`{name}` was removed just now")),
        Err(Refusal::Denied) => {
            let fix = format!(
                "allow s3:GetObject on `{}/{}*` to the functions, and to whoever runs the doctor; where a KMS key encrypts it, \
                 kms:Decrypt on that key too (the template's KmsKeyArn)",
                place.bucket, place.prefix
            );
            Finding::problem(CHECK, format!("`{name}` is listed, and may not be read"), fix)
        }
        Err(Refusal::Other { code, .. }) if code.starts_with("KMS.") => {
            let fix = "aws kms describe-key says the state of the key: enable it, or cancel its deletion";
            Finding::problem(CHECK, format!("`{name}` cannot be decrypted ({code})"), fix)
        }
        Err(refusal) => refusal.finding(CHECK, "s3:GetObject", &format!("`{name}`")),
    }
}

fn absent_key(heard: &Heard, place: Place<'_>) -> Finding {
    const CHECK: &str = "absent-key";
    match &heard.absent {
        Err(Refusal::Missing { .. }) => Finding::ok(CHECK, "a key that is not there is answered 404"),
        // S3 looks at s3:GetObject first, so that this says nothing of s3:ListBucket.
        Err(Refusal::Denied) if heard.read == Some(Err(Refusal::Denied)) => {
            let what = "while nothing may be read, it cannot be told whether a key that is not there is answered 404";
            Finding::warning(CHECK, what, "mend `reading` first")
        }
        Err(Refusal::Denied) => {
            let fix = format!(
                "allow s3:ListBucket on {place} to the functions, and to whoever runs the doctor; a condition on s3:prefix has to be \
                 StringLikeIfExists, since a GetObject names no prefix"
            );
            Finding::problem(CHECK, "a key that is not there is answered 403, and not 404: nobody learns that it is gone", fix)
        }
        Err(refusal) => refusal.finding(CHECK, "s3:GetObject", &format!("a key below `{}`", place.prefix)),
        Ok(()) => {
            let fix = "look at what answers there: AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL";
            Finding::problem(CHECK, "a key that nobody has put is answered as though it were there", fix)
        }
    }
}

#[cfg(test)]
mod tests;
