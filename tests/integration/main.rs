//! All tests from outside, in one binary: linking is the slow part.

mod build;
mod crash;
mod deploy;
mod doctor;
mod doctor_aws;
mod doctor_roles;
#[cfg(feature = "frames")]
mod formats;
#[cfg(feature = "frames")]
mod functions;
#[cfg(feature = "frames")]
mod golden;
mod house;
mod http_door;
mod in_docker;
mod keys_at_doors;
mod lambda_door;
mod lambda_events;
mod lambda_limits;
mod lambda_stream;
mod large_bodies;
#[cfg(feature = "frames")]
mod live_functions;
mod local_api;
mod mutants;
mod one_fetch;
#[cfg(feature = "python")]
mod python_functions;
#[cfg(feature = "frames")]
mod queries;
mod readme;
mod record_conformance;
mod record_directory;
mod record_faults;
mod record_parts;
mod record_s3;
mod refreshed;
mod sam_events;
mod semantics;
mod serve_safety;
mod servers;
mod settings;
#[cfg(feature = "frames")]
mod slices;
mod support;
mod surface;
mod sweep;
mod template;
mod tier_conformance;
mod tier_damage;
mod tier_faults;
mod tier_foreign;
mod tier_garbage;
mod tier_protocol;
mod torture;
mod v1;
