//! `verdict serve`, `worker` and `token`.

use std::{net::SocketAddr, path::Path, sync::Arc};

use serde::Serialize;
use serde_json::json;
use tokio::net::TcpListener;
use verdict::Progress;
use verdict_relayer::clock::SystemClock;
use verdict_service::{
    Chains, ChainsError, Dict, ModelConfig, Service, ServiceConfig, ServiceError, Setting,
    store::{Store, Token},
};

use super::chain::runtime;
use crate::{
    args::{self, Serve, TokenCommand, Work},
    failure::{Failure, Outcome},
    ui::{Ui, table},
};

/// What a service that was only checked would do.
#[derive(Serialize)]
struct Check {
    listen: String,
    models: Vec<String>,
    chain_id: Option<u64>,
    senders: Vec<String>,
}

/// A token, with its secret when it is made.
#[derive(Serialize)]
struct Made {
    #[serde(flatten)]
    token: Token,
    secret: String,
}

pub(crate) fn serve(args: &Serve, ui: &Ui) -> Outcome {
    let mut chain = settings(&args.chain)?;
    set(&mut chain, "send", args.no_send.then_some(false))?;
    let keystores = Some(&args.keystore).filter(|files| !files.is_empty());
    set(&mut chain, "keystores", keystores)?;
    set(&mut chain, "password_file", args.password_file.as_ref())?;
    set(&mut chain, "confirmations", args.confirmations)?;
    let mut flags = flags(&args.setups, &args.settings)?;
    set(&mut flags, "chain", Some(chain))?;
    set(&mut flags, "listen", args.listen)?;
    set(&mut flags, "prove", args.no_prove.then_some(false))?;
    set(&mut flags, "authenticate", args.no_auth.then_some(false))?;
    let config = load(args.settings.config.as_deref(), flags)?;
    let (listen, chain_config) = (config.listen, config.chain.clone());
    runtime()?.block_on(async {
        let service = Service::open(config, args.computing.options()).await.map_err(failure)?;
        let chain_id = service.models().chain_id();
        let chains = match chain_id {
            Some(id) => {
                Chains::connect(&chain_config, id, service.data()).await.map_err(no_chain)?
            }
            None => Chains::default(),
        };
        let report = Check {
            listen: listen.to_string(),
            models: service.models().iter().map(|model| model.name().to_owned()).collect(),
            chain_id,
            senders: chains.senders.iter().map(|chain| chain.sender().to_string()).collect(),
        };
        let rows = [
            ("models", report.models.join(", ")),
            ("chain", chain_id.map_or_else(|| "none".into(), |id| id.to_string())),
            ("sending keys", report.senders.join(", ")),
        ];
        if args.check {
            return ui.result(&report, &table(&rows));
        }
        for model in service.models().iter() {
            if model.setup().is_insecure() {
                ui.note(&format!("model {}: {}", model.name(), verdict::INSECURE));
            }
        }
        let listener = bind(listen).await?;
        if let Some(path) = service.first_token().await.map_err(failure)? {
            let path = path.display();
            ui.note(&format!("the first token, with every right, is in {path}"));
        }
        let address = listener.local_addr().unwrap_or(listen);
        ui.note(&format!("serving {} on http://{address}", rows[0].1));
        service.serve(listener, chains, signal()).await.map_err(failure)
    })
}

pub(crate) fn work(args: &Work, ui: &Ui) -> Outcome {
    let mut flags = flags(&args.setups, &args.settings)?;
    set(&mut flags, "chain", Some(settings(&args.chain)?))?;
    set(&mut flags, "worker_listen", args.listen)?;
    let config = load(args.settings.config.as_deref(), flags)?;
    if config.database.is_none() {
        let what = "a worker shares a database with its `serve`, and SQLite is one process's";
        return Err(
            Failure::usage(what).hint("give --database postgres://…; `serve` itself proves")
        );
    }
    let (listen, chain_config) = (config.worker_listen, config.chain.clone());
    runtime()?.block_on(async {
        let service = Service::open(config, args.computing.options()).await.map_err(failure)?;
        let reader = match service.models().chain_id() {
            Some(id) => Chains::read(&chain_config, id).await.map_err(no_chain)?.reader,
            None => None,
        };
        let listener = match listen {
            Some(address) => {
                let listener = bind(address).await?;
                let address = listener.local_addr().unwrap_or(address);
                ui.note(&format!("answering on http://{address}"));
                Some(listener)
            }
            None => None,
        };
        ui.note("waiting for jobs");
        service.work(listener, reader, signal()).await.map_err(failure)
    })
}

