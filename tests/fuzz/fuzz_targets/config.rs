//! Configuration text: any bytes are a configuration or a list of problems.
#![no_main]

use collector::config::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    match Config::parse("fuzz.yaml", bytes, &|_variable| None) {
        Ok(config) => assert!(!config.sinks.is_empty(), "a configuration has a sink"),
        Err(problems) => assert!(!problems.to_string().is_empty(), "a refusal says why"),
    }
});
