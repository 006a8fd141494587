//! The real parts that tests start and stop: servers, emulators, clients, a tier.

pub mod aws;
pub mod client;
pub mod emulator;
pub mod fault_server;
pub mod faulty;
pub mod gateway;
pub mod iam;
pub mod instance;
pub mod proxy;
pub mod repository;
pub mod runtime_api;
pub mod seaweed;
pub mod serve;
pub mod server;
pub mod tier;
