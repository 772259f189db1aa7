//! `rillmark` alone: settings, logs, sockets, say what listens where, serve until a signal, drain.
//!
//! **Source:** signal(7): SIGTERM is how supervisors ask, SIGINT how people do.

use std::io;
use std::process::ExitCode;

use super::Failure;
use crate::config::Settings;
use crate::server::{Server, terminated};
use crate::telemetry::init_logs;

pub(super) fn run(settings: &Settings) -> Result<ExitCode, Failure> {
    let config = settings.check()?;
    let _logs = init_logs(&config.log).map_err(|error| Failure::Other(error.to_string()))?;
    for warning in &settings.warnings {
        tracing::warn!(setting = warning.place, "{}", warning.fault);
    }
    let auth = &config.options.auth;
    let (keys, secrets) = (auth.api_keys.len(), auth.token_secrets.len() + auth.token_public_keys.len());
    if keys == 0 && secrets > 0 {
        tracing::warn!("there is a token secret and no API key: nobody can render, nor publish without a token");
    }
    // The workers have threads of their own; this one only waits.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| cannot_serve(&error))?;
    runtime.block_on(async {
        let shutdown = terminated().map_err(|error| cannot_serve(&error))?;
        let server = Server::bind(config.options).map_err(|error| Failure::Other(error.to_string()))?;
        for address in server.local_addrs() {
            tracing::info!(%address, api_keys = keys, token_secrets = secrets, version = env!("CARGO_PKG_VERSION"), "listening");
        }
        for address in server.internal_addrs() {
            tracing::info!(%address, "listening for internal requests");
        }
        server.run_until(shutdown).await.map_err(|error| cannot_serve(&error))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn cannot_serve(error: &io::Error) -> Failure {
    Failure::Other(format!("cannot serve: {error}"))
}
