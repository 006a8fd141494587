//! The checksum that S3 keeps of a whole object, for a body that comes in parts: the SDK verifies whole answers only.

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::types::ChecksumType;
use aws_smithy_checksums::ChecksumAlgorithm;
use aws_smithy_types::base64;

use crate::entry::Checksum;

/// A checksum of all bytes of an object.
#[derive(Debug)]
pub(super) struct WholeChecksum {
    algorithm: ChecksumAlgorithm,
    value: Vec<u8>,
}

impl WholeChecksum {
    /// The checksum that came with an answer; the quickest where there are several. `None` where there is none of the whole, but
    /// one of its parts' checksums (`…-12`, of an object uploaded in parts): where those began the answer does not say.
    pub(super) fn of(output: &GetObjectOutput) -> Option<Self> {
        if output.checksum_type == Some(ChecksumType::Composite) {
            return None;
        }
        let given = [
            (ChecksumAlgorithm::Crc64Nvme, &output.checksum_crc64_nvme),
            (ChecksumAlgorithm::Crc32c, &output.checksum_crc32_c),
            (ChecksumAlgorithm::Crc32, &output.checksum_crc32),
            (ChecksumAlgorithm::Sha1, &output.checksum_sha1),
            (ChecksumAlgorithm::Sha256, &output.checksum_sha256),
        ];
        // One of parts is no base64, for its hyphen.
        given.into_iter().find_map(|(algorithm, text)| Some(Self { algorithm, value: base64::decode(text.as_deref()?).ok()? }))
    }

    /// It as our own, if it is of that kind.
    pub(super) fn as_own(&self) -> Option<Checksum> {
        let value = self.value.as_slice().try_into().ok().filter(|_| self.algorithm == ChecksumAlgorithm::Crc64Nvme)?;
        Some(u64::from_be_bytes(value).into())
    }

    /// Whether it is that of `body`, of which `own` is our own.
    pub(super) fn fits(&self, body: &[u8], own: Option<Checksum>) -> bool {
        if let Some(given) = self.as_own() {
            return own == Some(given);
        }
        let mut checksum = self.algorithm.into_impl();
        checksum.update(body);
        checksum.finalize() == self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_fits_its_checksum_and_no_other_whichever_it_is() {
        let (body, own) = (b"123456789", Some(Checksum::of(b"123456789")));
        let bare = GetObjectOutput::builder;
        // Source: the catalogue of parametrised CRC algorithms, "check"; sha1sum and sha256sum.
        let given = [
            bare().checksum_crc64_nvme("rosUhgp5mIg="),
            bare().checksum_crc32_c("4waSgw=="),
            bare().checksum_crc32("y/Q5Jg=="),
            bare().checksum_sha1("98O8HYCOBHMq32eZZczDTKeuNEE="),
            bare().checksum_sha256("FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
        ];
        for given in given {
            let checksum = WholeChecksum::of(&given.checksum_type(ChecksumType::FullObject).build()).unwrap();
            assert!(checksum.fits(body, own), "{checksum:?}");
            assert!(!checksum.fits(b"123456780", Some(Checksum::of(b"123456780"))), "{checksum:?}");
        }
    }

    #[test]
    fn a_checksum_of_parts_is_none_of_the_whole() {
        let bare = GetObjectOutput::builder;
        for output in [
            bare(),
            bare().checksum_crc64_nvme("rosUhgp5mIg=-2"),
            bare().checksum_crc64_nvme("rosUhgp5mIg=").checksum_type(ChecksumType::Composite),
            bare().checksum_sha256("FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=-12"),
        ] {
            assert!(WholeChecksum::of(&output.build()).is_none());
        }
    }
}