async fn bind(address: SocketAddr) -> Outcome<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| failure(ServiceError::Listen { address, source }))
}

pub(crate) fn token(command: &TokenCommand, ui: &Ui) -> Outcome {
    let (TokenCommand::Create { settings, .. }
    | TokenCommand::List { settings }
    | TokenCommand::Revoke { settings, .. }) = command;
    let config = load(settings.config.as_deref(), flags(&[], settings)?)?;
    if config.database.is_none() && settings.data.is_none() && !config.data.exists() {
        let folder = config.data.display();
        return Err(Failure::new(format!("there is no data folder {folder} here"))
            .hint("name the service's with --data, or its database with --database"));
    }
    runtime()?.block_on(async {
        let store = verdict_service::open_store(&config, Arc::new(SystemClock)).await;
        let store = store.map_err(failure)?;
        let done = change_tokens(command, &store, ui).await;
        store.close().await;
        done
    })
}

async fn change_tokens(command: &TokenCommand, store: &Store, ui: &Ui) -> Outcome {
    match command {
        TokenCommand::Create { name, scope, .. } => {
            let (token, secret) = store.create_token(name, scope).await?;
            ui.note("this is the only time that the secret is shown");
            let made = Made { token, secret };
            ui.result(&made, std::slice::from_ref(&made.secret))
        }
        TokenCommand::List { .. } => {
            let tokens = store.tokens().await?;
            let line = |token: &Token| {
                let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.name()).collect();
                format!("{}  {}", token.name, scopes.join(","))
            };
            let lines: Vec<String> = tokens.iter().map(line).collect();
            ui.result(&tokens, &lines)
        }
        TokenCommand::Revoke { name, .. } => {
            store.revoke_token(name).await?;
            ui.result(&json!({ "revoked": name }), &[format!("{name} is revoked")])
        }
    }
}

/// The flags that are set, as settings.
fn flags(setups: &[String], given: &args::Settings) -> Outcome<Dict> {
    let mut flags = settings(given)?;
    let models: Vec<ModelConfig> = setups.iter().map(|text| model(text)).collect();
    set(&mut flags, "models", Some(models).filter(|models| !models.is_empty()))?;
    Ok(flags)
}

fn settings(given: &impl Serialize) -> Outcome<Dict> {
    Ok(Setting::serialize(given)?.into_dict().unwrap_or_default())
}

fn set(flags: &mut Dict, name: &str, value: Option<impl Serialize>) -> Outcome {
    if let Some(value) = value {
        flags.insert(name.to_owned(), Setting::serialize(value)?);
    }
    Ok(())
}

/// `NAME=FOLDER`, or a folder.
fn model(text: &str) -> ModelConfig {
    let (name, setup) = match text.split_once('=') {
        Some((name, setup)) if !name.is_empty() && !Path::new(text).exists() => (Some(name), setup),
        _ => (None, text),
    };
    ModelConfig { name: name.map(str::to_owned), setup: setup.into(), srs: None }
}

fn load(file: Option<&Path>, flags: Dict) -> Outcome<ServiceConfig> {
    ServiceConfig::load(file, &flags).map_err(|error| {
        Failure::from(error).hint("docs/operations.md lists the settings; `--check` tries them")
    })
}

/// An error of the service's; those of the library keep their kinds and hints.
fn failure(error: ServiceError) -> Failure {
    let hint = match &error {
        ServiceError::Model(verdict_service::models::ModelError::None) => {
            Some("for example `verdict serve setup/`, after `verdict deploy setup/`")
        }
        ServiceError::Listen { .. } => Some("give another address with --listen"),
        _ => None,
    };
    let failure = match error {
        ServiceError::Keys(error) => error.into(),
        error => Failure::from(error),
    };
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn no_chain(error: ChainsError) -> Failure {
    match error {
        ChainsError::Chain(error) => verdict::Error::from(error).into(),
        error => error.into(),
    }
}

/// Returns when the process is asked to end.
async fn signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        if let Ok(mut terminate) = terminate {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}
