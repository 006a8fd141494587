//! The real parts that tests start and stop: servers, emulators, clients, a tier.

pub mod client;
pub mod emulator;
pub mod fault_server;
pub mod faulty;
pub mod instance;
pub mod ministack;
pub mod moto;
pub mod proxy;
pub mod runtime_api;
pub mod seaweed;
pub mod serve;
pub mod server;
pub mod tier;
