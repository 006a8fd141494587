//! All tests from outside, in one binary: linking is the slow part.

mod crash;
mod doctor;
mod functions;
mod golden;
mod house;
mod http_door;
mod keys_at_doors;
mod lambda_door;
mod lambda_events;
mod lambda_limits;
mod lambda_stream;
mod readme;
mod record_conformance;
mod record_directory;
mod record_faults;
mod record_s3;
mod refreshed;
mod servers;
mod settings;
mod support;
mod sweep;
mod template;
mod tier_conformance;
mod tier_damage;
mod tier_protocol;
mod v1;
